//! `repro list`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro list`.
#[derive(clap::Args)]
pub struct ListArgs {}

/// Runs the command.
pub fn run(_args: &ListArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
