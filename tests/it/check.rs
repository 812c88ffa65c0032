//! `repro check` as a CI job meets it: exit codes, files, and what stands on the terminal.

use crate::sample::record;
use repro::record::{Record, Status};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const HEALTHY: [f64; 3] = [0.85, 0.86, 0.87];
const WORSE: [f64; 3] = [0.80, 0.81, 0.82];

fn seeds(code: &str, values: &[f64]) -> Vec<Record> {
    (1..).zip(values).map(|(seed, &value)| record(code, seed, value)).collect()
}

/// The records in place of those that were there.
fn put(folder: &Path, records: &[Record]) {
    let _ = std::fs::remove_dir_all(folder.join("reports/records"));
    std::fs::create_dir_all(folder.join("reports/records")).unwrap();
    for record in records {
        let text = serde_json::to_string_pretty(record).unwrap();
        std::fs::write(folder.join("reports/records").join(format!("{}.json", record.id)), text).unwrap();
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(folder).arg("check").args(args).env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

fn check(folder: &Path, args: &[&str]) -> (i32, String, String) {
    finished(command(folder, args).output().unwrap())
}

fn finished(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The digest after the first `#`: of the recipe's JSON, so that it moves with every new field of a recipe.
fn recipe_digest(text: &str) -> String {
    text.split('#').nth(1).unwrap().chars().take(8).collect()
}

/// A folder whose baseline holds healthy runs.
fn project() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &seeds("a", &HEALTHY));
    let (code, ..) = check(folder.path(), &["--update", "--reason", "first numbers"]);
    assert_eq!(code, 0);
    folder
}

#[test]
fn the_same_records_pass() {
    let folder = project();
    let (code, stdout, _) = check(folder.path(), &[]);
    assert_eq!(code, 0);
    assert!(stdout.ends_with("2 unchanged\n"), "{stdout}");
}

#[test]
fn a_regression_exits_5_and_an_improvement_is_reported() {
    let folder = project();
    put(folder.path(), &seeds("b", &WORSE));
    let (code, stdout, _) = check(folder.path(), &[]);
    assert_eq!(code, 5);
    let (line, digest) = (stdout.lines().take(2).collect::<Vec<_>>().join("\n"), recipe_digest(&stdout));
    insta::assert_snapshot!(line.replace(&digest, "[digest]"), @r"
    regressed    glue · owner/tiny · mrpc.f1 · lr 2e-5 batch 32 epochs 3 #[digest]
                 baseline 86.00 ± 1.00 (n 3), now 81.00 ± 1.00 (n 3): -5.00 points, 95 % interval -7.27 to -2.73, tolerance 1.00
    ");
    put(folder.path(), &seeds("b", &[0.90, 0.91, 0.92]));
    let (code, stdout, _) = check(folder.path(), &[]);
    assert_eq!((code, stdout.lines().last()), (0, Some("1 improved, 1 unchanged")));
}

#[test]
fn one_seed_is_inconclusive_and_says_how_many_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &seeds("a", &[0.85]));
    check(folder.path(), &["--update", "--reason", "one seed"]);
    put(folder.path(), &seeds("b", &[0.60]));
    let (code, stdout, _) = check(folder.path(), &[]);
    assert_eq!(code, 0);
    assert!(stdout.contains("inconclusive") && stdout.contains("2 seeds on each side at least"), "{stdout}");
    assert_eq!(check(folder.path(), &["--seed-std", "0.01"]).0, 5);
}

#[test]
fn nothing_to_compare_exits_6() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(check(empty.path(), &[]).0, 6);
    let folder = project();
    let mut records = seeds("b", &WORSE);
    records.iter_mut().for_each(|record| record.limit = Some(64));
    put(folder.path(), &records);
    let (code, stdout, stderr) = check(folder.path(), &[]);
    assert_eq!(code, 6);
    assert!(stdout.contains("not compared: limit `64`, baseline `none`"), "{stdout}");
    assert!(stderr.starts_with("error: nothing to compare: "), "{stderr}");
}

#[test]
fn an_update_without_a_reason_is_refused_and_changes_nothing() {
    let folder = project();
    let baseline = folder.path().join("reports/baseline.csv");
    let before = std::fs::read(&baseline).unwrap();
    put(folder.path(), &seeds("b", &WORSE));
    for args in [&["--update"][..], &["--update", "--reason", " "]] {
        let (code, _, stderr) = check(folder.path(), args);
        assert_eq!((code, stderr.lines().next()), (2, Some("error: `--update` asks for a reason")));
    }
    assert_eq!(std::fs::read(&baseline).unwrap(), before);
}

#[test]
fn the_baseline_says_why_it_moved_and_is_the_same_every_time() {
    let (one, two) = (project(), project());
    for folder in [&one, &two] {
        put(folder.path(), &seeds("b", &WORSE));
        check(folder.path(), &["--update", "--reason", "new tokenizer,\nagreed on"]);
    }
    let text = |folder: &TempDir| std::fs::read_to_string(folder.path().join("reports/baseline.csv")).unwrap();
    assert_eq!(text(&one), text(&two));
    let lines: Vec<String> = text(&one).lines().take(3).map(str::to_string).collect();
    assert_eq!(lines[1..], ["# update 1: first numbers", "# update 2: new tokenizer, agreed on"]);
    assert_eq!(check(one.path(), &[]).0, 0);
}

#[test]
fn a_damaged_record_or_baseline_is_named() {
    let folder = project();
    let baseline = folder.path().join("reports/baseline.csv");
    let text = std::fs::read_to_string(&baseline).unwrap();
    std::fs::write(&baseline, text.replace("0.860000", "0.900000")).unwrap();
    let (code, _, stderr) = check(folder.path(), &[]);
    assert!(code == 2 && stderr.starts_with("error: reports/baseline.csv:5: `n,mean,std` is `3,0.900000,"), "{stderr}");
    std::fs::write(folder.path().join("reports/records/x.json"), "{").unwrap();
    let (code, _, stderr) = check(folder.path(), &[]);
    assert!(code == 2 && stderr.starts_with("error: record `reports/records/x.json`: EOF"), "{stderr}");
}

/// What makes an experiment of a name.
const REST: &str = "checkpoints: [a/b]\ntasks: [rte]\ntrain: {preset: bert-code}\nseeds: [1]\n";

#[test]
fn a_spec_narrows_the_check_to_its_experiment() {
    let folder = project();
    let experiments = folder.path().join("experiments");
    std::fs::create_dir(&experiments).unwrap();
    std::fs::write(experiments.join("glue.yaml"), format!("# the claim\nname: glue  # said once\n{REST}")).unwrap();
    std::fs::write(experiments.join("other.yaml"), format!("name: other\n{REST}")).unwrap();
    assert_eq!(check(folder.path(), &["glue.yaml"]).0, 0);
    assert_eq!(check(folder.path(), &["other.yaml"]).0, 6);
    let (code, _, stderr) = check(folder.path(), &["absent.yaml"]);
    assert!(code == 2 && stderr.starts_with("error: absent.yaml: "), "{stderr}");
}

#[test]
fn junit_has_a_case_for_each_cell() {
    let folder = project();
    let mut records = seeds("b", &WORSE);
    records[2].status = Status::Collapsed("one class predicted".into());
    put(folder.path(), &records);
    check(folder.path(), &["--junit", "junit.xml"]);
    let xml = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(xml.contains(r#"<testsuites name="repro check" tests="2" skipped="1" failures="1" errors="0">"#), "{xml}");
    assert!(xml.contains(r#"<skipped message="inconclusive: 1 of 3 runs collapsed, baseline 0 of 3; "#), "{xml}");
}

#[test]
fn github_gets_annotations_and_a_summary_that_is_appended() {
    let folder = project();
    put(folder.path(), &seeds("b", &WORSE));
    let summary = folder.path().join("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let mut command = command(folder.path(), &[]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let (code, stdout, _) = finished(command.output().unwrap());
    assert_eq!(code, 5);
    assert_eq!(stdout.lines().filter(|line| line.starts_with("::error file=reports/baseline.csv,line=5,")).count(), 1);
    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("before\n## repro check\n\n**1 regressed, 1 unchanged**\n"), "{text}");
}

#[test]
fn json_is_one_document_in_fractions() {
    let folder = project();
    put(folder.path(), &seeds("b", &WORSE));
    let (code, stdout, _) = check(folder.path(), &["--json"]);
    let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let cells = value["cells"].as_array().unwrap();
    let f1 = cells.iter().find(|cell| cell["slot"]["metric"] == "f1").unwrap();
    assert_eq!((code, &f1["verdict"], &f1["current"]["n"]), (5, &"regressed".into(), &3.into()));
    assert!((f1["difference"].as_f64().unwrap() + 0.05).abs() < 1e-12);
}
