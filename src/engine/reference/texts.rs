//! The sentence encoder of GLUE's baselines (Wang et al. 2018, Section 5; models.py of their code), said in the plainest way.
//!
//! ELMo's states are summed with learned weights and read by a BiLSTM, h. Of one text the head reads u, the maximum of h over
//! its words. Two texts first attend to each other, and a second BiLSTM reads each word's state and what it attends to:
//!
//! ```text
//! a_i = Σ_j softmax_j(h_i · h'_j) h'_j            u = max_i BiLSTM([h; a])_i             [u; v; |u - v|; u v]
//! ```
//!
//! W words of all texts, S texts, L longest text, B sequences, R units of a direction.

use super::layout::{Layout, compared};
use super::model::Forward;
use super::ops::softmax;
use crate::encode::{Batch, Words};
use crate::engine::dropout::Site;
use crate::family::{Elmo, Texts};
use crate::task::Head;
use candle_core::{Device, IndexOp, Result, Tensor};

/// The words of a batch without those that only mark a text's ends.
struct Inner {
    /// Where they are among all words `[W]`.
    rows: Tensor,
    /// Where texts begin and end.
    layout: Layout,
    /// Their numbers within the step, for dropout.
    numbers: Vec<usize>,
}

impl Forward<'_> {
    /// Logits `[B, labels]`.
    pub fn classify_texts(&self, own: &Elmo, batch: &Batch, head: Head) -> Result<Tensor> {
        let inner = self.inner(own, batch)?;
        let states = self.hidden_states(batch)?; // [N, 2 P] each
        let states = states.iter().map(|state| state.index_select(&inner.rows, 0)).collect::<Result<Vec<_>>>()?;
        let mixed = self.weighted_sum(&states)?; // [W, 2 P]
        let read = self.read_texts(&own.texts, &inner, &mixed)?;
        self.answer(&read, head)
    }

    fn inner(&self, own: &Elmo, batch: &Batch) -> Result<Inner> {
        let words = Words::of(batch, own.max_characters);
        let first = self.masks.map_or(0, |masks| masks.first_token);
        let rows = words.inner();
        Ok(Inner {
            numbers: rows.iter().map(|row| first + words.tokens[*row as usize]).collect(),
            rows: Tensor::new(rows, &Device::Cpu)?,
            layout: Layout::of(words.lengths.iter().map(|length| length - 2).collect(), self.config, &Device::Cpu)?,
        })
    }

    /// What the head reads `[B, 2 R]` or `[B, 8 R]`.
    fn read_texts(&self, texts: &Texts, inner: &Inner, mixed: &Tensor) -> Result<Tensor> {
        let drop = |x: &Tensor, site, probability| self.numbered_dropout(x, site, probability, &inner.numbers);
        let dropout = self.config.hidden_dropout_prob;
        let dropped = drop(mixed, Site::Embeddings, self.config.embedding_dropout_prob)?;
        let mut hidden = drop(&dropped, Site::LstmInput, dropout)?;
        for layer in 0..texts.num_layers {
            hidden = self.bilstm_layer("lstm", layer, &inner.layout, &hidden)?; // [W, 2 R]
        }
        if texts.attends() {
            hidden = Tensor::cat(&[&hidden, &attended(&hidden, &inner.layout)?], 1)?; // [W, 4 R]
        }
        hidden = drop(&hidden, Site::LstmOutput(0), dropout)?;
        if texts.attends() {
            hidden = self.bilstm_layer("attended", 0, &inner.layout, &hidden)?; // [W, 2 R]
            hidden = drop(&hidden, Site::LstmOutput(1), dropout)?;
        }
        let maxima = inner.layout.maxima(&hidden)?; // [S, 2 R]
        if texts.count == 1 {
            return Ok(maxima);
        }
        let pairs = maxima.reshape((inner.layout.lengths.len() / 2, 2, maxima.dim(1)?))?;
        compared(&pairs.i((.., 0))?.contiguous()?, &pairs.i((.., 1))?.contiguous()?) // [B, 8 R]
    }
}

/// What each word attends to in the other text of its pair, `[W, D]` to `[W, D]`.
fn attended(hidden: &Tensor, layout: &Layout) -> Result<Tensor> {
    let (texts, longest, size) = (layout.lengths.len(), layout.longest, hidden.dim(1)?);
    let cells = layout.pad(hidden)?.reshape((texts / 2, 2, longest, size))?; // [B, 2, L, D]
    let others = Tensor::stack(&[cells.i((.., 1))?, cells.i((.., 0))?], 1)?.contiguous()?;
    let mask = layout.key_mask.reshape((texts / 2, 2, 1, longest))?;
    let mask = Tensor::stack(&[mask.i((.., 1))?, mask.i((.., 0))?], 1)?;
    let scores = cells.matmul(&others.t()?.contiguous()?)?; // [B, 2, L, L]
    let context = softmax(&scores.broadcast_add(&mask)?)?.matmul(&others)?; // [B, 2, L, D]
    layout.pack(&context.reshape((texts * longest, size))?)
}
