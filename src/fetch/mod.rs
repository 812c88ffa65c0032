//! Files of the hub, with their digests: from the network (`hf_hub`), or from a folder in the hub's layout.
//!
//! A file is handed out only complete: its size and SHA-256 are known, and where `data/pins.yaml` or the hub itself
//! states a digest, the bytes have it. Nothing here decides what a file means; the one exception is [`checkpoint()`], which
//! knows which files make a pretrained model, and reads the names of the shards from their index.
//!
//! | place | revision of what is handed out |
//! |---|---|
//! | [`Remote`] | the commit that the hub named (`x-repo-commit`) |
//! | [`Folder`] | what the spec names, else none: a folder holds one state and does not say which |

mod checkpoint;
mod digest;
mod error;
mod folder;
mod missing;
mod name;
mod remote;

pub use checkpoint::{CheckpointFiles, checkpoint, is_local_checkpoint, weights, without_weights};
pub use error::FetchError;
pub use folder::Folder;
pub use missing::{Missing, Sizes};
pub use remote::{Remote, RemoteSettings, Retry, Token};

use crate::event::Observer;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Which kind of repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepositoryKind {
    /// `models/owner/name` in a folder; `owner/name` on the hub.
    Model,
    /// `datasets/owner/name` in both.
    Dataset,
}

/// A repository at a revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Repository {
    /// Model or data set.
    pub kind: RepositoryKind,
    /// `owner/name`.
    pub name: String,
    /// Commit, branch or tag; `None` means the hub's `main`.
    pub revision: Option<String>,
}

impl Repository {
    /// A model repository.
    pub fn model(name: &str, revision: Option<&str>) -> Self {
        Repository { kind: RepositoryKind::Model, name: name.to_string(), revision: revision.map(str::to_string) }
    }

    /// A data set repository.
    pub fn dataset(name: &str, revision: Option<&str>) -> Self {
        Repository { kind: RepositoryKind::Dataset, name: name.to_string(), revision: revision.map(str::to_string) }
    }

    /// Key in `data/pins.yaml` and path in a folder: `models/owner/name`.
    pub fn path(&self) -> String {
        match self.kind {
            RepositoryKind::Model => format!("models/{}", self.name),
            RepositoryKind::Dataset => format!("datasets/{}", self.name),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RepositoryKind::Model => "model",
            RepositoryKind::Dataset => "data set",
        };
        write!(f, "{kind} `{}`", self.name)
    }
}

/// Why the bytes of a file are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Their SHA-256 is the one in `data/pins.yaml`.
    Pinned,
    /// There is no pin; the digest seen is recorded.
    FirstUse,
}

/// A file that is here, complete, with the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Repository it belongs to, at the revision that was resolved (a commit, where the hub told one).
    pub repository: Repository,
    /// Name inside the repository.
    pub name: String,
    /// Where it lies on this machine; never part of a record.
    #[serde(skip)]
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// Pinned or trusted on first use.
    pub trust: Trust,
}

/// Where repositories are: the remote hub, or a folder in its layout.
pub trait Hub: Send + Sync {
    /// The file, complete and checked, or `None` where the repository surely has no such file.
    ///
    /// Progress is told to `observer` in bytes. Every [`FetchError`] but an absent file is an error here too: an
    /// unreachable hub is not an absent file.
    fn fetch_optional(
        &self,
        repository: &Repository,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<Option<Fetched>, FetchError>;

    /// The file's bytes in number, without fetching it, or `None` where the repository has no such file.
    fn size(&self, repository: &Repository, name: &str, observer: &dyn Observer) -> Result<Option<u64>, FetchError>;

    /// Where a file of the repository is looked for, for error messages: a path or an address, never a secret.
    fn place(&self, repository: &Repository) -> String;

    /// The file, complete and checked; an absent one is [`FetchError::Absent`].
    fn fetch(&self, repository: &Repository, name: &str, observer: &dyn Observer) -> Result<Fetched, FetchError> {
        self.fetch_optional(repository, name, observer)?.ok_or_else(|| FetchError::Absent {
            repository: Box::new(repository.clone()),
            file: name.to_string(),
            place: self.place(repository),
        })
    }
}
