//! How many tokens of each text are kept when a pair is too long.
//!
//! Two rules are in use and differ by one token in about a third of the pairs they cut. The released BERT code
//! (`_truncate_seq_pair`) takes one token at a time off the longer text, off the *second* on a tie. The tokenizers
//! library (`longest_first`) computes both lengths at once and, when both texts must be cut and the room is odd, gives the
//! odd token to the longer text, to the *second* on a tie. GLUE's baselines cut each text by itself. All counts are in tokens,
//! special tokens excluded; in words where tokens are characters.

use crate::spec::recipe::Truncation;

/// A rule for cutting a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// `longest_first` of the tokenizers library.
    LongestFirst,
    /// `_truncate_seq_pair` of the released BERT code.
    ReleasedCode,
    /// Each text has half of the room, the second the odd token.
    Halves,
    /// Only the second text is cut; at least one token of it must remain (`only_second` of the tokenizers library).
    OnlySecond,
}

impl From<Truncation> for Cut {
    fn from(truncation: Truncation) -> Cut {
        match truncation {
            Truncation::LongestFirst => Cut::LongestFirst,
            Truncation::ReleasedCode => Cut::ReleasedCode,
            Truncation::Halves => Cut::Halves,
        }
    }
}

impl Cut {
    /// Tokens kept of the two texts so that together they have at most `room`; `None` if the rule forbids the cut needed.
    pub fn kept(self, first: usize, second: usize, room: usize) -> Option<(usize, usize)> {
        if first + second <= room && self != Cut::Halves {
            return Some((first, second));
        }
        match self {
            Cut::Halves => Some((first.min(room / 2), second.min(room.div_ceil(2)))),
            Cut::LongestFirst => Some(longest_first(first, second, room)),
            Cut::ReleasedCode => Some(released_code(first, second, room)),
            Cut::OnlySecond => (first < room).then(|| (first, room - first)),
        }
    }
}

fn longest_first(first: usize, second: usize, room: usize) -> (usize, usize) {
    let (shorter, longer) = if first > second { (second, first) } else { (first, second) };
    // As in the library: first try to cut the longer text alone, and share the room only where that is not enough.
    let longer = if shorter > room { longer } else { shorter.max(room - shorter) };
    let (shorter, longer) = if shorter + longer > room { (room / 2, room / 2 + room % 2) } else { (shorter, longer) };
    if first > second { (longer, shorter) } else { (shorter, longer) }
}

fn released_code(mut first: usize, mut second: usize, room: usize) -> (usize, usize) {
    while first + second > room {
        if first > second {
            first -= 1;
        } else {
            second -= 1;
        }
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_fits_is_kept_whole() {
        for cut in [Cut::LongestFirst, Cut::ReleasedCode, Cut::OnlySecond] {
            assert_eq!(cut.kept(3, 4, 7), Some((3, 4)));
        }
    }

    // By hand, room 5. Released code from (4, 4): second, first is longer, second → (4,3) (3,3) (3,2).
    // tokenizers: 5 / 2 = 2 for the "shorter" (the first, on a tie), 2 + 1 = 3 for the other.
    #[test]
    fn the_two_rules_give_the_odd_token_to_different_texts_on_a_tie() {
        assert_eq!(Cut::ReleasedCode.kept(4, 4, 5), Some((3, 2)));
        assert_eq!(Cut::LongestFirst.kept(4, 4, 5), Some((2, 3)));
    }

    #[test]
    fn only_the_longer_text_is_cut_while_that_is_enough() {
        assert_eq!(Cut::ReleasedCode.kept(2, 9, 6), Some((2, 4)));
        assert_eq!(Cut::LongestFirst.kept(9, 2, 6), Some((4, 2)));
    }

    #[test]
    fn halves_cut_each_text_by_itself() {
        assert_eq!(Cut::Halves.kept(9, 2, 11), Some((5, 2)));
        assert_eq!(Cut::Halves.kept(2, 9, 11), Some((2, 6)));
    }

    #[test]
    fn only_second_refuses_a_first_text_that_leaves_no_room() {
        assert_eq!(Cut::OnlySecond.kept(4, 9, 5), Some((4, 1)));
        assert_eq!(Cut::OnlySecond.kept(5, 1, 5), None);
        assert_eq!(Cut::OnlySecond.kept(9, 0, 5), None);
    }

    #[test]
    fn every_rule_fills_the_room_exactly() {
        for (first, second, room) in [(0, 9, 4), (9, 0, 4), (5, 6, 0), (7, 7, 1), (30, 31, 29)] {
            for cut in [Cut::LongestFirst, Cut::ReleasedCode] {
                let (a, b) = cut.kept(first, second, room).unwrap();
                assert_eq!(a + b, room, "{cut:?} of {first} and {second} into {room}");
                assert!(a <= first && b <= second);
            }
        }
    }
}
