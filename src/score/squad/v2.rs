//! `evaluate-v2.0.py`: exact match and F1 with questions that have no answer, at a fixed no-answer threshold and, where
//! probabilities are given, at the best one.
//!
//! A question whose probability is *greater* than the threshold counts as unanswered, whatever was predicted; without
//! probabilities all are 0 and the predictions' own empty texts decide. "Has an answer" is a property of the data: a
//! question whose gold answers all normalise to nothing still counts there.

use super::answer::{Version, best_scores};
use super::threshold::Walk;
use super::{AveragePrecision, Best, Mean, Question, QuestionScore, SquadError, by_id, predictions_by_id};
use crate::score::Metric;
use crate::score::interval::{self, Interval};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Exact match and F1 over some of the questions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breakdown {
    /// Share of right answers.
    pub exact: Mean,
    /// Mean token F1.
    pub f1: Mean,
}

/// Everything the script says, and what it says it from.
#[derive(Clone, Debug)]
pub struct ScoresV2 {
    /// Over all questions, at the given threshold.
    pub overall: Breakdown,
    /// Over the questions with an answer, if there are any.
    pub has_answer: Option<Breakdown>,
    /// Over those without one, if there are any.
    pub no_answer: Option<Breakdown>,
    /// At the best thresholds; only with probabilities.
    pub best: Option<Best>,
    /// Precision-recall areas; only with probabilities and a question that has an answer.
    pub average_precision: Option<AveragePrecision>,
    /// Each question's scores before any threshold, in the data's order.
    pub raw: Vec<QuestionScore>,
    /// Each question's scores at the given threshold, in the data's order.
    pub questions: Vec<QuestionScore>,
    walk: Option<Walk>,
}

/// Scores predictions (id, text) for v2.0. `no_answer_probabilities` (id, probability) must stand in the order of their
/// file, which decides ties; any number that grows with "no answer" will do.
/// Entries for questions that are not asked are ignored, as in the script.
pub fn evaluate_v2(
    questions: &[Question],
    predictions: &[(String, String)],
    no_answer_probabilities: Option<&[(String, f64)]>,
    threshold: f64,
) -> Result<ScoresV2, SquadError> {
    let texts = texts_in_order(questions, predictions)?;
    let raw: Vec<QuestionScore> = questions.iter().zip(&texts).map(raw_score).collect();
    let ordered = no_answer_probabilities.map(|entries| ordered_probabilities(questions, entries)).transpose()?;
    let mut probabilities = vec![0.0; questions.len()];
    ordered.iter().flatten().for_each(|&(question, probability)| probabilities[question] = probability);
    let thresholded: Vec<QuestionScore> =
        raw.iter().zip(&probabilities).map(|(score, &p)| at_threshold(score, p > threshold)).collect();
    let answered: Vec<bool> = texts.iter().map(|text| !text.is_empty()).collect();
    let walk = ordered.map(|ordered| Walk::new(&ordered, &answered, &raw));
    Ok(ScoresV2 {
        overall: breakdown(&thresholded, |_| true).ok_or(SquadError::NoQuestions)?,
        has_answer: breakdown(&thresholded, |question| question.has_answer),
        no_answer: breakdown(&thresholded, |question| !question.has_answer),
        best: walk.as_ref().map(Walk::best),
        average_precision: walk.as_ref().and_then(Walk::average_precision),
        raw,
        questions: thresholded,
        walk,
    })
}

/// The predicted text of each question; the script ends with a KeyError where one is missing.
fn texts_in_order<'a>(questions: &[Question], predictions: &'a [(String, String)]) -> Result<Vec<&'a str>, SquadError> {
    let texts = predictions_by_id(questions, predictions)?;
    let missing: Vec<&Question> = questions.iter().filter(|question| !texts.contains_key(&*question.id)).collect();
    if let Some(first) = missing.first() {
        let (id, missing) = (first.id.clone(), missing.len());
        return Err(SquadError::MissingPrediction { id, missing, questions: questions.len() });
    }
    Ok(questions.iter().filter_map(|question| texts.get(&*question.id).copied()).collect())
}

fn raw_score((question, text): (&Question, &&str)) -> QuestionScore {
    let (exact, f1) =
        best_scores(Version::V2, &question.answers, text).expect("v2.0 always has an answer to compare with");
    QuestionScore { id: question.id.clone(), has_answer: !question.answers.is_empty(), exact, f1 }
}

/// (question, probability) in the file's order, without entries for questions that are not asked.
fn ordered_probabilities(questions: &[Question], entries: &[(String, f64)]) -> Result<Vec<(usize, f64)>, SquadError> {
    let given = by_id(entries.iter().map(|(id, value)| (id.as_str(), *value)), SquadError::DuplicateProbability)?;
    if let Some(question) = questions.iter().find(|question| !given.contains_key(&*question.id)) {
        return Err(SquadError::MissingProbability(question.id.clone()));
    }
    if let Some((id, _)) = entries.iter().find(|(_, value)| !value.is_finite()) {
        return Err(SquadError::ProbabilityNotFinite(id.clone()));
    }
    let position: HashMap<&str, usize> = questions.iter().enumerate().map(|(i, q)| (q.id.as_str(), i)).collect();
    Ok(entries.iter().filter_map(|(id, value)| Some((*position.get(id.as_str())?, *value))).collect())
}

fn at_threshold(raw: &QuestionScore, unanswered: bool) -> QuestionScore {
    let right = f64::from(!raw.has_answer);
    let (exact, f1) = if unanswered { (right, right) } else { (raw.exact, raw.f1) };
    QuestionScore { exact, f1, ..raw.clone() }
}

fn breakdown(scores: &[QuestionScore], which: fn(&QuestionScore) -> bool) -> Option<Breakdown> {
    let chosen = || scores.iter().filter(|question| which(question));
    chosen().next()?;
    Some(Breakdown { exact: Mean::of(chosen().map(|q| q.exact)), f1: Mean::of(chosen().map(|q| q.f1)) })
}

impl ScoresV2 {
    /// The script's own keys in its order, in percent; thresholds and totals as they are.
    pub fn official(&self) -> Map<String, Value> {
        let mut keys = Map::new();
        let parts = [("", Some(self.overall)), ("HasAns_", self.has_answer), ("NoAns_", self.no_answer)];
        for (prefix, part) in parts.into_iter().filter_map(|(prefix, part)| Some((prefix, part?))) {
            keys.insert(format!("{prefix}exact"), part.exact.percent().into());
            keys.insert(format!("{prefix}f1"), part.f1.percent().into());
            keys.insert(format!("{prefix}total"), part.exact.count.into());
        }
        if let Some(best) = self.best {
            keys.insert("best_exact".into(), best.exact.percent().into());
            keys.insert("best_exact_thresh".into(), best.exact_threshold.into());
            keys.insert("best_f1".into(), best.f1.percent().into());
            keys.insert("best_f1_thresh".into(), best.f1_threshold.into());
        }
        keys
    }

    /// A metric as a fraction; `None` for one that SQuAD 2.0 does not have, or a best one without probabilities.
    pub fn score(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::ExactMatch => Some(self.overall.exact.fraction()),
            Metric::F1 => Some(self.overall.f1.fraction()),
            Metric::BestExact => self.best.map(|best| best.exact.fraction()),
            Metric::BestF1 => self.best.map(|best| best.f1.fraction()),
            _ => None,
        }
    }

    /// Bootstrap interval of a metric over the questions, as fractions; the best thresholds are searched anew on every
    /// resample.
    pub fn interval(&self, metric: Metric, seed: u64) -> Option<Interval> {
        let of_mean = |value: fn(&QuestionScore) -> f64| {
            interval::of_mean(&self.questions.iter().map(value).collect::<Vec<_>>(), seed)
        };
        let examples = self.questions.len();
        match metric {
            Metric::ExactMatch => of_mean(|question| question.exact),
            Metric::F1 => of_mean(|question| question.f1),
            Metric::BestExact => {
                interval::bootstrap(examples, seed, |drawn| Some(self.walk.as_ref()?.best_exact(drawn)))
            }
            Metric::BestF1 => interval::bootstrap(examples, seed, |drawn| Some(self.walk.as_ref()?.best_f1(drawn))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> (Vec<Question>, Vec<(String, String)>) {
        let question = |id: &str, answers: &[&str]| Question {
            id: id.into(),
            answers: answers.iter().map(|answer| answer.to_string()).collect(),
        };
        let predictions = [("q1", "Paris"), ("q2", "Rome"), ("q3", "")];
        (
            vec![question("q1", &["paris"]), question("q2", &[]), question("q3", &["the", "."])],
            predictions.map(|(id, text)| (id.to_string(), text.to_string())).to_vec(),
        )
    }

    fn probabilities(values: [f64; 3]) -> Vec<(String, f64)> {
        ["q1", "q2", "q3"].iter().zip(values).map(|(id, value)| (id.to_string(), value)).collect()
    }

    #[test]
    fn golds_that_normalise_to_nothing_still_have_an_answer() {
        // q1 right, q2 answered though it has no answer, q3 right by the empty text
        let (questions, predictions) = data();
        let scores = evaluate_v2(&questions, &predictions, None, 1.0).unwrap();
        assert_eq!(scores.overall.exact, Mean { sum: 2.0, count: 3 });
        assert_eq!(scores.has_answer.unwrap().exact, Mean { sum: 2.0, count: 2 });
        assert_eq!(scores.no_answer.unwrap().f1, Mean { sum: 0.0, count: 1 });
        assert_eq!(scores.score(Metric::BestF1), None);
    }

    #[test]
    fn the_threshold_is_strict() {
        let (questions, predictions) = data();
        let at = |threshold| {
            evaluate_v2(&questions, &predictions, Some(&probabilities([0.1, 0.7, 0.2])), threshold).unwrap()
        };
        assert_eq!(at(0.7).overall.exact.sum, 2.0);
        assert_eq!(at(0.69).overall.exact.sum, 3.0);
    }

    #[test]
    fn missing_entries_are_named() {
        let (questions, predictions) = data();
        let error = evaluate_v2(&questions, &predictions[..1], None, 1.0).unwrap_err();
        assert_eq!(error, SquadError::MissingPrediction { id: "q2".into(), missing: 2, questions: 3 });
        let some = &probabilities([0.0; 3])[1..];
        let error = evaluate_v2(&questions, &predictions, Some(some), 1.0).unwrap_err();
        assert_eq!(error, SquadError::MissingProbability("q1".into()));
    }

    #[test]
    fn probabilities_that_are_not_finite_are_refused() {
        let (questions, predictions) = data();
        let error = evaluate_v2(&questions, &predictions, Some(&probabilities([0.0, f64::NAN, 0.0])), 1.0).unwrap_err();
        assert_eq!(error, SquadError::ProbabilityNotFinite("q2".into()));
    }
}
