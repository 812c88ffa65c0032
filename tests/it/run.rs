//! `repro run`, as a user has it: on the embedded hub, killed, stopped, run twice at once, and with a split missing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// One run of the embedded hub, in a second.
pub const SPEC: &str = "name: small
checkpoints: [repro/bert-tiny]
tasks: [sst2]
data: {repositories: {nyu-mll/glue: repro/mini-glue}}
train: {preset: hf-default, batch_size: 8, learning_rate: 2e-3, epochs: 2, snapshot_steps: 3}
seeds: [1]
";

/// Long enough for bert-tiny to learn from any of three seeds.
pub fn of_three_that_learn() -> String {
    SPEC.replace("2e-3, epochs: 2", "1e-3, epochs: 6").replace("seeds: [1]", "seeds: [1, 2, 3]")
}

pub fn spec(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("small.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

pub fn command(spec: &Path, out: &Path) -> Command {
    let mut command = telling(spec, out);
    command.arg("--quiet");
    command
}

/// The same, which also tells on stderr what it is at.
pub fn telling(spec: &Path, out: &Path) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(root).arg("run").arg(spec).arg("--out").arg(out);
    command.args(["--hub", "data/hub", "--limit", "240", "--keep", "all"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn finish(spec: &Path, out: &Path) -> Output {
    command(spec, out).output().unwrap()
}

/// The only folder of runs, and its model's weights.
pub fn weights(out: &Path) -> Vec<u8> {
    let mut runs = std::fs::read_dir(out.join("runs")).unwrap();
    std::fs::read(runs.next().unwrap().unwrap().path().join("model/model.safetensors")).unwrap()
}

pub fn record(out: &Path) -> serde_json::Value {
    let mut records = std::fs::read_dir(out.join("records")).unwrap().map(|entry| entry.unwrap().path());
    let path = records.find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap();
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Waits until the run's first snapshot is on disk, and the process still works.
pub fn wait_for_snapshot(child: &mut Child, out: &Path) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(120) {
        let runs = std::fs::read_dir(out.join("runs")).into_iter().flatten().flatten();
        if runs.into_iter().any(|run| run.path().join("snapshot/state.safetensors").exists()) {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "ended before its first snapshot");
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("no snapshot within two minutes");
}

/// The records of one run after another, in the plan's order; losses agree within what another number of threads moves.
#[test]
fn jobs_at_once_make_the_records_of_jobs_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path(), &of_three_that_learn());
    let losses = |name: &str, jobs: &str| -> Vec<(u64, f64)> {
        let output = command(&file, &folder.path().join(name)).args(["--jobs", jobs, "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let records: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert!(records.iter().all(|record| record["status"] == "finished"));
        let last =
            |record: &serde_json::Value| record["evaluations"].as_array().unwrap().last().unwrap()["loss"].clone();
        records.iter().map(|record| (record["seed"].as_u64().unwrap(), last(record).as_f64().unwrap())).collect()
    };
    let (at_once, in_turn) = (losses("at-once", "3"), losses("in-turn", "1"));
    assert_eq!(at_once.len(), 3);
    for (one, other) in at_once.iter().zip(&in_turn) {
        assert_eq!(one.0, other.0);
        assert!((one.1 - other.1).abs() < 1e-3 * other.1, "{one:?} {other:?}");
    }
}

#[test]
fn a_run_leaves_table_and_plots_beside_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path(), &of_three_that_learn()), folder.path().join("out"));
    let output = telling(&file, &out).output().unwrap();
    let (table, plot) = (out.join("tables/small.md"), out.join("plots/small-spread.svg"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("table      {}", table.display())), "{said}");
    let page = std::fs::read_to_string(&table).unwrap();
    assert!(page.contains("rows from `repro/mini-glue`, synthetic") && plot.exists(), "{page}");
    let run = std::fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    let card = std::fs::read_to_string(run.join("model/README.md")).unwrap();
    assert!(card.contains("name: \"SST-2 of `repro/mini-glue` (synthetic)\""), "{card}");
}

#[test]
fn a_checkpoint_that_should_be_a_folder_here_is_missed_before_anything_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let text = |names: &str| SPEC.replace("[repro/bert-tiny]", names);
    let run = |names: &str| telling(&spec(folder.path(), &text(names)), &folder.path().join("out")).output().unwrap();
    let output = run("[./nowhere/model]");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no folder `./nowhere/model`") && said.contains("hint: `repro pretrain SPEC`"), "{said}");
    assert!(!folder.path().join("out/runs").exists(), "nothing was begun");
    let output = run("[./nowhere/model, repro/bert-tiny]");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("absent     ") && said.contains("failed     sst2 · ./nowhere/model"), "{said}");
    // What is recorded needs no checkpoint any more, and a table that cannot be written does not hide how runs ended.
    std::fs::remove_dir_all(folder.path().join("out/tables")).unwrap();
    std::fs::write(folder.path().join("out/tables"), "").unwrap();
    let output = run("[./nowhere/model, repro/bert-tiny]");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(!said.contains("absent     ") && said.contains("cannot write `"), "{said}");
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, whole, cut) = (spec(folder.path(), SPEC), folder.path().join("whole"), folder.path().join("cut"));
    let output = finish(&spec, &whole);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut child = command(&spec, &cut).spawn().unwrap();
    wait_for_snapshot(&mut child, &cut);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(finish(&spec, &cut).status.success());

    assert!(record(&cut)["resumed_from_step"].as_u64().unwrap() >= 3);
    assert_eq!(record(&whole)["resumed_from_step"], 0);
    for field in ["scores", "evaluations", "id", "kept_step", "total_steps"] {
        assert_eq!(record(&cut)[field], record(&whole)[field], "{field}");
    }
    assert!(weights(&cut) == weights(&whole), "the weights differ");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_exits_with_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, out) = (spec(folder.path(), SPEC), folder.path().join("out"));
    let mut child = command(&spec, &out).spawn().unwrap();
    wait_for_snapshot(&mut child, &out);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(finish(&spec, &out).status.success());
    assert!(record(&out)["resumed_from_step"].as_u64().unwrap() >= 3);
}

#[test]
fn a_recorded_run_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, out) = (spec(folder.path(), SPEC), folder.path().join("out"));
    let first = finish(&spec, &out);
    let before = record(&out);
    let second = finish(&spec, &out);
    assert!(first.status.success() && second.status.success());
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(record(&out), before);
    assert_eq!(before["select"], "none", "what a spec without `select` means");
    assert!(String::from_utf8_lossy(&second.stdout).contains("sst2.accuracy"));
}

#[test]
fn two_processes_never_work_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, out) = (spec(folder.path(), SPEC), folder.path().join("out"));
    let one = command(&spec, &out).spawn().unwrap();
    let other = command(&spec, &out).spawn().unwrap();
    assert!(one.wait_with_output().unwrap().status.success());
    assert!(other.wait_with_output().unwrap().status.success());
    assert_eq!(record(&out)["total_steps"], 60);
    assert_eq!(record(&out)["resumed_from_step"], 0);
}

#[test]
fn a_missing_split_fails_its_run_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = SPEC.replace("[sst2]", "[wnli, sst2]").replace("epochs: 2", "epochs: 1");
    let (spec, out) = (spec(folder.path(), &text), folder.path().join("out"));
    let output = finish(&spec, &out);
    assert_eq!(output.status.code(), Some(4));
    let statuses: Vec<String> = std::fs::read_dir(out.join("records"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let failed = statuses.iter().find(|text| text.contains("\"failed\"")).unwrap();
    assert!(failed.contains("wnli/train-00000-of-00001.parquet"), "{failed}");
    assert_eq!(statuses.len(), 2);
}

#[test]
fn an_output_that_cannot_be_written_is_said_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path(), SPEC);
    let output = finish(&spec, &spec.join("inside-a-file"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be written"));
}

/// In bfloat16 where the CPU has it, as a run of its own beside the one in 32 bits; elsewhere told before any work.
#[test]
fn bf16_is_another_run_or_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path(), SPEC);
    let (plain, rounded) = (folder.path().join("f32"), folder.path().join("bf16"));
    let output = command(&file, &rounded).args(["--dtype", "bf16"]).output().unwrap();
    if !repro::engine::fast::cpu::bf16_available() {
        let complaint =
            "--dtype bf16 on the CPU takes AVX512-BF16 (AMD from Zen 4, Intel Xeon from Sapphire Rapids on): not here";
        assert_eq!(output.status.code(), Some(2));
        return assert!(String::from_utf8_lossy(&output.stderr).contains(complaint));
    }
    assert!(output.status.success() && finish(&file, &plain).status.success());
    let (plain, rounded) = (record(&plain), record(&rounded));
    assert_eq!((&rounded["provenance"]["dtype"], &plain["provenance"]["dtype"]), (&"bf16".into(), &"f32".into()));
    assert_ne!(rounded["id"], plain["id"]);
    let loss = |record: &serde_json::Value| record["evaluations"][0]["loss"].as_f64().unwrap();
    let apart = (loss(&rounded) - loss(&plain)).abs() / loss(&plain);
    assert!(apart > 0.0 && apart < 0.02, "dev losses apart by {apart}");
}
