//! `repro check`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro check`.
#[derive(clap::Args)]
pub struct CheckArgs {}

/// Runs the command.
pub fn run(_args: &CheckArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
