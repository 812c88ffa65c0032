//! Parquet files as the hub has them, read with polars: typed columns, and the label names in the file's own metadata.
//!
//! The hub writes the features of a data set as JSON under the key `huggingface`: `info.features.<column>.names` of a
//! `ClassLabel` says what the numbers of a label column mean. Pages are Snappy or zstd; both are read.

use super::error::{At, bytes_of};
use super::{DatasetError, Position};
use polars::prelude::{Column, DataFrame, DataType, ParallelStrategy, ParquetReader, SerReader, Series};
use std::cell::Cell;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

const MAGIC: &[u8] = b"PAR1";
/// Key under which the hub keeps the features of a data set.
const FEATURES_KEY: &str = "huggingface";

/// A file's columns.
pub(super) struct Table {
    pub path: PathBuf,
    frame: DataFrame,
    /// The JSON under [`FEATURES_KEY`]; files of other writers have none.
    features: Option<serde_json::Value>,
}

impl Table {
    /// Reads a whole file. Empty, truncated and garbled files are errors.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let bytes = bytes_of(path)?;
        let damaged = |reason: String| DatasetError::Parquet { path: path.to_owned(), reason };
        check_frame(&bytes).map_err(damaged)?;
        let decoded = quietly(|| decode(bytes));
        let (frame, features) = decoded
            .ok_or_else(|| damaged("its pages contradict their headers".to_owned()))?
            .map_err(|error| damaged(error.to_string()))?;
        Ok(Table { path: path.to_owned(), frame, features })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// The place of a row, for errors.
    pub fn at(&self, row: usize) -> At<'_> {
        At { path: &self.path, position: Position::Row(row) }
    }

    /// The names of a label column's numbers, if the file says them.
    pub fn class_names(&self, column: &str) -> Option<Vec<String>> {
        let names = self.features.as_ref()?.pointer(&format!("/info/features/{column}/names"))?.as_array()?;
        names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// The names of the numbers in a column of lists, if the file says them.
    pub fn item_names(&self, column: &str) -> Option<Vec<String>> {
        let features = self.features.as_ref()?;
        let names = |path: &str| features.pointer(&format!("/info/features/{column}/{path}names"))?.as_array();
        names("feature/").or_else(|| names(""))?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Result<&Column, DatasetError> {
        self.frame.column(name).map_err(|_| DatasetError::MissingColumn {
            path: self.path.clone(),
            column: name.to_owned(),
            found: self.frame.get_column_names().iter().map(|name| name.to_string()).collect(),
        })
    }

    /// A column of texts.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, DatasetError> {
        let series = self.typed(name, "text", |dtype| *dtype == DataType::String)?;
        let texts = series.str().expect("the type was checked");
        texts.iter().enumerate().map(|(row, text)| self.present(name, row, text.map(str::to_owned))).collect()
    }

    /// A column of integers of any width.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>, DatasetError> {
        let series = self.typed(name, "an integer", DataType::is_integer)?;
        let series = self.cast(series, DataType::Int64)?;
        let integers = series.i64().expect("just cast");
        integers.iter().enumerate().map(|(row, integer)| self.present(name, row, integer)).collect()
    }

    /// A column of floating-point numbers.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, DatasetError> {
        let series = self.typed(name, "a floating-point number", DataType::is_float)?;
        let series = self.cast(series, DataType::Float64)?;
        let numbers = series.f64().expect("just cast");
        numbers.iter().enumerate().map(|(row, number)| self.present(name, row, number)).collect()
    }

    /// A type error about a column.
    pub fn wrong_type(&self, column: &str, found: &DataType, expected: &'static str) -> DatasetError {
        DatasetError::ColumnType {
            path: self.path.clone(),
            column: column.to_owned(),
            found: found.to_string(),
            expected,
        }
    }

    /// `value`, or an error that says the column is null there.
    pub fn present<T>(&self, column: &str, row: usize, value: Option<T>) -> Result<T, DatasetError> {
        value.ok_or_else(|| self.at(row).wrong(format!("null in column `{column}`"), "a value"))
    }

    /// A column whose type is checked, so that a foreign file is refused as such and not row by row.
    fn typed(
        &self,
        name: &str,
        expected: &'static str,
        fits: impl Fn(&DataType) -> bool,
    ) -> Result<&Series, DatasetError> {
        let column = self.column(name)?;
        if !fits(column.dtype()) {
            return Err(self.wrong_type(name, column.dtype(), expected));
        }
        Ok(column.as_materialized_series())
    }

    /// Widens numbers: the hub has `int32` and `int64`, `float32` and, in older files, `float64`.
    fn cast(&self, series: &Series, dtype: DataType) -> Result<Series, DatasetError> {
        let reason = |error: polars::prelude::PolarsError| error.to_string();
        series.cast(&dtype).map_err(|error| DatasetError::Parquet { path: self.path.clone(), reason: reason(error) })
    }
}

/// What can be known without decoding: both magic words, and a footer that fits between them.
fn check_frame(bytes: &[u8]) -> Result<(), String> {
    let size = bytes.len();
    if size < 12 {
        return Err(format!("found {size} bytes, expected at least 12"));
    }
    if &bytes[..4] != MAGIC {
        return Err("it does not begin with `PAR1`".to_owned());
    }
    if &bytes[size - 4..] != MAGIC {
        return Err(format!("it does not end with `PAR1`, so it is cut or overwritten ({size} bytes)"));
    }
    let footer = u32::from_le_bytes(bytes[size - 8..size - 4].try_into().expect("four bytes")) as usize;
    if footer > size - 12 {
        return Err(format!("its footer claims {footer} bytes of {size}"));
    }
    Ok(())
}

thread_local! {
    /// Whether this thread is inside [`quietly`].
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `decode`, or answers `None` where it panics, without the panic's text on standard error.
///
/// polars asserts where a damaged file contradicts itself, so a panic there is a fact about the file. The bytes are the
/// call's own, so nothing half-changed outlives a caught panic; other threads' panics are shown as ever.
fn quietly<T>(decode: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !DECODING.get() {
                shown(panic);
            }
        }));
    });
    DECODING.set(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(false);
    decoded.ok()
}

/// The columns and the hub's features.
type Decoded = (DataFrame, Option<serde_json::Value>);

/// Everything that polars does. The metadata is read first: `finish` consumes the reader.
fn decode(bytes: Vec<u8>) -> polars::prelude::PolarsResult<Decoded> {
    // On this thread alone: `quietly` can't see others.
    let mut reader = ParquetReader::new(Cursor::new(bytes)).read_parallel(ParallelStrategy::None);
    let metadata = reader.get_metadata()?;
    let pairs = metadata.key_value_metadata.iter().flatten();
    let features = pairs.filter(|pair| pair.key == FEATURES_KEY).find_map(|pair| pair.value.as_deref());
    let features = features.and_then(|text| serde_json::from_str(text).ok());
    Ok((reader.finish()?, features))
}
