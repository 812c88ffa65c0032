//! Rates of collapsed runs, compared by Fisher's exact test: with a handful of seeds no approximation holds.
//!
//! The probability of seeing at least as many collapsed runs on the side in question, given the total over both sides, is
//! hypergeometric. A rate has moved where that probability is at most 2.5 %, the same risk on each side as the 95 %
//! intervals of scores take.

use super::statistics::ln_gamma;

/// Largest probability at which a rate counts as moved.
const SIGNIFICANCE: f64 = 0.025;
/// Seeds beyond which no further search for the number needed is made.
const SEARCH: usize = 1000;

/// Events among trials: collapsed runs among runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Collapsed runs.
    pub events: usize,
    /// All runs that ended.
    pub trials: usize,
}

impl Rate {
    /// Share of events; 0 without trials.
    pub fn share(self) -> f64 {
        self.events as f64 / self.trials.max(1) as f64
    }

    /// Whether this rate is higher than `other` beyond chance.
    pub fn exceeds(self, other: Rate) -> bool {
        at_least(self, other) <= SIGNIFICANCE
    }
}

/// The number of runs on each side from which today's shares would differ beyond chance; `None` where they are equal or
/// a thousand would not do.
pub fn trials_needed(one: Rate, other: Rate) -> Option<usize> {
    let (more, fewer) = if one.share() > other.share() { (one, other) } else { (other, one) };
    let scaled = |rate: Rate, trials: usize| Rate { events: (rate.share() * trials as f64).round() as usize, trials };
    (2..=SEARCH).find(|&trials| scaled(more, trials).exceeds(scaled(fewer, trials)))
}

/// Probability of `one.events` or more on the first side, both totals given.
fn at_least(one: Rate, other: Rate) -> f64 {
    let events = one.events + other.events;
    let most = events.min(one.trials);
    let all = ln_choose(one.trials + other.trials, events);
    let term = |k: usize| (ln_choose(one.trials, k) + ln_choose(other.trials, events - k) - all).exp();
    (one.events..=most).filter(|&k| events - k <= other.trials).map(term).sum()
}

/// Logarithm of the number of ways to choose `k` of `n`.
fn ln_choose(n: usize, k: usize) -> f64 {
    let ln_factorial = |n: usize| ln_gamma(n as f64 + 1.0);
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_fishers_test() {
        // scipy.stats.fisher_exact([[4, 1], [0, 5]], "greater").pvalue = 5/210 = 0.0238095...
        let found = at_least(Rate { events: 4, trials: 5 }, Rate { events: 0, trials: 5 });
        assert!((found - 5.0 / 210.0).abs() < 1e-12, "{found}");
        // 3 of 3 against 0 of 3: 1 / C(6, 3) = 0.05
        let found = at_least(Rate { events: 3, trials: 3 }, Rate { events: 0, trials: 3 });
        assert!((found - 0.05).abs() < 1e-12, "{found}");
    }

    #[test]
    fn three_of_three_is_not_yet_beyond_chance_but_four_of_four_is() {
        let all = |trials| Rate { events: trials, trials };
        let none = |trials| Rate { events: 0, trials };
        assert!(!all(3).exceeds(none(3)));
        // 1 / C(8, 4) = 0.0143
        assert!(all(4).exceeds(none(4)));
        assert_eq!(trials_needed(none(3), all(3)), Some(4));
    }

    #[test]
    fn equal_rates_never_differ() {
        assert_eq!(trials_needed(Rate { events: 1, trials: 3 }, Rate { events: 1, trials: 3 }), None);
        assert!(!Rate { events: 0, trials: 9 }.exceeds(Rate { events: 0, trials: 1 }));
    }
}
