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
use super::super::mask::Dropout;
use super::super::micro_batch::Sequence;
use super::super::panel::{add_neighbours, copy_columns, panels_len, repeat_columns};
use super::super::product::Start;
use super::super::transpose::to_feature_panels;
use super::super::under_head;
use super::super::workspace::{LAYER_UNITS, Model, Tape, Work};
use super::pooler::Pooler;
use super::{Logits, cross_entropy};
use crate::encode::Targets;
use crate::engine::Divisors;
use crate::engine::dropout::Site;
use crate::task::Head;

/// Fills `work.head`: the activation's derivative, the pooled output after dropout, logits.
pub fn forward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (isa, pooler) = (model.isa, Pooler::of(model, columns.sequences.len()));
    read(model, columns, tape, work);
    let input = if reads_copy(model) { &work.firsts } else { &tape.output };
    let [slope, pooled, logits, _] = &mut work.head;
    let classifier = classifier(model, columns);
    match pooler {
        None => {
            let used = panels_len(isa, classifier.inputs, columns.sequences.len());
            pooled[..used].copy_from_slice(&input[..used]);
        }
        Some(pooler) => {
            pooler.forward(input, [slope, pooled], (&mut work.pooled_hat, &mut work.pooled_inverse));
        }
    }
    if columns.added > 1 {
        add_neighbours(isa, classifier.inputs, (classifier.columns, columns.added), pooled);
    }
    drop_rows(model, &columns.classified, Site::Classifier, &mut pooled[..classifier.input_len()], &mut work.mask);
    let head = &model.layout.head;
    let (weight, bias) = (&model.parameters[head.weight.clone()], &model.parameters[head.bias.clone()]);
    classifier.forward(weight, bias, pooled, logits);
}

/// Whether what is read is dropped out.
fn drops_input(model: &Model) -> bool {
    model.config.family.pooler(model.head).unwrap_or(&model.config.family.pooler).drops_input
}

/// Whether the pooler reads a copy: of some of the last layer's columns, of a BiLSTM's, or with dropout.
fn reads_copy(model: &Model) -> bool {
    model.predicts_words() || model.has_bilstm() || drops_input(model)
}

fn read(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    if !reads_copy(model) {
        return;
    }
    let (isa, hidden, count) = (model.isa, model.config.hidden_size, columns.sequences.len());
    let firsts = &mut work.firsts[..panels_len(isa, hidden, count)];
    firsts.fill(0.0);
    if model.has_bilstm() {
        under_head::read(model, columns, &tape.output, firsts);
    } else {
        copy_columns(isa, hidden, (&tape.output, &columns.firsts), (firsts, &columns.places[..count]));
    }
    if drops_input(model) {
        drop_rows(model, &columns.sequences, Site::Pooler, firsts, &mut work.mask);
    }
}

fn classifier(model: &Model, columns: &Columns) -> Dense {
    let [outputs, inputs] = model.config.pooler_shape();
    let inputs = if model.layout.pooler.is_some() { outputs } else { inputs };
    Dense { isa: model.isa, inputs, outputs: model.num_labels, columns: columns.sequences.len() / columns.added }
}

/// Dropout whose indices count sequences or examples.
pub fn drop_rows(model: &Model, items: &[u64], site: Site, values: &mut [f32], scratch: &mut [f32]) {
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
    let (isa, head) = (model.isa, classifier(model, columns));
    let weight = &model.parameters[model.layout.head.weight.clone()];
    head.backward(weight, &work.head[3], Start::Zero, &mut work.dropped);
    drop_rows(model, &columns.classified, Site::Classifier, &mut work.dropped[..head.input_len()], &mut work.mask);
    if columns.added > 1 {
        repeat_columns(isa, head.inputs, (head.columns, columns.added), &mut work.dropped);
    }
    let Some(pooler) = Pooler::of(model, columns.sequences.len()) else {
        let unit = LAYER_UNITS * model.layout.layers.len();
        to_feature_panels(isa, head.inputs, head.columns, &work.head[1], &mut work.transposed);
        let ranges = [&model.layout.head.weight, &model.layout.head.bias];
        model.add(unit, columns.micro_batch, ranges, |[weight, bias]| {
            head.add_parameter_gradients(&work.head[3][..head.output_len()], &work.transposed, weight, bias);
        });
        return std::mem::swap(&mut work.dropped, &mut work.other_gradient);
    };
    let firsts = std::mem::take(&mut work.firsts);
    pooler.backward(columns.micro_batch, head, if reads_copy(model) { &firsts } else { &tape.output }, work);
    work.firsts = firsts;
    if drops_input(model) {
        let used = panels_len(isa, model.config.pooler_shape()[1], columns.sequences.len());
        drop_rows(model, &columns.sequences, Site::Pooler, &mut work.other_gradient[..used], &mut work.mask);
    }
}
