//! Checks of every kernel and of whole steps, on any machine: unit tests run them on the emulator, `repro kernels
//! --check` on a GPU, from the release binary.
//!
//! [`operations`] holds each launch to plain loops in 64-bit floats over the same inputs, forward and backward, with the
//! masks of [`crate::engine::dropout`]; `steps` holds a whole step to the reference engine. What is compared is
//! `‖ours - theirs‖ / ‖theirs‖`.

mod attention;
mod lab;
mod operations;
pub mod steps;

use super::machine::Machine;
use super::shape::Shape;
use crate::engine::EngineError;
use crate::engine::Precision;

pub use steps::{Case, Widths};

/// One comparison.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Outcome {
    /// What was compared.
    pub name: String,
    /// How far apart the two are.
    pub apart: f64,
    /// How far they may be.
    pub limit: f64,
}

impl Outcome {
    /// Whether they agree; a number that is none never does.
    pub fn agrees(&self) -> bool {
        self.apart <= self.limit
    }
}

/// Makes a machine for a shape.
pub type Open<'a, M> = &'a dyn Fn(&Shape) -> Result<M, EngineError>;

/// 32-bit sums of some hundred terms in another order: a few units in the last place of the largest term.
pub const F32: f64 = 2e-5;

/// bfloat16 has 8 bits: an outcome is off by 2e-3, a product of two rounded operands by twice that.
pub const BF16: f64 = 8e-3;

/// Every operation for a shape of each precision.
///
/// # Errors
/// The machine's.
pub fn operations<M: Machine>(open: Open<M>, activations: &[u32]) -> Result<Vec<Outcome>, EngineError> {
    let mut outcomes = Vec::new();
    for precision in [Precision::F32, Precision::Bf16] {
        for &activation in activations {
            let shape = Shape { activation, ..lab::shape(precision) };
            outcomes.extend(operations::all(open(&shape)?, &shape)?);
        }
    }
    Ok(outcomes)
}

/// Whole steps of every kind of head and of several widths.
///
/// # Errors
/// The machine's.
pub fn steps<M: Machine>(open: Open<M>) -> Result<Vec<Outcome>, EngineError> {
    let mut outcomes = Vec::new();
    for case in steps::cases() {
        outcomes.extend(steps::compare(open, &case)?);
    }
    Ok(outcomes)
}
