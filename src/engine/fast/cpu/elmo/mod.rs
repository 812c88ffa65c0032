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
mod places;
mod words;

use super::bilstm::{self, BiLstm};
use super::buffer::Buffer;
use super::lstm::Steps;
use super::micro_batch::Sequence;
use super::mix::{self, Mix};
use super::panel::{Corner, clear_tail, copy_columns, panels_len, place};
use super::transpose::{panel_to_rows, rows_to_panel};
use super::workspace::Model;
use crate::encode::Batch;
use crate::engine::dropout::Site;
use crate::engine::fast::flat::{self, LanguageModel};
use crate::family::{Elmo, Encoder};
use language_model::Direction;
use maxima::Maxima;
use places::Places;
use words::Characters;

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

    /// Fills `states` `[n 2 P, N]`.
    fn language_model(&self, state: &mut State) {
        let State { places, characters, embedded, states, language_model, .. } = state;
        let (isa, config) = (self.model.isa, self.model.config);
        let (size, height) = (config.embedding_size, self.count() * self.width());
        let (own, layout, parameters) = (self.own, self.layout, self.model.parameters);
        Characters { isa, own, size, layout, parameters }.forward(&places.characters, embedded, characters);
        states.fit(panels_len(isa, height, places.framed.columns()));
        for (column, row) in places.framed.order().iter().enumerate() {
            let (from, to) = (place(isa, size, places.distinct[*row]), place(isa, height, column));
            for at in (0..size * isa.width).step_by(isa.width) {
                states[to + at] = embedded[from + at];
                states[to + at + size * isa.width] = embedded[from + at];
            }
        }
        for layer in 0..config.num_hidden_layers {
            for direction in 0..2 {
                let row = |layer: usize| Corner { height, row: layer * 2 * size + direction * size, column: 0 };
                let corners = (row(layer), row(layer + 1));
                self.direction(layer, direction).forward(&places.framed, states, corners, language_model);
            }
        }
    }

    fn direction(&self, layer: usize, direction: usize) -> Direction<'a> {
        let cell = &self.layout.cells[layer][direction];
        let weights = [&cell.weight, &cell.bias, &cell.projection].map(|range| &self.model.parameters[range.clone()]);
        Direction {
            isa: self.model.isa,
            size: self.model.config.embedding_size,
            cells: self.own.cell_size,
            clips: [self.own.cell_clip as f32, self.own.projection_clip as f32],
            reverse: direction == 1,
            skips: layer > 0,
            weights,
        }
    }

    /// Fills the first of `mixed`, dropped out twice.
    fn mix_states(&self, state: &mut State) {
        let State { places, states, inner, mix, mixed: [mixed, _], mask, .. } = state;
        let (isa, height) = (self.model.isa, self.count() * self.width());
        let columns = places.inner.columns();
        inner.fit(panels_len(isa, height, columns));
        copy_columns(isa, height, (states, &places.from), (inner, &places.all));
        mixed.fit(panels_len(isa, self.width(), columns));
        self.mix().forward(inner, mixed, mix);
        self.drop_input(&places.numbers, mixed, mask);
    }

    /// ELMo's own dropout and that of the BiLSTM's input, or of its gradient.
    fn drop_input(&self, numbers: &[u64], values: &mut [f32], mask: &mut Buffer) {
        let config = self.model.config;
        self.drop((Site::Embeddings, config.embedding_dropout_prob), numbers, self.width(), values, mask);
        self.drop((Site::LstmInput, config.hidden_dropout_prob), numbers, self.width(), values, mask);
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

    fn mix(&self) -> Mix<'a> {
        let ranges = self.model.layout.mix.as_ref().expect("states of a language model are always summed");
        let values = |range: &std::ops::Range<usize>| &self.model.parameters[range.clone()];
        Mix {
            isa: self.model.isa,
            rows: self.width(),
            weights: values(&ranges.weights),
            gamma: values(&ranges.gamma)[0],
        }
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

    /// From the first BiLSTM's output to the second one's.
    fn attend(&self, state: &mut State) {
        let State { places, bilstm, rows: [rows, _], context: [context, _], shares, attended, mask, .. } = state;
        let (isa, units, columns) = (self.model.isa, self.units(), places.inner.columns());
        let [input, _] = &mut state.attended_input;
        to_rows(isa, units, bilstm.output(), (units, 0), columns, rows);
        context.fit(columns * units);
        attention::forward(&places.pairs(), units, rows, context, shares);
        input.fit(panels_len(isa, 2 * units, columns));
        from_rows(isa, units, rows, (2 * units, 0), input);
        from_rows(isa, units, context, (2 * units, units), input);
        let dropout = (Site::LstmOutput(0), self.model.config.hidden_dropout_prob);
        self.drop(dropout, &places.numbers, 2 * units, input, mask);
        self.attended(&places.inner, &places.numbers).forward(input, attended);
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

    /// From the gradient of the second BiLSTM's output, in `last`, to that of the first one's.
    fn attend_back(&self, micro_batch: usize, state: &mut State) {
        let State { places, rows, context, shares, attended, last, encoded_gradient, mask, .. } = state;
        let (isa, units, columns) = (self.model.isa, self.units(), places.inner.columns());
        let [input, input_gradient] = &mut state.attended_input;
        input_gradient.fit(input.len());
        let second = self.attended(&places.inner, &places.numbers);
        second.backward(micro_batch, input, last, attended, Some(input_gradient));
        let dropout = (Site::LstmOutput(0), self.model.config.hidden_dropout_prob);
        self.drop(dropout, &places.numbers, 2 * units, input_gradient, mask);
        let [rows, rows_gradient] = rows;
        to_rows(isa, units, input_gradient, (2 * units, 0), columns, rows_gradient);
        to_rows(isa, units, input_gradient, (2 * units, units), columns, &mut context[1]);
        attention::backward(&places.pairs(), units, (rows, &context[1]), shares, rows_gradient);
        encoded_gradient.fit(panels_len(isa, units, columns));
        from_rows(isa, units, rows_gradient, (units, 0), encoded_gradient);
    }
}

/// So many rows of an array in panels, from a row on, with a column a row.
fn to_rows(
    isa: super::simd::Isa,
    rows: usize,
    panels: &[f32],
    (height, first): (usize, usize),
    columns: usize,
    output: &mut Buffer,
) {
    output.fit(columns * rows);
    for (panel, output) in panels.chunks(height * isa.width).zip(output.chunks_mut(rows * isa.width)) {
        panel_to_rows(isa, rows, &panel[first * isa.width..], output);
    }
}

/// The other way round; lanes past the last column become zero.
fn from_rows(isa: super::simd::Isa, rows: usize, values: &[f32], (height, first): (usize, usize), panels: &mut [f32]) {
    for (panel, values) in panels.chunks_mut(height * isa.width).zip(values.chunks(rows * isa.width)) {
        rows_to_panel(isa, rows, values, &mut panel[first * isa.width..(first + rows) * isa.width]);
    }
}
