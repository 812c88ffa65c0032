//! The fast engine: the same numbers as the reference engine, by hand-written forward and backward passes over flat
//! buffers, without a graph and without tensors.

pub mod cpu;
pub mod cuda;
pub mod flat;

use super::EngineError;
use crate::family::{Computation, EncoderConfig};

/// Refuses what is not written here yet.
///
/// # Errors
/// What it is, and the engine that has it.
pub fn check(config: &EncoderConfig) -> Result<(), EngineError> {
    let text = |missing| format!("the fast engine has no {missing} yet, expected `--engine reference`");
    missing(config).map_or(Ok(()), |missing| Err(EngineError::Device(text(missing))))
}

/// What is not written here yet; the reference engine has it all.
pub fn missing(config: &EncoderConfig) -> Option<String> {
    match config.family.computation {
        Computation::PostNorm | Computation::ModernBert | Computation::Xlnet | Computation::Elmo => None,
        Computation::Words | Computation::Constant => Some("baselines".into()),
    }
}
