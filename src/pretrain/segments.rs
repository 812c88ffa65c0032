//! A document cut into pairs of segments, as `create_instances_from_document` of the released code does it: sentences are
//! taken until a target length is reached, which is less than the longest one for a share of the documents; the pair is
//! cut between two of them, and half of the second parts are replaced by sentences of another document, whose own
//! then wait for the next pair.
//!
//! Differs from the released code: that draws another document up to ten times and may keep the same one, here it always is
//! another; and that shuffles documents before they are cut, here they are cut in their order and every epoch is shuffled.

use crate::random::{Purpose, Stream};
use std::ops::Range;

/// Tokens that lie behind one another in the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First token.
    pub first: u64,
    /// How many.
    pub count: usize,
}

impl Span {
    fn of(bounds: &[u64], sentences: Range<usize>) -> Span {
        let first = bounds[sentences.start];
        Span { first, count: (bounds[sentences.end] - first) as usize }
    }
}

/// Two segments, cut to length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The first segment.
    pub first: Span,
    /// The second; empty without next-sentence prediction.
    pub second: Span,
    /// Whether the second is of another document.
    pub random: bool,
}

/// How documents are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segmentation {
    /// Longest sequence, special tokens included.
    pub max_seq_length: usize,
    /// Share of documents that are cut into shorter pairs.
    pub short_sequences: f64,
    /// Pairs, half of them random; else single segments.
    pub next_sentence: bool,
}

/// A document's pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// In their order.
    pub pairs: Vec<Pair>,
    /// Tokens that were cut off segments to make them fit.
    pub lost: u64,
}

/// Bounds that are read at once of another document.
const AT_ONCE: usize = 64;

/// Numbers drawn one after another for one document in one pass.
struct Draw {
    stream: Stream,
    round: u64,
    document: u32,
    next: u64,
}

impl Draw {
    fn uniform(&mut self) -> f64 {
        self.next += 1;
        self.stream.uniform(self.round, self.document, self.next - 1)
    }

    /// From `low` to `high`, both included.
    fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.uniform() * (high - low + 1) as f64) as usize
    }
}

impl Segmentation {
    fn special(&self) -> usize {
        if self.next_sentence { 3 } else { 2 }
    }
}

/// The pairs of a document, whose sentence bounds are `bounds`, in one pass; `other` gives another document by a number from
/// 0 to 1: how many sentences it has, and the bounds of some of them.
///
/// # Errors
/// Those of `other`.
pub fn segment<E, B: Fn(Range<usize>) -> Result<Vec<u64>, E>>(
    how: &Segmentation,
    seed: u64,
    (round, document): (u64, usize),
    bounds: &[u64],
    other: impl Fn(f64) -> (usize, B),
) -> Result<Cut, E> {
    let stream = Stream::new(seed, Purpose::Segments);
    let mut draw = Draw { stream, round, document: document as u32, next: 0 };
    let longest = how.max_seq_length - how.special();
    let short = draw.uniform() < how.short_sequences;
    let target = if short { draw.between(2, longest) } else { longest };
    let (mut pairs, mut taken, mut start, sentences) = (Vec::new(), 0, 0, bounds.len() - 1);
    while start < sentences {
        let long_enough = |end: &usize| Span::of(bounds, start..*end).count >= target;
        let mut end = (start + 1..sentences).find(long_enough).unwrap_or(sentences);
        if !how.next_sentence {
            let first = Span::of(bounds, start..end);
            taken += first.count;
            let first = cut_one(first, longest, &mut draw);
            pairs.push(Pair { first, second: Span { first: 0, count: 0 }, random: false });
            start = end;
            continue;
        }
        let cut = if end - start >= 2 { draw.between(start + 1, end - 1) } else { end };
        let first = Span::of(bounds, start..cut);
        let random = cut == end || draw.uniform() < 0.5;
        let second = if random {
            end = cut;
            elsewhere(other(draw.uniform()), target.saturating_sub(first.count), &mut draw)?
        } else {
            Span::of(bounds, cut..end)
        };
        taken += first.count + second.count;
        let (first, second) = cut_pair(first, second, longest, &mut draw);
        pairs.push(Pair { first, second, random });
        start = end;
    }
    let kept: usize = pairs.iter().map(|pair: &Pair| pair.first.count + pair.second.count).sum();
    Ok(Cut { pairs, lost: (taken - kept) as u64 })
}

/// Sentences of another document from a random one on, until there are enough tokens. Only they are read: a file without
/// blank lines is one document, and every pair would read all of it.
fn elsewhere<E>(
    (sentences, bounds): (usize, impl Fn(Range<usize>) -> Result<Vec<u64>, E>),
    wanted: usize,
    draw: &mut Draw,
) -> Result<Span, E> {
    let start = draw.between(0, sentences - 1);
    let mut span: Option<Span> = None;
    for at in (start..sentences).step_by(AT_ONCE) {
        let bounds = bounds(at..(at + AT_ONCE).min(sentences))?;
        let first = span.map_or(bounds[0], |span| span.first);
        let enough = |bound: &u64| (bound - first) as usize >= wanted;
        let end = bounds[1..].iter().copied().find(enough);
        let last = end.or(bounds.last().copied()).unwrap_or(first);
        span = Some(Span { first, count: (last - first) as usize });
        if end.is_some() {
            break;
        }
    }
    Ok(span.unwrap_or(Span { first: 0, count: 0 }))
}

/// `truncate_seq_pair`: a token at a time off the longer segment, from its front or its back by chance.
fn cut_pair(mut first: Span, mut second: Span, longest: usize, draw: &mut Draw) -> (Span, Span) {
    while first.count + second.count > longest {
        let longer = if first.count > second.count { &mut first } else { &mut second };
        cut_end(longer, draw);
    }
    (first, second)
}

fn cut_one(mut span: Span, longest: usize, draw: &mut Draw) -> Span {
    while span.count > longest {
        cut_end(&mut span, draw);
    }
    span
}

fn cut_end(span: &mut Span, draw: &mut Draw) {
    if draw.uniform() < 0.5 {
        span.first += 1;
    }
    span.count -= 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(how: &Segmentation, seed: u64, bounds: &[u64]) -> Vec<Pair> {
        all(how, seed, 3, bounds).pairs
    }

    fn all(how: &Segmentation, seed: u64, document: usize, bounds: &[u64]) -> Cut {
        // Another document of 40 sentences of 5 tokens, behind this one.
        let sentence = |at: usize| 100_000 + 5 * at as u64;
        let other = |_: f64| (40, move |of: Range<usize>| Ok::<_, ()>((of.start..=of.end).map(sentence).collect()));
        segment(how, seed, (0, document), bounds, other).unwrap()
    }

    const HOW: Segmentation = Segmentation { max_seq_length: 64, short_sequences: 0.1, next_sentence: true };

    proptest! {
        /// Every pair fits and has two segments; where the second goes on with the first, they touch unless cut.
        #[test]
        fn pairs_fit_and_are_what_they_say(lengths in prop::collection::vec(1u64..90, 1..60), seed in 0u64..50) {
            let bounds: Vec<u64> = std::iter::once(0).chain(lengths.iter().scan(0, |sum, n| { *sum += n; Some(*sum) })).collect();
            let pairs = cut(&HOW, seed, &bounds);
            prop_assert!(!pairs.is_empty());
            let end = *bounds.last().unwrap();
            for pair in &pairs {
                prop_assert!(pair.first.count > 0 && pair.second.count > 0);
                prop_assert!(pair.first.count + pair.second.count <= 61);
                prop_assert!(pair.first.first + pair.first.count as u64 <= end);
                prop_assert_eq!(pair.second.first >= 100_000, pair.random);
                prop_assert!(pair.random || pair.second.first >= pair.first.first + pair.first.count as u64);
            }
        }
    }

    /// 400 sentences of 10 tokens: half of the second parts are random, give or take three standard deviations.
    #[test]
    fn half_of_the_second_parts_are_random() {
        let bounds: Vec<u64> = (0..=4000).map(|at| 10 * at).collect();
        let pairs = cut(&Segmentation { short_sequences: 0.0, ..HOW }, 1, &bounds);
        let (random, all) = (pairs.iter().filter(|pair| pair.random).count() as f64, pairs.len() as f64);
        assert!((random - all / 2.0).abs() < 1.5 * all.sqrt(), "{random} of {all}");
    }

    #[test]
    fn without_next_sentences_every_token_is_in_one_segment() {
        let bounds: Vec<u64> = (0..=40).map(|at| 7 * at).collect();
        let how = Segmentation { next_sentence: false, short_sequences: 0.0, max_seq_length: 64 };
        let segments = cut(&how, 1, &bounds);
        // Nine sentences of 7 tokens are 63, one too many: 62 are left of each full segment.
        assert!(segments.iter().all(|pair| pair.second.count == 0 && pair.first.count <= 62));
        assert_eq!(segments.len(), 40usize.div_ceil(9));
    }

    /// 4,000 sentences of one token each, of which 200 are wanted: more than are read at once, and no more than that.
    #[test]
    fn of_another_document_only_what_is_taken_is_read() {
        let read = std::cell::Cell::new(0);
        let bounds = |of: Range<usize>| {
            read.set(read.get() + of.len());
            Ok::<_, ()>((of.start as u64..=of.end as u64).collect())
        };
        for document in 0..50 {
            read.set(0);
            let mut draw = Draw { stream: Stream::new(1, Purpose::Segments), round: 0, document, next: 0 };
            let span = elsewhere((4000, bounds), 200, &mut draw).unwrap();
            let left = 4000 - span.first as usize;
            assert_eq!(span.count, left.min(200));
            assert!(read.get() < span.count + AT_ONCE, "{} {}", read.get(), span.count);
        }
    }

    /// A sentence of 1,000 tokens keeps 62 of them without a second part; where nothing is too long, nothing is lost.
    #[test]
    fn what_is_cut_off_is_counted() {
        let alone = Segmentation { next_sentence: false, short_sequences: 0.0, max_seq_length: 64 };
        assert_eq!(all(&alone, 1, 3, &[0, 1000]).lost, 938);
        assert_eq!(all(&alone, 1, 3, &[0, 60]).lost, 0);
        // 61 tokens fit beside three special ones; the second part is one sentence of 5 tokens.
        let cut = all(&Segmentation { short_sequences: 0.0, ..HOW }, 1, 3, &[0, 1000]);
        assert_eq!((cut.pairs.len(), cut.lost), (1, 1005 - 61));
    }

    /// 2,000 documents: a tenth within three deviations, √(2,000 · 0.1 · 0.9) = 13.4. Of sentences of one token a segment
    /// has as many as the target is: 62, or anything from 2 to 62 where it is short, 62 itself once in 61 times.
    #[test]
    fn a_tenth_of_the_documents_is_cut_shorter() {
        let bounds: Vec<u64> = (0..=62).collect();
        let firsts = |short_sequences: f64| -> Vec<usize> {
            let how = Segmentation { next_sentence: false, short_sequences, max_seq_length: 64 };
            (0..2000).map(|document| all(&how, 1, document, &bounds).pairs[0].first.count).collect()
        };
        assert!(firsts(0.0).iter().all(|count| *count == 62));
        let short: Vec<usize> = firsts(0.1).into_iter().filter(|count| *count < 62).collect();
        assert!(short.len().abs_diff(197) < 41, "{}", short.len());
        let mean = short.iter().sum::<usize>() as f64 / short.len() as f64;
        // Uniform from 2 to 61: 31.5, deviation 17.3 / √197 = 1.2.
        assert!((mean - 31.5).abs() < 3.7 && *short.iter().min().unwrap() >= 2, "{mean}");
        assert!(firsts(1.0).iter().filter(|count| **count == 62).count() < 70);
    }

    #[test]
    fn a_document_of_one_sentence_gets_a_random_second_part() {
        let pairs = cut(&HOW, 1, &[0, 12]);
        assert_eq!((pairs.len(), pairs[0].random, pairs[0].first), (1, true, Span { first: 0, count: 12 }));
    }
}
