//! The loss of a span head with beams: the mean of the cross entropies of an answer's start and end over the tokens that may be
//! one, and half of that of there being no answer.

use super::super::cross_entropy;
use super::score;
use crate::engine::Divisors;
use crate::engine::fast::cpu::columns::Columns;
use crate::engine::fast::cpu::panel::place;
use crate::engine::fast::cpu::workspace::{Model, Work};

/// Share of the loss of there being an answer beside those of its start and end, as in the released code.
const SHARE: f64 = 0.5;

/// The loss, divided, where answers are known: `(start + end) / 2`, and half of what there being an answer costs; its gradients
/// are kept.
pub fn loss(model: &Model, columns: &Columns, work: &mut Work, by: Divisors) -> Option<f64> {
    let (questions, spans, isa) = (&columns.questions, &mut work.beams, model.isa);
    if questions.answers.is_empty() {
        return None;
    }
    spans.start_gradient.fit(spans.start.len());
    for gradient in [&mut spans.start_gradient, &mut spans.end.gradient, &mut spans.impossible.gradient] {
        gradient.fill(0.0);
    }
    let mut sum = 0.0;
    for (at, (window, answer)) in questions.windows.iter().zip(&questions.answers).enumerate() {
        let side = |scores: &[f32], gradient: &mut [f32], right: usize| {
            let logit = |at: usize| score(model, columns, scores, window.start + at);
            let set = |at: usize, g: f64| gradient[place(isa, 1, window.start + at)] = (g / 2.0 / by.sequences) as f32;
            cross_entropy(window.len(), logit, right - window.start, set) / 2.0
        };
        sum += side(&spans.start, &mut spans.start_gradient, answer.0);
        sum += side(&spans.end.scores, &mut spans.end.gradient, answer.1);
        let (place, right) = (place(isa, 1, at), usize::from(questions.is_impossible(at)));
        let logit = |class: usize| if class == 1 { spans.impossible.scores[place] } else { 0.0 };
        let set = |class: usize, g: f64| {
            if class == 1 {
                spans.impossible.gradient[place] = (SHARE * g / by.sequences) as f32;
            }
        };
        sum += SHARE * cross_entropy(2, logit, right, set);
    }
    Some(sum / by.sequences)
}
