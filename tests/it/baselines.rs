//! Baselines: the bag of words against plain loops in double precision and central differences of their loss (as in
//! `albert.rs`, and with its limits), the majority class against a count of the rows, and both as rows of a user's table.

use super::albert::{Weights, difference, norm};
use repro::encode::{Batch, Targets};
use repro::engine::weights::{Initialization, starting_values};
use repro::engine::{self, Logits, NamedArray, Processor, StepPart};
use repro::family::{Baseline, EncoderConfig, parameters};
use repro::plan::EngineKind;
use repro::record::{Record, Status};
use repro::score::Metric;
use repro::task::Head;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const LABELS: usize = 3;

/// First and second text, without special tokens, and class.
type Row = (&'static [usize], Option<&'static [usize]>, usize);

/// One text is empty, one row has no second.
const ROWS: [Row; 4] =
    [(&[4, 9, 5], Some(&[6, 4]), 1), (&[7, 7], None, 2), (&[], Some(&[8]), 0), (&[10], Some(&[10]), 1)];

/// `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, with ids 2 and 3.
fn batch() -> Batch {
    let (mut input_ids, mut token_type_ids, mut cumulative_lengths) = (Vec::new(), Vec::new(), vec![0]);
    for (first, second, _) in ROWS {
        let framed = [&[2], first, &[3]].concat();
        token_type_ids.extend(framed.iter().map(|_| 0));
        input_ids.extend(framed.iter().map(|id| *id as u32));
        let framed = second.map(|second| [second, &[3]].concat()).unwrap_or_default();
        token_type_ids.extend(framed.iter().map(|_| 1));
        input_ids.extend(framed.iter().map(|id| *id as u32));
        cumulative_lengths.push(input_ids.len() as u32);
    }
    let targets = Targets::Classes(ROWS.iter().map(|row| row.2 as u32).collect());
    Batch { input_ids, token_type_ids, cumulative_lengths, together: 1, contexts: Vec::new(), targets }
}

fn dense(weights: &Weights, path: &str, x: &[f64]) -> Vec<f64> {
    let (weight, bias) = (&weights[&format!("{path}.weight")], &weights[&format!("{path}.bias")]);
    let dot = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    weight.chunks(x.len()).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
}

fn mean(weights: &Weights, words: &[usize], width: usize) -> Vec<f64> {
    let table = &weights["embeddings.word_embeddings.weight"];
    let column = |at: usize| words.iter().map(|word| table[word * width + at]).sum::<f64>();
    (0..width).map(|at| column(at) / words.len().max(1) as f64).collect()
}

fn logits(weights: &Weights, first: &[usize], second: &[usize], width: usize) -> Vec<f64> {
    let (u, v) = (mean(weights, first, width), mean(weights, second, width));
    let pairs = || u.iter().zip(&v);
    let difference: Vec<f64> = pairs().map(|(u, v)| (u - v).abs()).collect();
    let product: Vec<f64> = pairs().map(|(u, v)| u * v).collect();
    let compared = [u.clone(), v.clone(), difference, product].concat();
    let hidden: Vec<f64> = dense(weights, "comparison.dense", &compared).into_iter().map(f64::tanh).collect();
    dense(weights, "classifier", &hidden)
}

/// Mean cross entropy.
fn loss(weights: &Weights, width: usize) -> f64 {
    let one = |(first, second, class): &Row| {
        let logits = logits(weights, first, second.unwrap_or_default(), width);
        logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[*class]
    };
    ROWS.iter().map(one).sum::<f64>() / ROWS.len() as f64
}

/// In the row whose texts are one equal word, u - v stays 0 whatever that word's vector is.
#[test]
fn a_bag_of_words_follows_plain_loops() {
    let text = Baseline::BagOfWords.config(11).replace("0.1", "0").replace("64", "5");
    let (config, batch, width) = (EncoderConfig::parse(&text).unwrap(), batch(), 5);
    let how = Initialization { seed: 5, initializer_range: 0.4, truncated_normal: false };
    let values = starting_values(&parameters(&config, Head::Classification, LABELS), BTreeMap::new(), &how);
    let wide = |array: &NamedArray| (array.name.clone(), array.values.iter().map(|v| f64::from(*v)).collect());
    let mut weights: Weights = values.iter().map(wide).collect();
    let mut engine =
        engine::create(EngineKind::Reference, config, Head::Classification, LABELS, values, &Processor::cpu()).unwrap();
    let Logits::Sequence(found) = engine.predict(&batch).unwrap().logits else { unreachable!() };
    for ((first, second, _), found) in ROWS.iter().zip(&found) {
        let expected = logits(&weights, first, second.unwrap_or_default(), width);
        let largest = expected.iter().fold(0.0f64, |largest, logit| largest.max(logit.abs()));
        let near = |(found, expected): (&f32, &f64)| (f64::from(*found) - expected).abs() < 1e-5 * largest;
        assert!(found.iter().zip(&expected).all(near), "{found:?}, expected {expected:?}");
    }
    engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
    assert!((engine.loss().unwrap() - loss(&weights, width)).abs() < 1e-5);
    for gradient in engine.gradients().unwrap() {
        let name = &gradient.name;
        let expected: Vec<f64> = (0..gradient.values.len())
            .map(|at| difference(&mut weights, name, at, |weights| loss(weights, width)))
            .collect();
        let off = norm(gradient.values.iter().zip(&expected).map(|(found, e)| f64::from(*found) - e));
        let limit = 1e-4 * norm(expected.into_iter());
        assert!(off < limit, "gradient of {name} off by {off:e}, limit {limit:e}");
    }
}

fn run(out: &Path, more: &[&str]) -> String {
    std::fs::create_dir_all(out).unwrap();
    let spec = out.join("spec.yaml");
    let text = "name: base\ncheckpoints: [repro/bert-tiny]\ntasks: [cola, stsb, squad]\nhub: data/hub\n\
                train: {preset: hf-default, epochs: 1, batch_size: 8, max_seq_length: 96, doc_stride: 32}\n\
                data: {repositories: {nyu-mll/glue: repro/mini-glue, rajpurkar/squad: repro/mini-squad}}\n";
    std::fs::write(&spec, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(&spec).arg("--out").arg(out);
    let output =
        command.args(["--quiet", "--keep", "all", "--limit", "40", "--baselines"]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn records(out: &Path) -> Vec<Record> {
    let entries = std::fs::read_dir(out.join("records")).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

/// Labels of the first 40 dev rows, counted in the predictions' file.
fn labels(out: &Path, record: &Record) -> Vec<String> {
    let path = out.join("runs").join(&record.id).join("predictions.validation.csv");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().to_owned()).collect()
}

#[test]
fn baselines_are_rows_of_their_own_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let table = run(&out, &[]);
    for row in ["repro/bert-tiny, majority class", "repro/bert-tiny, bag of words"] {
        assert!(table.contains(row), "{table}");
    }
    let records = records(&out);
    // Three tasks of the checkpoint; a span is nothing that a baseline answers.
    assert_eq!(records.len(), 3 + 2 * 2);
    let of = |baseline, task: &str| {
        records.iter().find(|record| record.baseline == Some(baseline) && record.task == task).unwrap()
    };
    let majority = of(Baseline::Majority, "cola");
    assert_eq!(majority.status, Status::Finished, "always one class is what it is for");
    let labels = labels(&out, majority);
    // 26 of the first 40 rows of train are `acceptable`.
    let acceptable = labels.iter().filter(|label| *label == "acceptable").count();
    let expected = acceptable as f64 / labels.len() as f64;
    assert_eq!(majority.score("cola", Metric::Accuracy).unwrap().value, Some(expected));
    assert_eq!(majority.score("cola", Metric::Matthews).unwrap().value, Some(0.0));
    let stsb = of(Baseline::Majority, "stsb");
    assert_eq!(stsb.score("stsb", Metric::Pearson).unwrap().value, None, "one number correlates with nothing");
    assert_eq!(of(Baseline::BagOfWords, "cola").recipe.learning_rate, 1e-2);
    assert_eq!(of(Baseline::BagOfWords, "cola").provenance.engine, "reference");
    for record in records.iter().filter(|record| record.baseline.is_some()) {
        let model = out.join("runs").join(&record.id).join("model");
        let config = std::fs::read_to_string(model.join("config.json")).unwrap();
        assert_eq!(EncoderConfig::parse(&config).unwrap().family.class, "");
        let card = std::fs::read_to_string(model.join("README.md")).unwrap();
        assert!(card.contains("a baseline") && !card.contains("library_name"), "{card}");
    }
}

#[test]
fn a_spec_names_a_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("spec.yaml");
    let text = |baseline: &str| {
        format!(
            "name: x\ncheckpoints: [{{name: repro/bert-tiny, baseline: {baseline}}}]\ntasks: [cola, squad]\nhub: data/hub\n\
             train: {{preset: hf-default, learning_rate: [1e-5, 2e-5]}}\n"
        )
    };
    let plan = |baseline: &str| {
        std::fs::write(&spec, text(baseline)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["plan", "--no-calibration"]).arg(&spec).output().unwrap()
    };
    let output = plan("bag-of-words");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("cola · repro/bert-tiny · bag of words · lr 1e-2 · batch"), "{shown}");
    assert!(!shown.contains("squad ·") && shown.contains("a baseline's own"), "{shown}");
    let refused = plan("majorty");
    assert_eq!(refused.status.code(), Some(2));
    let complaint = String::from_utf8(refused.stderr).unwrap();
    assert!(complaint.contains("found `majorty`, expected `majority`"), "{complaint}");
}

/// Of a checkpoint a baseline reads config and tokenizer: weights need not be there, and none are fetched.
#[test]
fn a_baseline_takes_no_weights() {
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("bare");
    std::fs::create_dir(&bare).unwrap();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub/models/repro/bert-tiny").join(name);
        path.exists().then(|| std::fs::copy(&path, bare.join(name)).unwrap());
    }
    let repro = |command: &str, checkpoint: &str, more: &[&str]| {
        let spec = folder.path().join("spec.yaml");
        let text = format!(
            "name: base\ncheckpoints: [{{name: {checkpoint}, baseline: bag-of-words}}]\ntasks: [cola]\nhub: data/hub\n\
             train: {{preset: hf-default, epochs: 1}}\ndata: {{repositories: {{nyu-mll/glue: repro/mini-glue}}}}\n"
        );
        std::fs::write(&spec, text).unwrap();
        let mut repro = Command::new(env!("CARGO_BIN_EXE_repro"));
        repro.current_dir(env!("CARGO_MANIFEST_DIR")).arg(command).arg(&spec).args(more);
        let output = repro.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let out = folder.path().join("out").display().to_string();
    repro("run", &bare.display().to_string(), &["--out", &out, "--quiet", "--limit", "40"]);
    assert!(records(Path::new(&out)).iter().all(|record| !record.scores.is_empty()));
    let fetched = repro("fetch", "repro/bert-tiny", &[]);
    assert!(fetched.contains("bert-tiny/config.json") && !fetched.contains("safetensors"), "{fetched}");
}
