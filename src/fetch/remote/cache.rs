//! The cache folder, in the layout that the hub's other programs use, so that a file downloaded by one serves all.
//!
//! ```text
//! models--owner--name/blobs/<etag>                 the bytes
//!                     blobs/<etag>.sha256          their digest as downloaded (ours; others ignore it)
//!                     blobs/<etag>.part, .lock     while downloading (hf_hub's own names, so that it waits for us)
//!                     snapshots/<commit>/<file>    link to the blob
//!                     refs/<branch>                commit it stood for when last asked
//!                     .no_exist/<commit>/<file>    that the commit has no such file (huggingface_hub's marker)
//! ```
//!
//! A blob appears by a rename of a complete and checked file, never otherwise.

use crate::event::{Event, Observer};
use crate::fetch::digest::{Digests, disk};
use crate::fetch::{FetchError, name};
use crate::temporary;
use hf_hub::{Cache, CacheRepo, Repo};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// One repository's part of the cache.
pub struct CachedRepository {
    folder: PathBuf,
    layout: CacheRepo,
}

impl CachedRepository {
    /// The part of a cache folder that is a repository's.
    pub fn new(cache: &Path, repo: Repo) -> Self {
        let folder = cache.join(repo.folder_name());
        CachedRepository { folder, layout: Cache::new(cache.to_path_buf()).repo(repo) }
    }

    /// The link of a file at a commit, whether it is there or not.
    pub fn pointer(&self, commit: &str, file: &str) -> PathBuf {
        self.layout.pointer_path(commit).join(file)
    }

    /// The blob of an etag, whether it is there or not.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.layout.blob_path(etag)
    }

    /// The commit that a branch or tag stood for when it was last asked.
    pub fn commit_of(&self, revision: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(text.trim().to_string()).filter(|commit| name::is_commit(commit))
    }

    /// Remembers what a branch or tag stands for.
    pub fn remember(&self, revision: &str, commit: &str) -> Result<(), FetchError> {
        if name::is_commit(revision) || self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        write_whole(&self.folder.join("refs").join(revision), commit)
    }

    fn absent_marker(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }

    /// Whether the hub has said that the commit has no such file.
    pub fn is_absent(&self, commit: &str, file: &str) -> bool {
        self.absent_marker(commit, file).is_file()
    }

    /// Remembers that the commit has no such file.
    pub fn mark_absent(&self, commit: &str, file: &str) -> Result<(), FetchError> {
        write_whole(&self.absent_marker(commit, file), "")
    }

    /// Waits until no other process works on the blob, and keeps others waiting while the result lives.
    pub fn lock(&self, blob: &Path, observer: &dyn Observer) -> Result<File, FetchError> {
        create_parent(blob)?;
        let path = blob.with_extension("lock");
        let failed = |source| disk("lock", &path, source);
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        observer.observe(&Event::Warning(format!("`{}` is being downloaded; waiting for it", blob.display())));
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Turns a complete, checked partial file into the blob.
    pub fn publish(&self, part: &Path, blob: &Path, sha256: &str) -> Result<(), FetchError> {
        write_whole(&digest_file(blob), sha256)?;
        std::fs::rename(part, blob).map_err(|source| disk("rename", part, source))
    }

    /// Makes the file of a commit point to its blob.
    pub fn link(&self, blob: &Path, pointer: &Path) -> Result<(), FetchError> {
        if let (Ok(to), Ok(blob)) = (pointer.canonicalize(), blob.canonicalize())
            && to == blob
        {
            return Ok(());
        }
        create_parent(pointer)?;
        let temporary = temporary::beside(pointer);
        make_link(&self.relative(blob, pointer), blob, &temporary).map_err(|source| disk("link", pointer, source))?;
        std::fs::rename(&temporary, pointer).map_err(|source| disk("link", pointer, source))
    }

    /// The blob as seen from the pointer's folder: up to the repository's folder, then down.
    fn relative(&self, blob: &Path, pointer: &Path) -> PathBuf {
        let below = |path: &Path| path.strip_prefix(&self.folder).map_or(PathBuf::new(), Path::to_path_buf);
        let ups = below(pointer).components().count().saturating_sub(1);
        std::iter::repeat_n(PathBuf::from(".."), ups).collect::<PathBuf>().join(below(blob))
    }
}

/// The SHA-256 that a cached file must have: its blob's name where that is one, else what was seen when it came.
pub fn expected_sha256(path: &Path) -> Option<String> {
    let blob = path.canonicalize().ok()?;
    let etag = blob.file_name()?.to_str()?;
    if name::is_sha256(etag) {
        return Some(etag.to_string());
    }
    let text = std::fs::read_to_string(digest_file(&blob)).ok()?;
    Some(text.trim().to_string()).filter(|digest| name::is_sha256(digest))
}

/// `Some((expected, found))` where a cached file is not what was once downloaded.
pub fn damage(digests: &Digests, path: &Path) -> Result<Option<(String, String)>, FetchError> {
    let Some(expected) = expected_sha256(path) else { return Ok(None) };
    let (_, found) = digests.of(path)?;
    Ok((found != expected).then_some((expected, found)))
}

fn digest_file(blob: &Path) -> PathBuf {
    blob.with_extension("sha256")
}

#[cfg(unix)]
fn make_link(relative: &Path, blob: &Path, link: &Path) -> std::io::Result<()> {
    // Some file systems have no symbolic links.
    std::os::unix::fs::symlink(relative, link).or_else(|_| std::fs::hard_link(blob, link))
}

#[cfg(not(unix))]
fn make_link(_relative: &Path, blob: &Path, link: &Path) -> std::io::Result<()> {
    std::fs::hard_link(blob, link)
}

/// Writes a small file whole or not at all.
fn write_whole(path: &Path, text: &str) -> Result<(), FetchError> {
    create_parent(path)?;
    let temporary = temporary::beside(path);
    std::fs::write(&temporary, text).map_err(|source| disk("write", &temporary, source))?;
    std::fs::rename(&temporary, path).map_err(|source| disk("write", path, source))
}

fn create_parent(path: &Path) -> Result<(), FetchError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|source| disk("create", folder, source))
}
