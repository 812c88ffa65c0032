//! The one table that every report is made of, and its two renderings: Markdown and aligned text for a terminal.
//!
//! Footnotes are marks (`a`, `b`, …) handed out in the order of first use; equal texts share a mark.

/// Which edge a column's cells stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Names and texts.
    Left,
    /// Numbers.
    Right,
}

/// A table as values, ready to be rendered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Heading.
    pub title: String,
    /// Column headings and alignments.
    pub columns: Vec<(String, Align)>,
    /// Cells; every row as long as `columns`.
    pub rows: Vec<Vec<String>>,
    /// Footnotes, in the order of their marks.
    pub footnotes: Vec<String>,
    /// Sentences below the footnotes that no cell points to.
    pub remarks: Vec<String>,
}

impl Table {
    /// An empty table.
    pub fn new(title: impl Into<String>, columns: &[(&str, Align)]) -> Table {
        let columns = columns.iter().map(|(name, align)| (name.to_string(), *align)).collect();
        Table { title: title.into(), columns, ..Table::default() }
    }

    /// The mark of a footnote; a new one if the text has none yet.
    pub fn mark(&mut self, text: &str) -> String {
        let known = self.footnotes.iter().position(|footnote| footnote == text);
        let index = known.unwrap_or_else(|| {
            self.footnotes.push(text.to_string());
            self.footnotes.len() - 1
        });
        letters(index)
    }

    /// The marks of several footnotes, separated by spaces.
    pub fn marks<'a>(&mut self, texts: impl IntoIterator<Item = &'a String>) -> String {
        texts.into_iter().map(|text| self.mark(text)).collect::<Vec<_>>().join(" ")
    }
}

/// `a` to `z`, then `aa`, `ab`, …
fn letters(index: usize) -> String {
    let last = char::from(b'a' + (index % 26) as u8);
    match index / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letters(more - 1)),
    }
}

/// A table as Markdown, heading and footnotes included; ends with a line break.
pub fn markdown(table: &Table) -> String {
    let mut text = format!("## {}\n\n", table.title);
    text.push_str(&markdown_row(table.columns.iter().map(|(name, _)| name.as_str())));
    let rule = |align: &Align| if *align == Align::Left { ":---" } else { "---:" };
    text.push_str(&markdown_row(table.columns.iter().map(|(_, align)| rule(align))));
    for row in &table.rows {
        text.push_str(&markdown_row(row.iter().map(String::as_str)));
    }
    for line in below(table) {
        text.push_str(&format!("\n{line}\n"));
    }
    text
}

fn markdown_row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Footnotes and remarks, a line each.
fn below(table: &Table) -> Vec<String> {
    let footnotes = table.footnotes.iter().enumerate().map(|(index, text)| format!("{}: {text}", letters(index)));
    footnotes.chain(table.remarks.iter().cloned()).collect()
}

/// A table as aligned text; ends with a line break.
pub fn terminal_table(table: &Table) -> String {
    let widths = widths(table);
    let header: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
    let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
    let mut lines = vec![table.title.clone(), terminal_row(table, &widths, &header), rule];
    for row in &table.rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        lines.push(terminal_row(table, &widths, &cells));
    }
    lines.extend(below(table));
    lines.join("\n") + "\n"
}

/// Widest cell of each column, in characters.
fn widths(table: &Table) -> Vec<usize> {
    let width = |(index, (name, _)): (usize, &(String, Align))| {
        let cells = table.rows.iter().filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).chain([name.chars().count()]).max().unwrap_or(0)
    };
    table.columns.iter().enumerate().map(width).collect()
}

fn terminal_row(table: &Table, widths: &[usize], cells: &[&str]) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        let padding = " ".repeat(widths[index] - cell.chars().count());
        let gap = if index == 0 { "" } else { "  " };
        match table.columns[index].1 {
            Align::Left => line.push_str(&format!("{gap}{cell}{padding}")),
            Align::Right => line.push_str(&format!("{gap}{padding}{cell}")),
        }
    }
    line.trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Table {
        let mut table = Table::new("Small", &[("task", Align::Left), ("best", Align::Right)]);
        let mark = table.mark("dev here, test there");
        table.rows.push(vec![format!("mrpc {mark}"), "88.92".into()]);
        table.rows.push(vec!["a|b".into(), "—".into()]);
        table
    }

    #[test]
    fn markdown_escapes_bars_and_lists_footnotes() {
        insta::assert_snapshot!(markdown(&small()), @r"
        ## Small

        | task | best |
        | :--- | ---: |
        | mrpc a | 88.92 |
        | a\|b | — |

        a: dev here, test there
        ");
    }

    #[test]
    fn terminal_columns_are_aligned() {
        insta::assert_snapshot!(terminal_table(&small()), @r"
        Small
        task     best
        ─────────────
        mrpc a  88.92
        a|b         —
        a: dev here, test there
        ");
    }

    #[test]
    fn equal_footnotes_share_a_mark_and_the_alphabet_does_not_end() {
        let mut table = Table::default();
        assert_eq!((table.mark("x"), table.mark("y"), table.mark("x")), ("a".into(), "b".into(), "a".into()));
        assert_eq!((letters(25), letters(26), letters(27)), ("z".to_string(), "aa".to_string(), "ab".to_string()));
    }
}
