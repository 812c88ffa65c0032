//! Files of the hub, with their digests: from the network (`hf_hub`), or from a folder in the hub's layout.

use serde::{Deserialize, Serialize};
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
