//! Metrics over whole splits, as the official scorers compute them. Scores are fractions; only reports multiply by 100.
//!
//! Which library each follows, and what is undefined where, stands at the head of its file. Nothing here reads a data
//! set or knows a task: labels are numbers, answers are texts, and [`files`] reads what others wrote for them.

pub mod classification;
pub mod correlation;
pub mod entity;
pub mod files;
pub mod glue;
pub mod interval;
pub mod squad;

use classification::{ClassCounts, Outcomes};
use correlation::Pairs;
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
    /// Share of masked words that are predicted, in pre-training.
    MaskedAccuracy,
    /// Share of next tokens that are predicted, in pre-training from left to right.
    NextTokenAccuracy,
    /// Share of second parts rightly told to be the next or not, in pre-training.
    NextSentenceAccuracy,
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
            Metric::MaskedAccuracy => "masked_accuracy",
            Metric::NextTokenAccuracy => "next_token_accuracy",
            Metric::NextSentenceAccuracy => "next_sentence_accuracy",
        }
    }
}

impl Metric {
    /// Whether it is a coefficient of a whole set of pairs, which means over parts of the set are not.
    pub fn is_coefficient(self) -> bool {
        matches!(self, Metric::Matthews | Metric::Pearson | Metric::Spearman)
    }
}

/// The scores of one split, in the task's order, as fractions; `None` where a metric is undefined (a correlation with a
/// constant side).
pub type Scores = Vec<(Metric, Option<f64>)>;

/// Scores of a whole classification split, in the order of `metrics`: [`Metric::Accuracy`], [`Metric::F1`] (of class 1)
/// and [`Metric::Matthews`]; 0 where F1 or Matthews is undefined. `None` for a metric that is not one of these, and
/// without examples.
///
/// # Panics
/// If there is not one prediction per label.
pub fn classification_scores(metrics: &[Metric], predictions: &[u32], labels: &[u32]) -> Scores {
    let counts = Outcomes::new(predictions, labels).counts();
    metrics.iter().map(|&metric| (metric, classification_score(metric, &counts))).collect()
}

/// Scores of a whole regression split, in the order of `metrics`: [`Metric::Pearson`] and [`Metric::Spearman`]. `None`
/// where undefined (a constant side, a value that is not finite), and for a metric that is neither.
///
/// # Panics
/// If there is not one prediction per label.
pub fn regression_scores(metrics: &[Metric], predictions: &[f64], labels: &[f64]) -> Scores {
    let pairs = Pairs::new(predictions, labels);
    let once = vec![1; labels.len()];
    let score = |metric| pairs.as_ref().and_then(|pairs| regression_score(metric, pairs, &once));
    metrics.iter().map(|&metric| (metric, score(metric))).collect()
}

fn classification_score(metric: Metric, counts: &ClassCounts) -> Option<f64> {
    let accuracy = counts.accuracy()?;
    match metric {
        Metric::Accuracy => Some(accuracy),
        Metric::F1 => Some(counts.f1(1)),
        Metric::Matthews => Some(counts.matthews()),
        _ => None,
    }
}

fn regression_score(metric: Metric, pairs: &Pairs, multiplicities: &[u32]) -> Option<f64> {
    match metric {
        Metric::Pearson => pairs.pearson(multiplicities),
        Metric::Spearman => pairs.spearman(multiplicities),
        _ => None,
    }
}
