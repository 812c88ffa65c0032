//! Dropout masks of a panel, drawn from the same counters as [`crate::engine::dropout`].
//!
//! A lane is a column: a token (hidden states) or a query (attention probabilities). Its indices run down the rows, so
//! that one Philox block of a lane is four neighbouring rows, and a vector of blocks four rows of a whole vector.

use super::activation;
use super::columns::first_indices;
use super::simd::{Isa, vectors_mut};
use crate::engine::StepPart;
use crate::engine::dropout::Site;
use crate::random::{KEY_STEPS, MULTIPLIERS, Purpose, ROUNDS, Stream};
use pulp::{Simd, WithSimd};

/// The dropout of one place in the model, within one step.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    stream: Stream,
    step: u64,
    site: u32,
    threshold: u32,
    keep: f32,
}

impl Dropout {
    /// `None` where nothing is dropped.
    pub fn new(part: &StepPart, site: Site, probability: f64) -> Option<Dropout> {
        let stream = Stream::new(part.seed, Purpose::Dropout);
        let threshold = (probability * 4_294_967_296.0) as u32;
        let keep = (1.0 / (1.0 - probability)) as f32;
        (probability > 0.0).then_some(Dropout { stream, step: part.step, site: site.number(), threshold, keep })
    }

    /// Fills `mask`, `[rows, width]` and perhaps short of the last rows, with 0 or `1 / (1 - p)`: row r of lane l has
    /// index `first[l] + r`. What lanes past the end of `first` get means nothing.
    pub fn fill(&self, isa: Isa, first: &[u64], mask: &mut [f32]) {
        if first.iter().any(|first| !first.is_multiple_of(4)) {
            return self.fill_by_value(isa, first, mask);
        }
        let mut blocks = [(0, 0); MAX_WIDTH];
        for (lane, block) in blocks.iter_mut().enumerate() {
            let index = first.get(lane).or(first.first()).copied().unwrap_or(0) / 4;
            *block = (index as u32, (index >> 32) as u32);
        }
        isa.run(Fill { dropout: self, blocks: &blocks, mask });
    }

    /// Drops values of an array in panels, `[rows, columns]`, forward or backward: row r of column c has index
    /// `items[c] · rows + r`. `scratch` has room for a panel.
    pub fn apply(&self, isa: Isa, items: &[u64], rows: usize, values: &mut [f32], scratch: &mut [f32]) {
        let mask = &mut scratch[..rows * isa.width];
        for (panel, values) in values.chunks_mut(rows * isa.width).enumerate() {
            self.fill(isa, &first_indices(items, panel, isa, rows), mask);
            activation::backward(isa, mask, values);
        }
    }

    /// For odd widths, where the lanes' blocks are out of step.
    fn fill_by_value(&self, isa: Isa, first: &[u64], mask: &mut [f32]) {
        for (row, mask) in mask.chunks_exact_mut(isa.width).enumerate() {
            for (first, value) in first.iter().zip(mask) {
                let bits = self.stream.bits(self.step, self.site, first + row as u64);
                *value = if bits >= self.threshold { self.keep } else { 0.0 };
            }
        }
    }
}

/// Columns of the widest panel.
pub const MAX_WIDTH: usize = 32;

struct Fill<'a> {
    dropout: &'a Dropout,
    blocks: &'a [(u32, u32); MAX_WIDTH],
    mask: &'a mut [f32],
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let half = |half: usize, pick: fn(&(u32, u32)) -> u32| {
            let mut values = [0u32; MAX_WIDTH];
            let blocks = &self.blocks[half * lanes..][..lanes];
            values.iter_mut().zip(blocks).for_each(|(value, block)| *value = pick(block));
            simd.partial_load_u32s(&values[..lanes])
        };
        let low = [half(0, |block| block.0), half(1, |block| block.0)];
        let high = [half(0, |block| block.1), half(1, |block| block.1)];
        let keep = simd.splat_f32s(self.dropout.keep);
        let threshold = simd.splat_u32s(self.dropout.threshold);
        for (at, rows) in vectors_mut::<S>(self.mask).chunks_mut(8).enumerate() {
            for half in 0..2 {
                let block = simd.add_u32s(low[half], simd.splat_u32s(at as u32));
                let bits = philox(simd, self.dropout, block, high[half]);
                for (row, bits) in rows.chunks_mut(2).zip(bits) {
                    let kept = simd.greater_than_or_equal_u32s(bits, threshold);
                    row[half] = simd.select_f32s(kept, keep, simd.splat_f32s(0.0));
                }
            }
        }
    }
}

/// Philox 4x32 with ten rounds, as [`crate::random::philox`], a counter a lane.
#[inline(always)]
fn philox<S: Simd>(simd: S, dropout: &Dropout, low: S::u32s, high: S::u32s) -> [S::u32s; 4] {
    let (mut c0, mut c1) = (low, high);
    let (mut c2, mut c3) = (simd.splat_u32s(dropout.step as u32), simd.splat_u32s(dropout.site));
    let (left, right) = (simd.splat_u32s(MULTIPLIERS[0]), simd.splat_u32s(MULTIPLIERS[1]));
    let [mut k0, mut k1] = dropout.stream.key();
    for _ in 0..ROUNDS {
        let (left_low, left_high) = simd.widening_mul_u32s(c0, left);
        let (right_low, right_high) = simd.widening_mul_u32s(c2, right);
        c0 = simd.xor_u32s(simd.xor_u32s(right_high, c1), simd.splat_u32s(k0));
        c2 = simd.xor_u32s(simd.xor_u32s(left_high, c3), simd.splat_u32s(k1));
        (c1, c3) = (right_low, left_low);
        k0 = k0.wrapping_add(KEY_STEPS[0]);
        k1 = k1.wrapping_add(KEY_STEPS[1]);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dropout::Masks;

    // Expected: the scalar generator, itself held to Random123's known answers.
    #[test]
    fn masks_are_those_of_the_scalar_generator() {
        let part = StepPart { seed: 7, step: 3, first_token: 0, first_sequence: 0, sequences: 1, labelled: 0 };
        let site = Site::AttentionOutput(2);
        let dropout = Dropout::new(&part, site, 0.3).unwrap();
        for isa in Isa::all() {
            let aligned: Vec<u64> = (0..isa.width as u64 - 1).map(|lane| 4 * (lane * lane + (lane << 33))).collect();
            let odd: Vec<u64> = aligned.iter().map(|first| first + 3).collect();
            for (rows, first) in [(1, &aligned), (4, &aligned), (11, &aligned), (11, &odd)] {
                let mut mask = vec![9.0; rows * isa.width];
                dropout.fill(isa, first, &mut mask);
                for (lane, first) in first.iter().enumerate() {
                    let mut expected = vec![0.0; rows];
                    Masks::new(&part).fill(site, 0.3, *first, &mut expected);
                    let column: Vec<f32> = mask.iter().skip(lane).step_by(isa.width).copied().collect();
                    assert_eq!(column, expected, "{isa:?} lane {lane}");
                }
            }
        }
    }
}
