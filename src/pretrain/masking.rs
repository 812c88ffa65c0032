//! Which tokens of a sequence are to be predicted, and what stands in their place (BERT, Section 3.1 and A.1): 15 % of
//! them, at most a number of them; `[MASK]` for 80 %, a random token for 10 %, the token itself for the rest.
//!
//! Numbers of predictions are rounded as Python does it, half to even. Differs from the released code: with whole words, that
//! joins a `##…` with which the second segment begins to the last word of the first; here a word ends at `[SEP]`.

use crate::random::{Purpose, Stream};
use crate::spec::pretraining::SequenceSpec;

/// How tokens are masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Masking {
    /// Share of tokens that are predicted.
    pub share: f64,
    /// Most predictions in a sequence; 0 for any number.
    pub most: usize,
    /// Of these, the share that becomes `[MASK]`.
    pub mask: f64,
    /// And the share that becomes a random token; the rest stays.
    pub random: f64,
    /// Words are masked as a whole.
    pub whole_words: bool,
}

/// What masking must know of the vocabulary.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Id of `[MASK]`.
    pub mask: u32,
    /// Ids from 0 to here may be drawn.
    pub len: usize,
    /// Of each id, whether it goes on with a word.
    pub continues: &'a [bool],
}

impl Masking {
    /// As a spec says it.
    pub fn of(data: &SequenceSpec) -> Masking {
        Masking {
            share: data.masked,
            most: data.max_predictions,
            mask: data.mask,
            random: data.random,
            whole_words: data.whole_words,
        }
    }

    /// Predictions of a sequence of so many tokens, if there are so many to mask.
    pub fn wanted(&self, tokens: usize) -> usize {
        let wanted = self.uncapped(tokens);
        if self.most == 0 { wanted } else { wanted.min(self.most) }
    }

    /// The same, were there no most.
    pub fn uncapped(&self, tokens: usize) -> usize {
        ((tokens as f64 * self.share).round_ties_even() as usize).max(1)
    }

    /// Masks a sequence; `special` tokens are passed over. Returns the places, ascending, and the tokens that stood there.
    /// The same for the same (round, sequence).
    pub fn apply(
        &self,
        seed: u64,
        (round, sequence): (u64, usize),
        words: &Words,
        special: &[u32],
        input_ids: &mut [u32],
    ) -> Vec<(u32, u32)> {
        let stream = Stream::new(seed, Purpose::Masking);
        let uniform =
            |site: u32, at: usize| stream.uniform(round, site + 8 * (sequence >> 32) as u32, draw(sequence, at));
        let candidates = self.candidates(words, special, input_ids);
        let wanted = self.wanted(input_ids.len());
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        let mut places: Vec<usize> = Vec::with_capacity(wanted);
        for taken in 0..order.len() {
            if places.len() >= wanted {
                break;
            }
            let left = order.len() - taken;
            let chosen = ((uniform(0, taken) * left as f64) as usize).min(left - 1);
            order.swap(taken, taken + chosen);
            let word = &candidates[order[taken]];
            // A word that would be too many is passed over, as in the released code.
            if places.len() + word.len() <= wanted {
                places.extend(word);
            }
        }
        places.sort_unstable();
        let masked = places.iter().map(|place| (*place as u32, input_ids[*place])).collect();
        for place in places {
            let kind = uniform(1, place);
            if kind < self.mask {
                input_ids[place] = words.mask;
            } else if kind < self.mask + self.random {
                input_ids[place] = ((uniform(2, place) * words.len as f64) as usize).min(words.len - 1) as u32;
            }
        }
        masked
    }

    /// Tokens that may be masked, those of one word together.
    fn candidates(&self, words: &Words, special: &[u32], input_ids: &[u32]) -> Vec<Vec<usize>> {
        let mut candidates: Vec<Vec<usize>> = Vec::new();
        for (place, id) in input_ids.iter().enumerate() {
            let goes_on = self.whole_words && words.continues[*id as usize];
            match candidates.last_mut() {
                _ if special.contains(id) => {}
                Some(word) if goes_on && word.last() == Some(&(place.wrapping_sub(1))) => word.push(place),
                _ => candidates.push(vec![place]),
            }
        }
        candidates
    }
}

/// Sequences have 65,536 numbers each.
fn draw(sequence: usize, at: usize) -> u64 {
    ((sequence as u64 & 0xffff_ffff) << 16) | at as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERT: Masking = Masking { share: 0.15, most: 20, mask: 0.8, random: 0.1, whole_words: false };
    const SPECIAL: [u32; 2] = [2, 3];

    fn words(continues: &[bool]) -> Words<'_> {
        Words { mask: 4, len: continues.len(), continues }
    }

    fn sequence(tokens: usize) -> Vec<u32> {
        let inside = (0..tokens as u32).map(|at| 5 + at % 90);
        std::iter::once(2).chain(inside).chain([3]).collect()
    }

    /// 200 sequences of 102 tokens: round(15.3) = 15 of each; of 3,000, shares of 80 and 10 % within three deviations.
    #[test]
    fn shares_are_those_of_the_paper() {
        let continues = vec![false; 100];
        let (mut masks, mut same, mut all) = (0.0, 0.0, 0.0);
        for number in 0..200 {
            let original = sequence(100);
            let mut ids = original.clone();
            let masked = BERT.apply(1, (0, number), &words(&continues), &SPECIAL, &mut ids);
            assert_eq!(masked.len(), 15);
            assert!(masked.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (place, word) in masked {
                assert_eq!(original[place as usize], word);
                assert!((1..101).contains(&place), "a special token is masked");
                all += 1.0;
                masks += f64::from(u8::from(ids[place as usize] == 4));
                same += f64::from(u8::from(ids[place as usize] == word));
            }
            let changed = (0..ids.len()).filter(|at| ids[*at] != original[*at]).count();
            assert!(changed <= 15);
        }
        assert!((masks - 0.8 * all).abs() < 3.0 * (all * 0.16f64).sqrt() + all * 0.001, "{masks} of {all}");
        assert!((same - 0.101 * all).abs() < 3.0 * (all * 0.09f64).sqrt(), "{same} of {all}");
    }

    #[test]
    fn another_round_masks_otherwise_and_the_same_one_alike() {
        let continues = vec![false; 100];
        let masked = |round: u64| BERT.apply(1, (round, 7), &words(&continues), &SPECIAL, &mut sequence(60));
        assert_eq!(masked(0), masked(0));
        assert_ne!(masked(0), masked(1));
    }

    /// Tokens 50 to 94 go on with a word: of a word all tokens or none are masked.
    #[test]
    fn whole_words_are_masked_together() {
        let continues: Vec<bool> = (0..100).map(|id| id >= 50).collect();
        let whole = Masking { whole_words: true, most: 0, share: 0.5, ..BERT };
        let original: Vec<u32> = [2, 10, 50, 51, 11, 12, 52, 13, 14, 15, 53, 3].to_vec();
        for number in 0..50 {
            let masked = whole.apply(1, (0, number), &words(&continues), &SPECIAL, &mut original.clone());
            let places: Vec<u32> = masked.iter().map(|(place, _)| *place).collect();
            // Half of 12 tokens: 6, or fewer where every word that is left is too long.
            assert!((4..=6).contains(&places.len()), "{places:?}");
            for word in [vec![1, 2, 3], vec![5, 6], vec![9, 10]] {
                let inside = word.iter().filter(|place| places.contains(place)).count();
                assert!(inside == 0 || inside == word.len(), "{places:?}");
            }
        }
    }

    /// `int(round(n * 0.15))` of Python 3: 4 of 30 tokens, 8 of 50, 10 of 70; 1.5 of 10 is 2.
    #[test]
    fn predictions_are_rounded_as_python_does() {
        assert_eq!([10, 30, 50, 70].map(|tokens| BERT.wanted(tokens)), [2, 4, 8, 10]);
    }

    #[test]
    fn a_word_ends_with_its_segment() {
        let continues: Vec<bool> = (0..100).map(|id| id >= 50).collect();
        let whole = Masking { whole_words: true, share: 0.1, ..BERT };
        for number in 0..50 {
            let mut ids = [2, 10, 3, 50, 51, 3];
            let masked = whole.apply(1, (0, number), &words(&continues), &SPECIAL, &mut ids);
            assert_eq!(masked, [(1, 10)], "one prediction, and the second word has two tokens");
        }
    }

    #[test]
    fn short_sequences_have_one_prediction_and_long_ones_no_more_than_the_most() {
        let continues = vec![false; 100];
        let count = |tokens| BERT.apply(1, (0, 0), &words(&continues), &SPECIAL, &mut sequence(tokens)).len();
        assert_eq!((count(1), count(3), count(400)), (1, 1, 20));
    }
}
