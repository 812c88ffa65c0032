//! Predictions as a run leaves them in its folder.
//!
//! GLUE: `predictions.<split>.csv` with the header `id,prediction` (or `index,prediction`) and further columns for
//! logits, which are not read here; a prediction is a label's name or number, or STS-B's number. Rows stand in the
//! split's order, and their ids count them from 0. The MNLI run also leaves `predictions.ax.csv`. SQuAD:
//! `predictions.json`, and `null_odds.json` for 2.0.

use super::{Prediction, SquadPredictions, TaskPredictions};
use crate::task::{self, Head, Schema, Split, SplitRole, Task};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Why a run folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is absent or unreadable.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// Not CSV.
    #[error("{}: {source}", path.display())]
    Csv { path: PathBuf, source: csv::Error },
    /// Not the JSON it should be.
    #[error("{}:{}:{}: not a JSON object: {source}", path.display(), source.line(), source.column())]
    Json { path: PathBuf, source: serde_json::Error },
    /// The header lacks a column.
    #[error("{}:1: found header `{found}`, expected `id,prediction` first", path.display())]
    Header { path: PathBuf, found: String },
    /// A value is wrong.
    #[error("{}:{line}: found {found}, expected {expected}", path.display())]
    Value { path: PathBuf, line: u64, found: String, expected: String },
}

/// The test predictions of a GLUE run: its own test splits, and AX for an MNLI run that predicted it.
pub fn glue_predictions(folder: &Path, task: &'static Task) -> Result<Vec<TaskPredictions>, ReadError> {
    let mut all = Vec::new();
    for split in task.splits_with(SplitRole::Test) {
        let predictions = read_csv(&folder.join(format!("predictions.{}.csv", split.name)), task)?;
        all.push(TaskPredictions { task, split, predictions });
    }
    all.extend(diagnostic(folder, task)?);
    Ok(all)
}

/// The answers of a SQuAD run to its dev questions.
pub fn squad_predictions(folder: &Path, task: &'static Task) -> Result<SquadPredictions, ReadError> {
    let answers = read_json(&folder.join("predictions.json"))?;
    let with_odds = task.schema == Schema::Question { unanswerable: true };
    let null_odds = if with_odds { Some(read_json(&folder.join("null_odds.json"))?) } else { None };
    Ok(SquadPredictions { task, answers, null_odds })
}

/// AX has no training split; an MNLI run answers it, in the same labels.
fn diagnostic(folder: &Path, task: &'static Task) -> Result<Option<TaskPredictions>, ReadError> {
    let path = folder.join("predictions.ax.csv");
    if task.name != "mnli" || !path.exists() {
        return Ok(None);
    }
    let ax = task::find("ax").expect("ax is in the table");
    let split: &'static Split = ax.splits_with(SplitRole::Test).next().expect("ax has a test split");
    Ok(Some(TaskPredictions { task: ax, split, predictions: read_csv(&path, ax)? }))
}

/// A prediction file, whole. Quoting is CSV's, since it is this program's own file.
fn read_csv(path: &Path, task: &Task) -> Result<Vec<Prediction>, ReadError> {
    let csv_error = |source| ReadError::Csv { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().map_err(csv_error)?;
    if !matches!(header.get(0), Some("id" | "index")) || header.get(1) != Some("prediction") {
        let found = header.iter().collect::<Vec<&str>>().join(",");
        return Err(ReadError::Header { path: path.to_owned(), found });
    }
    let rows = reader.records().enumerate();
    rows.map(|(row, record)| prediction(path, task, row, &record.map_err(csv_error)?)).collect()
}

/// One row, after proof that it is the split's next.
fn prediction(path: &Path, task: &Task, row: usize, record: &csv::StringRecord) -> Result<Prediction, ReadError> {
    let wrong = |found: &str, expected: String| ReadError::Value {
        path: path.to_owned(),
        line: record.position().map_or(0, |position| position.line()),
        found: format!("`{found}`"),
        expected,
    };
    // The server joins by row number alone: a file in another order would be scored without complaint.
    if record[0] != row.to_string() {
        return Err(wrong(&record[0], format!("id {row}, the split's rows in order")));
    }
    let text = &record[1];
    match task.head {
        Head::Regression => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Prediction::Value),
        _ => class(task, text).map(Prediction::Class),
    }
    .ok_or_else(|| wrong(text, expected(task)))
}

/// A label by name, else by number. No task has a label whose name is a number, so the order does not matter.
fn class(task: &Task, text: &str) -> Option<usize> {
    let by_name = task.labels.iter().position(|label| *label == text);
    by_name.or_else(|| text.parse().ok().filter(|&class| class < task.labels.len()))
}

/// What a prediction may be, for messages.
fn expected(task: &Task) -> String {
    match task.head {
        Head::Regression => "a finite number".to_owned(),
        _ => format!("one of `{}` or its number", task.labels.join("`, `")),
    }
}

/// A JSON object with its keys in file order (`preserve_order` of serde_json).
fn read_json(path: &Path) -> Result<Map<String, Value>, ReadError> {
    let bytes = std::fs::read(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| ReadError::Json { path: path.to_owned(), source })
}
