//! Averages by a paper's own rule, of our scores.
//!
//! BERT's Table 1 averages nine numbers: MNLI counts twice, WNLI is left out. The rule is read from the published
//! table, and an average is made only when every number is there.

use super::choice::Choice;
use super::comparison::row_reasons;
use super::group::Group;
use crate::paper::Average;
use crate::score::Metric;
use crate::task::{Split, SplitRole};
use std::collections::{BTreeMap, BTreeSet};

/// One system's figures by column id (`mrpc.f1`), as fractions, and what is odd about the rows behind them.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// What the figures are: best runs, means, single runs.
    pub kinds: BTreeSet<&'static str>,
    /// Whether any was chosen among several runs.
    pub chosen: bool,
    /// Column id to score; unusual rows are shown but marked below.
    pub scores: BTreeMap<String, f64>,
    /// Column id to what differs in its rows.
    pub reasons: BTreeMap<String, Vec<String>>,
    /// Columns whose scores may not be subtracted from a paper's.
    pub apart: Vec<String>,
}

impl Figures {
    /// The figures of one system's groups. Where two groups have a score, the one on the paper's rows is taken; where they
    /// differ in recipe only and none is chosen, neither is.
    pub fn of(groups: &[Group]) -> Figures {
        let mut figures = Figures::default();
        let (official, other): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| row_reasons(group).1);
        for group in official.into_iter().chain(other) {
            let recipes = groups.iter().filter(|rival| rival.task == group.task && rival.data == group.data).count();
            match recipes {
                1 => figures.take(group, &Choice::of(group)),
                count => figures.leave(group, count),
            }
        }
        figures
    }

    /// Says why a group without one recipe has no figure.
    fn leave(&mut self, group: &Group, recipes: usize) {
        for (id, ..) in columns(group) {
            let reason = format!("{recipes} recipes, of which none is chosen");
            self.reasons.entry(id).or_insert_with(|| vec![reason]);
        }
    }

    /// Takes a group's scores in; the first group that has a column keeps it.
    fn take(&mut self, group: &Group, choice: &Choice) {
        let (reasons, subtractable) = row_reasons(group);
        for (id, claim, metric) in columns(group) {
            let Some(score) = choice.figure(claim, metric).filter(|_| !self.scores.contains_key(&id)) else {
                continue;
            };
            self.kinds.insert(choice.figure_is());
            self.chosen |= choice.chose();
            self.scores.insert(id.clone(), score);
            self.reasons.insert(id.clone(), reasons.clone());
            if !subtractable {
                self.apart.push(id);
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

/// Column id, task key of published tables, and metric of every score of a group.
fn columns(group: &Group) -> Vec<(String, &'static str, Metric)> {
    let splits = group.task.splits_with(SplitRole::Dev);
    let of_split = |split: &'static Split| {
        group
            .task
            .metrics
            .iter()
            .map(move |metric| (format!("{}.{}", split.claim, metric.name()), split.claim, *metric))
    };
    splits.flat_map(of_split).collect()
}
