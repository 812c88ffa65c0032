//! A dense layer over columns in panels: `Y = W X + b`, `dX = Wᵀ dY`, `dW += dY Xᵀ`, `db += Σ dY`; b may be empty.
//!
//! T columns, I inputs, O outputs; X `[I, T]`, Y `[O, T]`, weight `[O, I]`.

use super::panel::add_row_sums;
use super::product::{Left, Product, Start, in_panels};
use super::simd::Isa;

/// Shape of a dense layer at work.
#[derive(Clone, Copy)]
pub struct Dense {
    /// Instruction set.
    pub isa: Isa,
    /// I.
    pub inputs: usize,
    /// O.
    pub outputs: usize,
    /// T.
    pub columns: usize,
}

impl Dense {
    /// Values of X in panels.
    pub fn input_len(&self) -> usize {
        self.inputs * self.columns.next_multiple_of(self.isa.width)
    }

    /// Values of Y in panels.
    pub fn output_len(&self) -> usize {
        self.outputs * self.columns.next_multiple_of(self.isa.width)
    }

    /// `Y = W X + b`.
    pub fn forward(&self, weight: &[f32], bias: &[f32], input: &[f32], output: &mut [f32]) {
        let shape = (self.outputs, self.columns, self.inputs);
        let left = Left::Rows { values: weight, stride: self.inputs };
        let start = if bias.is_empty() { Start::Zero } else { Start::Bias(bias) };
        in_panels(self.isa, shape, left, input, start, output);
    }

    /// `dX = Wᵀ dY`, or `dX += Wᵀ dY` with [`Start::Output`].
    pub fn backward(&self, weight: &[f32], gradient: &[f32], start: Start, output: &mut [f32]) {
        let shape = (self.inputs, self.columns, self.outputs);
        in_panels(self.isa, shape, Left::Columns { values: weight, stride: self.inputs }, gradient, start, output);
    }

    /// `dW += dY Xᵀ` and `db += Σ dY`; `transposed` is X by [`super::transpose::to_feature_panels`].
    pub fn add_parameter_gradients(&self, gradient: &[f32], transposed: &[f32], weight: &mut [f32], bias: &mut [f32]) {
        let width = self.isa.width;
        Product {
            m: self.outputs,
            n: self.inputs,
            k: self.columns,
            left: Left::Panels { values: gradient, panel: self.outputs * width },
            right: transposed,
            right_panel: self.columns * width,
            start: Start::Output,
            output: weight,
            output_panel: width,
            output_row: self.inputs,
        }
        .run(self.isa, true);
        add_row_sums(self.isa, &gradient[..self.output_len()], bias);
    }
}
