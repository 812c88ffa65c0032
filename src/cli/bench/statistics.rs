//! Median and spread of a few rounds, and of the ratios of two sides round by round.
//!
//! Rounds of two sides alternate, so that what else the machine does falls on neighbours: the ratio is taken of each
//! pair, and its median is not the ratio of the medians.

/// The middle and the ends of some measurements.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Spread {
    /// The middle one; of an even number, the mean of the middle two.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Spread {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (middle, last) = (sorted.len() / 2, sorted.len() - 1);
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Spread { median, least: sorted[0], most: sorted[last] }
    }

    /// Of ours over theirs, round by round.
    pub fn of_ratios(ours: &[f64], theirs: &[f64]) -> Spread {
        Spread::of(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
    }

    /// `1.44 (1.18 to 2.14)`, with so many decimals.
    pub fn show(&self, decimals: usize) -> String {
        format!("{:.decimals$} ({})", self.median, self.show_ends(decimals))
    }

    /// `1.18 to 2.14`.
    pub fn show_ends(&self, decimals: usize) -> String {
        format!("{:.decimals$} to {:.decimals$}", self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Sorted: 1, 3, 8; the middle one is 3. With 5 added: 1, 3, 5, 8; (3 + 5) / 2 = 4.
    #[test]
    fn median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(Spread::of(&[8.0, 1.0, 3.0]), Spread { median: 3.0, least: 1.0, most: 8.0 });
        assert_eq!(Spread::of(&[8.0, 1.0, 5.0, 3.0]).median, 4.0);
        assert_eq!(Spread::of(&[2.5]), Spread { median: 2.5, least: 2.5, most: 2.5 });
    }

    // 10/5 = 2, 30/10 = 3, 20/20 = 1: median 2, though the medians' own ratio is 20/10 as well; with 90 for 30 the
    // pairs give 2, 9, 1 and still 2.
    #[test]
    fn ratios_are_of_pairs() {
        let ratio = Spread::of_ratios(&[10.0, 30.0, 20.0], &[5.0, 10.0, 20.0]);
        assert_eq!(ratio, Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(Spread::of_ratios(&[10.0, 90.0, 20.0], &[5.0, 10.0, 20.0]).most, 9.0);
        assert_eq!(ratio.show(2), "2.00 (1.00 to 3.00)");
    }
}
