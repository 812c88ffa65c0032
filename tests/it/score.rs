//! `repro score` on files as others write them: published SQuAD predictions, CSV, and what can be wrong with both.

use polars::prelude::{ListChunked, ParquetReader, SerReader};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn repro(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_repro")).arg("score").args(arguments).output().unwrap()
}

/// Files of a temporary folder and the arguments that name them.
struct Files(TempDir);

impl Files {
    fn new(predictions: &str, references: &str) -> Files {
        let files = Files(TempDir::new().unwrap());
        files.write("predictions", predictions);
        files.write("references", references);
        files
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }

    fn score(&self, task: &str, more: &[&str]) -> Output {
        let path = |name| self.0.path().join(name).to_str().unwrap().to_string();
        let (predictions, references) = (path("predictions"), path("references"));
        let fixed = ["--task", task, "--predictions", &predictions, "--references", &references];
        repro(&[&fixed, more].concat())
    }

    fn json(&self, task: &str, more: &[&str]) -> Value {
        let output = self.score(task, &[more, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The message of an error that must end with exit code 2, without the folder.
    fn error(&self, task: &str, more: &[&str]) -> String {
        let output = self.score(task, more);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let message = String::from_utf8(output.stderr).unwrap();
        message.replace(&format!("{}/", self.0.path().display()), "").trim_end().to_string()
    }
}

/// A SQuAD file of the hub in the official JSON layout, one paragraph a question.
fn squad_json(parquet: &Path) -> Value {
    let frame = ParquetReader::new(std::fs::File::open(parquet).unwrap()).finish().unwrap();
    let answers = frame.column("answers").unwrap().struct_().unwrap().field_by_name("text").unwrap();
    let answers: &ListChunked = answers.list().unwrap();
    let question = |row: usize, id: &str| {
        let texts = answers.get_as_series(row).unwrap();
        let texts: Vec<Value> = texts.str().unwrap().iter().flatten().map(|text| json!({"text": text})).collect();
        json!({"context": "", "qas": [{"id": id, "answers": texts}]})
    };
    let ids = frame.column("id").unwrap().str().unwrap();
    let paragraphs: Vec<Value> = ids.iter().flatten().enumerate().map(|(row, id)| question(row, id)).collect();
    json!({"data": [{"paragraphs": paragraphs}]})
}

#[test]
fn published_squad_predictions_score_to_the_last_digit() {
    let hub = std::env::var_os("REPRO_HUB").map_or_else(|| PathBuf::from("data/hub"), PathBuf::from);
    let folder = hub.join("extras/squad_predictions");
    let Ok(expected) = std::fs::read_to_string(folder.join("expected_scores.json")) else {
        println!("extras/squad_predictions: not there, skipped");
        return;
    };
    // what the official scripts print for these files
    let expected: Value = serde_json::from_str(&expected).unwrap();
    for (file, scores) in expected.as_object().unwrap() {
        let (task, dev) = match file.contains("v1.1") {
            true => ("squad", "squad/plain_text"),
            false => ("squad_v2", "squad_v2/squad_v2"),
        };
        let dev = hub.join(format!("datasets/rajpurkar/{dev}/validation-00000-of-00001.parquet"));
        let predictions = std::fs::read_to_string(folder.join(file)).unwrap();
        let found = Files::new(&predictions, &squad_json(&dev).to_string()).json(task, &[]);
        for (key, value) in scores.as_object().unwrap() {
            assert_eq!(&found[key], value, "{file} {key}");
        }
        assert_eq!(found.as_object().unwrap().len(), scores.as_object().unwrap().len());
        println!("{file}: passed");
    }
}

#[test]
fn glue_labels_are_names_or_numbers_in_any_order() {
    // two of three right; class 1 (equivalent): 1 right of 1 predicted and 2 gold, F1 = 2/3
    let files =
        Files::new("id,prediction\nc,0\na,equivalent\nb,0\n", "id,label\na,1\nb,not_equivalent\nc,equivalent\n");
    assert_eq!(files.json("mrpc", &[]), json!({"f1": 2.0 / 3.0, "accuracy": 2.0 / 3.0}));
}

#[test]
fn undefined_f1_and_matthews_are_zero_and_undefined_correlations_null() {
    let constant = Files::new("id,prediction\na,0\nb,0\n", "id,label\na,0\nb,0\n");
    assert_eq!(constant.json("mrpc", &[]), json!({"f1": 0.0, "accuracy": 1.0}));
    assert_eq!(constant.json("cola", &[]), json!({"matthews": 0.0, "accuracy": 1.0}));
    assert_eq!(constant.json("stsb", &[]), json!({"spearman": null, "pearson": null}));
}

#[test]
fn entities_are_scored_as_wholes() {
    // gold PER(0–1) and LOC(3), predicted PER(0) and LOC(3), the latter by the tag's number: F1 = 2·1/4
    let files = Files::new("id,prediction\n1,B-PER O O 5\n2,O\n", "id,label\n1,I-PER I-PER O I-LOC\n2,0\n");
    assert_eq!(files.json("conll2003", &[]), json!({"entity_f1": 0.5}));
}

#[test]
fn text_output_shows_intervals_and_says_what_they_cover() {
    let rows = |column: &str| {
        (0..40).fold(format!("id,{column}\n"), |text, i| {
            format!("{text}{i},{}\n", i % if column == "label" { 2 } else { 4 } % 2)
        })
    };
    let output = Files::new(&rows("prediction"), &rows("label")).score("rte", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let expected =
        "rte: 40 examples; fractions, 95 % bootstrap over examples\naccuracy     1.000000  [1.0000, 1.0000]\n";
    assert_eq!(text, expected);
}

const QUESTIONS: &str = r#"{"data": [{"paragraphs": [{"context": "", "qas": [
    {"id": "q1", "answers": [{"text": "Paris"}]}, {"id": "q2", "answers": []}]}]}]}"#;

#[test]
fn squad_v2_takes_no_answer_probabilities_and_a_threshold() {
    let files = Files::new(r#"{"q1": "Paris", "q2": "Rome"}"#, QUESTIONS);
    let probabilities = files.write("odds", r#"{"q2": 0.9, "q1": 0.2}"#);
    let found = files.json("squad_v2", &["--na-probs", &probabilities, "--na-prob-thresh", "0.5"]);
    let expected = json!({"exact": 100.0, "f1": 100.0, "total": 2, "HasAns_exact": 100.0, "HasAns_f1": 100.0,
        "HasAns_total": 1, "NoAns_exact": 100.0, "NoAns_f1": 100.0, "NoAns_total": 1, "best_exact": 100.0,
        "best_exact_thresh": 0.2, "best_f1": 100.0, "best_f1_thresh": 0.2});
    assert_eq!(found, expected);
    let shown = files.score("squad_v2", &["--na-probs", &probabilities]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("pr_oracle_ap       100"));
}

#[test]
fn missing_and_unknown_questions_are_treated_as_officially_and_said() {
    let files = Files::new(
        r#"{"q1": "Paris", "q3": "x"}"#,
        &QUESTIONS.replace(r#""answers": []"#, r#""answers": [{"text": "y"}]"#),
    );
    let output = files.score("squad", &["--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found, json!({"exact_match": 50.0, "f1": 50.0}));
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("1 predictions for unknown questions ignored; the first is `q3`"), "{notes}");
    assert!(notes.contains("1 questions without a prediction score 0, as officially; the first is `q2`"), "{notes}");
    let missing = files.error("squad_v2", &[]);
    assert_eq!(missing, "error: predictions: no prediction for question `q2` (1 of 2 questions have none)");
}

#[test]
fn bad_csv_names_file_line_and_what_was_expected() {
    let error = |predictions: &str, references: &str, task: &str| Files::new(predictions, references).error(task, &[]);
    let references = "id,label\na,1\nb,0\n";
    let cases = [
        ("id,prediction\na,1\n", "error: predictions: no prediction for id `b` of references:3 (1 of 2 ids have none)"),
        ("id,prediction\na,1\nb,0\nc,0\n", "error: predictions:4: id `c` is not in `references`"),
        ("id,prediction\na,1\na,0\n", "error: predictions:3: id `a` stands on line 2 already"),
        ("id,label\na,1\n", "error: predictions:1: found the header `id,label`, expected `id,prediction`"),
        (
            "id,prediction\na,1\nb,2\n",
            "error: predictions:3: unknown label `2`, expected one of entailment, not_entailment \
             or a number from 0 to 1",
        ),
    ];
    for (predictions, message) in cases {
        assert_eq!(error(predictions, references, "rte"), message);
    }
    let message = error("id,prediction\na,1\nb,nan\n", references, "stsb");
    assert_eq!(message, "error: predictions:3: found `nan`, expected a finite number");
    let message = error("id,prediction\na,B-PER O\nb,O\n", "id,label\na,O\nb,O\n", "conll2003");
    assert_eq!(message, "error: predictions:2: id `a`: found 2 tags, expected 1");
    let message = error("id,prediction\na,PER\nb,O\n", "id,label\na,O\nb,O\n", "conll2003");
    assert!(message.starts_with("error: predictions:2: unknown tag `PER`, expected `O` or"), "{message}");
}

#[test]
fn bad_json_and_bad_arguments_are_named() {
    let files = Files::new(r#"{"q1": "Paris", "q1": "Rome"}"#, QUESTIONS);
    assert!(files.error("squad", &[]).starts_with("error: predictions: id `q1` stands twice at line 1"));
    let files = Files::new(r#"{"q1": "Paris", "q2": ""#, QUESTIONS);
    assert!(files.error("squad", &[]).starts_with("error: predictions: EOF while parsing"));
    assert!(files.error("squadv2", &[]).starts_with("error: unknown task `squadv2`, expected one of mnli, qqp"));
    let message = files.error("squad", &["--na-probs", "x"]);
    assert_eq!(message, "error: `--na-probs` is for `squad_v2`, found task `squad`");
    let message = files.error("squad", &["--na-prob-thresh", "-1"]);
    assert_eq!(message, "error: `--na-prob-thresh` is for `squad_v2`, found task `squad`");
    let files = Files::new(r#"{"q1": "Paris", "q2": ""}"#, QUESTIONS);
    let message = files.error("squad_v2", &["--na-probs", "absent.json"]);
    assert!(message.starts_with("error: could not read `absent.json`"), "{message}");
    let probabilities = files.write("odds", r#"{"q1": 0.1}"#);
    let message = files.error("squad_v2", &["--na-probs", &probabilities]);
    assert_eq!(message, "error: odds: no no-answer probability for question `q2`");
    let files = Files::new("{}", r#"{"data": []}"#);
    assert_eq!(files.error("squad", &[]), "error: references: no question to score");
}
