//! `repro bench`.

use super::{CliError, Console};
use crate::exit::Exit;

/// Arguments of `repro bench`.
#[derive(clap::Args)]
pub struct BenchArgs {}

/// Runs the command.
pub fn run(_args: &BenchArgs, _console: &Console) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "not built yet"))
}
