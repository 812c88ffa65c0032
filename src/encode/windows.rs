//! SQuAD: a question beside as many overlapping windows of its context as are needed to cover it.
//!
//! `doc_stride` means two things. In the released BERT code (`Step`) it is the distance between the starts of
//! neighbouring windows, in Hugging Face's tokenizers (`Overlap`) the number of tokens they share: 384 / 128 makes twice
//! as many windows by the former. Either way the last window is the first that reaches the context's end.
//!
//! Both rules cut here on the fast tokenizer's tokens, and answers are found through its offsets, as in Hugging Face's
//! run_qa.py. (The released code splits the context at white space first and looks for the answer's own pieces in
//! `_improve_answer_span`; that gives the same tokens wherever an answer's ends are ends of tokens.) run_qa.py looks for
//! the start of an answer beyond the window too, and so puts one that begins in the last token of a window onto the
//! padding; here it is that token.
//!
//! A context without tokens has one window without context, so that every question gets an answer.

use super::layout::Layout;
use super::sequence::room;
use super::tokenizer::Tokens;
use super::{EncodeError, EncodeSettings, Features, Target, Tokenizer, Window};
use crate::dataset::Answer;
use crate::spec::recipe::DocStrideUnit;
use std::iter;
use std::ops::Range;

/// The windows of one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// One sequence a window, from the context's beginning to its end, without targets.
    pub features: Vec<Features>,
    /// Whether the question was cut to `max_query_length`.
    pub question_cut: bool,
}

impl Windows {
    /// Lays a question beside its tokenized context. `example` is the index in the split, `id` names it in errors.
    pub fn cut(
        tokenizer: &Tokenizer,
        (example, id): (usize, &str),
        question: &str,
        context: &Tokens,
        settings: &EncodeSettings,
    ) -> Result<Windows, EncodeError> {
        // As in run_qa.py: some questions of SQuAD begin with many blanks.
        let mut question =
            tokenizer.ids(question.trim_start()).map_err(|reason| EncodeError::Text { id: id.to_owned(), reason })?;
        let question_cut = settings.max_query_length > 0 && question.len() > settings.max_query_length;
        if question_cut {
            question.truncate(settings.max_query_length);
        }
        let spans = spans_beside(tokenizer, id, question.len(), context.ids.len(), settings)?;
        let flags = max_context(&spans, context.ids.len());
        let texts =
            Texts { layout: tokenizer.layout(), context_first: settings.context_first, question: &question, context };
        let sequence = |(span, flags)| texts.sequence(example, span, flags);
        Ok(Windows { features: spans.into_iter().zip(flags).map(sequence).collect(), question_cut })
    }

    /// Sets the target of each window: the answer's first and last token where the window holds it wholly, else `[CLS]`.
    ///
    /// Returns whether an answer was lost, that is, lies wholly in no window.
    pub fn set_targets(&mut self, answer: Option<&Answer>) -> bool {
        let mut lost = answer.is_some();
        for features in &mut self.features {
            let span = answer.and_then(|answer| answer_span(features.window.as_ref()?, answer));
            let none = features.window.as_ref().map_or(0, |window| window.class_token);
            lost &= span.is_none();
            let (start, end) = span.unwrap_or((none, none));
            features.target = Some(Target::Span(start as u32, end as u32));
        }
        lost
    }
}

fn spans_beside(
    tokenizer: &Tokenizer,
    id: &str,
    question: usize,
    context: usize,
    settings: &EncodeSettings,
) -> Result<Vec<Range<usize>>, EncodeError> {
    let max_seq_length = settings.max_seq_length;
    let room = room(tokenizer, true, max_seq_length)?.checked_sub(question);
    let too_long = || EncodeError::FirstTooLong { id: id.to_owned(), tokens: question, max_seq_length };
    let room = room.filter(|room| *room > 0 || context == 0).ok_or_else(too_long)?;
    let (doc_stride, unit) = (settings.doc_stride, settings.doc_stride_unit);
    spans(context, room, doc_stride, unit).map_err(|rule| EncodeError::Stride {
        id: id.to_owned(),
        doc_stride,
        room,
        rule,
    })
}

/// The context tokens of each window; the error says what was expected of the stride.
fn spans(tokens: usize, room: usize, stride: usize, unit: DocStrideUnit) -> Result<Vec<Range<usize>>, &'static str> {
    if tokens <= room {
        return Ok(iter::once(0..tokens).collect());
    }
    let step = match unit {
        DocStrideUnit::Step if stride == 0 => return Err("a step must be at least 1"),
        // The released code takes the smaller of the two, so that windows never leave a gap.
        DocStrideUnit::Step => stride.min(room),
        DocStrideUnit::Overlap if stride >= room => return Err("an overlap must be less than a window"),
        DocStrideUnit::Overlap => room - stride,
    };
    let last = (tokens - room).div_ceil(step);
    Ok((0..=last).map(|index| index * step..(index * step + room).min(tokens)).collect())
}

/// For each window, whether each of its tokens has most context in it (`_check_is_max_context` of the released code).
///
/// The score of a token in a window is the smaller of its left and right context plus a hundredth of the window's
/// length; the first of equal windows wins.
fn max_context(spans: &[Range<usize>], tokens: usize) -> Vec<Vec<bool>> {
    let mut best = vec![(f64::NEG_INFINITY, 0); tokens];
    for (index, span) in spans.iter().enumerate() {
        for token in span.clone() {
            let around = (token - span.start).min(span.end - 1 - token);
            let score = around as f64 + 0.01 * span.len() as f64;
            if score > best[token].0 {
                best[token] = (score, index);
            }
        }
    }
    spans.iter().enumerate().map(|(index, span)| best[span.clone()].iter().map(|b| b.1 == index).collect()).collect()
}

/// A question and its context, as they are laid.
struct Texts<'a> {
    layout: &'a Layout,
    context_first: bool,
    question: &'a [u32],
    context: &'a Tokens,
}

impl Texts<'_> {
    /// The window of some of the context's tokens.
    fn sequence(&self, example: usize, span: Range<usize>, max_context: Vec<bool>) -> Features {
        let (own, layout) = (&self.context.ids[span.clone()], self.layout);
        let (texts, first_context_token) = match self.context_first {
            true => ([own, self.question], layout.first_start()),
            false => ([self.question, own], layout.second_start(self.question.len())),
        };
        let (input_ids, token_type_ids) = layout.assemble(&texts);
        let (class_token, offsets) = (layout.class_token(input_ids.len()), self.context.offsets[span].to_vec());
        let window = Window { class_token, first_context_token, offsets, max_context };
        Features { example, together: 1, input_ids, token_type_ids, target: None, window: Some(window) }
    }
}

/// Positions in the sequence of an answer's first and last token, if the window holds it wholly.
///
/// The first token is the last one that begins at or before the answer, the last token the first one that ends at or
/// after its end, so that an answer within a word gets the word.
fn answer_span(window: &Window, answer: &Answer) -> Option<(usize, usize)> {
    let (start, end) = (answer.start, answer.start + answer.text.chars().count());
    let (first, last) = (window.offsets.first()?, window.offsets.last()?);
    if first.0 as usize > start || (last.1 as usize) < end {
        return None;
    }
    let begins_by_then = window.offsets.iter().take_while(|offset| offset.0 as usize <= start).count();
    let end_by_then = window.offsets.iter().rev().take_while(|offset| offset.1 as usize >= end).count();
    let base = window.first_context_token;
    Some((base + begins_by_then - 1, base + window.offsets.len() - end_by_then))
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand, 10 tokens in windows of 4. Steps of 3: 0, 3, 6. An overlap of 1 is the same.
    #[test]
    fn a_step_of_three_is_an_overlap_of_one_in_windows_of_four() {
        let expected = [0..4, 3..7, 6..10];
        assert_eq!(spans(10, 4, 3, DocStrideUnit::Step).unwrap(), expected);
        assert_eq!(spans(10, 4, 1, DocStrideUnit::Overlap).unwrap(), expected);
    }

    #[test]
    fn the_last_window_is_short_where_the_steps_do_not_come_out_even() {
        assert_eq!(spans(9, 4, 3, DocStrideUnit::Step).unwrap(), [0..4, 3..7, 6..9]);
        assert_eq!(spans(5, 4, 128, DocStrideUnit::Step).unwrap(), [0..4, 4..5]);
    }

    #[test]
    fn a_context_that_fits_is_one_window_whatever_the_stride() {
        assert_eq!(spans(4, 4, 0, DocStrideUnit::Step).unwrap(), [0..4; 1]);
        assert_eq!(spans(0, 4, 9, DocStrideUnit::Overlap).unwrap(), [0..0; 1]);
    }

    #[test]
    fn a_stride_that_stands_still_is_refused() {
        assert!(spans(9, 4, 0, DocStrideUnit::Step).is_err());
        assert!(spans(9, 4, 4, DocStrideUnit::Overlap).is_err());
    }

    // By hand: windows 0..4, 2..6. Contexts of tokens 2 and 3: in the first min(2,1)=1, min(3,0)=0; in the second
    // min(0,3)=0, min(1,2)=1. Lengths are equal, so token 2 belongs to the first and token 3 to the second.
    #[test]
    fn shared_tokens_belong_to_the_window_with_more_context() {
        let flags = max_context(&[0..4, 2..6], 6);
        assert_eq!(flags[0], [true, true, true, false]);
        assert_eq!(flags[1], [false, true, true, true]);
    }

    // Windows 0..4 and 1..5: token 2 has one token beside it in both, and the earlier window wins.
    #[test]
    fn the_first_of_equal_windows_wins() {
        let flags = max_context(&[0..5, 1..6], 6);
        assert_eq!((flags[0][2], flags[1][1]), (true, false));
        assert_eq!(flags[0].iter().filter(|flag| **flag).count() + flags[1].iter().filter(|flag| **flag).count(), 6);
    }

    fn window() -> Window {
        // "The big cat": three tokens after `[CLS] q [SEP]`.
        let offsets = vec![(0, 3), (4, 7), (8, 11)];
        Window { class_token: 0, first_context_token: 3, offsets, max_context: vec![true; 3] }
    }

    fn answer(text: &str, start: usize) -> Answer {
        Answer { text: text.to_owned(), start }
    }

    #[test]
    fn an_answer_gets_the_tokens_that_cover_it() {
        assert_eq!(answer_span(&window(), &answer("big cat", 4)), Some((4, 5)));
        assert_eq!(answer_span(&window(), &answer("he bi", 1)), Some((3, 4)));
        assert_eq!(answer_span(&window(), &answer("cat", 8)), Some((5, 5)));
    }

    #[test]
    fn an_answer_that_leaves_the_window_has_no_span() {
        assert_eq!(answer_span(&window(), &answer("cat sat", 8)), None);
        let later = Window { offsets: vec![(4, 7), (8, 11)], ..window() };
        assert_eq!(answer_span(&later, &answer("The", 0)), None);
        let empty = Window { offsets: vec![], ..window() };
        assert_eq!(answer_span(&empty, &answer("The", 0)), None);
    }
}
