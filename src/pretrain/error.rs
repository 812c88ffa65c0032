//! Why a pre-training stopped.

use crate::encode::EncodeError;
use crate::engine::EngineError;
use crate::family::ConfigError;
use crate::train::TrainError;
use std::path::{Path, PathBuf};

/// Why a pre-training stopped.
#[derive(Debug, thiserror::Error)]
pub enum PretrainError {
    /// A file or folder that is not there or cannot be read.
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A file of the run that could not be written.
    #[error("could not write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// Text that is not UTF-8.
    #[error("{}:{line}: not UTF-8, expected UTF-8", path.display())]
    NotUtf8 { path: PathBuf, line: usize },
    /// Text that pre-training can make nothing of.
    #[error("{0}")]
    Corpus(String),
    /// Text of which there is too little for what is asked, and a way out.
    #[error("{found}")]
    Scarce { found: String, hint: String },
    /// A vocabulary that lacks something or does not fit the model.
    #[error("{0}")]
    Vocabulary(String),
    /// The tokenizer's.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A model that makes no sense.
    #[error("model: {0}")]
    Config(#[from] ConfigError),
    /// A model that no memory of this machine holds.
    #[error("a step takes about {:.1} GB of memory, found {:.1} GB at most", *needed as f64 / 1e9, *most as f64 / 1e9)]
    Memory { needed: u64, most: u64 },
    /// A checkpoint to go on from that is another model, or none.
    #[error("`start_from`: {}: {reason}", folder.display())]
    Start { folder: PathBuf, reason: String },
    /// The engine's.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The training's.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// What lies in the run's folder belongs to another spec or corpus, or to nobody known.
    #[error("{}: {reason}", folder.display())]
    Occupied { folder: PathBuf, reason: String },
    /// The run's folder cannot be worked in.
    #[error("{}: {reason}", folder.display())]
    Folder { folder: PathBuf, reason: String },
}

/// A read error with its place.
pub fn unread(path: &Path) -> impl FnOnce(std::io::Error) -> PretrainError + '_ {
    move |source| PretrainError::Read { path: path.to_path_buf(), source }
}

/// A write error with its place.
pub fn unwritten(path: &Path) -> impl FnOnce(std::io::Error) -> PretrainError + '_ {
    move |source| PretrainError::Write { path: path.to_path_buf(), source }
}
