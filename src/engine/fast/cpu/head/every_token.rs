//! Heads of every token x: `logits = Q dropout(x) + q`, with the mean of the cross entropies of an answer's first and last token,
//! each over the sequence's own tokens; or `logits = C dropout(x) + c`, with the cross entropy of each labelled token. x is
//! the last layer's output, in some families through the pooler, or a BiLSTM's.

use super::super::columns::Columns;
use super::super::dense::Dense;
use super::super::mask::Dropout;
use super::super::micro_batch::Sequence;
use super::super::product::Start;
use super::super::transpose::to_feature_panels;
use super::super::workspace::{LAYER_UNITS, Model, Tape, Work};
use super::pooler::Pooler;
use super::{Logits, cross_entropy};
use crate::encode::{Targets, UNLABELLED};
use crate::engine::Divisors;
use crate::engine::dropout::Site;

/// Fills `work.head`: x after dropout, and logits.
pub fn forward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (dense, head) = (dense(model, columns), &model.layout.head);
    let [slope, dropped, logits, _] = &mut work.head;
    let used = dense.input_len();
    match Pooler::of(model, columns.count) {
        None => dropped[..used].copy_from_slice(&tape.output[..used]),
        Some(pooler) => {
            pooler.forward(&tape.output, [slope, dropped], (&mut work.pooled_hat, &mut work.pooled_inverse));
        }
    }
    drop_tokens(model, columns, &mut dropped[..used], &mut work.mask);
    let (weight, bias) = (&model.parameters[head.weight.clone()], &model.parameters[head.bias.clone()]);
    dense.forward(weight, bias, dropped, logits);
}

fn dense(model: &Model, columns: &Columns) -> Dense {
    Dense { isa: model.isa, inputs: model.head_inputs(), outputs: model.num_labels, columns: columns.count }
}

/// Dropout before the last layer; most families have none before a span's.
fn drop_tokens(model: &Model, columns: &Columns, values: &mut [f32], scratch: &mut [f32]) {
    let dropout: Option<Dropout> = model.dropout(Site::Classifier, model.config.head_dropout(model.head));
    let Some(dropout) = dropout else { return };
    dropout.apply(model.isa, &columns.tokens, model.head_inputs(), values, scratch);
}

/// The loss, divided; `set(column, label, value)` receives its gradient.
pub fn loss(
    targets: &Targets,
    sequences: &[Sequence],
    logits: &Logits,
    by: Divisors,
    mut set: impl FnMut(usize, usize, f64),
) -> Option<f64> {
    match targets {
        Targets::Spans(spans) => {
            let mut end = |sequence: &Sequence, label: usize, target: u32| {
                let logit = |token: usize| logits.get(sequence.start + token, label);
                let set = |token: usize, g: f64| set(sequence.start + token, label, g / 2.0 / by.sequences);
                cross_entropy(sequence.length, logit, target as usize, set) / 2.0
            };
            let mut both = |sequence: &Sequence| {
                let (first, last) = spans[sequence.index];
                end(sequence, 0, first) + end(sequence, 1, last)
            };
            Some(sequences.iter().map(&mut both).sum::<f64>() / by.sequences)
        }
        Targets::Tokens(labels) => {
            let mut sum = 0.0;
            for sequence in sequences {
                let own = &labels[sequence.first_token..][..sequence.length];
                for (column, label) in (sequence.start..).zip(own).filter(|(_, label)| **label != UNLABELLED) {
                    let set = |label: usize, g: f64| set(column, label, g / by.labelled);
                    sum += cross_entropy(logits.labels, |label| logits.get(column, label), *label as usize, set);
                }
            }
            Some(sum / by.labelled)
        }
        _ => None,
    }
}

/// From `work.head[3]`, the logits' gradient, to `work.gradient` of all columns, and to the head's parameters.
pub fn backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (dense, head) = (dense(model, columns), &model.layout.head);
    let weight = &model.parameters[head.weight.clone()];
    if let Some(pooler) = Pooler::of(model, columns.count) {
        dense.backward(weight, &work.head[3], Start::Zero, &mut work.dropped);
        drop_tokens(model, columns, &mut work.dropped[..dense.input_len()], &mut work.mask);
        pooler.backward(columns.micro_batch, dense, &tape.output, work);
        return std::mem::swap(&mut work.gradient, &mut work.other_gradient);
    }
    let (used, unit) = (dense.output_len(), LAYER_UNITS * model.layout.layers.len());
    to_feature_panels(model.isa, dense.inputs, dense.columns, &work.head[1], &mut work.transposed);
    model.add(unit, columns.micro_batch, [&head.weight, &head.bias], |[weight, bias]| {
        dense.add_parameter_gradients(&work.head[3][..used], &work.transposed, weight, bias);
    });
    dense.backward(weight, &work.head[3], Start::Zero, &mut work.gradient);
    drop_tokens(model, columns, &mut work.gradient[..dense.input_len()], &mut work.mask);
}
