//! Heads of each sequence's first token x, or in a causal model its last, or of both ends of a BiLSTM:
//! `logits = C · dropout(f(P x + p)) + c`, with f the activation of the family's pooler, maybe with LayerNorm after it, and x
//! dropped out too where the family says so; without a pooler's dense layer, `C · dropout(x) + c`; then the cross entropy of a
//! class, the squared error of a number, the cross entropy over an example's sequences, or that of the next sentence, which
//! has no dropout.
//!
//! S sequences of E examples. Where an example's sequences are both orders of a pair, the states under the classifier's
//! dropout are added: `[H, S]` to `[H, E]`; of choices E is S here.

use super::super::columns::Columns;
use super::super::dense::Dense;
use super::super::embedding::add;
use super::super::mask::Dropout;
use super::super::micro_batch::Sequence;
use super::super::norm;
use super::super::panel::{add_neighbours, copy_columns, repeat_columns};
use super::super::product::Start;
use super::super::transpose::to_feature_panels;
use super::super::under_head;
use super::super::workspace::{LAYER_UNITS, Model, Tape, Work};
use super::super::{activation, panel};
use super::{Logits, cross_entropy};
use crate::encode::Targets;
use crate::engine::Divisors;
use crate::engine::dropout::Site;
use crate::engine::fast::flat::{self, Norm};
use crate::family::Pooler;
use crate::task::Head;

/// Fills `work.head`: the activation's derivative, the pooled output after dropout, logits.
pub fn forward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (isa, dense, pooler) = (model.isa, pooler_dense(model, columns), pooler(model));
    read(model, columns, tape, work);
    let input = if reads_copy(model) { &work.firsts } else { &tape.output };
    let [slope, pooled, logits, _] = &mut work.head;
    let classifier = classifier(model, columns);
    let used = panel::panels_len(isa, classifier.inputs, dense.columns);
    match pooler.1 {
        None => pooled[..used].copy_from_slice(&input[..used]),
        Some(ranges) => {
            let (weight, bias) = (&model.parameters[ranges.weight.clone()], &model.parameters[ranges.bias.clone()]);
            dense.forward(weight, bias, input, slope);
            activation::forward_with_derivative(isa, pooler.0.activation, &mut slope[..used], &mut pooled[..used]);
        }
    }
    if let Some(norm) = &model.layout.pooler_norm {
        norm::normalise(model, norm, &mut pooled[..used], (&mut work.pooled_hat, &mut work.pooled_inverse));
    }
    if columns.added > 1 {
        add_neighbours(isa, classifier.inputs, (classifier.columns, columns.added), pooled);
    }
    drop_rows(model, &columns.classified, Site::Classifier, &mut pooled[..classifier.input_len()], &mut work.mask);
    let head = &model.layout.head;
    let (weight, bias) = (&model.parameters[head.weight.clone()], &model.parameters[head.bias.clone()]);
    classifier.forward(weight, bias, pooled, logits);
}

/// What the family says of it, and where its dense layer lies.
fn pooler<'a>(model: &'a Model) -> (&'static Pooler, Option<&'a flat::Dense>) {
    (model.config.family.pooler(model.head).unwrap_or(&model.config.family.pooler), model.layout.pooler.as_ref())
}

/// Whether the pooler reads a copy: of some of the last layer's columns, of a BiLSTM's, or with dropout.
fn reads_copy(model: &Model) -> bool {
    model.predicts_words() || model.has_bilstm() || pooler(model).0.drops_input
}

fn read(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    if !reads_copy(model) {
        return;
    }
    let (isa, hidden, count) = (model.isa, model.config.hidden_size, columns.sequences.len());
    let firsts = &mut work.firsts[..panel::panels_len(isa, hidden, count)];
    firsts.fill(0.0);
    if model.has_bilstm() {
        under_head::read(model, columns, &tape.output, firsts);
    } else {
        copy_columns(isa, hidden, (&tape.output, &columns.firsts), (firsts, &columns.places[..count]));
    }
    if pooler(model).0.drops_input {
        drop_rows(model, &columns.sequences, Site::Pooler, firsts, &mut work.mask);
    }
}

fn pooler_dense(model: &Model, columns: &Columns) -> Dense {
    let [outputs, inputs] = model.config.pooler_shape();
    Dense { isa: model.isa, inputs, outputs, columns: columns.sequences.len() }
}

fn classifier(model: &Model, columns: &Columns) -> Dense {
    let dense = pooler_dense(model, columns);
    let inputs = if model.layout.pooler.is_some() { dense.outputs } else { dense.inputs };
    Dense { inputs, outputs: model.num_labels, columns: dense.columns / columns.added, ..dense }
}

/// Dropout whose indices count sequences or examples.
fn drop_rows(model: &Model, items: &[u64], site: Site, values: &mut [f32], scratch: &mut [f32]) {
    let dropout: Option<Dropout> = model.dropout(site, model.config.head_dropout(model.head));
    let Some(dropout) = dropout else { return };
    let rows = values.len() / items.len().next_multiple_of(model.isa.width);
    dropout.apply(model.isa, items, rows, values, scratch);
}

/// The sequences' loss, divided; `set(column, label, value)` receives its gradient.
pub fn loss(
    (head, added): (Head, usize),
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
    let each = sequences.iter().step_by(added).enumerate();
    let sum: f64 = match (head, targets) {
        (Head::Classification, Targets::Classes(classes)) => {
            each.map(|(column, sequence)| class(column, classes[sequence.example])).sum()
        }
        (Head::Pretraining, Targets::Masked { next, .. }) if next.is_empty() => 0.0,
        (Head::Pretraining, Targets::Masked { next, .. }) => {
            each.map(|(column, sequence)| class(column, next[sequence.index])).sum()
        }
        (Head::Regression, Targets::Values(values)) => {
            let one = |(column, sequence): (usize, &Sequence)| {
                let error = f64::from(logits.get(column, 0)) - f64::from(values[sequence.example]);
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
    let head = classifier(model, columns);
    let weight = &model.parameters[model.layout.head.weight.clone()];
    let (used, unit) = (head.output_len(), LAYER_UNITS * model.layout.layers.len());
    head.backward(weight, &work.head[3], Start::Zero, &mut work.dropped);
    let pooled = panel::panels_len(isa, head.inputs, dense.columns);
    drop_rows(model, &columns.classified, Site::Classifier, &mut work.dropped[..head.input_len()], &mut work.mask);
    if columns.added > 1 {
        repeat_columns(isa, head.inputs, (head.columns, columns.added), &mut work.dropped);
    }
    to_feature_panels(isa, head.inputs, head.columns, &work.head[1], &mut work.transposed);
    let ranges = [&model.layout.head.weight, &model.layout.head.bias];
    let Some(ranges_of_pooler) = pooler.1 else {
        model.add(unit, columns.micro_batch, ranges, |[weight, bias]| {
            head.add_parameter_gradients(&work.head[3][..used], &work.transposed, weight, bias);
        });
        return std::mem::swap(&mut work.dropped, &mut work.other_gradient);
    };
    let nothing = Norm::default();
    let norm = model.layout.pooler_norm.as_ref().unwrap_or(&nothing);
    if !norm.weight.is_empty() {
        work.norm_gradient.fill(0.0);
        let gradient = &mut work.dropped[..pooled];
        norm::backward(model, norm, (&work.pooled_hat, &work.pooled_inverse), gradient, &mut work.norm_gradient);
    }
    activation::backward(isa, &work.head[0][..pooled], &mut work.dropped[..pooled]);
    let input = if reads_copy(model) { &work.firsts } else { &tape.output };
    let from_input = head.columns * head.inputs.next_multiple_of(isa.width);
    to_feature_panels(isa, dense.inputs, dense.columns, input, &mut work.transposed[from_input..]);
    let dense_and_norm = [&ranges_of_pooler.weight, &ranges_of_pooler.bias, &norm.weight, &norm.bias];
    let [a, b, c, d] = dense_and_norm;
    let ranges = [ranges[0], ranges[1], a, b, c, d];
    model.add(
        unit,
        columns.micro_batch,
        ranges,
        |[weight, bias, pooler_weight, pooler_bias, norm_weight, norm_bias]| {
            let (weight_gradient, bias_gradient) = work.norm_gradient.split_at(head.inputs);
            add(norm_weight, weight_gradient);
            add(norm_bias, bias_gradient);
            head.add_parameter_gradients(&work.head[3][..used], &work.transposed, weight, bias);
            let transposed = &work.transposed[from_input..];
            dense.add_parameter_gradients(&work.dropped[..pooled], transposed, pooler_weight, pooler_bias);
        },
    );
    let weight = &model.parameters[ranges_of_pooler.weight.clone()];
    dense.backward(weight, &work.dropped, Start::Zero, &mut work.other_gradient);
    if pooler.0.drops_input {
        drop_rows(
            model,
            &columns.sequences,
            Site::Pooler,
            &mut work.other_gradient[..dense.input_len()],
            &mut work.mask,
        );
    }
}
