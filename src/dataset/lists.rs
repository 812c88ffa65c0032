//! Rows of other forms from the hub's parquet: tagged sentences (CoNLL-2003), and texts with endings (SWAG).

use super::error::quoted;
use super::parquet::Table;
use super::{DatasetError, Example, Label, Loaded, label};
use crate::task::{Split, Task};
use polars::prelude::{DataType, Series};
use std::path::Path;

/// The sentences of a file, each a list of words and one of tags.
///
/// # Errors
/// Lists of unequal length, an empty word, a tag past the task's, tags in another order than the task's.
pub(super) fn read_tagged(path: &Path, task: &Task, (words, tags): (&str, &str)) -> Result<Loaded, DatasetError> {
    let table = Table::open(path)?;
    prove_names(&table, task, tags)?;
    let all_words = table.lists(words, "a list of texts", |dtype| *dtype == DataType::String)?;
    let all_tags = table.lists(tags, "a list of integers", DataType::is_integer)?;
    let row = |row: usize| {
        let (words, tags) = (table.texts_of(words, row, &all_words)?, table.integers_of(tags, row, &all_tags)?);
        sentence(&table, task, row, words, &tags)
    };
    let examples: Result<Vec<Example>, DatasetError> = (0..table.rows()).map(row).collect();
    Ok(Loaded { examples: examples?, path: path.to_owned(), warnings: Vec::new() })
}

fn sentence(table: &Table, task: &Task, row: usize, words: Vec<String>, tags: &[i64]) -> Result<Example, DatasetError> {
    let at = table.at(row);
    if words.len() != tags.len() || words.is_empty() {
        return Err(at.wrong(format!("{} words and {} tags", words.len(), tags.len()), "as many of both, at least one"));
    }
    if words.iter().any(|word| word.trim().is_empty()) {
        return Err(at.wrong("a word without a character", "words"));
    }
    let tag = |tag: &i64| {
        let known = u32::try_from(*tag).ok().filter(|tag| (*tag as usize) < task.labels.len());
        known.ok_or_else(|| at.wrong(format!("tag {tag}"), format!("0 to {}", task.labels.len() - 1)))
    };
    let label = Some(Label::Tags(tags.iter().map(tag).collect::<Result<_, _>>()?));
    Ok(Example { id: row.to_string(), first: words.join(" "), second: None, parts: words, label })
}

/// Tags are numbers, which mean nothing until the file has named them; a mirror may have lost the names.
fn prove_names(table: &Table, task: &Task, column: &str) -> Result<(), DatasetError> {
    match table.item_names(column) {
        Some(names) if names != task.labels => Err(DatasetError::LabelNames {
            path: table.path.clone(),
            found: quoted(&names),
            expected: quoted(task.labels),
        }),
        _ => Ok(()),
    }
}

/// The rows of a file of texts, each with the beginning of what follows and its endings.
///
/// # Errors
/// A label past the endings, one hidden where it may not be.
pub(super) fn read_endings(
    path: &Path,
    split: &Split,
    (text, beginning, endings): (&str, &str, &[&str]),
) -> Result<Loaded, DatasetError> {
    let table = Table::open(path)?;
    let (texts, beginnings) = (table.texts(text)?, table.texts(beginning)?);
    let endings = endings.iter().map(|ending| table.texts(ending)).collect::<Result<Vec<_>, _>>()?;
    let labels = table.integers("label")?;
    let row = |(row, ((first, beginning), number)): (usize, ((String, String), i64))| {
        let label = label::choice(split, endings.len(), number, &table.at(row))?;
        let parts = endings.iter().map(|ending| joined(&beginning, &ending[row])).collect();
        Ok(Example { id: row.to_string(), first, second: None, parts, label })
    };
    let examples: Result<Vec<Example>, DatasetError> =
        texts.into_iter().zip(beginnings).zip(labels).enumerate().map(row).collect();
    Ok(Loaded { examples: examples?, path: path.to_owned(), warnings: Vec::new() })
}

fn joined(beginning: &str, ending: &str) -> String {
    if beginning.is_empty() { ending.to_owned() } else { format!("{beginning} {ending}") }
}

impl Table {
    /// A column of lists whose items are of a type.
    fn lists(
        &self,
        name: &str,
        expected: &'static str,
        fits: impl Fn(&DataType) -> bool,
    ) -> Result<polars::prelude::ListChunked, DatasetError> {
        let column = self.column(name)?;
        let lists = column.as_materialized_series().list().ok().filter(|lists| fits(lists.inner_dtype()));
        lists.cloned().ok_or_else(|| self.wrong_type(name, column.dtype(), expected))
    }

    fn items(&self, name: &str, row: usize, lists: &polars::prelude::ListChunked) -> Result<Series, DatasetError> {
        self.present(name, row, lists.get_as_series(row))
    }

    fn texts_of(
        &self,
        name: &str,
        row: usize,
        lists: &polars::prelude::ListChunked,
    ) -> Result<Vec<String>, DatasetError> {
        let items = self.items(name, row, lists)?;
        let texts: Option<Vec<String>> =
            items.str().ok().and_then(|items| items.iter().map(|item| item.map(str::to_owned)).collect());
        self.present(name, row, texts)
    }

    fn integers_of(
        &self,
        name: &str,
        row: usize,
        lists: &polars::prelude::ListChunked,
    ) -> Result<Vec<i64>, DatasetError> {
        let items = self.items(name, row, lists)?.cast(&DataType::Int64).ok();
        let integers: Option<Vec<i64>> =
            items.as_ref().and_then(|items| items.i64().ok()).and_then(|items| items.iter().collect());
        self.present(name, row, integers)
    }
}
