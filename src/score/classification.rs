//! Accuracy, F1 and the Matthews coefficient over a whole split, with scikit-learn's conventions.
//!
//! All of them follow from how often each (predicted, gold) pair occurs, so a split is reduced to those pairs once
//! ([`Outcomes`]) and each resample of a bootstrap is one pass over small numbers. Whatever is undefined is 0, as in
//! scikit-learn (`zero_division=0`): F1 without a true positive, even where nothing was positive and every prediction
//! is right, and Matthews where either side has one class. Macro F1 runs over the classes that occur on either side.

/// Predictions and gold labels of a split, n examples reduced to c distinct (predicted, gold) pairs.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// The distinct (predicted, gold) pairs, sorted. `[c]`
    pairs: Vec<(u32, u32)>,
    /// Index into `pairs` of each example. `[n]`
    pair_of: Vec<u32>,
}

/// How often each class is predicted, gold, and both; the classes that occur, in order.
#[derive(Clone, Debug, Default)]
pub struct ClassCounts {
    classes: Vec<u32>,
    right: Vec<u64>,
    predicted: Vec<u64>,
    gold: Vec<u64>,
}

impl Outcomes {
    /// Pairs up predictions and labels in O(n log n).
    ///
    /// # Panics
    /// If there is not one prediction per label.
    pub fn new(predictions: &[u32], labels: &[u32]) -> Self {
        assert_eq!(predictions.len(), labels.len(), "one prediction per label");
        let each: Vec<(u32, u32)> = predictions.iter().copied().zip(labels.iter().copied()).collect();
        let mut pairs = each.clone();
        pairs.sort_unstable();
        pairs.dedup();
        let index = |pair| pairs.binary_search(pair).expect("every pair was collected above") as u32;
        let pair_of = each.iter().map(index).collect();
        Outcomes { pairs, pair_of }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.pair_of.len()
    }

    /// Whether there is no example at all.
    pub fn is_empty(&self) -> bool {
        self.pair_of.is_empty()
    }

    /// Counts of the split itself.
    pub fn counts(&self) -> ClassCounts {
        self.resampled_counts(&vec![1; self.len()])
    }

    /// Counts of a resample in which example i occurs `multiplicities[i]` times. `[n]`
    pub fn resampled_counts(&self, multiplicities: &[u32]) -> ClassCounts {
        let mut occurrences = vec![0u64; self.pairs.len()];
        for (&pair, &multiplicity) in self.pair_of.iter().zip(multiplicities) {
            occurrences[pair as usize] += u64::from(multiplicity);
        }
        let mut counts = ClassCounts::default();
        for (&(predicted, gold), &times) in self.pairs.iter().zip(&occurrences) {
            counts.add(predicted, gold, times);
        }
        counts
    }
}

impl ClassCounts {
    fn add(&mut self, predicted: u32, gold: u32, times: u64) {
        // A pair that was not drawn must not bring its classes into macro F1.
        if times == 0 {
            return;
        }
        let (predicted, gold) = (self.slot(predicted), self.slot(gold));
        self.predicted[predicted] += times;
        self.gold[gold] += times;
        if predicted == gold {
            self.right[gold] += times;
        }
    }

    /// Index of a class; classes are few, so a linear search is the fast one. New ones go to the end, so indices last.
    fn slot(&mut self, class: u32) -> usize {
        if let Some(slot) = self.classes.iter().position(|&known| known == class) {
            return slot;
        }
        self.classes.push(class);
        for counts in [&mut self.right, &mut self.predicted, &mut self.gold] {
            counts.push(0);
        }
        self.classes.len() - 1
    }

    fn total(&self) -> u64 {
        self.gold.iter().sum()
    }

    /// Share of right predictions; `None` without examples.
    pub fn accuracy(&self) -> Option<f64> {
        let right: u64 = self.right.iter().sum();
        (self.total() > 0).then(|| right as f64 / self.total() as f64)
    }

    /// F1 of one class: 2 · right / (predicted + gold), 0 where the class occurs on neither side.
    pub fn f1(&self, class: u32) -> f64 {
        let slot = self.classes.iter().position(|&known| known == class);
        slot.map_or(0.0, |slot| self.f1_of_slot(slot))
    }

    fn f1_of_slot(&self, slot: usize) -> f64 {
        2.0 * self.right[slot] as f64 / (self.predicted[slot] + self.gold[slot]) as f64
    }

    /// Unweighted mean of F1 over the classes that occur; 0 without any.
    pub fn macro_f1(&self) -> f64 {
        let sum: f64 = (0..self.classes.len()).map(|slot| self.f1_of_slot(slot)).sum();
        if self.classes.is_empty() { 0.0 } else { sum / self.classes.len() as f64 }
    }

    /// Matthews correlation coefficient for any number of classes (Gorodkin 2004), 0 where a side has one class.
    ///
    /// Covariances are exact integers until the last division, so that "undefined" is never a matter of rounding.
    pub fn matthews(&self) -> f64 {
        let dot = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(&a, &b)| i128::from(a) * i128::from(b)).sum::<i128>();
        let total = i128::from(self.total());
        let right: i128 = self.right.iter().map(|&count| i128::from(count)).sum();
        let both = right * total - dot(&self.predicted, &self.gold);
        let of_predictions = total * total - dot(&self.predicted, &self.predicted);
        let of_labels = total * total - dot(&self.gold, &self.gold);
        if of_predictions == 0 || of_labels == 0 {
            return 0.0;
        }
        both as f64 / ((of_predictions as f64) * (of_labels as f64)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(predictions: &[u32], labels: &[u32]) -> ClassCounts {
        Outcomes::new(predictions, labels).counts()
    }

    #[test]
    fn a_hand_counted_binary_split_has_its_scores() {
        // true positives 2, false positives 1, false negatives 1, true negatives 2:
        // accuracy 4/6, F1 4/6, Matthews (2·2 − 1·1) / √(3·3·3·3) = 1/3
        let counts = counts(&[1, 1, 1, 0, 0, 0], &[1, 1, 0, 1, 0, 0]);
        assert_eq!(counts.accuracy(), Some(4.0 / 6.0));
        assert_eq!(counts.f1(1), 4.0 / 6.0);
        assert!((counts.matthews() - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn f1_is_zero_when_nothing_is_positive_though_all_is_right() {
        let counts = counts(&[0, 0, 0], &[0, 0, 0]);
        assert_eq!((counts.accuracy(), counts.f1(1), counts.matthews()), (Some(1.0), 0.0, 0.0));
    }

    #[test]
    fn one_predicted_class_has_no_matthews() {
        assert_eq!(counts(&[1, 1, 1, 1], &[1, 0, 1, 0]).matthews(), 0.0);
    }

    #[test]
    fn macro_f1_runs_over_the_classes_that_occur() {
        // classes 0 and 7: F1 2·1/(2+1) and 2·0/(0+1); the mean of two, not of eight
        assert_eq!(counts(&[0, 0], &[0, 7]).macro_f1(), 1.0 / 3.0);
    }

    #[test]
    fn a_resample_counts_as_the_repeated_rows_would() {
        let (predictions, labels) = ([1, 0, 2, 1], [1, 1, 2, 0]);
        let resampled = Outcomes::new(&predictions, &labels).resampled_counts(&[2, 0, 1, 1]);
        let repeated = counts(&[1, 1, 2, 1], &[1, 1, 2, 0]);
        assert_eq!(resampled.accuracy(), repeated.accuracy());
        assert_eq!(resampled.matthews(), repeated.matthews());
        assert_eq!(resampled.macro_f1(), repeated.macro_f1());
    }

    #[test]
    fn huge_class_numbers_take_no_memory() {
        assert_eq!(counts(&[u32::MAX, 0], &[u32::MAX, u32::MAX]).accuracy(), Some(0.5));
    }
}
