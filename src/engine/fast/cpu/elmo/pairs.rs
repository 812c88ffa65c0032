//! Attention between the two texts of a pair, between the two BiLSTMs.
//!
//! W words, R units of a direction of a BiLSTM.

use super::super::buffer::Buffer;
use super::super::panel::panels_len;
use super::super::simd::Isa;
use super::super::transpose::{panel_to_rows, rows_to_panel};
use super::{State, Texts, attention};
use crate::engine::dropout::Site;

impl Texts<'_> {
    /// From the first BiLSTM's output to the second one's.
    pub(super) fn attend(&self, state: &mut State) {
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

    /// From the gradient of the second BiLSTM's output, in `last`, to that of the first one's.
    pub(super) fn attend_back(&self, micro_batch: usize, state: &mut State) {
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
    isa: Isa,
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
fn from_rows(isa: Isa, rows: usize, values: &[f32], (height, first): (usize, usize), panels: &mut [f32]) {
    for (panel, values) in panels.chunks_mut(height * isa.width).zip(values.chunks(rows * isa.width)) {
        rows_to_panel(isa, rows, values, &mut panel[first * isa.width..(first + rows) * isa.width]);
    }
}
