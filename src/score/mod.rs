//! Metrics over whole splits, as the official scorers compute them. Scores are fractions; only reports multiply by 100.

use serde::{Deserialize, Serialize};

/// A metric, spelt as in `data/published` and in `repro score --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of right predictions.
    Accuracy,
    /// F1 of class 1 (GLUE), or the mean token F1 of SQuAD.
    F1,
    /// Matthews correlation coefficient.
    Matthews,
    /// Pearson correlation.
    Pearson,
    /// Spearman rank correlation.
    Spearman,
    /// Share of SQuAD answers equal to a gold answer after normalisation.
    ExactMatch,
    /// SQuAD 2.0: the best exact match over all no-answer thresholds (chosen on the same split).
    BestExact,
    /// SQuAD 2.0: the best F1 over all no-answer thresholds (chosen on the same split).
    BestF1,
    /// Entity-level F1 of `conlleval`.
    EntityF1,
}

impl Metric {
    /// The name in records, published tables and JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::F1 => "f1",
            Metric::Matthews => "matthews",
            Metric::Pearson => "pearson",
            Metric::Spearman => "spearman",
            Metric::ExactMatch => "exact_match",
            Metric::BestExact => "best_exact",
            Metric::BestF1 => "best_f1",
            Metric::EntityF1 => "entity_f1",
        }
    }
}

/// The scores of one split, in the task's order, as fractions; `None` where a metric is undefined (a correlation with a
/// constant side).
pub type Scores = Vec<(Metric, Option<f64>)>;
