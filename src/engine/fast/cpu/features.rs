//! The feature-based approach: states of the frozen encoder, perhaps summed with weights, through a BiLSTM.
//!
//! States are constants: no gradient reaches the encoder, which keeps nothing for a backward pass and has no dropout.
//!
//! T columns, n states that are read, H hidden size, R units of a direction, W columns a panel. States are gathered in the
//! micro-batch's order of columns; from there to the BiLSTM's output, columns stand in the order of its
//! [`Steps`](super::lstm::Steps).

use super::bilstm::{self, BiLstm};
use super::buffer::Buffer;
use super::columns::Columns;
use super::mix::{self, Mix};
use super::panel::panels_len;
use super::workspace::{Model, Tape};
use crate::task::FeatureBased;
use std::ops::Range;

/// What the passes keep and work with.
#[derive(Default)]
pub struct State {
    /// Under one another `[n H, T]`.
    states: Buffer,
    /// The same in the order of the steps.
    ordered: Buffer,
    /// Their sum, where there is one `[H, T]`.
    sum: Buffer,
    /// Its gradient.
    sum_gradient: Buffer,
    /// Gradient of the BiLSTM's output `[2 R, T]`.
    gradient: Buffer,
    mix: mix::Scratch,
    bilstm: bilstm::State,
}

/// A model that reads its encoder as features.
#[derive(Clone, Copy)]
pub struct Features<'a> {
    model: &'a Model<'a>,
    how: FeatureBased,
    columns: &'a Columns,
}

impl<'a> Features<'a> {
    /// `None` where the encoder is trained.
    pub fn of(model: &'a Model<'a>, columns: &'a Columns) -> Option<Features<'a>> {
        model.feature_based().map(|how| Features { model, how, columns })
    }

    /// The states that are read: 0 is the embeddings' output, n that of layer n.
    fn states(&self) -> Range<usize> {
        self.how.kind.states(self.model.layout.layers.len())
    }

    /// Layers that must be computed for them.
    pub fn layers(&self) -> usize {
        self.states().end - 1
    }

    /// Rows of all of them.
    fn rows(&self) -> usize {
        self.states().len() * self.model.config.hidden_size
    }

    /// Takes a state if it is among those that are read; `computed` is the last one.
    pub fn keep(&self, state: usize, computed: usize, tape: &mut Tape) {
        let wanted = self.states();
        if !wanted.contains(&state) {
            return;
        }
        let (isa, mut states) = (self.model.isa, std::mem::take(&mut tape.features.states));
        states.fit(panels_len(isa, self.rows(), self.columns.count));
        let values =
            if state == computed && computed > 0 { &tape.output } else { &tape.layers[tape.slot(state)].input };
        let (size, place) = (self.model.config.hidden_size * isa.width, state - wanted.start);
        let panels = states.chunks_mut(wanted.len() * size).zip(values.chunks(size));
        panels.for_each(|(all, own)| all[place * size..(place + 1) * size].copy_from_slice(own));
        tape.features.states = states;
    }

    /// From the states to `tape.output` `[2 R, T]`, which the classifier reads.
    pub fn forward(&self, tape: &mut Tape) {
        let (isa, columns) = (self.model.isa, self.columns);
        let State { states, ordered, sum, mix, bilstm, .. } = &mut tape.features;
        columns.in_order(isa, self.rows(), states, ordered);
        if let Some(own) = self.mix() {
            sum.fit(panels_len(isa, own.rows, columns.count));
            own.forward(ordered, sum, mix);
        }
        let x = if self.model.layout.mix.is_some() { sum } else { ordered };
        self.bilstm().forward(x, bilstm);
        columns.put_back(isa, self.how.outputs(), bilstm.output(), &mut tape.output);
    }

    /// From the gradient of `tape.output` to those of the BiLSTM and of the weighted sum.
    pub fn backward(&self, output_gradient: &[f32], tape: &mut Tape) {
        let (isa, micro_batch) = (self.model.isa, self.columns.micro_batch);
        let State { ordered, sum, sum_gradient, gradient, mix, bilstm, .. } = &mut tape.features;
        self.columns.in_order(isa, self.how.outputs(), output_gradient, gradient);
        let Some((own, ranges)) = self.mix().zip(self.model.layout.mix.as_ref()) else {
            return self.bilstm().backward(micro_batch, ordered, gradient, bilstm, None);
        };
        sum_gradient.fit(sum.len());
        self.bilstm().backward(micro_batch, sum, gradient, bilstm, Some(sum_gradient));
        own.backward(ordered, sum_gradient, mix);
        let unit = self.model.units() + 2 * self.model.layout.lstm.len();
        self.model.add(unit, micro_batch, [&ranges.weights, &ranges.gamma], |[weights, gamma]| {
            own.add_gradients(mix, weights, gamma);
        });
    }

    fn mix(&self) -> Option<Mix<'a>> {
        let (isa, rows) = (self.model.isa, self.model.config.hidden_size);
        let values = |range: &Range<usize>| &self.model.parameters[range.clone()];
        let ranges = self.model.layout.mix.as_ref()?;
        Some(Mix { isa, rows, weights: values(&ranges.weights), gamma: values(&ranges.gamma)[0] })
    }

    fn bilstm(&self) -> BiLstm<'a> {
        let inputs = self.how.inputs(0, self.model.layout.layers.len(), self.model.config.hidden_size);
        BiLstm::of(self.model, self.columns, (inputs, self.how.lstm_hidden_size))
    }
}
