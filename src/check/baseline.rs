//! `reports/baseline.csv`: what the gate holds records against, one row a cell, sorted, without dates.
//!
//! | column | what |
//! |---|---|
//! | `experiment` `checkpoint` `task` `claim` `metric` | the cell; the metric `collapsed` is the rate of runs that learned nothing |
//! | `recipe` `data` `model` `limit` `compute` | its identity ([`Identity`]); a record that differs in one is not compared |
//! | `examples` | examples of the split |
//! | `tolerance` | smallest change that matters, a fraction; edit it here, `--update` keeps it |
//! | `n` `mean` `std` | over seeds, for readers; proven against `runs` when the file is read |
//! | `runs` | `seed:RunId:value`, separated by spaces, values in full |
//! | `commit` | commits that made them |
//!
//! Lines that begin with `# update` above the header say why the file was rewritten, oldest first. Git knows when.

use super::CheckError;
use super::cell::{Identity, Key, RunValue, Runs, Slot};
use super::statistics::Sample;
use crate::export::atomic;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const COLUMNS: [&str; 17] = [
    "experiment",
    "checkpoint",
    "task",
    "claim",
    "metric",
    "recipe",
    "data",
    "model",
    "limit",
    "compute",
    "examples",
    "tolerance",
    "n",
    "mean",
    "std",
    "runs",
    "commit",
];
const UPDATE: &str = "# update";
/// Decimals of `mean` and `std`.
const DECIMALS: usize = 6;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its runs.
    pub runs: Runs,
    /// Smallest change that matters.
    pub tolerance: f64,
    /// Its line in the file, from 1; 0 before it is written.
    pub line: u64,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Rows by cell.
    pub rows: BTreeMap<Key, Row>,
    /// Why it was rewritten, oldest first.
    pub reasons: Vec<String>,
}

/// Reads the file; a missing one is an empty baseline.
pub fn read(path: &Path) -> Result<Baseline, CheckError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text).map_err(|(line, message)| CheckError::Baseline { path: path.into(), line, message }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Baseline::default()),
        Err(error) => Err(CheckError::file(path)(error)),
    }
}

/// Replaces the file.
pub fn write(path: &Path, baseline: &Baseline) -> Result<(), CheckError> {
    atomic::write(path, text(baseline)?.as_bytes()).map_err(CheckError::file(path))
}

/// A mistake in the file: its line, and what is wrong.
type Mistake = (u64, String);

fn parse(text: &str) -> Result<Baseline, Mistake> {
    let reason = |line: &str| Some(line.strip_prefix(UPDATE)?.split_once(": ")?.1.to_string());
    let mut baseline = Baseline { reasons: text.lines().filter_map(reason).collect(), ..Baseline::default() };
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let header = reader.headers().map_err(mistake)?;
    if header.iter().ne(COLUMNS) {
        return Err((1, format!("the columns are `{}`, expected `{}`", join(header.iter()), join(COLUMNS))));
    }
    for record in reader.into_records() {
        let record = record.map_err(mistake)?;
        let line = record.position().map_or(0, csv::Position::line);
        let (key, row) = row(&record, line).map_err(|message| (line, message))?;
        if baseline.rows.insert(key, row).is_some() {
            return Err((line, "the cell stands in the file twice".to_string()));
        }
    }
    Ok(baseline)
}

fn mistake(error: csv::Error) -> Mistake {
    (error.position().map_or(0, csv::Position::line), error.to_string())
}

fn join<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(",")
}

fn row(record: &csv::StringRecord, line: u64) -> Result<(Key, Row), String> {
    let text = |name: &str| {
        let column = COLUMNS.iter().position(|column| *column == name).expect("every name asked for is in COLUMNS");
        record.get(column).unwrap_or_default().to_string()
    };
    let slot = Slot {
        experiment: text("experiment"),
        checkpoint: text("checkpoint"),
        task: text("task"),
        claim: text("claim"),
        metric: text("metric"),
    };
    let identity = Identity {
        recipe: text("recipe"),
        data: text("data"),
        model: text("model"),
        limit: text("limit"),
        compute: text("compute"),
    };
    let values = text("runs").split_whitespace().map(run).collect::<Result<_, _>>()?;
    let commits = text("commit").split_whitespace().map(str::to_string).collect();
    let runs = Runs { values, examples: number("examples", &text("examples"))?, commits };
    prove(&runs, &text("n"), &text("mean"), &text("std"))?;
    let tolerance: f64 = number("tolerance", &text("tolerance"))?;
    if !(0.0..=1.0).contains(&tolerance) {
        return Err(format!("`tolerance` is `{tolerance}`, expected a fraction from 0 to 1"));
    }
    Ok((Key { slot, identity }, Row { runs, tolerance, line }))
}

fn number<T: std::str::FromStr>(column: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{column}` is `{text}`, expected a number"))
}

/// `seed:RunId:value`
fn run(text: &str) -> Result<(u64, RunValue), String> {
    let wrong = || format!("`runs` holds `{text}`, expected `seed:RunId:value`");
    let mut parts = text.split(':');
    let (Some(seed), Some(id), Some(value), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let (seed, value): (u64, f64) = (seed.parse().map_err(|_| wrong())?, value.parse().map_err(|_| wrong())?);
    if !value.is_finite() {
        return Err(wrong());
    }
    Ok((seed, RunValue { seed, id: id.to_string(), value }))
}

/// A row edited by hand in one place only would gate on numbers nobody sees.
fn prove(runs: &Runs, n: &str, mean: &str, std: &str) -> Result<(), String> {
    let expected = summary(runs).ok_or("`runs` is empty")?;
    let found = [n, mean, std].map(str::to_string);
    if found != expected {
        return Err(format!("`n,mean,std` is `{}`, but `runs` gives `{}`", found.join(","), expected.join(",")));
    }
    Ok(())
}

/// `n`, `mean` and `std` as they stand in the file.
fn summary(runs: &Runs) -> Option<[String; 3]> {
    let sample = Sample::of(&runs.numbers())?;
    let std = sample.std.map_or(String::new(), |std| format!("{std:.DECIMALS$}"));
    Some([sample.n.to_string(), format!("{:.DECIMALS$}", sample.mean), std])
}

fn text(baseline: &Baseline) -> Result<String, CheckError> {
    let mut text =
        "# What `repro check` holds records against. Written by `repro check --update --reason …`.\n".to_string();
    for (number, reason) in (1..).zip(&baseline.reasons) {
        let _ = writeln!(text, "{UPDATE} {number}: {reason}");
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(CheckError::Csv)?;
    for (key, row) in &baseline.rows {
        writer.write_record(fields(key, row)).map_err(CheckError::Csv)?;
    }
    let rows = writer.into_inner().map_err(|error| CheckError::Csv(error.into_error().into()))?;
    Ok(text + &String::from_utf8_lossy(&rows))
}

fn fields(key: &Key, row: &Row) -> Vec<String> {
    let (slot, identity, runs) = (&key.slot, &key.identity, &row.runs);
    let names = [&slot.experiment, &slot.checkpoint, &slot.task, &slot.claim, &slot.metric];
    let parts = [&identity.recipe, &identity.data, &identity.model, &identity.limit, &identity.compute];
    let mut fields: Vec<String> = names.into_iter().chain(parts).cloned().collect();
    fields.extend([runs.examples.to_string(), row.tolerance.to_string()]);
    fields.extend(summary(runs).unwrap_or_default());
    let values = runs.values.values().map(|run| format!("{}:{}:{}", run.seed, run.id, run.value));
    fields.extend([values.collect::<Vec<_>>().join(" "), runs.commits.join(" ")]);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::cell::cells;
    use crate::export::sample::record;

    fn baseline() -> Baseline {
        let cells = cells(&[record(1, 0.85), record(2, 0.1 + 0.2)]);
        let rows = cells.into_iter().map(|(key, runs)| (key, Row { runs, tolerance: 0.01, line: 0 })).collect();
        Baseline { rows, reasons: vec!["first".into(), "a longer: reason".into()] }
    }

    #[test]
    fn a_written_file_reads_back_to_the_last_bit() {
        let written = baseline();
        let mut read = parse(&text(&written).unwrap()).unwrap();
        let lines: Vec<u64> = read.rows.values_mut().map(|row| std::mem::take(&mut row.line)).collect();
        assert_eq!(read, written);
        // a line of title, two reasons, the columns, then the rows
        assert_eq!(lines, [5, 6]);
    }

    #[test]
    fn a_row_edited_in_one_place_is_refused() {
        let text = text(&baseline()).unwrap().replace("0.575000", "0.580000");
        let (line, message) = parse(&text).unwrap_err();
        assert_eq!(
            (line, message.as_str()),
            (6, "`n,mean,std` is `2,0.580000,0.388909`, but `runs` gives `2,0.575000,0.388909`")
        );
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let text = text(&baseline()).unwrap();
        let message = |text: String| parse(&text).unwrap_err().1;
        assert!(message(text.replace("experiment,", "name,")).starts_with("the columns are `name,"));
        assert!(message(text.replace(":0.85 ", ":NaN ")).contains("expected `seed:RunId:value`"));
        let row = text.lines().last().unwrap();
        assert_eq!(message(format!("{text}{row}\n")), "the cell stands in the file twice");
    }
}
