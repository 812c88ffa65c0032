//! Heads of each sequence's first token x: `logits = C · dropout(f(P x + p)) + c`, with f the activation of the family's
//! pooler and x dropped out too where the family says so; then the cross entropy of a class, the squared error of a
//! number, the cross entropy over an example's sequences, or that of the next sentence, which has no dropout.

use super::super::columns::{Columns, first_indices};
use super::super::dense::Dense;
use super::super::mask::Dropout;
use super::super::micro_batch::Sequence;
use super::super::panel::copy_columns;
use super::super::product::Start;
use super::super::transpose::to_feature_panels;
use super::super::workspace::{LAYER_UNITS, Model, Tape, Work};
use super::super::{activation, panel};
use super::{Logits, cross_entropy};
use crate::encode::Targets;
use crate::engine::Divisors;
use crate::engine::dropout::Site;
use crate::engine::fast::flat;
use crate::family::Pooler;
use crate::task::Head;

/// Fills `work.head`: the activation's derivative, the pooled output after dropout, logits.
pub fn forward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (isa, dense, pooler) = (model.isa, pooler_dense(model, columns), pooler(model));
    read(model, columns, tape, work);
    let input = if reads_copy(model) { &work.firsts } else { &tape.output };
    let [slope, pooled, logits, _] = &mut work.head;
    let ranges = &pooler.1;
    let (weight, bias) = (&model.parameters[ranges.weight.clone()], &model.parameters[ranges.bias.clone()]);
    dense.forward(weight, bias, input, slope);
    let used = dense.output_len();
    activation::forward_with_derivative(isa, pooler.0.activation, &mut slope[..used], &mut pooled[..used]);
    drop_sequences(model, columns, Site::Classifier, &mut pooled[..used], &mut work.mask);
    let head = &model.layout.head;
    let (weight, bias) = (&model.parameters[head.weight.clone()], &model.parameters[head.bias.clone()]);
    Dense { outputs: model.num_labels, ..dense }.forward(weight, bias, pooled, logits);
}

/// What the family says of it, and where it lies.
fn pooler<'a>(model: &'a Model) -> (&'static Pooler, &'a flat::Dense) {
    let both = model.config.family.pooler(model.head).zip(model.layout.pooler.as_ref());
    both.expect("a head that reads first tokens has a pooler")
}

/// Whether the pooler reads a copy: of some of the last layer's columns, or with dropout.
fn reads_copy(model: &Model) -> bool {
    model.head == Head::Pretraining || pooler(model).0.drops_input
}

fn read(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    if !reads_copy(model) {
        return;
    }
    let (isa, hidden, count) = (model.isa, model.config.hidden_size, columns.sequences.len());
    let firsts = &mut work.firsts[..panel::panels_len(isa, hidden, count)];
    firsts.fill(0.0);
    copy_columns(isa, hidden, (&tape.output, &columns.firsts), (firsts, &columns.places[..count]));
    if pooler(model).0.drops_input {
        drop_sequences(model, columns, Site::Pooler, firsts, &mut work.mask);
    }
}

fn pooler_dense(model: &Model, columns: &Columns) -> Dense {
    let hidden = model.config.hidden_size;
    Dense { isa: model.isa, inputs: hidden, outputs: hidden, columns: columns.sequences.len() }
}

/// Dropout whose indices count sequences.
fn drop_sequences(model: &Model, columns: &Columns, site: Site, values: &mut [f32], scratch: &mut [f32]) {
    let dropout: Option<Dropout> = model.dropout(site, model.config.head_dropout(model.head));
    let Some(dropout) = dropout else { return };
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let scratch = &mut scratch[..hidden * isa.width];
    for (at, values) in values.chunks_mut(hidden * isa.width).enumerate() {
        dropout.fill(isa, &first_indices(&columns.sequences, at, isa, hidden), scratch);
        activation::backward(isa, scratch, values);
    }
}

/// The sequences' loss, divided; `set(column, label, value)` receives its gradient.
pub fn loss(
    head: Head,
    targets: &Targets,
    sequences: &[Sequence],
    logits: &Logits,
    by: Divisors,
    mut set: impl FnMut(usize, usize, f64),
) -> Option<f64> {
    let mut set = |column: usize, label: usize, value: f64| set(column, label, value / by.sequences);
    let mut class = |column: usize, class: u32| {
        let logit = |label: usize| logits.get(column, label);
        cross_entropy(logits.labels, logit, class as usize, |label, g| set(column, label, g))
    };
    let each = sequences.iter().enumerate();
    let sum: f64 = match (head, targets) {
        (Head::Classification, Targets::Classes(classes)) => {
            each.map(|(column, sequence)| class(column, classes[sequence.index])).sum()
        }
        (Head::Pretraining, Targets::Masked { next, .. }) if next.is_empty() => 0.0,
        (Head::Pretraining, Targets::Masked { next, .. }) => {
            each.map(|(column, sequence)| class(column, next[sequence.index])).sum()
        }
        (Head::Regression, Targets::Values(values)) => {
            let one = |(column, sequence): (usize, &Sequence)| {
                let error = f64::from(logits.get(column, 0)) - f64::from(values[sequence.index]);
                set(column, 0, 2.0 * error);
                error * error
            };
            each.map(one).sum()
        }
        (Head::Choice, Targets::Choices(right)) => choices(right, sequences, logits, &mut set),
        _ => return None,
    };
    Some(sum / by.sequences)
}

/// Examples lie whole in a micro-batch, their sequences behind one another.
fn choices(right: &[u32], sequences: &[Sequence], logits: &Logits, set: &mut impl FnMut(usize, usize, f64)) -> f64 {
    let mut sum = 0.0;
    let mut first = 0;
    while first < sequences.len() {
        let example = sequences[first].example;
        let count = sequences[first..].iter().take_while(|sequence| sequence.example == example).count();
        let logit = |at: usize| logits.get(first + at, 0);
        sum += cross_entropy(count, logit, right[example] as usize, |at, g| set(first + at, 0, g));
        first += count;
    }
    sum
}

/// From `work.head[3]`, the logits' gradient, to `work.other_gradient` of the S columns, and to the head's parameters.
pub fn backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (isa, dense, pooler) = (model.isa, pooler_dense(model, columns), pooler(model));
    let head = Dense { outputs: model.num_labels, ..dense };
    let weight = &model.parameters[model.layout.head.weight.clone()];
    let (used, unit) = (head.output_len(), LAYER_UNITS * model.layout.layers.len());
    head.backward(weight, &work.head[3], Start::Zero, &mut work.dropped);
    let pooled = dense.output_len();
    drop_sequences(model, columns, Site::Classifier, &mut work.dropped[..pooled], &mut work.mask);
    activation::backward(isa, &work.head[0][..pooled], &mut work.dropped[..pooled]);
    let input = if reads_copy(model) { &work.firsts } else { &tape.output };
    let from_input = head.columns * head.inputs.next_multiple_of(isa.width);
    to_feature_panels(isa, head.inputs, head.columns, &work.head[1], &mut work.transposed);
    to_feature_panels(isa, head.inputs, head.columns, input, &mut work.transposed[from_input..]);
    let ranges = [&model.layout.head.weight, &model.layout.head.bias, &pooler.1.weight, &pooler.1.bias];
    model.add(unit, columns.micro_batch, ranges, |[weight, bias, pooler_weight, pooler_bias]| {
        head.add_parameter_gradients(&work.head[3][..used], &work.transposed, weight, bias);
        let transposed = &work.transposed[from_input..];
        dense.add_parameter_gradients(&work.dropped[..pooled], transposed, pooler_weight, pooler_bias);
    });
    let weight = &model.parameters[pooler.1.weight.clone()];
    dense.backward(weight, &work.dropped, Start::Zero, &mut work.other_gradient);
    if pooler.0.drops_input {
        drop_sequences(model, columns, Site::Pooler, &mut work.other_gradient[..pooled], &mut work.mask);
    }
}
