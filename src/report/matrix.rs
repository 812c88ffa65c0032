//! Systems × scores in one wide table: published rows first, ours below, the split beside every row.

use super::average::Figures;
use super::cells::dash;
use super::group::Group;
use super::table::{Align, Table};
use crate::paper::{Average, Column, Row, Word, printed};

/// A wide table under construction.
pub struct Matrix {
    ids: Vec<String>,
    /// The rule of the average column.
    average: Option<Average>,
    /// The table so far.
    pub table: Table,
}

impl Matrix {
    /// A table with these score columns (`mrpc.f1`); an average column stands where a rule is given.
    pub fn new(title: &str, ids: Vec<String>, average: Option<Average>) -> Matrix {
        let mut columns = vec![("system", Align::Left), ("split", Align::Left)];
        columns.extend(ids.iter().map(|id| (id.as_str(), Align::Right)));
        let name = average.as_ref().map(|rule| format!("average of {}", rule.groups.len()));
        columns.extend(name.as_deref().map(|name| (name, Align::Right)));
        columns.push(("notes", Align::Left));
        let table = Table::new(title, &columns);
        Matrix { ids, average, table }
    }

    /// A published row: figures as printed, with one note.
    pub fn published(&mut self, row: &Row, columns: &[Column], split: &str, note: &str) {
        let task_column = |id: &str| columns.iter().any(|column| column.id == id && column.task.is_some());
        let figure = |id: &str| row.values.get(id).and_then(Word::number).map_or_else(dash, printed);
        let mut cells = vec![row.system.clone(), split.to_string()];
        cells.extend(self.ids.iter().map(|id| if task_column(id) { figure(id) } else { dash() }));
        cells.extend(self.average.as_ref().map(|rule| figure(&rule.column)));
        cells.push(self.table.mark(note));
        self.table.rows.push(cells);
    }

    /// Our row: the figures on dev, with a note of what they are, and marks for odd rows.
    pub fn ours(&mut self, groups: &[Group]) {
        let figures = Figures::of(groups);
        let Some(first) = groups.first().filter(|_| !figures.scores.is_empty()) else {
            return;
        };
        let mut cells = vec![format!("{} ({})", first.system.label(), first.system.experiment), "dev".to_string()];
        for id in self.ids.clone() {
            let marks = figures.reasons.get(&id).map(|reasons| self.table.marks(reasons)).unwrap_or_default();
            let score = figures.scores.get(&id).map_or_else(dash, |score| format!("{:.1}", 100.0 * score));
            cells.push([score, marks].join(" ").trim_end().to_string());
        }
        let notes = self.add_average(&mut cells, &figures);
        let kinds = figures.kinds.iter().copied().collect::<Vec<_>>().join(", or ");
        let kind = self.table.mark(&format!("this project, on dev: {kinds}; see its table for n"));
        cells.push([kind, notes].join(" ").trim_end().to_string());
        self.table.rows.push(cells);
    }

    fn add_average(&mut self, cells: &mut Vec<String>, figures: &Figures) -> String {
        match self.average.as_ref().map(|rule| figures.average(rule)) {
            None => String::new(),
            Some(Ok(average)) => {
                cells.push(format!("{:.1}", 100.0 * average));
                String::new()
            }
            Some(Err(missing)) => {
                cells.push(dash());
                self.table.mark(&format!("no average: missing {}", missing.join(", ")))
            }
        }
    }
}
