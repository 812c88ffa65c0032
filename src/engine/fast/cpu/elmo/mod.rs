//! ELMo, frozen, and the sentence encoder of GLUE's baselines over it, as the reference engine says them in `elmo` and `texts`.
//!
//! A micro-batch's tokens are bytes; what is computed has words for columns, each distinct word's characters once. The language
//! model goes through the texts with the words that only mark their ends, in the order of `framed`; all after it without them,
//! in the order of `inner`.
//!
//! U distinct words, N words of all texts, W without the marks, S sequences; P width of a direction, n states of a word, R
//! units of a direction of a BiLSTM.

mod attention;
mod language_model;
mod maxima;
mod pairs;
mod places;
mod states;
mod words;

use super::bilstm::{self, BiLstm};
use super::buffer::Buffer;
use super::lstm::Steps;
use super::micro_batch::Sequence;
use super::mix;
use super::panel::{clear_tail, panels_len};
use super::workspace::Model;
use crate::encode::Batch;
use crate::engine::dropout::Site;
use crate::engine::fast::flat::{self, LanguageModel};
use crate::family::{Elmo, Encoder};
use maxima::Maxima;
use places::Places;

/// What the passes keep and work with.
#[derive(Default)]
pub struct State {
    places: Places,
    characters: words::Scratch,
    /// `[P, U]`.
    embedded: Buffer,
    language_model: language_model::Scratch,
    /// States under one another `[n 2 P, N]`.
    states: Buffer,
    /// The same without the marks `[n 2 P, W]`.
    inner: Buffer,
    mix: mix::Scratch,
    /// Their sum after dropout `[2 P, W]`, and its gradient.
    mixed: [Buffer; 2],
    bilstm: bilstm::State,
    /// Words' states with a word a row `[W, 2 R]`, and their gradient.
    rows: [Buffer; 2],
    /// What they attend to `[W, 2 R]`, and its gradient.
    context: [Buffer; 2],
    shares: Vec<f32>,
    /// Both after dropout `[4 R, W]`, and their gradient.
    attended_input: [Buffer; 2],
    attended: bilstm::State,
    /// What the maxima are taken of, after dropout `[2 R, W]`; in the backward pass its gradient.
    last: Buffer,
    /// Gradient of the first BiLSTM's output `[2 R, W]`.
    encoded_gradient: Buffer,
    maxima: Maxima,
    mask: Buffer,
}

/// The encoder of a model that reads words by their characters.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    model: &'a Model<'a>,
    own: &'a Elmo,
    layout: &'a LanguageModel,
}

impl<'a> Texts<'a> {
    /// `None` for other models.
    pub fn of(model: &'a Model<'a>) -> Option<Texts<'a>> {
        let Encoder::Elmo(own) = &model.config.encoder else { return None };
        model.layout.language_model.as_ref().map(|layout| Texts { model, own, layout })
    }

    /// 2 P.
    fn width(&self) -> usize {
        self.model.config.hidden_size
    }

    /// 2 R.
    fn units(&self) -> usize {
        2 * self.own.texts.hidden_size
    }

    /// n.
    fn count(&self) -> usize {
        self.model.config.num_hidden_layers + 1
    }

    /// From a micro-batch to what the head reads, `output` `[…, S]`.
    pub fn forward(&self, batch: &Batch, sequences: &[Sequence], output: &mut [f32], state: &mut State) {
        state.places.set(batch, sequences, self.own.max_characters, self.model.part);
        self.language_model(state);
        self.mix_states(state);
        let State { mixed: [mixed, _], bilstm, places, .. } = state;
        self.bilstm(&places.inner, &places.numbers).forward(mixed, bilstm);
        if self.own.texts.attends() {
            self.attend(state);
        }
        self.read(output, state);
    }

    fn drop(
        &self,
        (site, probability): (Site, f64),
        numbers: &[u64],
        rows: usize,
        values: &mut [f32],
        mask: &mut Buffer,
    ) {
        let Some(dropout) = self.model.dropout(site, probability) else { return };
        mask.fit(rows * self.model.isa.width);
        let used = panels_len(self.model.isa, rows, numbers.len());
        dropout.apply(self.model.isa, numbers, rows, &mut values[..used], mask);
    }

    /// The first BiLSTM.
    fn bilstm<'b>(&self, steps: &'b Steps, tokens: &'b [u64]) -> BiLstm<'b>
    where
        'a: 'b,
    {
        self.bilstm_of((&self.model.layout.lstm, 0), self.width(), steps, tokens)
    }

    /// The second one.
    fn attended<'b>(&self, steps: &'b Steps, tokens: &'b [u64]) -> BiLstm<'b>
    where
        'a: 'b,
    {
        let layout = self.model.layout;
        self.bilstm_of((&layout.attended, 2 * layout.lstm.len()), 2 * self.units(), steps, tokens)
    }

    fn bilstm_of<'b>(
        &self,
        (layers, before): (&'b [[flat::Lstm; 2]], usize),
        inputs: usize,
        steps: &'b Steps,
        tokens: &'b [u64],
    ) -> BiLstm<'b>
    where
        'a: 'b,
    {
        let (units, first_unit) = (self.own.texts.hidden_size, self.model.units() + before);
        BiLstm { model: self.model, layers, inputs, units, first_unit, dropout: 0.0, steps, tokens }
    }

    /// Dropout of what the maxima are taken of.
    fn last_dropout(&self) -> (Site, f64) {
        (Site::LstmOutput(usize::from(self.own.texts.attends())), self.model.config.hidden_dropout_prob)
    }

    fn read(&self, output: &mut [f32], state: &mut State) {
        let State { places, bilstm, attended, last, maxima, mask, .. } = state;
        let (isa, units) = (self.model.isa, self.units());
        let words = if self.own.texts.attends() { attended.output() } else { bilstm.output() };
        last.fit(words.len());
        last.copy_from_slice(words);
        self.drop(self.last_dropout(), &places.numbers, units, last, mask);
        maxima.take(isa, units, places.texts(), last);
        maxima.read(isa, units, self.own.texts.count == 2, output);
    }

    /// From the gradient of what the head reads to those of the BiLSTMs and of the weighted sum.
    pub fn backward(&self, micro_batch: usize, gradient: &[f32], state: &mut State) {
        let (isa, units, columns) = (self.model.isa, self.units(), state.places.inner.columns());
        state.last.fit(panels_len(isa, units, columns));
        state.last.fill(0.0);
        state.maxima.spread(isa, units, self.own.texts.count == 2, gradient, &mut state.last);
        let State { places, last, mask, .. } = state;
        self.drop(self.last_dropout(), &places.numbers, units, last, mask);
        if self.own.texts.attends() {
            self.attend_back(micro_batch, state);
        }
        let State { places, inner, mix, mixed: [mixed, mixed_gradient], bilstm, mask, .. } = state;
        let gradient = if self.own.texts.attends() { &state.encoded_gradient } else { &state.last };
        mixed_gradient.fit(mixed.len());
        self.bilstm(&places.inner, &places.numbers).backward(
            micro_batch,
            mixed,
            gradient,
            bilstm,
            Some(mixed_gradient),
        );
        self.drop_input(&places.numbers, mixed_gradient, mask);
        clear_tail(isa, self.width(), columns, mixed_gradient);
        let (own, layout) = (self.mix(), self.model.layout);
        own.backward(inner, mixed_gradient, mix);
        let ranges = layout.mix.as_ref().expect("states of a language model are always summed");
        let unit = self.model.units() + 2 * (layout.lstm.len() + layout.attended.len());
        self.model.add(unit, micro_batch, [&ranges.weights, &ranges.gamma], |[weights, gamma]| {
            own.add_gradients(mix, weights, gamma);
        });
    }
}
