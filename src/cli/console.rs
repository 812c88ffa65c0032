//! Where output goes: results to standard output, errors and progress to standard error.

use super::CliError;

/// What the user asked of output.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    /// Nothing but errors and results.
    pub quiet: bool,
    /// Results as JSON.
    pub json: bool,
}

impl Console {
    /// A console with these wishes.
    pub fn new(quiet: bool, json: bool) -> Self {
        Console { quiet, json }
    }

    /// Prints a result.
    pub fn result(&self, text: &str) {
        println!("{text}");
    }

    /// Prints an error and its hint.
    pub fn error(&self, error: &CliError) {
        eprintln!("error: {}", error.message);
        if let Some(hint) = &error.hint {
            eprintln!("hint: {hint}");
        }
    }
}
