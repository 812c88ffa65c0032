//! `repro pretrain` as a user has it: a checkpoint from text, what stops it, and going on after `kill -9`.

mod refused;
mod told;

use crate::run::{command as run_command, record};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const SPEC: &str = "name: small
corpus: CORPUS
held_out: 0.1
vocabulary: {size: 200}
model: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2}
data: {max_seq_length: 32, duplicates: 2, dynamic: true}
train: {batch_size: 8, steps: 60, learning_rate: 1e-3, evaluate_steps: 30, snapshot_steps: 5}
";

/// Forty documents of ten sentences about who does what where.
fn corpus(folder: &Path) {
    let (who, what) = (["the old man", "a girl", "our dog", "nobody"], ["sees", "likes", "leaves", "finds"]);
    let place = ["the sea", "a hill", "the town", "that house", "a ship"];
    let sentence = |at: usize| format!("{} {} {}.\n", who[at % 4], what[at / 3 % 4], place[at / 7 % 5]);
    let document = |number: usize| (0..10).map(|at| sentence(11 * number + 13 * at)).collect::<String>();
    let text: String = (0..40).map(|number| format!("{}\n", document(number))).collect();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("a.txt"), text).unwrap();
}

pub fn spec(folder: &Path) -> std::path::PathBuf {
    corpus(&folder.join("text"));
    let path = folder.join("small.yaml");
    fs::write(&path, SPEC.replace("CORPUS", &folder.join("text").display().to_string())).unwrap();
    path
}

/// The same from left to right.
pub fn left_to_right(folder: &Path) -> std::path::PathBuf {
    let path = spec(folder);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("dynamic: true", "next_sentence: false, left_to_right: true")).unwrap();
    path
}

fn command(spec: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = telling(spec, out, more);
    command.arg("--quiet");
    command
}

/// The same, which also tells on stderr what it is at.
fn telling(spec: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("pretrain").arg(spec).arg("--out").arg(out);
    command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn finish(spec: &Path, out: &Path, more: &[&str]) -> Output {
    command(spec, out, more).output().unwrap()
}

fn weights(out: &Path) -> Vec<u8> {
    fs::read(out.join("model/model.safetensors")).unwrap()
}

fn losses(out: &Path) -> Vec<f64> {
    let text = fs::read_to_string(out.join("curve.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

fn wait_for_snapshot(out: &Path) {
    let began = Instant::now();
    while !out.join("snapshot/state.safetensors").exists() {
        assert!(began.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// It learns, its checkpoint is fine-tuned by `repro run`, and its report says what happened.
#[test]
fn a_checkpoint_from_text_can_be_fine_tuned() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out, report) = (spec(folder.path()), folder.path().join("out"), folder.path().join("report"));
    let output = finish(&file, &out, &["--report", report.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let losses = losses(&out);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert_eq!(losses.len(), 60);
    assert!(mean(&losses[50..]) < mean(&losses[..10]) - 0.5, "{losses:?}");
    let told: serde_json::Value = serde_json::from_slice(&fs::read(report.join("small.json")).unwrap()).unwrap();
    assert_eq!((&told["steps"], told["held_out"].as_array().unwrap().len()), (&60.into(), 2));
    assert!(fs::read_to_string(report.join("small.svg")).unwrap().contains("held out"));
    let tuning = folder.path().join("tune.yaml");
    let model = out.join("model");
    let text = format!(
        "name: tune\ncheckpoints: [{}]\ntasks: [sst2]\ndata: {{repositories: {{nyu-mll/glue: repro/mini-glue}}}}\n\
         train: {{preset: hf-default, batch_size: 8, learning_rate: 1e-3, epochs: 1, max_seq_length: 32}}\n",
        model.display()
    );
    fs::write(&tuning, text).unwrap();
    let tuned = folder.path().join("tuned");
    let output = run_command(&tuning, &tuned).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(record(&tuned)["total_steps"], 30);
}

#[test]
fn a_killed_pre_training_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (file, whole, killed) = (spec(folder.path()), folder.path().join("whole"), folder.path().join("killed"));
    assert!(finish(&file, &whole, &[]).status.success());
    let mut child = command(&file, &killed, &[]).spawn().unwrap();
    wait_for_snapshot(&killed);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(finish(&file, &killed, &[]).status.success());
    assert!(weights(&killed) == weights(&whole), "other bytes");
    assert_eq!(losses(&killed), losses(&whole));
    let told: serde_json::Value =
        serde_json::from_slice(&fs::read(killed.join("model/pretraining.json")).unwrap()).unwrap();
    assert!(told["resumed_from_step"].as_u64().unwrap() >= 5);
}

/// The two engines' curves with dropout, which differ by roundings.
#[test]
fn both_engines_pre_train_alike() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path());
    let curve = |engine: &str| {
        let out = folder.path().join(engine);
        let output = finish(&file, &out, &["--engine", engine, "--set", "train.steps=12"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        losses(&out)
    };
    let (fast, reference) = (curve("fast"), curve("reference"));
    assert_eq!((fast.len(), reference.len()), (12, 12));
    for (fast, reference) in fast.iter().zip(reference) {
        assert!((fast - reference).abs() < 1e-4 * reference, "{fast} {reference}");
    }
}

/// Left to right: every next token is predicted, and the model says so in its config, as transformers has it.
#[test]
fn a_left_to_right_model_is_a_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (left_to_right(folder.path()), folder.path().join("out"));
    let output = finish(&file, &out, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config: serde_json::Value = serde_json::from_slice(&fs::read(out.join("model/config.json")).unwrap()).unwrap();
    assert_eq!(config["is_decoder"], true);
    let losses = losses(&out);
    assert!(losses[59] < losses[0] - 1.0, "{losses:?}");
    let refused = finish(&file, &folder.path().join("other"), &["--set", "data.next_sentence=true"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("expected `next_sentence: false`"));
}

/// A sentence as long as a megabyte is cut like any other: of its 250,000 words, each at least a token, 29 are left in each of
/// two passes, and that is said.
#[test]
fn a_line_of_a_megabyte_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path());
    let long = "the dog sees a hill ".repeat(50_000);
    fs::write(folder.path().join("text/b.txt"), format!("{long}\nA short one.\n")).unwrap();
    let out = folder.path().join("out");
    let output = telling(&file, &out, &["--set", "train.steps=4", "--set", "held_out=0"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("model/pretraining.json")).unwrap()).unwrap();
    let lost = report["corpus"]["tokens_cut_off"].as_u64().unwrap();
    let all = lost + report["corpus"]["tokens_in_sequences"].as_u64().unwrap();
    assert!(lost >= 2 * (250_000 - 29), "{lost}");
    let expected =
        format!("warning: {lost} of {all} tokens are cut off sequences to make them fit; expected a sentence");
    assert!(said.contains(&expected), "{said}");
    let card = fs::read_to_string(out.join("model/README.md")).unwrap();
    assert!(card.contains(" % of their tokens are cut off to make them fit |"), "{card}");
}

/// The paper trains 90 % of its steps on short sequences and goes on with long ones; others go on with their own text.
#[test]
fn a_checkpoint_is_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let (file, first, second) = (spec(folder.path()), folder.path().join("first"), folder.path().join("second"));
    assert!(finish(&file, &first, &[]).status.success());
    let model = first.join("model").display().to_string();
    let (start, words) = (format!("start_from={model}"), format!("vocabulary={model}/vocab.txt"));
    let sets = ["--set", &start, "--set", &words];
    let output = finish(&file, &second, &[&sets[..], &["--set", "train.steps=5"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (anew, on) = (losses(&first), losses(&second));
    assert!(on[0] < anew[0] - 0.5, "{} {}", on[0], anew[0]);
    assert!(fs::read_to_string(second.join("model/README.md")).unwrap().contains("pre-trained from `model` on by"));
}
