//! `evaluate-v1.1.py`: exact match and F1 over all questions; one without a prediction scores 0.

use super::answer::{Version, best_scores};
use super::{Mean, Question, QuestionScore, SquadError, predictions_by_id};
use crate::score::Metric;
use crate::score::interval::{self, Interval};
use serde_json::{Map, Value};

/// Everything the script says, and what it says it from.
#[derive(Clone, Debug)]
pub struct ScoresV1 {
    /// Share of answers equal to a gold answer.
    pub exact_match: Mean,
    /// Mean token F1.
    pub f1: Mean,
    /// Ids of the questions without a prediction, which scored 0.
    pub unanswered: Vec<String>,
    /// Each question's scores, in the data's order.
    pub questions: Vec<QuestionScore>,
}

/// Scores predictions (id, text) for v1.1. Predictions for questions that are not asked are ignored, as in the script.
pub fn evaluate_v1(questions: &[Question], predictions: &[(String, String)]) -> Result<ScoresV1, SquadError> {
    let texts = predictions_by_id(questions, predictions)?;
    let mut scored = Vec::with_capacity(questions.len());
    let mut unanswered = Vec::new();
    for Question { id, answers } in questions {
        let (exact, f1) = match texts.get(id.as_str()) {
            Some(text) => best_scores(Version::V1, answers, text).ok_or(SquadError::NoGoldAnswer(id.clone()))?,
            None => {
                unanswered.push(id.clone());
                (0.0, 0.0)
            }
        };
        scored.push(QuestionScore { id: id.clone(), has_answer: !answers.is_empty(), exact, f1 });
    }
    let exact_match = Mean::of(scored.iter().map(|question| question.exact));
    let f1 = Mean::of(scored.iter().map(|question| question.f1));
    Ok(ScoresV1 { exact_match, f1, unanswered, questions: scored })
}

impl ScoresV1 {
    /// The script's own keys, in percent.
    pub fn official(&self) -> Map<String, Value> {
        let mut keys = Map::new();
        keys.insert("exact_match".into(), self.exact_match.percent().into());
        keys.insert("f1".into(), self.f1.percent().into());
        keys
    }

    /// A metric as a fraction; `None` for one that SQuAD 1.1 does not have.
    pub fn score(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::ExactMatch => Some(self.exact_match.fraction()),
            Metric::F1 => Some(self.f1.fraction()),
            _ => None,
        }
    }

    /// Bootstrap interval of a metric over the questions, as fractions.
    pub fn interval(&self, metric: Metric, seed: u64) -> Option<Interval> {
        let value: fn(&QuestionScore) -> f64 = match metric {
            Metric::ExactMatch => |question| question.exact,
            Metric::F1 => |question| question.f1,
            _ => return None,
        };
        interval::of_mean(&self.questions.iter().map(value).collect::<Vec<_>>(), seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: &str, answers: &[&str]) -> Question {
        Question { id: id.into(), answers: answers.iter().map(|answer| answer.to_string()).collect() }
    }

    fn prediction(id: &str, text: &str) -> (String, String) {
        (id.into(), text.into())
    }

    #[test]
    fn a_question_without_a_prediction_scores_zero_and_is_named() {
        let questions = [question("q1", &["Paris"]), question("q2", &["Rome"])];
        let scores = evaluate_v1(&questions, &[prediction("q1", "paris"), prediction("other", "x")]).unwrap();
        assert_eq!((scores.exact_match.percent(), scores.f1.fraction()), (50.0, 0.5));
        assert_eq!(scores.unanswered, ["q2"]);
    }

    #[test]
    fn a_question_without_gold_answers_is_an_error() {
        let error = evaluate_v1(&[question("q1", &[])], &[prediction("q1", "x")]).unwrap_err();
        assert_eq!(error, SquadError::NoGoldAnswer("q1".into()));
    }

    #[test]
    fn duplicates_and_empty_data_are_errors() {
        let questions = [question("q1", &["x"])];
        let twice = [prediction("q1", "x"), prediction("q1", "y")];
        assert_eq!(evaluate_v1(&questions, &twice).unwrap_err(), SquadError::DuplicatePrediction("q1".into()));
        assert_eq!(evaluate_v1(&[], &twice).unwrap_err(), SquadError::NoQuestions);
    }

    #[test]
    fn intervals_hold_the_score() {
        let questions: Vec<_> = (0..100).map(|i| question(&i.to_string(), &["x"])).collect();
        let predictions: Vec<_> =
            (0..100).map(|i| prediction(&i.to_string(), if i % 4 == 0 { "y" } else { "x" })).collect();
        let scores = evaluate_v1(&questions, &predictions).unwrap();
        let (low, high) = scores.interval(Metric::ExactMatch, 1).unwrap();
        assert!(low < 0.75 && 0.75 < high);
        assert_eq!(scores.interval(Metric::Accuracy, 1), None);
    }
}
