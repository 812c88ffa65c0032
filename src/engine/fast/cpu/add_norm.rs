//! Dropout, residual sum and LayerNorm of one panel, both ways, one token a lane.
//!
//! Forward: `z = residual + mask · output`, `x̂ = (z - mean) / √(variance + ε)`, `y = x̂ · weight + bias`, the variance being
//! the biased one. Kept for the backward pass: x̂ and `1 / √(variance + ε)`.
//!
//! Backward: with `g = dy · weight`, `dz = (g - mean(g) - x̂ mean(g x̂)) / √(variance + ε)`; the residual's gradient is
//! `dz`, the output's `mask · dz`.

use super::simd::{Isa, vectors, vectors_mut};
use pulp::{Simd, WithSimd};

/// One panel forward; all arrays `[rows, W]` but for the parameters `[rows]` and `inverse [W]`.
pub struct Forward<'a> {
    /// What is added; none for the embeddings' LayerNorm.
    pub residual: Option<&'a [f32]>,
    /// Dropout of the output before the sum.
    pub mask: Option<&'a [f32]>,
    /// The dense layer's output; becomes x̂.
    pub output: &'a mut [f32],
    /// LayerNorm's factor.
    pub weight: &'a [f32],
    /// LayerNorm's summand; empty for none.
    pub bias: &'a [f32],
    /// ε.
    pub epsilon: f64,
    /// `1 / √(variance + ε)` of each column.
    pub inverse: &'a mut [f32],
    /// The result y.
    pub normalised: &'a mut [f32],
}

impl Forward<'_> {
    /// Computes it.
    pub fn run(self, isa: Isa) {
        isa.run(self);
    }
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.weight.len();
        let z = &mut vectors_mut::<S>(self.output)[..2 * rows];
        add(simd, self.residual.map(vectors::<S>), self.mask.map(vectors::<S>), z);
        let zero = simd.splat_f32s(0.0);
        let share = simd.splat_f32s(1.0 / rows as f32);
        let y = &mut vectors_mut::<S>(self.normalised)[..2 * rows];
        let inverse = vectors_mut::<S>(self.inverse);
        let mut sums = [zero; 2];
        for row in z.chunks_exact(2) {
            sums = [simd.add_f32s(sums[0], row[0]), simd.add_f32s(sums[1], row[1])];
        }
        let means = sums.map(|sum| simd.mul_f32s(sum, share));
        let mut squares = [zero; 2];
        for row in z.chunks_exact_mut(2) {
            for half in 0..2 {
                row[half] = simd.sub_f32s(row[half], means[half]);
                squares[half] = simd.mul_add_f32s(row[half], row[half], squares[half]);
            }
        }
        for half in 0..2 {
            // Never 0: lanes past the last column have no variance.
            let epsilon = simd.splat_f32s((self.epsilon as f32).max(f32::MIN_POSITIVE));
            let variance = simd.mul_add_f32s(squares[half], share, epsilon);
            inverse[half] = simd.div_f32s(simd.splat_f32s(1.0), simd.sqrt_f32s(variance));
        }
        let biases = self.bias.iter().copied().chain(std::iter::repeat(0.0));
        let parameters = self.weight.iter().zip(biases);
        for ((row, y), (weight, bias)) in z.chunks_exact_mut(2).zip(y.chunks_exact_mut(2)).zip(parameters) {
            let (weight, bias) = (simd.splat_f32s(*weight), simd.splat_f32s(bias));
            for half in 0..2 {
                row[half] = simd.mul_f32s(row[half], inverse[half]);
                y[half] = simd.mul_add_f32s(row[half], weight, bias);
            }
        }
    }
}

/// `z = residual + mask · z`.
#[inline(always)]
fn add<S: Simd>(simd: S, residual: Option<&[S::f32s]>, mask: Option<&[S::f32s]>, z: &mut [S::f32s]) {
    match (residual, mask) {
        (Some(residual), Some(mask)) => {
            for ((z, residual), mask) in z.iter_mut().zip(residual).zip(mask) {
                *z = simd.mul_add_f32s(*z, *mask, *residual);
            }
        }
        (Some(residual), None) => z.iter_mut().zip(residual).for_each(|(z, r)| *z = simd.add_f32s(*z, *r)),
        (None, _) => {}
    }
}

/// One panel backward.
pub struct Backward<'a> {
    /// Dropout of the output.
    pub mask: Option<&'a [f32]>,
    /// x̂.
    pub normalised: &'a [f32],
    /// `1 / √(variance + ε)` of each column.
    pub inverse: &'a [f32],
    /// LayerNorm's factor.
    pub weight: &'a [f32],
    /// dy; becomes dz, the residual's gradient.
    pub gradient: &'a mut [f32],
    /// Gets the gradient of the dense layer's output.
    pub output: Option<&'a mut [f32]>,
    /// Added to: the factor's gradient.
    pub weight_gradient: &'a mut [f32],
    /// Added to: the summand's gradient.
    pub bias_gradient: &'a mut [f32],
}

impl Backward<'_> {
    /// Computes it.
    pub fn run(self, isa: Isa) {
        isa.run(self);
    }
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.weight.len();
        let x = &vectors::<S>(self.normalised)[..2 * rows];
        let gradient = &mut vectors_mut::<S>(self.gradient)[..2 * rows];
        let inverse = vectors::<S>(self.inverse);
        let zero = simd.splat_f32s(0.0);
        let (mut sums, mut products) = ([zero; 2], [zero; 2]);
        let parameters = self.weight.iter().zip(self.weight_gradient).zip(self.bias_gradient);
        for ((dy, x), ((weight, dweight), dbias)) in gradient.chunks_exact_mut(2).zip(x.chunks_exact(2)).zip(parameters)
        {
            let factor = simd.splat_f32s(*weight);
            let both = simd.mul_add_f32s(dy[1], x[1], simd.mul_f32s(dy[0], x[0]));
            *dweight += simd.reduce_sum_f32s(both);
            *dbias += simd.reduce_sum_f32s(simd.add_f32s(dy[0], dy[1]));
            for half in 0..2 {
                dy[half] = simd.mul_f32s(dy[half], factor);
                sums[half] = simd.add_f32s(sums[half], dy[half]);
                products[half] = simd.mul_add_f32s(dy[half], x[half], products[half]);
            }
        }
        let share = simd.splat_f32s(1.0 / rows as f32);
        let (sums, products) = (sums.map(|v| simd.mul_f32s(v, share)), products.map(|v| simd.mul_f32s(v, share)));
        for (dy, x) in gradient.chunks_exact_mut(2).zip(x.chunks_exact(2)) {
            for half in 0..2 {
                let centred = simd.sub_f32s(dy[half], sums[half]);
                let rest = simd.sub_f32s(centred, simd.mul_f32s(x[half], products[half]));
                dy[half] = simd.mul_f32s(rest, inverse[half]);
            }
        }
        if let Some(output) = self.output {
            masked(simd, gradient, self.mask.map(vectors::<S>), vectors_mut::<S>(output));
        }
    }
}

/// `output = mask · gradient`.
#[inline(always)]
fn masked<S: Simd>(simd: S, gradient: &[S::f32s], mask: Option<&[S::f32s]>, output: &mut [S::f32s]) {
    match mask {
        Some(mask) => {
            for ((output, gradient), mask) in output.iter_mut().zip(gradient).zip(mask) {
                *output = simd.mul_f32s(*gradient, *mask);
            }
        }
        None => output[..gradient.len()].copy_from_slice(gradient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fast::cpu::panel::{from_panels, to_panels};
    use crate::random::{Purpose, Stream};

    const ROWS: usize = 13;

    fn random(site: u32, count: usize) -> Vec<f32> {
        Stream::new(1, Purpose::Synthetic).normals(site, count).into_iter().map(|value| value as f32).collect()
    }

    /// y of one column in double precision.
    fn formula(residual: &[f64], output: &[f64], weight: &[f32], bias: &[f32]) -> Vec<f64> {
        let z: Vec<f64> = residual.iter().zip(output).map(|(r, o)| r + o).collect();
        let mean = z.iter().sum::<f64>() / ROWS as f64;
        let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / ROWS as f64;
        let scale = 1.0 / (variance + 1e-5).sqrt();
        z.iter()
            .zip(weight.iter().zip(bias))
            .map(|(z, (w, b))| (z - mean) * scale * f64::from(*w) + f64::from(*b))
            .collect()
    }

    // The gradient against central differences (step 1e-4) of the double-precision formula: their error is 1e-7, that of
    // 32-bit sums over 13 rows some 1e-6.
    #[test]
    fn both_ways_match_the_formula_and_its_differences() {
        for isa in Isa::all() {
            let columns = isa.width;
            let (residual, output, dy) =
                (random(0, ROWS * columns), random(1, ROWS * columns), random(2, ROWS * columns));
            let (weight, bias) = (random(3, ROWS), random(4, ROWS));
            let mask: Vec<f32> = random(5, ROWS * columns).iter().map(|v| if *v > 0.0 { 2.0 } else { 0.0 }).collect();
            let panel = |values: &[f32]| to_panels(isa, ROWS, values);
            let (mut hat, mut y, mut inverse) = (panel(&output), vec![0.0; ROWS * columns], vec![0.0; columns]);
            let (residual_panel, mask_panel) = (panel(&residual), panel(&mask));
            Forward {
                residual: Some(&residual_panel),
                mask: Some(&mask_panel),
                output: &mut hat,
                weight: &weight,
                bias: &bias,
                epsilon: 1e-5,
                inverse: &mut inverse,
                normalised: &mut y,
            }
            .run(isa);
            let (mut dz, mut dout) = (panel(&dy), vec![0.0; ROWS * columns]);
            let (mut dweight, mut dbias) = (vec![0.0; ROWS], vec![0.0; ROWS]);
            Backward {
                mask: Some(&mask_panel),
                normalised: &hat,
                inverse: &inverse,
                weight: &weight,
                gradient: &mut dz,
                output: Some(&mut dout),
                weight_gradient: &mut dweight,
                bias_gradient: &mut dbias,
            }
            .run(isa);
            let (y, dz) = (from_panels(isa, ROWS, columns, &y), from_panels(isa, ROWS, columns, &dz));
            let dout = from_panels(isa, ROWS, columns, &dout);
            let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
            let mut expected_dbias = vec![0.0; ROWS];
            for column in 0..columns {
                let at = column * ROWS..(column + 1) * ROWS;
                let (residual, dy) = (wide(&residual[at.clone()]), wide(&dy[at.clone()]));
                let dropped: Vec<f64> =
                    at.clone().map(|index| f64::from(output[index]) * f64::from(mask[index])).collect();
                let expected = formula(&residual, &dropped, &weight, &bias);
                for row in 0..ROWS {
                    expected_dbias[row] += dy[row];
                    assert!((f64::from(y[at.start + row]) - expected[row]).abs() < 2e-6);
                    let moved = |by: f64| {
                        let mut residual = residual.clone();
                        residual[row] += by;
                        let y = formula(&residual, &dropped, &weight, &bias);
                        y.iter().zip(&dy).map(|(y, dy)| y * dy).sum::<f64>()
                    };
                    let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                    assert!((f64::from(dz[at.start + row]) - difference).abs() < 5e-6, "{isa:?} {difference}");
                    let through = difference * f64::from(mask[at.start + row]);
                    assert!((f64::from(dout[at.start + row]) - through).abs() < 1e-5);
                }
            }
            for (found, expected) in dbias.iter().zip(expected_dbias) {
                assert!((f64::from(*found) - expected).abs() < 1e-5);
            }
        }
    }
}
