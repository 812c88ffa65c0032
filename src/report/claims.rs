//! Which published figures stand beside a checkpoint's scores.
//!
//! An experiment names them under `compare`. A whole table lends the rows of the checkpoint itself (`model_key`); a row
//! named outright also stands beside checkpoints it does not belong to if it belongs to none of the experiment's, with
//! a mark. What a frozen encoder's features score stands beside runs that read the same features, and what fine-tuning scores
//! beside fine-tuned ones, whatever is named. Without `compare`, every dev figure of the checkpoint is taken. Where a
//! table has dev and test of one score, dev is taken.

use super::comparison::{Ours, matches_metric};
use crate::paper::{Average, Claim, ClaimSplit, Published, Row, Selection, Table, Word};

/// The references of an experiment, resolved.
pub struct Claims<'a> {
    selections: Vec<Selection<'a>>,
    checkpoints: Vec<String>,
    named: bool,
    /// References that name nothing, as messages.
    pub problems: Vec<String>,
}

impl<'a> Claims<'a> {
    /// Resolves `compare`, for an experiment with these checkpoints.
    pub fn new(published: &'a Published, compare: &[String], checkpoints: Vec<String>) -> Claims<'a> {
        let mut claims =
            Claims { selections: Vec::new(), checkpoints, named: !compare.is_empty(), problems: Vec::new() };
        for reference in compare {
            match published.resolve(reference) {
                Ok(selection) => claims.selections.push(selection),
                Err(problem) => claims.problems.push(problem.to_string()),
            }
        }
        if compare.is_empty() {
            let tables = published.papers().iter().flat_map(|paper| paper.tables.iter().map(move |t| (paper, t)));
            claims.selections.extend(tables.map(|(paper, table)| Selection { paper, table, row: None, column: None }));
        }
        claims
    }

    /// The claims to be shown beside a score, in the order of the references.
    pub fn beside(&self, ours: &Ours) -> Vec<Claim> {
        let checkpoint = &ours.group.system.checkpoint;
        self.selections.iter().flat_map(|selection| self.of_selection(selection, checkpoint, ours)).collect()
    }

    fn of_selection(&self, selection: &Selection, checkpoint: &str, ours: &Ours) -> Vec<Claim> {
        let all = selection.claims();
        let mine = |claim: &&Claim| self.belongs(selection, claim.model_key.as_deref(), checkpoint);
        let alike = |claim: &Claim| claim.features == ours.group.system.feature_kind();
        let fits = |claim: &&Claim| claim.task == ours.claim && alike(claim) && fits_metric(ours, claim, &all);
        let found: Vec<&Claim> = all.iter().filter(mine).filter(fits).collect();
        let has_dev = |claim: &Claim| found.iter().any(|c| c.system == claim.system && c.split == ClaimSplit::Dev);
        let wanted = |claim: &Claim| claim.split == ClaimSplit::Dev || (self.named && !has_dev(claim));
        found.iter().filter(|claim| wanted(claim)).map(|claim| (*claim).clone()).collect()
    }

    fn belongs(&self, selection: &Selection, model_key: Option<&str>, checkpoint: &str) -> bool {
        let anybody = model_key.is_none_or(|key| !self.checkpoints.iter().any(|known| known == key));
        model_key == Some(checkpoint) || (selection.row.is_some() && anybody)
    }

    /// The tables with a rule for an average, each with the row that belongs to a checkpoint.
    pub fn averages(&self, checkpoint: &str) -> Vec<(&'a Table, &'a Average, Option<&'a Row>)> {
        let with_rule = self.selections.iter().filter(|selection| self.named && selection.column.is_none());
        let of = |selection: &Selection<'a>| {
            let mut rows = selection.table.rows.iter().filter(|row| selection.row.is_none_or(|only| only == *row));
            let row = rows.find(|row| self.belongs(selection, row.model_key.as_deref(), checkpoint));
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
