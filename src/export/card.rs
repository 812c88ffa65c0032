//! The model card: YAML front matter that the hub reads (`model-index`), then the same for people, caveats included.
//!
//! Every string in the YAML is written as a JSON string, which YAML 1.2 reads as itself; nothing has to be guessed about
//! colons, quotes or `no`. Metric types are the hub's names, values fractions as everywhere.

use super::{ExportInput, config};
use crate::family::{Baseline, Computation, Family};
use crate::fetch::RepositoryKind;
use crate::record::{Record, RecordedScore, Status};
use crate::score::Metric;
use crate::task::{FeatureBased, FeatureKind, Head, LSTM_LAYERS, is_synthetic};
use serde_json::Value;
use std::fmt::Write;

/// The card's whole text.
pub fn text(input: &ExportInput) -> String {
    format!("---\n{}---\n\n{}", front_matter(input), body(input))
}

/// The hub's name of a metric (`evaluate`'s).
fn metric_type(metric: Metric) -> &'static str {
    match metric {
        Metric::Matthews => "matthews_correlation",
        Metric::Pearson => "pearsonr",
        Metric::Spearman => "spearmanr",
        Metric::BestExact => "exact_match",
        Metric::BestF1 => "f1",
        Metric::EntityF1 => "seqeval",
        other => other.name(),
    }
}

/// The hub's pipeline that runs the exported class, as key and for people; a regression runs as text classification.
fn pipeline(input: &ExportInput) -> (&'static str, &'static str) {
    match input.head() {
        Head::Span | Head::BeamSpan => ("question-answering", "Question Answering"),
        Head::Classification | Head::Regression => ("text-classification", "Text Classification"),
        Head::Tokens | Head::FeatureBased(_) => ("token-classification", "Token Classification"),
        Head::Choice => ("multiple-choice", "Multiple Choice"),
        Head::Pretraining => ("fill-mask", "Fill-Mask"),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn model_name(record: &Record) -> String {
    let base = record.checkpoint.trim_end_matches('/').rsplit('/').next().unwrap_or(&record.checkpoint);
    format!("{base}-{}-{}", record.task, record.id)
}

fn front_matter(input: &ExportInput) -> String {
    let (record, (task_type, task_name)) = (input.record, pipeline(input));
    let of_transformers = input.class().is_ok_and(|class| class.is_some());
    let library = if of_transformers { "library_name: transformers\n" } else { "" };
    let mut yaml = format!(
        "{library}pipeline_tag: {}\nbase_model: {}\ndatasets:\n- {}\n",
        task_type,
        quoted(&record.checkpoint),
        quoted(&record.data)
    );
    let _ = write!(yaml, "model-index:\n- name: {}\n  results:\n", quoted(&model_name(record)));
    for split in splits(&record.scores) {
        let _ = write!(yaml, "  - task:\n      type: {task_type}\n      name: {task_name}\n{}", dataset(input, split));
        let of_split = record.scores.iter().filter(|score| score.split == split);
        of_split.for_each(|score| yaml.push_str(&metric(score, record)));
    }
    yaml
}

/// Split names in the order of the scores.
fn splits(scores: &[RecordedScore]) -> Vec<&str> {
    let mut names: Vec<&str> =
        scores.iter().filter(|score| score.value.is_some()).map(|score| score.split.as_str()).collect();
    names.dedup();
    names
}

fn dataset(input: &ExportInput, split: &str) -> String {
    let task = input.task;
    let mut yaml = format!(
        "    dataset:\n      type: {}\n      name: {}\n      config: {}\n      split: {}\n",
        quoted(&input.record.data),
        quoted(&rows_of(input)),
        quoted(task.dataset.config),
        quoted(split)
    );
    let mut files = input.record.files.iter().map(|file| &file.repository);
    let revision = files.find(|repository| repository.kind == RepositoryKind::Dataset);
    if let Some(revision) = revision.and_then(|repository| repository.revision.as_ref()) {
        let _ = writeln!(yaml, "      revision: {}", quoted(revision));
    }
    yaml + "    metrics:\n"
}

/// One metric; an undefined one has no number and is left to the table below.
fn metric(score: &RecordedScore, record: &Record) -> String {
    let Some(value) = score.value else { return String::new() };
    let name = format!("{} (dev, seed {}, {} examples)", score.metric.name(), record.seed, score.examples);
    format!("    - type: {}\n      value: {value}\n      name: {}\n", metric_type(score.metric), quoted(&name))
}

fn body(input: &ExportInput) -> String {
    let record = input.record;
    let mut text = format!("# {}\n\n", model_name(record));
    let family = config::family(input.config).ok();
    let _ = writeln!(text, "{} on {} by `repro` {}.\n", made(input), rows_of(input), record.provenance.version);
    text.push_str(&record.recipe.feature_based().map(|how| what_it_is(how, family)).unwrap_or_default());
    text.push_str(&under_a_bilstm(input, family).unwrap_or_default());
    text.push_str(if reads_characters(input) { TEXTS_OVER_ELMO } else { "" });
    text.push_str("| split | metric | value | 95 % over examples | examples |\n|---|---|---|---|---|\n");
    record.scores.iter().for_each(|score| text.push_str(&row(score)));
    text.push_str("\n## What these numbers are\n\n");
    notes(input).iter().for_each(|note| {
        let _ = writeln!(text, "- {note}");
    });
    text.push_str("\n## Recipe\n\n```json\n");
    // A struct of numbers and names always serialises.
    text.push_str(&serde_json::to_string_pretty(&record.recipe).unwrap_or_default());
    text + "\n```\n"
}

/// The task, and whose rows it was where they are not its own.
fn rows_of(input: &ExportInput) -> String {
    let (title, data) = (input.task.title, &input.record.data);
    match input.task.has_own_rows(data) {
        true => title.into(),
        false if is_synthetic(data) => format!("{title} of `{data}` (synthetic)"),
        false => format!("{title} of `{data}`"),
    }
}

/// What was done with which checkpoint.
fn made(input: &ExportInput) -> String {
    let checkpoint = &input.record.checkpoint;
    match input.record.baseline {
        Some(Baseline::Majority) => "The majority class, a baseline that reads nothing,".into(),
        Some(Baseline::BagOfWords) => {
            format!("A bag of words, a baseline over the word pieces of `{checkpoint}`, trained")
        }
        None if input.head().freezes_encoder() || reads_characters(input) => {
            format!("`{checkpoint}` frozen, with a BiLSTM trained")
        }
        None => match &input.record.recipe.start_from {
            Some(task) => format!("`{checkpoint}`, fine-tuned on `{task}` before, fine-tuned"),
            None if input.record.recipe.bilstm_layers > 0 => format!("`{checkpoint}` fine-tuned under a new BiLSTM"),
            None => format!("`{checkpoint}` fine-tuned"),
        },
    }
}

/// Whether it is ELMo under a sentence encoder.
fn reads_characters(input: &ExportInput) -> bool {
    config::family(input.config).is_ok_and(|family| family.computation == Computation::Elmo)
}

/// What to build around the tensors, for a model that `transformers` has no class for.
fn what_it_is(how: FeatureBased, family: Option<&Family>) -> String {
    let states = match how.kind {
        FeatureKind::Embeddings => "hidden_states[0]",
        FeatureKind::SecondToLastHidden => "hidden_states[-2]",
        FeatureKind::LastHidden => "hidden_states[-1]",
        FeatureKind::ConcatLastFourHidden => "torch.cat(hidden_states[-4:], -1)",
        FeatureKind::WeightedSumLastFourHidden => {
            "mix.scale * sum(s * h for s, h in zip(mix.weights.softmax(0), hidden_states[-4:]))"
        }
        FeatureKind::WeightedSumAllLayers => {
            "mix.scale * sum(s * h for s, h in zip(mix.weights.softmax(0), hidden_states[1:]))"
        }
    };
    format!(
        "**`transformers` has no class for this model**: the feature-based approach of BERT's Section 5.3. Its encoder \
         (`{prefix}*`) is the checkpoint's, unchanged; `{class}Model` loads it and ignores the rest. Around it, in PyTorch's terms \
         and with PyTorch's names (gates i, f, g, o; `{mix}lstm.*`, `classifier.*`), of `hidden_states` with \
         `output_hidden_states=True`, over every token:\n\n```python\n\
         features = {states}\n\
         lstm = torch.nn.LSTM(features.shape[-1], {units}, num_layers={LSTM_LAYERS}, bidirectional=True, batch_first=True)\n\
         logits = classifier(lstm(features)[0])  # classifier: torch.nn.Linear({outputs}, labels); pack padded sequences\n\
         ```\n\n",
        prefix = family.map_or("", |family| family.prefix),
        class = family.map_or("Auto", |family| family.class),
        mix = if how.kind.is_weighted() { "mix.*`, `" } else { "" },
        units = how.lstm_hidden_size,
        outputs = how.outputs(),
    )
}

/// The same of a BiLSTM between an encoder that was trained and its head.
fn under_a_bilstm(input: &ExportInput, family: Option<&Family>) -> Option<String> {
    let (layers, family) = (Some(input.record.recipe.bilstm_layers).filter(|layers| *layers > 0)?, family?);
    let class = config::architecture(input.config, input.head()).ok()??;
    let hidden = input.config.get(family.field("hidden_size")).and_then(Value::as_u64)?;
    let units = hidden / 2;
    let read = if input.head().pools() {
        format!(
            "torch.cat([states[:, -1, :{units}], states[:, 0, {units}:]], -1)  # -1: the last one that is no padding"
        )
    } else {
        "states".into()
    };
    Some(format!(
        "**`transformers` has no class for this model**: a BiLSTM stands between the encoder and the head of `{class}` (BERT, \
         Section 5.1, which gives no sizes; these are `repro`'s). `{bare}Model` loads the encoder (`{prefix}*`) and ignores the rest. \
         Around it, in PyTorch's terms and with PyTorch's names (gates i, f, g, o; `lstm.*`), over every token:\n\n```python\n\
         lstm = torch.nn.LSTM({hidden}, {units}, num_layers={layers}, bidirectional=True, batch_first=True)\n\
         states = lstm(encoder(**inputs).last_hidden_state)[0]  # pack padded sequences; the head of {class} reads\n\
         read = {read}\n\
         ```\n\n",
        bare = family.class,
        prefix = family.prefix,
    ))
}

const TEXTS_OVER_ELMO: &str = "**`transformers` has no class for this model**: the sentence encoder of GLUE's baselines \
    over a frozen ELMo, whose arrays (`elmo.*`) are those of the published `weights.hdf5` with `.` for `/`. Around it, with \
    PyTorch's names: `mix.*` sums the states of a word (softmax of the weights, times the scale), `lstm.*` is a BiLSTM, of two \
    texts `attended.*` a second one over each word's state and what it attends to in the other text, and `classifier*` reads \
    the maxima over words, of two texts `[u; v; |u - v|; u v]`. Formula by formula: `repro`'s \
    `src/engine/reference/texts.rs`.\n\n";

fn row(score: &RecordedScore) -> String {
    let value = score.value.map_or("undefined".to_string(), |value| format!("{value:.4}"));
    let interval = score.interval.map_or("–".to_string(), |(low, high)| format!("{low:.4} – {high:.4}"));
    format!("| {} | {} | {value} | {interval} | {} |\n", score.split, score.metric.name(), score.examples)
}

const BEGAN_RANDOM: &str = "Fine-tuning began from random weights, not from the checkpoint's.";

/// What a reader must know before believing a value.
fn notes(input: &ExportInput) -> Vec<String> {
    let record = input.record;
    let mut notes = vec![
        "Scores are on the **dev** split, not on the test split of published tables.".to_string(),
        format!(
            "One run: seed {}, preset `{}`, weights of step {} of {}; the interval covers the sampling of examples, not of seeds.",
            record.seed, record.recipe.preset, record.kept_step, record.total_steps
        ),
        format!("Run `{}` of experiment `{}`, {}.", record.id, record.experiment, origin(record)),
    ];
    if let Status::Collapsed(reason) = &record.status {
        notes.push(format!("**The run collapsed**: {reason}."));
    }
    if record.untrained {
        let frozen = record.recipe.features.is_some() || reads_characters(input);
        let text = if frozen { "The encoder's weights are random, not the checkpoint's." } else { BEGAN_RANDOM };
        notes.push(text.to_string());
    }
    let decodes = input.config.get("is_decoder") == Some(&Value::Bool(true));
    if decodes && input.task.head.pools() && record.recipe.bilstm_layers == 0 {
        notes.push(
            "A left-to-right model: `repro` reads a sequence's last token, the class of `transformers` pools its first. \
             Its logits are others."
                .to_string(),
        );
    }
    if record.recipe.both_orders {
        notes.push(
            "Pairs were read in both orders and the two states added before the classifier: the class of `transformers` \
             gives each order's logits, of which these are the sum."
                .to_string(),
        );
    }
    if input.head() == Head::BeamSpan {
        notes.push(
            "Answers are found by a beam search: take the class that `config.json` names, for the hub's pipeline would put \
             another head on it. Contexts stand before their questions; tokens that cannot answer are given as `p_mask`."
                .to_string(),
        );
    }
    if record.recipe.metric_batch_size > 0 {
        notes.push(format!(
            "**Coefficients are means over batches of {} rows**, as GLUE's baselines were scored, not of the whole split: \
             comparable with nothing else.",
            record.recipe.metric_batch_size
        ));
    }
    let unusual = record.splits.iter().filter(|split| split.release != "official");
    notes.extend(unusual.map(|split| format!("Rows of `{}`: {} ({}).", split.split, split.rows, split.release)));
    notes.extend(
        record.limit.map(|limit| format!("Limited to the first {limit} rows of every split: comparable with nothing.")),
    );
    notes
}

fn origin(record: &Record) -> String {
    let provenance = &record.provenance;
    let commit = provenance.commit.as_deref().unwrap_or("unknown");
    let dirty = if provenance.dirty == Some(true) { ", with uncommitted changes" } else { "" };
    format!("engine {}, device {}, {}, commit {commit}{dirty}", provenance.engine, provenance.device, provenance.dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::sample;
    use crate::task::find;

    fn card(record: &Record) -> String {
        let config = serde_json::json!({"model_type": "distilbert"});
        let task = find(&record.task).unwrap();
        text(&ExportInput { config: config.as_object().unwrap(), task, parameters: &[], tokenizer: &[], record })
    }

    #[test]
    fn the_front_matter_is_yaml_with_a_result_for_each_metric() {
        let card = card(&sample::record(3, 0.85));
        let yaml = card.split("---\n").nth(1).unwrap();
        let yaml: serde_json::Value = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(yaml["base_model"], "owner/tiny: \"x\"");
        let result = &yaml["model-index"][0]["results"][0];
        assert_eq!(result["dataset"]["split"], "validation");
        assert_eq!((&result["metrics"][0]["type"], &result["metrics"][0]["value"]), (&"f1".into(), &0.85.into()));
    }

    #[test]
    fn a_left_to_right_model_says_which_token_is_read() {
        let config = serde_json::json!({"is_decoder": true});
        let (record, config) = (sample::record(3, 0.85), config.as_object().unwrap());
        let task = find(&record.task).unwrap();
        let card = text(&ExportInput { config, task, parameters: &[], tokenizer: &[], record: &record });
        assert!(card.contains("reads a sequence's last token"), "{card}");
    }

    #[test]
    fn a_model_without_a_class_says_so_and_how_to_build_it() {
        let mut record = sample::record(3, 0.85);
        record.task = "conll2003".into();
        record.recipe.features = Some(FeatureKind::WeightedSumLastFourHidden);
        record.recipe.lstm_hidden_size = 7;
        let card = card(&record);
        for expected in [
            "`transformers` has no class for this model",
            "(`distilbert.*`) is the checkpoint's, unchanged; `DistilBertModel` loads it",
            "(gates i, f, g, o; `mix.*`, `lstm.*`, `classifier.*`)",
            "zip(mix.weights.softmax(0), hidden_states[-4:])",
            "torch.nn.LSTM(features.shape[-1], 7, num_layers=2, bidirectional=True, batch_first=True)",
            "torch.nn.Linear(14, labels)",
        ] {
            assert!(card.contains(expected), "{expected} in {card}");
        }
        assert!(!card.contains("library_name") && card.contains("pipeline_tag: token-classification"));
    }

    #[test]
    fn a_bilstm_under_the_head_is_said_with_its_sizes() {
        let mut record = sample::record(3, 0.85);
        record.recipe.bilstm_layers = 2;
        let config = serde_json::json!({"model_type": "bert", "hidden_size": 12});
        let input = ExportInput {
            config: config.as_object().unwrap(),
            task: find("mrpc").unwrap(),
            parameters: &[],
            tokenizer: &[],
            record: &record,
        };
        let card = text(&input);
        for expected in [
            "fine-tuned under a new BiLSTM on MRPC",
            "`transformers` has no class for this model",
            "the head of `BertForSequenceClassification`",
            "torch.nn.LSTM(12, 6, num_layers=2, bidirectional=True, batch_first=True)",
            "read = torch.cat([states[:, -1, :6], states[:, 0, 6:]], -1)",
        ] {
            assert!(card.contains(expected), "{expected} in {card}");
        }
        assert!(!card.contains("library_name"));
    }

    #[test]
    fn the_body_says_dev_seed_and_limit() {
        let mut record = sample::record(3, 0.85);
        record.limit = Some(64);
        let card = card(&record);
        for expected in ["**dev** split", "seed 3", "first 64 rows", "| validation | f1 | 0.8500 |"] {
            assert!(card.contains(expected), "{expected} in {card}");
        }
    }
}
