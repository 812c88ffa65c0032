//! Data files: the hub's real ones with their published counts, and damaged or foreign ones with their errors.

pub mod bad_parquet;
mod real;
mod squad_files;
mod tsv_folder;

use repro::dataset::{DatasetError, Location, Origin, Rows, SplitFile, read};
use repro::task::{Split, Task, find};
use std::path::{Path, PathBuf};

/// A task and one of its splits by name.
fn split_of(task: &str, split: &str) -> (&'static Task, &'static Split) {
    let task = find(task).unwrap();
    (task, task.splits.iter().find(|known| known.name == split).unwrap())
}

fn file(path: impl Into<PathBuf>, origin: Origin) -> SplitFile {
    SplitFile { location: Location::File(path.into()), origin }
}

fn other_data() -> Origin {
    Origin::OtherRepository("me/mini".to_owned())
}

/// Reads a file of any row count.
fn read_file(task: &str, split: &str, path: &Path) -> Result<Rows, DatasetError> {
    let (task, split) = split_of(task, split);
    read(task, split, &file(path, other_data()), None)
}

/// Reads a folder of any row counts.
fn read_folder(task: &str, split: &str, folder: &Path) -> Result<Rows, DatasetError> {
    let (task, split) = split_of(task, split);
    let source = SplitFile { location: Location::Folder(folder.to_owned()), origin: other_data() };
    read(task, split, &source, None)
}

/// An error's text with the changing path shortened to the file's name.
fn message(error: DatasetError, folder: &Path) -> String {
    error.to_string().replace(&format!("{}/", folder.display()), "")
}
