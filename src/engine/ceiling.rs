//! What this machine can do at best: the ceiling that a training step's arithmetic is held against.

use super::EngineError;
use candle_core::{DType, Device, Tensor};
use std::time::Instant;

/// The best of five products of square matrices of each of three sizes, by the library that the reference engine uses:
/// floating-point operations per second.
///
/// # Errors
/// The tensor library's.
pub fn matmul_ceiling() -> Result<f64, EngineError> {
    let mut best: f64 = 0.0;
    for size in [512usize, 1024, 2048] {
        let matrix = Tensor::ones((size, size), DType::F32, &Device::Cpu)?;
        for _ in 0..5 {
            let began = Instant::now();
            matrix.matmul(&matrix)?;
            best = best.max(2.0 * (size as f64).powi(3) / began.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}
