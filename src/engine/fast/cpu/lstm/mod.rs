//! One direction of an LSTM layer (Hochreiter and Schmidhuber 1997) over sequences of any lengths, in PyTorch's convention:
//! gates in the order i, f, g, o, two biases, states that begin at zero.
//!
//! ```text
//! a_t = W x_t + w + U h' + u, and what [`cell`] says        h', c' of the position before in this direction
//! dh' = Uᵀ da      dx = Wᵀ da      dW = Σ da xᵀ      dU = Σ da h'ᵀ      dw = du = Σ da
//! ```
//!
//! T columns, in the order of [`Steps`]; S sequences at a position, F inputs, R units. `W x` of all positions is one
//! product before the first step, and `dW`, `dU` and `dx` are one each after the last; a step has the product `U h'` or
//! `Uᵀ da` over its S columns, for which U is packed once. Nothing here knows of a head.

mod cell;
mod steps;
#[cfg(test)]
mod tests;

pub use steps::Steps;

use super::buffer::Buffer;
use super::dense::Dense;
use super::panel::{Corner, clear_columns, clear_tail, copy_rectangle, panels_len};
use super::product::{Left, Packed, Start, in_panels};
use super::simd::Isa;
use super::transpose::to_feature_panels;
use std::ops::Range;

/// One direction of a layer.
#[derive(Clone, Copy)]
pub struct Lstm<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// F.
    pub inputs: usize,
    /// R.
    pub units: usize,
    /// Whether it reads from the end.
    pub reverse: bool,
    /// Where its output begins in a layer's: rows of both directions, forward first.
    pub output: Corner,
    /// Its parameters.
    pub weights: Weights<'a>,
}

/// Parameters of a direction, rows in the order of the gates.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// W `[4 R, F]`.
    pub input: &'a [f32],
    /// U `[4 R, R]`.
    pub hidden: &'a [f32],
    /// w `[4 R]`.
    pub input_bias: &'a [f32],
    /// u `[4 R]`.
    pub hidden_bias: &'a [f32],
}

/// What the forward pass keeps.
#[derive(Default)]
pub struct Tape {
    /// i, f, g, o `[4 R, T]`; in the backward pass da.
    gates: Buffer,
    /// c `[R, T]`.
    cells: Buffer,
    /// h' `[R, T]`.
    before: Buffer,
}

impl Tape {
    fn fit(&mut self, lstm: &Lstm, columns: usize) {
        self.gates.fit(panels_len(lstm.isa, 4 * lstm.units, columns));
        self.cells.fit(panels_len(lstm.isa, lstm.units, columns));
        self.before.fit(panels_len(lstm.isa, lstm.units, columns));
    }
}

/// What one position works with, and transposed factors; used again by every direction.
#[derive(Default)]
pub struct Scratch {
    /// `w + u`.
    bias: Buffer,
    /// U or Uᵀ, for all positions.
    packed: Packed,
    /// `[4 R, S]`.
    gates: Buffer,
    /// h; backward, the gradient that comes from the position after `[R, S]`.
    hidden: Buffer,
    /// c; backward, its gradient `[R, S]`.
    cell: Buffer,
    /// Backward: c, c' and dh of the output `[R, S]`.
    now: [Buffer; 3],
    /// x and h' with features across.
    transposed: [Buffer; 2],
}

impl Scratch {
    fn fit(&mut self, lstm: &Lstm, lanes: usize) {
        self.bias.fit(4 * lstm.units);
        self.gates.fit(panels_len(lstm.isa, 4 * lstm.units, lanes));
        let states = [&mut self.hidden, &mut self.cell].into_iter().chain(&mut self.now);
        states.for_each(|buffer| buffer.fit(panels_len(lstm.isa, lstm.units, lanes)));
        // What lanes without a sequence hold must be finite, whatever was here before.
        self.gates.fill(0.0);
        self.hidden.fill(0.0);
        self.cell.fill(0.0);
        self.now.iter_mut().for_each(|buffer| buffer.fill(0.0));
    }
}

impl Lstm<'_> {
    /// From x `[F, T]` to this direction's rows of `output`.
    pub fn forward(&self, steps: &Steps, x: &[f32], output: &mut [f32], tape: &mut Tape, scratch: &mut Scratch) {
        tape.fit(self, steps.columns());
        scratch.fit(self, steps.lanes());
        let biases = self.weights.input_bias.iter().zip(self.weights.hidden_bias);
        scratch.bias.iter_mut().zip(biases).for_each(|(sum, (input, hidden))| *sum = input + hidden);
        self.dense(self.inputs, steps).forward(self.weights.input, &scratch.bias, x, &mut tape.gates);
        let rows = Left::Rows { values: self.weights.hidden, stride: self.units };
        scratch.packed.pack(self.isa, (4 * self.units, self.units), rows);
        let mut lanes = 0;
        for position in steps.positions(self.reverse) {
            let columns = steps.at(Some(position));
            self.enter(lanes..columns.len(), scratch);
            lanes = columns.len();
            self.step(&columns, output, tape, scratch);
        }
    }

    /// Sequences that begin in lanes where others were or none have states of zero.
    fn enter(&self, lanes: Range<usize>, scratch: &mut Scratch) {
        clear_columns(self.isa, self.units, lanes.clone(), &mut scratch.hidden);
        clear_columns(self.isa, self.units, lanes, &mut scratch.cell);
    }

    fn step(&self, columns: &Range<usize>, output: &mut [f32], tape: &mut Tape, scratch: &mut Scratch) {
        let (isa, units, lanes) = (self.isa, self.units, columns.len());
        let copy = |rows: usize, source: (&[f32], Corner), target: (&mut [f32], Corner)| {
            copy_rectangle(isa, (rows, lanes), source, target);
        };
        let (four, one) = (|column| Corner::top(4 * units, column), |column| Corner::top(units, column));
        copy(units, (&scratch.hidden, one(0)), (&mut tape.before, one(columns.start)));
        copy(4 * units, (&tape.gates, four(columns.start)), (&mut scratch.gates, four(0)));
        self.recurrent(lanes, &scratch.packed, &scratch.hidden, &mut scratch.gates);
        let (size, panels) = (units * isa.width, lanes.div_ceil(isa.width));
        let states = scratch.cell.chunks_mut(size).zip(scratch.hidden.chunks_mut(size));
        for (gates, (cell, hidden)) in scratch.gates.chunks_mut(4 * size).zip(states).take(panels) {
            isa.run(cell::Forward { gates, cell, hidden });
        }
        copy(4 * units, (&scratch.gates, four(0)), (&mut tape.gates, four(columns.start)));
        copy(units, (&scratch.cell, one(0)), (&mut tape.cells, one(columns.start)));
        let to = Corner { column: columns.start, ..self.output };
        copy(units, (&scratch.hidden, one(0)), (output, to));
    }

    /// `gates += U h'`.
    fn recurrent(&self, lanes: usize, packed: &Packed, hidden: &[f32], gates: &mut [f32]) {
        let shape = (4 * self.units, lanes, self.units);
        in_panels(self.isa, shape, packed.left(), hidden, Start::Output, gates);
    }

    /// From the gradient of this direction's rows of the output to da of every position, which stays on the tape.
    pub fn backward(&self, steps: &Steps, gradient: &[f32], tape: &mut Tape, scratch: &mut Scratch) {
        scratch.fit(self, steps.lanes());
        let columns = Left::Columns { values: self.weights.hidden, stride: self.units };
        scratch.packed.pack(self.isa, (self.units, 4 * self.units), columns);
        let mut lanes = 0;
        for position in steps.positions(!self.reverse) {
            let columns = steps.at(Some(position));
            self.enter(lanes..columns.len(), scratch);
            lanes = columns.len();
            let before = steps.at(Steps::before(position, self.reverse));
            self.step_back((&columns, &before), gradient, tape, scratch);
        }
        clear_tail(self.isa, 4 * self.units, steps.columns(), &mut tape.gates);
    }

    fn step_back(
        &self,
        (columns, before): (&Range<usize>, &Range<usize>),
        gradient: &[f32],
        tape: &mut Tape,
        scratch: &mut Scratch,
    ) {
        let (isa, units, lanes) = (self.isa, self.units, columns.len());
        let (four, one) = (|column| Corner::top(4 * units, column), |column| Corner::top(units, column));
        copy_rectangle(isa, (4 * units, lanes), (&tape.gates, four(columns.start)), (&mut scratch.gates, four(0)));
        let [cell, cell_before, output] = &mut scratch.now;
        copy_rectangle(isa, (units, lanes), (&tape.cells, one(columns.start)), (cell, one(0)));
        let known = before.len().min(lanes);
        copy_rectangle(isa, (units, known), (&tape.cells, one(before.start)), (cell_before, one(0)));
        clear_columns(isa, units, known..lanes, cell_before);
        let from = Corner { column: columns.start, ..self.output };
        copy_rectangle(isa, (units, lanes), (gradient, from), (output, one(0)));
        for panel in (0..lanes.div_ceil(isa.width)).map(|at| at * units * isa.width..(at + 1) * units * isa.width) {
            isa.run(cell::Backward {
                gates: &mut scratch.gates[4 * panel.start..4 * panel.end],
                cell: &cell[panel.clone()],
                before: &cell_before[panel.clone()],
                hidden: [&output[panel.clone()], &scratch.hidden[panel.clone()]],
                carried: &mut scratch.cell[panel],
            });
        }
        clear_tail(isa, 4 * units, lanes, &mut scratch.gates);
        copy_rectangle(isa, (4 * units, lanes), (&scratch.gates, four(0)), (&mut tape.gates, four(columns.start)));
        self.recurrent_back(lanes, &scratch.packed, &scratch.gates, &mut scratch.hidden);
    }

    /// `dh' = Uᵀ da`.
    fn recurrent_back(&self, lanes: usize, packed: &Packed, gates: &[f32], hidden: &mut [f32]) {
        let shape = (self.units, lanes, 4 * self.units);
        in_panels(self.isa, shape, packed.left(), gates, Start::Zero, hidden);
    }

    /// After the backward pass: `dx = Wᵀ da`, or `dx += Wᵀ da` with [`Start::Output`].
    pub fn input_gradient(&self, steps: &Steps, tape: &Tape, start: Start, gradient: &mut [f32]) {
        self.dense(self.inputs, steps).backward(self.weights.input, &tape.gates, start, gradient);
    }

    /// After the backward pass: x and h' in the form that [`Lstm::add_parameter_gradients`] reads.
    pub fn transpose(&self, steps: &Steps, x: &[f32], tape: &Tape, scratch: &mut Scratch) {
        let [x_across, before_across] = &mut scratch.transposed;
        for (rows, values, across) in [(self.inputs, x, x_across), (self.units, &*tape.before, before_across)] {
            across.fit(rows.next_multiple_of(self.isa.width) * steps.columns());
            to_feature_panels(self.isa, rows, steps.columns(), values, across);
        }
    }

    /// Adds to the gradients of W, U, w and u.
    pub fn add_parameter_gradients(&self, steps: &Steps, tape: &Tape, scratch: &Scratch, sums: [&mut [f32]; 4]) {
        let [input, hidden, input_bias, hidden_bias] = sums;
        let [x, before] = &scratch.transposed;
        self.dense(self.inputs, steps).add_parameter_gradients(&tape.gates, x, input, input_bias);
        self.dense(self.units, steps).add_parameter_gradients(&tape.gates, before, hidden, hidden_bias);
    }

    /// All columns into the gates.
    fn dense(&self, inputs: usize, steps: &Steps) -> Dense {
        Dense { isa: self.isa, inputs, outputs: 4 * self.units, columns: steps.columns() }
    }
}
