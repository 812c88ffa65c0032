//! One process per run: an advisory lock on `<RunId>.lock` in the folder of records.
//!
//! The system releases the lock when its holder dies, however it dies, so that a killed run never blocks its restart.
//! The file is removed by whoever holds it. Between opening and locking, the previous holder may have removed the file
//! one has opened; a lock on a file without a name excludes nobody, so the name is looked at again afterwards.

use super::store::RecordError;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// A run is this process's until this is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Held open: closing it is what releases the lock.
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays behind is harmless: it is not locked.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Takes the lock of a run, or says with `None` that another process (or an earlier call) holds it.
pub fn lock(folder: &Path, run: &str) -> Result<Option<Lock>, RecordError> {
    let path = folder.join(format!("{run}.lock"));
    let failed = |source| RecordError::io("cannot lock", &path, source);
    std::fs::create_dir_all(folder).map_err(failed)?;
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) if still_named(&file, &path) => return Ok(Some(Lock { path, _file: file })),
            Ok(()) => continue,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

#[cfg(unix)]
fn still_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(named)) => identity(ours) == identity(named),
        _ => false,
    }
}

/// Elsewhere an open file can't be removed under its holder.
#[cfg(not(unix))]
fn still_named(_file: &File, _path: &Path) -> bool {
    true
}
