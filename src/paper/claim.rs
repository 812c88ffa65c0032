//! One printed figure with all that a fair comparison needs to know of it.

use super::file::{Column, ModelMatch, Paper, Row, Table};
use super::statistic::Statistic;
use super::value::Word;
use crate::family::Baseline;
use crate::task::FeatureKind;
use std::fmt;

/// Split a figure was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimSplit {
    /// The development set: what this program scores.
    Dev,
    /// The test set, by the server.
    Test,
    /// A split of the authors' own, or not told apart.
    Custom,
}

impl fmt::Display for ClaimSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClaimSplit::Dev => "dev",
            ClaimSplit::Test => "test",
            ClaimSplit::Custom => "own split",
        })
    }
}

/// One published figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// `bert/bert_t1/BERT_BASE/mrpc.f1`.
    pub reference: String,
    /// Paper key.
    pub paper: String,
    /// Table id.
    pub table: String,
    /// Table number as printed: `Table 1`.
    pub number: String,
    /// Row label.
    pub system: String,
    /// Column id.
    pub column: String,
    /// The checkpoint on the hub that it belongs to.
    pub model_key: Option<String>,
    /// Whether it was measured on that download.
    pub model_match: Option<ModelMatch>,
    /// Task key: `mnli_m`.
    pub task: String,
    /// Metric name, as in `data/published`.
    pub metric: String,
    /// Whether the source names the metric.
    pub metric_stated: bool,
    /// Split.
    pub split: ClaimSplit,
    /// As printed, in percent.
    pub value: f64,
    /// Statistic behind it.
    pub statistic: Statistic,
    /// How a no-answer threshold was chosen, where the source says.
    pub threshold: Option<String>,
    /// What is read beside a tagged sentence, where the source says.
    pub context: Option<String>,
    /// What of a frozen encoder is read; `None` for fine-tuning.
    pub features: Option<FeatureKind>,
    /// What reads it, in the source's words.
    pub reader: Option<String>,
    /// Whether pairs are read in both orders.
    pub both_orders: bool,
    /// Whether the model was fine-tuned on MNLI before.
    pub from_mnli: bool,
    /// Ids of the recipes it was trained by, the nearest first; of another file's as `paper/id`.
    pub recipes: Vec<String>,
    /// The baseline that the system is.
    pub baseline: Option<Baseline>,
    /// Whether answers' spans are found by a beam search.
    pub beam_search: bool,
    /// Why this program cannot run it, where that is not for want of a download.
    pub not_run: Option<String>,
    /// Where it was read.
    pub source: String,
    /// Whether it was read in a copy of the source.
    pub confirmed: bool,
    /// Remarks of row and column, for a footnote.
    pub notes: Vec<String>,
}

impl Claim {
    /// The claim of a cell; `None` for dashes, texts and columns without a task, metric and percent.
    pub(super) fn of(paper: &Paper, table: &Table, row: &Row, column: &Column) -> Option<Claim> {
        let value = row.values.get(&column.id).and_then(Word::number)?;
        let (task, metric) = (column.task.clone()?, column.metric.clone()?);
        let statistic = table.statistic(column);
        if column.unit != "percent" || statistic == Statistic::Deviation {
            return None;
        }
        let recipes = row.recipes(&task);
        Some(Claim {
            reference: format!("{}/{}/{}/{}", paper.paper.key, table.id, row.system, column.id),
            paper: paper.paper.key.clone(),
            table: table.id.clone(),
            number: table.number.clone(),
            system: row.system.clone(),
            column: column.id.clone(),
            model_key: row.model_key.clone(),
            model_match: row.model_match,
            task,
            metric,
            metric_stated: column.metric_stated,
            split: split_of(table, column),
            value,
            statistic,
            threshold: table.protocol("threshold").map(str::to_string),
            context: table.protocol("context").map(str::to_string),
            features: row.features.or(column.features),
            reader: table.protocol("features").map(str::to_string),
            both_orders: row.both_orders.contains(&column.id),
            from_mnli: row.from_mnli.contains(&column.id),
            recipes,
            baseline: row.baseline,
            beam_search: row.beam_search,
            not_run: row.not_run.clone(),
            source: row.source.join("; "),
            confirmed: row.confirmed && !row.unconfirmed_cells.contains(&column.id),
            notes: column.note.iter().chain(&row.note).cloned().collect(),
        })
    }

    /// `84.4`, with a second decimal only where one is printed.
    pub fn printed(&self) -> String {
        printed(self.value)
    }
}

/// A published figure as papers print it: one decimal, two where there are two.
pub fn printed(value: f64) -> String {
    let one = format!("{value:.1}");
    let same = one.parse::<f64>().is_ok_and(|rounded| (rounded - value).abs() < 1e-9);
    if same { one } else { format!("{value:.2}") }
}

fn split_of(table: &Table, column: &Column) -> ClaimSplit {
    match column.split.as_deref().unwrap_or(&table.split) {
        "dev" => ClaimSplit::Dev,
        "test" => ClaimSplit::Test,
        _ => ClaimSplit::Custom,
    }
}
