//! SQuAD in the hub's parquet: `answers` is a struct of two lists, `text` and `answer_start`, of equal length.

use super::Question;
use crate::dataset::DatasetError;
use crate::dataset::parquet::Table;
use polars::prelude::{DataType, ListChunked, Series};
use std::path::Path;

const ANSWERS: &str = "answers";
const EXPECTED: &str = "a struct of `text`, a list of texts, and `answer_start`, a list of integers";

/// Every question of a file, in its order.
pub(super) fn questions(path: &Path) -> Result<Vec<Question>, DatasetError> {
    let table = Table::open(path)?;
    let answers = answers(&table)?;
    let contexts = table.texts("context")?.into_iter().zip(answers);
    let rows = table.texts("id")?.into_iter().zip(table.texts("question")?).zip(contexts);
    let questions =
        rows.map(|((id, question), (context, answers))| Question { id, question, context, answers, impossible: None });
    Ok(questions.collect())
}

/// Text and offset of each gold answer of a row.
type Answers = Vec<(String, i64)>;

/// The column of answers, its types checked before any row is read.
fn answers(table: &Table) -> Result<Vec<Answers>, DatasetError> {
    let column = table.column(ANSWERS)?;
    let fields = list_fields(column.as_materialized_series());
    let (texts, starts) = fields.ok_or_else(|| table.wrong_type(ANSWERS, column.dtype(), EXPECTED))?;
    (0..table.rows()).map(|row| row_answers(table, &texts, &starts, row)).collect()
}

/// The two lists of the struct, if it is one with these fields and types.
fn list_fields(series: &Series) -> Option<(ListChunked, ListChunked)> {
    let answers = series.struct_().ok()?;
    let texts = answers.field_by_name("text").ok()?.list().ok()?.clone();
    let starts = answers.field_by_name("answer_start").ok()?.list().ok()?.clone();
    let typed = *texts.inner_dtype() == DataType::String && starts.inner_dtype().is_integer();
    typed.then_some((texts, starts))
}

/// One row: lists of unequal length can't be paired, whichever of them is right.
fn row_answers(table: &Table, texts: &ListChunked, starts: &ListChunked, row: usize) -> Result<Answers, DatasetError> {
    let texts = table.present(ANSWERS, row, texts.get_as_series(row))?;
    let starts = table.present(ANSWERS, row, starts.get_as_series(row))?;
    if texts.len() != starts.len() {
        let found = format!("{} texts and {} offsets", texts.len(), starts.len());
        return Err(table.at(row).wrong(found, "as many of both"));
    }
    let starts = starts.cast(&DataType::Int64).ok();
    let pairs = starts.as_ref().and_then(|starts| whole_pairs(&texts, starts));
    table.present(ANSWERS, row, pairs)
}

/// `None` where an element is null.
fn whole_pairs(texts: &Series, starts: &Series) -> Option<Answers> {
    let pairs = texts.str().ok()?.iter().zip(starts.i64().ok()?.iter());
    pairs.map(|(text, start)| Some((text?.to_owned(), start?))).collect()
}
