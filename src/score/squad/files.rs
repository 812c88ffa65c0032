//! The official SQuAD files: the data set as JSON, and predictions or no-answer probabilities as one JSON object by id.
//!
//! Objects are read as lists, because the order of the probabilities decides ties, and because an id that stands twice
//! is an error here (Python would keep the last value without a word).

use super::Question;
use crate::score::files::{FileError, read_text};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// `{"data": [{"paragraphs": [{"qas": […]}]}]}`; whatever else the files hold does not matter to a score.
#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    qas: Vec<QuestionAndAnswers>,
}

#[derive(Deserialize)]
struct QuestionAndAnswers {
    id: String,
    answers: Vec<AnswerText>,
}

#[derive(Deserialize)]
struct AnswerText {
    text: String,
}

/// The questions of a data set in SQuAD's JSON format, in its order.
pub fn read_questions(path: &Path) -> Result<Vec<Question>, FileError> {
    let file: File = read_json(path)?;
    let questions = file.data.into_iter().flat_map(|article| article.paragraphs).flat_map(|paragraph| paragraph.qas);
    Ok(questions
        .map(|QuestionAndAnswers { id, answers }| Question {
            id,
            answers: answers.into_iter().map(|answer| answer.text).collect(),
        })
        .collect())
}

/// Predicted texts by question id, in the file's order.
pub fn read_predictions(path: &Path) -> Result<Vec<(String, String)>, FileError> {
    read_json::<Entries<String>>(path).map(|entries| entries.0)
}

/// No-answer probabilities by question id, in the file's order.
pub fn read_probabilities(path: &Path) -> Result<Vec<(String, f64)>, FileError> {
    read_json::<Entries<f64>>(path).map(|entries| entries.0)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| FileError::of(path, error.to_string()))
}

/// An object as the list of its entries.
struct Entries<T>(Vec<(String, T)>);

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with a value per question id")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        while let Some(id) = map.next_key::<String>()? {
            if !seen.insert(id.clone()) {
                return Err(A::Error::custom(format!("id `{id}` stands twice")));
            }
            let value = map.next_value()?;
            entries.push((id, value));
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, read: fn(&Path) -> Result<T, FileError>) -> Result<T, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
    }

    #[test]
    fn entries_keep_the_order_of_the_file() {
        let entries = read(r#"{"b": 0.5, "a": 1}"#, read_probabilities).unwrap();
        assert_eq!(entries, [("b".to_string(), 0.5), ("a".to_string(), 1.0)]);
    }

    #[test]
    fn an_id_that_stands_twice_is_named_with_its_line() {
        let error = read("{\"a\": \"x\",\n \"a\": \"y\"}", read_predictions).unwrap_err();
        assert!(error.starts_with("FILE: id `a` stands twice at line 2"), "{error}");
    }

    #[test]
    fn questions_are_read_from_the_published_layout() {
        let text = r#"{"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": [
            {"id": "q1", "question": "?", "answers": [{"text": "x", "answer_start": 0}]},
            {"id": "q2", "question": "?", "answers": [], "is_impossible": true}]}]}]}"#;
        let expected = [
            Question { id: "q1".into(), answers: vec!["x".into()] },
            Question { id: "q2".into(), answers: Vec::new() },
        ];
        assert_eq!(read(text, read_questions).unwrap(), expected);
    }

    #[test]
    fn other_json_says_what_was_expected() {
        assert!(read("[]", read_predictions).unwrap_err().contains("expected an object with a value per question id"));
        assert!(read("{}", read_questions).unwrap_err().contains("missing field `data`"));
        assert!(read(r#"{"q": 1}"#, read_predictions).unwrap_err().contains("expected a string at line 1"));
        assert!(read(r#"{"q": NaN}"#, read_probabilities).unwrap_err().contains("line 1"));
    }
}
