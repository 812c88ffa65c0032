//! Dropout masks from the counter-based stream: which index each value has, for both engines.
//!
//! A mask value is 0 or `1 / (1 - p)`. Its index counts within the whole optimizer step, not within a micro-batch, and
//! does not know of padding: hidden states are numbered `token · H + column`, pooled ones by their sequence, or by their
//! example where its sequences are added or share a mask, attention probabilities
//! `(query token · N + head) · P + key position`, where P is the model's longest sequence. Embeddings of distances are
//! numbered within their sequence, `(2 · first token + length - distance) · H + column`. A word's states have the number of
//! its last token. So the same seed gives the same masks however a step is cut up.

use super::StepPart;
use crate::random::{Purpose, Stream};

/// Where in the model a mask is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// After the embeddings' LayerNorm.
    Embeddings,
    /// On the attention probabilities of a layer.
    AttentionProbabilities(usize),
    /// On a layer's attention output, before the residual sum.
    AttentionOutput(usize),
    /// On a layer's feed-forward output, before the residual sum.
    FeedForwardOutput(usize),
    /// Inside a layer's feed-forward block, after the activation, in families that drop that out too.
    FeedForwardInner(usize),
    /// On the embeddings of distances, in families that have them.
    Distances,
    /// On the last layer's output, in families that drop that out too.
    Output,
    /// On the pooled output, before the classifier; on every token's state, where a head reads those.
    Classifier,
    /// On what a BiLSTM reads, where that is dropped out once more.
    LstmInput,
    /// On the output of a layer of a BiLSTM, before the next one; of a BiLSTM over words, before what follows it.
    LstmOutput(usize),
    /// On what the pooler reads, in families that drop that out too.
    Pooler,
}

impl Site {
    /// Its number in the counter.
    pub fn number(self) -> u32 {
        match self {
            Site::Embeddings => 0,
            Site::Classifier => 1,
            Site::Pooler => 2,
            Site::Distances => 3,
            Site::Output => u32::MAX,
            Site::AttentionProbabilities(layer) => 4 + 4 * layer as u32,
            Site::AttentionOutput(layer) => 5 + 4 * layer as u32,
            Site::FeedForwardOutput(layer) => 6 + 4 * layer as u32,
            Site::FeedForwardInner(layer) => 7 + 4 * layer as u32,
            Site::LstmInput => u32::MAX / 2,
            Site::LstmOutput(layer) => u32::MAX - 1 - layer as u32,
        }
    }
}

/// A value is kept where its 32 random bits are at least this.
pub fn threshold(probability: f64) -> u32 {
    (probability * 4_294_967_296.0) as u32
}

/// What kept values are multiplied by.
pub fn keep(probability: f64) -> f32 {
    (1.0 / (1.0 - probability)) as f32
}

/// The masks of one part of a step.
#[derive(Clone, Copy, Debug)]
pub struct Masks {
    stream: Stream,
    step: u64,
    /// Index within the step of the part's first token.
    pub first_token: usize,
    /// Index within the step of the part's first sequence.
    pub first_sequence: usize,
}

impl Masks {
    /// The masks of a part of a step.
    pub fn new(part: &StepPart) -> Masks {
        let stream = Stream::new(part.seed, Purpose::Dropout);
        Masks { stream, step: part.step, first_token: part.first_token, first_sequence: part.first_sequence }
    }

    /// Fills `mask` with the values of indices `first, first + 1, …` of a site.
    pub fn fill(&self, site: Site, probability: f64, first: u64, mask: &mut [f32]) {
        let (threshold, keep) = (threshold(probability), keep(probability));
        let mut block = [0; 4];
        for (offset, value) in mask.iter_mut().enumerate() {
            let index = first + offset as u64;
            if offset == 0 || index.is_multiple_of(4) {
                block = self.stream.block(self.step, site.number(), index / 4);
            }
            *value = if block[(index % 4) as usize] >= threshold { keep } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(first_token: usize) -> Masks {
        Masks::new(&StepPart { seed: 1, step: 2, first_token, first_sequence: 0, sequences: 1, labelled: 0 })
    }

    #[test]
    fn a_mask_does_not_depend_on_where_it_is_begun() {
        let mut whole = [0.0; 50];
        masks(0).fill(Site::Embeddings, 0.5, 0, &mut whole);
        for cut in 0..50 {
            let mut rest = vec![0.0; 50 - cut];
            masks(0).fill(Site::Embeddings, 0.5, cut as u64, &mut rest);
            assert_eq!(rest, whole[cut..]);
        }
    }

    // 100,000 values kept with probability 0.9: deviation 0.00095; four of them are the limit.
    #[test]
    fn one_in_ten_is_dropped_and_the_rest_scaled() {
        let mut mask = vec![0.0; 100_000];
        masks(0).fill(Site::Classifier, 0.1, 0, &mut mask);
        let kept = mask.iter().filter(|value| **value > 0.0).count() as f64 / 1e5;
        assert!((kept - 0.9).abs() < 0.0038, "{kept}");
        assert!(mask.iter().all(|value| *value == 0.0 || *value == (1.0 / 0.9) as f32));
    }

    #[test]
    fn sites_have_numbers_of_their_own() {
        let layers = (0..24).flat_map(|layer| {
            [
                Site::AttentionProbabilities(layer),
                Site::AttentionOutput(layer),
                Site::FeedForwardOutput(layer),
                Site::FeedForwardInner(layer),
                Site::LstmOutput(layer),
            ]
        });
        let others = [Site::Embeddings, Site::Classifier, Site::Pooler, Site::Distances, Site::Output, Site::LstmInput];
        let mut numbers: Vec<u32> = layers.chain(others).map(Site::number).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
