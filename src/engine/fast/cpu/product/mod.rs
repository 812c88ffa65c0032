//! Matrix products into panels, for the three shapes of a dense layer's training step.
//!
//! A *panel* holds the values of W columns (tokens; W = two vectors) row after row: `[rows, W]`. An array of T columns
//! is `⌈T / W⌉` panels behind one another. The right factor is read as panels along the contraction, the left one value
//! by value from a packed block:
//!
//! - forward `Y = W X + b`: left factor W `[out, in]`, by rows;
//! - backward to the input `dX = Wᵀ dY`: left factor Wᵀ, by columns;
//! - backward to the weight `dW += dY Xᵀ`: left factor dY in panels, right factor Xᵀ as panels of W features
//!   ([`super::transpose`]).
//!
//! The [`kernel`] owns a tile of 12 rows by one panel: 24 accumulators of the 32 registers of AVX-512. [`blocks`] says
//! in which order tiles come, [`pack`] how a left factor lies.

#[cfg_attr(not(target_arch = "x86_64"), path = "no_bf16.rs")]
mod bf16;
mod blocks;
mod kernel;
mod pack;
#[cfg(test)]
mod tests;

use super::buffer::Buffer;
use super::simd::Isa;
pub use bf16::unit as bf16_unit;
use blocks::{Blocks, Whole};

/// The left factor, `[m, k]`.
#[derive(Clone, Copy)]
pub enum Left<'a> {
    /// Row-major: rows `stride` apart.
    Rows { values: &'a [f32], stride: usize },
    /// Transposed: element (m, k) at `k · stride + m`.
    Columns { values: &'a [f32], stride: usize },
    /// In panels of W contraction steps each: element (m, k) at `(k / W) · panel + m · W + k % W`.
    Panels { values: &'a [f32], panel: usize },
    /// As [`Packed`] has it, of columns or of rows.
    Packed { values: &'a [f32], columns: bool },
}

/// A left factor that is packed once for many products.
#[derive(Default)]
pub struct Packed {
    values: Buffer,
    columns: bool,
}

impl Packed {
    /// Packs a left factor `[m, k]`.
    pub fn pack(&mut self, isa: Isa, (m, k): (usize, usize), left: Left) {
        check_left(isa.width, (m, k), left);
        self.columns = matches!(left, Left::Columns { .. });
        let packed = &mut self.values;
        if isa.bf16 { bf16::pack(left, m, k, packed) } else { isa.run(Whole { left, m, k, packed }) }
    }

    /// The factor for a product of the same shape.
    pub fn left(&self) -> Left<'_> {
        Left::Packed { values: &self.values, columns: self.columns }
    }
}

/// What an output tile begins with.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Nothing: the product alone.
    Zero,
    /// One value a row.
    Bias(&'a [f32]),
    /// What the output holds.
    Output,
}

/// One product `[m, n] = [m, k] · [k, n]`.
pub struct Product<'a> {
    /// Rows of the output.
    pub m: usize,
    /// Columns of the output.
    pub n: usize,
    /// Length of the contraction.
    pub k: usize,
    /// Left factor.
    pub left: Left<'a>,
    /// Right factor: panels `[k, W]`, `right_panel` values apart.
    pub right: &'a [f32],
    /// Distance of the right factor's panels.
    pub right_panel: usize,
    /// What is added to.
    pub start: Start<'a>,
    /// Output: element (m, n) at `(n / W) · output_panel + m · output_row + n % W`.
    pub output: &'a mut [f32],
    /// Distance of its panels.
    pub output_panel: usize,
    /// Distance of its rows.
    pub output_row: usize,
}

/// A product of arrays in panels behind one another: right factor `[k, n]`, output `[m, n]`.
pub fn in_panels(
    isa: Isa,
    (m, n, k): (usize, usize, usize),
    left: Left,
    right: &[f32],
    start: Start,
    output: &mut [f32],
) {
    let (right_panel, output_panel, output_row) = (k * isa.width, m * isa.width, isa.width);
    Product { m, n, k, left, right, right_panel, start, output, output_panel, output_row }.run(isa, false);
}

impl Product<'_> {
    /// Computes it. Outputs in panels get whole rows: what is past column n is 0 or what follows from the right factor's
    /// values there. With `exact` nothing past column n is written.
    pub fn run(self, isa: Isa, exact: bool) {
        if self.m == 0 || self.n == 0 || self.k == 0 {
            return;
        }
        self.check(isa.width, exact);
        if isa.bf16 { bf16::run(self, exact) } else { isa.run(Blocks { product: self, exact }) }
    }

    /// The bounds that the kernel relies on.
    fn check(&self, width: usize, exact: bool) {
        let (m, k) = (self.m, self.k);
        let panels = self.n.div_ceil(width);
        check_left(width, (m, k), self.left);
        let last = if exact { self.n - (panels - 1) * width } else { width };
        let output = (panels - 1) * self.output_panel + (m - 1) * self.output_row + last;
        assert!(self.right.len() >= (panels - 1) * self.right_panel + k * width, "the right factor is short");
        assert!(self.output.len() >= output, "the output is short");
        assert!(!matches!(self.start, Start::Bias(bias) if bias.len() < m), "the bias is short");
    }
}

/// Compares a left factor `[m, k]` with its furthest element. The blocks of a packed one are sliced one by one.
fn check_left(width: usize, (m, k): (usize, usize), left: Left) {
    let (found, expected) = match left {
        Left::Rows { values, stride } => (values.len(), (m - 1) * stride + k),
        Left::Columns { values, stride } => (values.len(), (k - 1) * stride + m),
        Left::Panels { values, panel } => (values.len(), (k - 1) / width * panel + m * width),
        Left::Packed { .. } => return,
    };
    assert!(found >= expected, "the left factor is short: {found}, expected {expected}");
}
