//! Launches of head.cu: sequence and span heads with their losses, and back.

use super::machine::{Address, Argument, Machine};
use super::operations::{Dropout, Operations, number};
use crate::engine::EngineError;

/// Stretches of tokens whose sums for the span head's gradients are partial.
pub const SPAN_STRETCHES: usize = 128;

/// A head in 32 bits: weight `[labels, H]`, bias `[labels]`.
#[derive(Clone, Copy, Debug)]
pub struct HeadAt {
    /// Weight.
    pub weight: Address,
    /// Bias.
    pub bias: Address,
    /// Gradient of the weight; a span head's bias gradient lies right behind it.
    pub d_weight: Address,
    /// Gradient of the bias.
    pub d_bias: Address,
}

/// Where a head's intermediate results are.
#[derive(Clone, Copy, Debug)]
pub struct HeadRoom {
    /// The pooler's product with its bias, `[B, H]`.
    pub z: Address,
    /// Its gradient.
    pub d_z: Address,
    /// `tanh z` in 32 bits, `[B, H]`.
    pub pooled: Address,
    /// `[B, labels]` or `[T, 2]`, in 32 bits.
    pub logits: Address,
    /// Their gradient.
    pub d_logits: Address,
    /// Loss of each sequence.
    pub losses: Address,
    /// Their sum, in 64 bits.
    pub total: Address,
}

impl<M: Machine> Operations<'_, M> {
    /// From `z` to logits, losses, their sum (added to `room.total`) and the logits' gradients; `kind` is that of the targets.
    pub fn classify(&self, at: &HeadAt, room: &HeadRoom, dropout: Dropout, kind: u32) -> Result<(), EngineError> {
        let [site, threshold, keep] = dropout.arguments();
        let arguments: [Argument; 13] = [
            room.z.into(),
            at.weight.into(),
            at.bias.into(),
            self.staged.targets.into(),
            room.pooled.into(),
            room.logits.into(),
            room.losses.into(),
            room.d_logits.into(),
            self.staged.step.into(),
            kind.into(),
            site,
            threshold,
            keep,
        ];
        self.launch("classify_forward", (number(self.room.sequences), 1), 32, 0, &arguments)?;
        self.sum_losses(room)
    }

    /// From the logits' gradients to `d_z` and the head's own.
    pub fn classify_backward(&self, at: &HeadAt, room: &HeadRoom, dropout: Dropout) -> Result<(), EngineError> {
        let [site, threshold, keep] = dropout.arguments();
        let (d_logits, pooled) = (room.d_logits.into(), room.pooled.into());
        let step = self.staged.step.into();
        let arguments = [d_logits, at.weight.into(), pooled, room.d_z.into(), step, site, threshold, keep];
        self.launch("classify_backward", (number(self.room.sequences), 1), 32, 0, &arguments)?;
        let arguments = [d_logits, pooled, at.d_weight.into(), at.d_bias.into(), step, site, threshold, keep];
        let grid = (number(self.shape.hidden).div_ceil(128), number(self.shape.labels));
        self.launch("classify_gradients", grid, 128, 0, &arguments)
    }

    /// From the last layer's output to span logits and, with targets, to losses, their sum and the logits' gradients.
    pub fn spans(&self, at: &HeadAt, room: &HeadRoom, y: Address, targets: bool) -> Result<(), EngineError> {
        let step = self.staged.step.into();
        let arguments = [y.into(), at.weight.into(), at.bias.into(), room.logits.into(), step];
        self.launch("span_logits", (number(self.room.tokens).div_ceil(4), 1), 128, 0, &arguments)?;
        if !targets {
            return Ok(());
        }
        let arguments: [Argument; 6] = [
            room.logits.into(),
            self.staged.targets.into(),
            self.staged.cumulative_lengths.into(),
            room.losses.into(),
            room.d_logits.into(),
            step,
        ];
        self.launch("span_loss", (number(self.room.sequences), 1), 32, 0, &arguments)?;
        self.sum_losses(room)
    }

    /// From the span logits' gradients to `dy` and the head's own.
    pub fn spans_backward(&self, at: &HeadAt, room: &HeadRoom, y: Address, dy: Address) -> Result<(), EngineError> {
        let (d_logits, step) = (room.d_logits.into(), self.staged.step.into());
        let arguments = [d_logits, at.weight.into(), dy.into(), step, number(self.room.tokens).into()];
        self.launch("span_backward", (number(self.room.tokens).div_ceil(4), 1), 128, 0, &arguments)?;
        let blocks = number(self.room.tokens.min(SPAN_STRETCHES));
        let arguments = [d_logits, y.into(), self.partials.into(), step];
        let strips = number(self.shape.hidden).div_ceil(128);
        self.launch("span_partials", (blocks, strips), 128, 0, &arguments)?;
        self.add_partials(blocks, 2 * self.shape.hidden + 2, &[at.d_weight])
    }

    fn sum_losses(&self, room: &HeadRoom) -> Result<(), EngineError> {
        let arguments = [room.losses.into(), room.total.into(), self.staged.step.into()];
        self.launch("sum_losses", (1, 1), 128, 128 * 8, &arguments)
    }
}
