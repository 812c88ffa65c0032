//! The beam search of a prediction: ends beside each of the likeliest starts.

use super::{BeamSpans, pair, ranges, score};
use crate::encode::beams::Beams;
use crate::engine::fast::cpu::columns::Columns;
use crate::engine::fast::cpu::panel::{clear_tail, place};
use crate::engine::fast::cpu::workspace::{Model, Tape, Work};
use std::convert::Infallible;

/// What a beam search finds in a window.
pub fn search(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work, window: usize) -> Beams {
    let (own, BeamSpans { start, search, impossible, .. }) = (ranges(model), &mut work.beams);
    let range = &columns.questions.windows[window];
    search.fit(model, range.len(), false);
    let starts: Vec<f32> = range.clone().map(|column| score(model, columns, start, column)).collect();
    let ends = |first: usize| {
        pair(model, range, range.start + first, &tape.output, (&mut search.pairs, 0));
        clear_tail(model.isa, 2 * model.config.hidden_size, range.len(), &mut search.pairs);
        search.forward(model, &own.end, range.len(), |_| {});
        let possible = |at: &usize| columns.questions.possible[range.start + at];
        let score = |at: usize| if possible(&at) { search.scores[place(model.isa, 1, at)] } else { f32::NEG_INFINITY };
        Ok::<_, Infallible>((0..range.len()).map(score).collect())
    };
    let none = impossible.scores[place(model.isa, 1, window)];
    let Ok(found) = Beams::search(&starts, model.config.beams(), none, ends);
    found
}
