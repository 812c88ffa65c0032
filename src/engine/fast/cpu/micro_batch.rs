//! A batch cut into micro-batches of whole sequences, of about equal cost, no larger than a worker's caches like.

use std::ops::Range;

/// Tokens of a micro-batch, about: a block of the contraction then fits the second-level cache, and the weights, which
/// every micro-batch reads and packs anew, are worth it.
pub const TOKENS: usize = 512;

/// The same where tokens are characters: each position of an LSTM reads all its weights, and they are worth it for many texts.
pub const TEXTS: usize = 16 * TOKENS;

/// A sequence within its micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Its place in the batch.
    pub index: usize,
    /// Number of the example it belongs to; its own where an example is one sequence.
    pub example: usize,
    /// Its first column in the micro-batch.
    pub start: usize,
    /// Its tokens.
    pub length: usize,
    /// Its first token in the batch.
    pub first_token: usize,
}

impl Sequence {
    /// Its columns in the micro-batch.
    pub fn columns(&self) -> Range<usize> {
        self.start..self.start + self.length
    }
}

/// The cut; its buffers are used again for every batch.
#[derive(Default)]
pub struct Cut {
    sequences: Vec<Sequence>,
    bounds: Vec<usize>,
    order: Vec<u32>,
    group: Vec<u32>,
    costs: Vec<usize>,
}

impl Cut {
    /// Cuts a batch of examples of `choices` sequences each for so many workers, into micro-batches of about so many tokens; an
    /// example stays whole. The result depends on the lengths, these tokens and the number of workers alone.
    ///
    /// Examples go, longest first, to the micro-batch that has cost least so far. A sequence of n tokens costs about
    /// `n (6 H + n)`: dense layers and attention.
    pub fn cut(
        &mut self,
        lengths: impl Iterator<Item = usize>,
        choices: usize,
        (tokens, hidden_size): (usize, usize),
        workers: usize,
    ) {
        self.sequences.clear();
        let mut first_token = 0;
        for (index, length) in lengths.enumerate() {
            self.sequences.push(Sequence { index, example: index / choices, start: 0, length, first_token });
            first_token += length;
        }
        let count = workers * first_token.div_ceil(workers * tokens);
        self.assign(count.min(self.sequences.len() / choices).max(1), choices, hidden_size);
        self.lay();
    }

    fn assign(&mut self, count: usize, choices: usize, hidden_size: usize) {
        self.order.clear();
        self.order.extend(0..(self.sequences.len() / choices) as u32);
        let sequences = &self.sequences;
        let own = |example: u32| sequences[example as usize * choices..][..choices].iter().map(|own| own.length);
        self.order.sort_unstable_by_key(|at| (usize::MAX - own(*at).sum::<usize>(), *at));
        self.group.clear();
        self.group.resize(self.sequences.len() / choices, 0);
        self.costs.clear();
        self.costs.resize(count, 0);
        for at in &self.order {
            let cost: usize = own(*at).map(|length| length * (6 * hidden_size + length)).sum();
            let cheapest = (0..count).min_by_key(|group| self.costs[*group]).unwrap_or(0);
            self.group[*at as usize] = cheapest as u32;
            self.costs[cheapest] += cost;
        }
    }

    /// Puts the sequences of a micro-batch behind one another, in the batch's order.
    fn lay(&mut self) {
        let group = &self.group;
        self.sequences.sort_unstable_by_key(|sequence| (group[sequence.example], sequence.index));
        self.bounds.clear();
        self.bounds.push(0);
        let mut start = 0;
        for at in 0..self.sequences.len() {
            let first = at == 0 || group[self.sequences[at].example] != group[self.sequences[at - 1].example];
            if first && at > 0 {
                self.bounds.push(at);
            }
            start = if first { 0 } else { start };
            self.sequences[at].start = start;
            start += self.sequences[at].length;
        }
        self.bounds.push(self.sequences.len());
    }

    /// Number of micro-batches.
    pub fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    /// The sequences of a micro-batch.
    pub fn sequences(&self, micro_batch: usize) -> &[Sequence] {
        &self.sequences[self.bounds[micro_batch]..self.bounds[micro_batch + 1]]
    }

    /// Columns of the largest micro-batch, and tokens of the longest sequence.
    pub fn largest(&self) -> (usize, usize) {
        let columns = |at: usize| self.sequences(at).iter().map(|sequence| sequence.length).sum::<usize>();
        let longest = self.sequences.iter().map(|sequence| sequence.length).max().unwrap_or(0);
        ((0..self.len()).map(columns).max().unwrap_or(0), longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_token_is_in_one_micro_batch(lengths in prop::collection::vec(1usize..200, 1..60), workers in 1usize..5) {
            let mut cut = Cut::default();
            cut.cut(lengths.iter().copied(), 1, (TOKENS, 64), workers);
            let mut seen = vec![0; lengths.len()];
            for at in 0..cut.len() {
                let mut end = 0;
                prop_assert!(!cut.sequences(at).is_empty());
                for sequence in cut.sequences(at) {
                    prop_assert_eq!(sequence.start, end);
                    prop_assert_eq!(sequence.length, lengths[sequence.index]);
                    prop_assert_eq!(sequence.first_token, lengths[..sequence.index].iter().sum::<usize>());
                    end += sequence.length;
                    seen[sequence.index] += 1;
                }
            }
            prop_assert!(seen.iter().all(|count| *count == 1));
        }
    }

    proptest! {
        #[test]
        fn an_example_of_several_sequences_stays_whole(lengths in prop::collection::vec(1usize..200, 1..15), workers in 1usize..5) {
            let mut cut = Cut::default();
            cut.cut(lengths.iter().flat_map(|length| [*length, 200 - length, 7, 90]), 4, (TOKENS, 64), workers);
            let mut seen = 0;
            for at in 0..cut.len() {
                for example in cut.sequences(at).chunks(4) {
                    prop_assert_eq!(example.len(), 4);
                    prop_assert!(example.iter().all(|own| own.example == example[0].index / 4));
                    seen += 1;
                }
            }
            prop_assert_eq!(seen, lengths.len());
        }
    }

    // 24 · 128 tokens are six times 512.
    #[test]
    fn equal_sequences_are_cut_evenly() {
        let mut cut = Cut::default();
        cut.cut(std::iter::repeat_n(128, 24), 1, (TOKENS, 384), 2);
        let sizes: Vec<usize> = (0..cut.len()).map(|at| cut.sequences(at).len()).collect();
        assert_eq!(sizes, [4; 6]);
        assert_eq!(cut.largest(), (512, 128));
    }
}
