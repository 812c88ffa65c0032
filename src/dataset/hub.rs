//! GLUE rows from the hub's parquet: text columns as the task's schema names them, `label`, and `idx` as the id.

use super::error::quoted;
use super::parquet::Table;
use super::{DatasetError, Example, Label, Loaded, label};
use crate::task::{Head, Split, Task};
use polars::prelude::DataType;
use std::path::Path;

/// Every GLUE config has its label in a column of this name, test splits too.
const LABEL: &str = "label";

/// The rows of a file.
pub(super) fn read(path: &Path, task: &Task, split: &Split) -> Result<Loaded, DatasetError> {
    let table = Table::open(path)?;
    let mut texts = task.schema.text_columns().into_iter().map(|column| table.texts(column));
    let first = texts.next().transpose()?.unwrap_or_default();
    let mut second = texts.next().transpose()?.map(Vec::into_iter);
    let labels = labels(&table, task, split)?;
    let rows = table.integers("idx")?.into_iter().zip(first).zip(labels);
    let examples = rows.map(|((index, first), label)| Example {
        id: index.to_string(),
        first,
        second: second.as_mut().and_then(Iterator::next),
        parts: Vec::new(),
        label,
    });
    Ok(Loaded { examples: examples.collect(), path: path.to_owned(), warnings: Vec::new() })
}

/// The label column: scores, names, or numbers whose names the file proves.
fn labels(table: &Table, task: &Task, split: &Split) -> Result<Vec<Option<Label>>, DatasetError> {
    if task.head == Head::Regression {
        let numbers = table.numbers(LABEL)?.into_iter().enumerate();
        return numbers.map(|(row, number)| label::score(split, number, &table.at(row))).collect();
    }
    // Our own data may spell labels out; names prove themselves.
    if *table.column(LABEL)?.dtype() == DataType::String {
        let names = table.texts(LABEL)?.into_iter().enumerate();
        return names.map(|(row, name)| label::named(task, &name, &table.at(row))).collect();
    }
    let numbers = table.integers(LABEL)?;
    prove_names(table, task)?;
    numbers.into_iter().enumerate().map(|(row, number)| label::class(task, split, number, &table.at(row))).collect()
}

/// Sources order labels differently (MNLI most of all): numbers mean nothing until the file has named them.
fn prove_names(table: &Table, task: &Task) -> Result<(), DatasetError> {
    let names = table.class_names(LABEL);
    if names.as_deref().is_some_and(|names| names == task.labels) {
        return Ok(());
    }
    Err(DatasetError::LabelNames {
        path: table.path.clone(),
        found: names.map_or_else(|| "not in the file".to_owned(), |names| quoted(&names)),
        expected: quoted(task.labels),
    })
}
