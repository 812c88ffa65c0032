//! Adam over candle's parameters, in plain loops over slices.

use crate::engine::Update;
use crate::engine::adam::Constants;
use rayon::prelude::*;

/// `‖gradients‖₂` over all parameters, summed in parameter order in double precision.
pub fn global_norm(gradients: &[Vec<f32>]) -> f64 {
    let squares = |values: &Vec<f32>| values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>();
    let parts: Vec<f64> = gradients.par_iter().map(squares).collect();
    parts.iter().sum::<f64>().sqrt()
}

/// One parameter and its moments.
pub struct Slot<'a> {
    /// The parameter.
    pub values: &'a mut [f32],
    /// Its gradient, before clipping.
    pub gradient: &'a [f32],
    /// First moment.
    pub first: &'a mut [f32],
    /// Second moment.
    pub second: &'a mut [f32],
    /// Whether it decays.
    pub decays: bool,
}

/// Moves one parameter; `clip` multiplies the gradient first.
pub fn step(slot: Slot<'_>, update: &Update, clip: f64) {
    let constants = Constants::new(update, clip, slot.decays);
    let values = slot.values.par_iter_mut().with_min_len(16_384).zip(slot.gradient);
    let moments = slot.first.par_iter_mut().zip(slot.second.par_iter_mut());
    values.zip(moments).for_each(|((value, gradient), (first, second))| {
        *value = constants.moved(*value, gradient * constants.clip, first, second);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::adam::clip_factor;

    fn update(bias_correction: bool) -> Update {
        let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-6);
        let (weight_decay, max_grad_norm) = (0.01, 1.0);
        Update { step: 0, learning_rate: 0.1, bias_correction, beta1, beta2, epsilon, weight_decay, max_grad_norm }
    }

    fn moved(bias_correction: bool, decays: bool) -> f64 {
        let (mut values, mut first, mut second) = ([2.0f32], [0.0f32], [0.0f32]);
        let slot = Slot { values: &mut values, gradient: &[0.5], first: &mut first, second: &mut second, decays };
        step(slot, &update(bias_correction), 1.0);
        f64::from(values[0])
    }

    // By hand, gradient 0.5: corrected, m̂ = 0.5 and √v̂ = 0.5, so the step is 0.1 · 0.5 / 0.500001; the decay takes
    // 0.1 · 0.01 · 2. Uncorrected, m = 0.05 and √v = 0.5 √0.001 = 0.0158114. Four roundings at 2 are 5e-7.
    #[test]
    fn the_first_step_is_as_computed_by_hand() {
        assert!((moved(true, true) - (2.0 - 0.002 - 0.1 * 0.5 / 0.500_001)).abs() < 5e-7);
        assert!((moved(true, false) - (2.0 - 0.1 * 0.5 / 0.500_001)).abs() < 5e-7);
        assert!((moved(false, true) - (2.0 - 0.1 * (0.05 / 0.015_812_388 + 0.02))).abs() < 2e-6);
    }

    #[test]
    fn clipping_follows_torch() {
        let norm = global_norm(&[vec![3.0], vec![0.0, 4.0]]);
        assert!((norm - 5.0).abs() < 1e-12);
        assert!((clip_factor(norm, 1.0) - 1.0 / 5.000_001).abs() < 1e-12);
        assert_eq!((clip_factor(0.5, 1.0), clip_factor(1e9, 0.0)), (1.0, 1.0));
    }
}
