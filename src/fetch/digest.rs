//! SHA-256 of files, and what it is held against.
//!
//! A file is read through once a process: the digest is remembered with the size and modification time it was made
//! under, so that forty runs of one checkpoint do not read its weights forty times.

use super::{FetchError, Fetched, Repository, Trust};
use crate::spec::pins::Pins;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

/// A digest and the state of the file it was made from.
#[derive(Clone, Debug)]
struct Known {
    size: u64,
    modified: Option<SystemTime>,
    sha256: String,
}

/// Digests of this process.
#[derive(Debug, Default)]
pub struct Digests(Mutex<BTreeMap<PathBuf, Known>>);

impl Digests {
    /// Size in bytes and SHA-256 of a file, from memory where size and time are unchanged.
    pub fn of(&self, path: &Path) -> Result<(u64, String), FetchError> {
        let metadata = std::fs::metadata(path).map_err(|source| disk("read", path, source))?;
        if let Some(known) = self.remembered(path, &metadata) {
            return Ok((known.size, known.sha256));
        }
        let (size, sha256) = sha256_of(path)?;
        let known = Known { size, modified: metadata.modified().ok(), sha256: sha256.clone() };
        self.lock().insert(path.to_path_buf(), known);
        Ok((size, sha256))
    }

    fn remembered(&self, path: &Path, metadata: &Metadata) -> Option<Known> {
        let known = self.lock().get(path).cloned()?;
        let same =
            known.size == metadata.len() && known.modified.is_some() && known.modified == metadata.modified().ok();
        same.then_some(known)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, Known>> {
        // A panic while the map was held leaves at worst a missing entry.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn sha256_of(path: &Path) -> Result<(u64, String), FetchError> {
    let failed = |source| disk("read", path, source);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
    Ok((size, hexadecimal(&hasher.finalize())))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pinned SHA-256 of a file, lowercase.
fn pinned(pins: &Pins, repository: &Repository, file: &str) -> Option<String> {
    let digest = pins.0.get(&repository.path())?.files.get(file)?;
    Some(digest.to_ascii_lowercase())
}

/// Holds a digest against the pin: what it is trusted for, or both digests.
pub fn check_pin(pins: &Pins, repository: &Repository, file: &str, sha256: &str) -> Result<Trust, FetchError> {
    match pinned(pins, repository, file) {
        None => Ok(Trust::FirstUse),
        Some(pinned) if pinned == sha256 => Ok(Trust::Pinned),
        Some(pinned) => Err(FetchError::PinMismatch {
            repository: Box::new(repository.clone()),
            file: file.to_string(),
            pinned,
            found: sha256.to_string(),
        }),
    }
}

/// A file of a folder or cache, digested and held against its pin.
pub fn checked(
    digests: &Digests,
    pins: &Pins,
    repository: Repository,
    name: &str,
    path: PathBuf,
) -> Result<Fetched, FetchError> {
    let (size, sha256) = digests.of(&path)?;
    let trust = check_pin(pins, &repository, name, &sha256)?;
    Ok(Fetched { repository, name: name.to_string(), path, size, sha256, trust })
}

/// An error of this machine's file system.
pub fn disk(action: &'static str, path: &Path, source: std::io::Error) -> FetchError {
    FetchError::Disk { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_the_published_test_vector() {
        // FIPS 180-2, appendix B.1: SHA-256 of "abc".
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digests::default().of(&path).unwrap(), (3, expected.to_string()));
    }

    #[test]
    fn changed_file_is_digested_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let digests = Digests::default();
        std::fs::write(&path, "abc").unwrap();
        let before = digests.of(&path).unwrap();
        std::fs::write(&path, "abcd").unwrap();
        assert_ne!(digests.of(&path).unwrap(), before);
    }
}
