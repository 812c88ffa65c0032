//! SQuAD's files: `predictions.json` (question id to answer text, empty for none) and, for 2.0, `na_odds.json` (id to
//! null odds: null score minus best answer's, the higher the likelier unanswerable), in the order of the questions.

use super::{SubmitError, write_whole};
use crate::task::{Schema, Split, SplitRole, Task};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Answers of one split, in file order.
#[derive(Clone, Debug)]
pub struct SquadPredictions {
    /// `squad` or `squad_v2`.
    pub task: &'static Task,
    /// Question id to answer text.
    pub answers: Map<String, Value>,
    /// Question id to null odds; SQuAD 2.0 only.
    pub null_odds: Option<Map<String, Value>>,
}

/// Checks that every dev question has its answer, and its odds where the version has them, then writes both files.
pub fn write_squad(folder: &Path, predictions: &SquadPredictions) -> Result<Vec<PathBuf>, SubmitError> {
    let SquadPredictions { task, answers, null_odds } = predictions;
    check_count(task, answers.len())?;
    check_values(task, answers, "a text", Value::is_string)?;
    let mut files = vec![("predictions.json", answers)];
    if task.schema == (Schema::Question { unanswerable: true }) {
        let empty = Map::new();
        let odds = null_odds.as_ref().unwrap_or(&empty);
        check_same_questions(task, answers, odds)?;
        check_values(task, odds, "a number", Value::is_number)?;
        if let Some(odds) = null_odds {
            files.push(("na_odds.json", odds));
        }
    }
    files.into_iter().map(|(name, values)| write_json(folder.join(name), values)).collect()
}

/// Compact, keys in the order of the questions: the official script's threshold search depends on that order.
fn write_json(path: PathBuf, values: &Map<String, Value>) -> Result<PathBuf, SubmitError> {
    let text = serde_json::to_string(values).expect("a map of texts and finite numbers is JSON");
    write_whole(&path, text.as_bytes())?;
    Ok(path)
}

/// The split whose questions a run answers; the test sets of SQuAD are not public.
fn dev(task: &'static Task) -> Option<&'static Split> {
    task.splits_with(SplitRole::Dev).next()
}

/// The script scores an absent question as wrong (v1.1) or stops at it (v2.0): all or nothing.
fn check_count(task: &'static Task, found: usize) -> Result<(), SubmitError> {
    match dev(task) {
        Some(split) if split.rows != found => {
            Err(SubmitError::RowCount { task: task.name, split: split.name, found, expected: split.rows })
        }
        _ => Ok(()),
    }
}

/// Every value has the JSON type that the script reads; the first that has not is named.
fn check_values(
    task: &'static Task,
    values: &Map<String, Value>,
    expected: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<(), SubmitError> {
    let wrong = values.iter().enumerate().find(|(_, (_, value))| !fits(value));
    wrong.map_or(Ok(()), |(row, (_, value))| {
        let split = dev(task).map_or("", |split| split.name);
        Err(SubmitError::Value { task: task.name, split, row, found: value.to_string(), expected: expected.to_owned() })
    })
}

/// The answers and the odds are of the same questions.
fn check_same_questions(
    task: &'static Task,
    answers: &Map<String, Value>,
    odds: &Map<String, Value>,
) -> Result<(), SubmitError> {
    let (answer_file, odds_file) = ("the predictions", "the null odds");
    let question =
        |id: &String, present, absent| SubmitError::Question { task: task.name, id: id.clone(), present, absent };
    if let Some(id) = answers.keys().find(|id| !odds.contains_key(*id)) {
        return Err(question(id, answer_file, odds_file));
    }
    match odds.keys().find(|id| !answers.contains_key(*id)) {
        Some(id) => Err(question(id, odds_file, answer_file)),
        None => Ok(()),
    }
}
