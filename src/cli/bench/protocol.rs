//! What two processes say to each other, a JSON line at a time; `scripts/bench_pytorch.py` speaks it too.
//!
//! ```text
//! → {"config": …, "batches": …}     a job                    ← {"ready": "PyTorch 2.9.0", "configuration": "sdpa"}
//! → train | eval                    one round over it        ← {"seconds": 1.9, "tokens": 81, "peak_memory": 123}
//! → matmul                          this library's best      ← {"flops_per_second": 2.4e11}
//! → allocations                     ours only: one round     ← {"allocations": 0, "steps": 4}
//! ```
//!
//! Whoever waits for a line sleeps, so that only one side computes at a time.

use super::batching::Rectangle;
use crate::task::Head;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything a side must know before its first round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// `config.json` of the encoder.
    pub config: Value,
    /// `classification` or `regression`.
    pub head: String,
    /// Columns of the head.
    pub num_labels: usize,
    /// Engine of ours, or configuration of the peer.
    pub configuration: String,
    /// What products are computed in: `f32` or `bf16`.
    pub dtype: String,
    /// Threads that compute.
    pub threads: usize,
    /// Models that are trained at once, each with its share of the threads (`repro run --jobs`); ours only.
    pub runs: usize,
    /// `cpu`.
    pub device: String,
    /// The batches of a round.
    pub batches: Vec<Rectangle>,
}

impl Job {
    /// The head by its name.
    pub fn head(&self) -> Option<Head> {
        match self.head.as_str() {
            "classification" => Some(Head::Classification),
            "regression" => Some(Head::Regression),
            _ => None,
        }
    }
}

/// Answer to a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Program and versions.
    pub ready: String,
    /// The job's configuration.
    pub configuration: String,
}

/// Answer to `train` and `eval`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Round {
    /// Wall time.
    pub seconds: f64,
    /// Real tokens.
    pub tokens: usize,
    /// Highest resident memory of the process so far, in bytes, where the system tells.
    pub peak_memory: Option<u64>,
}

impl Round {
    /// Real tokens per second.
    pub fn rate(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }
}

/// Answer to `matmul`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ceiling {
    /// Best square product.
    pub flops_per_second: f64,
}

/// Answer to `allocations`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Allocations {
    /// Calls to the allocator that asked for memory.
    pub allocations: u64,
    /// Training steps they were made in.
    pub steps: usize,
}
