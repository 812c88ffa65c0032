//! 95 % percentile bootstrap intervals over the examples of a split (Efron 1979), for any metric.
//!
//! What the interval covers: that another dev set of this size could have been drawn. What it does not: another seed,
//! another order of the data, another machine. Two runs whose intervals overlap may still differ for certain, since
//! they are scored on the same examples.
//!
//! A resample is not a list of examples but how often each occurs, so that sorting and normalising happen once and a
//! metric is one pass over counts, whatever it is.

use super::Metric;
use super::classification::Outcomes;
use super::correlation::Pairs;
use super::entity::EntityCounts;

/// Lower and upper end, in the metric's own unit (fractions).
pub type Interval = (f64, f64);

/// Resamples per interval; the ends then move by about 3 % of the interval's width between seeds.
pub const RESAMPLES: usize = 1_000;

const COVERAGE: f64 = 0.95;

/// The percentile interval of a statistic of `examples` examples. The statistic is given how often each of them was
/// drawn (`[examples]`, summing to `examples`). The same seed draws the same resamples, so metrics can be compared.
///
/// `None` with fewer than two examples, or where the statistic is undefined on any resample: the percentiles of the
/// rest would not be those of the metric.
pub fn bootstrap(examples: usize, seed: u64, mut statistic: impl FnMut(&[u32]) -> Option<f64>) -> Option<Interval> {
    if examples < 2 {
        return None;
    }
    let mut random = SplitMix64(seed);
    let mut multiplicities = vec![0u32; examples];
    let mut values = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        random.draw(&mut multiplicities);
        values.push(statistic(&multiplicities).filter(|value| value.is_finite())?);
    }
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - COVERAGE) / 2.0;
    Some((quantile(&values, tail), quantile(&values, 1.0 - tail)))
}

/// Interval of a mean of per-example scores, such as accuracy or the exact match of each SQuAD question.
pub fn of_mean(values: &[f64], seed: u64) -> Option<Interval> {
    bootstrap(values.len(), seed, |multiplicities| {
        let sum: f64 = values.iter().zip(multiplicities).map(|(value, &times)| value * f64::from(times)).sum();
        Some(sum / values.len() as f64)
    })
}

/// Intervals of the metrics of [`classification_scores`](super::classification_scores), in order.
pub fn of_classification(metrics: &[Metric], predictions: &[u32], labels: &[u32], seed: u64) -> Vec<Option<Interval>> {
    let outcomes = Outcomes::new(predictions, labels);
    let of_metric = |&metric: &Metric| {
        bootstrap(outcomes.len(), seed, |multiplicities| {
            super::classification_score(metric, &outcomes.resampled_counts(multiplicities))
        })
    };
    metrics.iter().map(of_metric).collect()
}

/// Intervals of the metrics of [`regression_scores`](super::regression_scores), in order.
pub fn of_regression(metrics: &[Metric], predictions: &[f64], labels: &[f64], seed: u64) -> Vec<Option<Interval>> {
    let Some(pairs) = Pairs::new(predictions, labels) else {
        return vec![None; metrics.len()];
    };
    let of_metric = |&metric: &Metric| {
        bootstrap(pairs.len(), seed, |multiplicities| super::regression_score(metric, &pairs, multiplicities))
    };
    metrics.iter().map(of_metric).collect()
}

/// Quantile of sorted values, linear between neighbours (numpy's default).
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let position = fraction * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    below + (above - below) * position.fract()
}

/// SplitMix64 (Steele, Lea & Flood 2014): one word of state, and enough for drawing rows. The streams of training are
/// another matter and stand elsewhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Draws as many examples as there are, with replacement. The multiplication maps 64 bits to an index; its bias is
    /// below n / 2^64.
    fn draw(&mut self, multiplicities: &mut [u32]) {
        multiplicities.fill(0);
        let examples = multiplicities.len();
        for _ in 0..examples {
            let index = (u128::from(self.next()) * examples as u128) >> 64;
            multiplicities[index as usize] += 1;
        }
    }
}

/// The interval of entity F1 over sentences.
pub fn of_entities(sentences: &[EntityCounts], seed: u64) -> Option<Interval> {
    bootstrap(sentences.len(), seed, |multiplicities| {
        let mut total = EntityCounts::default();
        sentences.iter().zip(multiplicities).for_each(|(&sentence, &times)| total.add(sentence, times as usize));
        Some(total.f1())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // the first outputs for seed 1234567, as listed with the algorithm's reference implementations
        let mut random = SplitMix64(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        // numpy.quantile([1, 2, 4, 8], [0.5, 0.025]) = 3.0, 1.075
        assert_eq!(quantile(&[1.0, 2.0, 4.0, 8.0], 0.5), 3.0);
        assert!((quantile(&[1.0, 2.0, 4.0, 8.0], 0.025) - 1.075).abs() < 1e-12);
    }

    #[test]
    fn a_proportion_gets_the_width_of_the_normal_approximation() {
        // p = 0.8, n = 1000: ± 1.96 · √(0.8 · 0.2 / 1000) = ± 0.0248; the bootstrap's own noise is about 3 % of that
        let values: Vec<f64> = (0..1000).map(|i| if i % 5 == 0 { 0.0 } else { 1.0 }).collect();
        let (low, high) = of_mean(&values, 1).unwrap();
        assert!((low - 0.7752).abs() < 0.003 && (high - 0.8248).abs() < 0.003, "{low} {high}");
    }

    #[test]
    fn one_seed_gives_one_interval_and_metrics_share_their_resamples() {
        let labels: Vec<u32> = (0..200).map(|i| i % 2).collect();
        let predictions: Vec<u32> = (0..200).map(|i| (i % 3 == 0) as u32).collect();
        let right: Vec<f64> = labels.iter().zip(&predictions).map(|(a, b)| f64::from(a == b)).collect();
        let accuracy = of_classification(&[Metric::Accuracy], &predictions, &labels, 7)[0];
        assert_eq!(accuracy, of_mean(&right, 7));
        assert_ne!(accuracy, of_mean(&right, 8));
    }

    #[test]
    fn an_undefined_resample_leaves_no_interval() {
        // one of two rows is drawn twice in half of all resamples, and then both sides are constant
        assert_eq!(of_regression(&[Metric::Pearson], &[1.0, 2.0], &[1.0, 3.0], 1), vec![None]);
        assert_eq!(bootstrap(1, 1, |_| Some(1.0)), None);
    }

    #[test]
    fn a_correlation_lies_in_its_interval() {
        let labels: Vec<f64> = (0..300).map(|i| f64::from(i % 17)).collect();
        let predictions: Vec<f64> = (0..300).map(|i| f64::from(i % 17) + f64::from(i * 7 % 11)).collect();
        let metrics = [Metric::Pearson, Metric::Spearman];
        let scores = super::super::regression_scores(&metrics, &predictions, &labels);
        for ((_, score), interval) in scores.iter().zip(of_regression(&metrics, &predictions, &labels, 3)) {
            let (low, high) = interval.unwrap();
            assert!(low < score.unwrap() && score.unwrap() < high && high - low < 0.2);
        }
    }
}
