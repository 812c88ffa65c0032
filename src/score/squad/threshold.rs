//! SQuAD 2.0's search for the best no-answer threshold, and its precision-recall area.
//!
//! The script walks the questions by rising no-answer probability, answering one more at each step, and keeps the best
//! sum. It sorts stably in the order of the *probabilities' file* and may stop between questions of equal probability,
//! where no threshold could: `best_*_thresh` so depends on the file's order, and `best_*` can be slightly too good. We
//! follow it. The threshold is chosen on the split it is scored on; readers must be told.

use super::{Mean, QuestionScore};

/// The best sums over all thresholds, and the thresholds (0 where answering nothing is best).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Best exact match.
    pub exact: Mean,
    /// The probability at and below which questions are answered for it.
    pub exact_threshold: f64,
    /// Best F1.
    pub f1: Mean,
    /// The probability at and below which questions are answered for it.
    pub f1_threshold: f64,
}

/// Areas under the precision-recall curves, as fractions; the script prints them as `pr_*_ap` with its images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePrecision {
    /// A true positive counts its exact match.
    pub exact: f64,
    /// A true positive counts its F1.
    pub f1: f64,
    /// A true positive counts 1: how well the probabilities alone tell answerable questions.
    pub oracle: f64,
}

/// One question on the walk; what answering it adds to the sums.
#[derive(Clone, Copy, Debug)]
struct Step {
    question: usize,
    probability: f64,
    exact_gain: f64,
    f1_gain: f64,
}

/// The questions by rising no-answer probability.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    steps: Vec<Step>,
    /// Per question, in the data's order.
    unanswerable: Vec<bool>,
}

impl Walk {
    /// `ordered` holds (question, probability) in the order of the probabilities' file; `answered[q]` says whether the
    /// prediction is not the empty text; `raw` are the scores before any threshold. Probabilities are finite.
    pub(super) fn new(ordered: &[(usize, f64)], answered: &[bool], raw: &[QuestionScore]) -> Self {
        let step = |&(question, probability): &(usize, f64)| {
            let score = &raw[question];
            let (exact_gain, f1_gain) = match (score.has_answer, answered[question]) {
                (true, _) => (score.exact, score.f1),
                (false, true) => (-1.0, -1.0),
                (false, false) => (0.0, 0.0),
            };
            Step { question, probability, exact_gain, f1_gain }
        };
        let mut steps: Vec<Step> = ordered.iter().map(step).collect();
        // partial_cmp: to Python 0.0 and -0.0 are equal, and equal ones keep their order
        steps.sort_by(|a, b| a.probability.partial_cmp(&b.probability).expect("probabilities are finite"));
        Walk { steps, unanswerable: raw.iter().map(|question| !question.has_answer).collect() }
    }

    /// The script's `find_all_best_thresh`.
    pub(super) fn best(&self) -> Best {
        let once = vec![1; self.unanswerable.len()];
        let (exact, exact_threshold) = self.search(|step| step.exact_gain, &once);
        let (f1, f1_threshold) = self.search(|step| step.f1_gain, &once);
        Best { exact, exact_threshold, f1, f1_threshold }
    }

    /// The best exact match of a resample in which question q occurs `multiplicities[q]` times.
    pub(super) fn best_exact(&self, multiplicities: &[u32]) -> f64 {
        self.search(|step| step.exact_gain, multiplicities).0.fraction()
    }

    /// The best F1 of such a resample.
    pub(super) fn best_f1(&self, multiplicities: &[u32]) -> f64 {
        self.search(|step| step.f1_gain, multiplicities).0.fraction()
    }

    fn search(&self, gain: impl Fn(&Step) -> f64, multiplicities: &[u32]) -> (Mean, f64) {
        let drawn = |(&unanswerable, &times): (&bool, &u32)| if unanswerable { f64::from(times) } else { 0.0 };
        // answering nothing gets every unanswerable question right
        let mut current: f64 = self.unanswerable.iter().zip(multiplicities).map(drawn).sum();
        let (mut best, mut threshold) = (current, 0.0);
        for step in &self.steps {
            current += f64::from(multiplicities[step.question]) * gain(step);
            if current > best {
                (best, threshold) = (current, step.probability);
            }
        }
        (Mean { sum: best, count: self.unanswerable.len() }, threshold)
    }

    /// The script's `run_precision_recall_analysis`; `None` where no question has an answer.
    pub(super) fn average_precision(&self) -> Option<AveragePrecision> {
        let positives = self.unanswerable.iter().filter(|&&unanswerable| !unanswerable).count();
        (positives > 0).then(|| AveragePrecision {
            exact: self.area(|step| step.exact_gain, positives),
            f1: self.area(|step| step.f1_gain, positives),
            oracle: self.area(|_| 1.0, positives),
        })
    }

    fn area(&self, score: impl Fn(&Step) -> f64, positives: usize) -> f64 {
        let (mut true_positives, mut last_recall, mut area) = (0.0, 0.0, 0.0);
        for (i, step) in self.steps.iter().enumerate() {
            if !self.unanswerable[step.question] {
                true_positives += score(step);
            }
            // unlike the search above, the curve has a point only where a threshold could be put
            let tied = self.steps.get(i + 1).is_some_and(|next| next.probability == step.probability);
            if !tied {
                let recall = true_positives / positives as f64;
                area += true_positives / (i + 1) as f64 * (recall - last_recall);
                last_recall = recall;
            }
        }
        area
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Question 0 answerable and right, 1 unanswerable but answered, 2 answerable and right.
    fn walk(ordered: &[(usize, f64)]) -> Walk {
        let score = |has_answer, exact| QuestionScore { id: String::new(), has_answer, exact, f1: exact };
        Walk::new(ordered, &[true, true, true], &[score(true, 1.0), score(false, 0.0), score(true, 1.0)])
    }

    #[test]
    fn the_first_best_sum_wins() {
        // sums 1, then 2 (q0 at 0.1), 1 (q1 at 0.2), 2 (q2 at 0.3): the later 2 is not greater
        let best = walk(&[(0, 0.1), (1, 0.2), (2, 0.3)]).best();
        assert_eq!((best.exact.sum, best.exact_threshold), (2.0, 0.1));
    }

    #[test]
    fn ties_are_walked_in_the_order_of_the_file() {
        // all at 0.5. q0, q2, q1: 1, 2, 3, 2. q1, q0, q2: 1, 0, 1, 2
        assert_eq!(walk(&[(0, 0.5), (2, 0.5), (1, 0.5)]).best().exact.sum, 3.0);
        assert_eq!(walk(&[(1, 0.5), (0, 0.5), (2, 0.5)]).best().exact.sum, 2.0);
    }

    #[test]
    fn the_area_has_no_point_within_a_tie() {
        // one point: precision 2/3 at recall 1
        let area = walk(&[(0, 0.5), (2, 0.5), (1, 0.5)]).average_precision().unwrap();
        assert!((area.exact - 2.0 / 3.0).abs() < 1e-15 && area.oracle == area.exact);
    }

    #[test]
    fn a_resample_is_searched_with_its_multiplicities() {
        // q0 drawn 3 times: from 0 unanswerable to 3 of 3
        assert_eq!(walk(&[(0, 0.1), (1, 0.2), (2, 0.3)]).best_exact(&[3, 0, 0]), 1.0);
        assert_eq!(walk(&[(0, 0.1), (1, 0.2), (2, 0.3)]).best_f1(&[0, 2, 1]), 2.0 / 3.0);
    }
}
