//! Vectors of the instruction set found at run time: AVX-512, AVX2 or NEON, through `pulp`, in one binary.
//!
//! An operation is a value that implements [`pulp::WithSimd`]; [`Isa::run`] compiles its body once per instruction set
//! and calls the best one. Everything called inside must be `#[inline(always)]`, or it loses the instruction set.

use crate::engine::Precision;
use pulp::{Arch, Simd, WithSimd};

/// The instruction set in use.
#[derive(Clone, Copy, Debug)]
pub struct Isa {
    arch: Arch,
    /// Columns of a panel: two vectors.
    pub width: usize,
    /// Whether products round their factors to bfloat16.
    pub bf16: bool,
}

impl Isa {
    /// The best one of this machine.
    pub fn best() -> Isa {
        Isa::of(Arch::new())
    }

    /// Every one this machine has, for tests.
    #[cfg(test)]
    pub fn all() -> Vec<Isa> {
        #[allow(unused_mut, reason = "only x86 adds to it")]
        let mut found = vec![Isa::of(Arch::Scalar), Isa::best()];
        #[cfg(target_arch = "x86_64")]
        found.extend(pulp::x86::V3::try_new().map(|v3| Isa::of(Arch::V3(v3))));
        found
    }

    fn of(arch: Arch) -> Isa {
        struct Width;
        impl WithSimd for Width {
            type Output = usize;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> usize {
                2 * S::F32_LANES
            }
        }
        Isa { arch, width: arch.dispatch(Width), bf16: false }
    }

    /// The same, with products in a precision; as [`bf16_available`] says.
    pub fn with(self, precision: Precision) -> Isa {
        Isa { bf16: precision == Precision::Bf16, ..self }
    }

    /// Runs an operation with this instruction set.
    pub fn run<Operation: WithSimd>(self, operation: Operation) -> Operation::Output {
        self.arch.dispatch(operation)
    }
}

/// A slice as vectors; its length must be a multiple of theirs.
#[inline(always)]
pub fn vectors<S: Simd>(values: &[f32]) -> &[S::f32s] {
    let (vectors, rest) = S::as_simd_f32s(values);
    debug_assert!(rest.is_empty(), "panels are whole vectors");
    vectors
}

/// The same, to write.
#[inline(always)]
pub fn vectors_mut<S: Simd>(values: &mut [f32]) -> &mut [S::f32s] {
    let (vectors, rest) = S::as_mut_simd_f32s(values);
    debug_assert!(rest.is_empty(), "panels are whole vectors");
    vectors
}

/// `e^x` to 2e-7 relative, as for x within -87 … 88, NaN for NaN: `2^n e^r` with `|r| ≤ ln 2 / 2` and a polynomial of
/// degree 6 for `e^r` (minimax fit of relative error, 3e-9).
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const ROUNDER: f32 = 12_582_912.0; // 1.5 · 2^23: adding it rounds to an integer in the low bits
    let splat = |value: f32| simd.splat_f32s(value);
    // x86's minimum and maximum give their second operand where one is no number.
    let x = simd.min_f32s(splat(88.0), simd.max_f32s(splat(-87.0), x));
    let shifted = simd.mul_add_f32s(x, splat(std::f32::consts::LOG2_E), splat(ROUNDER));
    let n = simd.sub_f32s(shifted, splat(ROUNDER));
    // ln 2 in two parts, the first with few bits, so that n · first is exact.
    let r = simd.mul_add_f32s(n, splat(-0.693_359_4), x);
    let r = simd.mul_add_f32s(n, splat(2.121_944_4e-4), r);
    let mut tail = splat(0.001_381_461);
    for coefficient in [0.008_368_71, 0.041_668_39, 0.166_665_21, 0.499_999_94] {
        tail = simd.mul_add_f32s(tail, r, splat(coefficient));
    }
    let e = simd.mul_add_f32s(simd.mul_f32s(tail, r), r, simd.add_f32s(r, splat(1.0)));
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let power = simd.transmute_f32s_u32s(simd.add_u32s(exponent, simd.splat_u32s(0x3f80_0000)));
    simd.mul_f32s(e, power)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let power = exp(simd, simd.sub_f32s(simd.splat_f32s(0.0), x));
    simd.div_f32s(one, simd.add_f32s(one, power))
}

/// `1 - 2 / (1 + e^2x)`; for |x| < 1/4, where that loses digits, the series up to x⁹ (the next term is below 1e-8 of it).
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |value: f32| simd.splat_f32s(value);
    let power = exp(simd, simd.add_f32s(x, x));
    let far = simd.sub_f32s(splat(1.0), simd.div_f32s(splat(2.0), simd.add_f32s(splat(1.0), power)));
    let square = simd.mul_f32s(x, x);
    let mut series = splat(62.0 / 2835.0);
    for coefficient in [-17.0 / 315.0, 2.0 / 15.0, -1.0 / 3.0, 1.0] {
        series = simd.mul_add_f32s(series, square, splat(coefficient));
    }
    let small = simd.less_than_f32s(simd.abs_f32s(x), splat(0.25));
    simd.select_f32s(small, simd.mul_f32s(series, x), far)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A function of one vector applied to every value, with each instruction set.
    pub fn mapped<F: for<'a> Fn(&'a [f32]) -> Mapped<'a> + Copy>(values: &[f32], f: F) -> Vec<(Isa, Vec<f32>)> {
        Isa::all()
            .into_iter()
            .map(|isa| {
                let mut padded = values.to_vec();
                padded.resize(values.len().next_multiple_of(isa.width), 0.0);
                let mut out = isa.run(f(&padded));
                out.truncate(values.len());
                (isa, out)
            })
            .collect()
    }

    /// An operation over a slice of whole vectors.
    pub struct Mapped<'a> {
        pub values: &'a [f32],
        pub which: Which,
    }

    #[derive(Clone, Copy)]
    pub enum Which {
        Exp,
        Sigmoid,
        Tanh,
    }

    impl WithSimd for Mapped<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let mut out = self.values.to_vec();
            for value in vectors_mut::<S>(&mut out) {
                *value = match self.which {
                    Which::Exp => exp(simd, *value),
                    Which::Sigmoid => sigmoid(simd, *value),
                    Which::Tanh => tanh(simd, *value),
                };
            }
            out
        }
    }

    // Expected: the platform's exp in double precision.
    #[test]
    fn exp_is_good_to_two_roundings() {
        let points: Vec<f32> = (-8600..=8800).map(|at| at as f32 / 100.0).collect();
        for (isa, out) in mapped(&points, |values| Mapped { values, which: Which::Exp }) {
            for (x, y) in points.iter().zip(out) {
                let expected = f64::from(*x).exp();
                assert!((f64::from(y) / expected - 1.0).abs() < 2.5e-7, "{isa:?}: exp({x}) = {y}");
            }
        }
    }

    // Expected: the platform's functions in double precision. Three roundings of values up to 1 are 2e-7.
    #[test]
    fn both_functions_are_good_to_three_roundings() {
        let points: Vec<f32> = (-4000..=4000).map(|at| at as f32 / 200.0).collect();
        for (isa, out) in mapped(&points, |values| Mapped { values, which: Which::Sigmoid }) {
            for (x, y) in points.iter().zip(out) {
                let expected = 1.0 / (1.0 + (-f64::from(*x)).exp());
                assert!((f64::from(y) - expected).abs() < 4e-7 * expected, "{isa:?}: σ({x}) = {y}");
            }
        }
        for (isa, out) in mapped(&points, |values| Mapped { values, which: Which::Tanh }) {
            for (x, y) in points.iter().zip(out) {
                let expected = f64::from(*x).tanh();
                let error = (f64::from(y) - expected).abs();
                assert!(error <= 1e-6 * expected.abs(), "{isa:?}: tanh({x}) = {y}");
            }
        }
    }
}
