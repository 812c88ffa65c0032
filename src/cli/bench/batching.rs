//! Sequence lengths put into batches, and batches into the rectangles that others pad them to.
//!
//! | padding | a batch is | its width |
//! |---|---|---|
//! | a number | rows in random order | that number: what `run_glue` does with 128 |
//! | `longest` | rows in random order | its longest row |
//! | `grouped` | rows sorted within 50 batches | its longest row: transformers' `group_by_length` |

use crate::random::{Purpose, Stream};
use std::str::FromStr;

/// How the other side makes rectangles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Every row as wide as this.
    To(usize),
    /// As wide as the longest of its batch.
    Longest,
    /// The same, after sorting by length within mega-batches.
    Grouped,
}

impl FromStr for Padding {
    type Err = String;

    fn from_str(text: &str) -> Result<Padding, String> {
        match text {
            "longest" => Ok(Padding::Longest),
            "grouped" => Ok(Padding::Grouped),
            number => number.parse().ok().filter(|&width| width > 0).map(Padding::To).ok_or_else(|| {
                format!("found `{number}`, expected `longest`, `grouped` or a number of tokens such as `128`")
            }),
        }
    }
}

impl Padding {
    /// What is said of it in tables.
    pub fn describe(self) -> String {
        match self {
            Padding::To(width) => format!("padded to {width}"),
            Padding::Longest => "padded to the batch's longest".into(),
            Padding::Grouped => "padded to the longest, grouped by length".into(),
        }
    }
}

/// A batch: the real tokens of its rows, and the width to which one who pads pads them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rectangle {
    /// Tokens of each row.
    pub lengths: Vec<usize>,
    /// Cells of each row, padding included.
    pub width: usize,
}

impl Rectangle {
    /// Padded as said; no row is cut.
    pub fn new(lengths: Vec<usize>, padding: Padding) -> Rectangle {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let width = if let Padding::To(width) = padding { width.max(longest) } else { longest };
        Rectangle { lengths, width }
    }

    /// Real tokens.
    pub fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Tokens and padding.
    pub fn cells(&self) -> usize {
        self.width * self.lengths.len()
    }
}

/// One epoch of a split in batches.
pub fn epoch(lengths: &[usize], batch_size: usize, seed: u64, padding: Padding) -> Vec<Rectangle> {
    let order = Stream::new(seed, Purpose::Order).permutation(0, lengths.len());
    let mut order: Vec<usize> = order.into_iter().map(|index| lengths[index as usize]).collect();
    if padding == Padding::Grouped {
        group(&mut order, batch_size);
    }
    order.chunks(batch_size).map(|batch| Rectangle::new(batch.to_vec(), padding)).collect()
}

/// `get_length_grouped_indices` of transformers: the random order is cut into mega-batches of 50 batches, fewer where
/// there would not be four of them, and each is sorted, longest first. (That the very longest row comes first of all
/// changes no cost and is left out.)
fn group(order: &mut [usize], batch_size: usize) {
    let batches = (order.len() / (batch_size * 4)).clamp(1, 50);
    for mega_batch in order.chunks_mut(batches * batch_size) {
        mega_batch.sort_unstable_by(|one, other| other.cmp(one));
    }
}

/// `count` batches that stand for all: sorted by cells, the middle one of each of `count` equal parts.
pub fn sample(mut batches: Vec<Rectangle>, count: usize) -> Vec<Rectangle> {
    batches.sort_by_key(|batch| (batch.cells(), batch.tokens()));
    let (all, count) = (batches.len(), count.min(batches.len()));
    (0..count).map(|part| batches[(2 * part + 1) * all / (2 * count)].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(batches: &[Rectangle]) -> usize {
        batches.iter().map(Rectangle::cells).sum()
    }

    // Rows 3, 5, 2: 10 tokens; 3 rows of 8 are 24 cells, 3 rows of 5 are 15.
    #[test]
    fn padding_is_counted_by_hand() {
        let padded = |padding| Rectangle::new(vec![3, 5, 2], padding);
        assert_eq!((padded(Padding::To(8)).tokens(), padded(Padding::To(8)).cells()), (10, 24));
        assert_eq!(padded(Padding::Longest).cells(), 15);
        assert_eq!(padded(Padding::To(4)).width, 5, "no row is cut");
    }

    // Sixteen rows in batches of 2: 16 / 8 = 2 batches a mega-batch, so 4 rows sorted at a time.
    #[test]
    fn grouping_sorts_within_mega_batches() {
        let mut order = [1, 4, 2, 3, 9, 9, 8, 7, 1, 1, 2, 1, 5, 6, 7, 8];
        group(&mut order, 2);
        assert_eq!(order, [4, 3, 2, 1, 9, 9, 8, 7, 2, 1, 1, 1, 8, 7, 6, 5]);
    }

    // Half the rows have 10 tokens, half 2: sorted, no batch is mixed but where the halves meet, so cells come near the
    // 600 tokens; at random nearly every batch of 10 is 10 wide.
    #[test]
    fn grouping_saves_padding_and_loses_no_row() {
        let lengths: Vec<usize> = (0..100).map(|row| if row % 2 == 0 { 10 } else { 2 }).collect();
        let grouped = epoch(&lengths, 5, 1, Padding::Grouped);
        let random = epoch(&lengths, 5, 1, Padding::Longest);
        let fixed = epoch(&lengths, 5, 1, Padding::To(16));
        for batches in [&grouped, &random, &fixed] {
            assert_eq!(batches.iter().map(Rectangle::tokens).sum::<usize>(), 600);
            assert_eq!(batches.iter().map(|batch| batch.lengths.len()).sum::<usize>(), 100);
        }
        assert_eq!(cells(&fixed), 1600);
        assert!(cells(&grouped) < 800 && cells(&random) > 900, "{} {}", cells(&grouped), cells(&random));
    }

    #[test]
    fn the_last_batch_may_be_smaller() {
        let sizes: Vec<usize> =
            epoch(&[1; 7], 3, 1, Padding::Longest).iter().map(|batch| batch.lengths.len()).collect();
        assert_eq!(sizes, [3, 3, 1]);
    }

    // Six batches of one row, 1 to 6 tokens; three parts are (1 2) (3 4) (5 6), and of two the upper is taken.
    #[test]
    fn a_sample_takes_the_middle_of_equal_parts() {
        let batches: Vec<Rectangle> = [4, 1, 6, 2, 5, 3].map(|row| Rectangle::new(vec![row], Padding::Longest)).into();
        let widths = |count| sample(batches.clone(), count).iter().map(|batch| batch.width).collect::<Vec<_>>();
        assert_eq!(widths(3), [2, 4, 6]);
        assert_eq!(widths(1), [4]);
        assert_eq!(widths(9), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn an_unknown_padding_says_what_is_expected() {
        assert_eq!("128".parse(), Ok(Padding::To(128)));
        assert_eq!("grouped".parse(), Ok(Padding::Grouped));
        let text = "0".parse::<Padding>().unwrap_err();
        assert_eq!(text, "found `0`, expected `longest`, `grouped` or a number of tokens such as `128`");
    }
}
