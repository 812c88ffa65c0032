//! Losses, each sum divided as the step wants it.
//!
//! B sequences, T tokens of all of them, M labelled or masked ones, L longest sequence of the batch, K labels, V words.

use super::layout::Layout;
use super::ops::log_softmax;
use super::outputs::Outputs;
use crate::encode::{Targets, UNLABELLED};
use crate::engine::Divisors;
use candle_core::{IndexOp, Result, Tensor};

/// The loss of a head's outputs; `None` where targets are hidden or another head's.
pub fn loss(outputs: &Outputs, targets: &Targets, layout: &Layout, by: Divisors) -> Result<Option<Tensor>> {
    let (sum, divisor) = match (outputs, targets) {
        (Outputs::Sequences(logits), Targets::Classes(classes)) => (cross_entropy(logits, classes)?, by.sequences),
        (Outputs::Sequences(logits), Targets::Values(values)) => (squared_error(logits, values)?, by.sequences),
        (Outputs::Sequences(logits), Targets::Choices(right)) => {
            let examples = logits.reshape((right.len(), logits.elem_count() / right.len()))?; // [B / choices, choices]
            (cross_entropy(&examples, right)?, by.sequences)
        }
        (Outputs::Spans(logits), Targets::Spans(spans)) => (span_loss(logits, spans, layout)?, by.sequences),
        (Outputs::Beams { start, end: Some(end), impossible, .. }, Targets::Spans(spans)) => {
            (beam_loss([start, end], impossible, spans, layout)?, by.sequences)
        }
        (Outputs::Tokens(logits), Targets::Tokens(labels)) => (token_loss(logits, labels)?, by.labelled),
        (Outputs::Masked { words, next }, Targets::Masked { words: masked, next: answers }) => {
            return masked_loss((words.as_ref(), next), masked, answers, by).map(Some);
        }
        _ => return Ok(None),
    };
    Ok(Some((sum / divisor)?))
}

/// Of values `[B, 1]`.
fn squared_error(logits: &Tensor, values: &[f32]) -> Result<Tensor> {
    let values = Tensor::new(values, logits.device())?; // [B]
    (logits.i((.., 0))? - values)?.sqr()?.sum_all()
}

/// Cross entropy of the labelled rows of `[T, K]`.
fn token_loss(logits: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let labelled: Vec<(u32, u32)> =
        (0..).zip(labels).filter(|(_, label)| **label != UNLABELLED).map(|(row, label)| (row, *label)).collect();
    let (rows, labels): (Vec<u32>, Vec<u32>) = labelled.into_iter().unzip();
    if rows.is_empty() {
        return logits.sum_all()? * 0.0;
    }
    cross_entropy(&logits.index_select(&Tensor::new(rows, logits.device())?, 0)?, &labels)
}

/// Of the masked words over the masked words, and of the next sentence over the sequences.
fn masked_loss(
    (words, next): (Option<&Tensor>, &Tensor),
    masked: &[(u32, u32)],
    answers: &[u32],
    by: Divisors,
) -> Result<Tensor> {
    let right: Vec<u32> = masked.iter().map(|(_, word)| *word).collect();
    let of_words = words.map(|words| cross_entropy(words, &right)? / by.labelled).transpose()?;
    let of_next =
        if answers.is_empty() { next.sum_all()? * 0.0 } else { cross_entropy(next, answers)? / by.sequences }?;
    of_words.map_or(Ok(of_next.clone()), |of_words| of_words + of_next)
}

/// Mean of the start's and the end's cross entropy over each sequence's own tokens, from logits `[T, 2]`.
///
/// Released code and transformers let padding take part in that softmax; here a sequence's loss does not depend on how
/// long its neighbours are.
fn span_loss(logits: &Tensor, spans: &[(u32, u32)], layout: &Layout) -> Result<Tensor> {
    both_ends([&position_logits(logits, 0, layout)?, &position_logits(logits, 1, layout)?], spans)
}

/// Of scores `[B, L]`.
fn both_ends([start, end]: [&Tensor; 2], spans: &[(u32, u32)]) -> Result<Tensor> {
    let starts: Vec<u32> = spans.iter().map(|span| span.0).collect();
    let ends: Vec<u32> = spans.iter().map(|span| span.1).collect();
    (cross_entropy(start, &starts)? + cross_entropy(end, &ends)?)? * 0.5
}

/// The same, and half of the cross entropy of there being no answer, which a span of the last token twice says: "by default
/// multiply the loss by 0.5 so that the scale is comparable" (run_squad.py of XLNet, and transformers after it).
fn beam_loss(sides: [&Tensor; 2], impossible: &Tensor, spans: &[(u32, u32)], layout: &Layout) -> Result<Tensor> {
    let none = |(span, length): (&(u32, u32), &usize)| u32::from(*span == (*length as u32 - 1, *length as u32 - 1));
    let classes: Vec<u32> = spans.iter().zip(&layout.lengths).map(none).collect();
    // The sigmoid's cross entropy is the softmax's of the logit beside 0.
    let logits = Tensor::cat(&[&impossible.zeros_like()?, impossible], 1)?; // [B, 2]
    both_ends(sides, spans)? + (cross_entropy(&logits, &classes)? * 0.5)?
}

/// One column of `[T, 2]` as `[B, L]`, minus infinity past each sequence's end.
fn position_logits(logits: &Tensor, column: usize, layout: &Layout) -> Result<Tensor> {
    let (sequences, longest) = (layout.lengths.len(), layout.longest);
    let cells = layout.pad(&logits.i((.., column))?.contiguous()?)?.reshape((sequences, longest))?;
    cells + layout.key_mask.reshape((sequences, longest))?
}

/// `Σ -log softmax(logits)[class]` over the rows.
fn cross_entropy(logits: &Tensor, classes: &[u32]) -> Result<Tensor> {
    let classes = Tensor::new(classes, logits.device())?.unsqueeze(1)?; // [B, 1]
    log_softmax(logits)?.gather(&classes, 1)?.sum_all()?.neg()
}
