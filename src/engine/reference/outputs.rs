//! What a head says of a batch, as tensors.
//!
//! B sequences, T tokens of all of them, M masked ones, K labels, V words, L longest sequence.

use crate::encode::beams::Beams;
use crate::engine::{EngineError, Logits};
use candle_core::Tensor;

/// Outputs of a head.
pub enum Outputs {
    /// `[B, K]`.
    Sequences(Tensor),
    /// Start and end, `[T, 2]`.
    Spans(Tensor),
    /// By beams: of starts `[B, L]`, of ends beside the right start, of no answer `[B, 1]`, and what was found.
    Beams { start: Tensor, end: Option<Tensor>, impossible: Tensor, found: Vec<Beams> },
    /// `[T, K]`.
    Tokens(Tensor),
    /// `[M, V]`, where a word is masked, and `[B, 2]`.
    Masked { words: Option<Tensor>, next: Tensor },
}

impl Outputs {
    /// The same sequence by sequence.
    ///
    /// # Errors
    /// The tensor library's.
    pub fn logits(&self, lengths: &[usize]) -> Result<Logits, EngineError> {
        Ok(match self {
            Outputs::Sequences(logits) => Logits::Sequence(logits.to_vec2()?),
            Outputs::Spans(logits) => {
                let columns = logits.t()?.to_vec2::<f32>()?;
                Logits::Span { start: cut(&columns[0], lengths, 1), end: cut(&columns[1], lengths, 1) }
            }
            Outputs::Beams { found, .. } => Logits::Beams(found.clone()),
            Outputs::Tokens(logits) => {
                let labels = logits.dims2()?.1;
                Logits::Tokens(cut(&logits.flatten_all()?.to_vec1()?, lengths, labels))
            }
            Outputs::Masked { words, next } => {
                let words = words.as_ref().map(Tensor::to_vec2).transpose()?.unwrap_or_default();
                Logits::Masked { words, next: next.to_vec2()? }
            }
        })
    }
}

/// Values of all tokens as those of each sequence, `width` a token.
fn cut(values: &[f32], lengths: &[usize], width: usize) -> Vec<Vec<f32>> {
    let mut rest = values;
    let take = |length: &usize| {
        let (own, others) = rest.split_at(length * width);
        rest = others;
        own.to_vec()
    };
    lengths.iter().map(take).collect()
}
