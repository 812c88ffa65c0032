//! The files that evaluation servers take, read back with the zip and JSON readers.

use repro::submit::run_folder::{glue_predictions, squad_predictions};
use repro::submit::{Prediction, Report, Source, SubmitError, TaskPredictions, glue_zip, write_squad};
use repro::task::{Head, SplitRole, TASKS, Task, find};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// Predictions for every test split of a task: class `row % labels`, or the row number.
fn of_task(task: &'static Task) -> Vec<TaskPredictions> {
    let value = |row: usize| match task.head {
        Head::Regression => Prediction::Value(row as f64),
        _ => Prediction::Class(row % task.labels.len()),
    };
    let splits = task.splits_with(SplitRole::Test);
    splits.map(|split| TaskPredictions { task, split, predictions: (0..split.rows).map(value).collect() }).collect()
}

fn all_but(left_out: &[&str]) -> Vec<TaskPredictions> {
    let tasks = TASKS.iter().filter(|task| !task.server_files.is_empty() && !left_out.contains(&task.name));
    tasks.flat_map(of_task).collect()
}

fn in_zip(path: &Path, name: &str) -> String {
    let mut zip = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let mut text = String::new();
    zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn names(report: &Report) -> Vec<&str> {
    report.files.iter().map(|file| file.file).collect()
}

#[test]
fn the_zip_holds_the_servers_files_with_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out/glue.zip");
    let report = glue_zip(&path, &all_but(&[])).unwrap();
    assert!(report.missing.is_empty());
    // Published sizes of the test sets (GLUE's own counts).
    let expected = [
        ("MNLI-m.tsv", 9_796),
        ("MNLI-mm.tsv", 9_847),
        ("QQP.tsv", 390_965),
        ("QNLI.tsv", 5_463),
        ("SST-2.tsv", 1_821),
        ("CoLA.tsv", 1_063),
        ("STS-B.tsv", 1_379),
        ("MRPC.tsv", 1_725),
        ("RTE.tsv", 3_000),
        ("WNLI.tsv", 146),
        ("AX.tsv", 1_104),
    ];
    for (name, rows) in expected {
        assert_eq!(in_zip(&path, name).lines().count(), 1 + rows, "{name}");
    }
    assert_eq!(names(&report), expected.map(|(name, _)| name));
    let head = |name| in_zip(&path, name).lines().take(4).collect::<Vec<&str>>().join("|");
    assert_eq!(head("MNLI-m.tsv"), "index\tprediction|0\tentailment|1\tneutral|2\tcontradiction");
    assert_eq!(head("RTE.tsv"), "index\tprediction|0\tentailment|1\tnot_entailment|2\tentailment");
    assert_eq!(head("CoLA.tsv"), "index\tprediction|0\t0|1\t1|2\t0");
    assert_eq!(head("STS-B.tsv"), "index\tprediction|0\t0.000|1\t1.000|2\t2.000");
}

#[test]
fn equal_predictions_are_equal_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let zip = |name: &str, predictions: &[TaskPredictions]| {
        let path = folder.path().join(name);
        glue_zip(&path, predictions).unwrap();
        std::fs::read(path).unwrap()
    };
    let mut predictions = all_but(&["qqp"]);
    let first = zip("a.zip", &predictions);
    predictions.reverse();
    assert!(first == zip("b.zip", &predictions));
}

#[test]
fn wnli_falls_back_to_the_majority_class_and_gaps_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("glue.zip");
    let report = glue_zip(&path, &all_but(&["wnli", "ax", "qqp", "mnli"])).unwrap();
    assert_eq!(report.missing, ["MNLI-m.tsv", "MNLI-mm.tsv", "QQP.tsv", "AX.tsv"]);
    let wnli = report.files.iter().find(|file| file.file == "WNLI.tsv").unwrap();
    assert_eq!((wnli.rows, wnli.source), (146, Source::Majority));
    // Class 0, `not_entailment`, is the majority of WNLI's training split: 323 of 635.
    let rows = in_zip(&path, "WNLI.tsv");
    assert!(rows.lines().skip(1).all(|line| line.ends_with("\t0")));
}

#[test]
fn a_row_too_few_or_a_split_twice_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("glue.zip");
    let mut predictions = of_task(find("rte").unwrap());
    predictions[0].predictions.pop();
    let error = glue_zip(&path, &predictions).unwrap_err().to_string();
    assert_eq!(error, "rte: split `test` has 2999 predictions, expected 3000");
    let twice = [of_task(find("wnli").unwrap()), of_task(find("wnli").unwrap())].concat();
    assert!(matches!(glue_zip(&path, &twice), Err(SubmitError::Twice { .. })));
    assert!(matches!(glue_zip(&path, &[]), Err(SubmitError::Nothing)));
    assert!(!path.exists());
}

/// A run folder of WNLI with these lines after the header.
fn wnli_folder(header: &str, lines: impl Iterator<Item = String>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text: String = std::iter::once(header.to_owned()).chain(lines).map(|line| line + "\n").collect();
    std::fs::write(folder.path().join("predictions.test.csv"), text).unwrap();
    folder
}

fn wnli_error(header: &str, lines: &[&str]) -> String {
    let folder = wnli_folder(header, lines.iter().map(|line| line.to_string()));
    let error = glue_predictions(folder.path(), find("wnli").unwrap()).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_run_folder_gives_its_predictions_by_name_or_number() {
    let lines = (0..146).map(|row| format!("{row},{},0.1,-0.2", if row == 1 { "entailment" } else { "0" }));
    let folder = wnli_folder("id,prediction,logit_0,logit_1", lines);
    let predictions = glue_predictions(folder.path(), find("wnli").unwrap()).unwrap();
    assert_eq!(predictions[0].predictions.len(), 146);
    assert_eq!(predictions[0].predictions[..3], [0, 1, 0].map(Prediction::Class));
}

#[test]
fn bad_run_folders_name_file_and_line() {
    assert!(wnli_error("id,label", &[]).starts_with("predictions.test.csv:1: found header `id,label`"));
    let error = wnli_error("id,prediction", &["0,1", "2,1"]);
    assert_eq!(error, "predictions.test.csv:3: found `2`, expected id 1, the split's rows in order");
    let error = wnli_error("id,prediction", &["0,maybe"]);
    let expected =
        "predictions.test.csv:2: found `maybe`, expected one of `not_entailment`, `entailment` or its number";
    assert_eq!(error, expected);
    assert!(wnli_error("id,prediction", &["0,1", "1"]).starts_with("predictions.test.csv: CSV error"));
}

/// A run folder of SQuAD 2.0 with all 11,873 dev questions, odds for those below `with_odds`.
fn squad_folder(with_odds: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let map = |count: usize, value: &str| {
        let entries: Vec<String> = (0..count).map(|id| format!("\"q{id}\": {value}")).collect();
        format!("{{{}}}", entries.join(", "))
    };
    std::fs::write(folder.path().join("predictions.json"), map(11_873, "\"x\"")).unwrap();
    std::fs::write(folder.path().join("null_odds.json"), map(with_odds, "-1.5")).unwrap();
    folder
}

#[test]
fn squad_files_keep_the_order_of_the_questions() {
    let folder = squad_folder(11_873);
    let predictions = squad_predictions(folder.path(), find("squad_v2").unwrap()).unwrap();
    let out = folder.path().join("out");
    let files = write_squad(&out, &predictions).unwrap();
    assert_eq!(files, [out.join("predictions.json"), out.join("na_odds.json")]);
    let answers = std::fs::read_to_string(&files[0]).unwrap();
    assert!(answers.starts_with(r#"{"q0":"x","q1":"x","q2":"x","#), "{}", &answers[..40]);
    let odds = std::fs::read_to_string(&files[1]).unwrap();
    assert!(odds.starts_with(r#"{"q0":-1.5,"q1":-1.5,"#), "{}", &odds[..40]);
}

#[test]
fn a_question_without_odds_or_answer_is_named() {
    let folder = squad_folder(11_872);
    let mut predictions = squad_predictions(folder.path(), find("squad_v2").unwrap()).unwrap();
    let error = write_squad(folder.path(), &predictions).unwrap_err().to_string();
    assert_eq!(error, "squad_v2: question `q11872` is in the predictions and not in the null odds");
    predictions.answers.remove("q3");
    let error = write_squad(folder.path(), &predictions).unwrap_err().to_string();
    assert_eq!(error, "squad_v2: split `validation` has 11872 predictions, expected 11873");
}

/// A project folder with experiment `x`: records of WNLI runs (id, dev accuracy), and each run's test predictions.
fn project(runs: &[(&str, f64)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("x.yaml"),
        "name: x\ncheckpoints: [a/b]\ntasks: [wnli]\ntrain: {preset: bert-code}\nseeds: [1]\n",
    )
    .unwrap();
    std::fs::create_dir(folder.path().join("records")).unwrap();
    for (class, (id, accuracy)) in runs.iter().enumerate() {
        let mut record: serde_json::Value = serde_json::from_str(include_str!("submit/record.json")).unwrap();
        record["id"] = (*id).into();
        record["scores"][0]["value"] = (*accuracy).into();
        std::fs::write(folder.path().join(format!("records/{id}.json")), record.to_string()).unwrap();
        let lines: String = (0..146).map(|row| format!("{row},{class}\n")).collect();
        let run = folder.path().join("runs").join(id);
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("predictions.test.csv"), format!("id,prediction\n{lines}")).unwrap();
    }
    folder
}

/// `repro submit x.yaml` there: exit code, standard output, standard error.
fn submit(project: &Path, flags: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    let output = command.current_dir(project).args(["submit", "x.yaml", "--from", "."]).args(flags).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_submits_the_best_run_on_dev() {
    let project = project(&[("aaaa", 0.52), ("bbbb", 0.56)]);
    let (exit, stdout, stderr) = submit(project.path(), &[]);
    assert_eq!((exit, stderr.as_str()), (Some(0), ""));
    let expected = "wnli: run bbbb\nwrote submission/glue.zip\n  WNLI.tsv: 146 rows\n  missing, so the server will \
                    refuse the zip: MNLI-m.tsv, MNLI-mm.tsv, QQP.tsv, QNLI.tsv, SST-2.tsv, CoLA.tsv, STS-B.tsv, \
                    MRPC.tsv, RTE.tsv, AX.tsv\n";
    assert_eq!(stdout, expected);
    assert!(in_zip(&project.path().join("submission/glue.zip"), "WNLI.tsv").starts_with("index\tprediction\n0\t1\n"));
}

#[test]
fn the_command_speaks_json() {
    let project = project(&[("aaaa", 0.52)]);
    let (_, stdout, _) = submit(project.path(), &["--json"]);
    let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(value["runs"]["wnli"], "aaaa");
    assert_eq!(value["files"], serde_json::json!(["submission/glue.zip"]));
    assert_eq!(value["missing"].as_array().unwrap().len(), 10);
}

#[test]
fn the_command_says_what_is_missing() {
    let project = project(&[]);
    let (exit, _, stderr) = submit(project.path(), &[]);
    assert_eq!(exit, Some(2));
    assert_eq!(stderr, "error: experiment `x` has no finished run to submit\nhint: `repro run` it first\n");
}
