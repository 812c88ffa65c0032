//! `repro plan`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro plan`.
#[derive(clap::Args)]
pub struct PlanArgs {}

/// Runs the command.
pub fn run(_args: &PlanArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
