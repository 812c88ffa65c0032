//! The masked words' head (BERT, Section 3.1): `n = LayerNorm(act(D x + d))`, `logits = E n + b` with E the table of word
//! embeddings, and the cross entropy over the vocabulary. Next tokens (GPT, Section 3.2) are the same with `n = x` and
//! without b.
//!
//! M tokens of the micro-batch at which a word is predicted, H hidden size, V words. The table's gradient from here,
//! `dlogits nᵀ`, is added together with that of the embeddings, whose unit it belongs to.

use super::super::attention::softmax;
use super::super::buffer::Buffer;
use super::super::columns::Columns;
use super::super::dense::Dense;
use super::super::embedding::add;
use super::super::mask::MAX_WIDTH;
use super::super::panel::{add_columns, copy_columns, panels_len};
use super::super::product::Start;
use super::super::transpose::to_feature_panels;
use super::super::workspace::{Model, Tape, Work};
use super::super::{activation, norm};
use crate::engine::Divisors;
use crate::engine::fast::flat;

/// What the head keeps and works with.
#[derive(Default)]
pub struct Masked {
    /// The tokens' states x `[H, M]`; in the backward pass their gradient.
    states: Buffer,
    /// `D x + d`; in the backward pass the activation's derivative.
    wide: Buffer,
    /// x̂ of the LayerNorm.
    hat: Buffer,
    /// Its `1 / √(variance + ε)` `[M]`.
    inverse: Buffer,
    /// n.
    normalised: Buffer,
    /// `[V, M]`; in the backward pass their gradient.
    logits: Buffer,
    /// n with features across.
    transposed: Buffer,
    /// Gradient of n, then of `D x + d`.
    gradient: Buffer,
    /// Gradients of the LayerNorm's factor and summand `[2 H]`.
    norm_gradient: Buffer,
}

impl Masked {
    fn fit(&mut self, model: &Model, count: usize) {
        let (isa, hidden) = (model.isa, model.config.hidden_size);
        let len = panels_len(isa, hidden, count);
        [&mut self.states, &mut self.normalised].into_iter().for_each(|buffer| buffer.fit(len));
        self.logits.fit(panels_len(isa, model.config.vocab_size, count));
        self.transposed.fit(hidden.next_multiple_of(isa.width) * count);
        if model.layout.masked.is_some() {
            [&mut self.wide, &mut self.hat, &mut self.gradient].into_iter().for_each(|buffer| buffer.fit(len));
            self.inverse.fit(panels_len(isa, 1, count));
            self.norm_gradient.fit(2 * hidden);
        }
    }

    /// Logits at one of the tokens `[V]`.
    pub fn words(&self, model: &Model, at: usize) -> Vec<f32> {
        let (width, words) = (model.isa.width, model.config.vocab_size);
        let panel = &self.logits[at / width * words * width..];
        (0..words).map(|word| panel[word * width + at % width]).collect()
    }
}

fn transform(model: &Model, columns: &Columns) -> Dense {
    let hidden = model.config.hidden_size;
    Dense { isa: model.isa, inputs: hidden, outputs: hidden, columns: columns.masked.len() }
}

fn decoder(model: &Model, columns: &Columns) -> Dense {
    Dense { outputs: model.config.vocab_size, ..transform(model, columns) }
}

/// From the last layer's output to `logits`.
pub fn forward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (count, masked) = (columns.masked.len(), &mut work.masked);
    masked.fit(model, count);
    if count == 0 {
        return;
    }
    let parts = model.layout.masked.as_ref();
    let states = if parts.is_some() { &mut masked.states } else { &mut masked.normalised };
    states.fill(0.0);
    let source = (&*tape.output, columns.masked.as_slice());
    copy_columns(model.isa, model.config.hidden_size, source, (states, &columns.places[..count]));
    if let Some(parts) = parts {
        normalised(model, columns, parts, masked);
    }
    let bias = parts.map_or(&[][..], |parts| &model.parameters[parts.bias.clone()]);
    let table = &model.parameters[model.layout.embeddings.words.clone()];
    decoder(model, columns).forward(table, bias, &masked.normalised, &mut masked.logits);
}

/// n of the masked words.
fn normalised(model: &Model, columns: &Columns, parts: &flat::Masked, masked: &mut Masked) {
    let (isa, dense) = (model.isa, transform(model, columns));
    let values = |range: &std::ops::Range<usize>| &model.parameters[range.clone()];
    dense.forward(values(&parts.transform.weight), values(&parts.transform.bias), &masked.states, &mut masked.wide);
    activation::forward(isa, model.config.hidden_act, &masked.wide, &mut masked.hat);
    norm::forward(model, &parts.norm, &mut masked.hat, &mut masked.normalised, &mut masked.inverse);
}

/// The words' loss, divided; `logits` become its gradient.
pub fn loss(model: &Model, columns: &Columns, work: &mut Work, by: Divisors) -> f64 {
    let (isa, words, width) = (model.isa, model.config.vocab_size, model.isa.width);
    let divisor = if model.predicts_next() { by.sequences } else { by.labelled };
    let mut sum = 0.0;
    let panels = work.masked.logits.chunks_mut(words * width).zip(columns.masked_words.chunks(width));
    for ((panel, right), shares) in panels.zip(columns.word_shares.chunks(width)) {
        let mut at = [0.0; MAX_WIDTH];
        let places = right.iter().enumerate().map(|(lane, word)| *word as usize * width + lane);
        at.iter_mut().zip(places.clone()).for_each(|(at, place)| *at = panel[place]);
        let (mut inverse, mut log_sum) = ([0.0; MAX_WIDTH], [0.0; MAX_WIDTH]);
        softmax::forward(isa, panel, None, &mut inverse[..width], &mut log_sum[..width]);
        let loss = |(lane, share): (usize, &f64)| share * (f64::from(log_sum[lane]) - f64::from(at[lane]));
        sum += shares.iter().enumerate().map(loss).sum::<f64>();
        let scales = shares.iter().map(|share| (share / divisor) as f32);
        inverse.iter_mut().zip(scales.clone()).for_each(|(inverse, scale)| *inverse *= scale);
        inverse[right.len()..].fill(0.0);
        softmax::scale_lanes(isa, panel, &inverse[..width]);
        places.zip(scales).for_each(|(place, scale)| panel[place] -= scale);
    }
    sum / divisor
}

/// From the logits' gradient to that of the tokens' states, and to the parameters but for the table and the bias.
pub fn backward(model: &Model, columns: &Columns, work: &mut Work) {
    match &model.layout.masked {
        Some(parts) => masked_backward(model, columns, parts, work),
        None if columns.masked.is_empty() => {}
        None => {
            let (decoder, masked) = (decoder(model, columns), &mut work.masked);
            let table = &model.parameters[model.layout.embeddings.words.clone()];
            to_feature_panels(model.isa, decoder.inputs, decoder.columns, &masked.normalised, &mut masked.transposed);
            decoder.backward(table, &masked.logits, Start::Zero, &mut masked.states);
        }
    }
}

fn masked_backward(model: &Model, columns: &Columns, parts: &flat::Masked, work: &mut Work) {
    let (isa, dense) = (model.isa, transform(model, columns));
    let unit = model.units() - 2;
    let ranges = [&parts.transform.weight, &parts.transform.bias, &parts.norm.weight, &parts.norm.bias];
    if columns.masked.is_empty() {
        return model.add(unit, columns.micro_batch, ranges, |_| {});
    }
    let masked = &mut work.masked;
    let values = |range: &std::ops::Range<usize>| &model.parameters[range.clone()];
    to_feature_panels(isa, dense.inputs, dense.columns, &masked.normalised, &mut masked.transposed);
    let table = values(&model.layout.embeddings.words);
    decoder(model, columns).backward(table, &masked.logits, Start::Zero, &mut masked.gradient);
    masked.norm_gradient.fill(0.0);
    let kept = (&*masked.hat, &*masked.inverse);
    norm::backward(model, &parts.norm, kept, &mut masked.gradient, &mut masked.norm_gradient);
    activation::forward_with_derivative(isa, model.config.hidden_act, &mut masked.wide, &mut masked.normalised);
    activation::backward(isa, &masked.wide, &mut masked.gradient);
    to_feature_panels(isa, dense.inputs, dense.columns, &masked.states, &mut work.transposed);
    model.add(unit, columns.micro_batch, ranges, |[weight, bias, norm_weight, norm_bias]| {
        dense.add_parameter_gradients(&masked.gradient, &work.transposed, weight, bias);
        let (weight_gradient, bias_gradient) = masked.norm_gradient.split_at(norm_weight.len());
        add(norm_weight, weight_gradient);
        add(norm_bias, bias_gradient);
    });
    dense.backward(values(&parts.transform.weight), &masked.gradient, Start::Zero, &mut masked.states);
}

/// The gradients of the tokens that are read and of those at which a word is predicted, together in `work.gradient` of the
/// Q columns.
pub fn spread(model: &Model, columns: &Columns, work: &mut Work) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    work.gradient[..panels_len(isa, hidden, columns.selected.len())].fill(0.0);
    let firsts = (&*work.other_gradient, &columns.places[..columns.firsts.len()]);
    add_columns(isa, hidden, firsts, (&mut work.gradient, &columns.firsts));
    let masked = (&*work.masked.states, &columns.places[..columns.masked.len()]);
    add_columns(isa, hidden, masked, (&mut work.gradient, &columns.masked));
}

/// Adds the decoder's gradient to that of the table of words, and of the decoder's bias.
pub fn add_to_words(model: &Model, columns: &Columns, work: &Masked, words: &mut [f32], bias: &mut [f32]) {
    let decoder = decoder(model, columns);
    if decoder.columns > 0 {
        decoder.add_parameter_gradients(&work.logits, &work.transposed, words, bias);
    }
}
