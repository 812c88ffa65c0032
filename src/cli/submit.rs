//! `repro submit`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro submit`.
#[derive(clap::Args)]
pub struct SubmitArgs {}

/// Runs the command.
pub fn run(_args: &SubmitArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
