//! What is not here yet, and how large the hub says it is; nothing is downloaded.
//!
//! Two hubs are asked: one that never touches the network says what is here, the other one (HEAD requests) the sizes of
//! the rest. A size that cannot be had is said to be unknown, with the reason; after the first question that no server
//! answered no further one is sent, because a plan must not wait for a network that is not there.

use super::checkpoint::{BYTE_PAIRS, INDEX, OPTIONAL, WEIGHTS, shard_names};
use super::{FetchError, Hub, Repository, is_local_checkpoint};
use crate::event::Silent;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that is not on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its repository.
    pub repository: Repository,
    /// Its name inside the repository.
    pub name: String,
    /// Bytes, or why nobody knows.
    pub size: Result<u64, String>,
}

/// Asks for files that are not here.
pub struct Sizes<'a> {
    here: &'a dyn Hub,
    hub: &'a dyn Hub,
    unanswered: AtomicBool,
}

/// What became of a question.
enum Answer {
    Here,
    Absent,
    Size(u64),
    Unknown(String),
}

impl Answer {
    fn missing(self, repository: &Repository, name: &str) -> Option<Missing> {
        let size = match self {
            // What is wrong with an absent file is said of the run that needs it.
            Answer::Here | Answer::Absent => return None,
            Answer::Size(size) => Ok(size),
            Answer::Unknown(reason) => Err(reason),
        };
        Some(Missing { repository: repository.clone(), name: name.to_string(), size })
    }
}

impl<'a> Sizes<'a> {
    /// `here` is offline, `hub` whatever the user allows.
    pub fn new(here: &'a dyn Hub, hub: &'a dyn Hub) -> Self {
        Sizes { here, hub, unanswered: AtomicBool::new(false) }
    }

    /// A file, unless it is here.
    pub fn file(&self, repository: &Repository, name: &str) -> Option<Missing> {
        self.asked(repository, name).missing(repository, name)
    }

    /// The files of a model that are not here. One that a model may lack is listed only if the hub has it.
    pub fn checkpoint(&self, repository: &Repository) -> Vec<Missing> {
        let weights = if is_local_checkpoint(&repository.name) { Vec::new() } else { self.weights(repository) };
        [self.without_weights(repository), weights].concat()
    }

    /// The same without weights.
    pub fn without_weights(&self, repository: &Repository) -> Vec<Missing> {
        if is_local_checkpoint(&repository.name) {
            return Vec::new();
        }
        let mut files: Vec<Missing> = self.file(repository, "config.json").into_iter().collect();
        let usual = OPTIONAL.map(|name| (name, self.asked(repository, name)));
        let none = usual[..2].iter().all(|(_, answer)| matches!(answer, Answer::Absent));
        let others = BYTE_PAIRS.into_iter().filter(|_| none).map(|name| (name, self.asked(repository, name)));
        let optional = usual.into_iter().chain(others).filter_map(|(name, answer)| answer.missing(repository, name));
        files.extend(optional.filter(|file| file.size.is_ok()));
        files
    }

    fn weights(&self, repository: &Repository) -> Vec<Missing> {
        let missing = |name: &str, size| vec![Missing { repository: repository.clone(), name: name.into(), size }];
        match self.asked(repository, WEIGHTS) {
            Answer::Here => Vec::new(),
            Answer::Size(size) => missing(WEIGHTS, Ok(size)),
            Answer::Unknown(reason) => missing(WEIGHTS, Err(reason)),
            Answer::Absent => match self.asked(repository, INDEX) {
                Answer::Here => self.shards(repository),
                Answer::Absent => Vec::new(),
                _ => missing("*.safetensors", Err(format!("in shards, which `{INDEX}` names"))),
            },
        }
    }

    /// The shards that an index which is here names.
    fn shards(&self, repository: &Repository) -> Vec<Missing> {
        let index = self.here.fetch(repository, INDEX, &Silent);
        let names = index.and_then(|index| shard_names(&index)).unwrap_or_default();
        names.iter().filter_map(|name| self.file(repository, name)).collect()
    }

    fn asked(&self, repository: &Repository, name: &str) -> Answer {
        match self.here.size(repository, name, &Silent) {
            Ok(Some(_)) => return Answer::Here,
            Ok(None) => return Answer::Absent,
            Err(FetchError::Offline { .. }) => {}
            // A folder says no more when it is asked again.
            Err(_) => return Answer::Absent,
        }
        if self.unanswered.load(Ordering::Relaxed) {
            return Answer::Unknown("the hub did not answer".into());
        }
        match self.hub.size(repository, name, &Silent) {
            Ok(Some(size)) => Answer::Size(size),
            Ok(None) => Answer::Absent,
            Err(FetchError::Offline { .. }) => Answer::Unknown("offline".into()),
            Err(error) => {
                let unreachable = matches!(error, FetchError::Unreachable { .. } | FetchError::Refused { .. });
                self.unanswered.fetch_or(unreachable, Ordering::Relaxed);
                Answer::Unknown(error.to_string())
            }
        }
    }
}
