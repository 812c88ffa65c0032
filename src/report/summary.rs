//! Best, mean, spread and median of a few scores.

/// The figures of a cell, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation, `sqrt(Σ (x − mean)² / (n − 1))`; `None` for one value.
    pub deviation: Option<f64>,
    /// The middle value, or the mean of the two middle ones.
    pub median: f64,
    /// Largest value.
    pub best: f64,
    /// Number of values.
    pub n: usize,
}

impl Summary {
    /// The summary of some values; `None` of none.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let best = *sorted.last()?;
        let n = sorted.len();
        let mean = sorted.iter().sum::<f64>() / n as f64;
        let squares: f64 = sorted.iter().map(|value| (value - mean) * (value - mean)).sum();
        let deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        let median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        Some(Summary { mean, deviation, median, best, n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 2, 4, 4, 6 have mean 4, squares 4+0+0+4 = 8, 8/3 = 2.6667, root 1.63299; the middle ones are 4 and 4.
    #[test]
    fn four_values_by_hand() {
        let summary = Summary::of(&[4.0, 2.0, 6.0, 4.0]).expect("values");
        assert_eq!((summary.mean, summary.median, summary.best, summary.n), (4.0, 4.0, 6.0, 4));
        assert!((summary.deviation.expect("several") - 1.632_993_161_855_452).abs() < 1e-12);
    }

    #[test]
    fn one_value_has_no_deviation_and_none_no_summary() {
        assert_eq!(Summary::of(&[0.5]).and_then(|summary| summary.deviation), None);
        assert_eq!(Summary::of(&[]), None);
    }
}
