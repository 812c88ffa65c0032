//! Logits to answers, on a context of four words small enough to score by hand.

use repro::dataset::Example;
use repro::encode::answers::{AnswerPrediction, AnswerSettings, predict};
use repro::encode::{EncodeError, Features, Window};

/// Four words at 0–1, 2–3, 4–5, 6–7, the second one of two bytes.
const CONTEXT: &str = "a é c d";

fn examples() -> Vec<Example> {
    vec![Example {
        id: "q".to_owned(),
        first: "a".to_owned(),
        second: Some(CONTEXT.to_owned()),
        parts: Vec::new(),
        label: None,
    }]
}

/// `[CLS] q [SEP]`, the words of the range, `[SEP]`: the first of them at position 3.
fn window(words: std::ops::Range<u32>, max_context: Vec<bool>) -> Features {
    let length = words.len() + 4;
    let offsets = words.map(|word| (2 * word, 2 * word + 1)).collect();
    let window = Window { class_token: 0, first_context_token: 3, offsets, max_context };
    let (input_ids, token_type_ids) = (vec![5; length], vec![0; length]);
    Features { example: 0, together: 1, input_ids, token_type_ids, target: None, window: Some(window) }
}

fn whole() -> Features {
    window(0..4, vec![true; 4])
}

fn settings() -> AnswerSettings {
    AnswerSettings {
        n_best_size: 20,
        max_answer_length: 30,
        unanswerable: false,
        null_threshold: 0.0,
        max_context: false,
    }
}

fn answer(
    features: &[Features],
    starts: &[Vec<f32>],
    ends: &[Vec<f32>],
    settings: &AnswerSettings,
) -> AnswerPrediction {
    predict(&examples(), features, starts, ends, settings).unwrap().remove(0)
}

const LOW: f32 = -9.0;

#[test]
fn the_best_span_in_order_wins_and_is_cut_out_by_code_points() {
    // Best start é (position 4) with 5, best end a (3) with 7: out of order. é–c has 5 + 2, a–a has 0 + 7: a tie, which
    // the candidate of the better start wins.
    let starts = vec![vec![LOW, LOW, LOW, 0.0, 5.0, LOW, LOW, LOW]];
    let ends = vec![vec![LOW, LOW, LOW, 7.0, LOW, 2.0, LOW, LOW]];
    let found = answer(&[whole()], &starts, &ends, &settings());
    assert_eq!(found.text, "é c");
    assert_eq!(found.n_best[1].text, "a");
    // Both have score 7; next comes a–c with 2, the rest is below -6: 1 / (2 + e^-5) = 1 / 2.00674 = 0.49832.
    assert!((found.n_best[0].probability - 0.49832).abs() < 1e-4, "{}", found.n_best[0].probability);
    assert_eq!(found.null_odds, None);
}

#[test]
fn an_answer_is_no_longer_than_allowed() {
    let starts = vec![vec![LOW, LOW, LOW, 5.0, 1.0, LOW, LOW, LOW]];
    let ends = vec![vec![LOW, LOW, LOW, LOW, LOW, LOW, 5.0, LOW]];
    let short = AnswerSettings { max_answer_length: 3, ..settings() };
    assert_eq!(answer(&[whole()], &starts, &ends, &settings()).text, "a é c d");
    assert_eq!(answer(&[whole()], &starts, &ends, &short).text, "é c d");
}

#[test]
fn the_null_score_is_the_lowest_of_the_windows() {
    let unanswerable = AnswerSettings { unanswerable: true, ..settings() };
    let features = [window(0..2, vec![true; 2]), window(2..4, vec![true; 2])];
    // [CLS]: 4 + 4 in the first window, 1 + 1 in the second; best span 3 + 3: null odds 2 - 6.
    let starts = vec![vec![4.0, LOW, LOW, 3.0, LOW, LOW], vec![1.0, LOW, LOW, LOW, LOW, LOW]];
    let found = answer(&features, &starts, &starts, &unanswerable);
    assert_eq!((found.text.as_str(), found.null_odds), ("a", Some(-4.0)));
    let strict = AnswerSettings { null_threshold: -5.0, ..unanswerable };
    assert_eq!(answer(&features, &starts, &starts, &strict).text, "");
}

#[test]
fn a_null_answer_too_bad_for_the_list_is_appended_to_it() {
    let one = AnswerSettings { unanswerable: true, n_best_size: 1, ..settings() };
    let logits = vec![vec![LOW, LOW, LOW, 3.0, LOW, LOW, LOW, LOW]];
    let found = answer(&[whole()], &logits, &logits, &one);
    let texts: Vec<_> = found.n_best.iter().map(|candidate| candidate.text.as_str()).collect();
    assert_eq!(texts, ["a", ""]);
}

#[test]
fn a_question_without_a_valid_candidate_is_answered_as_in_the_reference() {
    let one = AnswerSettings { n_best_size: 1, ..settings() };
    // The best start is the question's token.
    let logits = vec![vec![0.0, 5.0, LOW, LOW, LOW, LOW, LOW, LOW]];
    let found = answer(&[whole()], &logits, &logits, &one);
    assert_eq!((found.text.as_str(), found.n_best.len(), found.n_best[0].probability), ("empty", 1, 1.0));
    let unanswerable = AnswerSettings { unanswerable: true, null_threshold: 1.0, ..one };
    let found = answer(&[whole()], &logits, &logits, &unanswerable);
    // Null score 0 minus the made-up answer's 0 is not above 1.
    assert_eq!((found.text.as_str(), found.null_odds), ("empty", Some(0.0)));
}

#[test]
fn a_start_outside_its_best_window_counts_only_without_the_rule() {
    let features = [window(0..3, vec![true, true, false]), window(2..4, vec![true, true])];
    let starts = vec![vec![LOW, LOW, LOW, 1.0, LOW, 8.0, LOW], vec![LOW; 6]];
    let ends = vec![vec![LOW, LOW, LOW, 1.0, LOW, 8.0, LOW], vec![LOW; 6]];
    let rule = AnswerSettings { max_context: true, ..settings() };
    assert_eq!(answer(&features, &starts, &ends, &settings()).text, "c");
    // With it, a–c: 1 + 8.
    assert_eq!(answer(&features, &starts, &ends, &rule).text, "a é c");
}

#[test]
fn equal_logits_go_to_the_earlier_position() {
    let one = AnswerSettings { n_best_size: 1, ..settings() };
    let logits = vec![vec![LOW, LOW, LOW, LOW, 2.0, 2.0, 2.0, LOW]];
    assert_eq!(answer(&[whole()], &logits, &logits, &one).text, "é");
}

#[test]
fn logits_that_do_not_fit_are_refused() {
    let refuse = |starts: &[Vec<f32>], ends: &[Vec<f32>]| -> EncodeError {
        predict(&examples(), &[whole()], starts, ends, &settings()).unwrap_err()
    };
    let good = vec![vec![0.0; 8]];
    insta::assert_snapshot!(refuse(&[], &good), @"logits of window 0: 1 windows, 0 and 1 rows");
    insta::assert_snapshot!(refuse(&good, &[vec![0.0; 7]]), @"logits of window 0: 7 logits for 8 tokens");
    for bad in [f32::NAN, f32::INFINITY] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(refuse(&good, &[vec![bad; 8]]), @"logits of window 0: a logit is not finite");
        }
    }
    let stray = Features { example: 1, ..whole() };
    let error = predict(&examples(), &[stray], &good, &good, &settings()).unwrap_err();
    insta::assert_snapshot!(error, @"logits of window 0: its example is not in the split");
}
