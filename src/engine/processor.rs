//! What a model computes on.

use super::Precision;
use super::fast::cpu::bf16_unit;
use super::fast::cuda::SharedGpu;
use crate::plan::EngineKind;
use std::sync::Arc;

/// A processor and how it is used.
#[derive(Clone)]
pub enum Processor {
    /// The CPU.
    Cpu {
        /// Threads of the fast engine; the reference engine uses all there are.
        threads: usize,
        /// What products of the fast engine are computed in.
        precision: Precision,
    },
    /// A GPU, which engines may share.
    Gpu {
        /// Which.
        gpu: Arc<SharedGpu>,
        /// What products are computed in.
        precision: Precision,
    },
}

impl Processor {
    /// The CPU with all its threads, in 32 bits.
    pub fn cpu() -> Processor {
        Processor::Cpu { threads: threads(), precision: Precision::F32 }
    }

    /// One of so many equal shares: threads are divided, a GPU is not.
    pub fn share(&self, of: usize) -> Processor {
        match self {
            Processor::Cpu { threads, precision } => {
                Processor::Cpu { threads: (threads / of.max(1)).max(1), precision: *precision }
            }
            Processor::Gpu { .. } => self.clone(),
        }
    }

    /// Kind, name, threads and what is not 32 bits, as an engine uses it, for records: results repeat to the bit only
    /// on the same kind of machine. The reference engine uses candle's threads, whatever its share.
    pub fn describe(&self, engine: EngineKind) -> String {
        match self {
            _ if engine == EngineKind::Reference => {
                format!("cpu ({}, {} threads)", processor_name(), rayon::current_num_threads())
            }
            Processor::Cpu { threads, precision: Precision::F32 } => {
                format!("cpu ({}, {threads} threads)", processor_name())
            }
            Processor::Cpu { threads, precision } => {
                let unit = bf16_unit().map(|unit| format!(" by {unit}")).unwrap_or_default();
                format!("cpu ({}, {threads} threads, {}{unit})", processor_name(), precision.name())
            }
            Processor::Gpu { gpu, .. } => format!("cuda ({})", gpu.device.name),
        }
    }
}

/// Threads that this machine runs at once.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn processor_name() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("unknown processor".into(), |(_, name)| name.trim().to_owned())
}
