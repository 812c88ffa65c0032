//! Tables as parquet bytes, with the `huggingface` metadata that names columns and labels.
//!
//! One thread and one row group, so that the same rows give the same bytes.

use polars::io::parquet::write::KeyValueMetadata;
use polars::prelude::{Column, DataFrame, IntoSeries, NamedFrom, ParquetWriter, PolarsResult, Series, StructChunked};
use serde_json::{Map, Value, json};

use crate::glue::Row;
use crate::ner::Tagged;
use crate::questions::Question;
use repro::task::{Head, Schema, Task};

/// A GLUE split in the hub's columns; `hidden` replaces every label by -1.
pub fn glue(task: &Task, rows: &[Row], hidden: bool) -> PolarsResult<Vec<u8>> {
    let mut columns = Vec::new();
    let mut features = Map::new();
    for (index, name) in text_columns(task.schema).into_iter().enumerate() {
        let texts: Vec<&str> = rows.iter().map(|row| row.sentences[index].as_str()).collect();
        columns.push(Column::new(name.into(), texts));
        features.insert(name.into(), value("string"));
    }
    let label = |row: &Row| if hidden { -1.0 } else { row.label };
    if task.head == Head::Regression {
        columns.push(Column::new("label".into(), rows.iter().map(|row| label(row) as f32).collect::<Vec<_>>()));
        features.insert("label".into(), value("float32"));
    } else {
        columns.push(Column::new("label".into(), rows.iter().map(|row| label(row) as i64).collect::<Vec<_>>()));
        features.insert("label".into(), json!({"names": task.labels, "_type": "ClassLabel"}));
    }
    columns.push(Column::new("idx".into(), (0..rows.len() as i32).collect::<Vec<_>>()));
    features.insert("idx".into(), value("int32"));
    bytes(columns, features)
}

/// A SQuAD split: `answers` is a struct of two lists.
pub fn squad(rows: &[Question], split: &str) -> PolarsResult<Vec<u8>> {
    let column = |name: &str, texts: Vec<String>| Column::new(name.into(), texts);
    let text = |row: &Question| row.answer.iter().cloned().collect::<Vec<String>>();
    let start = |row: &Question| row.answer.iter().map(|_| row.start as i32).collect::<Vec<i32>>();
    let texts: Vec<Series> = rows.iter().map(|row| Series::new("".into(), text(row))).collect();
    let starts: Vec<Series> = rows.iter().map(|row| Series::new("".into(), start(row))).collect();
    let lists = [Series::new("text".into(), texts), Series::new("answer_start".into(), starts)];
    let answers = StructChunked::from_series("answers".into(), rows.len(), lists.iter())?;
    let columns = vec![
        column("id", (0..rows.len()).map(|index| format!("mini-{split}-{index:04}")).collect()),
        column("title", rows.iter().map(|row| row.title.to_string()).collect()),
        column("context", rows.iter().map(|row| row.context.clone()).collect()),
        column("question", rows.iter().map(|row| row.question.clone()).collect()),
        answers.into_series().into(),
    ];
    let mut features: Map<String, Value> =
        ["id", "title", "context", "question"].iter().map(|name| (name.to_string(), value("string"))).collect();
    let answers = json!({"text": value("string"), "answer_start": value("int32")});
    features.insert("answers".into(), json!({"feature": answers, "_type": "Sequence"}));
    bytes(columns, features)
}

/// A split of tagged sentences: `tokens`, and `ner_tags` with the names of the numbers.
pub fn tagged(task: &Task, rows: &[Tagged]) -> PolarsResult<Vec<u8>> {
    let tokens: Vec<Series> = rows.iter().map(|row| Series::new("".into(), &row.tokens)).collect();
    let numbers = |row: &Tagged| row.tags.iter().map(|tag| *tag as i64).collect::<Vec<i64>>();
    let tags: Vec<Series> = rows.iter().map(|row| Series::new("".into(), numbers(row))).collect();
    let columns = vec![
        Column::new("id".into(), (0..rows.len()).map(|index| index.to_string()).collect::<Vec<_>>()),
        Column::new("tokens".into(), tokens),
        Column::new("ner_tags".into(), tags),
    ];
    let list = |feature: Value| json!({"feature": feature, "_type": "Sequence"});
    let mut features = Map::new();
    features.insert("id".into(), value("string"));
    features.insert("tokens".into(), list(value("string")));
    features.insert("ner_tags".into(), list(json!({"names": task.labels, "_type": "ClassLabel"})));
    bytes(columns, features)
}

fn text_columns(schema: Schema) -> Vec<&'static str> {
    match schema {
        Schema::Single(text) => vec![text],
        Schema::Pair(first, second) => vec![first, second],
        _ => Vec::new(),
    }
}

fn value(dtype: &str) -> Value {
    json!({"dtype": dtype, "_type": "Value"})
}

fn bytes(columns: Vec<Column>, features: Map<String, Value>) -> PolarsResult<Vec<u8>> {
    let information = json!({"info": {"features": features}}).to_string();
    let metadata = KeyValueMetadata::from_static(vec![("huggingface".to_string(), information)]);
    let mut frame = DataFrame::new_infer_height(columns)?;
    let mut file = Vec::new();
    ParquetWriter::new(&mut file).set_parallel(false).with_key_value_metadata(Some(metadata)).finish(&mut frame)?;
    Ok(file)
}
