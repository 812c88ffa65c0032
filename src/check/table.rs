//! The check as people read it in a terminal, and as JSON. Here fractions become points (hundredths).

use super::{Cell, Check, Outcome, Sample, Verdict};
use serde_json::{Value, json};
use std::fmt::Write;

impl Check {
    /// The verdicts counted: `1 regressed, 2 unchanged, 1 missing`.
    pub fn headline(&self) -> String {
        let names = ["regressed", "inconclusive", "improved", "unchanged", "missing", "new"];
        let count = |name: &str| self.cells.iter().filter(|cell| verdict_name(cell) == name).count();
        let counted = names.iter().map(|name| (count(name), name)).filter(|(count, _)| *count > 0);
        let texts: Vec<String> = counted.map(|(count, name)| format!("{count} {name}")).collect();
        if texts.is_empty() { "no cells".to_string() } else { texts.join(", ") }
    }

    /// The cells, those first that somebody must look at.
    pub fn by_urgency(&self) -> Vec<&Cell> {
        let mut cells: Vec<&Cell> = self.cells.iter().collect();
        cells.sort_by_key(|cell| match (&cell.outcome, cell.verdict()) {
            (_, Some(Verdict::Regressed)) => 0,
            (Outcome::Missing(_), _) => 1,
            (_, Some(Verdict::Inconclusive)) => 2,
            (_, Some(Verdict::Improved)) => 3,
            (Outcome::New, _) => 4,
            _ => 5,
        });
        cells
    }
}

/// The verdict, or `missing`, or `new`.
pub fn verdict_name(cell: &Cell) -> &'static str {
    match (&cell.outcome, cell.verdict()) {
        (_, Some(Verdict::Regressed)) => "regressed",
        (_, Some(Verdict::Inconclusive)) => "inconclusive",
        (_, Some(Verdict::Improved)) => "improved",
        (_, Some(Verdict::Unchanged)) => "unchanged",
        (Outcome::Missing(_), _) => "missing",
        _ => "new",
    }
}

/// `85.54 ± 0.83 (n 3)`; a dash for nothing.
pub fn points(sample: Option<Sample>) -> String {
    let Some(Sample { n, mean, std }) = sample else { return "–".to_string() };
    let spread = std.map_or(String::new(), |std| format!(" ± {:.2}", 100.0 * std));
    format!("{:.2}{spread} (n {n})", 100.0 * mean)
}

/// Markdown bold.
pub fn bold(text: &str) -> String {
    format!("**{text}**")
}

/// The whole check as lines of text.
pub fn text(check: &Check) -> String {
    let mut text = String::new();
    for cell in check.by_urgency() {
        let (then, now) = (points(cell.baseline.map(|(sample, _)| sample)), points(cell.current));
        let _ = writeln!(text, "{:<13}{}", verdict_name(cell), cell.label());
        let _ = writeln!(text, "{:13}baseline {then}, now {now}: {}", "", cell.detail());
    }
    check.named.iter().for_each(|run| {
        let _ = writeln!(text, "without a score: {run}");
    });
    text + &check.headline()
}

/// The whole check as JSON, in fractions.
pub fn json(check: &Check) -> Value {
    let cells: Vec<Value> = check.cells.iter().map(cell_json).collect();
    json!({"cells": cells, "without_score": check.named, "compared": check.compared(), "headline": check.headline()})
}

fn cell_json(cell: &Cell) -> Value {
    let side = |sample: Sample| json!({"n": sample.n, "mean": sample.mean, "std": sample.std});
    let comparison = match &cell.outcome {
        Outcome::Compared(comparison) => Some(comparison),
        Outcome::Missing(_) | Outcome::New => None,
    };
    let interval = comparison.and_then(|comparison| comparison.interval);
    json!({
        "slot": cell.key.slot,
        "identity": cell.key.identity,
        "verdict": verdict_name(cell),
        "detail": cell.detail(),
        "baseline": cell.baseline.map(|(sample, _)| side(sample)),
        "current": cell.current.map(side),
        "difference": interval.map(|interval| interval.difference),
        "interval": interval.map(|interval| [interval.low(), interval.high()]),
        "seeds_needed": comparison.and_then(|comparison| comparison.needed),
    })
}
