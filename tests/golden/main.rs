//! Held to the reference implementations: one binary, a file per folder of golden data.
//!
//! Cases are taken from `REPRO_GOLDEN` (else `tests/golden`) and `REPRO_HUB` (else `data/hub`), whatever is there; one
//! line of output a case.

mod metrics;
mod minilm;
mod models;
mod schedule;
mod squad_eval;
mod squad_features;
mod tokenization;
mod xlnet_beams;

use std::path::{Path, PathBuf};

/// The folder of golden data.
pub fn golden() -> PathBuf {
    folder("REPRO_GOLDEN", "tests/golden")
}

/// The folder in the hub's layout.
pub fn hub() -> PathBuf {
    folder("REPRO_HUB", "data/hub")
}

fn folder(variable: &str, otherwise: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os(variable).map_or_else(|| root.join(otherwise), |path| root.join(path))
}

/// A JSON file, or `None` with a line that says so.
pub fn json(path: &Path) -> Option<serde_json::Value> {
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("{}: skipped, not here", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}
