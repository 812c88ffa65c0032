//! The schema of a file in `data/published`, read strictly: an unknown or duplicate key is an error with its line.
//!
//! Parts that only people read (`facts`, `dataset_sizes`, `tasks`, …) are kept as they are. Free-form `protocol`
//! entries are a map of texts; the few that decide a comparison (`runs`, `models`, `selection`, `threshold`) are asked
//! by name.

use super::statistic::Statistic;
use super::value::{Values, Word};
use crate::family::Baseline;
use crate::task::FeatureKind;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeMap;

/// One file: a paper or a repository's README.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    pub(super) schema_version: u32,
    /// What was read.
    pub paper: About,
    /// Where it was read: ids that rows point to.
    pub sources: Vec<Source>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Recipes the source states.
    pub hyperparameters: Vec<Hyperparameters>,
    #[serde(default, rename = "facts")]
    _facts: Value,
    #[serde(default, rename = "tasks")]
    _tasks: Value,
    #[serde(default, rename = "dataset_sizes")]
    _dataset_sizes: Value,
    #[serde(default, rename = "files")]
    _files: Value,
    #[serde(default, rename = "checkpoints")]
    _checkpoints: Value,
    /// Remarks on the whole source.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Bibliographic data.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// First part of every reference: `bert`.
    pub key: String,
    /// Title.
    pub title: String,
    /// First author and others.
    pub authors: String,
    /// Year.
    pub year: u32,
    /// arXiv number.
    pub arxiv: Option<String>,
    /// Conference.
    pub venue: Option<String>,
    /// Version of the text.
    pub version_read: Option<String>,
    /// A second arXiv number.
    pub also: Option<String>,
    /// Keys of papers this one only quotes.
    #[serde(default)]
    pub quotes: Vec<String>,
}

/// A copy of the source.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Short id.
    pub id: String,
    /// What it is.
    pub what: String,
    /// Where it lies.
    #[serde(rename = "where")]
    pub place: String,
    /// Digest of the copy.
    pub sha256: Option<String>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Second part of every reference: `bert_t1`.
    pub id: String,
    /// Number in the paper: `Table 1`.
    pub number: String,
    /// What it shows, in our words.
    pub caption: String,
    /// `dev`, `test`, `dev_and_test` or `custom`.
    pub split: String,
    protocol: Mapping,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows.
    pub rows: Vec<Row>,
    /// How the average column is made.
    pub average: Option<Average>,
    /// A remark on the average.
    pub average_note: Option<String>,
}

/// One column; without a task it is descriptive (`what`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Last part of a reference: `mrpc.f1`.
    pub id: String,
    /// Task key: `mnli_m`.
    pub task: Option<String>,
    /// Metric name.
    pub metric: Option<String>,
    /// `percent`, or what else is printed.
    pub unit: String,
    /// `dev` or `test` where the table holds both.
    pub split: Option<String>,
    /// `false` where the source does not name the metric and the usual one is filled in.
    #[serde(default = "yes")]
    pub metric_stated: bool,
    /// `mean`, `median`, `max` or `std` over seeds.
    pub statistic: Option<String>,
    /// What of a frozen encoder the column's systems read; none where they fine-tune.
    pub features: Option<FeatureKind>,
    /// What a column without a task says.
    pub what: Option<String>,
    /// Training rows as printed above the column.
    pub train_size_printed: Option<String>,
    /// A remark.
    pub note: Option<String>,
}

/// How near the named download is to what the authors ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelMatch {
    /// Measured on that download.
    Exact,
    /// The nearest download to the authors' weights.
    Counterpart,
}

/// One system's figures.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Third part of every reference.
    pub system: String,
    /// Name on the hub, or the folder that an experiment tells how to make of another download.
    pub model_key: Option<String>,
    /// How near that download is.
    pub model_match: Option<ModelMatch>,
    /// Column id to what is printed.
    pub values: Values,
    /// Read in at least one copy of the source.
    pub confirmed: bool,
    /// Exceptions from `confirmed`.
    #[serde(default)]
    pub unconfirmed_cells: Vec<String>,
    /// Source id, table, row.
    pub source: Vec<String>,
    /// Id of the recipe in `hyperparameters`, of another file's as `paper/id`.
    pub hyperparameters: Option<String>,
    /// The same where tasks have recipes of their own: task key to ids, the nearest first.
    #[serde(default)]
    pub recipes: BTreeMap<String, Vec<String>>,
    /// The baseline that the system is, where it is one that this program has.
    pub baseline: Option<Baseline>,
    /// Whether answers' spans are found by a beam search (XLNet's released code).
    #[serde(default)]
    pub beam_search: bool,
    /// Why this program cannot run the row, where that is not for want of a download.
    pub not_run: Option<String>,
    /// The printed average does not follow from the printed figures.
    #[serde(default)]
    pub average_mismatch: bool,
    /// A remark.
    pub note: Option<String>,
    /// What of a frozen encoder the system reads; none where it fine-tunes.
    pub features: Option<FeatureKind>,
    /// Columns whose pairs the system reads in both orders.
    #[serde(default)]
    pub both_orders: Vec<String>,
    /// Columns whose model was fine-tuned on MNLI before.
    #[serde(default)]
    pub from_mnli: Vec<String>,
    /// Task of a row whose table mixes tasks.
    pub task: Option<String>,
    /// The cells exactly as printed.
    #[serde(default)]
    pub printed: Vec<String>,
    #[serde(default, rename = "expected_range")]
    _expected_range: Value,
    #[serde(default, rename = "spread")]
    _spread: Value,
    #[serde(default, rename = "score_without_wnli")]
    _score_without_wnli: Value,
    #[serde(default, rename = "differs_from_paper")]
    _differs_from_paper: Value,
    #[serde(default, rename = "founding_document_differs")]
    _founding_document_differs: Value,
    #[serde(default, rename = "training_seconds")]
    _training_seconds: Value,
    #[serde(default, rename = "gpu")]
    _gpu: Value,
    #[serde(default, rename = "values_full")]
    _values_full: Value,
    #[serde(default, rename = "published_checkpoint")]
    _published_checkpoint: Value,
}

/// Mean inside each group first, then the mean over groups.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Average {
    /// Column that prints it.
    pub column: String,
    /// Column ids.
    pub groups: Vec<Vec<String>>,
    /// In words.
    pub how: String,
    /// Printed decimals.
    pub decimals: u32,
}

/// A recipe as the source states it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hyperparameters {
    /// Id that rows point to.
    pub id: String,
    /// What was trained with it.
    pub applies_to: String,
    /// Fixed values.
    pub values: Values,
    /// Where values are lists by task: what each place of a list says.
    #[serde(default)]
    pub order: Vec<String>,
    /// Values tried.
    #[serde(default)]
    pub search: BTreeMap<String, Vec<f64>>,
    /// How one was chosen.
    pub selection: Option<String>,
    /// Read in a copy of the source.
    pub confirmed: bool,
    /// Where.
    pub source: Vec<String>,
    /// A remark.
    pub note: Option<String>,
}

fn yes() -> bool {
    true
}

impl Table {
    /// A text of the protocol, by its key.
    pub fn protocol(&self, key: &str) -> Option<&str> {
        self.protocol.get(key).and_then(Value::as_str)
    }

    /// The statistic behind a column's figures, as far as the table tells.
    pub fn statistic(&self, column: &Column) -> Statistic {
        Statistic::of(self, column)
    }

    /// The average recomputed from a row's printed figures; `None` where a figure or the rule is missing.
    pub fn recompute_average(&self, row: &Row) -> Option<f64> {
        self.average.as_ref()?.of(|column| row.values.get(column).and_then(Word::number))
    }
}

impl Row {
    /// Ids of the recipes that a task's figure was trained by, the nearest first.
    pub fn recipes(&self, task: &str) -> Vec<String> {
        self.recipes.get(task).cloned().unwrap_or_else(|| self.hyperparameters.iter().cloned().collect())
    }

    /// Every recipe that the row points to.
    pub(super) fn pointers(&self) -> impl Iterator<Item = &str> {
        self.hyperparameters.iter().chain(self.recipes.values().flatten()).map(String::as_str)
    }
}

impl Average {
    /// The average of the figures that `figure` gives for column ids; `None` if one is missing.
    pub fn of(&self, figure: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        let mut sum = 0.0;
        for group in &self.groups {
            let figures = group.iter().map(|column| figure(column)).collect::<Option<Vec<f64>>>()?;
            sum += figures.iter().sum::<f64>() / figures.len() as f64;
        }
        Some(sum / self.groups.len() as f64)
    }
}
