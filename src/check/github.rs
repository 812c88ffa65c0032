//! The check as GitHub Actions shows it: annotations (workflow commands on standard output) and the job's summary.
//!
//! A workflow command ends at the line's end, so that `%`, CR and LF are escaped in its message, `:` and `,` in its
//! properties too (actions/toolkit, `packages/core/src/command.ts`).

use super::table::{bold, points, verdict_name};
use super::{Cell, Check, Outcome, Verdict};
use std::fmt::Write;

/// One line a regression (`::error`) and one a cell that was in the baseline and is not decided (`::warning`), at the
/// cell's line in the baseline `file`.
pub fn annotations(check: &Check, file: &str) -> Vec<String> {
    check.cells.iter().filter_map(|cell| annotation(cell, file)).collect()
}

fn annotation(cell: &Cell, file: &str) -> Option<String> {
    let level = match (&cell.outcome, cell.verdict()) {
        (_, Some(Verdict::Regressed)) => "error",
        (_, Some(Verdict::Inconclusive)) | (Outcome::Missing(_), _) => "warning",
        _ => return None,
    };
    let line = cell.baseline.map_or(0, |(_, line)| line);
    let title = property(&format!("{} {}", verdict_name(cell), cell.short_label()));
    let text = message(&format!("{}: {}", cell.label(), cell.detail()));
    Some(format!("::{level} file={},line={line},title={title}::{text}", property(file)))
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// The summary in Markdown: the verdicts counted, then a row a cell, regressions first.
pub fn summary(check: &Check) -> String {
    let mut text = format!("## repro check\n\n{}\n\n", bold(&check.headline()));
    text.push_str("| verdict | cell | baseline | now | why |\n|---|---|---|---|---|\n");
    for cell in check.by_urgency() {
        let (then, now) = (points(cell.baseline.map(|(sample, _)| sample)), points(cell.current));
        let row = [verdict_name(cell), &cell.label(), &then, &now, cell.detail()].map(escaped);
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    if !check.named.is_empty() {
        text.push_str("\nRuns without a score:\n\n");
        check.named.iter().for_each(|run| {
            let _ = writeln!(text, "- {}", escaped(run));
        });
    }
    text
}

/// Text that stays one table cell.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_on_one_line_and_properties_keep_their_commas() {
        assert_eq!(message("95 %\nb"), "95 %25%0Ab");
        assert_eq!(property("a: b, c"), "a%3A b%2C c");
    }

    #[test]
    fn a_bar_does_not_end_a_table_cell() {
        assert_eq!(escaped("a|b\nc"), "a\\|b c");
    }
}
