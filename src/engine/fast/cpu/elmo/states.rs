//! The frozen part: the language model's states of all words, and their weighted sum.
//!
//! U distinct words, N words of all texts, W without the marks; P width of a direction, n states of a word.

use super::super::buffer::Buffer;
use super::super::mix::Mix;
use super::super::panel::{Corner, copy_columns, panels_len, place};
use super::language_model::Direction;
use super::words::Characters;
use super::{State, Texts};
use crate::engine::dropout::Site;

impl<'a> Texts<'a> {
    /// Fills `states` `[n 2 P, N]`.
    pub(super) fn language_model(&self, state: &mut State) {
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
    pub(super) fn mix_states(&self, state: &mut State) {
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
    pub(super) fn drop_input(&self, numbers: &[u64], values: &mut [f32], mask: &mut Buffer) {
        let config = self.model.config;
        self.drop((Site::Embeddings, config.embedding_dropout_prob), numbers, self.width(), values, mask);
        self.drop((Site::LstmInput, config.hidden_dropout_prob), numbers, self.width(), values, mask);
    }

    pub(super) fn mix(&self) -> Mix<'a> {
        let ranges = self.model.layout.mix.as_ref().expect("states of a language model are always summed");
        let values = |range: &std::ops::Range<usize>| &self.model.parameters[range.clone()];
        Mix {
            isa: self.model.isa,
            rows: self.width(),
            weights: values(&ranges.weights),
            gamma: values(&ranges.gamma)[0],
        }
    }
}
