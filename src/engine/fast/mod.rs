//! The fast engine: the same numbers as the reference engine, by hand-written forward and backward passes over flat
//! buffers, without a graph and without tensors.

pub mod cpu;
pub mod cuda;
pub mod flat;
