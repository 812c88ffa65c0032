//! A task that starts from another one's model: RTE, STS-B and MRPC from MNLI, as RoBERTa's Section 5.1 has them.

use repro::record::{Record, Status};
use safetensors::SafeTensors;
use std::path::Path;
use std::process::{Command, Output};

/// STS-B comes first and is the task that a few rows do not make collapse.
const SPEC: &str = "name: start\ncheckpoints: [repro/bert-mini]\ntasks: [rte, stsb]\nhub: data/hub\n\
                    train: {preset: hf-default, epochs: 2, max_seq_length: 96, learning_rate: 3e-4}\n\
                    task_overrides: {rte: {start_from: stsb, learning_rate: 1e-12}}\n\
                    data: {repositories: {nyu-mll/glue: repro/mini-glue}}\n";

fn repro(command: &str, text: &str, out: &Path, more: &[&str]) -> Output {
    std::fs::create_dir_all(out).unwrap();
    let spec = out.join("spec.yaml");
    std::fs::write(&spec, text).unwrap();
    let mut repro = Command::new(env!("CARGO_BIN_EXE_repro"));
    repro.current_dir(env!("CARGO_MANIFEST_DIR")).arg(command).arg(&spec).arg("--out").arg(out);
    repro.args(["--limit", "100"]).args(more).output().unwrap()
}

fn record(out: &Path, task: &str) -> Record {
    let entries = std::fs::read_dir(out.join("records")).unwrap().map(|entry| entry.unwrap().path());
    let mut records = entries.map(|path| serde_json::from_slice::<Record>(&std::fs::read(path).unwrap()).unwrap());
    records.find(|record| record.task == task).unwrap()
}

/// The encoder's words, which no head has.
fn words(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let data = tensors.tensor("bert.embeddings.word_embeddings.weight").unwrap().data().to_vec();
    data.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

fn furthest(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// With a rate of nothing RTE's encoder stays where it started: at STS-B's weights, which are no longer the checkpoint's.
#[test]
fn a_task_starts_from_the_model_of_another_one() {
    let folder = tempfile::tempdir().unwrap();
    for jobs in ["1", "2"] {
        let out = folder.path().join(jobs);
        let output = repro("run", SPEC, &out, &["--jobs", jobs, "--quiet", "--keep", "all"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (rte, stsb) = (record(&out, "rte"), record(&out, "stsb"));
        assert_eq!(rte.started_from.as_ref(), Some(&stsb.id));
        let model = |record: &Record| words(&out.join("runs").join(&record.id).join("model/model.safetensors"));
        assert!(furthest(&model(&rte), &model(&stsb)) < 1e-7);
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(
            table.contains("repro/bert-mini, from stsb") && table.contains("fine-tuned on `stsb` before"),
            "{table}"
        );
    }
    // Another start is another run.
    let plain = SPEC.replace("start_from: stsb, ", "");
    let out = folder.path().join("plain");
    assert!(repro("run", &plain, &out, &["--quiet", "--keep", "all"]).status.success());
    let rte = record(&out, "rte");
    assert_ne!(rte.id, record(&folder.path().join("1"), "rte").id);
    let one = folder.path().join("1");
    let stsb = words(&one.join("runs").join(record(&one, "stsb").id).join("model/model.safetensors"));
    assert!(furthest(&words(&out.join("runs").join(&rte.id).join("model/model.safetensors")), &stsb) > 1e-4);
}

#[test]
fn a_start_that_cannot_be_is_said_before_any_work_or_in_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let complaint = |text: &str, more: &[&str]| {
        let output = repro("plan", text, folder.path(), &[&["--no-calibration"], more].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let own = complaint(&SPEC.replace("start_from: stsb", "start_from: rte"), &[]);
    assert!(own.contains("`start_from` is `rte`, expected another task than its own"), "{own}");
    let absent = complaint(&SPEC.replace("start_from: stsb", "start_from: qqp"), &[]);
    assert!(absent.contains("`start_from` is `qqp`, expected a task of this experiment"), "{absent}");
    let unknown = complaint(&SPEC.replace("start_from: stsb", "start_from: stbs"), &[]);
    assert!(unknown.contains("found `stbs`, expected `stsb`"), "{unknown}");
    let none = repro("run", SPEC, folder.path(), &["--keep", "none"]);
    assert_eq!(none.status.code(), Some(2));
    let text = String::from_utf8(none.stderr).unwrap();
    assert!(text.contains("--keep none leaves no model for `rte` to start from"), "{text}");
    let alone = repro("run", SPEC, &folder.path().join("alone"), &["--only", "task=rte"]);
    assert_eq!(alone.status.code(), Some(4));
    let text = String::from_utf8_lossy(&alone.stderr).into_owned() + &String::from_utf8_lossy(&alone.stdout);
    assert!(text.contains("1 of its 1 runs of `stsb` to start from are not recorded"), "{text}");
}

/// The checkpoint is not to blame for a model of ours that cannot be read.
#[test]
fn a_damaged_start_is_named_as_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    assert!(repro("run", SPEC, out, &["--quiet", "--keep", "all", "--only", "task=stsb"]).status.success());
    let model = out.join("runs").join(record(out, "stsb").id).join("model/model.safetensors");
    std::fs::write(model, "no model").unwrap();
    let output = repro("run", SPEC, out, &["--quiet"]);
    assert_eq!(output.status.code(), Some(4));
    let Status::Failed(reason) = record(out, "rte").status else { panic!("it is damaged") };
    assert!(reason.starts_with("could not start from `stsb`: ") && reason.contains("not a readable"), "{reason}");
}
