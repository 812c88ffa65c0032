//! From a reference, `<paper>/<table>[/<system>[/<column>]]`, to the claims it names.
//!
//! A system's label may itself hold a slash, so the third part is matched against the labels of the table and not
//! split.

use super::claim::Claim;
use super::file::{Column, Paper, Row, Table};
use super::{PaperError, Published};
use crate::nearest::nearest;

/// What a reference names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection<'a> {
    /// The file.
    pub paper: &'a Paper,
    /// The table.
    pub table: &'a Table,
    /// The row, if the reference goes that far.
    pub row: Option<&'a Row>,
    /// The column, if it goes that far.
    pub column: Option<&'a Column>,
}

impl<'a> Selection<'a> {
    /// The selected claims, row by row.
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        for row in self.table.rows.iter().filter(|row| self.row.is_none_or(|only| only.system == row.system)) {
            claims.extend(self.columns().filter_map(|column| Claim::of(self.paper, self.table, row, column)));
        }
        claims
    }

    /// The selected columns.
    pub fn columns(&self) -> impl Iterator<Item = &'a Column> + use<'_, 'a> {
        self.table.columns.iter().filter(|column| self.column.is_none_or(|only| only.id == column.id))
    }
}

impl Published {
    /// Finds what a reference names.
    pub fn resolve(&self, reference: &str) -> Result<Selection<'_>, PaperError> {
        let unknown = |part, found: &str, suggestion: Option<&str>| PaperError::Unknown {
            part,
            found: found.to_string(),
            reference: reference.to_string(),
            suggestion: suggestion.map(str::to_string),
        };
        let (key, rest) = reference.split_once('/').unwrap_or((reference, ""));
        let paper = self
            .paper(key)
            .ok_or_else(|| unknown("paper", key, nearest(key, self.papers.iter().map(|p| p.paper.key.as_str()))))?;
        let (id, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let table = find_table(paper, id)
            .ok_or_else(|| unknown("table", id, nearest(id, paper.tables.iter().map(|t| t.id.as_str()))))?;
        if rest.is_empty() {
            return Ok(Selection { paper, table, row: None, column: None });
        }
        let (row, id) = find_row(table, rest).ok_or_else(|| {
            let (found, suggestion) = nearest_system(table, rest);
            unknown("system", found, suggestion)
        })?;
        let column = match id {
            None => None,
            Some(id) => Some(
                find_column(table, id)
                    .ok_or_else(|| unknown("column", id, nearest(id, table.columns.iter().map(|c| c.id.as_str()))))?,
            ),
        };
        Ok(Selection { paper, table, row: Some(row), column })
    }
}

fn find_table<'a>(paper: &'a Paper, id: &str) -> Option<&'a Table> {
    paper.tables.iter().find(|table| table.id == id)
}

fn find_column<'a>(table: &'a Table, id: &str) -> Option<&'a Column> {
    table.columns.iter().find(|column| column.id == id)
}

/// The row whose label is `rest` or its beginning before a slash, and the column id after it.
fn find_row<'a, 'b>(table: &'a Table, rest: &'b str) -> Option<(&'a Row, Option<&'b str>)> {
    let whole = table.rows.iter().find(|row| row.system == rest).map(|row| (row, None));
    whole.or_else(|| {
        let (system, column) = rest.rsplit_once('/')?;
        table.rows.iter().find(|row| row.system == system).map(|row| (row, Some(column)))
    })
}

/// What was probably meant as the system, and the label nearest to it: all of `rest`, or what stands before a column
/// id.
fn nearest_system<'t, 'r>(table: &'t Table, rest: &'r str) -> (&'r str, Option<&'t str>) {
    let labels = || table.rows.iter().map(|row| row.system.as_str());
    let system = rest.rsplit_once('/').map_or(rest, |(system, _)| system);
    match nearest(rest, labels()) {
        Some(suggestion) => (rest, Some(suggestion)),
        None => (system, nearest(system, labels())),
    }
}
