//! The regression gate: records against `reports/baseline.csv`, cell by cell, by intervals over seeds.
//!
//! A cell is a (experiment, checkpoint, task, metric) with one recipe, data release, limit and engine; its numbers differ
//! in the seed alone. What has another identity is never compared: the baseline's cell is then missing, and the reason
//! says what differs. Collapsed runs are left out of means, compared as a rate of their own, and named.
//!
//! [`check`] is pure. `cli` reads, prints, and turns the result into an exit code.

pub mod baseline;
mod cell;
pub mod github;
pub mod junit;
mod rate;
pub mod records;
mod statistics;
pub mod table;
mod update;
mod verdict;

pub use baseline::Baseline;
pub use cell::{Identity, Key, RunValue, Runs, Slot};
pub use statistics::{Interval, Sample};
pub use update::{UpdateRule, Updated, update};
pub use verdict::{Comparison, Rule, Verdict};

use crate::record::{Record, Status};
use baseline::Row;
use cell::COLLAPSED;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Why records and baseline could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file or folder could not be read or written.
    #[error("`{path}`: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A record is none.
    #[error("record `{path}`: {message}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The baseline has a mistake.
    #[error("{path}:{line}: {message}")]
    Baseline {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// A row could not be put together.
    #[error("baseline: {0}")]
    Csv(csv::Error),
    /// The JUnit file could not be put together.
    #[error("JUnit report: {0}")]
    Junit(quick_junit::SerializeError),
}

impl CheckError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> CheckError {
        let path = path.to_path_buf();
        move |error| CheckError::File { path, error }
    }
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is on both sides.
    Compared(Comparison),
    /// It is in the baseline alone, for this reason.
    Missing(String),
    /// It is in the records alone.
    New,
}

/// A cell of either side.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Place and identity.
    pub key: Key,
    /// The baseline's numbers, and the line they stand in.
    pub baseline: Option<(Sample, u64)>,
    /// The records' numbers.
    pub current: Option<Sample>,
    /// What became of it.
    pub outcome: Outcome,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// Every cell of the baseline and of the records, in order.
    pub cells: Vec<Cell>,
    /// Collapsed, diverged and failed runs, a line each.
    pub named: Vec<String>,
}

impl Check {
    /// The cells with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(move |cell| cell.verdict() == Some(verdict))
    }

    /// Cells that were compared, whatever came out.
    pub fn compared(&self) -> usize {
        self.cells.iter().filter(|cell| cell.verdict().is_some()).count()
    }
}

impl Cell {
    /// The verdict, if it was compared.
    pub fn verdict(&self) -> Option<Verdict> {
        match &self.outcome {
            Outcome::Compared(comparison) => Some(comparison.verdict),
            Outcome::Missing(_) | Outcome::New => None,
        }
    }

    /// `glue · owner/name · mrpc · mrpc.f1 · lr 2e-5 batch 32 epochs 3 #0123abcd`
    pub fn label(&self) -> String {
        let Slot { experiment, checkpoint, .. } = &self.key.slot;
        format!("{experiment} · {checkpoint} · {}", self.short_label())
    }

    /// The label without experiment and checkpoint.
    pub fn short_label(&self) -> String {
        format!("{}.{} · {}", self.key.slot.claim, self.key.slot.metric, self.key.identity.recipe)
    }

    /// Why the outcome is what it is, for people.
    pub fn detail(&self) -> &str {
        match &self.outcome {
            Outcome::Compared(comparison) => &comparison.detail,
            Outcome::Missing(reason) => reason,
            Outcome::New => "not in the baseline",
        }
    }
}

/// Compares. `prior_std` is the spread over seeds to assume where the baseline has one seed.
pub fn check(records: &[Record], baseline: &Baseline, prior_std: Option<f64>) -> Check {
    let current = cell::cells(records);
    let keys: BTreeSet<&Key> = baseline.rows.keys().chain(current.keys()).collect();
    let cell = |key: &&Key| Cell {
        key: (*key).clone(),
        baseline: baseline.rows.get(key).and_then(|row| Some((Sample::of(&row.runs.numbers())?, row.line))),
        current: current.get(key).and_then(|runs| Sample::of(&runs.numbers())),
        outcome: outcome(key, baseline.rows.get(key), &current, records, prior_std),
    };
    Check { cells: keys.iter().map(cell).collect(), named: records.iter().filter_map(named).collect() }
}

fn outcome(
    key: &Key,
    row: Option<&Row>,
    current: &BTreeMap<Key, Runs>,
    records: &[Record],
    prior_std: Option<f64>,
) -> Outcome {
    let (Some(row), runs) = (row, current.get(key)) else { return Outcome::New };
    let rule = Rule { tolerance: row.tolerance, prior_std };
    let comparison = match runs {
        Some(runs) if key.slot.metric == COLLAPSED => Some(verdict::rates(&row.runs, runs)),
        Some(runs) => verdict::scores(&row.runs, runs, &rule),
        None => None,
    };
    comparison.map_or_else(|| Outcome::Missing(why_missing(key, current, records)), Outcome::Compared)
}

/// The nearest reason for a cell of the baseline to have no record.
fn why_missing(key: &Key, current: &BTreeMap<Key, Runs>, records: &[Record]) -> String {
    let place = cell::slot_of_run(&key.slot);
    let here: Vec<&Record> =
        records.iter().filter(|record| cell::slot(record, &record.task, COLLAPSED) == place).collect();
    let same = |record: &&&Record| Identity::of(record) == key.identity;
    if let Some(reason) = here.iter().filter(same).find_map(|record| bad_end(&record.status)) {
        return format!("no run has a score: {reason}");
    }
    if here.iter().any(|record| same(&record)) {
        return "its runs have no value of this metric".to_string();
    }
    let others = current.keys().filter(|other| other.slot == key.slot);
    let differences = others.map(|other| key.identity.differences(&other.identity)).min_by_key(String::len);
    let failed = || Some(format!("no run has a score: {}", here.iter().find_map(|record| bad_end(&record.status))?));
    differences.map(|text| format!("not compared: {text}")).or_else(failed).unwrap_or("no record".to_string())
}

/// What a run came to that has no score.
fn bad_end(status: &Status) -> Option<String> {
    match status {
        Status::Finished => None,
        Status::Collapsed(reason) => Some(format!("collapsed: {reason}")),
        Status::Diverged(step) => Some(format!("diverged at step {step}")),
        Status::Failed(message) => Some(format!("failed: {message}")),
    }
}

fn named(record: &Record) -> Option<String> {
    let end = bad_end(&record.status)?;
    Some(format!("{} · {} · seed {} · run {}: {end}", record.checkpoint, record.task, record.seed, record.id))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
