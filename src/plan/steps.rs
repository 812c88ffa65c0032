//! temp
use crate::spec::recipe::{Rounding, Schedule};
pub fn total_steps(examples: usize, batch: usize, epochs: f64, rounding: Rounding) -> u64 {
    match rounding {
        Rounding::Up => ((examples.div_ceil(batch)) as f64 * epochs).ceil() as u64,
        Rounding::Down => (examples as f64 / batch as f64 * epochs) as u64,
    }
}
pub fn warmup_steps(total: u64, warmup: f64, rounding: Rounding) -> u64 {
    match rounding {
        Rounding::Up => (total as f64 * warmup).ceil() as u64,
        Rounding::Down => (total as f64 * warmup) as u64,
    }
}
pub fn learning_rate_factor(_s: Schedule, step: u64, total: u64, warmup: u64) -> f64 {
    if step < warmup { step as f64 / warmup as f64 } else { (total - step) as f64 / (total - warmup) as f64 }
}
