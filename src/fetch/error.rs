//! Why a file could not be had, and the way out.
//!
//! No variant holds the token, and an address is shown without its query: the signed parameters of a redirect are as
//! good as a password while they last.

use super::{Repository, is_local_checkpoint};
use std::io;
use std::path::PathBuf;

/// A file could not be fetched, or must not be used. The program exits with 3.
///
/// Repositories are boxed to keep every `Result` small.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The repository is there and has no such file.
    #[error("`{file}` is not in {repository} (looked in `{place}`)")]
    Absent { repository: Box<Repository>, file: String, place: String },
    /// The folder, or the repository in it, is not there.
    #[error("{repository} is not here: no folder `{}`", folder.display())]
    NoFolder { repository: Box<Repository>, folder: PathBuf },
    /// `--offline`, and the cache does not have the file (or does not know whether the repository has it).
    #[error("offline, and `{file}` of {repository} at `{revision}` is not in the cache `{}`", cache.display())]
    Offline { repository: Box<Repository>, file: String, revision: String, cache: PathBuf },
    /// The hub knows no such repository, or does not show it to us.
    #[error("{repository} does not exist at {endpoint}, or is private")]
    NoRepository { repository: Box<Repository>, endpoint: String },
    /// The repository has no such commit, branch or tag.
    #[error("{repository} has no revision `{revision}`")]
    NoRevision { repository: Box<Repository>, revision: String },
    /// 401 or 403.
    #[error("{repository}: the hub refused `{file}` (status {status})")]
    Denied { repository: Box<Repository>, file: String, status: u16 },
    /// The bytes are not those that were pinned.
    #[error("`{file}` of {repository} is not the pinned one: SHA-256 is {found}, `data/pins.yaml` has {pinned}")]
    PinMismatch { repository: Box<Repository>, file: String, pinned: String, found: String },
    /// The bytes are not those the hub announced, or those that were once downloaded.
    #[error("`{file}` of {repository} arrived damaged: {what} is {found}, expected {expected}")]
    Damaged { repository: Box<Repository>, file: String, what: &'static str, expected: String, found: String },
    /// A git-lfs pointer lies where the file should be.
    #[error("`{}` is a git-lfs pointer, not the file itself", path.display())]
    LfsPointer { path: PathBuf },
    /// The network gave up: refused, cut, too slow, 429 or 5xx, after every attempt.
    #[error("could not get `{url}` in {attempts} attempts: {reason}")]
    Unreachable { url: String, attempts: u32, reason: String },
    /// An answer that trying again would not change.
    #[error("could not get `{url}`: {reason}")]
    Refused { url: String, reason: String },
    /// The server does not speak the hub's protocol.
    #[error("`{url}` did not answer as a hub does: {detail}")]
    Protocol { url: String, detail: String },
    /// Reading or writing on this machine failed: full disk, read-only cache, rights.
    #[error("could not {action} `{}`: {source}", path.display())]
    Disk { action: &'static str, path: PathBuf, source: io::Error },
    /// A repository, file or revision name that no hub can have.
    #[error("{what} `{found}` is not a valid name: {expected}")]
    Name { what: &'static str, found: String, expected: &'static str },
    /// Weights in other formats only.
    #[error("{repository} has `{found}` but no safetensors; only safetensors are read, because a pickle can run code")]
    NotSafetensors { repository: Box<Repository>, found: String },
    /// No weights at all.
    #[error("{repository} has no weights: neither `model.safetensors` nor `model.safetensors.index.json` in `{place}`")]
    NoWeights { repository: Box<Repository>, place: String },
    /// `model.safetensors.index.json` is not what it should be.
    #[error("`{}` is not an index of shards: {detail}", path.display())]
    Index { path: PathBuf, detail: String },
}

impl FetchError {
    /// A way out, where there is one; shown on its own line.
    pub fn hint(&self) -> Option<String> {
        match self {
            FetchError::Offline { .. } => Some(
                "`repro fetch SPEC` gets it on a machine with a network; carry the cache folder over (`HF_HOME`)".into(),
            ),
            FetchError::NoRepository { .. } => Some("check the name; for a private repository set `HF_TOKEN`".into()),
            FetchError::Denied { repository, .. } => Some(format!(
                "accept the conditions on the page of {repository}, then set `HF_TOKEN` to a token that may read it"
            )),
            FetchError::PinMismatch { .. } => Some(
                "if the new file is wanted, change its digest in `data/pins.yaml`; scores made with the old one stay apart"
                    .into(),
            ),
            FetchError::LfsPointer { .. } => Some("run `git lfs pull` in that clone".into()),
            FetchError::NotSafetensors { repository, .. } => Some(conversion(&repository.name)),
            FetchError::NoFolder { repository, .. } if is_local_checkpoint(&repository.name) => Some(
                "`repro pretrain SPEC` and `scripts/elmo.py` write such folders; `experiments/` says beside the name which".into(),
            ),
            FetchError::Disk { source, .. } => disk_hint(source.kind()),
            _ => None,
        }
    }
}

/// How to turn a pickle into safetensors, once, with the library that wrote it.
fn conversion(name: &str) -> String {
    format!(
        "convert it once, then name the folder as checkpoint: python -c \"from transformers import AutoModel, \
         AutoTokenizer; AutoModel.from_pretrained('{name}').save_pretrained('converted', safe_serialization=True); \
         AutoTokenizer.from_pretrained('{name}').save_pretrained('converted')\""
    )
}

fn disk_hint(kind: io::ErrorKind) -> Option<String> {
    let hint = match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or point `HF_HOME` to a larger disk; what was downloaded so far is continued"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "point `HF_HOME` to a folder that can be written"
        }
        _ => return None,
    };
    Some(hint.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_file_names_file_repository_and_place() {
        let error = FetchError::Absent {
            repository: Box::new(Repository::dataset("nyu-mll/glue", None)),
            file: "mnli/train-00000-of-00001.parquet".into(),
            place: "data/hub/datasets/nyu-mll/glue".into(),
        };
        assert_eq!(
            error.to_string(),
            "`mnli/train-00000-of-00001.parquet` is not in data set `nyu-mll/glue` \
             (looked in `data/hub/datasets/nyu-mll/glue`)"
        );
    }

    #[test]
    fn full_disk_and_read_only_cache_have_a_way_out() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::ReadOnlyFilesystem] {
            let error = FetchError::Disk { action: "write", path: "blobs/x".into(), source: kind.into() };
            assert!(error.hint().is_some_and(|hint| hint.contains("HF_HOME")));
        }
    }
}
