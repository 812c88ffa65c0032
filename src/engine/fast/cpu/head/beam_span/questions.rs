//! What the span head with beams must know of a micro-batch's questions beside its columns.

use crate::encode::{Batch, Targets};
use crate::engine::fast::cpu::micro_batch::Sequence;
use std::ops::Range;

/// The questions of a micro-batch, S windows of T columns; the vectors are used again.
#[derive(Default)]
pub struct Questions {
    /// Each window's columns `[S]`.
    pub windows: Vec<Range<usize>>,
    /// Whether an answer may begin or end at a column `[T]`.
    pub possible: Vec<bool>,
    /// Columns of each answer's first and last token `[S]`; none where answers are not known.
    pub answers: Vec<(usize, usize)>,
}

impl Questions {
    /// Describes a micro-batch.
    pub fn set(&mut self, batch: &Batch, sequences: &[Sequence]) {
        self.windows.clear();
        self.windows.extend(sequences.iter().map(Sequence::columns));
        self.possible.clear();
        for own in sequences {
            self.possible.extend((0..own.length).map(|token| batch.may_answer(own.index, token)));
        }
        self.answers.clear();
        if let Targets::Spans(spans) = &batch.targets {
            let column = |sequence: &Sequence, token: u32| sequence.start + token as usize;
            let answer = |own: &Sequence| (column(own, spans[own.index].0), column(own, spans[own.index].1));
            self.answers.extend(sequences.iter().map(answer));
        }
    }

    /// Whether a window has no answer: both its tokens are the window's last, which stands for that.
    pub fn is_impossible(&self, window: usize) -> bool {
        let last = self.windows[window].end - 1;
        self.answers[window] == (last, last)
    }
}
