//! The verdict on one cell, from its interval and its tolerance.
//!
//! With `d` = current mean − baseline mean, its 95 % interval over seeds, and τ the smallest change that matters:
//!
//! - unchanged: the interval lies within [−τ, τ];
//! - regressed, improved: the interval excludes 0 and |d| ≥ τ;
//! - inconclusive: everything else, with the number of seeds on each side that would decide at today's means and spread.
//!
//! Runs are deterministic, so a run of the baseline that gives its value again to the last bit is unchanged whatever the
//! number of seeds. A single seed without that says nothing by itself: its spread is taken from the baseline's seeds, else
//! from a prior that the user states, else the cell is inconclusive.
//!
//! A split of N examples resolves a metric to about 1/N. Two seeds may agree by that alone, so that no spread is taken to
//! be smaller than rounding to such steps makes it, 1 / (N √12).

use super::cell::Runs;
use super::rate::{Rate, trials_needed};
use super::statistics::{Interval, Sample, single_seed_half_width, welch_half_width};
use serde::Serialize;

/// What the gate says of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Worse, beyond chance and tolerance.
    Regressed,
    /// The seeds don't decide.
    Inconclusive,
    /// Better, beyond chance and tolerance.
    Improved,
    /// Within the tolerance beyond doubt, or equal to the last bit.
    Unchanged,
}

/// A cell compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for people.
    pub detail: String,
    /// The interval of the difference; `None` for rates, exact repetition and unknown spread.
    pub interval: Option<Interval>,
    /// Inconclusive: seeds on each side that would decide; `None` where `SEARCH` would not.
    pub needed: Option<usize>,
}

/// Seeds beyond which the number needed is not looked for.
pub const SEARCH: usize = 1000;
/// Quantile of the normal distribution for a spread that is stated, not estimated.
const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// What scores are compared by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Smallest change that matters, a fraction.
    pub tolerance: f64,
    /// Standard deviation over seeds to assume where the baseline has one seed.
    pub prior_std: Option<f64>,
}

/// Compares the scores of a cell; both sides have at least one run.
pub fn scores(baseline: &Runs, current: &Runs, rule: &Rule) -> Option<Comparison> {
    if let Some(repeated) = repetition(baseline, current) {
        return Some(repeated);
    }
    let (then, now) = (Sample::of(&baseline.numbers())?, Sample::of(&current.numbers())?);
    let resolution = 1.0 / (current.examples.max(1) as f64 * 12_f64.sqrt());
    let difference = now.mean - then.mean;
    let Some(spread) = Spread::known(&then, &now, rule.prior_std, resolution) else {
        return Some(unknown_spread(difference, &then, &now));
    };
    let interval = Interval { difference, half_width: spread.half_width(then.n, now.n) };
    Some(judge(interval, spread, rule.tolerance))
}

/// Unchanged, if the runs both sides have gave the same values to the last bit.
fn repetition(baseline: &Runs, current: &Runs) -> Option<Comparison> {
    let find = |id: &str| current.values.values().find(|run| run.id == id);
    let shared: Vec<_> = baseline.values.values().filter_map(|run| Some((run.value, find(&run.id)?.value))).collect();
    let equal = shared.iter().all(|(then, now)| then.to_bits() == now.to_bits());
    if shared.is_empty() || !equal {
        return None;
    }
    let count = match (shared.len(), baseline.values.len()) {
        (1, 1) => "the run gives".to_string(),
        (shared, all) if shared == all => format!("all {all} runs give"),
        (shared, all) => format!("{shared} of {all} runs are here and give"),
    };
    let code = if baseline.commits == current.commits { ", by the same code" } else { "" };
    let detail = format!("{count} the same values to the last bit{code}");
    Some(Comparison { verdict: Verdict::Unchanged, detail, interval: None, needed: None })
}

/// Where the standard deviations of the two sides come from.
#[derive(Clone, Copy)]
enum Spread {
    /// Each side's own.
    Both(f64, f64),
    /// The baseline's, for a current side of one seed.
    Baseline(f64),
    /// The user's statement.
    Prior(f64),
}

impl Spread {
    fn known(then: &Sample, now: &Sample, prior: Option<f64>, least: f64) -> Option<Spread> {
        match (then.std, now.std) {
            (Some(then), Some(now)) => Some(Spread::Both(then.max(least), now.max(least))),
            (Some(then), None) => Some(Spread::Baseline(then.max(least))),
            (None, _) => prior.map(|prior| Spread::Prior(prior.max(least))),
        }
    }

    /// Half-width of the interval of the difference, for so many seeds.
    fn half_width(self, n_then: usize, n_now: usize) -> f64 {
        match self {
            Spread::Both(then, now) => welch_half_width(then, n_then, now, n_now),
            Spread::Baseline(std) if n_now == 1 => single_seed_half_width(std, n_then),
            Spread::Baseline(std) => welch_half_width(std, n_then, std, n_now),
            Spread::Prior(std) => NORMAL_QUANTILE * std * (1.0 / n_then as f64 + 1.0 / n_now as f64).sqrt(),
        }
    }

    fn source(self) -> &'static str {
        match self {
            Spread::Both(..) => "",
            Spread::Baseline(_) => ", spread of the baseline's seeds",
            Spread::Prior(_) => ", spread as stated by --seed-std",
        }
    }
}

fn judge(interval: Interval, spread: Spread, tolerance: f64) -> Comparison {
    let Interval { difference, half_width } = interval;
    let moved = difference.abs() >= tolerance && half_width < difference.abs();
    let verdict = match (moved, difference < 0.0) {
        (true, true) => Verdict::Regressed,
        (true, false) => Verdict::Improved,
        (false, _) if difference.abs() + half_width <= tolerance => Verdict::Unchanged,
        (false, _) => Verdict::Inconclusive,
    };
    let mut detail = format!(
        "{:+.2} points, 95 % interval {:+.2} to {:+.2}, tolerance {:.2}{}",
        100.0 * difference,
        100.0 * interval.low(),
        100.0 * interval.high(),
        100.0 * tolerance,
        spread.source()
    );
    let mut needed = None;
    if verdict == Verdict::Inconclusive {
        let margin = if difference.abs() < tolerance { tolerance - difference.abs() } else { difference.abs() };
        needed = (2..=SEARCH).find(|&n| spread.half_width(n, n) < margin);
        detail.push_str(&needed_text(needed));
    }
    Comparison { verdict, detail, interval: Some(interval), needed }
}

fn needed_text(needed: Option<usize>) -> String {
    match needed {
        Some(n) => format!("; {n} seeds on each side would decide"),
        None => format!("; {SEARCH} seeds on each side would not decide"),
    }
}

/// One seed in the baseline and nothing stated: no interval can be given.
fn unknown_spread(difference: f64, then: &Sample, now: &Sample) -> Comparison {
    let detail = format!(
        "{:+.2} points, but the spread over seeds is unknown ({} in the baseline, {} here); 2 seeds on each side at least, or \
         --seed-std",
        100.0 * difference,
        then.n,
        now.n
    );
    Comparison { verdict: Verdict::Inconclusive, detail, interval: None, needed: Some(2) }
}

/// Compares the rates of collapsed runs; fewer is better.
pub fn rates(baseline: &Runs, current: &Runs) -> Comparison {
    if let Some(repeated) = repetition(baseline, current) {
        return repeated;
    }
    let (then, now) = (rate(baseline), rate(current));
    let (verdict, needed) = if now.exceeds(then) {
        (Verdict::Regressed, None)
    } else if then.exceeds(now) {
        (Verdict::Improved, None)
    } else if then.events + now.events == 0 {
        (Verdict::Unchanged, None)
    } else {
        (Verdict::Inconclusive, trials_needed(then, now))
    };
    let mut detail =
        format!("{} of {} runs collapsed, baseline {} of {}", now.events, now.trials, then.events, then.trials);
    if verdict == Verdict::Inconclusive {
        detail.push_str(&needed_text(needed));
    }
    Comparison { verdict, detail, interval: None, needed }
}

fn rate(runs: &Runs) -> Rate {
    Rate { events: runs.values.values().filter(|run| run.value > 0.0).count(), trials: runs.values.len() }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
