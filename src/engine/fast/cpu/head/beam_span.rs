//! Spans by beams (XLNet; the reference engine's page of the name has formulas and sources): a score of each token x as a
//! start `a x + α`, one as an end beside a start ([`Scorer`] of both, with LayerNorm), and one of each window for there being no
//! answer ([`Scorer`] of `Σ p x`, p the softmax of the starts, and the last token, with dropout).
//!
//! T columns, S windows, H hidden size.

use super::super::buffer::Buffer;
use super::super::columns::Columns;
use super::super::dense::Dense;
use super::super::panel::{Corner, clear_tail, copy_rectangle, place};
use super::super::product::Start;
use super::super::transpose::to_feature_panels;
use super::super::workspace::{LAYER_UNITS, Model, Tape, Work};
use super::pooled::drop_rows;
use super::scorer::Scorer;
use super::{cross_entropy, softmax};
use crate::encode::beams::Beams;
use crate::engine::Divisors;
use crate::engine::dropout::Site;
use crate::engine::fast::flat::BeamSpan;
use std::convert::Infallible;
use std::ops::Range;

/// Share of the loss of there being an answer beside those of its start and end, as in the released code.
const SHARE: f64 = 0.5;

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
    transposed: Buffer,
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

/// What a beam search finds in a window.
pub fn search(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work, window: usize) -> Beams {
    let (own, BeamSpans { start, search, impossible, .. }) = (ranges(model), &mut work.beams);
    let range = &columns.questions.windows[window];
    search.fit(model, range.len(), false);
    let starts: Vec<f32> = range.clone().map(|column| score(model, columns, start, column)).collect();
    let ends = |first: usize| {
        pair(model, range, range.start + first, &tape.output, (&mut search.pairs, 0));
        clear_tail(model.isa, 2 * model.config.hidden_size, range.len(), &mut search.pairs);
        search.forward(model, &own.end, range.len(), |_| {});
        let possible = |at: &usize| columns.questions.possible[range.start + at];
        let score = |at: usize| if possible(&at) { search.scores[place(model.isa, 1, at)] } else { f32::NEG_INFINITY };
        Ok::<_, Infallible>((0..range.len()).map(score).collect())
    };
    let none = impossible.scores[place(model.isa, 1, window)];
    let Ok(found) = Beams::search(&starts, model.config.beams(), none, ends);
    found
}

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

/// From the scores' gradients to `work.gradient` of all columns, and to the head's parameters.
pub fn backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (own, windows) = (ranges(model), columns.questions.windows.len());
    let Work { beams: spans, mask, gradient, .. } = work;
    let drop = |values: &mut [f32]| drop_rows(model, &columns.sequences, Site::Classifier, values, mask);
    spans.impossible.backward(model, &own.impossible, windows, drop);
    through_shares(model, columns, tape, spans);
    spans.end.backward(model, &own.end, columns.count, |_| {});
    let dense = start_dense(model, columns);
    let weight = &model.parameters[own.start.weight.clone()];
    dense.backward(weight, &spans.start_gradient, Start::Zero, gradient);
    unpair(model, columns, spans, gradient);
    add_gradients(model, columns, tape, spans);
}

/// The starts' gradient gets what comes from p: `p (g · x - Σ p g · x)` with g the gradient of `Σ p x`.
fn through_shares(model: &Model, columns: &Columns, tape: &Tape, spans: &mut BeamSpans) {
    let (isa, hidden, gradients) = (model.isa, model.config.hidden_size, &spans.impossible.pair_gradient);
    for (at, window) in columns.questions.windows.iter().enumerate() {
        let of_sum = place(isa, 2 * hidden, at);
        let dot = |column: usize| -> f32 {
            let from = place(isa, hidden, column);
            let rows = (0..hidden * isa.width).step_by(isa.width);
            rows.map(|row| gradients[of_sum + row] * tape.output[from + row]).sum()
        };
        let mean: f32 = window.clone().map(|column| spans.shares[column] * dot(column)).sum();
        for column in window.clone() {
            spans.start_gradient[place(isa, 1, column)] += spans.shares[column] * (dot(column) - mean);
        }
    }
}

/// Adds the gradients of pairs to those of the states that they are made of.
fn unpair(model: &Model, columns: &Columns, spans: &BeamSpans, gradient: &mut [f32]) {
    let (isa, hidden, questions) = (model.isa, model.config.hidden_size, &columns.questions);
    let rows = || (0..hidden * isa.width).step_by(isa.width);
    let half = hidden * isa.width;
    let mut take = |column: usize, share: f32, from: &[f32]| {
        let to = place(isa, hidden, column);
        rows().for_each(|row| gradient[to + row] += share * from[row]);
    };
    for (at, (window, answer)) in questions.windows.iter().zip(&questions.answers).enumerate() {
        let of_class = &spans.impossible.pair_gradient[place(isa, 2 * hidden, at)..];
        take(window.end - 1, 1.0, &of_class[half..]);
        for column in window.clone() {
            let of_end = &spans.end.pair_gradient[place(isa, 2 * hidden, column)..];
            take(column, 1.0, of_end);
            take(answer.0, 1.0, &of_end[half..]);
            take(column, spans.shares[column], of_class);
        }
    }
}

/// Starts and ends belong to the head's unit of the gradient, no answer to that of masked words.
fn add_gradients(model: &Model, columns: &Columns, tape: &Tape, spans: &mut BeamSpans) {
    let (own, dense, micro_batch) = (ranges(model), start_dense(model, columns), columns.micro_batch);
    let BeamSpans { start_gradient, end, impossible, transposed, .. } = spans;
    transposed.fit(dense.inputs.next_multiple_of(model.isa.width) * dense.columns);
    to_feature_panels(model.isa, dense.inputs, dense.columns, &tape.output, transposed);
    let [a, b, c, d, e, f] = own.end.ranges();
    let unit = LAYER_UNITS * model.layout.layers.len();
    let both = [&own.start.weight, &own.start.bias, a, b, c, d, e, f];
    model.add(unit, micro_batch, both, |[weight, bias, a, b, c, d, e, f]| {
        dense.add_parameter_gradients(&start_gradient[..dense.output_len()], transposed, weight, bias);
        end.add(model, dense.columns, [a, b, c, d, e, f]);
    });
    model.add(model.units() - 2, micro_batch, own.impossible.ranges(), |parameters| {
        impossible.add(model, columns.questions.windows.len(), parameters);
    });
}
