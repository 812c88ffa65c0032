//! Spans by beams (XLNet; the reference engine's page of the name has formulas and sources): a score of each token x as a
//! start `a x + α`, one as an end beside a start ([`Scorer`] of both, with LayerNorm), and one of each window for there being no
//! answer ([`Scorer`] of `Σ p x`, p the softmax of the starts, and the last token, with dropout).
//!
//! T columns, S windows, H hidden size.

mod backward;
mod loss;
mod questions;
mod scorer;
mod search;

pub use backward::backward;
pub use loss::loss;
pub use questions::Questions;
pub use search::search;

use super::pooled::drop_rows;
use super::softmax;
use crate::engine::dropout::Site;
use crate::engine::fast::cpu::buffer::Buffer;
use crate::engine::fast::cpu::columns::Columns;
use crate::engine::fast::cpu::dense::Dense;
use crate::engine::fast::cpu::panel::{Corner, clear_tail, copy_rectangle, place};
use crate::engine::fast::cpu::workspace::{Model, Tape, Work};
use crate::engine::fast::flat::BeamSpan;
use scorer::Scorer;
use std::ops::Range;

/// What the head keeps and works with.
#[derive(Default)]
pub struct BeamSpans {
    /// Scores of starts `[1, T]`, and their gradient.
    start: Buffer,
    start_gradient: Buffer,
    /// p `[T]`.
    shares: Vec<f32>,
    /// Ends beside the right starts, T columns.
    end: Scorer,
    /// Ends beside a start that is searched, a window's columns.
    search: Scorer,
    /// No answer, S columns.
    impossible: Scorer,
}

fn ranges<'a>(model: &'a Model) -> &'a BeamSpan {
    model.layout.beam_span.as_ref().expect("a model with this head has its parameters")
}

fn start_dense(model: &Model, columns: &Columns) -> Dense {
    Dense { isa: model.isa, inputs: model.config.hidden_size, outputs: 1, columns: columns.count }
}

/// From the last layer's output to the scores.
pub fn forward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (own, spans, windows) = (ranges(model), &mut work.beams, columns.questions.windows.len());
    let dense = start_dense(model, columns);
    spans.start.fit(dense.output_len());
    let (weight, bias) = (&model.parameters[own.start.weight.clone()], &model.parameters[own.start.bias.clone()]);
    dense.forward(weight, bias, &tape.output, &mut spans.start);
    let trains = model.gradients.is_some();
    if !columns.questions.answers.is_empty() {
        spans.end.fit(model, columns.count, trains);
        pair_ends(model, columns, tape, &mut spans.end);
        spans.end.forward(model, &own.end, columns.count, |_| {});
    }
    spans.impossible.fit(model, windows, trains);
    take_shares(model, columns, spans);
    pair_classes(model, columns, tape, spans);
    let drop = |values: &mut [f32]| drop_rows(model, &columns.sequences, Site::Classifier, values, &mut work.mask);
    spans.impossible.forward(model, &own.impossible, windows, drop);
}

/// Each token above the first token of its window's answer.
fn pair_ends(model: &Model, columns: &Columns, tape: &Tape, end: &mut Scorer) {
    for (window, answer) in columns.questions.windows.iter().zip(&columns.questions.answers) {
        pair(model, window, answer.0, &tape.output, (&mut end.pairs, window.start));
    }
    clear_tail(model.isa, 2 * model.config.hidden_size, columns.count, &mut end.pairs);
}

/// Copies a window's columns to columns from `to.1` on, each above the column of a start.
fn pair(model: &Model, window: &Range<usize>, start: usize, states: &[f32], (pairs, to): (&mut [f32], usize)) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let source = |column: usize| (states, Corner::top(hidden, column));
    copy_rectangle(isa, (hidden, window.len()), source(window.start), (pairs, Corner::top(2 * hidden, to)));
    for column in to..to + window.len() {
        let below = Corner { height: 2 * hidden, row: hidden, column };
        copy_rectangle(isa, (hidden, 1), source(start), (pairs, below));
    }
}

/// A score where an answer may begin or end, minus infinity elsewhere.
fn score(model: &Model, columns: &Columns, scores: &[f32], column: usize) -> f32 {
    if columns.questions.possible[column] { scores[place(model.isa, 1, column)] } else { f32::NEG_INFINITY }
}

fn take_shares(model: &Model, columns: &Columns, spans: &mut BeamSpans) {
    let BeamSpans { shares, start, .. } = spans;
    shares.clear();
    shares.resize(columns.count, 0.0);
    for window in &columns.questions.windows {
        let logit = |at: usize| score(model, columns, start, window.start + at);
        softmax(window.len(), logit, |at, share| shares[window.start + at] = share as f32);
    }
}

/// `Σ p x` of each window above its last token.
fn pair_classes(model: &Model, columns: &Columns, tape: &Tape, spans: &mut BeamSpans) {
    let (isa, hidden, pairs) = (model.isa, model.config.hidden_size, &mut spans.impossible.pairs);
    pairs.fill(0.0);
    for (at, window) in columns.questions.windows.iter().enumerate() {
        let to = place(isa, 2 * hidden, at);
        for column in window.clone() {
            let (from, share) = (place(isa, hidden, column), spans.shares[column]);
            for row in (0..hidden * isa.width).step_by(isa.width) {
                pairs[to + row] += share * tape.output[from + row];
            }
        }
        let below = Corner { height: 2 * hidden, row: hidden, column: at };
        copy_rectangle(isa, (hidden, 1), (&tape.output, Corner::top(hidden, window.end - 1)), (pairs, below));
    }
}
