//! Reading one file of published numbers: the parser's errors with their place, and what no schema can say.

use super::PaperError;
use super::file::{Paper, Table};
use std::path::Path;

/// Reads one file and checks that rows and columns belong together.
pub(super) fn read(path: &Path) -> Result<Paper, PaperError> {
    let text = std::fs::read_to_string(path).map_err(|source| PaperError::Io { path: path.to_path_buf(), source })?;
    let paper: Paper = serde_yaml::from_str(&text)
        .map_err(|error| PaperError::Format { path: path.to_path_buf(), message: error.to_string() })?;
    let content = |message| PaperError::Content { path: path.to_path_buf(), message };
    if paper.schema_version != 1 {
        return Err(content(format!("schema_version {} is not known, expected 1", paper.schema_version)));
    }
    paper.tables.iter().try_for_each(check_columns).map_err(content)?;
    Ok(paper)
}

fn check_columns(table: &Table) -> Result<(), String> {
    let known = |id: &str| table.columns.iter().any(|column| column.id == id);
    for row in &table.rows {
        if let Some((id, _)) = row.values.iter().find(|(id, _)| !known(id)) {
            return Err(format!("`{}`, row `{}`: no column `{id}`", table.id, row.system));
        }
    }
    Ok(())
}
