//! The activation of the feed-forward block or of a pooler, and its derivative from the same intermediate results.
//!
//! `gelu(x) = x Φ(x)`, `gelu'(x) = Φ(x) + x φ(x)` with `φ(x) = e^(-x²/2) / √(2π)`. The tail is
//! `Φ(-|x|) = e^(-x²/2) R(|x|)` with `R(t) = erfcx(t/√2) / 2`, a polynomial in `1 / (1 + 0.23 t)` (minimax fit of relative
//! error on 0 … 14, 5e-8), so that forward and derivative share one exponential and keep small values relatively exact.

use super::simd::{Isa, exp, vectors, vectors_mut};
use crate::family::Activation;
use pulp::{Simd, WithSimd};

/// `output = activation(input)`.
pub fn forward(isa: Isa, activation: Activation, input: &[f32], output: &mut [f32]) {
    isa.run(Forward { activation, input, output });
}

/// `output = activation(values)`, and `values` becomes the derivative.
pub fn forward_with_derivative(isa: Isa, activation: Activation, values: &mut [f32], output: &mut [f32]) {
    isa.run(WithDerivative { activation, values, output });
}

/// `gradient *= derivative`.
pub fn backward(isa: Isa, derivative: &[f32], gradient: &mut [f32]) {
    isa.run(Multiply { factor: derivative, values: gradient });
}

struct Forward<'a> {
    activation: Activation,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let pairs = vectors::<S>(self.input).iter().zip(vectors_mut::<S>(self.output));
        match self.activation {
            Activation::Gelu => pairs.for_each(|(x, y)| *y = gelu(simd, *x).0),
            Activation::GeluTanh => pairs.for_each(|(x, y)| *y = gelu_tanh(simd, *x).0),
            Activation::Relu => pairs.for_each(|(x, y)| *y = relu(simd, *x).0),
            Activation::Tanh => self.input.iter().zip(self.output).for_each(|(x, y)| *y = x.tanh()),
        }
    }
}

struct WithDerivative<'a> {
    activation: Activation,
    values: &'a mut [f32],
    output: &'a mut [f32],
}

impl WithSimd for WithDerivative<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let pairs = vectors_mut::<S>(self.values).iter_mut().zip(vectors_mut::<S>(self.output));
        match self.activation {
            Activation::Gelu => pairs.for_each(|(x, y)| (*y, *x) = gelu(simd, *x)),
            Activation::GeluTanh => pairs.for_each(|(x, y)| (*y, *x) = gelu_tanh(simd, *x)),
            Activation::Relu => pairs.for_each(|(x, y)| (*y, *x) = relu(simd, *x)),
            Activation::Tanh => self.values.iter_mut().zip(self.output).for_each(|(x, y)| (*y, *x) = tanh(*x)),
        }
    }
}

struct Multiply<'a> {
    factor: &'a [f32],
    values: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let pairs = vectors::<S>(self.factor).iter().zip(vectors_mut::<S>(self.values));
        pairs.for_each(|(factor, value)| *value = simd.mul_f32s(*value, *factor));
    }
}

/// Coefficients of R, from the constant up.
const TAIL: [f32; 9] = [
    -2.776_242_7e-5,
    0.092_378_46,
    0.085_762_86,
    0.119_514_06,
    -0.032_920_238,
    0.301_472_9,
    -0.278_127_1,
    0.290_414_2,
    -0.078_467_48,
];

/// Value and derivative.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let splat = |value: f32| simd.splat_f32s(value);
    let t = simd.min_f32s(simd.abs_f32s(x), splat(14.0));
    let u = simd.div_f32s(splat(1.0), simd.mul_add_f32s(t, splat(0.23), splat(1.0)));
    let mut tail = splat(TAIL[8]);
    for coefficient in TAIL[..8].iter().rev() {
        tail = simd.mul_add_f32s(tail, u, splat(*coefficient));
    }
    let bell = exp(simd, simd.mul_f32s(simd.mul_f32s(t, t), splat(-0.5)));
    let tail = simd.mul_f32s(bell, tail);
    let negative = simd.less_than_f32s(x, splat(0.0));
    let probability = simd.select_f32s(negative, tail, simd.sub_f32s(splat(1.0), tail));
    let slope = simd.mul_f32s(simd.mul_f32s(x, splat(0.398_942_3)), bell);
    (simd.mul_f32s(x, probability), simd.add_f32s(probability, slope))
}

/// `x/2 (1 + tanh w)`, `w = √(2/π) (x + 0.044715 x³)`; its derivative is
/// `(1 + tanh w)/2 + x/2 (1 - tanh² w) √(2/π) (1 + 3 · 0.044715 x²)`. `(1 + tanh w)/2 = 1 / (1 + e^(-2w))`.
#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let splat = |value: f32| simd.splat_f32s(value);
    let square = simd.mul_f32s(x, x);
    let cubic = simd.mul_add_f32s(square, splat(0.044_715), splat(1.0));
    let minus_2w = simd.mul_f32s(simd.mul_f32s(x, cubic), splat(-1.595_769));
    let gate = simd.div_f32s(splat(1.0), simd.add_f32s(splat(1.0), exp(simd, minus_2w)));
    // 1 - tanh² = 4 gate (1 - gate), and half of it times the inner derivative √(2/π) (…).
    let inner = simd.mul_add_f32s(square, splat(0.134_145), splat(1.0));
    let sech = simd.mul_f32s(gate, simd.sub_f32s(splat(1.0), gate));
    let slope = simd.mul_f32s(simd.mul_f32s(x, sech), simd.mul_f32s(inner, splat(1.595_769)));
    (simd.mul_f32s(x, gate), simd.add_f32s(gate, slope))
}

#[inline(always)]
fn relu<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let zero = simd.splat_f32s(0.0);
    let positive = simd.greater_than_f32s(x, zero);
    (simd.max_f32s(zero, x), simd.select_f32s(positive, simd.splat_f32s(1.0), zero))
}

/// A pooler's values are few: one at a time.
fn tanh(x: f32) -> (f32, f32) {
    let y = x.tanh();
    (y, 1.0 - y * y)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value of `x` with its function and derivative, for each instruction set.
    fn sweep(activation: Activation, check: impl Fn(f64, f64, f64)) {
        for isa in Isa::all() {
            let points: Vec<f32> = (-2048..2048).map(|at| at as f32 / 256.0).collect();
            let (mut values, mut output, mut alone) = (points.clone(), points.clone(), points.clone());
            forward_with_derivative(isa, activation, &mut values, &mut output);
            forward(isa, activation, &points, &mut alone);
            assert_eq!(output, alone);
            for ((x, y), slope) in points.iter().zip(&output).zip(&values) {
                check(f64::from(*x), f64::from(*y), f64::from(*slope));
            }
        }
    }

    /// Φ by its series (Abramowitz and Stegun 26.2.10), in double precision; good to 1e-12 for |x| ≤ 6.
    fn normal(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / (2.0 * f64::from(n));
            sum += term / f64::from(2 * n + 1);
        }
        0.5 + sum / (2.0 * std::f64::consts::PI).sqrt()
    }

    #[test]
    fn gelu_is_x_times_the_normal_distribution() {
        sweep(Activation::Gelu, |x, y, slope| {
            if x.abs() <= 6.0 {
                let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
                assert!((y - x * normal(x)).abs() < 3e-7 * (1.0 + x.abs()), "gelu({x}) = {y}");
                assert!((slope - normal(x) - x * density).abs() < 5e-7, "gelu'({x}) = {slope}");
            }
        });
    }

    #[test]
    fn gelu_tanh_is_the_released_formula() {
        let formula =
            |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
        sweep(Activation::GeluTanh, |x, y, slope| {
            assert!((y - formula(x)).abs() < 3e-7 * (1.0 + x.abs()), "gelu_new({x}) = {y}");
            let difference = (formula(x + 1e-5) - formula(x - 1e-5)) / 2e-5;
            assert!((slope - difference).abs() < 2e-6, "gelu_new'({x}) = {slope}, {difference}");
        });
    }

    // In double precision; f32's tanh is good to an ulp, and its square loses as much again.
    #[test]
    fn tanh_has_its_derivative() {
        sweep(Activation::Tanh, |x, y, slope| {
            assert!((y - x.tanh()).abs() < 2e-7 && (slope - 1.0 + x.tanh().powi(2)).abs() < 4e-7, "tanh({x}) = {y}");
        });
    }

    #[test]
    fn relu_is_the_positive_part() {
        sweep(Activation::Relu, |x, y, slope| {
            assert_eq!(y, x.max(0.0));
            assert_eq!(slope, if x > 0.0 { 1.0 } else { 0.0 });
        });
    }
}
