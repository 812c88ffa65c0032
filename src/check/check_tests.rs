//! Whole checks on made-up records: what is compared, what is refused, what is named.

use super::*;
use crate::export::sample::record;

fn baseline(records: &[Record]) -> Baseline {
    let mut baseline = Baseline::default();
    update(&mut baseline, records, &UpdateRule { reason: "a first\nbaseline", tolerance: 0.01, prune: false });
    baseline
}

fn seeds(values: &[f64]) -> Vec<Record> {
    (1..).zip(values).map(|(seed, &value)| record(seed, value)).collect()
}

/// Records of the same seeds that are not the same runs, as after a change that moves every RunId.
fn renamed(mut records: Vec<Record>) -> Vec<Record> {
    records.iter_mut().for_each(|record| record.id = format!("b{}", record.id));
    records
}

fn cell<'a>(check: &'a Check, metric: &str) -> &'a Cell {
    check.cells.iter().find(|cell| cell.key.slot.metric == metric).unwrap()
}

#[test]
fn records_held_against_themselves_are_unchanged() {
    let records = seeds(&[0.85, 0.86, 0.87]);
    let found = check(&records, &baseline(&records), None);
    assert_eq!(found.headline(), "2 unchanged");
    assert_eq!(cell(&found, "f1").detail(), "all 3 runs give the same values to the last bit, by the same code");
}

#[test]
fn a_regression_is_found_beside_healthy_rates() {
    let found = check(&renamed(seeds(&[0.80, 0.81, 0.82])), &baseline(&seeds(&[0.85, 0.86, 0.87])), None);
    assert_eq!(found.headline(), "1 regressed, 1 unchanged");
    assert_eq!(cell(&found, "f1").detail(), "-5.00 points, 95 % interval -7.27 to -2.73, tolerance 1.00");
}

#[test]
fn another_recipe_is_never_compared_and_the_difference_is_said() {
    let mut records = seeds(&[0.10, 0.11, 0.12]);
    records.iter_mut().for_each(|record| record.limit = Some(64));
    let found = check(&records, &baseline(&seeds(&[0.85, 0.86, 0.87])), None);
    assert_eq!((found.compared(), found.headline().as_str()), (0, "2 missing, 2 new"));
    assert!(found.cells.iter().any(|cell| cell.detail() == "not compared: limit `64`, baseline `none`"));
}

#[test]
fn collapsed_runs_are_no_part_of_the_mean_and_are_named() {
    let mut records = renamed(seeds(&[0.85, 0.81, 0.87]));
    records[1].status = Status::Collapsed("one class predicted".into());
    let found = check(&records, &baseline(&seeds(&[0.85, 0.86, 0.87])), None);
    assert_eq!(cell(&found, "f1").current.unwrap().n, 2);
    assert!(cell(&found, "collapsed").detail().starts_with("1 of 3 runs collapsed, baseline 0 of 3; "));
    assert_eq!(
        found.named,
        ["owner/tiny: \"x\" · mrpc · seed 2 · run b0000000000000002: collapsed: one class predicted"]
    );
}

#[test]
fn a_cell_without_a_score_says_how_its_runs_ended() {
    let mut records = seeds(&[0.85]);
    records[0].status = Status::Failed("`train` is absent".into());
    let found = check(&records, &baseline(&seeds(&[0.85])), None);
    assert_eq!(found.compared(), 0);
    assert_eq!(cell(&found, "f1").detail(), "no run has a score: failed: `train` is absent");
    assert_eq!(cell(&check(&[], &baseline(&seeds(&[0.85])), None), "f1").detail(), "no record");
}

#[test]
fn an_update_keeps_tolerances_and_cells_without_a_record() {
    let mut baseline = baseline(&seeds(&[0.85]));
    assert_eq!(baseline.reasons, ["a first baseline"]);
    baseline.rows.values_mut().for_each(|row| row.tolerance = 0.02);
    let mut records = seeds(&[0.86]);
    let mut rule = UpdateRule { reason: "better", tolerance: 0.01, prune: false };
    assert_eq!(update(&mut baseline, &records, &rule), Updated { added: 0, changed: 1, dropped: 0 });
    assert!(baseline.rows.values().all(|row| row.tolerance == 0.02));
    records[0].limit = Some(64);
    assert_eq!(update(&mut baseline, &records, &rule).added, 2);
    assert_eq!(baseline.rows.len(), 4);
    rule.prune = true;
    assert_eq!(update(&mut baseline, &records, &rule), Updated { added: 0, changed: 0, dropped: 2 });
}

#[test]
fn an_update_that_changes_nothing_needs_no_reason_in_the_log() {
    let mut baseline = baseline(&seeds(&[0.85]));
    let again = UpdateRule { reason: "again", tolerance: 0.01, prune: true };
    assert_eq!(update(&mut baseline, &seeds(&[0.85]), &again), Updated::default());
    assert_eq!(baseline.reasons.len(), 1);
}

#[test]
fn the_gate_speaks_to_github_at_the_line_of_the_cell() {
    let mut baseline = baseline(&seeds(&[0.85, 0.86, 0.87]));
    baseline.rows.values_mut().for_each(|row| row.line = 7);
    let found = check(&renamed(seeds(&[0.80, 0.81, 0.82])), &baseline, None);
    let lines = github::annotations(&found, "reports/baseline.csv");
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("::error file=reports/baseline.csv,line=7,title=regressed mrpc.f1 · lr 2e-5 "),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("-5.00 points, 95 %25 interval -7.27 to -2.73, tolerance 1.00"), "{lines:?}");
    let summary = github::summary(&found);
    assert!(
        summary.contains("**1 regressed, 1 unchanged**")
            && summary.contains("| 86.00 ± 1.00 (n 3) | 81.00 ± 1.00 (n 3) |")
    );
}
