//! The records a check reads: every `*.json` of a folder, in the order of their names.

use super::CheckError;
use crate::record::{FORMAT, Record};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Reads them; a folder that is not there holds none.
pub fn read(folder: &Path) -> Result<Vec<Record>, CheckError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CheckError::file(folder)(error)),
    };
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(CheckError::file(folder))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| one(path)).collect()
}

fn one(path: &Path) -> Result<Record, CheckError> {
    let bytes = std::fs::read(path).map_err(CheckError::file(path))?;
    let wrong = |message: String| CheckError::Record { path: path.into(), message };
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if record.format != FORMAT {
        return Err(wrong(format!("format {}, expected {FORMAT}", record.format)));
    }
    Ok(record)
}
