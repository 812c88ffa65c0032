//! SQuAD questions, from the official JSON or from the hub's parquet, and what must hold of them in both.
//!
//! Offsets count code points. Where an offset does not point at its answer's text, the released BERT code skips the
//! question with a warning; here it is kept and counted, since scoring needs texts only, and `encode` decides about
//! training.

mod json;
mod table;

use super::error::At;
use super::{Answer, DatasetError, Example, Label, Loaded, Position};
use crate::task::{Schema, Split, SplitRole, Task};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A question as both formats give it.
struct Question {
    id: String,
    question: String,
    context: String,
    /// Text and offset, as they stand in the file.
    answers: Vec<(String, i64)>,
    /// `is_impossible` of the v2.0 JSON; the hub and v1.1 don't say.
    impossible: Option<bool>,
}

/// Reads an official JSON file.
pub(super) fn read_json(path: &Path, task: &Task) -> Result<Loaded, DatasetError> {
    load(path, task, json::questions(path)?)
}

/// Reads a parquet file of the hub.
pub(super) fn read_parquet(path: &Path, task: &Task) -> Result<Loaded, DatasetError> {
    load(path, task, table::questions(path)?)
}

/// Question ids and gold answers of any SQuAD file, official JSON or parquet, in file order; no answers means
/// unanswerable. What `repro score --references` reads.
pub fn squad_references(path: &Path) -> Result<Vec<(String, Vec<String>)>, DatasetError> {
    let parquet = path.extension().is_some_and(|extension| extension == "parquet");
    let questions = if parquet { table::questions(path)? } else { json::questions(path)? };
    let texts = |answers: Vec<(String, i64)>| answers.into_iter().map(|(text, _)| text).collect();
    Ok(questions.into_iter().map(|question| (question.id, texts(question.answers))).collect())
}

/// The official file of a split in a folder.
pub(super) fn split_path(task: &Task, split: &Split, folder: &Path) -> Result<PathBuf, DatasetError> {
    let version = if unanswerable(task) { "v2.0" } else { "v1.1" };
    let part = if split.role == SplitRole::Train { "train" } else { "dev" };
    let name = format!("{part}-{version}.json");
    let path = folder.join(&name);
    if path.is_file() {
        return Ok(path);
    }
    let folder = folder.to_owned();
    Err(DatasetError::NoFile { folder, task: task.name, split: split.name, names: vec![name] })
}

/// Whether the task is SQuAD 2.0.
fn unanswerable(task: &Task) -> bool {
    task.schema == Schema::Question { unanswerable: true }
}

/// Turns questions into examples. Predictions are keyed by id, so an id that comes twice would lose one of them.
fn load(path: &Path, task: &Task, questions: Vec<Question>) -> Result<Loaded, DatasetError> {
    let mut seen = BTreeSet::new();
    let mut astray = Vec::new();
    let mut examples = Vec::with_capacity(questions.len());
    for question in questions {
        let at = At { path, position: Position::Question(question.id.clone()) };
        if !seen.insert(question.id.clone()) {
            return Err(at.wrong("the id a second time", "an id of its own for each question"));
        }
        check_answerable(&question, unanswerable(task), &at)?;
        let example = example(question, &at)?;
        if !offsets_hold(&example) {
            astray.push(example.id.clone());
        }
        examples.push(example);
    }
    Ok(Loaded { path: path.to_owned(), examples, warnings: astray_warning(path, &astray) })
}

/// One line for all of them, naming the first so that it can be looked up.
fn astray_warning(path: &Path, astray: &[String]) -> Vec<String> {
    let Some(first) = astray.first() else { return Vec::new() };
    let (path, count) = (path.display(), astray.len());
    vec![format!(
        "{path}: {count} questions have an answer that is not where its offset points, the first is `{first}`"
    )]
}

/// v1.1 has an answer to every question; v2.0's JSON says which have none, and must not contradict itself.
fn check_answerable(question: &Question, unanswerable: bool, at: &At) -> Result<(), DatasetError> {
    match (question.answers.is_empty(), question.impossible, unanswerable) {
        (true, _, false) => Err(at.wrong("no answer", "at least one: unanswerable questions are SQuAD 2.0's")),
        (false, Some(true), _) => Err(at.wrong("`is_impossible` with answers", "none")),
        (true, Some(false), _) => Err(at.wrong("no answer", "at least one, since `is_impossible` is false")),
        _ => Ok(()),
    }
}

/// The example of a question; the offset is checked for its sign only, [`offsets_hold`] judges the rest.
fn example(question: Question, at: &At) -> Result<Example, DatasetError> {
    let answers = question.answers.into_iter().map(|(text, start)| {
        let start = usize::try_from(start).map_err(|_| at.wrong(format!("answer_start {start}"), "0 or more"))?;
        Ok(Answer { text, start })
    });
    let answers: Result<Vec<Answer>, DatasetError> = answers.collect();
    Ok(Example {
        id: question.id,
        first: question.question,
        second: Some(question.context),
        parts: Vec::new(),
        label: Some(Label::Answers(answers?)),
    })
}

/// Whether every answer's text stands where its offset says. An offset past the end does not hold.
fn offsets_hold(example: &Example) -> bool {
    let (Some(context), Some(Label::Answers(answers))) = (&example.second, &example.label) else { return true };
    answers.iter().all(|answer| {
        let start = context.char_indices().map(|(byte, _)| byte).chain([context.len()]).nth(answer.start);
        start.is_some_and(|start| context[start..].starts_with(&answer.text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task;

    fn question(answers: &[(&str, i64)]) -> Question {
        Question {
            id: "q1".to_owned(),
            question: "Who?".to_owned(),
            // Code points: `é` is 2 bytes, `𝄞` is 4, so bytes and code points part company before `Beyoncé`.
            context: "é𝄞 Beyoncé sang".to_owned(),
            answers: answers.iter().map(|(text, start)| (text.to_string(), *start)).collect(),
            impossible: None,
        }
    }

    fn load_one(task: &str, question: Question) -> Result<Loaded, String> {
        load(Path::new("f.json"), task::find(task).unwrap(), vec![question]).map_err(|error| error.to_string())
    }

    #[test]
    fn offsets_count_code_points() {
        // é=0, 𝄞=1, blank=2, B=3.
        assert!(load_one("squad", question(&[("Beyoncé", 3)])).unwrap().warnings.is_empty());
    }

    #[test]
    fn an_answer_elsewhere_is_kept_and_reported() {
        for start in [2, 8, 15, 1_000] {
            let loaded = load_one("squad", question(&[("Beyoncé", start)])).unwrap();
            assert_eq!(loaded.examples.len(), 1);
            let expected = "f.json: 1 questions have an answer that is not where its offset points, the first is `q1`";
            assert_eq!(loaded.warnings, [expected]);
        }
    }

    #[test]
    fn only_the_second_version_has_unanswerable_questions() {
        let error = load_one("squad", question(&[])).err().unwrap();
        assert!(error.starts_with("f.json: question `q1`: found no answer"), "{error}");
        let example = load_one("squad_v2", question(&[])).unwrap().examples.remove(0);
        assert_eq!(example.label, Some(Label::Answers(Vec::new())));
    }

    #[test]
    fn impossible_questions_with_answers_contradict_themselves() {
        let impossible = Question { impossible: Some(true), ..question(&[("sang", 11)]) };
        assert!(load_one("squad_v2", impossible).is_err());
        let possible = Question { impossible: Some(false), ..question(&[]) };
        assert!(load_one("squad_v2", possible).is_err());
    }

    #[test]
    fn a_negative_offset_is_an_error() {
        let error = load_one("squad", question(&[("sang", -1)])).err().unwrap();
        assert_eq!(error, "f.json: question `q1`: found answer_start -1, expected 0 or more");
    }

    #[test]
    fn a_repeated_id_is_an_error() {
        let twice = vec![question(&[("sang", 11)]), question(&[("sang", 11)])];
        let error = load(Path::new("f.json"), task::find("squad").unwrap(), twice).err().unwrap().to_string();
        assert!(error.contains("a second time"), "{error}");
    }
}
