//! Commands as a shell has them: what `list`, `plan`, `fetch`, `run` and `verify` print and leave behind.

use crate::run::{SPEC, command, finish, of_three_that_learn, record, spec};
use repro::engine::fast::cuda::device;
use repro::spec::pins::Pins;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repro(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).env_remove("HF_HUB_OFFLINE");
    command.output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(arguments: &[&str], code: i32) -> String {
    let output = repro(arguments);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed(&output), "");
    String::from_utf8(output.stderr).unwrap()
}

/// Training rows as the data sets' own pages on the hub have them.
#[test]
fn list_names_tasks_with_their_rows_presets_experiments_and_claims() {
    let list: Value = serde_json::from_slice(&repro(&["list", "--json"]).stdout).unwrap();
    let rows = |task: &str| {
        let task = list["tasks"].as_array().unwrap().iter().find(|found| found["name"] == task).unwrap();
        task["splits"].as_array().unwrap().iter().find(|split| split["name"] == "train").unwrap()["rows"].clone()
    };
    for (task, expected) in [("cola", 8551), ("mnli", 392_702), ("wnli", 635), ("squad", 87_599), ("squad_v2", 130_319)]
    {
        assert_eq!(rows(task), expected, "{task}");
    }
    let text = printed(&repro(&["list"]));
    for preset in ["bert-code", "stable", "hf-default", "roberta", "xlnet", "openai-gpt"] {
        assert!(text.contains(&format!("\npreset {preset}: ")), "{preset}");
    }
    for family in repro::family::FAMILIES {
        assert!(text.contains(&format!("\n  {:12} {}", family.model_type, family.title)), "{}", family.title);
    }
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(text.contains(&format!("\n  experiments/{name} ")), "{name}");
    }
    assert!(
        list["claims"].as_array().unwrap().iter().any(|claim| claim.as_str().unwrap().starts_with("bert/bert_t1 "))
    );
}

/// MRPC by the released code: int(3668 / 32 · 3) = 343 steps, int(34.3) = 34 of them warm up; with two epochs int(229.25)
/// = 229 and 22.
#[test]
fn plan_counts_steps_and_takes_what_the_flags_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    std::fs::write(&file, "name: x\ncheckpoints: [a/b]\ntasks: [mrpc, rte]\ntrain: {preset: bert-code}\n").unwrap();
    let (file, hub) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
    let plan = |more: &[&str]| -> Value {
        let output = repro(&[&["plan", file, "--hub", hub, "--json", "--no-calibration"], more].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    let all = plan(&[]);
    assert_eq!(
        (all["runs"][0]["total_steps"].as_u64(), all["runs"][0]["warmup_steps"].as_u64()),
        (Some(343), Some(34))
    );
    let less = plan(&["--only", "task=mrpc", "--set", "train.epochs=2", "--seeds", "3"]);
    let runs = less["runs"].as_array().unwrap();
    assert_eq!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(runs.iter().all(|run| run["total_steps"] == 229 && run["warmup_steps"] == 22));
    let of = |key: &str| less["values"].as_array().unwrap().iter().find(|value| value["key"] == key).unwrap().clone();
    assert_eq!(
        (&of("train.epochs")["source"], &of("seeds")["source"]),
        (&"--set train.epochs=2".into(), &"--seeds".into())
    );
    // The files are nowhere: costs are unknown, and the plan is one all the same.
    assert!(runs[0]["cost"]["unknown"].as_str().unwrap().starts_with("data set `nyu-mll/glue` is not here"));
}

#[test]
fn mistakes_on_the_command_line_name_the_way_out() {
    insta::assert_snapshot!(complaint(&["run", "quikstart.yaml"], 2), @r"
    error: quikstart.yaml: no such experiment, here or in `experiments/`
    hint: did you mean `quickstart.yaml`?
    ");
    insta::assert_snapshot!(complaint(&["run", "quickstart.yaml", "--engine", "refrence"], 2), @"error: unknown --engine `refrence`, expected `reference`");
    insta::assert_snapshot!(complaint(&["run", "quickstart.yaml", "--device", "gpu"], 2), @"error: unknown --device `gpu`, expected `cpu`, `cuda` or `cuda:N`");
    insta::assert_snapshot!(complaint(&["run", "quickstart.yaml", "--engine", "reference", "--dtype", "bf16"], 2), @"error: --engine reference has no --dtype bf16, expected `f32`");
    insta::assert_snapshot!(complaint(&["run", "quickstart.yaml", "--device", "cuda", "--dtype", "f16"], 2), @"error: unknown --dtype `f16`, expected `f32` or `bf16`");
    insta::assert_snapshot!(complaint(&["run", "quickstart.yaml", "--device", "cuda:1", "--engine", "reference"], 2), @"error: --engine reference has no --device cuda:1, expected `cpu`");
    insta::assert_snapshot!(complaint(&["run", "quickstart.yaml", "--hub", "nowhere"], 2), @r"
    error: `--hub nowhere`: no such folder, and not an address
    hint: a folder holds `models/owner/name/…` and `datasets/owner/name/…`; an address begins with `https://`
    ");
    insta::assert_snapshot!(complaint(&["run", "quickstart.yaml", "--only", "task=wnli"], 2), @"error: --only task=wnli: no run with task `wnli`, expected `mnli`");
    assert!(complaint(&["run", "quickstart.yaml", "--limit", "0"], 2).contains("expected a whole number from 1"));
    assert!(complaint(&["run", "quickstart.yaml", "--seeds", "0"], 2).contains("invalid value '0'"));
    assert!(complaint(&["run", "quickstart.yaml", "--set", "train.epoch=1"], 2).contains("expected `epochs`"));
}

/// Where there is no GPU; on a machine with one the flag is no mistake.
#[test]
fn a_gpu_that_is_not_there_is_said_before_any_work() {
    if device::find().is_ok() {
        return println!("not run: this machine has an NVIDIA driver");
    }
    insta::assert_snapshot!(complaint(&["run", "quickstart.yaml", "--device", "cuda"], 2), @r"
    error: no NVIDIA driver: `libcuda.so.1` cannot be loaded
    hint: `repro list --devices` says what was found
    ");
}

#[test]
fn fetch_writes_the_pins_of_what_it_saw_and_pins_are_demanded() {
    let folder = tempfile::tempdir().unwrap();
    let pins = folder.path().join("data/pins.yaml");
    std::fs::create_dir_all(pins.parent().unwrap()).unwrap();
    let file = spec(folder.path(), SPEC);
    let hub = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub");
    let fetch = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.current_dir(folder.path()).arg("fetch").arg(&file).arg("--hub").arg(&hub).arg("--quiet").args(more);
        command.output().unwrap()
    };
    let output = fetch(&["--write-pins", pins.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed(&output).ends_with("7 files, 478862 bytes; 0 missing\n"), "{}", printed(&output));
    let config = std::fs::read(hub.join("models/repro/bert-tiny/config.json")).unwrap();
    let digest = crate::hub_server::sha256(&config);
    let read = Pins::read(&pins).unwrap();
    assert_eq!(read.0["models/repro/bert-tiny"].files["config.json"], digest);
    assert!(printed(&fetch(&[])).contains("  pinned "));
    // One digit of the digest another one.
    let other = format!("{}{}", if digest.starts_with('0') { "1" } else { "0" }, &digest[1..]);
    std::fs::write(&pins, std::fs::read_to_string(&pins).unwrap().replace(&digest, &other)).unwrap();
    let refused = fetch(&[]);
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains(&digest) && said.contains(&other) && said.contains("\nhint: if the new file is wanted"),
        "{said}"
    );
}

#[test]
fn offline_by_the_environment_is_offline() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(folder.path()).arg("fetch").arg(spec(folder.path(), SPEC)).arg("--quiet");
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", folder.path()).env_remove("HF_HUB_CACHE");
    let output = command.args(["--hub", "http://127.0.0.1:9"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.starts_with("error: offline, and `config.json` of model `repro/bert-tiny` at `main` is not in the cache"),
        "{said}"
    );
    assert!(said.contains("\nhint: `repro fetch SPEC` gets it on a machine with a network"));
}

fn only_run(out: &Path) -> PathBuf {
    std::fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path()
}

/// One epoch of 240 rows in batches of 8 is 30 steps; `hf-default` decays from the full rate to 0 without warm-up here.
#[test]
fn a_run_leaves_its_curve_and_predictions_that_give_its_score() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path(), &SPEC.replace("epochs: 2", "epochs: 1")), folder.path().join("out"));
    assert!(finish(&file, &out).status.success());
    let curve = std::fs::read_to_string(only_run(&out).join("curve.csv")).unwrap();
    let lines: Vec<Vec<f64>> =
        (curve.lines().skip(1)).map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    assert_eq!(lines.len(), 30);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line[0], (index + 1) as f64);
        assert!((line[2] - 2e-3 * (30.0 - index as f64) / 30.0).abs() < 1e-12, "{line:?}");
    }
    let predictions = std::fs::read_to_string(only_run(&out).join("predictions.validation.csv")).unwrap();
    let rows: Vec<Vec<&str>> = predictions.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let right = rows.iter().filter(|row| row[1] == row[2]).count();
    let score = &record(&out)["scores"][0];
    assert_eq!(score["examples"], rows.len());
    assert!((score["value"].as_f64().unwrap() - right as f64 / rows.len() as f64).abs() < 1e-12);
    // The larger logit decides: names stand in the header.
    assert_eq!(predictions.lines().next(), Some("id,prediction,label,logit_negative,logit_positive"));
    for row in rows {
        let (negative, positive): (f64, f64) = (row[3].parse().unwrap(), row[4].parse().unwrap());
        assert_eq!(row[1], if positive > negative { "positive" } else { "negative" });
    }
}

#[test]
fn json_output_is_a_line_an_event_and_the_records_last() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path(), SPEC), folder.path().join("out"));
    let mut run = Command::new(env!("CARGO_BIN_EXE_repro"));
    run.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(&file).arg("--out").arg(&out);
    let text = printed(&run.args(["--hub", "data/hub", "--limit", "64", "--json"]).output().unwrap());
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (records, events) = lines.split_last().unwrap();
    assert_eq!(records[0]["id"], record(&out)["id"]);
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    // 64 rows in batches of 8, twice.
    assert_eq!((of("run_started"), of("step"), of("run_finished")), (1, 16, 1));
}

#[test]
fn verify_agrees_on_every_prediction_and_names_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path(), &SPEC.replace("epochs: 2", "epochs: 1")), folder.path().join("out"));
    assert!(finish(&file, &out).status.success());
    let run = record(&out)["id"].as_str().unwrap().to_string();
    let folder = out.to_str().unwrap();
    let output = repro(&["verify", &run, "--out", folder, "--hub", "data/hub", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found[0]["same"], found[0]["sequences"]);
    // Two orders of summation in 32 bits over a hidden size of 64.
    assert!(found[0]["largest_difference"].as_f64().unwrap() < 1e-5);
    assert!(
        (found[0]["scores"]["accuracy"].as_f64().unwrap() - record(&out)["scores"][0]["value"].as_f64().unwrap()).abs()
            < 1e-12
    );
    assert!(complaint(&["verify", "0123", "--out", folder], 2).starts_with("error: no record `0123` in"));
    std::fs::remove_dir_all(out.join("runs").join(&run).join("model")).unwrap();
    let output = repro(&["verify", &run, "--out", folder, "--hub", "data/hub"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no model folder at"));
    assert_ne!(output.status.code(), Some(0));
}

/// The record names the file and the limit in one text; the dev split is to be found again all the same.
#[test]
fn verify_finds_a_named_file_under_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub/datasets/repro/mini-glue/sst2");
    let named = folder.path().join("dev.parquet");
    std::fs::copy(dev.join("validation-00000-of-00001.parquet"), &named).unwrap();
    let files = format!("data: {{files: {{sst2: {{validation: {}}}}}, ", named.display());
    let text = SPEC.replace("data: {", &files).replace("epochs: 2", "epochs: 1");
    let (file, out) = (spec(folder.path(), &text), folder.path().join("out"));
    assert!(finish(&file, &out).status.success());
    assert!(record(&out)["splits"][1]["release"].as_str().unwrap().contains("dev.parquet"));
    let run = record(&out)["id"].as_str().unwrap().to_string();
    let output = repro(&["verify", &run, "--out", out.to_str().unwrap(), "--hub", "data/hub"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn only_the_kept_models_stay() {
    let folder = tempfile::tempdir().unwrap();
    let text = of_three_that_learn();
    let models = |keep: &str| {
        let (file, out) = (spec(folder.path(), &text), folder.path().join(keep));
        let mut run = Command::new(env!("CARGO_BIN_EXE_repro"));
        run.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(&file).arg("--out").arg(&out).args(["--keep", keep]);
        assert!(run.args(["--hub", "data/hub", "--limit", "240", "--quiet"]).output().unwrap().status.success());
        let runs = std::fs::read_dir(out.join("runs")).unwrap().map(|run| run.unwrap().path());
        runs.filter(|run| run.join("model/model.safetensors").exists()).count()
    };
    assert_eq!((models("none"), models("all"), models("best")), (0, 3, 1));
}

#[test]
fn a_recorded_failure_is_tried_again_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let text = SPEC.replace("data: {", "data: {files: {sst2: {train: ./mine.parquet}}, ");
    let (file, out) = (spec(folder.path(), &text), folder.path().join("out"));
    let run = |more: &[&str]| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_repro"));
        run.current_dir(folder.path()).arg("run").arg(&file).arg("--out").arg(&out).args(["--limit", "64"]).args(more);
        run.arg("--hub").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub")).output().unwrap()
    };
    let failed = run(&[]);
    assert_eq!(failed.status.code(), Some(4));
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(said.ends_with("what failed is tried again with `--retry-failed`\n"), "{said}");
    let rows = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/hub/datasets/repro/mini-glue/sst2/train-00000-of-00001.parquet");
    std::fs::copy(rows, folder.path().join("mine.parquet")).unwrap();
    assert_eq!(run(&[]).status.code(), Some(4), "it is recorded");
    assert_eq!(run(&["--retry-failed"]).status.code(), Some(0));
    // A split from a named file is marked wherever the record is read.
    assert_eq!(record(&out)["splits"][0]["release"], "partial file ./mine.parquet, limited to 64 rows");
}

#[test]
fn a_run_says_what_it_does_in_plain_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path(), SPEC), folder.path().join("out"));
    let mut loud = Command::new(env!("CARGO_BIN_EXE_repro"));
    loud.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(&file).arg("--out").arg(&out);
    let said = loud.args(["--hub", "data/hub", "--limit", "64"]).output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    for line in [
        "  fetched repro/bert-tiny config.json: 463 B\n",
        "  encoded sst2: 64\n",
        "  validation after step 16 (epoch 2.00): ",
    ] {
        assert!(said.contains(line), "no {line:?} in {said}");
    }
    let quiet = command(&file, &out).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "");
}
