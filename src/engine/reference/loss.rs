//! Losses, as sums over the sequences of a batch; the caller divides by the sequences of the whole step.
//!
//! B sequences, T tokens of all of them, L longest sequence of the batch, K labels.

use super::layout::Layout;
use super::ops::log_softmax;
use crate::encode::Targets;
use candle_core::{IndexOp, Result, Tensor};

/// Cross entropy of logits `[B, K]`, or squared error of values `[B, 1]`. `None` where targets are hidden.
pub fn sequence_loss(logits: &Tensor, targets: &Targets) -> Result<Option<Tensor>> {
    match targets {
        Targets::Classes(classes) => cross_entropy(logits, classes).map(Some),
        Targets::Values(values) => {
            let values = Tensor::new(values.as_slice(), logits.device())?; // [B]
            (logits.i((.., 0))? - values)?.sqr()?.sum_all().map(Some)
        }
        Targets::Spans(_) | Targets::Hidden => Ok(None),
    }
}

/// Mean of the start's and the end's cross entropy over each sequence's own tokens, from logits `[T, 2]`.
///
/// Released code and transformers let padding take part in that softmax; here a sequence's loss does not depend on how
/// long its neighbours are.
pub fn span_loss(logits: &Tensor, targets: &Targets, layout: &Layout) -> Result<Option<Tensor>> {
    let Targets::Spans(spans) = targets else { return Ok(None) };
    let starts: Vec<u32> = spans.iter().map(|span| span.0).collect();
    let ends: Vec<u32> = spans.iter().map(|span| span.1).collect();
    let start = cross_entropy(&position_logits(logits, 0, layout)?, &starts)?;
    let end = cross_entropy(&position_logits(logits, 1, layout)?, &ends)?;
    Ok(Some(((start + end)? * 0.5)?))
}

/// One column of `[T, 2]` as `[B, L]`, minus infinity past each sequence's end.
fn position_logits(logits: &Tensor, column: usize, layout: &Layout) -> Result<Tensor> {
    let (sequences, longest) = (layout.lengths.len(), layout.longest);
    let cells = layout.pad(&logits.i((.., column))?.contiguous()?)?.reshape((sequences, longest))?;
    cells + layout.key_mask.reshape((sequences, longest))?
}

fn cross_entropy(logits: &Tensor, classes: &[u32]) -> Result<Tensor> {
    let classes = Tensor::new(classes, logits.device())?.unsqueeze(1)?; // [B, 1]
    log_softmax(logits)?.gather(&classes, 1)?.sum_all()?.neg()
}
