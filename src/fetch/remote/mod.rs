//! The remote hub, with its cache.
//!
//! `hf_hub` 0.5 gives the naming: repository addresses, escaping of revisions, and the cache's layout, shared with every
//! other program of the hub. Requests are our own, on the `ureq` that it brings, because its `metadata` and `download`
//!
//! - send the token to the storage host that a large file is redirected to,
//! - append a whole body to a partial file where a server ignores `Range`, ask for an empty range where the partial file
//!   is complete, and wait at most five seconds for another process,
//! - neither check the size nor the SHA-256 of what came, set no timeout, and do not hear `Retry-After`.
//!
//! Here a file is asked for by HEAD (commit, etag, size), downloaded at that commit to a partial file, held to size,
//! announced SHA-256 and pin, and renamed; a known commit whose file is cached costs no request. The first answer for a
//! branch fixes its commit for as long as the [`Remote`] lives.
//!
//! What the tests' local server cannot show: TLS and its certificates, the real storage hosts and their signed links,
//! conditions of gated repositories beyond the statuses, and the xet transfer, which is not used: the hub serves xet files
//! over plain HTTP as well, by the redirect that we follow. A small file that is not pinned has no SHA-256 to be held to
//! when it first comes; its size and the connection are all there is.

mod bring;
mod cache;
mod download;
mod metadata;
mod request;
mod retry;
mod settings;

pub use settings::{RemoteSettings, Retry, Token};

use super::digest::{Digests, checked};
use super::{FetchError, Fetched, Hub, Repository, RepositoryKind, name};
use crate::event::{Event, Observer};
use cache::CachedRepository;
use hf_hub::{Repo, RepoType};
use metadata::{Found, Metadata};
use request::Client;
use retry::retrying;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// A hub reached over HTTP.
#[derive(Debug)]
pub struct Remote {
    settings: RemoteSettings,
    client: Client,
    digests: Digests,
    /// Commits that branches and tags stood for when first asked, by repository path and revision.
    commits: Mutex<BTreeMap<(String, String), String>>,
}

/// One question: a file of a repository at a revision.
struct Wanted<'a> {
    repository: &'a Repository,
    revision: String,
    file: &'a str,
    cache: CachedRepository,
    observer: &'a dyn Observer,
}

impl Remote {
    /// A hub with these settings. Nothing is sent yet; a malformed endpoint is an error.
    pub fn new(settings: RemoteSettings) -> Result<Self, FetchError> {
        let client = Client::new(&settings)?;
        Ok(Remote { settings, client, digests: Digests::default(), commits: Mutex::default() })
    }

    fn wanted<'a>(
        &self,
        repository: &'a Repository,
        file: &'a str,
        observer: &'a dyn Observer,
    ) -> Result<Wanted<'a>, FetchError> {
        name::check(repository, file)?;
        let pinned = || self.settings.pins.0.get(&repository.path())?.revision.clone();
        let revision = repository.revision.clone().or_else(pinned).unwrap_or_else(|| "main".to_string());
        let cache = CachedRepository::new(&self.settings.cache, repo(repository, &revision));
        Ok(Wanted { repository, revision, file, cache, observer })
    }

    /// The commit of a revision as far as it is known without asking. Offline, what the cache last heard will do.
    fn known_commit(&self, wanted: &Wanted) -> Option<String> {
        if name::is_commit(&wanted.revision) {
            return Some(wanted.revision.clone());
        }
        let key = (wanted.repository.path(), wanted.revision.clone());
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = || self.settings.offline.then(|| wanted.cache.commit_of(&wanted.revision)).flatten();
        commits.get(&key).cloned().or_else(heard)
    }

    fn learn_commit(&self, wanted: &Wanted, commit: &str) {
        let key = (wanted.repository.path(), wanted.revision.clone());
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).insert(key, commit.to_string());
        // Without the note a later `--offline` finds less; nothing that is asked for now is lost.
        if let Err(error) = wanted.cache.remember(&wanted.revision, commit) {
            wanted.observer.observe(&Event::Warning(error.to_string()));
        }
    }

    /// A file that is in the cache and as it came. A damaged one is fetched anew, offline it is an error.
    fn cached(&self, wanted: &Wanted, commit: &str) -> Result<Option<Fetched>, FetchError> {
        let pointer = wanted.cache.pointer(commit, wanted.file);
        if !pointer.is_file() {
            return Ok(None);
        }
        match cache::damage(&self.digests, &pointer)? {
            None => Ok(Some(self.handed_out(wanted, commit, pointer)?)),
            Some((expected, found)) if self.settings.offline => Err(damaged(wanted, expected, found)),
            Some(_) => {
                let text = format!("`{}` is damaged in the cache and is fetched anew", pointer.display());
                wanted.observer.observe(&Event::Warning(text));
                Ok(None)
            }
        }
    }

    fn handed_out(&self, wanted: &Wanted, commit: &str, path: PathBuf) -> Result<Fetched, FetchError> {
        let repository = Repository { revision: Some(commit.to_string()), ..wanted.repository.clone() };
        checked(&self.digests, &self.settings.pins, repository, wanted.file, path)
    }

    /// Asks the hub for the facts of a file, and remembers what it said.
    fn ask(&self, wanted: &Wanted) -> Result<Found, FetchError> {
        let revision = self.known_commit(wanted).unwrap_or_else(|| wanted.revision.clone());
        let url = self.url(wanted, &revision);
        let found = retrying(&self.settings.retry, &url, wanted.observer, || {
            metadata::ask(&self.client, &url, wanted.repository, wanted.file)
        })?;
        if let Found::File(Metadata { commit, .. }) | Found::Absent { commit: Some(commit) } = &found {
            self.learn_commit(wanted, commit);
        }
        if let Found::Absent { commit: Some(commit) } = &found
            && let Err(error) = wanted.cache.mark_absent(commit, wanted.file)
        {
            wanted.observer.observe(&Event::Warning(error.to_string()));
        }
        Ok(found)
    }

    fn offline(&self, wanted: &Wanted) -> FetchError {
        FetchError::Offline {
            repository: Box::new(wanted.repository.clone()),
            file: wanted.file.to_string(),
            revision: wanted.revision.clone(),
            cache: self.settings.cache.clone(),
        }
    }

    fn url(&self, wanted: &Wanted, revision: &str) -> String {
        let repo = repo(wanted.repository, &name::escape(revision));
        let file = name::escape(wanted.file);
        format!("{}/{}/resolve/{}/{file}", self.settings.endpoint, repo.url(), repo.url_revision())
    }
}

impl Hub for Remote {
    fn fetch_optional(
        &self,
        repository: &Repository,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<Option<Fetched>, FetchError> {
        let wanted = self.wanted(repository, name, observer)?;
        if let Some(commit) = self.known_commit(&wanted) {
            if let Some(fetched) = self.cached(&wanted, &commit)? {
                return Ok(Some(fetched));
            }
            if wanted.cache.is_absent(&commit, name) {
                return Ok(None);
            }
        }
        if self.settings.offline {
            return Err(self.offline(&wanted));
        }
        match self.ask(&wanted)? {
            Found::Absent { .. } => Ok(None),
            Found::File(metadata) => match self.cached(&wanted, &metadata.commit)? {
                Some(fetched) => Ok(Some(fetched)),
                None => self.bring(&wanted, &metadata).map(Some),
            },
        }
    }

    fn size(&self, repository: &Repository, name: &str, observer: &dyn Observer) -> Result<Option<u64>, FetchError> {
        let wanted = self.wanted(repository, name, observer)?;
        if let Some(commit) = self.known_commit(&wanted) {
            // A link into the cache leads to a whole file, or to none.
            if let Ok(file) = std::fs::metadata(wanted.cache.pointer(&commit, name)) {
                return Ok(Some(file.len()));
            }
            if wanted.cache.is_absent(&commit, name) {
                return Ok(None);
            }
        }
        if self.settings.offline {
            return Err(self.offline(&wanted));
        }
        match self.ask(&wanted)? {
            Found::Absent { .. } => Ok(None),
            Found::File(metadata) => Ok(Some(metadata.size)),
        }
    }

    fn place(&self, repository: &Repository) -> String {
        format!("{}/{}", self.settings.endpoint, repo(repository, "main").url())
    }
}

fn repo(repository: &Repository, revision: &str) -> Repo {
    let kind = match repository.kind {
        RepositoryKind::Model => RepoType::Model,
        RepositoryKind::Dataset => RepoType::Dataset,
    };
    Repo::with_revision(repository.name.clone(), kind, revision.to_string())
}

fn damaged(wanted: &Wanted, expected: String, found: String) -> FetchError {
    FetchError::Damaged {
        repository: Box::new(wanted.repository.clone()),
        file: wanted.file.to_string(),
        what: "its SHA-256",
        expected,
        found,
    }
}
