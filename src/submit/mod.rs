//! What evaluation servers take: the GLUE server's zip, and SQuAD's `predictions.json` and `na_odds.json`.
//!
//! Predictions come from run folders ([`run_folder`]) as a run left them; nothing is recomputed. The GLUE server scores
//! hidden labels, so that a mistake here (a row too many, a label number where it wants a name) costs one of the few
//! submissions it allows: counts, order and spelling are checked before a byte is written.

mod glue;
pub mod run_folder;
mod select;
mod squad;

pub use glue::{Report, Source, Submitted, glue_zip};
pub use run_folder::ReadError;
pub use select::best_runs;
pub use squad::{SquadPredictions, write_squad};

use crate::task::{Split, Task};
use std::path::{Path, PathBuf};

/// One predicted value of a GLUE row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prediction {
    /// Index into the task's labels.
    Class(usize),
    /// A number (STS-B).
    Value(f64),
}

/// The predictions of one test split, in the order of its rows.
#[derive(Clone, Debug)]
pub struct TaskPredictions {
    /// Task.
    pub task: &'static Task,
    /// One of its test splits.
    pub split: &'static Split,
    /// A prediction a row.
    pub predictions: Vec<Prediction>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// The zip could not be made.
    #[error("the zip could not be made: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The server scores every row or none.
    #[error("{task}: split `{split}` has {found} predictions, expected {expected}")]
    RowCount { task: &'static str, split: &'static str, found: usize, expected: usize },
    /// A prediction that the task can't have.
    #[error("{task}: row {row} of split `{split}`: found {found}, expected {expected}")]
    Value { task: &'static str, split: &'static str, row: usize, found: String, expected: String },
    /// The server has no file for this split.
    #[error("{task}: split `{split}` is not one the GLUE server takes")]
    NotOnServer { task: &'static str, split: &'static str },
    /// The same split twice.
    #[error("{task}: split `{split}` was given twice")]
    Twice { task: &'static str, split: &'static str },
    /// Nothing to submit at all.
    #[error("no predictions to submit")]
    Nothing,
    /// A SQuAD question has an answer but no odds, or the other way round.
    #[error("{task}: question `{id}` is in {present} and not in {absent}")]
    Question { task: &'static str, id: String, present: &'static str, absent: &'static str },
}

/// Writes a file beside its place and renames it, so that an interrupted submission leaves no half file.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SubmitError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&partial, bytes))
        .and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|source| SubmitError::Write { path: path.to_owned(), source })
}
