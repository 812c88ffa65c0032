//! `repro verify`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro verify`.
#[derive(clap::Args)]
pub struct VerifyArgs {}

/// Runs the command.
pub fn run(_args: &VerifyArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
