//! The operations of an encoder, composed from candle operations that all record a backward.
//!
//! candle's own `layer_norm`, `softmax_last_dim` and `gelu` record none, or one with six-digit constants; these are
//! written out, in the plainest form.

use crate::family::Activation;
use candle_core::{D, Result, Tensor};

/// `x Wᵀ + b`: x `[rows, in]`, weight `[out, in]`, bias `[out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over the last dimension; the variance is the biased one, and there
/// may be no bias.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normalised = centred.broadcast_div(&(variance + epsilon)?.sqrt()?)?;
    let scaled = normalised.broadcast_mul(weight)?;
    bias.map_or(Ok(scaled.clone()), |bias| scaled.broadcast_add(bias))
}

/// `x - log Σ exp x` over the last dimension. The maximum taken out first is a constant of the gradient: it cancels.
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&log_sum)
}

/// `exp x / Σ exp x` over the last dimension; entries of minus infinity get exactly 0, and so do their gradients.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
    let exponentials = shifted.exp()?;
    exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)
}

/// The activation of the feed-forward block, or of a pooler.
pub fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::Gelu => gelu(x),
        Activation::GeluTanh => gelu_tanh(x),
        Activation::Relu => x.relu(),
        Activation::Tanh => x.tanh(),
    }
}

/// `x/2 (1 + erf(x/√2))`.
fn gelu(x: &Tensor) -> Result<Tensor> {
    let gate = ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)?;
    ((x * 0.5)? * gate)?.contiguous()
}

/// `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    let cubic = (x + ((x.sqr()? * x)? * 0.044715)?)?;
    let gate = ((cubic * (2.0 / std::f64::consts::PI).sqrt())?.tanh()? + 1.0)?;
    (x * 0.5)? * gate
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    const POINTS: [f32; 6] = [-1.7, -0.3, 0.05, 0.4, 1.1, 2.3];

    /// The gradient of `f` summed with weights 1, 2, …, against central differences with step 1e-2 in f32: the error
    /// of the difference is of order 1e-4 for these smooth functions and f32 rounding adds as much.
    fn gradient_matches_differences(f: impl Fn(&Tensor) -> Result<Tensor>) {
        let device = Device::Cpu;
        let weighted = |x: &Tensor| -> Result<Tensor> {
            let y = f(x)?;
            let weights = Tensor::arange(1f32, y.elem_count() as f32 + 1.0, &device)?.reshape(y.shape())?;
            (y * weights)?.sum_all()
        };
        let var = Var::from_slice(&POINTS, (2, 3), &device).unwrap();
        let gradients = weighted(&var).unwrap().backward().unwrap();
        let gradient = gradients.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for at in 0..POINTS.len() {
            let shifted = |by: f32| {
                let mut points = POINTS;
                points[at] += by;
                let x = Tensor::from_slice(&points, (2, 3), &device).unwrap();
                weighted(&x).unwrap().to_scalar::<f32>().unwrap()
            };
            let difference = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            assert!((gradient[at] - difference).abs() < 2e-3 * (1.0 + difference.abs()), "{at}: {gradient:?}");
        }
    }

    #[test]
    fn gradients_of_activations_match_differences() {
        gradient_matches_differences(gelu);
        gradient_matches_differences(gelu_tanh);
        gradient_matches_differences(|x| activate(x, Activation::Relu));
        gradient_matches_differences(|x| activate(x, Activation::Tanh));
    }

    #[test]
    fn gradients_of_softmaxes_match_differences() {
        gradient_matches_differences(softmax);
        gradient_matches_differences(log_softmax);
    }

    #[test]
    fn the_gradient_of_layer_norm_matches_differences() {
        let weight = Tensor::new(&[0.5f32, 1.0, -2.0], &Device::Cpu).unwrap();
        let bias = Tensor::new(&[0.1f32, 0.2, 0.3], &Device::Cpu).unwrap();
        gradient_matches_differences(|x| layer_norm(x, &weight, Some(&bias), 1e-12));
    }

    // Values of scipy: x * norm.cdf(x) for x = 1 and -2; the tanh formula in double precision.
    #[test]
    fn gelu_has_the_published_values() {
        let x = Tensor::new(&[1.0f32, -2.0], &Device::Cpu).unwrap();
        let near = |y: Tensor, expected: [f32; 2]| {
            let y = y.to_vec1::<f32>().unwrap();
            assert!((y[0] - expected[0]).abs() < 1e-6 && (y[1] - expected[1]).abs() < 1e-6, "{y:?}");
        };
        near(gelu(&x).unwrap(), [0.841_344_8, -0.045_500_26]);
        near(gelu_tanh(&x).unwrap(), [0.841_192, -0.045_402_306]);
    }

    #[test]
    fn a_masked_entry_gets_probability_and_gradient_zero() {
        let var = Var::new(&[[0.3f32, 0.7, 9.0]], &Device::Cpu).unwrap();
        let mask = Tensor::new(&[[0.0, 0.0, f32::NEG_INFINITY]], &Device::Cpu).unwrap();
        let probabilities = softmax(&(var.as_tensor() + mask).unwrap()).unwrap();
        let gradients = probabilities.narrow(1, 0, 1).unwrap().sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(&var).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(probabilities.to_vec2::<f32>().unwrap()[0][2], 0.0);
        assert_eq!(gradient[0][2], 0.0);
        assert!(gradient[0][0] > 0.0);
    }
}
