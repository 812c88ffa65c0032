//! What a machine's matrix products reach: the ceiling that a training step is held against.

use super::machine::{Machine, Product};
use crate::engine::EngineError;
use crate::random::{Purpose, Stream};
use half::bf16;
use std::time::Instant;

/// Floating-point operations per second of square products of bfloat16 matrices of a size, the mean of twenty after
/// three; of random numbers, since zeros would run faster.
///
/// # Errors
/// The machine's.
pub fn matmul_rate<M: Machine>(machine: &M, size: usize) -> Result<f64, EngineError> {
    let bytes = 2 * size * size;
    let [left, right, out] = [0, 1, 2].map(|_| machine.allocate(bytes));
    let (left, right, out) = (left?, right?, out?);
    machine.upload(left.address, &random(bytes, 0))?;
    machine.upload(right.address, &random(bytes, 1))?;
    let product = Product {
        left: (left.address, false),
        right: (right.address, true),
        out: out.address,
        m: size,
        n: size,
        k: size,
        bias: None,
        accumulate: false,
        wide: false,
    };
    let times = |count: usize| -> Result<f64, EngineError> {
        let began = Instant::now();
        (0..count).try_for_each(|_| machine.product(&product))?;
        machine.download(out.address, &mut [0; 2])?;
        Ok(began.elapsed().as_secs_f64() / count as f64)
    };
    times(3)?;
    Ok(2.0 * (size as f64).powi(3) / times(20)?)
}

/// A pattern of 65,536 random numbers, repeated.
fn random(bytes: usize, site: u32) -> Vec<u8> {
    let stream = Stream::new(1, Purpose::Synthetic);
    let value = |at: u64| bf16::from_f64(stream.uniform(0, site, at) - 0.5).to_le_bytes();
    let pattern: Vec<u8> = (0..65_536).flat_map(value).collect();
    pattern.into_iter().cycle().take(bytes).collect()
}
