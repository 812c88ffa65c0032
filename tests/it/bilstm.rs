//! A BiLSTM between an encoder that is fine-tuned and its head (BERT, Section 5.1, "+ BiLSTM"), as a user has it.

use crate::families::{checkpoint, fine_tune, records, run_folder};
use crate::pretrain::{finish as pre_train, left_to_right as pre_training};
use repro::plan::{Options, expand};
use repro::record::{Record, Status};
use repro::spec::read_bytes;
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const LAYERS: [&str; 2] = ["--set", "train.bilstm_layers=2"];

/// The paper's: pre-trained from left to right and without next sentences, twelve steps long, with room for questions.
fn left_to_right(folder: &Path) -> PathBuf {
    let (file, out) = (pre_training(folder), folder.join("pre-trained"));
    let sets = ["--set", "model.max_position_embeddings=128", "--set", "train.steps=12"];
    let output = pre_train(&file, &out, &sets);
    assert!(output.status.success(), "{}", said(&output));
    out.join("model")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn curve(run: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(run.join("curve.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

/// A pooled head and one of every token; the saved model has PyTorch's names and says what it is.
#[test]
fn a_left_to_right_checkpoint_is_fine_tuned_under_a_bilstm() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (left_to_right(folder.path()), folder.path().join("out"));
    let output = fine_tune(&model, "mrpc, squad", &out, &LAYERS);
    assert!(output.status.success(), "{}", said(&output));
    let records = records(&out);
    assert_eq!(records.len(), 2);
    for record in &records {
        assert_eq!((record.recipe.bilstm_layers, record.scores.is_empty()), (2, false), "{}", record.task);
        let saved = run_folder(&out, record).join("model");
        let bytes = std::fs::read(saved.join("model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        // Half of 32 in each direction, four gates.
        for name in ["lstm.weight_ih_l0", "lstm.weight_ih_l1_reverse"] {
            assert_eq!(tensors.tensor(name).unwrap().shape(), [64, 32], "{name}");
        }
        assert!(tensors.tensor("bert.encoder.layer.1.output.dense.weight").is_ok());
        let card = std::fs::read_to_string(saved.join("README.md")).unwrap();
        assert!(card.contains("torch.nn.LSTM(32, 16, num_layers=2, bidirectional=True, batch_first=True)"), "{card}");
        let config = std::fs::read_to_string(saved.join("config.json")).unwrap();
        assert!(config.contains("\"architectures\": []"), "{config}");
    }
}

/// With dropout: masks are those of the step, whichever engine draws them. 1e-4 of losses near 1: both sum in 32 bits.
#[test]
fn both_engines_take_the_same_steps_under_a_bilstm() {
    let folder = tempfile::tempdir().unwrap();
    let bert = folder.path().join("bert");
    checkpoint::write(&bert, "bert");
    let losses = |engine: &str, task: &str| {
        let out = folder.path().join(format!("{engine}-{task}"));
        let output = fine_tune(&bert, task, &out, &[&LAYERS[..], &["--engine", engine]].concat());
        assert!(output.status.success(), "{}", said(&output));
        curve(&run_folder(&out, &records(&out)[0]))
    };
    for task in ["stsb", "squad"] {
        let (fast, slow) = (losses("fast", task), losses("reference", task));
        assert!(fast.len() >= 3 && fast.len() == slow.len(), "{fast:?}, reference {slow:?}");
        assert!(fast.iter().zip(&slow).all(|(a, b)| (a - b).abs() < 1e-4 * b.max(1.0)), "{fast:?}, reference {slow:?}");
    }
}

/// candle-nn's LSTM over candle-transformers' encoder says what ours says.
#[test]
fn a_saved_model_under_a_bilstm_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (bert, out) = (folder.path().join("bert"), folder.path().join("out"));
    checkpoint::write(&bert, "bert");
    assert!(fine_tune(&bert, "mrpc, squad, conll2003", &out, &LAYERS).status.success());
    for record in records(&out) {
        let mut verify = Command::new(env!("CARGO_BIN_EXE_repro"));
        verify.current_dir(env!("CARGO_MANIFEST_DIR")).args(["verify", &record.id, "--hub", "data/hub", "--json"]);
        let output = verify.arg("--out").arg(&out).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let agreements: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(agreements[0]["same"], agreements[0]["sequences"], "{}: {agreements}", record.task);
    }
}

fn plan(train: &str) -> Result<repro::plan::Plan, String> {
    let text = format!("name: x\ncheckpoints: [a/b]\ntasks: [conll2003]\ntrain: {{preset: hf-default{train}}}\n");
    let experiment = read_bytes("x.yaml", text.into_bytes(), &[]).map_err(|error| error.to_string())?;
    expand(&experiment, &Options::default()).map_err(|error| error.to_string())
}

#[test]
fn a_bilstm_is_part_of_a_run_only_where_it_is_asked_for() {
    let run = |train: &str| plan(train).unwrap().runs.remove(0);
    let id = |train: &str| run(train).id;
    assert_eq!(id(", bilstm_layers: 0"), id(""));
    assert!(id(", bilstm_layers: 1") != id("") && id(", bilstm_layers: 1") != id(", bilstm_layers: 2"));
    assert!(serde_json::to_value(run("").recipe).unwrap().get("bilstm_layers").is_none());
    let label = run(", bilstm_layers: 2").label();
    assert!(label.starts_with("conll2003 · a/b · BiLSTM of 2 · lr"), "{label}");
}

#[test]
fn what_has_no_place_for_a_bilstm_refuses_it_with_the_reason() {
    let refused = |train: &str| plan(&format!(", bilstm_layers: 2{train}")).unwrap_err();
    assert_eq!(
        refused(", features: last-hidden"),
        "the recipe for `conll2003` is impossible: `bilstm_layers` is 2, expected 0: `features` is `last-hidden`, and has a \
         BiLSTM over a frozen encoder"
    );
    let folder = tempfile::tempdir().unwrap();
    let complaint = |family: &str, more: &[&str]| {
        let model = folder.path().join(family);
        checkpoint::write(&model, family);
        let out = folder.path().join(format!("{family}-{}", more.len()));
        said(&fine_tune(&model, "sst2", &out, &[&LAYERS[..], more].concat()))
    };
    for (family, title) in [("elmo", "ELMo"), ("modernbert", "ModernBERT")] {
        let expected = format!("`bilstm_layers` is 2, expected 0: none has been put over {title}");
        assert!(complaint(family, &[]).contains(&expected), "{}", complaint(family, &[]));
    }
    let gpt = complaint("openai-gpt", &["--set", "train.auxiliary_lm=0.5"]);
    assert!(gpt.contains("`auxiliary_lm` has next tokens learned of an encoder that the head reads itself"), "{gpt}");
    let gpu = complaint("bert", &["--device", "cuda"]);
    assert!(gpu.contains("a GPU has no BiLSTM under a head yet, expected `--device cpu`"), "{gpu}");
}

/// Beside a baseline, which has no encoder, nothing stands.
#[test]
fn baselines_have_no_bilstm() {
    let folder = tempfile::tempdir().unwrap();
    let (bert, out) = (folder.path().join("bert"), folder.path().join("out"));
    checkpoint::write(&bert, "bert");
    let output = fine_tune(&bert, "sst2", &out, &[&LAYERS[..], &["--baselines"]].concat());
    assert!(output.status.success(), "{}", said(&output));
    let records = records(&out);
    let layers = |record: &&Record| record.baseline.is_some() == (record.recipe.bilstm_layers == 0);
    assert!(records.len() == 3 && records.iter().all(|record| layers(&record)));
    assert!(records.iter().all(|record| !matches!(record.status, Status::Failed(_))));
}
