//! What ends a run, and what ends a whole plan.
//!
//! A disk that is full or read-only ends the plan: no run is to blame for it, and a recorded failure would keep the run
//! from being done once there is room.

use super::InputError;
use crate::export::ExportError;
use crate::fetch::FetchError;
use crate::record::RecordError;
use crate::train::TrainError;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;

/// What ends a whole plan.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Nothing can be written.
    #[error("output folder `{}` cannot be written: {source}", folder.display())]
    Output { folder: PathBuf, source: Error },
    /// A record could not be written or read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A run came upon a disk that takes no more.
    #[error(transparent)]
    Disk(Box<RunError>),
}

/// What fails a single run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its files, rows or token ids.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Its training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Its model folder.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A file of its folder.
    #[error("could not write `{}`: {source}", path.display())]
    Artifact { path: PathBuf, source: Error },
}

impl RunError {
    /// Whether a disk is full or read-only.
    pub fn is_of_the_disk(&self) -> bool {
        let source = match self {
            RunError::Artifact { source, .. }
            | RunError::Train(TrainError::Unwritten { source, .. })
            | RunError::Export(ExportError::File { error: source, .. })
            | RunError::Input(InputError::Fetch(FetchError::Disk { source, .. })) => source,
            _ => return false,
        };
        matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem)
    }

    /// A way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            RunError::Input(InputError::Fetch(error)) => error.hint(),
            RunError::Input(InputError::Dataset(error)) => error.hint().map(str::to_string),
            RunError::Train(TrainError::Snapshot { .. }) => Some("remove that folder to begin the run anew".into()),
            _ => None,
        }
    }

    /// Message and hint, a line each, as a failed run's record keeps them.
    pub fn told(&self) -> String {
        self.hint().map_or_else(|| self.to_string(), |hint| format!("{self}\nhint: {hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(kind: ErrorKind) -> RunError {
        RunError::Artifact { path: "predictions.csv".into(), source: kind.into() }
    }

    #[test]
    fn a_full_disk_is_nobodys_failure_and_a_missing_folder_is_the_runs() {
        assert!(artifact(ErrorKind::StorageFull).is_of_the_disk());
        assert!(artifact(ErrorKind::ReadOnlyFilesystem).is_of_the_disk());
        assert!(!artifact(ErrorKind::NotFound).is_of_the_disk());
        let (folder, source) = (PathBuf::from("snapshot"), ErrorKind::StorageFull.into());
        assert!(RunError::from(TrainError::Unwritten { folder, source }).is_of_the_disk());
    }

    #[test]
    fn a_way_out_stands_on_its_own_line() {
        let damaged = TrainError::Snapshot { folder: "runs/ab/snapshot".into(), reason: "cut".into() };
        let expected = "snapshot in runs/ab/snapshot: cut\nhint: remove that folder to begin the run anew";
        assert_eq!(RunError::from(damaged).told(), expected);
        assert_eq!(artifact(ErrorKind::NotFound).told(), "could not write `predictions.csv`: entity not found");
    }
}
