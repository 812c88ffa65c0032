//! `repro bench` beside a peer: a fake one, a shell script that speaks the line protocol, so that no test needs PyTorch.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The embedded hub's tiny encoder.
const SHAPE: &str = "data/hub/models";

/// A peer that trains 8 tokens in half a second and predicts them in a quarter of one.
const FAKE: &str = r#"#!/bin/sh
read -r job
case "$1" in scripts/bench_pytorch.py) ;; *) exit 9 ;; esac
case "$job" in *'"configuration":"sdpa"'*) speed=0.5 ;; *) speed=4 ;; esac
echo '{"ready": "Fake 1.0", "configuration": "'$(echo "$job" | sed 's/.*"configuration":"\([a-z]*\)".*/\1/')'"}'
while read -r line; do
    case "$line" in
        train) echo '{"seconds": '$speed', "tokens": 8, "peak_memory": 1000000}' ;;
        eval) echo '{"seconds": 0.25, "tokens": 8, "peak_memory": 1000000}' ;;
        matmul) echo '{"flops_per_second": 1e15}' ;;
        *) exit 3 ;;
    esac
done
"#;

fn tiny() -> PathBuf {
    let owner = fs::read_dir(SHAPE).unwrap().next().unwrap().unwrap().path();
    fs::read_dir(owner).unwrap().next().unwrap().unwrap().path()
}

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("python");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn bench(peer: &Path, more: &[&str]) -> Output {
    let shape = tiny();
    let rectangle = ["--batch", "2", "--length", "4", "--steps", "1", "--rounds", "3", "--threads", "1"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.args(["bench", "--shape"]).arg(shape).arg("--compare").arg(peer).args(rectangle).args(more);
    command.output().expect("the program starts")
}

fn standard_error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

// 8 tokens in 0.5 s are 16 tokens/s; in 4 s, 2; in 0.25 s, 32. The faster configuration is the one that counts, and the
// best product of any library is the ceiling.
#[test]
fn the_best_configuration_of_the_peer_counts() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(&script(folder.path(), FAKE), &["--json", "--quiet", "--configurations", "eager,sdpa"]);
    assert_eq!(output.status.code(), Some(0), "{}", standard_error(&output));
    let measured: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let outcome = &measured[0]["outcome"];
    let rates: Vec<_> = (0..2).map(|peer| outcome["peers"][peer]["train"]["median"].as_f64().unwrap()).collect();
    assert_eq!(rates, [2.0, 16.0]);
    assert_eq!(outcome["peers"][1]["evaluate"]["median"], 32.0);
    assert_eq!(outcome["train_ratio"]["configuration"], "sdpa");
    let ours = outcome["ours"]["train"]["median"].as_f64().unwrap();
    let ratio = outcome["train_ratio"]["ratio"]["median"].as_f64().unwrap();
    assert!((ratio - ours / 16.0).abs() < 1e-9 * ratio, "{ratio} is not {ours} / 16");
    let memory = outcome["ours"]["peak_memory"].as_f64().unwrap();
    assert_eq!(outcome["memory_ratio"], memory / 1e6);
    assert_eq!(measured[0]["ceiling"], 1e15);
}

#[test]
fn a_page_gets_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("speed.md");
    let more = ["--quiet", "--configurations", "sdpa", "--train-only", "--allocations", "--markdown"];
    let more: Vec<&str> = more.into_iter().chain(page.to_str()).collect();
    let output = bench(&script(folder.path(), FAKE), &more);
    assert_eq!(output.status.code(), Some(0), "{}", standard_error(&output));
    let text = fs::read_to_string(&page).unwrap();
    for what in ["training ÷ PyTorch", "share of the sgemm ceiling", "peak memory ÷ PyTorch", "heap allocations"] {
        assert!(text.contains(&format!("rectangular 2×4: {what}")) || text.contains(what), "no `{what}` in:\n{text}");
    }
    assert!(text.contains("--compare PYTHON") && !text.contains(folder.path().to_str().unwrap()), "{text}");
}

#[test]
fn allocations_of_the_reference_engine_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let more =
        ["--json", "--quiet", "--configurations", "sdpa", "--train-only", "--allocations", "--engine", "reference"];
    let output = bench(&script(folder.path(), FAKE), &more);
    let measured: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(measured[0]["outcome"]["allocations_per_step"].as_f64().unwrap() > 100.0, "{measured}");
}

/// Also with predictions between the steps, which use the same buffers.
#[test]
fn a_steady_step_of_the_fast_engine_asks_for_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        bench(&script(folder.path(), FAKE), &["--json", "--quiet", "--configurations", "sdpa", "--allocations"]);
    let measured: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(measured[0]["outcome"]["allocations_per_step"], 0.0, "{measured}");
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let peer = script(folder.path(), "#!/bin/sh\nexit 7\n");
    for (more, expected) in [
        (["--engine", "refrence"], "unknown --engine `refrence`, expected `reference`"),
        (["--length", "100000"], "--length 100000: shape"),
        (["--threads", "1000000"], "invalid value '1000000' for '--threads"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        let output =
            command.args(["bench", "--shape"]).arg(tiny()).arg("--compare").arg(&peer).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", standard_error(&output));
        assert!(standard_error(&output).contains(expected), "{}", standard_error(&output));
    }
}

#[test]
fn a_peer_that_ends_or_babbles_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("#!/bin/sh\nexit 7\n", "it ended with exit status: 7"),
        ("#!/bin/sh\necho hello\n", "found `hello`"),
        (
            "#!/bin/sh\necho '{\"ready\": \"a\", \"configuration\": \"b\"}'\nread -r job\nread -r line\n",
            "did not answer `train`",
        ),
    ] {
        let output = bench(&script(folder.path(), text), &["--quiet", "--configurations", "sdpa"]);
        assert_eq!(output.status.code(), Some(4), "{text}");
        assert!(standard_error(&output).contains(expected), "{}", standard_error(&output));
    }
}

#[test]
fn an_absent_python_is_a_usage_error() {
    let output = bench(Path::new("./no-such-python"), &["--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(standard_error(&output).starts_with("error: could not start `./no-such-python"));
}

#[test]
fn a_sweep_writes_a_table_and_a_plot() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--quiet", "--configurations", "sdpa", "--train-only", "--sweep", "threads", "--out"];
    let more: Vec<&str> = more.into_iter().chain(folder.path().to_str()).collect();
    let output = bench(&script(folder.path(), FAKE), &more);
    assert_eq!(output.status.code(), Some(0), "{}", standard_error(&output));
    let csv = fs::read_to_string(folder.path().join("speed/threads.csv")).unwrap();
    assert!(csv.starts_with("at,case,side,train,train_least,train_most,eval,peak_memory\n1,"), "{csv}");
    assert!(csv.contains("Fake sdpa,"), "{csv}");
    assert!(fs::read_to_string(folder.path().join("speed/threads.svg")).unwrap().starts_with("<svg"));
}

#[test]
fn an_unknown_task_lists_the_known_ones() {
    let output = Command::new(env!("CARGO_BIN_EXE_repro")).args(["bench", "--task", "squad"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(standard_error(&output).starts_with("error: --task: unknown task `squad`, expected one of "));
}
