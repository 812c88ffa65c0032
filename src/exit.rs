//! The exit codes of the program, a documented contract for scripts and CI jobs.

use std::process::ExitCode;

/// How the process ended; `repro --help` lists the same meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Fine = 0,
    /// A bug of ours: an invariant did not hold.
    Bug = 1,
    /// The command line or the experiment file is wrong.
    Usage = 2,
    /// A file could not be fetched, or its digest is not the pinned one.
    Fetch = 3,
    /// At least one run failed; the others are recorded.
    RunFailed = 4,
    /// `repro check` found a regression.
    Regression = 5,
    /// `repro check` found nothing to compare.
    NothingToCompare = 6,
    /// Stopped by Ctrl-C or SIGTERM, with a snapshot to go on from (128 + SIGINT, as shells have it).
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
