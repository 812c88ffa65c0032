//! Verdicts on samples whose intervals were computed by hand or by scipy.

use super::*;
use crate::check::cell::RunValue;

/// Runs of seeds 1, 2, …; equal `version`s are equal runs.
fn runs(version: &str, values: &[f64]) -> Runs {
    let run = |(seed, &value): (u64, &f64)| (seed, RunValue { seed, id: format!("{version}{seed}"), value });
    Runs { values: (1..).zip(values).map(run).collect(), examples: 408, commits: vec![version.into()] }
}

fn compared(then: &[f64], now: &[f64], tolerance: f64) -> Comparison {
    scores(&runs("a", then), &runs("b", now), &Rule { tolerance, prior_std: None }).unwrap()
}

#[test]
fn a_fall_beyond_chance_and_tolerance_is_a_regression() {
    // scipy.stats.ttest_ind([.80,.81,.82], [.85,.86,.87], equal_var=False).confidence_interval(): (-0.072670, -0.027330)
    let found = compared(&[0.85, 0.86, 0.87], &[0.80, 0.81, 0.82], 0.01);
    assert_eq!(found.verdict, Verdict::Regressed);
    let interval = found.interval.unwrap();
    assert!((interval.low() + 0.072670).abs() < 1e-6 && (interval.high() + 0.027330).abs() < 1e-6, "{interval:?}");
    assert_eq!(compared(&[0.80, 0.81, 0.82], &[0.85, 0.86, 0.87], 0.01).verdict, Verdict::Improved);
}

#[test]
fn a_difference_within_the_tolerance_beyond_doubt_is_none() {
    // d = 0.001, s = 0.001 each, n = 3: half-width 2.7764 * 0.001 * sqrt(2/3) = 0.00227, within 0.01
    let found = compared(&[0.850, 0.851, 0.852], &[0.851, 0.852, 0.853], 0.01);
    assert_eq!(found.verdict, Verdict::Unchanged, "{}", found.detail);
}

#[test]
fn too_few_seeds_are_inconclusive_and_say_how_many_would_do() {
    // d = -0.02, s = 0.02 each, tolerance 0.01: t(0.975, 2n-2) * 0.02 * sqrt(2/n) < 0.02 first holds at n = 9:
    // n = 8: 2.1448 * 0.01 = 0.02145; n = 9: 2.1199 * 0.009428 = 0.01999
    let found = compared(&[0.84, 0.86, 0.88], &[0.82, 0.84, 0.86], 0.01);
    assert_eq!((found.verdict, found.needed), (Verdict::Inconclusive, Some(9)), "{}", found.detail);
}

#[test]
fn the_same_run_with_the_same_value_is_unchanged_with_one_seed() {
    let rule = Rule { tolerance: 0.01, prior_std: None };
    let mut now = runs("a", &[0.85]);
    assert_eq!(scores(&runs("a", &[0.85]), &now, &rule).unwrap().verdict, Verdict::Unchanged);
    now.values.get_mut(&1).unwrap().value = 0.8500000000000001;
    assert_eq!(scores(&runs("a", &[0.85]), &now, &rule).unwrap().verdict, Verdict::Inconclusive);
}

#[test]
fn a_part_of_the_runs_repeated_exactly_says_which_part() {
    let rule = Rule { tolerance: 0.01, prior_std: None };
    let found = scores(&runs("a", &[0.85, 0.86]), &runs("a", &[0.85]), &rule).unwrap();
    assert_eq!(found.verdict, Verdict::Unchanged);
    assert!(found.detail.starts_with("1 of 2 runs"), "{}", found.detail);
}

#[test]
fn one_seed_against_one_is_inconclusive_unless_a_spread_is_stated() {
    let found = compared(&[0.85], &[0.50], 0.01);
    assert_eq!((found.verdict, found.interval, found.needed), (Verdict::Inconclusive, None, Some(2)));
    // 1.96 * 0.01 * sqrt(2) = 0.0277 < 0.05
    let rule = Rule { tolerance: 0.01, prior_std: Some(0.01) };
    assert_eq!(scores(&runs("a", &[0.85]), &runs("b", &[0.80]), &rule).unwrap().verdict, Verdict::Regressed);
}

#[test]
fn one_seed_is_held_against_the_spread_of_the_baseline() {
    // s = 0.01, n = 3: 4.3027 * 0.01 * sqrt(4/3) = 0.0497
    assert_eq!(compared(&[0.84, 0.85, 0.86], &[0.81], 0.01).verdict, Verdict::Inconclusive);
    assert_eq!(compared(&[0.84, 0.85, 0.86], &[0.80], 0.01).verdict, Verdict::Regressed);
}

#[test]
fn seeds_that_agree_by_the_coarseness_of_the_split_are_not_certain() {
    // 71 examples: least spread 1/(71 √12) = 0.004066; n = 2: 4.3027 * 0.004066 = 0.01749 > 1/71 = 0.01408
    let coarse = |version, value| Runs { examples: 71, ..runs(version, &[value, value]) };
    let rule = Rule { tolerance: 0.01, prior_std: None };
    let found = scores(&coarse("a", 40.0 / 71.0), &coarse("b", 39.0 / 71.0), &rule).unwrap();
    assert_eq!(found.verdict, Verdict::Inconclusive, "{}", found.detail);
}

#[test]
fn collapsed_runs_are_compared_as_a_rate() {
    let verdict = |then: &[f64], now: &[f64]| rates(&runs("a", then), &runs("b", now));
    assert_eq!(verdict(&[0.0; 4], &[1.0; 4]).verdict, Verdict::Regressed);
    assert_eq!(verdict(&[1.0; 4], &[0.0; 4]).verdict, Verdict::Improved);
    assert_eq!(verdict(&[0.0; 2], &[0.0; 5]).verdict, Verdict::Unchanged);
    let some = verdict(&[0.0; 3], &[0.0, 1.0, 0.0]);
    assert_eq!(some.verdict, Verdict::Inconclusive);
    assert!(some.detail.starts_with("1 of 3 runs collapsed, baseline 0 of 3"), "{}", some.detail);
}
