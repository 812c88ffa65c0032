//! The feature-based approach as a user has it: a frozen encoder and a BiLSTM, on the embedded hub.

use crate::run::{command, finish, record as recorded, spec, wait_for_snapshot, weights};
use repro::plan::{Options, expand};
use repro::spec::read_bytes;
use repro::task::FeatureKind;
use safetensors::{SafeTensors, tensor::Dtype};
use std::path::{Path, PathBuf};
use std::process::Command;

const SPEC: &str = "name: small
checkpoints: [repro/bert-mini]
tasks: [conll2003]
data: {repositories: {eriktks/conll2003: repro/mini-ner}}
train: {preset: hf-default, features: weighted-sum-all-layers, lstm_hidden_size: 12, batch_size: 8, learning_rate: 1e-2,
  epochs: 2, snapshot_steps: 3}
";

fn model(out: &Path) -> PathBuf {
    let mut runs = std::fs::read_dir(out.join("runs")).unwrap();
    runs.next().unwrap().unwrap().path().join("model")
}

/// Whatever the files call an encoder's tensor, its values as 32-bit floats, by the name within the encoder.
fn encoder(bytes: &[u8]) -> Vec<(String, Vec<f32>)> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let value = |dtype: Dtype, bytes: &[u8]| match dtype {
        Dtype::F32 => f32::from_le_bytes(bytes.try_into().unwrap()),
        _ => half::f16::from_le_bytes(bytes.try_into().unwrap()).to_f32(),
    };
    let mut found: Vec<(String, Vec<f32>)> = Vec::new();
    for (name, view) in file.tensors() {
        let name = name.strip_prefix("bert.").unwrap_or(&name).to_string();
        let size = if view.dtype() == Dtype::F32 { 4 } else { 2 };
        if name.starts_with("embeddings.") || name.starts_with("encoder.") {
            found.push((name, view.data().chunks(size).map(|bytes| value(view.dtype(), bytes)).collect()));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn a_killed_run_over_a_frozen_encoder_goes_on_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, whole, cut) = (spec(folder.path(), SPEC), folder.path().join("whole"), folder.path().join("cut"));
    let output = finish(&spec, &whole);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut child = command(&spec, &cut).spawn().unwrap();
    wait_for_snapshot(&mut child, &cut);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(finish(&spec, &cut).status.success());
    assert!(recorded(&cut)["resumed_from_step"].as_u64().unwrap() >= 3);
    for field in ["scores", "evaluations", "id"] {
        assert_eq!(recorded(&cut)[field], recorded(&whole)[field], "{field}");
    }
    assert!(weights(&cut) == weights(&whole), "the weights differ");
}

/// The saved model has the checkpoint's encoder to the bit and PyTorch's names; `verify` reads it with candle-nn's LSTM.
#[test]
fn the_saved_model_is_whole_says_what_it_is_and_is_verified() {
    for kind in FeatureKind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let text = SPEC.replace("weighted-sum-all-layers", kind.name()).replace("epochs: 2", "epochs: 1");
        let (spec, out) = (spec(folder.path(), &text), folder.path().join("out"));
        let output = finish(&spec, &out);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let record = recorded(&out);
        assert_eq!(
            (&record["recipe"]["features"], &record["recipe"]["lstm_hidden_size"]),
            (&kind.name().into(), &12.into())
        );
        let saved = weights(&out);
        let checkpoint = std::fs::read("data/hub/models/repro/bert-mini/model.safetensors").unwrap();
        assert!(encoder(&saved) == encoder(&checkpoint), "{kind}: the encoder has moved");
        let names = SafeTensors::deserialize(&saved).unwrap();
        for name in ["lstm.weight_ih_l0", "lstm.weight_hh_l1_reverse", "lstm.bias_hh_l0_reverse", "classifier.bias"] {
            assert!(names.tensor(name).is_ok(), "{name}");
        }
        let card = std::fs::read_to_string(model(&out).join("README.md")).unwrap();
        assert!(card.contains("`transformers` has no class for this model"), "{card}");
        let config = std::fs::read_to_string(model(&out).join("config.json")).unwrap();
        assert!(config.contains("\"architectures\": []"), "{config}");

        let mut verify = Command::new(env!("CARGO_BIN_EXE_repro"));
        verify.current_dir(env!("CARGO_MANIFEST_DIR")).args(["verify", record["id"].as_str().unwrap(), "--out"]);
        let output = verify.arg(&out).args(["--hub", "data/hub", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let agreements: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(agreements[0]["same"], agreements[0]["sequences"], "{kind}: {agreements}");
    }
}

#[test]
fn both_engines_end_alike() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path(), &SPEC.replace("epochs: 2", "epochs: 1"));
    let loss = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let output = command(&file, &out).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        recorded(&out)["evaluations"][0]["loss"].as_f64().unwrap()
    };
    let (fast, reference) = (loss("fast", &[]), loss("reference", &["--engine", "reference"]));
    // Thirty steps at a rate of 1e-2, where Adam doubles roundings.
    assert!((fast - reference).abs() < 5e-3 * reference, "{fast} {reference}");
}

/// Neighbouring sentences, too, go the whole way: other ids and other tokens than without, the same rows.
#[test]
fn neighbouring_sentences_go_the_whole_way() {
    let folder = tempfile::tempdir().unwrap();
    let text = SPEC.replace("features: weighted-sum-all-layers, lstm_hidden_size: 12, ", "context_sentences: 2, ");
    let (spec, out) = (spec(folder.path(), &text.replace("1e-2", "5e-4")), folder.path().join("out"));
    let output = finish(&spec, &out);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let record = recorded(&out);
    assert_eq!((&record["status"], &record["recipe"]["context_sentences"]), (&"finished".into(), &2.into()));
    assert_eq!(record["scores"][0]["examples"], 240);
    // A sentence of mini-ner has some ten tokens; five together have about fifty.
    let encoding = &record["encoding"][0];
    let mean = encoding["tokens"].as_f64().unwrap() / encoding["sequences"].as_f64().unwrap();
    assert!((30.0..120.0).contains(&mean), "{mean}");
}

fn plan(text: &str, sets: &[&str]) -> Result<repro::plan::Plan, String> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let experiment = read_bytes("x.yaml", text.as_bytes().to_vec(), &sets).map_err(|error| error.to_string())?;
    expand(&experiment, &Options::default()).map_err(|error| error.to_string())
}

#[test]
fn features_are_part_of_a_run_only_where_they_are_asked_for() {
    let bare = "name: x\ncheckpoints: [a/b]\ntasks: [conll2003]\ntrain: {preset: hf-default}\n";
    let id = |sets: &[&str]| plan(bare, sets).unwrap().runs[0].id.clone();
    assert_eq!(id(&["train.features=none"]), id(&[]));
    let (narrow, wide) = (
        id(&["train.features=last-hidden", "train.lstm_hidden_size=384"]),
        id(&["train.features=last-hidden", "train.lstm_hidden_size=768"]),
    );
    assert_eq!(wide, id(&["train.features=last-hidden"]), "768 is the paper's");
    assert!(narrow != wide && wide != id(&[]) && wide != id(&["train.features=embeddings"]));
    let json = serde_json::to_value(&plan(bare, &[]).unwrap().runs[0].recipe).unwrap();
    assert!(json.get("features").is_none() && json.get("lstm_hidden_size").is_none());
    let grid = plan(bare, &["train.features=[none, last-hidden]", "train.learning_rate=[1e-3, 1e-4]"]).unwrap();
    let labels: Vec<String> = grid.runs.iter().map(|run| run.label()).collect();
    assert_eq!(labels.len(), 4);
    assert_eq!(labels[3], "conll2003 · a/b · features last-hidden · lr 1e-4 · batch 8 · 3 epochs · seed 1");
    let shown = |key: &str| grid.values.iter().find(|value| value.key == key).unwrap().clone();
    let (features, units) = (shown("train.features"), shown("train.lstm_hidden_size"));
    assert_eq!((features.value.as_str(), features.source.starts_with("--set")), ("none, last-hidden", true));
    assert_eq!(units.value, "768");
    assert!(units.source.contains("BERT §5.3"), "{}", units.source);
}

#[test]
fn what_has_no_features_refuses_them_with_the_reason() {
    let text = |task: &str, train: &str| {
        format!("name: x\ncheckpoints: [repro/bert-tiny]\ntasks: [{task}]\ntrain: {{preset: hf-default, {train}}}\n")
    };
    assert_eq!(
        plan(&text("mrpc", "features: last-hidden"), &[]).unwrap_err(),
        "the recipe for `mrpc` is impossible: `features` is `last-hidden`, expected `none`: only tagging has the \
         feature-based approach"
    );
    assert_eq!(
        plan(&text("conll2003", "lstm_hidden_size: 5"), &[]).unwrap_err(),
        "the recipe for `conll2003` is impossible: `lstm_hidden_size` is given and `features` is not: it is the width of a \
         BiLSTM over those"
    );
    let unknown = plan(&text("conll2003", "features: last-for"), &[]).unwrap_err();
    assert!(unknown.contains("invalid `train.features`: found `last-for`, expected"), "{unknown}");

    let folder = tempfile::tempdir().unwrap();
    let tagging = text("conll2003", "features: concat-last-four-hidden")
        .replace("train:", "data: {repositories: {eriktks/conll2003: repro/mini-ner}}\ntrain:");
    let (file, out) = (spec(folder.path(), &tagging), folder.path().join("out"));
    let output = command(&file, &out).args(["--device", "cuda"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("conll2003: a GPU has no head for this task yet, expected `--device cpu`"), "{told}");
    // bert-tiny has two layers.
    let output = finish(&file, &out);
    assert_eq!(output.status.code(), Some(4));
    let status = recorded(&out)["status"].to_string();
    let expected = "features `concat-last-four-hidden` read an encoder of at least 4 layers, found 2";
    assert!(status.contains(expected), "{status}");
}
