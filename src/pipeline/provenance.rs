//! What computed a run: the program, its source, the machine.

use crate::engine::Processor;
use crate::plan::{EngineKind, Run};
use crate::record::Provenance;

/// Libraries whose version could move a number, with the versions this program was built with.
const LIBRARIES: &[(&str, &str)] =
    &[("candle-core", env!("REPRO_CANDLE_CORE_VERSION")), ("tokenizers", env!("REPRO_TOKENIZERS_VERSION"))];

/// Provenance of a run on a processor of this machine.
pub fn provenance(run: &Run, processor: &Processor) -> Provenance {
    computed_by(run.engine, &run.dtype, processor)
}

/// Provenance of what an engine computes on a processor of this machine.
pub fn computed_by(engine: EngineKind, dtype: &str, processor: &Processor) -> Provenance {
    let libraries = LIBRARIES.iter().map(|(name, version)| (name.to_string(), version.to_string()));
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_string(),
        commit: Some(env!("REPRO_COMMIT")).filter(|commit| !commit.is_empty()).map(String::from),
        dirty: Some(env!("REPRO_COMMIT")).filter(|commit| !commit.is_empty()).map(|_| env!("REPRO_DIRTY") == "true"),
        engine: engine.name().to_string(),
        device: processor.describe(engine),
        dtype: dtype.to_string(),
        libraries: libraries.collect(),
    }
}

/// Highest resident memory of this process so far, in bytes, where the system tells (Linux).
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Now, in seconds since 1970.
pub fn seconds() -> f64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Now, in UTC, to the second.
pub fn now() -> String {
    let time = chrono::DateTime::from_timestamp(seconds() as i64, 0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
