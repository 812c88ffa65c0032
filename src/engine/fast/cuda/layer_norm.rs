//! Launches of layer_norm.cu: `y = LayerNorm(dropout(x + bias) + residual)`, and back.

use super::machine::{Address, Argument, Machine};
use super::operations::{Dropout, Operations, PARTIALS, Rows, WARP, number};
use crate::engine::EngineError;

/// LayerNorm's vectors in 32 bits, and where their gradients gather.
#[derive(Clone, Copy, Debug)]
pub struct NormAt {
    /// Factor.
    pub gamma: Address,
    /// Summand.
    pub beta: Address,
    /// Gradient of the factor.
    pub d_gamma: Address,
    /// Gradient of the summand.
    pub d_beta: Address,
    /// Epsilon.
    pub epsilon: f32,
}

/// What the forward pass keeps for the backward pass.
#[derive(Clone, Copy, Debug)]
pub struct NormKept {
    /// What was normalised, `[rows, H]`.
    pub sum: Address,
    /// Mean of each row.
    pub mean: Address,
    /// 1 / √(variance + ε) of each row.
    pub scale: Address,
}

/// What both passes have in common.
#[derive(Clone, Copy, Debug)]
pub struct ResidualNorm {
    /// LayerNorm.
    pub norm: NormAt,
    /// What is kept.
    pub kept: NormKept,
    /// What the rows are.
    pub rows: Rows,
    /// Dropout of `x + bias`.
    pub dropout: Dropout,
}

/// Warps of a block that sums over rows, as rows.cuh has it.
fn warps(hidden: usize) -> u32 {
    if hidden <= 1024 { 8 } else { 4 }
}

impl<M: Machine> Operations<'_, M> {
    /// `x`, `y` are `[rows, H]`; the bias is in 32 bits.
    pub fn residual_norm(
        &self,
        what: &ResidualNorm,
        x: Address,
        bias: Address,
        residual: Address,
        y: Address,
    ) -> Result<(), EngineError> {
        let rows = number(what.rows.count(self.room));
        let [site, threshold, keep] = what.dropout.arguments();
        let arguments: [Argument; 17] = [
            x.into(),
            bias.into(),
            residual.into(),
            what.norm.gamma.into(),
            what.norm.beta.into(),
            what.kept.sum.into(),
            y.into(),
            what.kept.mean.into(),
            what.kept.scale.into(),
            self.staged.step.into(),
            self.staged.cumulative_lengths.into(),
            rows.into(),
            what.rows.number().into(),
            site,
            threshold,
            keep,
            what.norm.epsilon.into(),
        ];
        self.launch("residual_norm_forward", (rows.div_ceil(4), 1), 128, 0, &arguments)
    }

    /// From `dy` to `dx` and `d_residual`; gradients of LayerNorm and of the bias are added to theirs.
    pub fn residual_norm_backward(
        &self,
        what: &ResidualNorm,
        dy: Address,
        dx: Address,
        d_residual: Address,
        d_bias: Address,
    ) -> Result<(), EngineError> {
        let rows = number(what.rows.count(self.room));
        let (blocks, threads, shared) = self.row_sums(rows);
        let [site, threshold, keep] = what.dropout.arguments();
        let arguments: [Argument; 15] = [
            dy.into(),
            what.kept.sum.into(),
            what.kept.mean.into(),
            what.kept.scale.into(),
            what.norm.gamma.into(),
            dx.into(),
            d_residual.into(),
            self.partials.into(),
            self.staged.step.into(),
            self.staged.cumulative_lengths.into(),
            rows.into(),
            what.rows.number().into(),
            site,
            threshold,
            keep,
        ];
        self.launch("residual_norm_backward", (blocks, 1), threads, shared, &arguments)?;
        self.add_partials(blocks, self.shape.hidden, &[what.norm.d_gamma, what.norm.d_beta, d_bias])
    }

    /// Blocks, threads and shared bytes of a kernel that walks rows and sums over them.
    pub fn row_sums(&self, rows: u32) -> (u32, u32, usize) {
        let warps = warps(self.shape.hidden);
        (rows.div_ceil(warps).min(PARTIALS), warps * WARP, warps as usize * self.shape.hidden * 4)
    }
}
