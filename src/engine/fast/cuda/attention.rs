//! Launches of attention.cu, and of attention_plain.cu where the shape is not for tensor cores.

use super::batch::TILE;
use super::machine::{Address, Argument, Machine};
use super::operations::{Dropout, Operations, Rows, number};
use crate::engine::EngineError;

/// Where an attention's inputs and outcomes are, of one layer.
#[derive(Clone, Copy, Debug)]
pub struct AttentionAt {
    /// Query, key and value, `[T, 3 H]`.
    pub qkv: Address,
    /// Outcome, `[rows, H]`.
    pub context: Address,
    /// `log Σ exp` of each query's scores, `[N, rows]`, in 32 bits.
    pub lse: Address,
    /// All tokens ask, or each sequence's first one.
    pub rows: Rows,
    /// Dropout of probabilities.
    pub dropout: Dropout,
}

impl<M: Machine> Operations<'_, M> {
    /// Outcome and `lse` from query, key and value.
    pub fn attention(&self, at: &AttentionAt) -> Result<(), EngineError> {
        let head = [at.qkv.into(), at.context.into(), at.lse.into()];
        let kernel = self.either("attention_forward", "plain_attention_forward");
        self.attend(kernel, at, &head, [2 * self.tile_bytes(), self.score_bytes(1)])
    }

    /// From `d_context [rows, H]` to `d_qkv [T, 3 H]`; `delta [N, rows]` is room. Query gradients of tokens that did not
    /// ask are left as they are.
    pub fn attention_backward(
        &self,
        at: &AttentionAt,
        d_context: Address,
        delta: Address,
        d_qkv: Address,
    ) -> Result<(), EngineError> {
        let head = [at.qkv.into(), at.context.into(), d_context.into(), at.lse.into(), delta.into(), d_qkv.into()];
        let kernel = self.either("attention_backward_query", "plain_attention_backward_query");
        self.attend(kernel, at, &head, [2 * self.tile_bytes(), self.score_bytes(1)])?;
        let head = [at.qkv.into(), d_context.into(), at.lse.into(), delta.into(), d_qkv.into()];
        let kernel = self.either("attention_backward_key", "plain_attention_backward_key");
        let levels = 2 * TILE * 4;
        self.attend(kernel, at, &head, [2 * self.tile_bytes() + levels, self.score_bytes(2)])
    }

    fn attend(
        &self,
        kernel: &'static str,
        at: &AttentionAt,
        head: &[Argument],
        shared: [usize; 2],
    ) -> Result<(), EngineError> {
        let [site, threshold, keep] = at.dropout.arguments();
        let tail: [Argument; 8] = [
            self.staged.step.into(),
            self.staged.cumulative_lengths.into(),
            self.staged.tiles.into(),
            number(at.rows.count(self.room)).into(),
            u32::from(at.rows != Rows::Tokens).into(),
            site,
            threshold,
            keep,
        ];
        let mut arguments = [Argument::U32(0); 14];
        arguments[..head.len()].copy_from_slice(head);
        arguments[head.len()..head.len() + tail.len()].copy_from_slice(&tail);
        let grid = (number(self.room.tiles()), number(self.shape.heads));
        let shared = shared[usize::from(!self.shape.tensor_attention())];
        self.launch(kernel, grid, 128, shared, &arguments[..head.len() + tail.len()])
    }

    fn either(&self, tensor: &'static str, plain: &'static str) -> &'static str {
        if self.shape.tensor_attention() { tensor } else { plain }
    }

    /// Shared bytes of 64 rows of a head, each 8 values longer than it.
    fn tile_bytes(&self) -> usize {
        TILE * (self.shape.head() + 8) * 2
    }

    /// Shared bytes of `sets` rows of scores for each of four warps.
    fn score_bytes(&self, sets: usize) -> usize {
        4 * sets * self.shape.positions * 4
    }
}
