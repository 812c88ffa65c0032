//! Pearson and Spearman correlation in double precision, as scipy computes them.
//!
//! A constant side (n = 1 included) or a value that is not finite leaves both undefined: `None`, never 0, so that a
//! collapsed regression is not mistaken for an uncorrelated one. Ties get the average of their ranks; 0.0 and -0.0 tie.
//! The `evaluate` library casts both sides to f32 first and is off by some 1e-7; we do not follow it.

/// Two aligned columns of n numbers, ready for many resamples.
#[derive(Clone, Debug)]
pub struct Pairs {
    first: Column,
    second: Column,
}

/// One side: its standardised values, and its examples in order with their groups of equal values.
#[derive(Clone, Debug)]
struct Column {
    /// Deviations from the mean over the largest deviation. `[n]`
    values: Vec<f64>,
    /// Examples sorted by value. `[n]`
    order: Vec<u32>,
    /// Ends (exclusive, into `order`) of the groups of equal values.
    group_ends: Vec<usize>,
}

impl Pairs {
    /// Sorts both sides once; `None` where a value is not finite.
    ///
    /// # Panics
    /// If there is not one prediction per label.
    pub fn new(predictions: &[f64], labels: &[f64]) -> Option<Self> {
        assert_eq!(predictions.len(), labels.len(), "one prediction per label");
        let finite = predictions.iter().chain(labels).all(|value| value.is_finite());
        finite.then(|| Pairs { first: Column::new(predictions), second: Column::new(labels) })
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.first.values.len()
    }

    /// Whether there is no pair at all.
    pub fn is_empty(&self) -> bool {
        self.first.values.is_empty()
    }

    /// Pearson's coefficient of a resample in which pair i occurs `multiplicities[i]` times.
    pub fn pearson(&self, multiplicities: &[u32]) -> Option<f64> {
        pearson_of(&self.first.values, &self.second.values, multiplicities)
    }

    /// Spearman's coefficient of such a resample: Pearson's of the average ranks.
    pub fn spearman(&self, multiplicities: &[u32]) -> Option<f64> {
        pearson_of(&self.first.ranks(multiplicities), &self.second.ranks(multiplicities), multiplicities)
    }
}

/// Pearson's coefficient of a whole split.
pub fn pearson(predictions: &[f64], labels: &[f64]) -> Option<f64> {
    Pairs::new(predictions, labels)?.pearson(&vec![1; labels.len()])
}

/// Spearman's coefficient of a whole split.
pub fn spearman(predictions: &[f64], labels: &[f64]) -> Option<f64> {
    Pairs::new(predictions, labels)?.spearman(&vec![1; labels.len()])
}

impl Column {
    fn new(values: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        // partial_cmp, not total_cmp: the latter would tell 0.0 from -0.0
        let compare = |&a: &u32, &b: &u32| values[a as usize].partial_cmp(&values[b as usize]);
        order.sort_by(|a, b| compare(a, b).expect("values are finite"));
        let last_of_group = |&i: &usize| i == order.len() || values[order[i] as usize] != values[order[i - 1] as usize];
        let group_ends = (1..=order.len()).filter(last_of_group).collect();
        Column { values: standardize(values), order, group_ends }
    }

    /// Average ranks within a resample, from 1; those of pairs that were not drawn mean nothing. `[n]`
    fn ranks(&self, multiplicities: &[u32]) -> Vec<f64> {
        let mut ranks = vec![0.0; self.order.len()];
        let (mut before, mut start) = (0u64, 0);
        for &end in &self.group_ends {
            let group = &self.order[start..end];
            let size: u64 = group.iter().map(|&i| u64::from(multiplicities[i as usize])).sum();
            // the mean of ranks before + 1, …, before + size
            let rank = before as f64 + (size as f64 + 1.0) / 2.0;
            group.iter().for_each(|&i| ranks[i as usize] = rank);
            (before, start) = (before + size, end);
        }
        ranks
    }
}

/// Deviations from the mean, the largest of size 1: squares then neither overflow nor vanish, and a large offset costs
/// no digits. The coefficient does not depend on either.
fn standardize(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    let mean: f64 = values.iter().map(|value| value / count).sum();
    let largest = values.iter().map(|value| (value - mean).abs()).fold(0.0, f64::max);
    values.iter().map(|value| (value - mean) / largest).collect()
}

fn pearson_of(x: &[f64], y: &[f64], multiplicities: &[u32]) -> Option<f64> {
    let drawn = || x.iter().zip(y).zip(multiplicities).map(|((&x, &y), &times)| (x, y, f64::from(times)));
    if is_constant(x, multiplicities) || is_constant(y, multiplicities) {
        return None;
    }
    let (total, sum_x, sum_y) = drawn().fold((0.0, 0.0, 0.0), |(n, a, b), (x, y, w)| (n + w, a + w * x, b + w * y));
    let (mean_x, mean_y) = (sum_x / total, sum_y / total);
    let (xx, yy, xy) = drawn().fold((0.0, 0.0, 0.0), |(xx, yy, xy), (x, y, w)| {
        let (dx, dy) = (x - mean_x, y - mean_y);
        (xx + w * dx * dx, yy + w * dy * dy, xy + w * dx * dy)
    });
    let coefficient = xy / (xx.sqrt() * yy.sqrt());
    coefficient.is_finite().then(|| coefficient.clamp(-1.0, 1.0))
}

/// Whether all drawn values are equal; asked exactly, since a variance would only be small by rounding.
fn is_constant(values: &[f64], multiplicities: &[u32]) -> bool {
    let mut drawn = values.iter().zip(multiplicities).filter(|&(_, &times)| times > 0).map(|(value, _)| value);
    drawn.next().is_none_or(|first| drawn.all(|value| value == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|found| (found - expected).abs() < 1e-12)
    }

    #[test]
    fn a_hand_computed_pearson() {
        // deviations (−1, 0, 1) and (−1, 1, 0): xy = 1, xx = yy = 2
        assert!(close(pearson(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]), 0.5));
    }

    #[test]
    fn spearman_gives_ties_their_average_rank() {
        // ranks (1.5, 1.5, 3, 4) and (1, 2, 3, 4): deviations (−1, −1, .5, 1.5) and (−1.5, −.5, .5, 1.5)
        // xy = 1.5 + .5 + .25 + 2.25 = 4.5, xx = 4.5, yy = 5
        assert!(close(spearman(&[7.0, 7.0, 8.0, 9.0], &[1.0, 2.0, 3.0, 40.0]), 4.5 / (4.5f64 * 5.0).sqrt()));
    }

    #[test]
    fn signed_zeros_tie() {
        assert_eq!(spearman(&[0.0, -0.0, 1.0], &[1.0, 2.0, 3.0]), spearman(&[0.0, 0.0, 1.0], &[1.0, 2.0, 3.0]));
    }

    #[test]
    fn constant_single_empty_and_infinite_sides_are_undefined() {
        let cases: [(&[f64], &[f64]); 5] = [
            (&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]),
            (&[1.0, 2.0], &[5.0, 5.0]),
            (&[1.0], &[1.0]),
            (&[], &[]),
            (&[f64::NAN, 1.0], &[1.0, 2.0]),
        ];
        for (predictions, labels) in cases {
            assert_eq!((pearson(predictions, labels), spearman(predictions, labels)), (None, None));
        }
    }

    #[test]
    fn extreme_scales_keep_their_digits() {
        assert!(close(pearson(&[1e-200, 2e-200, 3e-200], &[1e200, 3e200, 2e200]), 0.5));
    }

    #[test]
    fn a_resample_correlates_as_the_repeated_rows_would() {
        let pairs = Pairs::new(&[1.0, 5.0, 2.0, 9.0], &[2.0, 1.0, 2.0, 4.0]).unwrap();
        let (x, y) = ([1.0, 2.0, 2.0, 9.0], [2.0, 2.0, 2.0, 4.0]);
        assert!(close(pairs.pearson(&[1, 0, 2, 1]), pearson(&x, &y).unwrap()));
        assert!(close(pairs.spearman(&[1, 0, 2, 1]), spearman(&x, &y).unwrap()));
    }

    #[test]
    fn a_resample_of_equal_values_is_undefined() {
        let pairs = Pairs::new(&[0.1, 0.1, 0.7], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(pairs.pearson(&[2, 1, 0]), None);
    }
}
