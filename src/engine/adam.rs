//! Adam, both ways the field uses it, and clipping by global norm: the scalars and the formula of one value.
//!
//! - With bias correction, as PyTorch's AdamW: `p ← p (1 - lr wd)`, then `p ← p - lr m̂ / (√v̂ + ε)`.
//! - Without, as the released BERT code (optimization.py): `p ← p - lr (m / (√v + ε) + wd p)`. The decay is added after
//!   the moments, so that it does not pass through them.
//!
//! Arithmetic is 32-bit, as in PyTorch; scalars are computed in 64 bits and rounded once.

use super::Update;

/// The factor of `torch.nn.utils.clip_grad_norm_`: `max / (norm + 1e-6)`, at most 1 (TensorFlow has no 1e-6).
pub fn clip_factor(norm: f64, max_grad_norm: f64) -> f64 {
    if max_grad_norm > 0.0 { (max_grad_norm / (norm + 1e-6)).min(1.0) } else { 1.0 }
}

/// The scalars of one update, for the parameters that decay or for those that do not.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// Multiplies the gradient.
    pub clip: f32,
    /// β1.
    pub beta1: f32,
    /// β2.
    pub beta2: f32,
    /// `1 - β1`, rounded once as in PyTorch: `1 - 0.999f32` is off by a part in 20,000.
    pub rest1: f32,
    /// `1 - β2`.
    pub rest2: f32,
    /// ε.
    pub epsilon: f32,
    /// `lr / (1 - β1^t)`, or `lr`.
    pub rate: f32,
    /// `√(1 - β2^t)`, or 1.
    pub second_correction: f32,
    /// `1 - lr wd`.
    pub shrink: f32,
}

impl Constants {
    /// The scalars of an update.
    pub fn new(update: &Update, clip: f64, decays: bool) -> Constants {
        let exponent = (update.step + 1) as i32;
        let correction = |beta: f64| if update.bias_correction { 1.0 - beta.powi(exponent) } else { 1.0 };
        let decay = if decays { update.weight_decay } else { 0.0 };
        Constants {
            clip: clip as f32,
            beta1: update.beta1 as f32,
            beta2: update.beta2 as f32,
            rest1: (1.0 - update.beta1) as f32,
            rest2: (1.0 - update.beta2) as f32,
            epsilon: update.epsilon as f32,
            rate: (update.learning_rate / correction(update.beta1)) as f32,
            second_correction: correction(update.beta2).sqrt() as f32,
            shrink: (1.0 - update.learning_rate * decay) as f32,
        }
    }

    /// The moved parameter; both ways at once: `p - lr (u + wd p)` is `p (1 - lr wd) - lr u`.
    #[inline(always)]
    pub fn moved(&self, value: f32, gradient: f32, first: &mut f32, second: &mut f32) -> f32 {
        *first = self.beta1 * *first + self.rest1 * gradient;
        *second = self.beta2 * *second + self.rest2 * gradient * gradient;
        let root = second.sqrt() / self.second_correction + self.epsilon;
        value * self.shrink - self.rate * *first / root
    }
}
