//! Records: what one run was and what came out, as one small JSON file. Every reader downstream reads only these.
//!
//! [`Store`] is a folder of them, [`lock`] keeps two processes from working the same run. A record is written once,
//! when its run ends, and never edited; a repeated run replaces it whole.

mod lock;
mod number;
mod store;

pub use lock::{Lock, lock};
pub use store::{Listing, RecordError, Store, read};

use crate::family::Baseline;
use crate::fetch::Fetched;
use crate::score::Metric;
use crate::spec::Select;
use crate::spec::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// Format number of record files.
pub const FORMAT: u32 = 1;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Trained and scored.
    Finished,
    /// Trained and scored, but it learned nothing; the reason is said (`one class predicted`, …).
    Collapsed(String),
    /// The loss became NaN or infinite, at this step.
    Diverged(u64),
    /// It could not be run; the message is the error's.
    Failed(String),
}

/// A score of one evaluation split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedScore {
    /// Split name on the hub: `validation_matched`.
    pub split: String,
    /// Task key of published tables: `mnli_m`.
    pub claim: String,
    /// Metric.
    pub metric: Metric,
    /// Value as a fraction; `None` where undefined.
    pub value: Option<f64>,
    /// 95 % bootstrap interval over the split's examples (sampling of examples only, not of seeds).
    pub interval: Option<(f64, f64)>,
    /// Examples scored.
    pub examples: usize,
}

/// What was cut when a split was encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodingReport {
    /// Split name.
    pub split: String,
    /// Examples of the split.
    pub examples: usize,
    /// Sequences (windows for SQuAD).
    pub sequences: usize,
    /// Tokens, special ones included.
    pub tokens: u64,
    /// Examples that lost tokens.
    pub truncated: usize,
    /// SQuAD training: answerable questions whose answer is in no window.
    pub answers_lost: usize,
}

/// Rows of a split, and what they were proven to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitReport {
    /// Split name.
    pub split: String,
    /// Rows used.
    pub rows: usize,
    /// `official`, the name of another release, `partial file NAME`, `limited to N rows`, …
    pub release: String,
}

/// A dev evaluation during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: f64,
    /// Split name.
    pub split: String,
    /// Mean loss over the split's sequences; not finite where a run diverged.
    #[serde(with = "number")]
    pub loss: f64,
    /// Metric names and values.
    pub scores: Vec<(Metric, Option<f64>)>,
}

/// What computed the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Version of this program.
    pub version: String,
    /// Git commit of the source tree, where it is known.
    pub commit: Option<String>,
    /// Whether the tree had uncommitted changes.
    pub dirty: Option<bool>,
    /// Engine name: `fast`, `reference`.
    pub engine: String,
    /// Device kind and name: `cpu (2 threads, …)`.
    pub device: String,
    /// Arithmetic: `f32`.
    pub dtype: String,
    /// Versions of the libraries that could move a number.
    pub libraries: Vec<(String, String)>,
}

/// Times and sizes; never part of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Seconds of training steps, of every process that worked on the run; evaluations and snapshots come on top.
    pub train_seconds: f64,
    /// Seconds of the whole run; of a resumed one, since it was resumed.
    pub total_seconds: f64,
    /// Real tokens per second of the training steps; not finite where there was no step.
    #[serde(with = "number")]
    pub tokens_per_second: f64,
    /// Highest resident memory of the process so far, in bytes.
    pub peak_memory: u64,
    /// When the run ended, RFC 3339, UTC.
    pub finished_at: String,
}

/// One run: what it was, what came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// RunId.
    pub id: String,
    /// Experiment name.
    pub experiment: String,
    /// How the experiment chooses among its runs; `None` in records made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,
    /// Checkpoint as in the spec.
    pub checkpoint: String,
    /// Random weights of the checkpoint's shape instead of its own.
    pub untrained: bool,
    /// A system without an encoder that read with the checkpoint's tokenizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// Task name.
    pub task: String,
    /// Task version.
    pub task_version: u32,
    /// Repository the rows came from, or `folder`.
    pub data: String,
    /// Resolved recipe.
    pub recipe: Recipe,
    /// Seed.
    pub seed: u64,
    /// `--limit`.
    pub limit: Option<usize>,
    /// Id of the run whose model it started from, where that was no checkpoint (`recipe.start_from`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from: Option<String>,
    /// How it ended.
    pub status: Status,
    /// Scores of the dev splits by the kept weights.
    pub scores: Vec<RecordedScore>,
    /// Dev evaluations on the way.
    pub evaluations: Vec<Evaluation>,
    /// Step of the kept weights and steps in all.
    pub kept_step: u64,
    /// Optimizer steps of the run.
    pub total_steps: u64,
    /// Step it was resumed from; 0 when it never was.
    pub resumed_from_step: u64,
    /// Rows of each split.
    pub splits: Vec<SplitReport>,
    /// What encoding cut.
    pub encoding: Vec<EncodingReport>,
    /// Files used, with revision and digest.
    pub files: Vec<Fetched>,
    /// What computed it.
    pub provenance: Provenance,
    /// Times and sizes.
    pub cost: Cost,
}

impl Record {
    /// Whether the run was trained and scored; a collapsed one was.
    pub fn scored(&self) -> bool {
        matches!(self.status, Status::Finished | Status::Collapsed(_))
    }

    /// The score of a claim's task key in a metric.
    pub fn score(&self, claim: &str, metric: Metric) -> Option<&RecordedScore> {
        self.scores.iter().find(|score| score.claim == claim && score.metric == metric)
    }
}
