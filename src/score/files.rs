//! Files of predictions and labels as anyone may write them: CSV with the header `id,prediction` or `id,label`.
//!
//! Ids are texts and need not be in the same order on both sides, but each must stand once in either file and in both:
//! a missing, doubled or unknown id is an error that names it with its line, never a row left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A row, with its line for error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: u64,
    /// The example's id.
    pub id: String,
    /// Prediction or label, as written.
    pub value: String,
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file could not be opened or read.
    #[error("could not read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// Not what its format asks for; the message names line and column.
    #[error("{}: {message}", path.display())]
    Malformed { path: PathBuf, message: String },
    /// The same, at a known line.
    #[error("{}:{line}: {message}", path.display())]
    Line { path: PathBuf, line: u64, message: String },
}

impl FileError {
    /// An error at a line of a file.
    pub fn at(path: &Path, line: u64, message: impl Into<String>) -> Self {
        FileError::Line { path: path.to_path_buf(), line, message: message.into() }
    }

    /// An error of a file as a whole, or one whose message says where.
    pub fn of(path: &Path, message: impl Into<String>) -> Self {
        FileError::Malformed { path: path.to_path_buf(), message: message.into() }
    }
}

/// A file's text without a byte-order mark, which spreadsheets like to write.
pub(super) fn read_text(path: &Path) -> Result<String, FileError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::Read { path: path.to_path_buf(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        FileError::at(path, line as u64, "not UTF-8 text")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text))
}

/// Reads a CSV file with the header `id,<column>`.
pub fn read_csv(path: &Path, column: &str) -> Result<Vec<Row>, FileError> {
    let text = read_text(path)?;
    // flexible: a row of another length is our error, which says what was expected
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut records = reader.records();
    let header = records.next().transpose().map_err(|error| csv_error(path, &error))?.unwrap_or_default();
    if header.iter().ne(["id", column]) {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(FileError::at(path, 1, format!("found the header `{found}`, expected `id,{column}`")));
    }
    let mut lines = Lines { text: text.as_bytes(), offset: 0, line: 1 };
    let rows: Vec<Row> = records.map(|record| row(path, record, &mut lines)).collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return Err(FileError::of(path, "no rows after the header"));
    }
    lines_by_id(path, &rows)?;
    Ok(rows)
}

/// Counts lines up to the records of a text, in one pass. The csv crate's own line is that of the line end before a
/// record where lines end in CRLF or are blank.
struct Lines<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl Lines<'_> {
    fn line_of(&mut self, record: &csv::StringRecord) -> u64 {
        let before = record.position().map_or(0, |position| position.byte() as usize);
        let line_ends = self.text[before..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        let start = before + line_ends;
        self.line += self.text[self.offset..start].iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.offset = start;
        self.line
    }
}

fn row(path: &Path, record: Result<csv::StringRecord, csv::Error>, lines: &mut Lines) -> Result<Row, FileError> {
    let record = record.map_err(|error| csv_error(path, &error))?;
    let line = lines.line_of(&record);
    match record.iter().collect::<Vec<_>>()[..] {
        ["", _] => Err(FileError::at(path, line, "the id is empty")),
        [id, value] => Ok(Row { line, id: id.to_string(), value: value.to_string() }),
        ref fields => Err(FileError::at(path, line, format!("found {} fields, expected 2", fields.len()))),
    }
}

fn csv_error(path: &Path, error: &csv::Error) -> FileError {
    FileError::at(path, error.position().map_or(0, csv::Position::line), error.to_string())
}

fn lines_by_id<'a>(path: &Path, rows: &'a [Row]) -> Result<HashMap<&'a str, &'a Row>, FileError> {
    let mut seen: HashMap<&str, &Row> = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(first) = seen.insert(&row.id, row) {
            let message = format!("id `{}` stands on line {} already", row.id, first.line);
            return Err(FileError::at(path, row.line, message));
        }
    }
    Ok(seen)
}

/// The predictions in the references' order; both files must hold the same ids.
pub fn align(predictions: (&Path, Vec<Row>), references: (&Path, &[Row])) -> Result<Vec<Row>, FileError> {
    let (path, rows) = predictions;
    let wanted = lines_by_id(references.0, references.1)?;
    if let Some(extra) = rows.iter().find(|row| !wanted.contains_key(&*row.id)) {
        let message = format!("id `{}` is not in `{}`", extra.id, references.0.display());
        return Err(FileError::at(path, extra.line, message));
    }
    let mut by_id: HashMap<String, Row> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    let missing = references.1.iter().filter(|reference| !by_id.contains_key(&reference.id)).count();
    let take = |reference: &Row| {
        by_id.remove(&reference.id).ok_or_else(|| {
            let place = format!("{}:{}", references.0.display(), reference.line);
            let count = format!("{missing} of {} ids have none", references.1.len());
            FileError::of(path, format!("no prediction for id `{}` of {place} ({count})", reference.id))
        })
    };
    references.1.iter().map(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// The error's text without the folder.
    fn error_of(text: &str) -> String {
        let file = file(text);
        let error = read_csv(file.path(), "prediction").unwrap_err().to_string();
        error.replace(&file.path().display().to_string(), "FILE")
    }

    #[test]
    fn quotes_marks_and_line_ends_are_read() {
        let file = file("\u{feff}id,prediction\r\n\"a,b\",1\r\n\r\n c , 2 \r\n");
        let rows = read_csv(file.path(), "prediction").unwrap();
        let rows: Vec<_> = rows.iter().map(|row| (row.line, &*row.id, &*row.value)).collect();
        assert_eq!(rows, [(2, "a,b", "1"), (4, "c", "2")]);
    }

    #[test]
    fn malformed_files_name_line_and_expectation() {
        assert_eq!(error_of("idx,label\n1,1\n"), "FILE:1: found the header `idx,label`, expected `id,prediction`");
        assert_eq!(error_of(""), "FILE:1: found the header ``, expected `id,prediction`");
        assert_eq!(error_of("id,prediction\n"), "FILE: no rows after the header");
        assert_eq!(error_of("id,prediction\n1,1\n2\n"), "FILE:3: found 1 fields, expected 2");
        assert_eq!(error_of("id,prediction\n1,1\n2,0\n1,0\n"), "FILE:4: id `1` stands on line 2 already");
        assert_eq!(error_of("id,prediction\n,1\n"), "FILE:2: the id is empty");
    }

    #[test]
    fn bytes_that_are_no_text_name_their_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"id,prediction\n1,\xff\n").unwrap();
        assert!(read_csv(file.path(), "prediction").unwrap_err().to_string().ends_with(":2: not UTF-8 text"));
    }

    #[test]
    fn predictions_come_in_the_order_of_the_references() {
        let row = |line, id: &str| Row { line, id: id.into(), value: format!("value of {id}") };
        let references = [row(2, "x"), row(3, "y")];
        let align = |rows| align((Path::new("p.csv"), rows), (Path::new("r.csv"), &references));
        let aligned = align(vec![row(2, "y"), row(3, "x")]).unwrap();
        assert_eq!([&*aligned[0].id, &*aligned[1].id], ["x", "y"]);
        let missing = align(vec![row(2, "x")]).unwrap_err().to_string();
        assert_eq!(missing, "p.csv: no prediction for id `y` of r.csv:3 (1 of 2 ids have none)");
        let extra = align(vec![row(2, "x"), row(3, "z")]).unwrap_err().to_string();
        assert_eq!(extra, "p.csv:3: id `z` is not in `r.csv`");
    }
}
