//! From start and end logits to answer texts, as `postprocess_qa_predictions` of Hugging Face's utils_qa.py does it.
//!
//! Per window the `n_best_size` highest starts meet the `n_best_size` highest ends; a pair is a candidate if both lie on
//! context tokens, in order, and at most `max_answer_length` tokens apart. Candidates of all windows of an example are
//! pooled and the best `n_best_size` kept, by the sum of their logits, in the order of their discovery on a tie.
//! (Equal logits of one window: the earlier position first, as in the released BERT code; numpy leaves that open.)
//!
//! With unanswerable questions the null score is the *minimum* over the windows of the logits on `[CLS]`; the answer is
//! empty where null score minus best candidate (`null_odds`) exceeds the threshold. Where no candidate is valid, the text
//! is "empty" with scores of 0, as in utils_qa.py (the released code says "empty" too).
//!
//! Sums are made in f32 like the reference's, so that ties and thresholds fall alike; probabilities in f64.

use super::{EncodeError, Features};
use crate::dataset::Example;

/// What decides how answers are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerSettings {
    /// Starts, ends and candidates kept.
    pub n_best_size: usize,
    /// Longest answer, in tokens.
    pub max_answer_length: usize,
    /// Whether a question may have no answer (SQuAD 2.0).
    pub unanswerable: bool,
    /// SQuAD 2.0: null odds above which the answer is empty.
    pub null_threshold: f32,
    /// Whether a start must lie in the window where its token has most context (released BERT code).
    pub max_context: bool,
}

/// A candidate answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its text, cut from the context.
    pub text: String,
    /// Logit of its first token.
    pub start_logit: f32,
    /// Logit of its last token.
    pub end_logit: f32,
    /// Softmax of its score among the example's n-best.
    pub probability: f64,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerPrediction {
    /// Question id.
    pub id: String,
    /// The answer; the empty string for none.
    pub text: String,
    /// Null score minus the best answer's score; `None` unless questions may be unanswerable.
    pub null_odds: Option<f64>,
    /// The best candidates, best first; with unanswerable questions the null answer (empty text) is one of them.
    pub n_best: Vec<Candidate>,
}

/// A candidate before its text is cut out: code points in the context, and logits.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) offsets: (u32, u32),
    pub(super) start_logit: f32,
    pub(super) end_logit: f32,
}

impl Span {
    pub(super) fn score(&self) -> f32 {
        self.start_logit + self.end_logit
    }

    fn is_null(&self) -> bool {
        self.offsets == (0, 0)
    }
}

/// Answers every example, in order.
///
/// `start_logits` and `end_logits` have a row a feature, each at least as long as its sequence; entries beyond it stand
/// for padding, on which nothing can start, though they take part in the choice of the highest.
pub fn predict(
    examples: &[Example],
    features: &[Features],
    start_logits: &[Vec<f32>],
    end_logits: &[Vec<f32>],
    settings: &AnswerSettings,
) -> Result<Vec<AnswerPrediction>, EncodeError> {
    check(features, start_logits, end_logits)?;
    let mut pools = vec![Pool::default(); examples.len()];
    for (index, window) in features.iter().enumerate() {
        let pool = pools.get_mut(window.example);
        let pool = pool.ok_or_else(|| logits_error(index, "its example is not in the split".to_owned()))?;
        pool.add(window, &start_logits[index], &end_logits[index], settings);
    }
    Ok(examples.iter().zip(pools).map(|(example, pool)| pool.choose(example, settings)).collect())
}

fn check(features: &[Features], starts: &[Vec<f32>], ends: &[Vec<f32>]) -> Result<(), EncodeError> {
    let rows = starts.len().min(ends.len());
    if starts.len() != features.len() || ends.len() != features.len() {
        return Err(logits_error(
            rows,
            format!("{} windows, {} and {} rows", features.len(), starts.len(), ends.len()),
        ));
    }
    for (index, window) in features.iter().enumerate() {
        let (tokens, found) = (window.input_ids.len(), starts[index].len().min(ends[index].len()));
        if found < tokens {
            return Err(logits_error(index, format!("{found} logits for {tokens} tokens")));
        }
        // A NaN would silently win or lose every comparison, and two infinities make one.
        if starts[index].iter().chain(&ends[index]).any(|logit| !logit.is_finite()) {
            return Err(logits_error(index, "a logit is not finite".to_owned()));
        }
    }
    Ok(())
}

pub(super) fn logits_error(window: usize, reason: String) -> EncodeError {
    EncodeError::Logits { window, reason }
}

/// Candidates of all windows of an example.
#[derive(Clone, Default)]
struct Pool {
    spans: Vec<Span>,
    null: Option<Span>,
}

impl Pool {
    fn add(&mut self, features: &Features, starts: &[f32], ends: &[f32], settings: &AnswerSettings) {
        let class = features.window.as_ref().map_or(0, |window| window.class_token);
        let null = Span { offsets: (0, 0), start_logit: starts[class], end_logit: ends[class] };
        if self.null.is_none_or(|lowest| lowest.score() > null.score()) {
            self.null = Some(null);
        }
        let Some(window) = &features.window else { return };
        let context = |position: &usize| window.context_token(*position);
        let ends_best: Vec<_> = highest(ends, settings.n_best_size);
        for start in highest(starts, settings.n_best_size) {
            let Some(first) = context(&start).filter(|first| !settings.max_context || window.max_context[*first])
            else {
                continue;
            };
            let valid = |last: &usize| first <= *last && last - first < settings.max_answer_length;
            let lasts = ends_best.iter().filter_map(|end| Some((end, context(end).filter(valid)?)));
            self.spans.extend(lasts.map(|(&end, last)| Span {
                offsets: (window.offsets[first].0, window.offsets[last].1),
                start_logit: starts[start],
                end_logit: ends[end],
            }));
        }
    }

    /// The best spans of all windows, the null answer among them where questions may be unanswerable.
    fn n_best(mut self, settings: &AnswerSettings) -> Vec<Span> {
        let null = self.null.filter(|_| settings.unanswerable);
        self.spans.extend(null);
        self.spans.sort_by(|one, other| other.score().total_cmp(&one.score()));
        self.spans.truncate(settings.n_best_size);
        // A null answer with a low score is appended, so that it always gets a probability.
        if !self.spans.iter().any(Span::is_null) {
            self.spans.extend(null);
        }
        self.spans
    }

    fn choose(self, example: &Example, settings: &AnswerSettings) -> AnswerPrediction {
        let null_score = self.null.map_or(0.0, |null| null.score());
        let n_best = candidates(example.second.as_deref().unwrap_or(""), &self.n_best(settings));
        let id = example.id.clone();
        if !settings.unanswerable {
            return AnswerPrediction { id, text: n_best[0].text.clone(), null_odds: None, n_best };
        }
        let best = n_best.iter().find(|candidate| !candidate.text.is_empty()).unwrap_or(&n_best[0]);
        let null_odds = null_score - best.start_logit - best.end_logit;
        let text = if null_odds > settings.null_threshold { String::new() } else { best.text.clone() };
        AnswerPrediction { id, text, null_odds: Some(f64::from(null_odds)), n_best }
    }
}

/// Positions of the highest logits, best first, the earlier first on a tie. Linear in the row, not in its sorting.
pub(super) fn highest(logits: &[f32], count: usize) -> Vec<usize> {
    let order = |one: &usize, other: &usize| logits[*other].total_cmp(&logits[*one]).then(one.cmp(other));
    let mut positions: Vec<usize> = (0..logits.len()).collect();
    if count < positions.len() {
        positions.select_nth_unstable_by(count, order);
        positions.truncate(count);
    }
    positions.sort_unstable_by(order);
    positions
}

/// The spans with their texts and probabilities; never empty.
pub(super) fn candidates(context: &str, spans: &[Span]) -> Vec<Candidate> {
    let starts: Vec<usize> = context.char_indices().map(|(byte, _)| byte).chain([context.len()]).collect();
    let byte = |code_point: u32| starts[(code_point as usize).min(starts.len() - 1)];
    let candidate = |span: &Span| Candidate {
        text: context[byte(span.offsets.0)..byte(span.offsets.1)].to_owned(),
        start_logit: span.start_logit,
        end_logit: span.end_logit,
        probability: 0.0,
    };
    let mut candidates: Vec<_> = spans.iter().map(candidate).collect();
    if candidates.iter().all(|candidate| candidate.text.is_empty()) && candidates.len() < 2 {
        let text = "empty".to_owned();
        candidates.insert(0, Candidate { text, start_logit: 0.0, end_logit: 0.0, probability: 0.0 });
    }
    softmax(&mut candidates);
    candidates
}

pub(super) fn softmax(candidates: &mut [Candidate]) {
    let score = |candidate: &Candidate| f64::from(candidate.start_logit + candidate.end_logit);
    let highest = candidates.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = candidates.iter().map(|candidate| (score(candidate) - highest).exp()).sum();
    for candidate in candidates {
        candidate.probability = (score(candidate) - highest).exp() / sum;
    }
}
