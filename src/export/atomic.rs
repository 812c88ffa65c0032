//! Files that are there whole or not at all: written beside their place, flushed to the disk, renamed.
//!
//! The temporary name carries the process id, so that two processes never write into one file; whoever renames last wins.

use crate::temporary;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Replaces `path` by `bytes`.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    with(path, |partial| File::create(partial)?.write_all(bytes))
}

/// Lets `fill` write a file at a temporary path and moves it to `path`; a failure removes it and changes nothing.
pub fn with<E: From<io::Error>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let partial = temporary::beside(path);
    let done = fill(&partial).and_then(|()| Ok(commit(&partial, path)?));
    if done.is_err() {
        // The first error is the one to tell; a temporary file that stays is found by its name.
        let _ = std::fs::remove_file(&partial);
    }
    done
}

/// On the disk before it has its name: otherwise a power cut could leave the name with nothing behind it.
fn commit(partial: &Path, path: &Path) -> io::Result<()> {
    File::open(partial)?.sync_all()?;
    std::fs::rename(partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"old").unwrap();
        let failed = with(&path, |partial| {
            std::fs::write(partial, b"ne")?;
            Err(io::Error::other("disk full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "disk full");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
