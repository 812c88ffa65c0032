//! Held to the reference implementations: one binary, a file per folder of golden data.
//!
//! Cases are taken from `REPRO_GOLDEN` (else `tests/golden`) and `REPRO_HUB` (else `data/hub`), whatever is there; one
//! line of output a case.

mod metrics;
mod squad_eval;
