//! `repro score`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro score`.
#[derive(clap::Args)]
pub struct ScoreArgs {}

/// Runs the command.
pub fn run(_args: &ScoreArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
