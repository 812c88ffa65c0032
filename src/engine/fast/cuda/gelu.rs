//! Launches of gelu.cu: the feed-forward block's activation with its bias, and back.

use super::columns::stretches;
use super::machine::{Address, Machine};
use super::operations::{DenseAt, Operations, WARP, number};
use crate::engine::EngineError;

/// Rows that a block takes at a time.
const LANES: u32 = 8;

/// Neighbouring columns of a thread: the widths here are multiples of 8.
const PIECE: u32 = 8;

impl<M: Machine> Operations<'_, M> {
    /// `y = f(x + bias)`, both `[rows, I]`.
    pub fn activation(&self, layer: &DenseAt, x: Address, y: Address, rows: usize) -> Result<(), EngineError> {
        let rows = number(rows);
        let grid = (number(self.shape.wide).div_ceil(PIECE * WARP), rows.div_ceil(LANES).min(1024));
        let arguments = [x.into(), layer.wide_bias.into(), y.into(), rows.into()];
        self.launch("activation_forward", grid, LANES * WARP, 0, &arguments)
    }

    /// `dy` becomes `dx`; the bias's gradient is added to its own.
    pub fn activation_backward(
        &self,
        layer: &DenseAt,
        dy: Address,
        x: Address,
        rows: usize,
    ) -> Result<(), EngineError> {
        let blocks = stretches(number(rows));
        let grid = (number(self.shape.wide).div_ceil(PIECE * WARP), blocks);
        let arguments = [dy.into(), x.into(), layer.wide_bias.into(), self.partials.into(), number(rows).into()];
        let shared = (LANES * WARP * PIECE * 4) as usize;
        self.launch("activation_backward", grid, LANES * WARP, shared, &arguments)?;
        self.add_partials(blocks, self.shape.wide, &[layer.d_bias])
    }
}
