//! The check as JUnit XML: a suite an experiment, a test case a cell.
//!
//! A regression is a failure. What was not decided (inconclusive, missing, new) is skipped, with the reason: a gate that
//! counts it as passed would be green for nothing compared. No times are written, so that equal checks give equal files.

use super::{Cell, Check, CheckError, Verdict};
use crate::export::atomic;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::path::Path;

/// Writes the file.
pub fn write(path: &Path, check: &Check) -> Result<(), CheckError> {
    atomic::write(path, text(check)?.as_bytes()).map_err(CheckError::file(path))
}

/// The XML.
pub fn text(check: &Check) -> Result<String, CheckError> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for cell in &check.cells {
        let experiment = cell.key.slot.experiment.as_str();
        let suite = suites.entry(experiment).or_insert_with(|| TestSuite::new(experiment));
        suite.add_test_case(case(cell));
    }
    let mut report = Report::new("repro check");
    report.add_test_suites(suites.into_values());
    report.to_string().map_err(CheckError::Junit)
}

fn case(cell: &Cell) -> TestCase {
    let mut case = TestCase::new(cell.short_label(), status(cell));
    case.set_classname(format!("{}.{}", cell.key.slot.experiment, cell.key.slot.checkpoint));
    case.set_system_out(cell.detail());
    case
}

fn status(cell: &Cell) -> TestCaseStatus {
    let (mut status, kind) = match cell.verdict() {
        Some(Verdict::Improved | Verdict::Unchanged) => return TestCaseStatus::success(),
        Some(Verdict::Regressed) => (TestCaseStatus::non_success(NonSuccessKind::Failure), "regressed"),
        Some(Verdict::Inconclusive) => (TestCaseStatus::skipped(), "inconclusive"),
        None => (TestCaseStatus::skipped(), "not compared"),
    };
    status.set_type(kind).set_message(format!("{kind}: {}", cell.detail()));
    status
}
