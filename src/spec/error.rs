//! What is wrong with an experiment file, shown where it is wrong.
//!
//! ```text
//! glue.yaml:9:3: unknown field `train.epoch`, expected `epochs`
//!   |
//! 9 |   epoch: 3
//!   |   ^^^^^
//! ```

use super::source::Refusal;
use super::yaml::{self, Malformed, Place};

/// Longest source line shown; a longer one is cut around the place.
const MAX_SHOWN: usize = 100;

/// Why an experiment (or the pins) could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The file is absent, too large, not UTF-8, nested too deeply.
    #[error("{place}: {message}")]
    File {
        /// Path, with line and column where there is one.
        place: String,
        /// Found and expected.
        message: String,
        /// A way out.
        hint: Option<String>,
    },
    /// It is not one YAML document.
    #[error("{place}: not valid YAML: {message}{snippet}")]
    Syntax {
        /// `path:line:column`, or the `--set` argument.
        place: String,
        /// The parser's words.
        message: String,
        /// Source line and caret, on lines of their own; or nothing.
        snippet: String,
    },
    /// It is YAML, but not what is meant to stand there.
    #[error("{place}: {message}{snippet}")]
    Mistake {
        /// `path:line:column`, or the `--set` argument.
        place: String,
        /// Found and expected.
        message: String,
        /// Source line and caret, on lines of their own; or nothing.
        snippet: String,
        /// A way out.
        hint: Option<String>,
    },
}

impl SpecError {
    /// A way out, to be shown on its own line.
    pub fn hint(&self) -> Option<&str> {
        match self {
            SpecError::File { hint, .. } | SpecError::Mistake { hint, .. } => hint.as_deref(),
            SpecError::Syntax { .. } => None,
        }
    }

    /// The error of a file that was refused before it was parsed.
    pub(super) fn refused(path: &str, refusal: Refusal) -> Self {
        let place = match refusal.position {
            Some((line, column)) => format!("{path}:{line}:{column}"),
            None => path.into(),
        };
        SpecError::File { place, message: refusal.message, hint: refusal.hint }
    }
}

/// A mistake found while a tree is read: the place is still a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Where.
    pub place: Place,
    /// Found and expected.
    pub message: String,
    /// A way out.
    pub hint: Option<String>,
    /// Where the same thing was given before, for duplicates.
    pub first: Option<Place>,
    /// Characters to underline.
    pub width: usize,
}

impl Complaint {
    /// A complaint without a hint, underlining one character.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Complaint { place, message: message.into(), hint: None, first: None, width: 1 }
    }

    /// The same with a way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, underlining as many characters as `text` has.
    pub fn underlining(mut self, text: &str) -> Self {
        self.width = text.chars().count().max(1);
        self
    }

    /// The same, naming where the thing was given before.
    pub fn after(mut self, first: Place) -> Self {
        self.first = Some(first);
        self
    }
}

/// A text together with the `--set` arguments laid over it: what places refer to.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Path as the user wrote it.
    pub path: String,
    /// The file's text.
    pub text: String,
    /// The arguments of `--set`.
    pub sets: Vec<String>,
}

impl Origin {
    /// `glue.yaml:9`, or `--set train.epochs=1`: where a value comes from, for people.
    pub fn source(&self, place: Place) -> String {
        match (place, self.position(place)) {
            (Place::Set(index), _) => format!("--set {}", self.sets[index]),
            (Place::File(_), Some((line, _))) => format!("{}:{line}", self.path),
            (Place::File(_), None) => self.path.clone(),
        }
    }

    fn position(&self, place: Place) -> Option<(usize, usize)> {
        match place {
            Place::File(index) => yaml::locate(&self.text, index),
            Place::Set(_) => None,
        }
    }

    /// The error of a complaint, with its place looked up and its source line cut out.
    pub(super) fn error(&self, complaint: Complaint) -> SpecError {
        let position = self.position(complaint.place);
        let place = match position {
            Some((line, column)) => format!("{}:{line}:{column}", self.path),
            None => self.source(complaint.place),
        };
        let snippet = position.map_or(String::new(), |position| snippet(&self.text, position, complaint.width));
        let first = complaint.first.map(|first| match self.position(first) {
            Some((line, _)) => format!("it is first given on line {line}"),
            None => format!("it is first given by `{}`", self.source(first)),
        });
        SpecError::Mistake { place, message: complaint.message, snippet, hint: complaint.hint.or(first) }
    }

    /// The error of a text that is not YAML.
    pub(super) fn malformed(&self, malformed: Malformed) -> SpecError {
        let place = match malformed.position {
            Some((line, column)) => format!("{}:{line}:{column}", self.path),
            None => self.path.clone(),
        };
        let snippet = malformed.position.map_or(String::new(), |position| snippet(&self.text, position, 1));
        SpecError::Syntax { place, message: malformed.message, snippet }
    }
}

/// The source line with a caret under the place, opened by a line break; empty where the line does not exist.
pub fn snippet(text: &str, (line, column): (usize, usize), width: usize) -> String {
    let Some(shown) = text.lines().nth(line.saturating_sub(1)) else { return String::new() };
    let start = column.saturating_sub(1);
    let first = start.saturating_sub(MAX_SHOWN / 2);
    // Tabs and other control characters would move the caret, or the terminal.
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let cut: String = shown.chars().skip(first).take(MAX_SHOWN).map(plain).collect();
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let caret = "^".repeat(width.clamp(1, (cut.chars().count() + first).saturating_sub(start).max(1)));
    let cut = cut.trim_end();
    format!("\n{margin} |\n{number} | {cut}\n{margin} | {}{caret}", " ".repeat(start - first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_shows_the_line_and_underlines_the_place() {
        assert_eq!(snippet("a: 1\n  bad: 2\n", (2, 3), 3), "\n  |\n2 |   bad: 2\n  |   ^^^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place_and_control_characters_do_not_pass() {
        let text = format!("{}X{}\u{1b}[31m", "a".repeat(500), "b".repeat(20));
        let shown = snippet(&text, (1, 501), 1);
        assert!(shown.contains(&format!("{}X{} [31m", "a".repeat(50), "b".repeat(20))), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 110), "{shown}");
        assert!(!shown.contains('\u{1b}'));
    }

    #[test]
    fn a_place_past_the_end_has_no_snippet() {
        assert_eq!(snippet("a: 1", (9, 1), 1), "");
    }
}
