//! `reports/speed.md`: its table's rows that a measurement gives, written or renewed.
//!
//! A row is found by its first cell. Reach and aim are the project's and stay; what was measured, its spread, the command,
//! the day and the machine are replaced. A row that the table does not have goes to its end.

use super::case::Measured;
use super::duel::Ratio;
use super::statistics::Spread;

/// Columns of the table.
const HEADER: &str = "| what | reach | aim | measured | spread | command | date | device |";

/// What one measurement says.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// First cell, by which it is found.
    pub what: String,
    /// The figure, and what made it.
    pub measured: String,
    /// Least and most of the rounds.
    pub spread: String,
}

/// What holds for all rows of a command.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Command line, without paths of this machine.
    pub command: String,
    /// Day.
    pub date: String,
    /// Processor and threads.
    pub device: String,
}

/// The rows of a case.
pub fn rows(measured: &Measured) -> Vec<Row> {
    let (outcome, title) =
        (&measured.outcome, format!("CPU, {}{}", measured.title, if measured.dtype == "f32" { "" } else { ", bf16" }));
    let engine = &outcome.ours.configuration;
    let what = |of: &str| format!("{title}: {of}");
    let plain = |of: &str, figure: String| Row { what: what(of), measured: figure, spread: "—".into() };
    let ratio = |of: &str, found: &Ratio| Row {
        what: what(of),
        measured: format!("{:.2} ({engine} ÷ {})", found.ratio.median, found.configuration),
        spread: found.ratio.show_ends(2),
    };
    let mut rows = Vec::new();
    rows.extend(outcome.train_ratio.as_ref().map(|found| ratio("training ÷ PyTorch", found)));
    rows.extend(outcome.evaluate_ratio.as_ref().map(|found| ratio("evaluation ÷ PyTorch", found)));
    match measured.dtype.as_str() {
        "f32" => rows.push(share(measured, what("training, share of the sgemm ceiling"))),
        // Only the peer's library has such a product to measure.
        dtype if !outcome.peers.is_empty() => {
            rows.push(share(measured, what(&format!("training, share of the {dtype} matmul ceiling"))));
        }
        _ => {}
    }
    if measured.epoch_tokens.is_none() {
        rows.extend(outcome.memory_ratio.map(|of| plain("peak memory ÷ PyTorch", format!("{of:.2} ({engine})"))));
    }
    let allocations = outcome.allocations_per_step;
    rows.extend(allocations.map(|of| plain("heap allocations in a training step", format!("{of} ({engine})"))));
    rows
}

fn share(measured: &Measured, what: String) -> Row {
    let of = |rate: f64| 100.0 * measured.share_of_ceiling * rate / measured.outcome.ours.train.median;
    let Spread { least, most, .. } = measured.outcome.ours.train;
    let ceiling = format!("{:.0} GFLOP/s", measured.ceiling / 1e9);
    Row {
        what,
        measured: format!(
            "{:.0} % of {ceiling} ({})",
            100.0 * measured.share_of_ceiling,
            measured.outcome.ours.configuration
        ),
        spread: format!("{:.0} to {:.0} %", of(least), of(most)),
    }
}

/// The page with its rows renewed; a page without the table gets one.
pub fn renewed(page: &str, rows: &[Row], circumstances: &Circumstances) -> String {
    let mut lines: Vec<String> = page.lines().map(str::to_string).collect();
    if !lines.iter().any(|line| line == HEADER) {
        lines.extend([HEADER.to_string(), "| :--- | :--- | :--- | :--- | :--- | :--- | :--- | :--- |".to_string()]);
    }
    for row in rows {
        let known = lines.iter().position(|line| cells(line).first().is_some_and(|what| *what == row.what));
        match known {
            Some(at) => lines[at] = row.line(&cells(&lines[at])[1..3].join(" | "), circumstances),
            None => lines.insert(end_of_table(&lines), row.line("— | —", circumstances)),
        }
    }
    lines.join("\n") + "\n"
}

impl Row {
    fn line(&self, reach_and_aim: &str, circumstances: &Circumstances) -> String {
        let Circumstances { command, date, device } = circumstances;
        let Row { what, measured, spread } = self;
        format!("| {what} | {reach_and_aim} | {measured} | {spread} | `{command}` | {date} | {device} |")
    }
}

/// The cells of a line of the table; none of any other line.
fn cells(line: &str) -> Vec<&str> {
    let inner = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |"));
    let cells: Vec<&str> = inner.map(|inner| inner.split(" | ").collect()).unwrap_or_default();
    if cells.len() == 8 { cells } else { Vec::new() }
}

fn end_of_table(lines: &[String]) -> usize {
    lines.iter().rposition(|line| !cells(line).is_empty()).map_or(lines.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Speed\n\n\
        | what | reach | aim | measured | spread | command | date | device |\n\
        | :--- | :--- | :--- | :--- | :--- | :--- | :--- | :--- |\n\
        | training ÷ PyTorch | ≥ 1.4 | 2.0 | not measured yet | — | — | — | — |\n\
        | start | < 1.5 s | 0.5 s | not measured yet | — | — | — | — |\n\n\
        Below.\n";

    fn row(what: &str) -> Row {
        Row { what: what.into(), measured: "1.50".into(), spread: "1.40 to 1.60".into() }
    }

    #[test]
    fn known_rows_keep_reach_and_aim_and_new_ones_go_to_the_end() {
        let circumstances =
            Circumstances { command: "repro bench".into(), date: "2026-11-25".into(), device: "2 cores".into() };
        let page = renewed(PAGE, &[row("training ÷ PyTorch"), row("evaluation")], &circumstances);
        let expected = PAGE
            .replace(
                "2.0 | not measured yet | — | — | — | — |",
                "2.0 | 1.50 | 1.40 to 1.60 | `repro bench` | 2026-11-25 | 2 cores |",
            )
            .replace(
                "\n\nBelow",
                "\n| evaluation | — | — | 1.50 | 1.40 to 1.60 | `repro bench` | 2026-11-25 | 2 cores |\n\nBelow",
            );
        assert_eq!(page, expected);
        assert_eq!(renewed(&page, &[row("evaluation")], &circumstances), page, "renewing twice changes nothing");
    }

    // The titles that `Case` gives, spelt out: a row whose first cell differed would never be renewed.
    #[test]
    fn the_projects_page_has_the_rows_that_are_measured() {
        let page = include_str!("../../../reports/speed.md");
        let lines: Vec<Vec<&str>> = page.lines().map(cells).collect();
        for what in [
            "CPU, MiniLM-L6, rectangular 32×128: training ÷ PyTorch",
            "CPU, bert-base, rectangular 8×128: training, share of the sgemm ceiling",
            "CPU, MiniLM-L6, CoLA, padded to the batch's longest: evaluation ÷ PyTorch",
            "CPU, MiniLM-L6, SST-2, padded to the longest, grouped by length: training ÷ PyTorch",
        ] {
            assert!(lines.iter().any(|cells| cells.first() == Some(&what)), "no row `{what}`");
        }
    }

    #[test]
    fn an_empty_page_gets_the_table() {
        let circumstances = Circumstances { command: "c".into(), date: "d".into(), device: "e".into() };
        let page = renewed("", &[row("a")], &circumstances);
        assert_eq!(page.lines().count(), 3);
        assert!(page.ends_with("| a | — | — | 1.50 | 1.40 to 1.60 | `c` | d | e |\n"), "{page}");
    }
}
