//! Answers by a beam search, as XLNet's released code finds them (function_builder.py, `get_qa_outputs`; run_squad.py,
//! `write_predictions`): the likeliest starts of a window, for each of them the likeliest ends, and one number for whether there is
//! no answer.
//!
//! A pair's score is the sum of both log probabilities (transformers calls its probabilities so, and adds those). The null score
//! is the smallest number of an example's windows, and is itself what a threshold is held against. A candidate must not end
//! before it starts nor be longer than `max_answer_length`; of candidates with one text the best is kept; where there is none
//! the answer is empty. One condition is not taken over: the released code refuses a window's last context token
//! (`paragraph_len - 1`), where it also puts answers in training.

use super::answers::{AnswerPrediction, AnswerSettings, Candidate, Span, candidates, highest, logits_error};
use super::{EncodeError, Features};
use crate::dataset::Example;
use std::collections::HashSet;

/// A token and its log probability.
pub type Likely = (u32, f32);

/// What is found in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beams {
    /// The likeliest starts, best first, and the likeliest ends of each.
    pub starts: Vec<(Likely, Vec<Likely>)>,
    /// Logit of there being no answer.
    pub impossible: f32,
}

impl Beams {
    /// The `widths` best starts and ends; `start` and what `end` says of a start are logits of tokens, minus infinity where an
    /// answer cannot be.
    ///
    /// # Errors
    /// Those of `end`.
    pub fn search<E>(
        start: &[f32],
        widths: [usize; 2],
        impossible: f32,
        mut end: impl FnMut(usize) -> Result<Vec<f32>, E>,
    ) -> Result<Beams, E> {
        let ends =
            |(token, probability): Likely| Ok(((token, probability), likeliest(&end(token as usize)?, widths[1])));
        let starts = likeliest(start, widths[0]).into_iter().map(ends).collect::<Result<_, E>>()?;
        Ok(Beams { starts, impossible })
    }
}

/// The highest of the possible logits, as log probabilities; of equal ones the earlier first.
fn likeliest(logits: &[f32], count: usize) -> Vec<Likely> {
    let maximum = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - maximum).exp()).sum();
    let log_sum = f64::from(maximum) + sum.ln();
    let possible = |token: &usize| logits[*token] > f32::NEG_INFINITY;
    let likely = |token: usize| (token as u32, (f64::from(logits[token]) - log_sum) as f32);
    highest(logits, count).into_iter().filter(possible).map(likely).collect()
}

/// Answers every example, in order; `beams` has a row a feature.
///
/// # Errors
/// Rows that do not fit, or a number that is none.
pub fn predict(
    examples: &[Example],
    features: &[Features],
    beams: &[Beams],
    settings: &AnswerSettings,
) -> Result<Vec<AnswerPrediction>, EncodeError> {
    let mut pools = vec![(Vec::new(), f32::INFINITY); examples.len()];
    for (index, window) in features.iter().enumerate() {
        let own = beams.get(index).ok_or_else(|| logits_error(index, format!("{} rows", beams.len())))?;
        if !finite(own) {
            return Err(logits_error(index, "a log probability is not finite".to_owned()));
        }
        let pool = pools.get_mut(window.example);
        let (spans, null) = pool.ok_or_else(|| logits_error(index, "its example is not in the split".to_owned()))?;
        spans.extend(spans_of(window, own, settings));
        *null = null.min(own.impossible);
    }
    let answer = |(example, (spans, null)): (&Example, (Vec<Span>, f32))| choose(example, spans, null, settings);
    Ok(examples.iter().zip(pools).map(answer).collect())
}

fn finite(beams: &Beams) -> bool {
    let both = |(start, ends): &(Likely, Vec<Likely>)| start.1.is_finite() && ends.iter().all(|end| end.1.is_finite());
    beams.impossible.is_finite() && beams.starts.iter().all(both)
}

fn spans_of<'a>(
    features: &'a Features,
    beams: &'a Beams,
    settings: &'a AnswerSettings,
) -> impl Iterator<Item = Span> + 'a {
    let pairs = beams.starts.iter().flat_map(|(start, ends)| ends.iter().map(move |end| (start, end)));
    pairs.filter_map(move |(start, end)| {
        let window = features.window.as_ref()?;
        let (first, last) = (window.context_token(start.0 as usize)?, window.context_token(end.0 as usize)?);
        let apart = last.checked_sub(first).is_some_and(|apart| apart < settings.max_answer_length);
        let offsets = (window.offsets[first].0, window.offsets[last].1);
        let span = Span { offsets, start_logit: start.1, end_logit: end.1 };
        (apart && (!settings.max_context || window.max_context[first])).then_some(span)
    })
}

fn choose(example: &Example, mut spans: Vec<Span>, null: f32, settings: &AnswerSettings) -> AnswerPrediction {
    spans.sort_by(|one, other| other.score().total_cmp(&one.score()));
    let context = example.second.as_deref().unwrap_or("");
    let mut seen = HashSet::new();
    let mut n_best = if spans.is_empty() { vec![nothing()] } else { candidates(context, &spans) };
    n_best.iter_mut().for_each(|candidate| candidate.text = candidate.text.trim().to_owned());
    n_best.retain(|candidate| seen.insert(candidate.text.clone()));
    n_best.truncate(settings.n_best_size);
    super::answers::softmax(&mut n_best);
    let null_odds = settings.unanswerable.then_some(f64::from(null));
    let answered = !settings.unanswerable || null <= settings.null_threshold;
    let text = if answered { n_best[0].text.clone() } else { String::new() };
    AnswerPrediction { id: example.id.clone(), text, null_odds, n_best }
}

/// What stands for an answer where no pair is one.
fn nothing() -> Candidate {
    Candidate { text: String::new(), start_logit: -1e6, end_logit: -1e6, probability: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Window;
    use std::convert::Infallible;

    const SETTINGS: AnswerSettings = AnswerSettings {
        n_best_size: 20,
        max_answer_length: 3,
        unanswerable: true,
        null_threshold: 0.0,
        max_context: true,
    };

    fn example() -> Example {
        let (id, second) = ("q".to_string(), Some("one two three four".to_string()));
        Example { id, first: String::new(), second, parts: Vec::new(), label: None }
    }

    /// `? <sep> one two three four <sep> <cls>`.
    fn window(max_context: Vec<bool>) -> Features {
        let window = Window {
            class_token: 7,
            first_context_token: 2,
            offsets: vec![(0, 3), (3, 7), (8, 13), (14, 18)],
            max_context,
        };
        let (input_ids, token_type_ids) = ((0..8).collect(), vec![0; 8]);
        Features { example: 0, together: 1, input_ids, token_type_ids, target: None, window: Some(window) }
    }

    fn answer(beams: &Beams, max_context: Vec<bool>) -> AnswerPrediction {
        predict(&[example()], &[window(max_context)], std::slice::from_ref(beams), &SETTINGS).unwrap().remove(0)
    }

    // Of the logits 0, ln 2, ln 5 the log probabilities are those of 1/8, 2/8, 5/8.
    #[test]
    fn beams_are_the_likeliest_of_the_possible_tokens() {
        let logits = [f32::NEG_INFINITY, 0.0, 2f32.ln(), 5f32.ln()];
        let beams = Beams::search(&logits, [2, 9], -1.0, |start| Ok::<_, Infallible>(vec![start as f32; 2])).unwrap();
        let near = |(token, found): Likely, expected: (u32, f32)| {
            assert!(token == expected.0 && (found - expected.1.ln()).abs() < 1e-6, "{token} {found}");
        };
        assert_eq!((beams.starts.len(), beams.impossible), (2, -1.0));
        near(beams.starts[0].0, (3, 0.625));
        near(beams.starts[1].0, (2, 0.25));
        near(beams.starts[0].1[0], (0, 0.5));
        near(beams.starts[0].1[1], (1, 0.5));
    }

    // The first start's likeliest end stands before it, its second four tokens on; the class token is no answer.
    #[test]
    fn an_answer_must_be_one() {
        let second = ((3, -1.0), vec![(4, -0.5), (3, -0.2)]);
        let beams = Beams {
            starts: vec![((2, -0.1), vec![(0, -0.1), (5, -0.2)]), ((7, -0.2), vec![(7, -0.1)]), second],
            impossible: -0.3,
        };
        let found = answer(&beams, vec![true; 4]);
        assert_eq!((found.text.as_str(), found.null_odds), ("two", Some(f64::from(-0.3f32))));
        let texts: Vec<&str> = found.n_best.iter().map(|candidate| candidate.text.as_str()).collect();
        assert_eq!(texts, ["two", "two three"]);
        let none = answer(&beams, vec![true, false, true, true]);
        assert_eq!((none.text.as_str(), none.n_best[0].start_logit), ("", -1e6));
    }

    #[test]
    fn the_smallest_number_of_all_windows_says_whether_there_is_no_answer() {
        let beams = |impossible| Beams { starts: vec![((2, -1.0), vec![(2, -1.0)])], impossible };
        let both = |one, other| {
            let windows = [window(vec![true; 4]), window(vec![true; 4])];
            predict(&[example()], &windows, &[beams(one), beams(other)], &SETTINGS).unwrap().remove(0)
        };
        assert_eq!((both(2.0, 1.0).text.as_str(), both(2.0, 1.0).null_odds), ("", Some(1.0)));
        assert_eq!(both(2.0, -1.0).text, "one");
        assert_eq!(both(2.0, 1.0).n_best.len(), 1);
        let answerable = AnswerSettings { unanswerable: false, ..SETTINGS };
        let found = predict(&[example()], &[window(vec![true; 4])], &[beams(5.0)], &answerable).unwrap();
        assert_eq!((found[0].text.as_str(), found[0].null_odds), ("one", None));
        let broken = predict(&[example()], &[window(vec![true; 4])], &[beams(f32::NAN)], &SETTINGS);
        assert!(broken.unwrap_err().to_string().contains("not finite"));
    }
}
