//! All systems × tasks: the rows of the two tables that started this project, and ours below.
//!
//! The published rows and the rule of the average come from `founding_document.yaml`. Its first table is test, its
//! second dev; ours are dev. The split stands in every row.

use super::group::{Group, groups};
use super::matrix::Matrix;
use super::table::Table;
use crate::paper::{Paper, Published, Table as PublishedTable};
use crate::record::Record;
use crate::task::SplitRole;

const FOUNDING: &str = "founding_document";

/// The leaderboard; without the founding document's file it holds our rows only, and says so.
pub fn leaderboard(records: &[Record], published: &Published) -> Table {
    let founding = published.paper(FOUNDING);
    let tables = founding.map_or(&[][..], |paper| &paper.tables);
    let (groups, _) = groups(records);
    let average = tables.iter().find_map(|table| table.average.clone());
    let mut matrix = Matrix::new("Leaderboard", columns(tables, &groups), average);
    for table in tables {
        add_published(&mut matrix, table);
    }
    for members in groups.chunk_by(|a, b| a.system == b.system) {
        matrix.ours(members);
    }
    let remarks = founding.map_or(vec![format!("`{FOUNDING}.yaml` is not among the published files")], remarks);
    matrix.table.remarks.extend(remarks);
    matrix.table
}

/// Columns of the published tables, then primary metrics that only ours have.
fn columns(tables: &[PublishedTable], groups: &[Group]) -> Vec<String> {
    let published = tables.iter().flat_map(|table| &table.columns).filter(|column| column.task.is_some());
    let mut ids: Vec<String> = Vec::new();
    let primary = groups.iter().flat_map(|group| {
        let metric = group.task.primary_metric().name();
        group.task.splits_with(SplitRole::Dev).map(move |split| format!("{}.{metric}", split.claim))
    });
    for id in published.map(|column| column.id.clone()).chain(primary) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn add_published(matrix: &mut Matrix, table: &PublishedTable) {
    for row in &table.rows {
        let described = table.columns.iter().filter(|column| column.task.is_none() && column.unit == "as printed");
        let details: Vec<String> = described
            .filter_map(|column| match row.values.get(&column.id) {
                Some(crate::paper::Word::Text(text)) => Some(format!("{} {text}", column.id)),
                _ => None,
            })
            .collect();
        let tail = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
        let note = format!("published, {FOUNDING}/{}: {}{tail}", table.id, table.number);
        matrix.published(row, &table.columns, &table.split, &note);
    }
}

fn remarks(paper: &Paper) -> Vec<String> {
    let how = paper.tables.iter().filter_map(|table| table.average.as_ref());
    let averages = how.map(|average| format!("Average: {}", average.how));
    let warnings = paper.tables.iter().filter_map(|table| table.protocol("warning"));
    averages
        .chain(warnings.map(|warning| format!("Second table: {}.", warning.trim_end_matches('.'))))
        .chain(["In percent; dev and test are never the same measurement, whatever the figures.".to_string()])
        .collect()
}
