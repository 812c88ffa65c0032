//! Which statistic of which runs a published figure is.
//!
//! Columns may say it (`statistic: mean`); else it is read off the protocol's `runs` or `models`, which begin with it
//! by convention (`median of 5 seeds`, `mean dev accuracy of 5 random restarts`, `one run`). What is not stated stays
//! unstated: a guess would decide a comparison.

use super::file::{Column, Table};
use std::fmt;

/// What was done with several runs before a figure was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// A single run.
    OneRun,
    /// Hyperparameters (and restarts) picked on dev, then one figure.
    SelectedOnDev,
    /// The best of so many runs.
    Best(Option<u32>),
    /// The mean of so many runs.
    Mean(Option<u32>),
    /// The median of so many runs.
    Median(Option<u32>),
    /// A spread, not a score.
    Deviation,
    /// The source does not say.
    Unstated,
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, runs) = match self {
            Statistic::OneRun => return f.write_str("one run"),
            Statistic::SelectedOnDev => return f.write_str("one run, selected on dev"),
            Statistic::Deviation => return f.write_str("standard deviation"),
            Statistic::Unstated => return f.write_str("statistic not stated"),
            Statistic::Best(runs) => ("best", runs),
            Statistic::Mean(runs) => ("mean", runs),
            Statistic::Median(runs) => ("median", runs),
        };
        match runs {
            Some(runs) => write!(f, "{name} of {runs}"),
            None => write!(f, "{name} of several"),
        }
    }
}

impl Statistic {
    /// The statistic of a column.
    pub(super) fn of(table: &Table, column: &Column) -> Statistic {
        let runs = table.protocol("runs");
        let named = column.statistic.as_deref().and_then(|name| Statistic::named(name, runs.and_then(count)));
        let stated = runs.into_iter().chain(table.protocol("models")).find_map(Statistic::stated);
        let selected = table.protocol("selection").map(|_| Statistic::SelectedOnDev);
        named.or(stated).or(selected).unwrap_or(Statistic::Unstated)
    }

    fn named(name: &str, runs: Option<u32>) -> Option<Statistic> {
        match name {
            "mean" => Some(Statistic::Mean(runs)),
            "median" => Some(Statistic::Median(runs)),
            "max" | "best" => Some(Statistic::Best(runs)),
            "std" => Some(Statistic::Deviation),
            _ => None,
        }
    }

    /// From a sentence such as `RoBERTa: median of 5 seeds, …`; hedged ones (`not stated`, `not restated`) say nothing.
    fn stated(text: &str) -> Option<Statistic> {
        if text.contains("not stated") || text.contains("not restated") {
            return None;
        }
        if text.starts_with("one run") || text.starts_with("one seeded run") {
            return Some(Statistic::OneRun);
        }
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        words.find_map(|word| Statistic::named(word, count(text)))
    }
}

/// The number after the first `of`, or the text's first number.
fn count(text: &str) -> Option<u32> {
    let after = text.split_once(" of ").map_or(text, |(_, after)| after);
    after.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_sentences_say_their_statistic() {
        let cases = [
            ("mean dev accuracy of 5 random restarts of fine-tuning", Some(Statistic::Mean(Some(5)))),
            ("RoBERTa: median of 5 seeds, each run early-stopped", Some(Statistic::Median(Some(5)))),
            ("best of 3 runs by dev macro-average", Some(Statistic::Best(Some(3)))),
            ("best dev results reached", Some(Statistic::Best(None))),
            ("one run each", Some(Statistic::OneRun)),
            ("single", None),
            ("median of 5 seeds is the paper's habit for dev; not restated here", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Statistic::stated(text), expected, "{text}");
        }
    }

    #[test]
    fn statistics_read_well() {
        assert_eq!(Statistic::Mean(Some(5)).to_string(), "mean of 5");
        assert_eq!(Statistic::Best(None).to_string(), "best of several");
    }
}
