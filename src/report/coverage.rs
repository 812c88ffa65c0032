//! Coverage: which cells of the papers' tables are reproduced, which are not attempted, which can't be here, and why.
//!
//! Only runs on the full rows with the real weights count. A test figure can't be reproduced here, the labels are
//! hidden; where there is a dev score of ours, the cell says so instead.

use super::choice::Choice;
use super::comparison::{matches_metric, rows_beside};
use super::group::{Group, task_of_claim};
use super::table::{Align, Table};
use crate::paper::{Claim, ClaimSplit, Published, Selection};
use crate::task::{Head, SplitRole};

/// What became of one published figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// There is a score of the same split.
    Reproduced,
    /// There is a dev score beside this test figure.
    DevBesideTest,
    /// It could be run, and was not.
    NotAttempted,
    /// It can't be run here, for this reason.
    Impossible(String),
}

/// A table for each published table of these papers.
pub fn coverage(groups: &[Group], published: &Published, papers: &[&str]) -> Vec<Table> {
    let choices: Vec<(&Group, Choice)> = groups.iter().map(|group| (group, Choice::of(group))).collect();
    let papers = published.papers().iter().filter(|paper| papers.contains(&paper.paper.key.as_str()));
    let selections = papers
        .flat_map(|paper| paper.tables.iter().map(move |table| Selection { paper, table, row: None, column: None }));
    let tables = selections.map(|selection| table(&selection, &choices));
    tables.filter(|table| !table.rows.is_empty()).collect()
}

fn table(selection: &Selection, choices: &[(&Group, Choice)]) -> Table {
    let claims = selection.claims();
    let ids: Vec<&str> = selection.columns().filter(|c| c.task.is_some()).map(|column| column.id.as_str()).collect();
    let mut columns = vec![("system", Align::Left)];
    columns.extend(ids.iter().map(|id| (*id, Align::Left)));
    let title = format!("{}/{}: {}", selection.paper.paper.key, selection.table.id, selection.table.caption);
    let mut table = Table::new(title, &columns);
    let mut counts = [0; 4];
    for system in selection.table.rows.iter().map(|row| row.system.as_str()) {
        let mut cells = vec![system.to_string()];
        for id in &ids {
            let claim = claims.iter().find(|claim| claim.system == system && claim.column == *id);
            cells
                .push(claim.map_or_else(super::cells::dash, |claim| describe(&mut table, claim, choices, &mut counts)));
        }
        if cells.iter().skip(1).any(|cell| *cell != super::cells::dash()) {
            table.rows.push(cells);
        }
    }
    let [reproduced, beside, open, impossible] = counts;
    table.remarks.push(format!(
        "{reproduced} reproduced, {beside} with a dev score beside a test figure, {open} not attempted, {impossible} \
         impossible here."
    ));
    table
}

fn describe(table: &mut Table, claim: &Claim, choices: &[(&Group, Choice)], counts: &mut [usize; 4]) -> String {
    let (index, text) = match cell(claim, choices) {
        Cell::Reproduced => (0, "reproduced".to_string()),
        Cell::DevBesideTest => (1, "dev".to_string()),
        Cell::NotAttempted => (2, "not attempted".to_string()),
        Cell::Impossible(reason) => (3, format!("impossible {}", table.mark(&reason))),
    };
    counts[index] += 1;
    text
}

/// What became of a claim.
pub fn cell(claim: &Claim, choices: &[(&Group, Choice)]) -> Cell {
    let impossible = |reason: &str| Cell::Impossible(reason.to_string());
    if let Some(reason) = &claim.not_run {
        return impossible(reason);
    }
    if claim.model_key.is_none() && claim.baseline.is_none() {
        return impossible("no download of this system's weights is known");
    }
    let Some(task) = task_of_claim(&claim.task) else {
        return Cell::Impossible(format!("no task `{}` in this program", claim.task));
    };
    if !task.metrics.iter().any(|metric| matches_metric(*metric, claim)) {
        return Cell::Impossible(format!("{} of {} is not scored", claim.metric, task.title));
    }
    let scored = choices.iter().any(|(group, choice)| {
        let its = group.system.is_of(claim.model_key.as_deref(), claim.baseline);
        its && rows_beside(group, claim).1 && has_score(group, choice, claim)
    });
    match (claim.split, scored) {
        (ClaimSplit::Dev, true) => Cell::Reproduced,
        (ClaimSplit::Dev, false) => Cell::NotAttempted,
        (ClaimSplit::Test, true) => Cell::DevBesideTest,
        (ClaimSplit::Test, false) => impossible("test labels are hidden; a dev score can stand beside it"),
        (ClaimSplit::Custom, _) => impossible("measured on a split of the authors' own"),
    }
}

fn has_score(group: &Group, choice: &Choice, claim: &Claim) -> bool {
    let same_head = group.task.head != Head::Span || group.system.searches_beams() == claim.beam_search;
    let alike = group.system.feature_kind() == claim.features && group.system.bilstm_layers == 0 && same_head;
    let metric = group.task.metrics.iter().find(|metric| alike && matches_metric(**metric, claim));
    let dev = group.task.splits_with(SplitRole::Dev).find(|split| split.claim == claim.task);
    dev.zip(metric).is_some_and(|(split, metric)| choice.best(split.claim, *metric).is_some())
}
