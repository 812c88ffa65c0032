//! GPT fine-tuned as its paper has it: next tokens beside the head, pairs in both orders, endings to choose from.

use super::{
    Again, LIMIT, checkpoint, examples, examples_of, fine_tune, near, records, root, run_folder, settings,
    transformers_agrees, written,
};
use crate::dataset::bad_parquet::{column, write};
use polars::prelude::{Column, ParquetCompression};
use repro::encode::EncodeSettings;
use repro::engine::Logits;
use repro::plan::EngineKind;
use repro::record::Record;
use repro::task;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The preset's values, but for batches so small that there are steps to speak of.
const PRESET: [&str; 4] = ["--set", "train.preset=openai-gpt", "--set", "train.batch_size=8"];

fn checkpoint_of(folder: &Path, model_type: &str) -> std::path::PathBuf {
    let path = folder.join(model_type);
    checkpoint::write(&path, model_type);
    path
}

/// The losses of a run's steps.
fn curve(run: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(run.join("curve.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

fn sequences(record: &Record) -> (usize, usize) {
    let dev = record.encoding.iter().find(|split| split.split == "validation").unwrap();
    (dev.examples, dev.sequences)
}

#[test]
fn the_preset_learns_next_tokens_and_reads_similar_pairs_in_both_orders() {
    let folder = tempfile::tempdir().unwrap();
    let (gpt, out) = (checkpoint_of(folder.path(), "openai-gpt"), folder.path().join("out"));
    let output = fine_tune(&gpt, "mrpc, stsb, rte, cola", &out, &PRESET);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let records = records(&out);
    assert_eq!(records.len(), 4);
    for record in &records {
        let both = matches!(record.task.as_str(), "mrpc" | "stsb");
        assert_eq!(sequences(record), (LIMIT, if both { 2 * LIMIT } else { LIMIT }), "{}", record.task);
        let recipe = &record.recipe;
        let found = (recipe.auxiliary_lm, recipe.both_orders, recipe.classifier_dropout);
        assert_eq!(found, (0.5, both, Some(0.1)), "{}", record.task);
        assert!(!record.scores.is_empty(), "{}", record.task);
    }
    let record = records.iter().find(|record| record.task == "mrpc").unwrap();
    let run = run_folder(&out, record);
    let both = EncodeSettings { both_orders: true, ..settings() };
    for kind in EngineKind::ALL {
        let again = Again::encoded(&run.join("model"), task::find("mrpc").unwrap(), kind, &both);
        let Logits::Sequence(logits) = again.logits() else { unreachable!("a sequence head") };
        assert!(near(&logits, &written(&run)), "{kind:?}: {logits:?}");
    }
    let card = std::fs::read_to_string(run.join("model/README.md")).unwrap();
    assert!(card.contains("Pairs were read in both orders"), "{card}");
}

/// With dropout: masks are those of the step, whichever engine draws them. 1e-4 of losses near 4: both sum in 32 bits.
#[test]
fn both_engines_take_the_presets_steps_alike() {
    let folder = tempfile::tempdir().unwrap();
    let gpt = checkpoint_of(folder.path(), "openai-gpt");
    let losses = |engine: &str, more: &[&str]| {
        let out = folder.path().join(format!("{engine}{}", more.len()));
        let output = fine_tune(&gpt, "mrpc", &out, &[&PRESET[..], &["--engine", engine], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        curve(&run_folder(&out, &records(&out)[0]))
    };
    let (fast, slow) = (losses("fast", &[]), losses("reference", &[]));
    assert_eq!((fast.len(), slow.len()), (3, 3));
    assert!(fast.iter().zip(&slow).all(|(a, b)| (a - b).abs() < 1e-4), "{fast:?}, reference {slow:?}");
    let without = losses("fast", &["--set", "train.auxiliary_lm=0"]);
    assert!(fast.iter().zip(&without).all(|(with, without)| with - without > 1.0), "{fast:?}, without {without:?}");
}

/// The right ending is about the animal of the beginning.
fn endings(rows: usize) -> Vec<Column> {
    let animals = ["cat", "dog", "cow", "hen"];
    let text = |of: &dyn Fn(usize) -> String| (0..rows).map(of).collect::<Vec<String>>();
    let mut columns = vec![
        column("sent1", text(&|row| format!("there is a {}.", animals[row % 4]))),
        column("sent2", text(&|_| "and".into())),
    ];
    let ending = |at: usize| {
        let said = move |_: usize| format!("the {} runs away.", animals[at]);
        column(["ending0", "ending1", "ending2", "ending3"][at], text(&said))
    };
    columns.extend((0..4).map(ending));
    columns.push(column("label", (0..rows).map(|row| (row % 4) as i64).collect::<Vec<i64>>()));
    columns
}

/// GPT fine-tuned on rows of endings: where they are, and where everything went.
fn choose(folder: &Path) -> (PathBuf, PathBuf) {
    let (gpt, out) = (checkpoint_of(folder, "openai-gpt"), folder.join("out"));
    let rows = folder.join("endings.parquet");
    write(&rows, endings(LIMIT), None, ParquetCompression::Snappy);
    let spec = folder.join("endings.yaml");
    let text = format!(
        "name: endings\ncheckpoints: [{}]\ntasks: [swag]\ntrain: {{preset: openai-gpt, max_seq_length: 120, \
         batch_size: 8, epochs: 2}}\ndata: {{files: {{swag: {{train: {rows}, validation: {rows}}}}}}}\n",
        gpt.display(),
        rows = rows.display()
    );
    std::fs::write(&spec, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(root()).arg("run").arg(&spec).arg("--out").arg(&out);
    let output = command.args(["--hub", "data/hub", "--keep", "all", "--quiet"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (rows, out)
}

#[test]
fn an_ending_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let (_, out) = choose(folder.path());
    let record = &records(&out)[0];
    assert_eq!((record.total_steps, sequences(record)), (6, (LIMIT, 4 * LIMIT)));
    let model = run_folder(&out, record).join("model");
    let config: Value = serde_json::from_str(&std::fs::read_to_string(model.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"][0], "OpenAIGPTDoubleHeadsModel");
    let bytes = std::fs::read(model.join("model.safetensors")).unwrap();
    let names = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(names.tensor("multiple_choice_head.summary.weight").unwrap().shape(), [1, 32]);
    let predictions = std::fs::read_to_string(run_folder(&out, record).join("predictions.validation.csv")).unwrap();
    assert!(predictions.lines().skip(1).all(|line| line.split(',').count() == 3 + 4), "{predictions}");
}

/// `OpenAIGPTDoubleHeadsModel` takes a row of sequences an example and the number of the token that its second head reads; what
/// is padded behind that one changes nothing.
///
/// `REPRO_PYTHON=python cargo test --release --test it -- --ignored --nocapture transformers_chooses`
#[test]
#[ignore = "needs REPRO_PYTHON, a Python with torch and transformers"]
fn transformers_chooses_as_gpt_does_here() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, out) = choose(folder.path());
    let model = run_folder(&out, &records(&out)[0]).join("model");
    let swag = task::find("swag").unwrap();
    let again = Again::of(&model, (swag, swag.head), EngineKind::Fast, &settings(), examples_of(swag, rows));
    let Logits::Sequence(logits) = again.logits() else { unreachable!("a sequence head") };
    let features = &again.encoded.features;
    let longest = features.iter().map(|own| own.input_ids.len()).max().unwrap();
    let padded = |ids: &[u32]| [ids, &vec![0; longest - ids.len()]].concat();
    let four = |values: Vec<Value>| values.chunks(4).map(|own| json!(own)).collect::<Vec<_>>();
    let inputs = json!({
        "input_ids": four(features.iter().map(|own| json!(padded(&own.input_ids))).collect()),
        "mc_token_ids": four(features.iter().map(|own| json!(own.input_ids.len() - 1)).collect()),
    });
    let logits = four(logits.iter().map(|row| json!(row[0])).collect());
    transformers_agrees(&model, &json!({"inputs": inputs, "mc_logits": logits}), "OpenAI GPT swag");
}

#[test]
fn what_is_for_a_model_that_reads_from_left_to_right_is_refused_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let bert = checkpoint_of(folder.path(), "bert");
    for (set, expected) in [
        ("train.auxiliary_lm=0.5", "`auxiliary_lm` is 0.5, expected 0: BERT sees the tokens that it would predict"),
        ("train.both_orders=true", "`both_orders` is true, expected false: BERT reads each text beside the other"),
    ] {
        let output = fine_tune(&bert, "mrpc", &folder.path().join(set), &["--set", set]);
        assert_eq!(output.status.code(), Some(4), "{set}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(expected), "{said}");
    }
}

/// A row's number of sequences does not depend on whether its label is known.
#[test]
fn pairs_without_labels_are_read_in_both_orders_too() {
    let folder = tempfile::tempdir().unwrap();
    let gpt = checkpoint_of(folder.path(), "openai-gpt");
    let mrpc = task::find("mrpc").unwrap();
    let tokenizer = super::tokenizer(&gpt, repro::family::Vocabulary::LetterPairs);
    let mut rows = examples(mrpc);
    rows.iter_mut().for_each(|row| row.label = None);
    let both = EncodeSettings { both_orders: true, ..settings() };
    let encoded = repro::encode::encode_split(&tokenizer, mrpc, &rows, &both, &repro::event::Silent).unwrap();
    assert_eq!((encoded.report.examples, encoded.report.sequences), (LIMIT, 2 * LIMIT));
    assert!(encoded.features.iter().all(|own| own.together == 2 && own.target.is_none()));
    let batch = repro::encode::Batch::pack(&encoded.features[..6]);
    assert_eq!((batch.len(), batch.examples()), (6, 3));
}
