//! Where output goes: results to standard output, errors, notes and progress to standard error.
//!
//! `--json` adds progress to standard output, as one JSON object a line before the result; `--quiet` leaves only
//! results and errors. A reader that stops reading (`repro list | head`) ends nothing and is no error.

use super::CliError;
use super::progress::{Bars, JsonLines, Plain};
use crate::event::{Observer, Silent};
use crate::exit::Exit;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

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

    /// Prints a result. A result that cannot be written (a full disk) ends the program with exit code 1.
    pub fn result(&self, text: &str) {
        let mut output = stdout().lock();
        match writeln!(output, "{text}").and_then(|()| output.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                self.error(&CliError::new(Exit::Bug, format!("could not write to standard output: {error}")));
                std::process::exit(Exit::Bug as i32);
            }
            _ => {}
        }
    }

    /// Prints something worth knowing that is not the result; nothing with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            complain(text);
        }
    }

    /// Prints an error and its hint.
    pub fn error(&self, error: &CliError) {
        complain(&format!("error: {}", error.message));
        if let Some(hint) = &error.hint {
            complain(&format!("hint: {hint}"));
        }
    }

    /// Who shows progress: nobody, JSON lines, bars on a terminal, or plain lines.
    pub fn observer(&self) -> Box<dyn Observer> {
        match (self.quiet, self.json, stderr().is_terminal()) {
            (true, _, _) => Box::new(Silent),
            (_, true, _) => Box::new(JsonLines::new(stdout())),
            (_, _, true) => Box::new(Bars::new()),
            _ => Box::new(Plain::new(stderr())),
        }
    }
}

/// A line on standard error; where even that is closed there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
