//! Heads and their losses, on the rows that exist.
//!
//! - [`pooled`]: of each sequence's first token: a class, a number, one of several sequences, the next sentence;
//! - [`every_token`]: of all tokens: the answer's span, or a label each;
//! - [`beam_span`]: of all tokens: the answer's start, its end beside that, and whether there is one;
//! - [`masked`]: the words that stood where tokens are masked, in pre-training; beside a head of sequences, next tokens.

mod beam_span;
mod every_token;
mod masked;
mod pooled;
mod pooler;

pub use beam_span::{BeamSpans, Questions, search};
pub use masked::{Masked, add_to_words};

use super::columns::Columns;
use super::micro_batch::Sequence;
use super::panel::{panels_len, place};
use super::simd::Isa;
use super::under_head;
use super::workspace::{Model, Tape, Work};
use crate::encode::Targets;
use crate::engine::Divisors;
use crate::engine::dropout::Site;
use crate::task::Head;

/// From the last layer's output to logits, in `work.head` and `work.masked`.
pub fn forward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    if model.head == Head::BeamSpan {
        return beam_span::forward(model, columns, tape, work);
    }
    if model.head.reads_every_token() {
        return every_token::forward(model, columns, tape, work);
    }
    pooled::forward(model, columns, tape, work);
    if model.predicts_words() {
        masked::forward(model, columns, tape, work);
    }
}

/// Dropout of the last layer's output, of the Q columns, in families that have it; the same forward and backward.
pub fn drop_output(model: &Model, columns: &Columns, values: &mut [f32], scratch: &mut [f32]) {
    let dropout = model.dropout(Site::Output, model.config.output_dropout());
    let (Some(dropout), isa, hidden) = (dropout, model.isa, model.config.hidden_size) else { return };
    let tokens = columns.read_tokens();
    let used = panels_len(isa, hidden, tokens.len());
    dropout.apply(isa, tokens, hidden, &mut values[..used], scratch);
}

/// Logits by column and label, of one micro-batch.
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

/// The micro-batch's share of the loss, divided; `work.head[3]` and the words' logits become its gradient.
/// `None` where targets are hidden or another head's.
pub fn loss(
    model: &Model,
    targets: &Targets,
    sequences: &[Sequence],
    columns: &Columns,
    work: &mut Work,
    by: Divisors,
) -> Option<f64> {
    if model.head == Head::BeamSpan {
        return beam_span::loss(model, columns, work, by);
    }
    let mut gradient = std::mem::take(&mut work.head[3]);
    gradient.fill(0.0);
    let logits = Logits::new(model, work);
    let set = |column: usize, label: usize, value: f64| {
        gradient[place(model.isa, model.num_labels, column) + label * model.isa.width] = value as f32;
    };
    let loss = if model.head.reads_every_token() {
        every_token::loss(targets, sequences, &logits, by, set)
    } else {
        pooled::loss((model.head, columns.added), targets, sequences, &logits, by, set)
    };
    work.head[3] = gradient;
    let words = if model.predicts_words() { masked::loss(model, columns, work, by) } else { 0.0 };
    loss.map(|loss| loss + words)
}

/// `log Σ exp x - x[target]` over `count` logits; the gradient is `softmax(x)`, less 1 at the target.
fn cross_entropy(count: usize, logit: impl Fn(usize) -> f32, target: usize, mut set: impl FnMut(usize, f64)) -> f64 {
    let set = |at: usize, share: f64| set(at, share - if at == target { 1.0 } else { 0.0 });
    let (maximum, log_sum) = softmax(count, &logit, set);
    log_sum - (f64::from(logit(target)) - f64::from(maximum))
}

/// `exp x / Σ exp x`; returns the maximum and `log Σ exp(x - maximum)`.
fn softmax(count: usize, logit: impl Fn(usize) -> f32, mut set: impl FnMut(usize, f64)) -> (f32, f64) {
    let maximum = (0..count).map(&logit).fold(f32::NEG_INFINITY, f32::max);
    let shifted = |at: usize| f64::from(logit(at)) - f64::from(maximum);
    let log_sum = (0..count).map(|at| shifted(at).exp()).sum::<f64>().ln();
    (0..count).for_each(|at| set(at, (shifted(at) - log_sum).exp()));
    (maximum, log_sum)
}

/// From the logits' gradient to `work.gradient` of the Q columns, and to the head's parameters.
pub fn backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    if model.head == Head::BeamSpan {
        return beam_span::backward(model, columns, tape, work);
    }
    if model.head.reads_every_token() {
        return every_token::backward(model, columns, tape, work);
    }
    pooled::backward(model, columns, tape, work);
    if model.predicts_words() {
        masked::backward(model, columns, work);
        masked::spread(model, columns, work);
    } else if model.has_bilstm() {
        under_head::spread(model, columns, work);
    } else {
        std::mem::swap(&mut work.gradient, &mut work.other_gradient);
    }
}
