//! Heads and their losses, on the rows that exist.
//!
//! - sequence head: `logits = C · dropout(tanh(P x + p)) + c` of each sequence's first token; cross-entropy or squared error;
//! - span head: `logits = Q x + q` of every token; the mean of the cross-entropies of first and last answer token, each over
//!   the sequence's own tokens.
//!
//! A loss is the sum over sequences divided by the sequences of the step.

use super::dense::Dense;
use super::micro_batch::Sequence;
use super::panel::place;
use super::product::Start;
use super::simd::Isa;
use super::transpose::to_feature_panels;
use super::workspace::{Columns, LAYER_UNITS, Model, Tape, Work, first_indices};
use super::{activation, mask};
use crate::encode::Targets;
use crate::engine::dropout::Site;
use crate::task::Head;

/// Fills `work.head`: pooled output, the same after dropout, logits.
pub fn forward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let [pooled, dropped, logits, _] = &mut work.head;
    let head = head_dense(model, columns);
    let (weight, bias) =
        (&model.parameters[model.layout.head.weight.clone()], &model.parameters[model.layout.head.bias.clone()]);
    let Some(pooler) = &model.layout.pooler else {
        return head.forward(weight, bias, &tape.output, logits);
    };
    let dense = Dense { outputs: model.config.hidden_size, ..head };
    dense.forward(
        &model.parameters[pooler.weight.clone()],
        &model.parameters[pooler.bias.clone()],
        &tape.output,
        pooled,
    );
    let used = dense.output_len();
    pooled[..used].iter_mut().for_each(|value| *value = value.tanh());
    dropped[..used].copy_from_slice(&pooled[..used]);
    drop_pooled(model, columns, &mut dropped[..used], &mut work.mask);
    head.forward(weight, bias, dropped, logits);
}

/// The last dense layer: over first tokens, or over all.
fn head_dense(model: &Model, columns: &Columns) -> Dense {
    let count = if model.head == Head::Span { columns.count } else { columns.selected.len() };
    Dense { isa: model.isa, inputs: model.config.hidden_size, outputs: model.num_labels, columns: count }
}

/// Dropout before the classifier, whose indices count sequences.
fn drop_pooled(model: &Model, columns: &Columns, values: &mut [f32], scratch: &mut [f32]) {
    let dropout: Option<mask::Dropout> = model.dropout(Site::Classifier, model.config.classifier_dropout);
    let Some(dropout) = dropout else { return };
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let scratch = &mut scratch[..hidden * isa.width];
    for (at, values) in values.chunks_mut(hidden * isa.width).enumerate() {
        dropout.fill(isa, &first_indices(&columns.sequences, at, isa, hidden), scratch);
        activation::backward(isa, scratch, values);
    }
}

/// Logits by column and label, and their gradient, of one micro-batch.
pub struct Logits<'a> {
    isa: Isa,
    labels: usize,
    values: &'a [f32],
}

impl<'a> Logits<'a> {
    /// The logits in `work`.
    pub fn new(model: &Model, work: &'a Work) -> Logits<'a> {
        Logits { isa: model.isa, labels: model.num_labels, values: &work.head[2] }
    }

    /// One of them.
    pub fn get(&self, column: usize, label: usize) -> f32 {
        self.values[place(self.isa, self.labels, column) + label * self.isa.width]
    }
}

/// Sum of the sequences' losses; `set(column, label, value)` receives the gradient of the sum.
pub fn loss(
    head: Head,
    targets: &Targets,
    sequences: &[Sequence],
    logits: &Logits,
    mut set: impl FnMut(usize, usize, f64),
) -> Option<f64> {
    let mut sum = 0.0;
    for (column, sequence) in sequences.iter().enumerate() {
        sum += match (head, targets) {
            (Head::Classification, Targets::Classes(classes)) => {
                let logit = |label: usize| logits.get(column, label);
                cross_entropy(logits.labels, logit, classes[sequence.index] as usize, |label, g| set(column, label, g))
            }
            (Head::Regression, Targets::Values(values)) => {
                let error = f64::from(logits.get(column, 0)) - f64::from(values[sequence.index]);
                set(column, 0, 2.0 * error);
                error * error
            }
            (Head::Span, Targets::Spans(spans)) => {
                let (first, last) = spans[sequence.index];
                let mut end = |label: usize, target: u32| {
                    let logit = |token: usize| logits.get(sequence.start + token, label);
                    let set = |token: usize, g: f64| set(sequence.start + token, label, g / 2.0);
                    cross_entropy(sequence.length, logit, target as usize, set) / 2.0
                };
                end(0, first) + end(1, last)
            }
            _ => return None,
        };
    }
    Some(sum)
}

/// `log Σ exp x - x[target]` over `count` logits; the gradient is `softmax(x)`, less 1 at the target.
fn cross_entropy(count: usize, logit: impl Fn(usize) -> f32, target: usize, mut set: impl FnMut(usize, f64)) -> f64 {
    let maximum = (0..count).map(&logit).fold(f32::NEG_INFINITY, f32::max);
    let shifted = |at: usize| f64::from(logit(at)) - f64::from(maximum);
    let log_sum = (0..count).map(|at| shifted(at).exp()).sum::<f64>().ln();
    for at in 0..count {
        set(at, (shifted(at) - log_sum).exp() - if at == target { 1.0 } else { 0.0 });
    }
    log_sum - shifted(target)
}

/// From `work.head[3]`, the logits' gradient, to `work.gradient` of the Q columns, and to the head's parameters.
pub fn backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let head = head_dense(model, columns);
    let weight = &model.parameters[model.layout.head.weight.clone()];
    let (used, unit) = (head.output_len(), LAYER_UNITS * model.layout.layers.len());
    let ranges = [&model.layout.head.weight, &model.layout.head.bias];
    let Some(pooler) = &model.layout.pooler else {
        to_feature_panels(model.isa, head.inputs, head.columns, &tape.output, &mut work.transposed);
        model.add(unit, columns.micro_batch, ranges, |[weight, bias]| {
            head.add_parameter_gradients(&work.head[3][..used], &work.transposed, weight, bias);
        });
        return head.backward(weight, &work.head[3], Start::Zero, &mut work.gradient);
    };
    let dense = Dense { outputs: model.config.hidden_size, ..head };
    head.backward(weight, &work.head[3], Start::Zero, &mut work.dropped);
    let pooled = dense.output_len();
    drop_pooled(model, columns, &mut work.dropped[..pooled], &mut work.mask);
    let slopes = work.dropped[..pooled].iter_mut().zip(&work.head[0][..pooled]);
    slopes.for_each(|(gradient, value)| *gradient *= 1.0 - value * value);
    let from_output = head.columns * head.inputs.next_multiple_of(model.isa.width);
    to_feature_panels(model.isa, head.inputs, head.columns, &work.head[1], &mut work.transposed);
    to_feature_panels(model.isa, head.inputs, head.columns, &tape.output, &mut work.transposed[from_output..]);
    let ranges = [ranges[0], ranges[1], &pooler.weight, &pooler.bias];
    model.add(unit, columns.micro_batch, ranges, |[weight, bias, pooler_weight, pooler_bias]| {
        head.add_parameter_gradients(&work.head[3][..used], &work.transposed, weight, bias);
        let transposed = &work.transposed[from_output..];
        dense.add_parameter_gradients(&work.dropped[..pooled], transposed, pooler_weight, pooler_bias);
    });
    dense.backward(&model.parameters[pooler.weight.clone()], &work.dropped, Start::Zero, &mut work.gradient);
}
