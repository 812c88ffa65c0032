//! Cells: the place of a number in a table, and the identity that decides whether two numbers may be compared.
//!
//! Two runs belong to one cell when they differ in the seed alone. A [`RunId`](crate::plan::RunId) covers the seed too, so
//! the identity is made again here, in parts, so that a refusal can say which part differs. What cannot move a score is
//! left out of it: the preset's name, the distance of snapshots.

use crate::fetch::RepositoryKind;
use crate::record::{Record, Status};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The metric of the cell that counts collapsed and diverged runs (1 for such a run, 0 for a healthy one).
pub const COLLAPSED: &str = "collapsed";

/// Where a number stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Slot {
    /// Experiment name.
    pub experiment: String,
    /// Checkpoint, with ` (untrained)` or ` (bag of words)` after it where its weights were not used.
    pub checkpoint: String,
    /// Task name.
    pub task: String,
    /// Task key of published tables, which tells MNLI's two dev sets apart; the task again for `COLLAPSED`.
    pub claim: String,
    /// Metric name, or `COLLAPSED`.
    pub metric: String,
}

/// What must be equal for two numbers to be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Identity {
    /// Rate, batch and epochs for people, and a digest of the whole recipe.
    pub recipe: String,
    /// Repository, task version, and a digest of the data files and of the rows and release of each split.
    pub data: String,
    /// Digest of the checkpoint's files.
    pub model: String,
    /// `--limit`, or `none`.
    pub limit: String,
    /// Engine, kind of device, arithmetic: `reference/cpu/f32`.
    pub compute: String,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Key {
    /// Its place.
    pub slot: Slot,
    /// What its numbers have in common.
    pub identity: Identity,
}

/// The value of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunValue {
    /// Seed.
    pub seed: u64,
    /// RunId.
    pub id: String,
    /// A fraction; 0 or 1 for `COLLAPSED`.
    pub value: f64,
}

/// The runs of a cell, in the order of their seeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Runs {
    /// Values by seed.
    pub values: BTreeMap<u64, RunValue>,
    /// Examples of the split; 0 for `COLLAPSED`.
    pub examples: usize,
    /// Commits that made them, each once, in order, `unknown` where none is recorded.
    pub commits: Vec<String>,
}

impl Identity {
    /// The identity of a record.
    pub fn of(record: &Record) -> Self {
        let mut recipe = record.recipe.clone();
        recipe.preset.clear();
        recipe.snapshot_steps = 0;
        recipe.micro_batch_size = recipe.batch_size;
        let features = recipe.features.map(|kind| format!(" features {kind}")).unwrap_or_default();
        let (batch, epochs) = (recipe.batch_size, recipe.epochs);
        let summary = format!("lr {:e} batch {batch} epochs {epochs}{features}", recipe.learning_rate);
        let splits: Vec<_> = record.splits.iter().map(|split| (&split.split, split.rows, &split.release)).collect();
        let files = files(record, RepositoryKind::Dataset);
        let provenance = &record.provenance;
        let device = provenance.device.split([' ', ':']).next().unwrap_or_default();
        Identity {
            recipe: format!("{summary} #{}", digest(&recipe)),
            data: format!("{} v{} #{}", record.data, record.task_version, digest(&(files, splits))),
            model: format!("#{}", digest(&(files_of_model(record), record.untrained))),
            limit: record.limit.map_or("none".to_string(), |limit| limit.to_string()),
            compute: format!("{}/{device}/{}", provenance.engine, provenance.dtype),
        }
    }

    /// The parts in which this (the baseline's) and another (the record's) differ, for people.
    pub fn differences(&self, other: &Identity) -> String {
        let parts = [
            ("recipe", &self.recipe, &other.recipe),
            ("data", &self.data, &other.data),
            ("checkpoint files", &self.model, &other.model),
            ("limit", &self.limit, &other.limit),
            ("engine", &self.compute, &other.compute),
        ];
        let differing = parts.iter().filter(|(_, baseline, record)| baseline != record);
        let texts = differing.map(|(name, baseline, record)| format!("{name} `{record}`, baseline `{baseline}`"));
        texts.collect::<Vec<_>>().join("; ")
    }
}

fn files(record: &Record, kind: RepositoryKind) -> BTreeMap<&str, &str> {
    let files = record.files.iter().filter(|file| file.repository.kind == kind);
    files.map(|file| (file.name.as_str(), file.sha256.as_str())).collect()
}

fn files_of_model(record: &Record) -> BTreeMap<&str, &str> {
    files(record, RepositoryKind::Model)
}

/// The first eight hexadecimal digits of the SHA-256 of the value's JSON.
fn digest(value: &impl Serialize) -> String {
    // Numbers, names and maps with text keys always serialise.
    let json = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(&json).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The place of a record's number.
pub fn slot(record: &Record, claim: &str, metric: &str) -> Slot {
    let untrained = if record.untrained { " (untrained)" } else { "" };
    let baseline = record.baseline.map(|baseline| format!(" ({baseline})")).unwrap_or_default();
    Slot {
        experiment: record.experiment.clone(),
        checkpoint: format!("{}{untrained}{baseline}", record.checkpoint),
        task: record.task.clone(),
        claim: claim.to_string(),
        metric: metric.to_string(),
    }
}

/// The place of `COLLAPSED` for the runs that a place belongs to: the same for all their metrics.
pub fn slot_of_run(slot: &Slot) -> Slot {
    Slot { claim: slot.task.clone(), metric: COLLAPSED.to_string(), ..slot.clone() }
}

/// The records as cells. Scores come from finished runs alone; a collapsed or diverged run counts in the cell
/// `COLLAPSED`; a failed one counts nowhere, since it says nothing about training.
pub fn cells(records: &[Record]) -> BTreeMap<Key, Runs> {
    let mut cells: BTreeMap<Key, Runs> = BTreeMap::new();
    for record in records {
        let identity = Identity::of(record);
        for (slot, value, examples) in numbers(record) {
            let key = Key { slot, identity: identity.clone() };
            cells.entry(key).or_default().add(record, value, examples);
        }
    }
    cells
}

/// The numbers of one record: place, value, examples.
fn numbers(record: &Record) -> Vec<(Slot, f64, usize)> {
    let collapsed = |value| (slot(record, &record.task, COLLAPSED), value, 0);
    match &record.status {
        Status::Failed(_) => Vec::new(),
        Status::Collapsed(_) | Status::Diverged(_) => vec![collapsed(1.0)],
        Status::Finished => {
            let scores = record.scores.iter().filter_map(|score| {
                Some((slot(record, &score.claim, score.metric.name()), score.value?, score.examples))
            });
            std::iter::once(collapsed(0.0)).chain(scores).collect()
        }
    }
}

impl Runs {
    /// A second run of one seed (they may differ in what is no part of the identity) is passed over: seeds are counted.
    fn add(&mut self, record: &Record, value: f64, examples: usize) {
        let run = RunValue { seed: record.seed, id: record.id.clone(), value };
        self.values.entry(record.seed).or_insert(run);
        self.examples = examples;
        let commit = record.provenance.commit.clone().unwrap_or("unknown".to_string());
        if let Err(place) = self.commits.binary_search(&commit) {
            self.commits.insert(place, commit);
        }
    }

    /// The values alone.
    pub fn numbers(&self) -> Vec<f64> {
        self.values.values().map(|run| run.value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::sample::record;

    #[test]
    fn seeds_share_a_cell_and_everything_else_makes_another() {
        let mut records = vec![record(1, 0.85), record(2, 0.86)];
        assert_eq!(cells(&records).len(), 2, "f1 and collapsed");
        for change in [
            |record: &mut Record| record.recipe.learning_rate = 3e-5,
            |record: &mut Record| record.limit = Some(64),
            |record: &mut Record| record.splits[0].release = "QNLI v1".into(),
            |record: &mut Record| record.files[0].sha256 = "00".into(),
            |record: &mut Record| record.provenance.device = "cuda:0 (H200)".into(),
            |record: &mut Record| record.task_version = 2,
            |record: &mut Record| record.untrained = true,
        ] {
            change(&mut records[1]);
            assert_eq!(cells(&records).len(), 4);
            records[1] = record(2, 0.86);
        }
    }

    #[test]
    fn what_cannot_move_a_score_is_no_part_of_the_identity() {
        let mut other = record(2, 0.86);
        other.recipe.snapshot_steps = 100;
        other.recipe.micro_batch_size = 4;
        other.recipe.preset = "mine".into();
        other.provenance.device = "cpu (64 threads)".into();
        assert_eq!(Identity::of(&record(1, 0.85)), Identity::of(&other));
    }

    #[test]
    fn a_difference_is_named_part_by_part() {
        let mut other = record(1, 0.85);
        other.limit = Some(64);
        let text = Identity::of(&record(1, 0.85)).differences(&Identity::of(&other));
        assert_eq!(text, "limit `64`, baseline `none`");
    }

    #[test]
    fn a_collapsed_run_has_no_score_and_a_failed_one_nothing() {
        let mut records = vec![record(1, 0.85), record(2, 0.81), record(3, 0.0)];
        records[1].status = Status::Collapsed("one class predicted".into());
        records[2].status = Status::Failed("`train` is absent".into());
        let cells = cells(&records);
        let values = |metric: &str| cells.iter().find(|(key, _)| key.slot.metric == metric).unwrap().1.numbers();
        assert_eq!((values("f1"), values(COLLAPSED)), (vec![0.85], vec![0.0, 1.0]));
    }
}
