//! One direction of a layer of ELMo's language model: an LSTM whose state is a projection of the cell's output, both clipped,
//! as the reference engine says it. Nothing of it is trained, so that nothing is kept but the states.
//!
//! S texts at a position, P width of a direction, Q units of a cell. A position has two products, `[x; h'] W` and the
//! projection, whose weights are packed once.

use super::super::buffer::Buffer;
use super::super::lstm::Steps;
use super::super::panel::{Corner, clear_columns, copy_rectangle, panels_len};
use super::super::product::{Left, Packed, Start, in_panels};
use super::super::simd::{Isa, sigmoid, tanh, vectors_mut};
use pulp::{Simd, WithSimd};

/// A direction of a layer.
#[derive(Clone, Copy)]
pub struct Direction<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// P.
    pub size: usize,
    /// Q.
    pub cells: usize,
    /// Bounds of cells and of states.
    pub clips: [f32; 2],
    /// Whether it reads from the end.
    pub reverse: bool,
    /// Whether its input is added to its output.
    pub skips: bool,
    /// W `[2 P, 4 Q]`, bias `[4 Q]`, projection `[Q, P]`.
    pub weights: [&'a [f32]; 3],
}

/// What a position works with, and packed factors.
#[derive(Default)]
pub struct Scratch {
    packed: [Packed; 2],
    /// `[x; h']` `[2 P, S]`.
    joined: Buffer,
    /// `[4 Q, S]`; after the cell its first quarter is the cell's output.
    gates: Buffer,
    /// `[Q, S]`.
    cell: Buffer,
    /// The cell's output `[Q, S]`.
    output: Buffer,
    /// h `[P, S]`.
    hidden: Buffer,
}

impl Scratch {
    fn fit(&mut self, own: &Direction, lanes: usize) {
        let sizes = [2 * own.size, 4 * own.cells, own.cells, own.cells, own.size];
        let buffers = [&mut self.joined, &mut self.gates, &mut self.cell, &mut self.output, &mut self.hidden];
        for (buffer, rows) in buffers.into_iter().zip(sizes) {
            buffer.fit(panels_len(own.isa, rows, lanes));
            buffer.fill(0.0);
        }
    }
}

impl Direction<'_> {
    /// From rows of `states` that begin at `from` to rows that begin at `to`.
    pub fn forward(&self, steps: &Steps, states: &mut [f32], (from, to): (Corner, Corner), scratch: &mut Scratch) {
        let (size, cells) = (self.size, self.cells);
        scratch.fit(self, steps.lanes());
        let [weight, _, projection] = self.weights;
        let columns = |values, stride| Left::Columns { values, stride };
        scratch.packed[0].pack(self.isa, (4 * cells, 2 * size), columns(weight, 4 * cells));
        scratch.packed[1].pack(self.isa, (size, cells), columns(projection, size));
        let mut lanes = 0;
        for position in steps.positions(self.reverse) {
            let columns = steps.at(Some(position));
            clear_columns(self.isa, size, lanes..columns.len(), &mut scratch.hidden);
            clear_columns(self.isa, cells, lanes..columns.len(), &mut scratch.cell);
            lanes = columns.len();
            let at = |corner: Corner| Corner { column: corner.column + columns.start, ..corner };
            let joined = Corner::top(2 * size, 0);
            copy_rectangle(self.isa, (size, lanes), (states, at(from)), (&mut scratch.joined, joined));
            self.step(lanes, scratch);
            copy_rectangle(self.isa, (size, lanes), (&scratch.joined, joined), (states, at(to)));
        }
    }

    /// From x in the first half of `joined` to the layer's output there.
    fn step(&self, lanes: usize, scratch: &mut Scratch) {
        let Scratch { packed, joined, gates, cell, output, hidden } = scratch;
        let (isa, size, cells) = (self.isa, self.size, self.cells);
        let below = Corner { height: 2 * size, row: size, column: 0 };
        copy_rectangle(isa, (size, lanes), (hidden, Corner::top(size, 0)), (&mut *joined, below));
        let start = Start::Bias(self.weights[1]);
        in_panels(isa, (4 * cells, lanes, 2 * size), packed[0].left(), joined, start, gates);
        let panel = cells * isa.width;
        let panels = cell.chunks_mut(panel).zip(output.chunks_mut(panel)).take(lanes.div_ceil(isa.width));
        for (gates, (cell, output)) in gates.chunks_mut(4 * panel).zip(panels) {
            isa.run(Cell { clip: self.clips[0], gates, cell, output });
        }
        in_panels(isa, (size, lanes, cells), packed[1].left(), output, Start::Zero, hidden);
        hidden.iter_mut().for_each(|value| *value = value.clamp(-self.clips[1], self.clips[1]));
        let panels = joined.chunks_mut(2 * size * isa.width).zip(hidden.chunks(size * isa.width));
        for (joined, hidden) in panels.take(lanes.div_ceil(isa.width)) {
            for (x, h) in joined.iter_mut().zip(hidden) {
                *x = if self.skips { *x + h } else { *h };
            }
        }
    }
}

/// The gates of one panel, in the order i, g, f, o: `c = clip(σ(f + 1) c + σ(i) tanh g)`, output `σ(o) tanh c`.
struct Cell<'a> {
    clip: f32,
    gates: &'a mut [f32],
    cell: &'a mut [f32],
    output: &'a mut [f32],
}

impl WithSimd for Cell<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (gates, cell) = (vectors_mut::<S>(self.gates), vectors_mut::<S>(self.cell));
        let output = vectors_mut::<S>(self.output);
        let (one, low, high) = (simd.splat_f32s(1.0), simd.splat_f32s(-self.clip), simd.splat_f32s(self.clip));
        let count = cell.len();
        for at in 0..count {
            let (i, g, f, o) = (gates[at], gates[count + at], gates[2 * count + at], gates[3 * count + at]);
            let kept = simd.mul_f32s(sigmoid(simd, simd.add_f32s(f, one)), cell[at]);
            let new = simd.mul_add_f32s(sigmoid(simd, i), tanh(simd, g), kept);
            cell[at] = simd.min_f32s(high, simd.max_f32s(low, new));
            output[at] = simd.mul_f32s(sigmoid(simd, o), tanh(simd, cell[at]));
        }
    }
}
