//! Selection: the run of a group that is best on dev, and the seeds of its recipe.
//!
//! As in the papers, the best single run over grid and seeds decides, by the task's primary metric on its first dev
//! split; its other scores come along, they are not maximised apart. Mean, deviation and median are over the seeds of
//! the recipe that won, never over a grid. Collapsed and diverged runs are counted and can't win or enter a mean.

use super::group::Group;
use super::summary::Summary;
use crate::record::{Record, Status};
use crate::score::Metric;

/// What selection found in a group.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// The best run on dev; `None` if none learned.
    pub selected: Option<&'a Record>,
    /// Runs of the winning recipe that learned, the selected one among them.
    pub seeds: Vec<&'a Record>,
    /// Runs that ended with or without a usable score, failed ones aside.
    pub tried: usize,
    /// Of these: learned nothing.
    pub collapsed: usize,
    /// Of these: loss not finite.
    pub diverged: usize,
    /// Runs that could not be run.
    pub failed: usize,
}

impl<'a> Choice<'a> {
    /// Chooses among a group's runs.
    pub fn of(group: &Group<'a>) -> Choice<'a> {
        let count = |wanted: fn(&Status) -> bool| group.records.iter().filter(|r| wanted(&r.status)).count();
        let finished = group.records.iter().copied().filter(|record| record.status == Status::Finished);
        let metric = group.task.primary_metric();
        let mut selected: Option<&Record> = None;
        for record in finished.clone() {
            // The first of equals wins, so that the choice does not depend on anything but the order of run ids.
            if primary(record, metric) > selected.and_then(|best| primary(best, metric)) {
                selected = Some(record);
            }
        }
        let failed = count(|status| matches!(status, Status::Failed(_)));
        Choice {
            selected,
            seeds: finished.filter(|r| selected.is_some_and(|best| best.recipe == r.recipe)).collect(),
            tried: group.records.len() - failed,
            collapsed: count(|status| matches!(status, Status::Collapsed(_))),
            diverged: count(|status| matches!(status, Status::Diverged(_))),
            failed,
        }
    }

    /// The selected run's score of a claim key in a metric, as a fraction.
    pub fn best(&self, claim: &str, metric: Metric) -> Option<f64> {
        self.selected.and_then(|record| record.score(claim, metric)?.value)
    }

    /// The scores of the winning recipe's seeds, summarised.
    pub fn summary(&self, claim: &str, metric: Metric) -> Option<Summary> {
        let values = self.seeds.iter().filter_map(|record| record.score(claim, metric)?.value);
        Summary::of(&values.collect::<Vec<_>>())
    }

    /// `lr 2e-5 · batch 32 · 3 epochs, best on dev of 4`.
    pub fn described(&self) -> String {
        let Some(record) = self.selected else {
            return format!("none of {} learned", self.tried);
        };
        let recipe = &record.recipe;
        let point = format!("lr {:e} · batch {} · {} epochs", recipe.learning_rate, recipe.batch_size, recipe.epochs);
        if self.tried > 1 { format!("{point}, best on dev of {}", self.tried) } else { format!("{point}, 1 run") }
    }

    /// `2`, or `2 + 1 diverged`: runs that learned nothing, counted apart.
    pub fn lost(&self) -> String {
        match self.diverged {
            0 => self.collapsed.to_string(),
            diverged => format!("{} + {diverged} diverged", self.collapsed),
        }
    }
}

fn primary(record: &Record, metric: Metric) -> Option<f64> {
    record.scores.iter().find(|score| score.metric == metric)?.value.filter(|value| value.is_finite())
}
