//! `repro fetch`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro fetch`.
#[derive(clap::Args)]
pub struct FetchArgs {}

/// Runs the command.
pub fn run(_args: &FetchArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
