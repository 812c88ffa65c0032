//! Launches of embedding.cu: three tables, LayerNorm and dropout, and back.

use super::layer_norm::{NormAt, NormKept};
use super::machine::{Address, Argument, Machine};
use super::operations::{Dropout, Operations, WARP, number};
use crate::engine::EngineError;

/// Lanes that share out the tokens of a word.
const LANES: u32 = 8;

/// Words whose gradients are summed side by side.
const MOST_WORDS: usize = 1024;

/// Stretches of tokens whose segment sums are partial.
const STRETCHES: usize = 128;

/// The three tables in 32 bits, or their gradients.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// `[vocabulary, H]`.
    pub words: Address,
    /// `[positions, H]`.
    pub positions: Address,
    /// `[segments, H]`.
    pub segments: Address,
}

/// The embeddings of a model.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingsAt {
    /// Parameters.
    pub tables: Tables,
    /// Gradients.
    pub gradients: Tables,
    /// LayerNorm.
    pub norm: NormAt,
}

impl<M: Machine> Operations<'_, M> {
    /// `y [T, H]`.
    pub fn embed(&self, at: &EmbeddingsAt, kept: &NormKept, y: Address, dropout: Dropout) -> Result<(), EngineError> {
        let rows = number(self.room.tokens);
        let [site, threshold, keep] = dropout.arguments();
        let arguments: [Argument; 18] = [
            at.tables.words.into(),
            at.tables.segments.into(),
            at.tables.positions.into(),
            at.norm.gamma.into(),
            at.norm.beta.into(),
            self.staged.input_ids.into(),
            self.staged.token_type_ids.into(),
            self.staged.positions.into(),
            kept.sum.into(),
            y.into(),
            kept.mean.into(),
            kept.scale.into(),
            self.staged.step.into(),
            rows.into(),
            site,
            threshold,
            keep,
            at.norm.epsilon.into(),
        ];
        self.launch("embedding_forward", (rows.div_ceil(4), 1), 128, 0, &arguments)
    }

    /// From `dy` to the tables and LayerNorm; `d_sum [T, H]` is room for the gradient of each token's sum.
    pub fn embed_backward(
        &self,
        at: &EmbeddingsAt,
        kept: &NormKept,
        dy: Address,
        d_sum: Address,
        dropout: Dropout,
    ) -> Result<(), EngineError> {
        let (blocks, threads, shared) = self.row_sums(number(self.room.tokens));
        let [site, threshold, keep] = dropout.arguments();
        let arguments: [Argument; 11] = [
            dy.into(),
            kept.sum.into(),
            kept.mean.into(),
            kept.scale.into(),
            at.norm.gamma.into(),
            d_sum.into(),
            self.partials.into(),
            self.staged.step.into(),
            site,
            threshold,
            keep,
        ];
        self.launch("embedding_backward", (blocks, 1), threads, shared, &arguments)?;
        self.add_partials(blocks, self.shape.hidden, &[at.norm.d_gamma, at.norm.d_beta])?;
        self.table_gradients(&at.gradients, d_sum)
    }

    fn table_gradients(&self, gradients: &Tables, d_sum: Address) -> Result<(), EngineError> {
        let (staged, columns) = (&self.staged, number(self.shape.hidden).div_ceil(WARP));
        let (threads, shared) = (LANES * WARP, (LANES * WARP * 4) as usize);
        let words: [Argument; 6] = [
            d_sum.into(),
            staged.order.into(),
            staged.starts.into(),
            staged.words.into(),
            gradients.words.into(),
            staged.step.into(),
        ];
        let most = number(self.room.tokens.min(MOST_WORDS));
        self.launch("word_gradients", (most, columns), threads, shared, &words)?;
        let positions: [Argument; 4] =
            [d_sum.into(), staged.cumulative_lengths.into(), gradients.positions.into(), staged.step.into()];
        let longest = number(self.shape.positions.min(self.room.tokens));
        self.launch("position_gradients", (longest, columns), threads, shared, &positions)?;
        let (blocks, kinds) = (number(self.room.tokens.min(STRETCHES)), number(self.shape.segments));
        let segments: [Argument; 5] =
            [d_sum.into(), staged.token_type_ids.into(), self.partials.into(), staged.step.into(), kinds.into()];
        let strips = number(self.shape.hidden).div_ceil(128);
        self.launch("segment_partials", (blocks, kinds * strips), 128, 0, &segments)?;
        self.add_partials(blocks, self.shape.segments * self.shape.hidden, &[gradients.segments])
    }
}
