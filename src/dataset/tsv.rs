//! Tab-separated text as GLUE publishes it: UTF-8, perhaps with a byte-order mark, one row a line, **no quoting**.
//!
//! Quotation marks are ordinary characters, and many rows have a single one: a CSV reader swallows whole stretches of
//! QNLI and QQP. Lines end in `\n` or `\r\n`.

use super::error::{At, bytes_of};
use super::{DatasetError, Position};
use std::path::{Path, PathBuf};

/// A file, its column names, and its lines after the header.
pub(super) struct Tsv {
    pub path: PathBuf,
    /// Column names, from the first line or given.
    header: Vec<String>,
    text: String,
    /// Lines of `text` that are header: 1, or 0 where the names were given.
    header_lines: usize,
}

/// One row.
pub(super) struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// As they stand between tabs, white space and quotation marks included.
    pub fields: Vec<&'a str>,
}

impl Tsv {
    /// Reads a file with a header, or without one where `columns` are given.
    pub fn open(path: &Path, columns: Option<&[&str]>) -> Result<Self, DatasetError> {
        let text = text_of(path)?;
        let (header, header_lines) = match columns {
            Some(columns) => (columns.iter().map(|name| name.to_string()).collect(), 0),
            None => (text.lines().next().unwrap_or_default().split('\t').map(str::to_owned).collect(), 1),
        };
        Ok(Tsv { path: path.to_owned(), header, text, header_lines })
    }

    /// The position of a column.
    pub fn column(&self, name: &str) -> Result<usize, DatasetError> {
        self.header.iter().position(|column| column == name).ok_or_else(|| DatasetError::MissingColumn {
            path: self.path.clone(),
            column: name.to_owned(),
            found: self.header.clone(),
        })
    }

    /// Number of columns of a complete row.
    pub fn width(&self) -> usize {
        self.header.len()
    }

    /// The rows, in order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let lines = self.text.lines().enumerate().skip(self.header_lines);
        lines.map(|(index, line)| Line { number: index + 1, fields: line.split('\t').collect() })
    }

    /// The place of a line, for errors.
    pub fn at(&self, line: usize) -> At<'_> {
        At { path: &self.path, position: Position::Line(line) }
    }
}

/// A text file, without its byte-order mark; the line of a byte that is not UTF-8 is in the error.
fn text_of(path: &Path) -> Result<String, DatasetError> {
    let bytes = bytes_of(path)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
        let byte = error.as_bytes()[valid];
        At { path, position: Position::Line(line) }.wrong(format!("byte 0x{byte:02x}"), "UTF-8 text")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
