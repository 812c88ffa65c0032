//! Examples, and the files they are read from: the hub's parquet, the original GLUE TSV, the SQuAD JSON.
//!
//! Whatever the format, [`read`] proves what the task's table says before anyone trains on a row: the columns and their
//! types, the names and order of the labels, that labels are in range and hidden only where they may be, and the number
//! of rows against the published one. What it can't prove is an error with the place; what it only noticed (an answer
//! that is not where its offset points) is a warning beside the rows.

mod error;
mod glue_tsv;
mod hub;
mod label;
mod lists;
mod parquet;
mod release;
mod squad;
mod tsv;

pub use error::{DatasetError, Position};
pub use squad::squad_references;

use crate::task::{Schema, Split, Task};
use std::path::{Path, PathBuf};

/// A gold answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its text, as published.
    pub text: String,
    /// Where it starts in the context, in code points.
    pub start: usize,
}

/// What is to be predicted of an example.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    /// Index into the task's labels.
    Class(u32),
    /// A number (STS-B: 0 to 5).
    Value(f32),
    /// Gold answers; none means unanswerable.
    Answers(Vec<Answer>),
    /// Of each word, an index into the task's labels.
    Tags(Vec<u32>),
}

/// One row of a data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// The row's id: `idx` of GLUE, the question id of SQuAD.
    pub id: String,
    /// The only text, the first of a pair, or the question.
    pub first: String,
    /// The second text of a pair, or the context.
    pub second: Option<String>,
    /// The words of a tagged sentence, or the endings to choose from, each with its beginning.
    pub parts: Vec<String>,
    /// `None` where the label is hidden.
    pub label: Option<Label>,
}

/// Where a split's rows lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// One file: SQuAD JSON if it ends in `.json`, GLUE TSV if in `.tsv` or `.txt`, else parquet.
    File(PathBuf),
    /// A folder as the original downloads leave it: `CoLA/train.tsv`, …, or `train-v1.1.json`, ….
    Folder(PathBuf),
}

/// What a split claims to be, which decides how many rows it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The published data: the row count must be that of a known release.
    Official,
    /// A file which the spec names, by that name; any number of rows.
    NamedFile(String),
    /// Another repository in the same schema, by its name; any number of rows.
    OtherRepository(String),
}

/// A split to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitFile {
    /// Where it is.
    pub location: Location,
    /// What it claims to be.
    pub origin: Origin,
}

/// The rows of a split, and what they were proven to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// In file order.
    pub examples: Vec<Example>,
    /// `official`, the name of another release, `partial file NAME`, `file NAME`, `other data NAME`; `limited to N
    /// rows`, alone or after one of the others, where a limit cut something.
    pub release: String,
    /// Rows used.
    pub rows: usize,
    /// What the user should know of these rows, complete sentences without a full stop.
    pub warnings: Vec<String>,
}

/// What a format's reader returns: everything but the proof by row count, which is the same for every format.
struct Loaded {
    /// The file that was chosen, for errors.
    path: PathBuf,
    examples: Vec<Example>,
    warnings: Vec<String>,
}

/// Reads a split and proves it. The count is proven before `limit` takes the first rows.
pub fn read(task: &Task, split: &Split, source: &SplitFile, limit: Option<usize>) -> Result<Rows, DatasetError> {
    let Loaded { path, mut examples, warnings } = load(task, split, &source.location)?;
    // Before the count: "0 rows, expected 2490" would be true and less clear.
    if examples.is_empty() {
        return Err(DatasetError::Empty { path, split: split.name });
    }
    let mut release = release::name(task, split, &source.origin, examples.len(), &path)?;
    if let Some(limit) = limit.filter(|&limit| limit < examples.len()) {
        examples.truncate(limit);
        release = release::limited(&release, limit);
    }
    Ok(Rows { rows: examples.len(), examples, release, warnings })
}

/// Chooses the reader by location and by what the task's rows look like.
fn load(task: &Task, split: &Split, location: &Location) -> Result<Loaded, DatasetError> {
    match (location, task.schema) {
        (Location::Folder(folder), Schema::Question { .. }) => {
            squad::read_json(&squad::split_path(task, split, folder)?, task)
        }
        (Location::Folder(folder), Schema::Tagged { .. } | Schema::Endings { .. }) => {
            load_file(&folder.join(task.split_file(split.name)), task, split, false)
        }
        (Location::Folder(folder), _) => glue_tsv::read_folder(folder, task, split),
        (Location::File(path), schema) => load_file(path, task, split, matches!(schema, Schema::Question { .. })),
    }
}

/// Chooses the reader by the file's ending. A download cache may keep a file without one: whatever is not text is taken
/// for parquet, and refused by that reader with a reason if it is not.
fn load_file(path: &Path, task: &Task, split: &Split, questions: bool) -> Result<Loaded, DatasetError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match (extension, questions) {
        ("json", true) => squad::read_json(path, task),
        ("tsv" | "txt", false) if !task.schema.text_columns().is_empty() => glue_tsv::read_file(path, task, split),
        ("json" | "tsv" | "txt", _) => Err(DatasetError::Format { path: path.to_owned(), task: task.name }),
        (_, true) => squad::read_parquet(path, task),
        (_, false) => match task.schema {
            Schema::Tagged { words, tags } => lists::read_tagged(path, task, (words, tags)),
            Schema::Endings { text, beginning, endings } => {
                lists::read_endings(path, split, (text, beginning, endings))
            }
            _ => hub::read(path, task, split),
        },
    }
}
