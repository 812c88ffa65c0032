//! `repro run` where the machine fails it: full and read-only disks, and signals at every stage.

use crate::hub_server::{Fault, HubServer};
use crate::record::mounted;
use crate::run::{SPEC, command, finish, record, spec, telling, wait_for_snapshot, weights};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn records(out: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(out.join("records")).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

fn remount(folder: &Path, option: &str) {
    assert!(Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(folder).status().unwrap().success());
}

/// A snapshot of the tiny model has 2.6 MB; the disks below are too small for the record, the first snapshot, and the
/// second one beside the first.
#[test]
fn a_full_disk_ends_the_plan_without_a_record_and_the_run_goes_on_when_there_is_room() {
    let files = tempfile::tempdir().unwrap();
    let spec = spec(files.path(), SPEC);
    for size in ["size=12k", "size=200k", "size=4000k"] {
        mounted(size, |out| {
            let full = finish(&spec, out);
            assert_eq!(full.status.code(), Some(2), "{size}: {}", errors(&full));
            assert!(errors(&full).contains("No space left on device"), "{size}: {}", errors(&full));
            assert!(errors(&full).contains("\nhint: everything recorded so far is kept; run the same command again"));
            assert_eq!(records(out), Vec::<PathBuf>::new(), "{size}");
            remount(out, "size=20m");
            let again = finish(&spec, out);
            assert!(again.status.success(), "{size}: {}", errors(&again));
            assert_eq!(record(out)["resumed_from_step"], if size == "size=4000k" { 3 } else { 0 });
        });
    }
}

#[test]
fn a_read_only_output_is_said_before_any_work_and_what_is_there_stays() {
    let files = tempfile::tempdir().unwrap();
    let spec = spec(files.path(), &SPEC.replace("epochs: 2", "epochs: 1"));
    mounted("size=8m", |out| {
        assert!(finish(&spec, out).status.success());
        let before = record(out);
        remount(out, "ro");
        let refused = finish(&spec, out);
        assert_eq!(refused.status.code(), Some(2));
        let expected = format!(
            "error: output folder `{}/records` cannot be written: Read-only file system (os error 30)\n",
            out.display()
        );
        assert!(errors(&refused).starts_with(&expected), "{}", errors(&refused));
        assert_eq!(record(out), before);
    });
}

#[test]
fn a_damaged_snapshot_says_how_to_begin_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, out) = (spec(folder.path(), SPEC), folder.path().join("out"));
    let mut child = command(&spec, &out).spawn().unwrap();
    wait_for_snapshot(&mut child, &out);
    child.kill().unwrap();
    child.wait().unwrap();
    let run = std::fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(run.join("snapshot/state.safetensors"), b"overwritten").unwrap();
    assert_eq!(finish(&spec, &out).status.code(), Some(4));
    let status = record(&out)["status"]["failed"].as_str().unwrap().to_string();
    assert!(status.ends_with("\nhint: remove that folder to begin the run anew"), "{status}");
    std::fs::remove_dir_all(run.join("snapshot")).unwrap();
    let again = command(&spec, &out).arg("--retry-failed").output().unwrap();
    assert!(again.status.success(), "{}", errors(&again));
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// What a child ends with, within seconds.
fn code_of(mut child: Child) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    panic!("it went on for twenty seconds after Ctrl-C");
}

/// The server sends ten bytes of the first large file and is silent for a minute.
#[cfg(unix)]
#[test]
fn ctrl_c_does_not_wait_for_a_download() {
    let folder = tempfile::tempdir().unwrap();
    let server = HubServer::start(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub"));
    let (spec, out) = (spec(folder.path(), SPEC), folder.path().join("out"));
    let over_http = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.current_dir(folder.path()).arg("run").arg(&spec).arg("--out").arg(&out);
        command.args(["--quiet", "--limit", "64", "--hub", &server.endpoint()]);
        command.env("HF_HOME", folder.path().join("home")).env_remove("HF_HUB_CACHE");
        command
    };
    server.fault(Fault::Stall(Duration::from_secs(60)));
    let child = over_http().spawn().unwrap();
    let began = Instant::now();
    while server.storage_requests().is_empty() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    interrupt(&child);
    assert_eq!(code_of(child), Some(130));
    assert_eq!(records(&out), Vec::<PathBuf>::new());
    let again = over_http().output().unwrap();
    assert!(again.status.success(), "{}", errors(&again));
}

/// Waits until a child has said its first line: it is at its run by then, however busy the machine is.
#[cfg(unix)]
fn wait_for_first_line(child: &mut Child) {
    let mut first = [0];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
}

/// Evaluations every second step take most of the time, so that signals fall into them as well as into steps.
#[cfg(unix)]
#[test]
fn ctrl_c_in_steps_and_evaluations_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = SPEC.replace("epochs: 2", "epochs: 1, evaluate: {every-steps: 2}");
    let (spec, whole, cut) = (spec(folder.path(), &text), folder.path().join("whole"), folder.path().join("cut"));
    assert!(finish(&spec, &whole).status.success());
    let mut interruptions = 0;
    // 30 steps: every interruption comes at least a step further.
    for round in 0..40 {
        let mut child = telling(&spec, &cut).spawn().unwrap();
        wait_for_first_line(&mut child);
        std::thread::sleep(Duration::from_millis(17 * (round % 11)));
        interrupt(&child);
        match code_of(child) {
            Some(130) => interruptions += 1,
            code => {
                assert_eq!(code, Some(0));
                break;
            }
        }
        assert_eq!(records(&cut), Vec::<PathBuf>::new());
    }
    assert!(interruptions > 0, "every signal came too late");
    assert!(finish(&spec, &cut).status.success());
    assert!(weights(&cut) == weights(&whole), "the weights differ");
    assert_eq!(record(&cut)["evaluations"], record(&whole)["evaluations"]);
}
