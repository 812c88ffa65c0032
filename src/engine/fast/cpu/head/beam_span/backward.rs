//! The backward pass of a span head with beams.

use super::super::pooled::drop_rows;
use super::{BeamSpans, ranges, start_dense};
use crate::engine::dropout::Site;
use crate::engine::fast::cpu::columns::Columns;
use crate::engine::fast::cpu::panel::place;
use crate::engine::fast::cpu::product::Start;
use crate::engine::fast::cpu::transpose::to_feature_panels;
use crate::engine::fast::cpu::workspace::{LAYER_UNITS, Model, Tape, Work};

/// From the scores' gradients to `work.gradient` of all columns, and to the head's parameters.
pub fn backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (own, windows) = (ranges(model), columns.questions.windows.len());
    let Work { beams: spans, mask, gradient, transposed, .. } = work;
    let drop = |values: &mut [f32]| drop_rows(model, &columns.sequences, Site::Classifier, values, mask);
    spans.impossible.backward(model, &own.impossible, windows, drop);
    through_shares(model, columns, tape, spans);
    spans.end.backward(model, &own.end, columns.count, |_| {});
    let dense = start_dense(model, columns);
    let weight = &model.parameters[own.start.weight.clone()];
    dense.backward(weight, &spans.start_gradient, Start::Zero, gradient);
    unpair(model, columns, spans, gradient);
    add_gradients(model, columns, tape, (spans, transposed));
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
fn add_gradients(model: &Model, columns: &Columns, tape: &Tape, (spans, transposed): (&mut BeamSpans, &mut [f32])) {
    let (own, dense, micro_batch) = (ranges(model), start_dense(model, columns), columns.micro_batch);
    let BeamSpans { start_gradient, end, impossible, .. } = spans;
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
