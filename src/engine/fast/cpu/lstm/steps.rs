//! The order in which an LSTM goes through sequences of any lengths, many at a time.
//!
//! T columns, L longest sequence. Columns stand position after position: first the first tokens of all sequences, the
//! longest sequence's first, then the second tokens, and so on. So those of a position are neighbours, each sequence has
//! the same lane at every position, and those that have ended are the last lanes of the position before. The other
//! direction takes the same positions from the last to the first: a sequence enters where it ends.

use std::ops::Range;

/// Positions of the sequences of a micro-batch; the vectors are used again.
#[derive(Clone, Default)]
pub struct Steps {
    /// Where each position's columns begin, `[L + 1]`.
    bounds: Vec<usize>,
    /// Of each column, the micro-batch's column, `[T]`.
    order: Vec<usize>,
    /// First column and length of each sequence, the longest first.
    sequences: Vec<(usize, usize)>,
}

impl Steps {
    /// Takes the sequences' columns in the micro-batch.
    pub fn set(&mut self, sequences: impl Iterator<Item = Range<usize>>) {
        self.sequences.clear();
        self.sequences.extend(sequences.map(|columns| (columns.start, columns.len())));
        self.sequences.sort_unstable_by_key(|(start, length)| (usize::MAX - length, *start));
        self.order.clear();
        self.bounds.clear();
        self.bounds.push(0);
        for position in 0..self.sequences.first().map_or(0, |(_, length)| *length) {
            let at_it = self.sequences.iter().take_while(|(_, length)| *length > position);
            self.order.extend(at_it.map(|(start, _)| start + position));
            self.bounds.push(self.order.len());
        }
    }

    /// Of each column, the micro-batch's column.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// T.
    pub fn columns(&self) -> usize {
        self.order.len()
    }

    /// Columns of a position; none before the first and past the last.
    pub fn at(&self, position: Option<usize>) -> Range<usize> {
        let bounds = position.and_then(|position| self.bounds.get(position..position + 2));
        bounds.map_or(0..0, |bounds| bounds[0]..bounds[1])
    }

    /// Most sequences at a position.
    pub fn lanes(&self) -> usize {
        self.at(Some(0)).len()
    }

    /// The positions in a direction.
    pub fn positions(&self, reverse: bool) -> impl Iterator<Item = usize> + use<> {
        let count = self.bounds.len().saturating_sub(1);
        (0..count).map(move |step| if reverse { count - 1 - step } else { step })
    }

    /// The position that a direction has been at before this one.
    pub fn before(position: usize, reverse: bool) -> Option<usize> {
        if reverse { Some(position + 1) } else { position.checked_sub(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Sequences of 2, 3 and 1 tokens at columns 0, 2 and 5: the second is the longest.
    #[test]
    fn columns_stand_position_after_position() {
        let mut steps = Steps::default();
        steps.set([0..2, 2..5, 5..6].into_iter());
        assert_eq!(steps.order(), [2, 0, 5, 3, 1, 4]);
        assert_eq!([0, 1, 2].map(|position| steps.at(Some(position))), [0..3, 3..5, 5..6]);
        assert_eq!((steps.lanes(), steps.columns(), steps.at(None), steps.at(Some(3))), (3, 6, 0..0, 0..0));
        assert_eq!(steps.positions(true).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!((Steps::before(0, false), Steps::before(2, true)), (None, Some(3)));
        steps.set(std::iter::empty());
        assert_eq!((steps.columns(), steps.lanes(), steps.positions(false).count()), (0, 0, 0));
    }
}
