//! An experiment multiplied out into runs. Pure: no network, no tensors.

pub mod steps;

use crate::spec::recipe::Recipe;
use crate::task::Task;
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
}

/// One fine-tuning, complete.
#[derive(Clone, Debug)]
pub struct Run {
    /// Stable identity.
    pub id: RunId,
    /// Name of the experiment.
    pub experiment: String,
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
    /// Implementation.
    pub engine: EngineKind,
    /// Device kind: `cpu`.
    pub device: String,
    /// Arithmetic: `f32`.
    pub dtype: String,
}

impl Run {
    /// A line for people: `mrpc · owner/name · lr 2e-5 · batch 32 · 3 epochs · seed 1`.
    pub fn label(&self) -> String {
        format!(
            "{} · {} · lr {:e} · batch {} · {} epochs · seed {}",
            self.task.name,
            self.checkpoint.name,
            self.recipe.learning_rate,
            self.recipe.batch_size,
            self.recipe.epochs,
            self.seed
        )
    }
}
