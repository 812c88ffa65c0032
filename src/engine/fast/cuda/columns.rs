//! Launches of columns.cu: sums over rows in two stages.

use super::machine::{Address, Machine};
use super::operations::{Operations, WARP, number};
use crate::engine::EngineError;

/// Stretches of rows whose sums are partial, where a thread owns columns.
const STRETCHES: u32 = 64;

/// Rows that a block takes at a time.
const LANES: u32 = 8;

/// Depth of a block of `add_partials`.
const DEPTH: u32 = 16;

/// Stretches for a number of rows.
pub fn stretches(rows: u32) -> u32 {
    rows.div_ceil(2 * LANES).clamp(1, STRETCHES)
}

impl<M: Machine> Operations<'_, M> {
    /// Adds the sums over the rows of `x [rows, columns]` to a gradient.
    pub fn column_sums(&self, x: Address, rows: usize, columns: usize, gradient: Address) -> Result<(), EngineError> {
        let (rows, width) = (number(rows), number(columns));
        let blocks = stretches(rows);
        let arguments = [x.into(), self.partials.into(), rows.into(), width.into()];
        let grid = (width.div_ceil(4 * WARP), blocks);
        self.launch("column_partials", grid, LANES * WARP, (LANES * WARP * 4 * 4) as usize, &arguments)?;
        self.add_partials(blocks, columns, &[gradient])
    }

    /// Adds partial sums `[blocks, vectors, columns]` to up to three gradients.
    pub fn add_partials(&self, blocks: u32, columns: usize, gradients: &[Address]) -> Result<(), EngineError> {
        let at = |vector: usize| gradients.get(vector).copied().unwrap_or(Address::NONE);
        let columns = number(columns);
        let arguments = [self.partials.into(), blocks.into(), columns.into(), at(0).into(), at(1).into(), at(2).into()];
        let grid = (columns.div_ceil(WARP), number(gradients.len()));
        self.launch("add_partials", grid, DEPTH * WARP, (DEPTH * WARP * 4) as usize, &arguments)
    }
}
