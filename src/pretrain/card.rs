//! The checkpoint's README, of a report and the spec it is of: only what was asked for is said.

use super::curves::{accuracies, rows};
use super::masking::Masking;
use crate::spec::pretraining::{PretrainingSpec, SequenceSpec, VocabularySource};
use serde_json::Value;

/// The text.
pub fn card(spec: &PretrainingSpec, report: &Value, command: &str) -> String {
    let lines: String = table(spec, report).iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!(
        "# {name}\n\nA BERT pre-trained from {start} by `repro pretrain`: {objective}, {steps} steps of {batch} sequences \
         of at most {length} tokens, {tokens} tokens in all.\n\n    {command}\n\n| | |\n| --- | --- |\n{lines}{held_out}",
        name = spec.name,
        start = report["settings"]["start_from"].as_str().map_or("nothing".into(), |name| format!("`{name}` on")),
        objective = objective(&spec.data),
        steps = report["steps"],
        batch = spec.train.batch_size,
        length = spec.data.max_seq_length,
        tokens = report["tokens"],
        held_out = held_out(report),
    )
}

/// What is predicted, and of how much.
fn objective(data: &SequenceSpec) -> String {
    let words = if data.left_to_right {
        "every next token from those before it".to_owned()
    } else {
        let (masking, longest) = (Masking::of(data), data.max_seq_length);
        let most = match masking.wanted(longest) {
            most if most < masking.uncapped(longest) => {
                format!(", at most {most}, which is {} of the longest sequence", percent(most as f64 / longest as f64))
            }
            _ => String::new(),
        };
        format!("masked words ({}{most})", percent(data.masked))
    };
    if data.next_sentence { format!("{words} and the next sentence") } else { words }
}

fn table(spec: &PretrainingSpec, report: &Value) -> Vec<(&'static str, String)> {
    let (model, train) = (&spec.model, &spec.train);
    let mut table = vec![
        (
            "layers, hidden size, heads",
            format!("{}, {}, {}", model.num_hidden_layers, model.hidden_size, model.num_attention_heads),
        ),
        ("vocabulary", vocabulary(spec, report)),
        ("corpus", corpus(report)),
        ("held out", format!("{} of the documents", percent(spec.held_out))),
        ("sequences", sequences(&spec.data, report)),
    ];
    if !spec.data.left_to_right {
        table.push(("masks", masks(&spec.data)));
    }
    let clipped =
        if train.max_grad_norm > 0.0 { format!(", gradients cut to norm {}", train.max_grad_norm) } else { "".into() };
    table.extend([
        (
            "learning rate",
            format!("{}, reached after {} of the steps, then falling to 0", train.learning_rate, percent(train.warmup)),
        ),
        (
            "Adam",
            format!(
                "decays 0.9 and {}, epsilon {}, weight decay {}{clipped}",
                train.beta2, train.epsilon, train.weight_decay
            ),
        ),
        ("dropout", train.dropout.to_string()),
        ("seed", spec.seed.to_string()),
        ("computed by", computed_by(&report["computed_by"])),
        ("seconds of training steps", format!("{} ({} tokens/s)", report["seconds"], report["tokens_per_second"])),
        ("stored in", if spec.half { "16 bits".into() } else { "32 bits".into() }),
    ]);
    table
}

fn vocabulary(spec: &PretrainingSpec, report: &Value) -> String {
    let size = &report["config"]["vocab_size"];
    match &spec.vocabulary {
        VocabularySource::File(_) => format!("{size}, given"),
        VocabularySource::Train { lower_case: true, .. } => format!("{size}, trained on the corpus in lower case"),
        VocabularySource::Train { .. } => format!("{size}, trained on the corpus"),
    }
}

fn corpus(report: &Value) -> String {
    let names = report["settings"]["corpus"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<String> = names.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
    let corpus = &report["corpus"];
    let digest = corpus["sha256"].as_str().unwrap_or_default();
    let (documents, tokens) = (&corpus["documents"], &corpus["tokens"]);
    format!("{}: {documents} documents, {tokens} tokens, SHA-256 of the token ids `{digest}`", names.join(", "))
}

fn sequences(data: &SequenceSpec, report: &Value) -> String {
    let passes = if data.duplicates == 1 { "one pass".into() } else { format!("{} passes", data.duplicates) };
    let corpus = &report["corpus"];
    let tokens = |name: &str| corpus[name].as_u64().unwrap_or(0) as f64;
    let (kept, lost) = (tokens("tokens_in_sequences"), tokens("tokens_cut_off"));
    format!(
        "{} from {passes}, {} of the documents cut into shorter ones; {} of their tokens are cut off to make them fit",
        corpus["sequences"],
        percent(data.short_sequences),
        percent(lost / (kept + lost).max(1.0))
    )
}

fn masks(data: &SequenceSpec) -> String {
    let unit = if data.whole_words { "whole words" } else { "tokens" };
    let when = if data.dynamic { "drawn anew in every epoch" } else { "the same in every epoch" };
    format!("{unit}, {} as `[MASK]`, {} as a random token; {when}", percent(data.mask), percent(data.random))
}

fn computed_by(provenance: &Value) -> String {
    let text = |name: &str| provenance[name].as_str().unwrap_or_default();
    let changed = if provenance["dirty"] == true { " with changes" } else { "" };
    let commit = provenance["commit"].as_str().map_or(String::new(), |commit| format!(", commit `{commit}`{changed}"));
    format!("{} on {}; repro {}{commit}", text("engine"), text("device"), text("version"))
}

fn held_out(report: &Value) -> String {
    if rows(report).is_empty() {
        return String::new();
    }
    let columns: Vec<(&str, &str)> = accuracies(report).collect();
    let names: String = columns.iter().map(|(_, what)| format!(" {what} right |")).collect();
    let row = |row: &Value| {
        let cells: String = columns.iter().map(|(key, _)| format!(" {} |", row[key])).collect();
        format!("| {} | {} |{cells}\n", row["step"], row["loss"])
    };
    let rows: String = rows(report).iter().map(row).collect();
    let lines = " ---: |".repeat(columns.len());
    format!("\nOn documents that were held out:\n\n| step | loss |{names}\n| ---: | ---: |{lines}\n{rows}")
}

/// `12.5 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", (1e4 * share).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: SequenceSpec = SequenceSpec {
        max_seq_length: 128,
        short_sequences: 0.1,
        masked: 0.15,
        max_predictions: 20,
        mask: 0.8,
        random: 0.1,
        whole_words: false,
        next_sentence: true,
        dynamic: false,
        left_to_right: false,
        duplicates: 10,
    };

    /// 0.15 · 128 = 19.2 are fewer than 20; of 0.4 · 128 = 51.2 only 20 are left, 15.625 %.
    #[test]
    fn a_share_that_the_most_predictions_cap_says_so() {
        assert_eq!(objective(&DATA), "masked words (15 %) and the next sentence");
        let more = SequenceSpec { masked: 0.4, next_sentence: false, ..DATA };
        assert_eq!(objective(&more), "masked words (40 %, at most 20, which is 15.63 % of the longest sequence)");
        assert_eq!(objective(&SequenceSpec { max_predictions: 0, ..more }), "masked words (40 %)");
    }
}
