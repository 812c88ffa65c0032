//! Steps and the learning rate, where released code and Hugging Face count differently.
//!
//! | | released code (`down`) | Hugging Face (`up`) |
//! |---|---|---|
//! | steps | `int(examples / batch * epochs)` | `ceil(ceil(examples / batch) * epochs)` |
//! | warm-up | `int(steps * warmup)` | `ceil(steps * warmup)` |
//!
//! Both in 64-bit floating point and in this order of operations, as in Python.

use crate::spec::recipe::{Rounding, Schedule};

/// Optimizer steps of a run over `examples` training sequences.
pub fn total_steps(examples: usize, batch_size: usize, epochs: f64, rounding: Rounding) -> u64 {
    let steps = match rounding {
        Rounding::Up => (examples.div_ceil(batch_size) as f64 * epochs).ceil(),
        Rounding::Down => (examples as f64 / batch_size as f64 * epochs).floor(),
    };
    steps as u64
}

/// Steps of `total` that warm up.
pub fn warmup_steps(total: u64, warmup: f64, rounding: Rounding) -> u64 {
    let steps = total as f64 * warmup;
    let rounded = match rounding {
        Rounding::Up => steps.ceil(),
        Rounding::Down => steps.floor(),
    };
    rounded as u64
}

/// Share of the peak rate at a step, counted from 0. Past the last step it is 0 (except for `constant`).
///
/// The released code's decay is not rescaled after warm-up, so the rate jumps down where warm-up ends.
pub fn learning_rate_factor(schedule: Schedule, step: u64, total: u64, warmup: u64) -> f64 {
    if step < warmup {
        return step as f64 / warmup as f64;
    }
    match schedule {
        Schedule::Constant => 1.0,
        Schedule::LinearFromStart if step >= total => 0.0,
        Schedule::LinearFromStart => 1.0 - step as f64 / total as f64,
        Schedule::LinearFromWarmupEnd => total.saturating_sub(step) as f64 / total.saturating_sub(warmup).max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_rules_round_apart() {
        // MRPC: 3668 / 32 = 114.625; up 115 * 3 = 345, down int(343.875) = 343; a tenth is 34.5 and 34.3.
        assert_eq!(total_steps(3668, 32, 3.0, Rounding::Up), 345);
        assert_eq!(total_steps(3668, 32, 3.0, Rounding::Down), 343);
        assert_eq!(warmup_steps(345, 0.1, Rounding::Up), 35);
        assert_eq!(warmup_steps(343, 0.1, Rounding::Down), 34);
    }

    #[test]
    fn the_released_rate_jumps_down_where_warm_up_ends() {
        // 10 steps, 2 of warm-up: half the peak, then 1 - 2/10; Hugging Face goes on from the peak.
        assert_eq!(learning_rate_factor(Schedule::LinearFromStart, 1, 10, 2), 0.5);
        assert_eq!(learning_rate_factor(Schedule::LinearFromStart, 2, 10, 2), 0.8);
        assert_eq!(learning_rate_factor(Schedule::LinearFromWarmupEnd, 2, 10, 2), 1.0);
        assert_eq!(learning_rate_factor(Schedule::Constant, 99, 10, 2), 1.0);
    }
}
