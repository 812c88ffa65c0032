//! Selection: the run of a group that is best on dev, and the seeds of its recipe.
//!
//! As in the papers, the best single run over grid and seeds decides, by the task's primary metric on its first dev
//! split; its other scores come along, they are not maximised apart. Mean, deviation and median are over the seeds of
//! the recipe that won, never over a grid. Collapsed and diverged runs are counted and can't win or enter a mean.
//!
//! Nothing was chosen where there was one run, or where the experiment says `select: none`; then the mean of the runs is
//! the group's figure, and nothing is called best. Records of before the rule was kept are read as best on dev, and a
//! table says that it is not recorded.

use super::group::Group;
use super::summary::Summary;
use crate::record::{Record, Status};
use crate::score::Metric;
use crate::spec::Select;

/// What selection found in a group.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// The rule, as recorded.
    pub rule: Option<Select>,
    /// The best run on dev; `None` if none learned or has a score.
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
            rule: group.select,
            selected,
            seeds: finished.filter(|r| selected.is_some_and(|best| best.recipe == r.recipe)).collect(),
            tried: group.records.len() - failed,
            collapsed: count(|status| matches!(status, Status::Collapsed(_))),
            diverged: count(|status| matches!(status, Status::Diverged(_))),
            failed,
        }
    }

    /// Whether a run was chosen among several.
    pub fn chose(&self) -> bool {
        self.tried > 1 && self.rule != Some(Select::None)
    }

    /// The score that stands for the group, as a fraction: the chosen run's, else the mean of the runs.
    pub fn figure(&self, claim: &str, metric: Metric) -> Option<f64> {
        if self.chose() { self.best(claim, metric) } else { Some(self.summary(claim, metric)?.mean) }
    }

    /// What [`Choice::figure`] is, in words.
    pub fn figure_is(&self) -> &'static str {
        match self.rule {
            _ if self.seeds.len() < 2 && !self.chose() => "one run",
            Some(Select::None) => "the mean of runs of which none is chosen",
            Some(Select::BestOnDev) => "the best run by the task's first metric",
            None => "the best run by the task's first metric, a rule that is not recorded",
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

    /// `lr 2e-5 · batch 32 · 3 epochs, best on dev of 4`; `…, 4 runs, none chosen`.
    pub fn described(&self) -> String {
        let Some(record) = self.selected else {
            let undefined = self.collapsed + self.diverged < self.tried;
            return if undefined { "undefined on dev".into() } else { format!("none of {} learned", self.tried) };
        };
        let recipe = &record.recipe;
        let point = format!("lr {:e} · batch {} · {} epochs", recipe.learning_rate, recipe.batch_size, recipe.epochs);
        match (self.tried, self.rule) {
            (1, _) => format!("{point}, 1 run"),
            (tried, Some(Select::BestOnDev)) => format!("{point}, best on dev of {tried}"),
            (tried, Some(Select::None)) => format!("{point}, {tried} runs, none chosen"),
            (tried, None) => format!("{point}, best on dev of {tried} (selection not recorded)"),
        }
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
