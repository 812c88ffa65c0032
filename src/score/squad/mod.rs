//! SQuAD's official scores: `evaluate-v1.1.py` and `evaluate-v2.0.py`, number for number.
//!
//! The two scripts normalise alike (`normalize`) and disagree on what is left empty: F1 of two empty texts is 0 in
//! v1.1 and 1 in v2.0. A question that has no prediction scores 0 in v1.1 and ends v2.0. Both ignore predictions for
//! questions that are not asked. All sums run in the data's order, so that results agree to the last digit.

mod answer;
pub mod files;
mod normalize;
mod threshold;
mod v1;
mod v2;

pub use normalize::normalize_answer;
pub use threshold::{AveragePrecision, Best};
pub use v1::{ScoresV1, evaluate_v1};
pub use v2::{Breakdown, ScoresV2, evaluate_v2};

use std::collections::HashMap;

/// A question with its gold answers, as published; none means unanswerable (v2.0 only).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The question's id.
    pub id: String,
    /// The texts of its gold answers.
    pub answers: Vec<String>,
}

/// What one question got, both in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionScore {
    /// The question's id.
    pub id: String,
    /// Whether it has a gold answer.
    pub has_answer: bool,
    /// 1 if the prediction equals a gold answer after normalisation.
    pub exact: f64,
    /// The best token F1 over the gold answers.
    pub f1: f64,
}

/// A mean, kept as sum and count: the scripts print `100.0 * sum / count`, whose last digit is not that of
/// `100.0 * (sum / count)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Sum over the questions, in their order.
    pub sum: f64,
    /// Questions.
    pub count: usize,
}

impl Mean {
    fn of(values: impl Iterator<Item = f64>) -> Mean {
        values.fold(Mean { sum: 0.0, count: 0 }, |mean, value| Mean { sum: mean.sum + value, count: mean.count + 1 })
    }

    /// As every score of ours.
    pub fn fraction(self) -> f64 {
        self.sum / self.count as f64
    }

    /// As the official scripts print it.
    pub fn percent(self) -> f64 {
        100.0 * self.sum / self.count as f64
    }
}

/// Why a set of answers has no score.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SquadError {
    /// Nothing to score.
    #[error("no question to score")]
    NoQuestions,
    /// v2.0: every question needs a prediction.
    #[error("no prediction for question `{id}` ({missing} of {questions} questions have none)")]
    MissingPrediction { id: String, missing: usize, questions: usize },
    /// v1.1: every question has an answer.
    #[error("question `{0}` has no gold answer, which SQuAD 1.1 does not know (is it SQuAD 2.0?)")]
    NoGoldAnswer(String),
    /// v2.0: with probabilities, every question needs one.
    #[error("no no-answer probability for question `{0}`")]
    MissingProbability(String),
    /// NaN has no place in an order.
    #[error("no-answer probability of question `{0}` is not a finite number")]
    ProbabilityNotFinite(String),
    /// Data with an id twice; the scripts would score it twice (v1.1) or once (v2.0).
    #[error("two questions have the id `{0}`")]
    DuplicateQuestion(String),
    /// The scripts would silently take the last one.
    #[error("two predictions for question `{0}`")]
    DuplicatePrediction(String),
    /// The scripts would silently take the last one.
    #[error("two no-answer probabilities for question `{0}`")]
    DuplicateProbability(String),
}

/// The threshold of `evaluate-v2.0.py` where none is given: only a probability above 1 would pass it.
pub const OFFICIAL_THRESHOLD: f64 = 1.0;

/// Values by id; a second one with the same id is the given error.
fn by_id<'a, T>(
    entries: impl Iterator<Item = (&'a str, T)>,
    duplicate: fn(String) -> SquadError,
) -> Result<HashMap<&'a str, T>, SquadError> {
    let mut map = HashMap::new();
    for (id, value) in entries {
        if map.insert(id, value).is_some() {
            return Err(duplicate(id.to_string()));
        }
    }
    Ok(map)
}

/// Predictions by question id, once questions and predictions are proven to be sound.
fn predictions_by_id<'a>(
    questions: &[Question],
    predictions: &'a [(String, String)],
) -> Result<HashMap<&'a str, &'a str>, SquadError> {
    if questions.is_empty() {
        return Err(SquadError::NoQuestions);
    }
    by_id(questions.iter().map(|question| (question.id.as_str(), ())), SquadError::DuplicateQuestion)?;
    by_id(predictions.iter().map(|(id, text)| (id.as_str(), text.as_str())), SquadError::DuplicatePrediction)
}
