//! Averages by a paper's own rule, of our scores.
//!
//! BERT's Table 1 averages nine numbers: MNLI counts twice, WNLI is left out. The rule is read from the published
//! table, and an average is made only when every number is there.

use super::choice::Choice;
use super::comparison::row_reasons;
use super::group::Group;
use crate::paper::Average;
use crate::task::SplitRole;
use std::collections::BTreeMap;

/// One system's best scores by column id (`mrpc.f1`), as fractions, and what is odd about the rows behind them.
#[derive(Clone, Debug, Default)]
pub struct Best {
    /// Column id to score; unusual rows are shown but marked below.
    pub scores: BTreeMap<String, f64>,
    /// Column id to what differs in its rows.
    pub reasons: BTreeMap<String, Vec<String>>,
    /// Columns whose scores may not be subtracted from a paper's.
    pub apart: Vec<String>,
}

impl Best {
    /// The best scores of one system's groups. Where two groups have a score, the one on the paper's rows is taken.
    pub fn of(groups: &[Group]) -> Best {
        let mut best = Best::default();
        let (official, other): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| row_reasons(group).1);
        for group in official.into_iter().chain(other) {
            best.take(group, &Choice::of(group));
        }
        best
    }

    /// Takes a group's scores in; the first group that has a column keeps it.
    fn take(&mut self, group: &Group, choice: &Choice) {
        let (reasons, subtractable) = row_reasons(group);
        for split in group.task.splits_with(SplitRole::Dev) {
            for metric in group.task.metrics {
                let id = format!("{}.{}", split.claim, metric.name());
                let Some(score) = choice.best(split.claim, *metric).filter(|_| !self.scores.contains_key(&id)) else {
                    continue;
                };
                self.scores.insert(id.clone(), score);
                self.reasons.insert(id.clone(), reasons.clone());
                if !subtractable {
                    self.apart.push(id);
                }
            }
        }
    }

    /// The average by a rule, or the column ids that are missing for it.
    pub fn average(&self, rule: &Average) -> Result<f64, Vec<String>> {
        let missing: Vec<String> =
            rule.groups.iter().flatten().filter(|id| !self.scores.contains_key(*id)).cloned().collect();
        rule.of(|id| self.scores.get(id).copied()).ok_or(missing)
    }

    /// Whether any number of a rule stands apart from a paper's.
    pub fn any_apart(&self, rule: &Average) -> bool {
        rule.groups.iter().flatten().any(|id| self.apart.contains(id))
    }
}
