//! Softmax down the lanes of scores `[n, W]`, and its gradient.

use crate::engine::fast::cpu::simd::{Isa, exp, vectors, vectors_mut};
use pulp::{Simd, WithSimd};

/// Scores become `mask · exp(score - maximum)`; `inverse` is what they must still be multiplied by, `1 / Σ exp`, and
/// `log_sum` is `maximum + ln Σ exp`.
pub fn forward(isa: Isa, scores: &mut [f32], mask: Option<&[f32]>, inverse: &mut [f32], log_sum: &mut [f32]) {
    isa.run(Forward { scores, mask, inverse, log_sum: &mut *log_sum });
    for (log_sum, inverse) in log_sum.iter_mut().zip(inverse) {
        *log_sum -= inverse.ln();
    }
}

struct Forward<'a> {
    scores: &'a mut [f32],
    mask: Option<&'a [f32]>,
    inverse: &'a mut [f32],
    /// Gets the maximum.
    log_sum: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scores = vectors_mut::<S>(self.scores);
        let maxima = vectors_mut::<S>(self.log_sum);
        let inverse = vectors_mut::<S>(self.inverse);
        for half in 0..2 {
            let mut maximum = simd.splat_f32s(f32::MIN);
            for row in scores.chunks_exact(2) {
                maximum = simd.max_f32s(maximum, row[half]);
            }
            maxima[half] = maximum;
        }
        let mut sums = [simd.splat_f32s(0.0); 2];
        for row in scores.chunks_exact_mut(2) {
            for half in 0..2 {
                row[half] = exp(simd, simd.sub_f32s(row[half], maxima[half]));
                sums[half] = simd.add_f32s(sums[half], row[half]);
            }
        }
        for half in 0..2 {
            inverse[half] = simd.div_f32s(simd.splat_f32s(1.0), sums[half]);
        }
        if let Some(mask) = self.mask {
            let pairs = scores.iter_mut().zip(vectors::<S>(mask));
            pairs.for_each(|(score, mask)| *score = simd.mul_f32s(*score, *mask));
        }
    }
}

/// Every row times `factors`, a lane each.
pub fn scale_lanes(isa: Isa, values: &mut [f32], factors: &[f32]) {
    isa.run(ScaleLanes { values, factors });
}

struct ScaleLanes<'a> {
    values: &'a mut [f32],
    factors: &'a [f32],
}

impl WithSimd for ScaleLanes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let factors = vectors::<S>(self.factors);
        for row in vectors_mut::<S>(self.values).chunks_exact_mut(2) {
            for half in 0..2 {
                row[half] = simd.mul_f32s(row[half], factors[half]);
            }
        }
    }
}

/// Scores become `mask · P`, and `gradient`, dP without its mask, becomes `dS = P (mask · dP - Σ mask · P dP)`.
pub fn backward(isa: Isa, scores: &mut [f32], gradient: &mut [f32], mask: Option<&[f32]>, log_sum: &[f32]) {
    isa.run(Backward { scores, gradient, mask, log_sum });
}

struct Backward<'a> {
    scores: &'a mut [f32],
    gradient: &'a mut [f32],
    mask: Option<&'a [f32]>,
    log_sum: &'a [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let log_sum = vectors::<S>(self.log_sum);
        let scores = vectors_mut::<S>(self.scores);
        let gradient = vectors_mut::<S>(self.gradient);
        if let Some(mask) = self.mask {
            let pairs = gradient.iter_mut().zip(vectors::<S>(mask));
            pairs.for_each(|(gradient, mask)| *gradient = simd.mul_f32s(*gradient, *mask));
        }
        let mut sums = [simd.splat_f32s(0.0); 2];
        for (row, gradient) in scores.chunks_exact_mut(2).zip(gradient.chunks_exact(2)) {
            for half in 0..2 {
                row[half] = exp(simd, simd.sub_f32s(row[half], log_sum[half]));
                sums[half] = simd.mul_add_f32s(row[half], gradient[half], sums[half]);
            }
        }
        for (row, gradient) in scores.chunks_exact(2).zip(gradient.chunks_exact_mut(2)) {
            for half in 0..2 {
                gradient[half] = simd.mul_f32s(row[half], simd.sub_f32s(gradient[half], sums[half]));
            }
        }
        if let Some(mask) = self.mask {
            let pairs = scores.iter_mut().zip(vectors::<S>(mask));
            pairs.for_each(|(score, mask)| *score = simd.mul_f32s(*score, *mask));
        }
    }
}
