//! `repro run`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro run`.
#[derive(clap::Args)]
pub struct RunArgs {}

/// Runs the command.
pub fn run(_args: &RunArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
