//! A prediction against the gold answers of its question: exact match and token F1, by either script's rules.

use super::normalize_answer;

/// Which script decides where a normalised text is empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Without a common token F1 is 0, also where both texts are empty.
    V1,
    /// Two empty texts agree. Gold answers that normalise to nothing are dropped; if none is left, the empty answer is
    /// the only right one.
    V2,
}

/// The best exact match and the best F1 over the gold answers, in [0, 1]; `None` where there is no gold answer to
/// compare with (v1.1).
pub(super) fn best_scores(version: Version, golds: &[String], prediction: &str) -> Option<(f64, f64)> {
    let prediction = normalize_answer(prediction);
    let mut golds: Vec<String> = golds.iter().map(|gold| normalize_answer(gold)).collect();
    if version == Version::V2 {
        golds.retain(|gold| !gold.is_empty());
        if golds.is_empty() {
            golds.push(String::new());
        }
    }
    let exact = golds.contains(&prediction);
    let f1 = golds.iter().map(|gold| token_f1(version, gold, &prediction)).reduce(f64::max)?;
    Some((f64::from(exact), f1))
}

/// F1 of the two bags of tokens; arguments are normalised, so tokens stand between single blanks.
fn token_f1(version: Version, gold: &str, prediction: &str) -> f64 {
    let (gold_tokens, predicted_tokens) = (sorted_tokens(gold), sorted_tokens(prediction));
    if gold_tokens.is_empty() || predicted_tokens.is_empty() {
        return f64::from(version == Version::V2 && gold_tokens == predicted_tokens);
    }
    let same = common(&gold_tokens, &predicted_tokens) as f64;
    if same == 0.0 {
        return 0.0;
    }
    // the scripts' own order of operations, for the last digit
    let precision = same / predicted_tokens.len() as f64;
    let recall = same / gold_tokens.len() as f64;
    (2.0 * precision * recall) / (precision + recall)
}

fn sorted_tokens(text: &str) -> Vec<&str> {
    let mut tokens: Vec<&str> = text.split(' ').filter(|token| !token.is_empty()).collect();
    tokens.sort_unstable();
    tokens
}

/// Size of the intersection of two sorted bags.
fn common(left: &[&str], right: &[&str]) -> usize {
    let (mut i, mut j, mut same) = (0, 0, 0);
    while i < left.len() && j < right.len() {
        match left[i].cmp(right[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, same) = (i + 1, j + 1, same + 1),
        }
    }
    same
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(golds: &[&str], prediction: &str) -> [Option<(f64, f64)>; 2] {
        let golds: Vec<String> = golds.iter().map(|gold| gold.to_string()).collect();
        [Version::V1, Version::V2].map(|version| best_scores(version, &golds, prediction))
    }

    #[test]
    fn f1_counts_repeated_tokens_as_often_as_both_have_them() {
        // 2 common of 3 predicted and 4 gold tokens: precision 2/3, recall 1/2, F1 4/7
        let [v1, v2] = both(&["x x y z"], "x x x");
        assert_eq!(v1, v2);
        assert!((v1.unwrap().1 - 4.0 / 7.0).abs() < 1e-15);
    }

    #[test]
    fn the_best_gold_answer_counts_for_each_score() {
        assert_eq!(both(&["red", "a dark red rose"], "the red"), [Some((1.0, 1.0)); 2]);
    }

    #[test]
    fn the_scripts_disagree_on_empty_texts() {
        assert_eq!(both(&["The"], "a"), [Some((1.0, 0.0)), Some((1.0, 1.0))]);
    }

    #[test]
    fn only_the_second_script_drops_gold_answers_that_normalise_to_nothing() {
        assert_eq!(both(&["the", "rose"], ""), [Some((1.0, 0.0)), Some((0.0, 0.0))]);
    }

    #[test]
    fn no_gold_answer_is_an_empty_answer_in_the_second_script_only() {
        assert_eq!(both(&[], ""), [None, Some((1.0, 1.0))]);
    }
}
