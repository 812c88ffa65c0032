//! What can be wrong with a data file. Every message begins with the file, and the line or row where there is one.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a split could not be read or proven.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file could not be opened or read.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// A folder has none of the files the split could be in.
    #[error("{}: no `{}` for split `{split}` of {task}", folder.display(), names.join("` or `"))]
    NoFile { folder: PathBuf, task: &'static str, split: &'static str, names: Vec<String> },
    /// The ending belongs to a format that this task is not published in.
    #[error("{}: {task} can't be read from a file with this ending, expected {}", path.display(), endings(task))]
    Format { path: PathBuf, task: &'static str },
    /// Not parquet, or damaged.
    #[error("{}: not a whole parquet file: {reason}", path.display())]
    Parquet { path: PathBuf, reason: String },
    /// Not the official SQuAD JSON.
    #[error("{}:{line}:{column}: not SQuAD JSON: {reason}", path.display())]
    Json { path: PathBuf, line: usize, column: usize, reason: String },
    /// A column is absent.
    #[error("{}: no column `{column}`, found `{}`", path.display(), found.join("`, `"))]
    MissingColumn { path: PathBuf, column: String, found: Vec<String> },
    /// A column holds something else.
    #[error("{}: column `{column}` has type `{found}`, expected {expected}", path.display())]
    ColumnType { path: PathBuf, column: String, found: String, expected: &'static str },
    /// The file says what its label numbers mean, and it is not what the task's table says.
    #[error("{}: label names are {found}, expected {expected} in this order", path.display())]
    LabelNames { path: PathBuf, found: String, expected: String },
    /// A value is wrong.
    #[error("{}{position}: found {found}, expected {expected}", path.display())]
    Value { path: PathBuf, position: Position, found: String, expected: String },
    /// No rows at all.
    #[error("{}: split `{split}` is empty", path.display())]
    Empty { path: PathBuf, split: &'static str },
    /// A number of rows that no known release has.
    #[error("{}: split `{split}` of {task} has {found} rows, expected {expected}", path.display())]
    RowCount { path: PathBuf, task: &'static str, split: &'static str, found: usize, expected: String },
}

/// Where in a file a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// A parquet row, from 0 (as the hub's `idx`).
    Row(usize),
    /// A text line, from 1 (as in editors).
    Line(usize),
    /// A SQuAD question, by id.
    Question(String),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Row(row) => write!(f, ": row {row}"),
            Position::Line(line) => write!(f, ":{line}"),
            Position::Question(id) => write!(f, ": question `{id}`"),
        }
    }
}

impl DatasetError {
    /// A way out, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            DatasetError::RowCount { .. } => {
                Some("a partial or changed file can be used by naming it in the spec; its scores are then marked")
            }
            DatasetError::LabelNames { .. } => {
                Some("label numbers are believed only if the file's `huggingface` metadata names them in this order")
            }
            _ => None,
        }
    }
}

/// A place in a file, from which errors about values are made.
pub(super) struct At<'a> {
    pub path: &'a Path,
    pub position: Position,
}

impl At<'_> {
    /// An error about the value there.
    pub fn wrong(&self, found: impl Into<String>, expected: impl Into<String>) -> DatasetError {
        let (path, position) = (self.path.to_owned(), self.position.clone());
        DatasetError::Value { path, position, found: found.into(), expected: expected.into() }
    }
}

/// The whole file as bytes.
pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>, DatasetError> {
    std::fs::read(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })
}

/// Names for a message: `a`, `b`, `c`.
pub(super) fn quoted<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.join(", ")
}

/// The endings of the formats in which a task is published.
fn endings(task: &str) -> &'static str {
    if task.starts_with("squad") { "`.json` or `.parquet`" } else { "`.tsv`, `.txt` or `.parquet`" }
}
