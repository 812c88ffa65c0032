//! `--update`: the records become the baseline, and the file says why.
//!
//! A cell of the records replaces the baseline's, its tolerance stays. Cells without a record stay as they are, so that
//! part of the tasks can be updated; `prune` drops those of the same experiments.

use super::baseline::{Baseline, Row};
use super::cell::{COLLAPSED, Key, cells};
use crate::record::Record;
use std::collections::BTreeSet;

/// What an update is told.
#[derive(Clone, Debug)]
pub struct UpdateRule<'a> {
    /// Why; white space is reduced to single spaces, so that it stays one line.
    pub reason: &'a str,
    /// Smallest change that matters, for new cells.
    pub tolerance: f64,
    /// Drop the cells of the experiments in the records that have no record.
    pub prune: bool,
}

/// How many cells an update touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Cells that were not there.
    pub added: usize,
    /// Cells whose runs changed.
    pub changed: usize,
    /// Cells dropped.
    pub dropped: usize,
}

/// Moves the records into the baseline; a reason is added when a cell moved.
pub fn update(baseline: &mut Baseline, records: &[Record], rule: &UpdateRule) -> Updated {
    let mut updated = Updated::default();
    let current = cells(records);
    if rule.prune {
        let experiments: BTreeSet<&String> = current.keys().map(|key| &key.slot.experiment).collect();
        let before = baseline.rows.len();
        let keep = |key: &Key| current.contains_key(key) || !experiments.contains(&key.slot.experiment);
        baseline.rows.retain(|key, _| keep(key));
        updated.dropped = before - baseline.rows.len();
    }
    for (key, runs) in current {
        let old = baseline.rows.get(&key);
        // A rate has no tolerance: it moves when chance does not explain it.
        let new_tolerance = if key.slot.metric == COLLAPSED { 0.0 } else { rule.tolerance };
        let row = Row { runs, tolerance: old.map_or(new_tolerance, |old| old.tolerance), line: 0 };
        match old {
            None => updated.added += 1,
            Some(old) if old.runs != row.runs => updated.changed += 1,
            Some(_) => {}
        }
        baseline.rows.insert(key, row);
    }
    if updated != Updated::default() {
        baseline.reasons.push(rule.reason.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    updated
}
