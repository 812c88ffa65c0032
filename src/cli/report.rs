//! `repro report`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro report`.
#[derive(clap::Args)]
pub struct ReportArgs {}

/// Runs the command.
pub fn run(_args: &ReportArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
