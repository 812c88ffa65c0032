//! A folder of records, `<RunId>.json` each.
//!
//! A record is complete or absent: it is written to a temporary file in the same folder, flushed to the disk, read
//! back, and renamed over its name. A full disk or a read-only folder therefore leaves what was there untouched. Names
//! that begin with a dot are temporary files of a process that died; they are passed over.

use super::{FORMAT, Record};
use crate::temporary;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system refused.
    #[error("{what} `{}`: {source}", path.display())]
    Io {
        /// `cannot write record`, …
        what: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not a record; the message carries line and column.
    #[error("`{}` is not a record: {message}", path.display())]
    Corrupt {
        /// File.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A record of a later or earlier program.
    #[error("`{}` has format {found}, expected {FORMAT}", path.display())]
    Format {
        /// File.
        path: PathBuf,
        /// Its format number.
        found: u64,
    },
}

impl RecordError {
    pub(super) fn io(what: &'static str, path: &Path, source: std::io::Error) -> RecordError {
        RecordError::Io { what, path: path.to_path_buf(), source }
    }
}

/// A folder of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Where they lie.
    pub folder: PathBuf,
}

/// The records of a folder, and the files that are none.
#[derive(Debug, Default)]
pub struct Listing {
    /// Readable records, by file name.
    pub records: Vec<Record>,
    /// One error for each unreadable file, by file name.
    pub problems: Vec<RecordError>,
}

impl Store {
    /// The records of a folder; it need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Store {
        Store { folder: folder.into() }
    }

    /// Where the record of a run lies.
    pub fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// The record of a run, if there is one.
    pub fn find(&self, id: &str) -> Result<Option<Record>, RecordError> {
        let path = self.path(id);
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }

    /// Every record, in the order of file names. An unreadable file is a problem of its own; the others are listed.
    pub fn all(&self) -> Result<Listing, RecordError> {
        let mut listing = Listing::default();
        for path in self.files()? {
            match read(&path) {
                Ok(record) => listing.records.push(record),
                Err(problem) => listing.problems.push(problem),
            }
        }
        Ok(listing)
    }

    fn files(&self) -> Result<Vec<PathBuf>, RecordError> {
        let failed = |source| RecordError::io("cannot list records in", &self.folder, source);
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
        let mut files: Vec<PathBuf> = paths.map_err(failed)?.into_iter().filter(|path| is_record(path)).collect();
        files.sort();
        Ok(files)
    }

    /// Writes a record, whole or not at all, in place of an earlier one of the same run; returns its path.
    pub fn write(&self, record: &Record) -> Result<PathBuf, RecordError> {
        let path = self.path(&record.id);
        let text = to_text(record, &path)?;
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| RecordError::io("cannot make the folder of records", &self.folder, source))?;
        let temporary = temporary::beside(&path);
        let written = write_and_rename(&temporary, &path, &text);
        if written.is_err() {
            // Half a temporary file on a full disk helps nobody; the error that matters is the first one.
            let _ = std::fs::remove_file(&temporary);
        }
        written.map_err(|source| RecordError::io("cannot write record", &path, source))?;
        Ok(path)
    }
}

fn is_record(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".json") && !name.starts_with('.')
}

/// Pretty JSON in the order of the fields. Read back before it is written, so that no file is made that can't be read.
fn to_text(record: &Record, path: &Path) -> Result<String, RecordError> {
    let corrupt = |error: serde_json::Error| RecordError::Corrupt {
        path: path.to_path_buf(),
        message: format!("it would not be readable: {error}"),
    };
    let mut text = serde_json::to_string_pretty(record).map_err(corrupt)?;
    text.push('\n');
    serde_json::from_str::<Record>(&text).map_err(corrupt)?;
    Ok(text)
}

fn write_and_rename(temporary: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    // The rename itself survives a power cut only once the folder is flushed; not every system can do that.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Reads one record; the format number is looked at first, so that another format is not called corrupt.
pub fn read(path: &Path) -> Result<Record, RecordError> {
    let corrupt =
        |error: serde_json::Error| RecordError::Corrupt { path: path.to_path_buf(), message: error.to_string() };
    let text = std::fs::read_to_string(path).map_err(|source| RecordError::io("cannot read record", path, source))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(corrupt)?;
    match json.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(FORMAT) => Err(RecordError::Format { path: path.to_path_buf(), found }),
        _ => serde_json::from_str(&text).map_err(corrupt),
    }
}
