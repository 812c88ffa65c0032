//! An experiment multiplied out into runs. Pure: no network, no tensors.
//!
//! `resolve` fills a recipe (spec, then preset) and remembers where each value came from; `expand` multiplies checkpoints,
//! tasks, grid and seeds; `identity` gives each run its id; `only` narrows; `steps` counts; `values` lists every
//! resolved value with its source.

pub mod expand;
mod identity;
mod only;
mod resolve;
mod start;
pub mod steps;
mod values;

pub use expand::{expand, steps};

use crate::family::Baseline;
use crate::spec::Select;
use crate::spec::pins::Pins;
use crate::spec::recipe::{Recipe, SpanHead};
use crate::task::{Head, Task};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Digest of everything that could move a run's score: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pretrained model: `owner/name` on the hub, or a folder with `config.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// As written in the spec.
    pub name: String,
    /// Revision from the spec, else from `data/pins.yaml`, else `None` (the hub's `main`).
    pub revision: Option<String>,
    /// Random weights of the checkpoint's shape instead of its own, for the untrained row of a table.
    pub untrained: bool,
    /// A system without an encoder that reads with its tokenizer, for a baseline's row.
    pub baseline: Option<Baseline>,
}

/// Where a run's rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// Repository on the hub: the task's own, or another one in the same schema.
    pub repository: String,
    /// Revision from the spec, else from `data/pins.yaml`.
    pub revision: Option<String>,
    /// Split name to file: a path in the repository, or a local path beginning with `./`, `../` or `/`.
    /// Splits not named here are at their usual place ([`Task::split_file`]).
    pub files: BTreeMap<String, String>,
    /// Folder with the original GLUE TSV or SQuAD JSON files, instead of the hub.
    pub folder: Option<PathBuf>,
}

/// Which implementation computes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineKind {
    /// The plain one, in candle.
    Reference,
    /// The hand-written one.
    Fast,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [EngineKind; 2] = [EngineKind::Fast, EngineKind::Reference];

    /// The one of a name.
    pub fn of(name: &str) -> Option<EngineKind> {
        EngineKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Name in flags, run ids and records.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Reference => "reference",
            EngineKind::Fast => "fast",
        }
    }
}

/// The device that is always there.
pub const CPU: &str = "cpu";

/// What the command line adds to an experiment.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--only`, as written.
    pub only: Vec<String>,
    /// `--seeds N`: seeds 1 to N instead of the file's.
    pub seeds: Option<u64>,
    /// `--limit N`.
    pub limit: Option<usize>,
    /// Implementation.
    pub engine: EngineKind,
    /// Whether `--engine` named it.
    pub engine_given: bool,
    /// Device: [`CPU`] or `cuda:N`.
    pub device: String,
    /// Whether `--device` named it.
    pub device_given: bool,
    /// Arithmetic: `f32` or `bf16`.
    pub dtype: String,
    /// Whether `--dtype` named it.
    pub dtype_given: bool,
    /// Known revisions and digests.
    pub pins: Pins,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            only: Vec::new(),
            seeds: None,
            limit: None,
            engine: EngineKind::Fast,
            engine_given: false,
            device: CPU.into(),
            device_given: false,
            dtype: "f32".into(),
            dtype_given: false,
            pins: Pins::default(),
        }
    }
}

/// An experiment multiplied out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the experiment.
    pub experiment: String,
    /// The runs, in the order in which they are run.
    pub runs: Vec<Run>,
    /// Every resolved value and where it came from.
    pub values: Vec<Resolved>,
}

/// A resolved value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// `train.epochs`, `seeds`, …
    pub key: String,
    /// The value, or the values of a grid.
    pub value: String,
    /// `glue.yaml:9`, `preset bert-code: BERT §4.1`, `--set train.epochs=1`, …
    pub source: String,
    /// Tasks it holds for; empty for all.
    pub tasks: Vec<&'static str>,
}

impl Resolved {
    fn new(key: &str, value: impl Into<String>, source: &str) -> Self {
        Resolved { key: key.into(), value: value.into(), source: source.into(), tasks: Vec::new() }
    }
}

/// Why an experiment makes no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// An `--only` that is malformed or matches nothing.
    #[error("--only {argument}: {message}")]
    Only {
        /// The argument.
        argument: String,
        /// Found and expected.
        message: String,
    },
    /// Values that do not go together.
    #[error("the recipe for `{task}` is impossible: {message}")]
    Recipe {
        /// Task.
        task: &'static str,
        /// Found and expected.
        message: String,
    },
    /// Two runs with one id.
    #[error("the same run twice: `{first}` and `{second}`")]
    Duplicate {
        /// Label of the first.
        first: String,
        /// Label of the second.
        second: String,
    },
    /// Fewer examples than a batch under rounding down, say.
    #[error("`{label}` would take 0 steps, expected at least 1 (`train.rounding: up` counts a partial batch)")]
    NoSteps {
        /// Label of the run.
        label: String,
    },
    /// More runs than anyone means.
    #[error("more than {} runs, expected fewer", expand::MAX_RUNS)]
    TooMany,
    /// The filters leave nothing.
    #[error("no run is left, expected at least one that every `--only` matches")]
    Empty,
}

/// One fine-tuning, complete.
#[derive(Clone, Debug)]
pub struct Run {
    /// Stable identity.
    pub id: RunId,
    /// Name of the experiment.
    pub experiment: String,
    /// How the experiment chooses among its runs; no part of the id.
    pub select: Select,
    /// Starting weights.
    pub checkpoint: Checkpoint,
    /// What is learned.
    pub task: &'static Task,
    /// Its rows.
    pub data: DataSource,
    /// How it is learned.
    pub recipe: Recipe,
    /// Seed of every random stream.
    pub seed: u64,
    /// First rows of every split only.
    pub limit: Option<usize>,
    /// Runs of another task, the best of whose models it starts from; none where it starts from its checkpoint.
    pub start_from: Vec<RunId>,
    /// Implementation.
    pub engine: EngineKind,
    /// Device: [`CPU`] or `cuda:N`.
    pub device: String,
    /// Arithmetic: `f32` or `bf16`.
    pub dtype: String,
}

impl Run {
    /// The model's head: the task's own, or what the recipe makes of it.
    pub fn head(&self) -> Head {
        self.recipe.head(self.task)
    }

    /// A line for people: `mrpc · owner/name · lr 2e-5 · batch 32 · 3 epochs · seed 1`.
    pub fn label(&self) -> String {
        let features = self.recipe.features.map(|kind| format!(" · features {kind}")).unwrap_or_default();
        let bilstm = Some(self.recipe.bilstm_layers).filter(|layers| *layers > 0);
        let bilstm = bilstm.map(|layers| format!(" · BiLSTM of {layers}")).unwrap_or_default();
        let beam = if self.recipe.span_head == SpanHead::Beam { " · span head beam" } else { "" };
        let start = self.recipe.start_from.as_ref().map(|task| format!(" · from {task}")).unwrap_or_default();
        let baseline = self.checkpoint.baseline.map(|baseline| format!(" · {baseline}")).unwrap_or_default();
        format!(
            "{} · {}{baseline}{start}{features}{bilstm}{beam} · lr {:e} · batch {} · {} epochs · seed {}",
            self.task.name,
            self.checkpoint.name,
            self.recipe.learning_rate,
            self.recipe.batch_size,
            self.recipe.epochs,
            self.seed
        )
    }
}
