//! Which records belong together: the runs of one experiment that differ in nothing but hyperparameters and seed.
//!
//! Runs on other rows (`--limit`, a partial file, another release), by another engine or at another task version are
//! groups of their own, so that nothing is averaged over a difference that is not said; so are runs that read a frozen encoder,
//! each kind of features apart, that have a BiLSTM under the head, and that find answers by a beam search. Where the experiment chooses none of its runs
//! (`select: none`), each recipe is a group too: nothing stands for the grid.

use crate::family::Baseline;
use crate::record::Record;
use crate::spec::Select;
use crate::spec::recipe::SpanHead;
use crate::task::{self, FeatureBased, FeatureKind, TASKS, Task};
use std::collections::BTreeMap;

/// What the runs of a group have in common. The order is that of table rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct System {
    /// Experiment name.
    pub experiment: String,
    /// Checkpoint.
    pub checkpoint: String,
    /// Random weights instead of the checkpoint's.
    pub untrained: bool,
    /// A system without an encoder.
    pub baseline: Option<Baseline>,
    /// The task whose model it started from; `None` where that was the checkpoint.
    pub start_from: Option<String>,
    /// Neighbouring sentences that a tagged one was read with, on each side.
    pub context_sentences: usize,
    /// How a frozen encoder was read; `None` where it was fine-tuned.
    pub features: Option<FeatureBased>,
    /// Layers of a BiLSTM between an encoder that was fine-tuned and its head; 0 for none.
    pub bilstm_layers: usize,
    /// What finds answers' spans; the simple one where there are none.
    pub span_head: SpanHead,
    /// Examples of the batches that coefficients are averaged over; 0 for whole splits.
    pub metric_batch_size: usize,
    /// `--limit`.
    pub limit: Option<usize>,
    /// Engine and arithmetic: `reference f32`.
    pub engine: String,
}

impl System {
    fn of(record: &Record) -> System {
        System {
            experiment: record.experiment.clone(),
            checkpoint: record.checkpoint.clone(),
            untrained: record.untrained,
            baseline: record.baseline,
            start_from: record.recipe.start_from.clone(),
            context_sentences: record.recipe.context_sentences,
            features: record.recipe.feature_based(),
            bilstm_layers: record.recipe.bilstm_layers,
            span_head: record.recipe.span_head,
            metric_batch_size: record.recipe.metric_batch_size,
            limit: record.limit,
            engine: format!("{} {}", record.provenance.engine, record.provenance.dtype),
        }
    }

    /// What of a frozen encoder was read; `None` where it was fine-tuned.
    pub fn feature_kind(&self) -> Option<FeatureKind> {
        self.features.map(|how| how.kind)
    }

    /// Whether answers' spans are found by a beam search.
    pub fn searches_beams(&self) -> bool {
        self.span_head == SpanHead::Beam
    }

    /// Whether a published row is of this system: its baseline, or its checkpoint under an encoder of its own.
    pub fn is_of(&self, model_key: Option<&str>, baseline: Option<Baseline>) -> bool {
        self.baseline == baseline && (baseline.is_some() || model_key == Some(self.checkpoint.as_str()))
    }

    /// The row's label: the checkpoint, and what sets it apart.
    pub fn label(&self) -> String {
        let apart = [
            self.untrained.then(|| "untrained".to_string()),
            self.baseline.map(|baseline| baseline.to_string()),
            self.start_from.as_ref().map(|task| format!("from {task}")),
            (self.context_sentences > 0).then(|| format!("context {}", self.context_sentences)),
            self.features.map(|how| format!("features: {}", how.kind)),
            (self.bilstm_layers > 0).then(|| format!("BiLSTM of {}", self.bilstm_layers)),
            self.searches_beams().then(|| "span head: beam".to_string()),
            (self.metric_batch_size > 0).then(|| format!("coefficients over batches of {}", self.metric_batch_size)),
            self.limit.map(|rows| format!("limit {rows}")),
        ];
        [Some(self.checkpoint.clone())].into_iter().chain(apart).flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Which rows a group was trained and scored on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Data {
    /// Repository, or `folder`.
    pub repository: String,
    /// Splits whose release is not `official`: name and release.
    pub releases: Vec<(String, String)>,
    /// Task version.
    pub version: u32,
}

impl Data {
    fn of(record: &Record) -> Data {
        let odd = record.splits.iter().filter(|split| split.release != "official");
        Data {
            repository: record.data.clone(),
            releases: odd.map(|split| (split.split.clone(), split.release.clone())).collect(),
            version: record.task_version,
        }
    }
}

/// Runs of one system on one task and data.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// What they have in common.
    pub system: System,
    /// Task.
    pub task: &'static Task,
    /// Data.
    pub data: Data,
    /// How one of the runs is chosen, as their records have it; `None` where none has, or where they disagree.
    pub select: Option<Select>,
    /// The records, in the order in which they were given.
    pub records: Vec<&'a Record>,
}

impl Group<'_> {
    /// Whether the rows are those of the task's own repository or of the official files.
    pub fn has_own_rows(&self) -> bool {
        self.task.has_own_rows(&self.data.repository)
    }
}

/// Records by system, then task in the order of [`TASKS`], then data. Records of tasks this program does not know are
/// left out; they are counted in the result.
pub fn groups(records: &[Record]) -> (Vec<Group<'_>>, usize) {
    let mut found: BTreeMap<(System, usize, Data), Vec<&Record>> = BTreeMap::new();
    let mut unknown = 0;
    for record in records {
        match TASKS.iter().position(|task| task.name == record.task) {
            Some(index) => found.entry((System::of(record), index, Data::of(record))).or_default().push(record),
            None => unknown += 1,
        }
    }
    (
        found
            .into_iter()
            .flat_map(|((system, index, data), records)| divided(system, &TASKS[index], data, records))
            .collect(),
        unknown,
    )
}

/// One group; where nothing is chosen, one a recipe.
fn divided<'a>(system: System, task: &'static Task, data: Data, records: Vec<&'a Record>) -> Vec<Group<'a>> {
    let select = recorded_rule(&records);
    let parts = if select == Some(Select::None) { by_recipe(records) } else { vec![records] };
    let group = |records| Group { system: system.clone(), task, data: data.clone(), select, records };
    parts.into_iter().map(group).collect()
}

/// The rule of all records that have one. Records from before it was kept follow the others of their experiment.
fn recorded_rule(records: &[&Record]) -> Option<Select> {
    let mut rules = records.iter().filter_map(|record| record.select);
    let first = rules.next()?;
    rules.all(|rule| rule == first).then_some(first)
}

fn by_recipe(records: Vec<&Record>) -> Vec<Vec<&Record>> {
    let mut parts: Vec<Vec<&Record>> = Vec::new();
    for record in records {
        match parts.iter_mut().find(|part| part[0].recipe == record.recipe) {
            Some(part) => part.push(record),
            None => parts.push(vec![record]),
        }
    }
    parts
}

/// The task whose dev splits have that key in published tables.
pub fn task_of_claim(key: &str) -> Option<&'static Task> {
    let mut splits = TASKS.iter().flat_map(|task| task.splits.iter().map(move |split| (task, split)));
    splits.find(|(_, split)| split.claim == key).map(|(task, _)| task).or_else(|| task::find(key))
}
