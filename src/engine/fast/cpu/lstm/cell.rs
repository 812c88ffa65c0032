//! The gates of one position, a panel at a time, both ways.
//!
//! Forward, of `a = W x + b + U h + u`: `i, f, o = σ(a_i), σ(a_f), σ(a_o)`, `g = tanh(a_g)`, `c = f c' + i g`, `h = o tanh c`.
//!
//! Backward, of dh and the cell's gradient dc that comes from the position after: `dc += dh o (1 - tanh² c)`,
//! `da_i = dc g i (1 - i)`, `da_f = dc c' f (1 - f)`, `da_g = dc i (1 - g²)`, `da_o = dh tanh(c) o (1 - o)`, and the
//! gradient of c' is `dc f`.
//!
//! R units; gates `[4 R, W]` in the order i, f, g, o, the others `[R, W]`.

use super::super::simd::{sigmoid, tanh, vectors, vectors_mut};
use pulp::{Simd, WithSimd};

/// One panel forward.
pub struct Forward<'a> {
    /// a; becomes i, f, g, o.
    pub gates: &'a mut [f32],
    /// c'; becomes c.
    pub cell: &'a mut [f32],
    /// Becomes h.
    pub hidden: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (cell, hidden) = (vectors_mut::<S>(self.cell), vectors_mut::<S>(self.hidden));
        let [input, forget, candidate, output] = quarters(vectors_mut::<S>(self.gates));
        for at in 0..cell.len() {
            input[at] = sigmoid(simd, input[at]);
            forget[at] = sigmoid(simd, forget[at]);
            candidate[at] = tanh(simd, candidate[at]);
            output[at] = sigmoid(simd, output[at]);
            let kept = simd.mul_f32s(forget[at], cell[at]);
            cell[at] = simd.mul_add_f32s(input[at], candidate[at], kept);
            hidden[at] = simd.mul_f32s(output[at], tanh(simd, cell[at]));
        }
    }
}

/// One panel backward.
pub struct Backward<'a> {
    /// i, f, g, o; become da.
    pub gates: &'a mut [f32],
    /// c.
    pub cell: &'a [f32],
    /// c'.
    pub before: &'a [f32],
    /// dh, of the output and of the position after.
    pub hidden: [&'a [f32]; 2],
    /// dc; becomes the gradient of c'.
    pub carried: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (cell, before, carried) =
            (vectors::<S>(self.cell), vectors::<S>(self.before), vectors_mut::<S>(self.carried));
        let hidden = self.hidden.map(vectors::<S>);
        let [input, forget, candidate, output] = quarters(vectors_mut::<S>(self.gates));
        let one = simd.splat_f32s(1.0);
        for at in 0..carried.len() {
            let (i, f, g, o) = (input[at], forget[at], candidate[at], output[at]);
            let dh = simd.add_f32s(hidden[0][at], hidden[1][at]);
            let squashed = tanh(simd, cell[at]);
            let through = simd.mul_f32s(simd.mul_f32s(dh, o), slope(simd, one, squashed));
            let dc = simd.add_f32s(carried[at], through);
            input[at] = simd.mul_f32s(simd.mul_f32s(dc, g), rise(simd, one, i));
            forget[at] = simd.mul_f32s(simd.mul_f32s(dc, before[at]), rise(simd, one, f));
            candidate[at] = simd.mul_f32s(simd.mul_f32s(dc, i), slope(simd, one, g));
            output[at] = simd.mul_f32s(simd.mul_f32s(dh, squashed), rise(simd, one, o));
            carried[at] = simd.mul_f32s(dc, f);
        }
    }
}

/// The rows of the four gates.
#[inline(always)]
fn quarters<T>(gates: &mut [T]) -> [&mut [T]; 4] {
    let (first, second) = gates.split_at_mut(gates.len() / 2);
    let ((i, f), (g, o)) = (first.split_at_mut(first.len() / 2), second.split_at_mut(second.len() / 2));
    [i, f, g, o]
}

/// σ' of σ: `s (1 - s)`.
#[inline(always)]
fn rise<S: Simd>(simd: S, one: S::f32s, s: S::f32s) -> S::f32s {
    simd.mul_f32s(s, simd.sub_f32s(one, s))
}

/// tanh' of tanh: `1 - t²`.
#[inline(always)]
fn slope<S: Simd>(simd: S, one: S::f32s, t: S::f32s) -> S::f32s {
    simd.sub_f32s(one, simd.mul_f32s(t, t))
}
