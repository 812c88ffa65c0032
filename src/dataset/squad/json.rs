//! The official SQuAD JSON: articles, their paragraphs, each with its questions.
//!
//! v2.0 adds `is_impossible` and, for unanswerable questions, `plausible_answers` (not read: they are not gold).

use super::Question;
use crate::dataset::DatasetError;
use crate::dataset::error::bytes_of;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

/// A context, which every question about it gets a copy of: an [`Example`](crate::dataset::Example) stands alone.
#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    question: String,
    answers: Vec<Span>,
    is_impossible: Option<bool>,
}

/// A gold answer; the offset counts code points.
#[derive(Deserialize)]
struct Span {
    text: String,
    answer_start: i64,
}

/// Every question of a file, in its order.
pub(super) fn questions(path: &Path) -> Result<Vec<Question>, DatasetError> {
    let file: File = serde_json::from_slice(&bytes_of(path)?).map_err(|error| DatasetError::Json {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
        reason: reason(&error),
    })?;
    let paragraphs = file.data.into_iter().flat_map(|article| article.paragraphs);
    Ok(paragraphs.flat_map(in_paragraph).collect())
}

/// serde_json ends its messages with the place, which ours begin with.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// The questions of a paragraph.
fn in_paragraph(paragraph: Paragraph) -> impl Iterator<Item = Question> {
    let context = paragraph.context;
    paragraph.qas.into_iter().map(move |entry| Question {
        id: entry.id,
        question: entry.question,
        context: context.clone(),
        answers: entry.answers.into_iter().map(|span| (span.text, span.answer_start)).collect(),
        impossible: entry.is_impossible,
    })
}
