//! SQuAD's official JSON, alone and in a folder.

use super::{message, read_file, read_folder};
use repro::dataset::{Answer, Label, squad_references};
use std::path::PathBuf;

const DEV: &str = r#"{"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context": "Señor Ox ran.", "qas": [
  {"id": "a", "question": "Who ran?", "is_impossible": false,
   "answers": [{"text": "Ox", "answer_start": 6}, {"text": "Señor Ox", "answer_start": 0}]},
  {"id": "b", "question": "Who flew?", "is_impossible": true, "answers": [],
   "plausible_answers": [{"text": "Ox", "answer_start": 6}]}]}]}]}"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(name: &str, text: &str) -> (Self, PathBuf) {
        let folder = Folder(tempfile::tempdir().unwrap());
        let path = folder.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }
}

#[test]
fn questions_keep_their_order_answers_and_offsets() {
    let (folder, path) = Folder::with("dev-v2.0.json", DEV);
    let rows = read_folder("squad_v2", "validation", folder.0.path()).unwrap();
    assert!(rows.warnings.is_empty(), "{:?}", rows.warnings);
    let [a, b] = rows.examples.as_slice() else { panic!("two questions") };
    assert_eq!((a.id.as_str(), a.first.as_str(), a.second.as_deref()), ("a", "Who ran?", Some("Señor Ox ran.")));
    let answer = |text: &str, start| Answer { text: text.to_owned(), start };
    assert_eq!(a.label, Some(Label::Answers(vec![answer("Ox", 6), answer("Señor Ox", 0)])));
    assert_eq!(b.label, Some(Label::Answers(Vec::new())));
    let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<String>>();
    let expected = vec![("a".to_owned(), texts(&["Ox", "Señor Ox"])), ("b".to_owned(), Vec::new())];
    assert_eq!(squad_references(&path).unwrap(), expected);
}

#[test]
fn a_missing_file_is_named() {
    let (folder, _) = Folder::with("dev-v2.0.json", DEV);
    for (task, split, name) in [("squad_v2", "train", "train-v2.0.json"), ("squad", "validation", "dev-v1.1.json")] {
        let error = read_folder(task, split, folder.0.path()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("no `{name}` for split `{split}` of {task}")), "{error}");
    }
}

#[test]
fn the_first_version_refuses_unanswerable_questions() {
    let (folder, path) = Folder::with("x.json", DEV);
    let error = message(read_file("squad", "validation", &path).unwrap_err(), folder.0.path());
    assert!(error.starts_with("x.json: question `b`: found no answer, expected at least one"), "{error}");
}

#[test]
fn broken_json_names_line_and_column() {
    let cut = &DEV[..DEV.len() - 40];
    let cases = [
        ("", "x.json:1:0: not SQuAD JSON: EOF while parsing a value"),
        (cut, "x.json:5:"),
        ("{\"data\": 3}", "x.json:1:10: not SQuAD JSON: invalid type: integer `3`, expected a sequence"),
        ("{\"version\": \"1.1\"}", "x.json:1:18: not SQuAD JSON: missing field `data`"),
    ];
    for (text, expected) in cases {
        let (folder, path) = Folder::with("x.json", text);
        let error = message(read_file("squad_v2", "validation", &path).unwrap_err(), folder.0.path());
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn an_ending_of_another_task_is_refused() {
    let (folder, path) = Folder::with("x.json", DEV);
    let error = message(read_file("rte", "train", &path).unwrap_err(), folder.0.path());
    assert_eq!(error, "x.json: rte can't be read from a file with this ending, expected `.tsv`, `.txt` or `.parquet`");
}
