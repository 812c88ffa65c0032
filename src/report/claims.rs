//! Which published figures stand beside a checkpoint's scores.
//!
//! An experiment names them under `compare`. A whole table lends the rows of the checkpoint itself (`model_key`); a row
//! named outright also stands beside checkpoints it does not belong to if it belongs to none of the experiment's, with
//! a mark. What a frozen encoder's features score stands beside runs that read the same features, and what fine-tuning scores
//! beside fine-tuned ones, whatever is named. Without `compare`, every dev figure of the checkpoint is taken. Where a
//! table has dev and test of one score, dev is taken.
//!
//! A baseline, which a flag adds to any experiment, stands beside the dev figures of the same baseline wherever they are
//! published, if its rows are the task's own, and beside no encoder's.

use super::comparison::{Ours, matches_metric};
use super::group::System;
use crate::family::Baseline;
use crate::paper::{Average, Claim, ClaimSplit, Published, Row, Selection, Table, Word};

/// The references of an experiment, resolved.
pub struct Claims<'a> {
    selections: Vec<Selection<'a>>,
    /// Tables with a baseline's row.
    with_baselines: Vec<Selection<'a>>,
    checkpoints: Vec<String>,
    named: bool,
    /// References that name nothing, as messages.
    pub problems: Vec<String>,
}

impl<'a> Claims<'a> {
    /// Resolves `compare`, for an experiment with these checkpoints.
    pub fn new(published: &'a Published, compare: &[String], checkpoints: Vec<String>) -> Claims<'a> {
        let named = !compare.is_empty();
        let tables = published.papers().iter().flat_map(|paper| paper.tables.iter().map(move |t| (paper, t)));
        let all: Vec<Selection> =
            tables.map(|(paper, table)| Selection { paper, table, row: None, column: None }).collect();
        let with_baseline = |selection: &&Selection| selection.table.rows.iter().any(|row| row.baseline.is_some());
        let with_baselines = all.iter().filter(with_baseline).copied().collect();
        let selections = if named { Vec::new() } else { all };
        let mut claims = Claims { selections, with_baselines, checkpoints, named, problems: Vec::new() };
        for reference in compare {
            match published.resolve(reference) {
                Ok(selection) => claims.selections.push(selection),
                Err(problem) => claims.problems.push(problem.to_string()),
            }
        }
        claims
    }

    /// The claims to be shown beside a score, in the order of the references.
    pub fn beside(&self, ours: &Ours) -> Vec<Claim> {
        let named = self.named;
        if ours.group.system.baseline.is_none() {
            return self.selections.iter().flat_map(|selection| self.of_selection(selection, ours, named)).collect();
        }
        let chosen = self.selections.iter().filter(|_| named).map(|selection| (selection, true));
        let anywhere = self.with_baselines.iter().filter(|_| ours.group.has_own_rows()).map(|it| (it, false));
        let mut claims: Vec<Claim> = Vec::new();
        for claim in chosen.chain(anywhere).flat_map(|(selection, named)| self.of_selection(selection, ours, named)) {
            if claims.iter().all(|known| known.reference != claim.reference) {
                claims.push(claim);
            }
        }
        claims
    }

    /// The claims of a table or row; a test figure only of one that the experiment has named.
    fn of_selection(&self, selection: &Selection, ours: &Ours, named: bool) -> Vec<Claim> {
        let all = selection.claims();
        let system = &ours.group.system;
        let mine = |claim: &&Claim| self.belongs(selection, claim.model_key.as_deref(), claim.baseline, system);
        let alike = |claim: &Claim| claim.features == ours.group.system.feature_kind();
        let fits = |claim: &&Claim| claim.task == ours.claim && alike(claim) && fits_metric(ours, claim, &all);
        let found: Vec<&Claim> = all.iter().filter(mine).filter(fits).collect();
        let has_dev = |claim: &Claim| found.iter().any(|c| c.system == claim.system && c.split == ClaimSplit::Dev);
        let wanted = |claim: &Claim| claim.split == ClaimSplit::Dev || (named && !has_dev(claim));
        found.iter().filter(|claim| wanted(claim)).map(|claim| (*claim).clone()).collect()
    }

    fn belongs(
        &self,
        selection: &Selection,
        model_key: Option<&str>,
        baseline: Option<Baseline>,
        system: &System,
    ) -> bool {
        let encoders = baseline.is_none() && system.baseline.is_none();
        let anybody = encoders && model_key.is_none_or(|key| !self.checkpoints.iter().any(|known| known == key));
        system.is_of(model_key, baseline) || (selection.row.is_some() && anybody)
    }

    /// The tables with a rule for an average, each with the row that belongs to a system.
    pub fn averages(&self, system: &System) -> Vec<(&'a Table, &'a Average, Option<&'a Row>)> {
        let with_rule = self.selections.iter().filter(|selection| self.named && selection.column.is_none());
        let of = |selection: &Selection<'a>| {
            let mut rows = selection.table.rows.iter().filter(|row| selection.row.is_none_or(|only| only == *row));
            let row = rows.find(|row| self.belongs(selection, row.model_key.as_deref(), row.baseline, system));
            selection.table.average.as_ref().map(|average| (selection.table, average, row))
        };
        with_rule.filter_map(of).collect()
    }
}

/// A printed average of a row.
pub fn printed_average(average: &Average, row: &Row) -> Option<f64> {
    row.values.get(&average.column).and_then(Word::number)
}

/// A claim in our metric; or, beside the task's primary metric, one in a metric that the task is not scored in at all.
fn fits_metric(ours: &Ours, claim: &Claim, all: &[Claim]) -> bool {
    let scored = |claim: &Claim| ours.group.task.metrics.iter().any(|metric| matches_metric(*metric, claim));
    let another = || all.iter().any(|c| c.task == claim.task && c.system == claim.system && scored(c));
    matches_metric(ours.metric, claim)
        || (ours.metric == ours.group.task.primary_metric() && !scored(claim) && !another())
}
