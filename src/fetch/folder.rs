//! A folder in the hub's layout (`models/owner/name/file`, `datasets/owner/name/file`), or one checkpoint's folder.
//!
//! A folder says nothing of its revision; the digests do. A clone made without git-lfs has small text pointers in place
//! of its large files: they are recognised, because a parser's message about them would puzzle.

use super::digest::{Digests, checked, disk};
use super::{FetchError, Fetched, Hub, Repository, name};
use crate::event::{Event, Observer, Stage};
use crate::spec::pins::Pins;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// First bytes of a git-lfs pointer (git-lfs specification, version 1); pointers are shorter than 1024 bytes.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// What a folder holds.
#[derive(Debug)]
enum Layout {
    /// Many repositories, by kind and name.
    Hub,
    /// One checkpoint, whatever it is called.
    Checkpoint,
}

/// Files that are already on this machine.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    layout: Layout,
    pins: Pins,
    digests: Digests,
}

impl Folder {
    /// A folder in the hub's layout; its files are held against `pins`.
    pub fn new(root: impl Into<PathBuf>, pins: Pins) -> Self {
        Folder { root: root.into(), layout: Layout::Hub, pins, digests: Digests::default() }
    }

    /// The folder of one checkpoint (`config.json`, weights, tokenizer), to which no pin applies.
    pub(super) fn of_checkpoint(root: impl Into<PathBuf>) -> Self {
        Folder { root: root.into(), layout: Layout::Checkpoint, pins: Pins::default(), digests: Digests::default() }
    }

    fn folder(&self, repository: &Repository) -> PathBuf {
        match self.layout {
            Layout::Hub => self.root.join(repository.path()),
            Layout::Checkpoint => self.root.clone(),
        }
    }

    /// Path of a file that is there. A missing repository is an error, a missing file is `None`.
    fn find(&self, repository: &Repository, file: &str) -> Result<Option<PathBuf>, FetchError> {
        match self.layout {
            Layout::Hub => name::check(repository, file)?,
            Layout::Checkpoint => name::check_relative("file", file)?,
        }
        let folder = self.folder(repository);
        if !folder.is_dir() {
            return Err(FetchError::NoFolder { repository: Box::new(repository.clone()), folder });
        }
        let path = folder.join(file);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(path)),
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(disk("read", &path, error)),
        }
    }
}

impl Hub for Folder {
    fn fetch_optional(
        &self,
        repository: &Repository,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<Option<Fetched>, FetchError> {
        let Some(path) = self.find(repository, name)? else { return Ok(None) };
        refuse_pointer(&path)?;
        let fetched = checked(&self.digests, &self.pins, repository.clone(), name, path)?;
        observer.observe(&Event::Progress {
            stage: Stage::Fetch,
            what: format!("{} {name}", repository.name),
            done: fetched.size,
            total: Some(fetched.size),
        });
        Ok(Some(fetched))
    }

    fn size(&self, repository: &Repository, name: &str, _observer: &dyn Observer) -> Result<Option<u64>, FetchError> {
        let Some(path) = self.find(repository, name)? else { return Ok(None) };
        refuse_pointer(&path)?;
        length(&path).map(Some)
    }

    fn place(&self, repository: &Repository) -> String {
        self.folder(repository).display().to_string()
    }
}

fn length(path: &Path) -> Result<u64, FetchError> {
    std::fs::metadata(path).map(|metadata| metadata.len()).map_err(|source| disk("read", path, source))
}

fn refuse_pointer(path: &Path) -> Result<(), FetchError> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(|source| disk("read", path, source))?;
    file.take(LFS_POINTER.len() as u64).read_to_end(&mut start).map_err(|source| disk("read", path, source))?;
    if start == LFS_POINTER { Err(FetchError::LfsPointer { path: path.to_path_buf() }) } else { Ok(()) }
}
