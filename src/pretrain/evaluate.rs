//! Held-out documents: loss, and the shares of masked words (or next tokens) and of next sentences that are right.

use super::PretrainError;
use super::pairs::Masked;
use crate::encode::{Batch, Features, Targets};
use crate::engine::{Logits, Predictor};
use crate::record::Evaluation;
use crate::score::Metric;

/// Sequences predicted at once: the whole vocabulary is told of every masked token.
const BATCH: usize = 8;

/// Name of the split in events and records.
pub const SPLIT: &str = "held-out";

/// What is counted.
#[derive(Default)]
struct Counts {
    words: usize,
    right_words: usize,
    answers: usize,
    right_answers: usize,
    /// Sums of the losses.
    words_loss: f64,
    next_loss: f64,
}

/// Evaluates at most so many sequences, spread evenly over the documents; always masked alike.
///
/// # Errors
/// The engine's, and files that were changed.
pub fn evaluate(
    engine: &dyn Predictor,
    sequences: &Masked,
    most: usize,
    (step, epoch): (u64, f64),
) -> Result<Evaluation, PretrainError> {
    let count = sequences.count.min(most);
    let numbers: Vec<usize> = (0..count).map(|at| at * sequences.count / count).collect();
    let mut counts = Counts::default();
    for chunk in numbers.chunks(BATCH) {
        let features: Vec<Features> =
            chunk.iter().map(|number| sequences.sequence(*number, u64::MAX)).collect::<Result<_, _>>()?;
        counts.add(engine, &Batch::pack(&features))?;
    }
    let mean = |sum: f64, all: usize| if all > 0 { sum / all as f64 } else { 0.0 };
    let loss = mean(counts.words_loss, counts.words) + mean(counts.next_loss, counts.answers);
    let share = |right: usize, all: usize| (all > 0).then(|| right as f64 / all as f64);
    let of_words = if sequences.left_to_right { Metric::NextTokenAccuracy } else { Metric::MaskedAccuracy };
    let mut scores = vec![(of_words, share(counts.right_words, counts.words))];
    if sequences.next_sentence {
        scores.push((Metric::NextSentenceAccuracy, share(counts.right_answers, counts.answers)));
    }
    Ok(Evaluation { step, epoch, split: SPLIT.into(), loss, scores })
}

impl Counts {
    fn add(&mut self, engine: &dyn Predictor, batch: &Batch) -> Result<(), PretrainError> {
        let (Logits::Masked { words, next }, Targets::Masked { words: masked, next: answers }) =
            (engine.predict(batch)?.logits, &batch.targets)
        else {
            unreachable!("an engine with this head answers masked sequences so");
        };
        for (row, (_, word)) in words.iter().zip(masked) {
            self.words_loss += cross_entropy(row, *word as usize);
            self.right_words += usize::from(best(row) == *word as usize);
        }
        for (row, answer) in next.iter().zip(answers) {
            self.next_loss += cross_entropy(row, *answer as usize);
            self.right_answers += usize::from(best(row) == *answer as usize);
        }
        self.words += masked.len();
        self.answers += answers.len();
        Ok(())
    }
}

/// `log Σ exp x - x[target]`.
fn cross_entropy(row: &[f32], target: usize) -> f64 {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    largest + row.iter().map(|x| (f64::from(*x) - largest).exp()).sum::<f64>().ln() - f64::from(row[target])
}

fn best(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}
