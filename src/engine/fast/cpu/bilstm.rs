//! A BiLSTM: layers of two directions each, whose outputs stand under one another, forward first, and are the next layer's
//! inputs after dropout.
//!
//! T columns in the order of [`Steps`], F inputs, R units of a direction, W columns a panel. Nothing here knows of a head;
//! gradients of the parameters go to units of their own, two a layer.

use super::buffer::Buffer;
use super::columns::Columns;
use super::lstm::{Lstm, Scratch, Steps, Tape, Weights};
use super::panel::{Corner, panels_len};
use super::product::Start;
use super::workspace::Model;
use crate::engine::dropout::Site;
use crate::engine::fast::flat;

/// A BiLSTM of a model at work.
#[derive(Clone, Copy)]
pub struct BiLstm<'a> {
    /// The model that it is part of.
    pub model: &'a Model<'a>,
    /// Where its parameters lie.
    pub layers: &'a [[flat::Lstm; 2]],
    /// F.
    pub inputs: usize,
    /// R.
    pub units: usize,
    /// First of its units of the gradient.
    pub first_unit: usize,
    /// Dropout between layers.
    pub dropout: f64,
    /// Columns by position.
    pub steps: &'a Steps,
    /// Number of each column's token within the step, `[T]`.
    pub tokens: &'a [u64],
}

/// What a layer keeps.
#[derive(Default)]
struct LayerState {
    directions: [Tape; 2],
    /// Both directions' output `[2 R, T]`, after dropout where a layer follows; in the backward pass its gradient.
    output: Buffer,
}

/// What the passes keep and work with.
#[derive(Default)]
pub struct State {
    layers: Vec<LayerState>,
    scratch: Scratch,
    mask: Buffer,
}

impl State {
    /// The last layer's output `[2 R, T]`.
    pub fn output(&self) -> &[f32] {
        self.layers.last().map_or(&[], |layer| &layer.output)
    }
}

impl<'a> BiLstm<'a> {
    /// The model's own over all columns, of so many inputs and units.
    pub fn of(model: &'a Model<'a>, columns: &'a Columns, (inputs, units): (usize, usize)) -> BiLstm<'a> {
        BiLstm {
            model,
            layers: &model.layout.lstm,
            inputs,
            units,
            // Its units of the gradient come after those that every model has.
            first_unit: model.units(),
            dropout: model.config.hidden_dropout_prob,
            steps: &columns.steps,
            tokens: &columns.step_tokens,
        }
    }

    /// From x `[F, T]` to [`State::output`].
    pub fn forward(&self, x: &[f32], state: &mut State) {
        state.layers.resize_with(self.layers.len(), LayerState::default);
        for layer in 0..self.layers.len() {
            let (before, own) = state.layers.split_at_mut(layer);
            let x = before.last().map_or(x, |before| &*before.output);
            let own = &mut own[0];
            own.output.fit(panels_len(self.model.isa, 2 * self.units, self.steps.columns()));
            for (lstm, tape) in self.directions(layer).iter().zip(&mut own.directions) {
                lstm.forward(self.steps, x, &mut own.output, tape, &mut state.scratch);
            }
            if layer + 1 < self.layers.len() {
                self.drop_output(layer, &mut own.output, &mut state.mask);
            }
        }
    }

    /// From the gradient of the last layer's output `[2 R, T]` to those of the parameters and, into `input_gradient`
    /// `[F, T]` where it is wanted, of x.
    pub fn backward(
        &self,
        micro_batch: usize,
        x: &[f32],
        gradient: &[f32],
        state: &mut State,
        mut input_gradient: Option<&mut [f32]>,
    ) {
        for layer in (0..self.layers.len()).rev() {
            let (before, after) = state.layers.split_at_mut(layer);
            let Some((own, after)) = after.split_first_mut() else { return };
            let gradient = after.first().map_or(gradient, |_| &*own.output);
            let x = before.last().map_or(x, |before| &*before.output);
            for (which, lstm) in self.directions(layer).iter().enumerate() {
                let tape = &mut own.directions[which];
                lstm.backward(self.steps, gradient, tape, &mut state.scratch);
                lstm.transpose(self.steps, x, tape, &mut state.scratch);
                let ranges = &self.layers[layer][which];
                let ranges = [&ranges.input, &ranges.hidden, &ranges.input_bias, &ranges.hidden_bias];
                self.model.add(self.first_unit + 2 * layer + which, micro_batch, ranges, |sums| {
                    lstm.add_parameter_gradients(self.steps, tape, &state.scratch, sums);
                });
            }
            let target = match before.last_mut() {
                Some(before) => Some(&mut *before.output),
                None => input_gradient.take(),
            };
            let Some(target) = target else { continue };
            for (lstm, tape) in self.directions(layer).iter().zip(&own.directions) {
                let start = if lstm.reverse { Start::Output } else { Start::Zero };
                lstm.input_gradient(self.steps, tape, start, target);
            }
            if layer > 0 {
                self.drop_output(layer - 1, target, &mut state.mask);
            }
        }
    }

    fn directions(&self, layer: usize) -> [Lstm<'_>; 2] {
        let inputs = if layer == 0 { self.inputs } else { 2 * self.units };
        [false, true].map(|reverse| {
            let ranges = &self.layers[layer][usize::from(reverse)];
            let values = |range: &std::ops::Range<usize>| &self.model.parameters[range.clone()];
            let weights = Weights {
                input: values(&ranges.input),
                hidden: values(&ranges.hidden),
                input_bias: values(&ranges.input_bias),
                hidden_bias: values(&ranges.hidden_bias),
            };
            let output = Corner { height: 2 * self.units, row: usize::from(reverse) * self.units, column: 0 };
            Lstm { isa: self.model.isa, inputs, units: self.units, reverse, output, weights }
        })
    }

    /// Dropout of a layer's output, or of its gradient.
    fn drop_output(&self, layer: usize, values: &mut [f32], mask: &mut Buffer) {
        let Some(dropout) = self.model.dropout(Site::LstmOutput(layer), self.dropout) else { return };
        let (isa, rows) = (self.model.isa, 2 * self.units);
        mask.fit(rows * isa.width);
        dropout.apply(isa, self.tokens, rows, values, mask);
    }
}
