//! The text of a YAML file, believed only after cheap checks that keep the parser from hostile input.
//!
//! 100,000 nested brackets take the parser more than ten seconds, so size, encoding and nesting are capped before it
//! sees a byte. The nesting check counts every opening bracket less every closing one, quotes and comments included: it
//! cannot be fooled by quoting, and only a file with 64 brackets left open in its comments would be refused wrongly.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 1_000_000;

/// Deepest nesting of brackets, and most `- ` or `? ` on one line.
pub const MAX_DEPTH: usize = 64;

/// Why a file's bytes are not looked at further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was found and expected.
    pub message: String,
    /// Line and column from 1, where there is one.
    pub position: Option<(usize, usize)>,
    /// A way out.
    pub hint: Option<String>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Refusal { message: message.into(), position: None, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The text of a file that is small, UTF-8 and not deeply nested.
pub fn read(path: &Path) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(|error| Refusal::new(format!("could not be opened: {error}")))?;
    // One byte more than allowed tells too large from just right, whatever the file's claimed size (pipes, devices).
    let read = file.by_ref().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::new(format!("could not be read: {error}")))?;
    text(bytes)
}

/// The text of these bytes, under the same checks.
pub fn text(bytes: Vec<u8>) -> Result<String, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::new(format!("larger than {MAX_BYTES} bytes, expected an experiment of a few kilobytes")));
    }
    if bytes.starts_with(&[0xFE, 0xFF]) || bytes.starts_with(&[0xFF, 0xFE]) {
        return Err(Refusal::new("found UTF-16, expected UTF-8").hint("save the file as UTF-8"));
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).map_or(bytes.clone(), <[u8]>::to_vec);
    if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
        let refusal =
            Refusal { position: Some(position(&bytes, offset)), ..Refusal::new("found a NUL byte, expected text") };
        return Err(refusal.hint("save the file as UTF-8; UTF-16 and binary files are not read"));
    }
    let text =
        String::from_utf8(bytes).map_err(|error| not_utf8(error.as_bytes(), error.utf8_error().valid_up_to()))?;
    match too_deep(text.as_bytes()) {
        Some(offset) => Err(Refusal {
            position: Some(position(text.as_bytes(), offset)),
            ..Refusal::new(format!("nested deeper than {MAX_DEPTH} levels"))
        }),
        None => Ok(text),
    }
}

fn not_utf8(bytes: &[u8], offset: usize) -> Refusal {
    let message = format!("found byte 0x{:02x}, which is not UTF-8, expected UTF-8", bytes[offset]);
    Refusal { position: Some(position(bytes, offset)), ..Refusal::new(message) }
        .hint("save the file as UTF-8 (`iconv -f latin1 -t utf-8` if it is Latin-1)")
}

/// Line and column from 1 of a byte; columns count characters where the line is UTF-8 up to there.
fn position(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    (line, String::from_utf8_lossy(&before[line_start..]).chars().count() + 1)
}

/// Offset at which the nesting becomes too deep. Block nesting by indentation is bounded by the parser's own limit; block
/// nesting on one line (`- - - -`) is not, so it is counted here too.
fn too_deep(bytes: &[u8]) -> Option<usize> {
    let mut brackets = 0usize;
    let mut indicators = 0usize;
    for (offset, &byte) in bytes.iter().enumerate() {
        match byte {
            b'[' | b'{' => brackets += 1,
            b']' | b'}' => brackets = brackets.saturating_sub(1),
            b'\n' => indicators = 0,
            b'-' | b'?' if matches!(bytes.get(offset + 1), Some(b' ' | b'\t')) => indicators += 1,
            _ => {}
        }
        if brackets > MAX_DEPTH || indicators > MAX_DEPTH {
            return Some(offset);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_encodings_are_named() {
        let refused = |bytes: &[u8]| text(bytes.to_vec()).unwrap_err();
        assert_eq!(refused(b"\xff\xfen\0").message, "found UTF-16, expected UTF-8");
        // "a: caf" is 6 characters on line 2, so the é of Latin-1 is column 7.
        let latin = refused(b"x: 1\na: caf\xe9\n");
        assert_eq!(latin.message, "found byte 0xe9, which is not UTF-8, expected UTF-8");
        assert_eq!(latin.position, Some((2, 7)));
        assert_eq!(refused(b"n\0a\0").position, Some((1, 2)));
    }

    #[test]
    fn a_byte_order_mark_is_dropped() {
        assert_eq!(text(b"\xef\xbb\xbfname: x".to_vec()).unwrap(), "name: x");
    }

    #[test]
    fn size_and_depth_are_capped_where_they_begin_to_exceed() {
        assert!(text(vec![b' '; MAX_BYTES]).is_ok());
        assert!(text(vec![b' '; MAX_BYTES + 1]).unwrap_err().message.starts_with("larger than"));
        assert!(text("[".repeat(MAX_DEPTH).into_bytes()).is_ok());
        // The 65th bracket of line 1 is one too many.
        assert_eq!(text("[".repeat(100_000).into_bytes()).unwrap_err().position, Some((1, MAX_DEPTH + 1)));
        assert!(text("- ".repeat(100_000).into_bytes()).is_err());
        assert!(text("- a\n".repeat(1000).into_bytes()).is_ok());
    }
}
