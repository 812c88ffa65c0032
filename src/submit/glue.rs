//! The GLUE server's zip: a TSV a test set, header `index<TAB>prediction`, rows numbered from 0 in the published order.
//!
//! MNLI, QNLI, RTE and AX want label names, the others 0 or 1, STS-B a number within 0 and 5. WNLI is built so that dev
//! misleads (its sentences recur in train with the other label): like BERT's authors we submit the majority class where
//! no model was asked. AX is answered by the MNLI model.

use super::{Prediction, SubmitError, TaskPredictions, write_whole};
use crate::task::{Head, Split, SplitRole, TASKS, Task};
use std::fmt::Write;
use std::io::{Cursor, Write as _};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// `not_entailment`: 323 of the 635 training rows of WNLI (312 are `entailment`).
const WNLI_MAJORITY: Prediction = Prediction::Class(0);

/// Tasks whose labels the server wants by name.
const BY_NAME: &[&str] = &["mnli", "qnli", "rte", "ax"];

/// Where the rows of a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A model's predictions.
    Model,
    /// The majority class of the training split.
    Majority,
}

/// A file in the zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its name: `MNLI-m.tsv`.
    pub file: &'static str,
    /// Rows below the header.
    pub rows: usize,
    /// Where they came from.
    pub source: Source,
}

/// What a zip holds and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its files, in the order of the task table.
    pub files: Vec<Submitted>,
    /// Files the server expects that no predictions were given for; it refuses a zip without all of them.
    pub missing: Vec<&'static str>,
}

/// Checks the predictions and writes the zip. The same predictions give the same bytes: times inside are fixed.
pub fn glue_zip(path: &Path, predictions: &[TaskPredictions]) -> Result<Report, SubmitError> {
    check(predictions)?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut report = Report { files: Vec::new(), missing: Vec::new() };
    for (task, split, file) in server_files() {
        let Some((rows, source)) = rows_for(task, split, predictions) else {
            report.missing.push(file);
            continue;
        };
        zip.start_file(file, options())?;
        zip.write_all(tsv(task, split, &rows)?.as_bytes()).map_err(zip::result::ZipError::from)?;
        report.files.push(Submitted { file, rows: rows.len(), source });
    }
    write_whole(path, zip.finish()?.get_ref())?;
    Ok(report)
}

/// Every file of the server with the split it scores, in the order of the task table.
fn server_files() -> impl Iterator<Item = (&'static Task, &'static Split, &'static str)> {
    TASKS.iter().flat_map(|task| {
        task.splits_with(SplitRole::Test).zip(task.server_files).map(move |(split, file)| (task, split, *file))
    })
}

/// Everything that would make the server refuse the zip, or score it wrongly without a word.
fn check(predictions: &[TaskPredictions]) -> Result<(), SubmitError> {
    if predictions.is_empty() {
        return Err(SubmitError::Nothing);
    }
    for (index, TaskPredictions { task, split, predictions: rows }) in predictions.iter().enumerate() {
        let (task, split) = (task.name, *split);
        let earlier = &predictions[..index];
        if !server_files().any(|(known, test, _)| known.name == task && test == split) {
            return Err(SubmitError::NotOnServer { task, split: split.name });
        }
        if earlier.iter().any(|other| other.task.name == task && other.split == split) {
            return Err(SubmitError::Twice { task, split: split.name });
        }
        if rows.len() != split.rows {
            let (found, expected) = (rows.len(), split.rows);
            return Err(SubmitError::RowCount { task, split: split.name, found, expected });
        }
    }
    Ok(())
}

/// The rows of a file: what was given, else WNLI's majority, else none.
fn rows_for(task: &Task, split: &Split, predictions: &[TaskPredictions]) -> Option<(Vec<Prediction>, Source)> {
    let given = predictions.iter().find(|given| given.task == task && given.split == split);
    match given {
        Some(given) => Some((given.predictions.clone(), Source::Model)),
        None if task.name == "wnli" => Some((vec![WNLI_MAJORITY; split.rows], Source::Majority)),
        None => None,
    }
}

/// A whole file. Its rows are numbered by us: the server joins by this number alone.
fn tsv(task: &Task, split: &Split, rows: &[Prediction]) -> Result<String, SubmitError> {
    let mut text = String::from("index\tprediction\n");
    for (row, prediction) in rows.iter().enumerate() {
        let value = spelt(task, *prediction).ok_or_else(|| SubmitError::Value {
            task: task.name,
            split: split.name,
            row,
            found: format!("{prediction:?}"),
            expected: if task.head == Head::Regression { "a finite number" } else { "one of its labels" }.to_owned(),
        })?;
        writeln!(text, "{row}\t{value}").expect("writing to a String can't fail");
    }
    Ok(text)
}

/// A prediction as the server reads it; `None` if the task can't have it.
fn spelt(task: &Task, prediction: Prediction) -> Option<String> {
    match (task.head, prediction) {
        (Head::Regression, Prediction::Value(value)) if value.is_finite() => {
            Some(format!("{:.3}", value.clamp(0.0, 5.0)))
        }
        (Head::Classification, Prediction::Class(class)) => {
            let name = task.labels.get(class)?;
            Some(if BY_NAME.contains(&task.name) { name.to_string() } else { class.to_string() })
        }
        _ => None,
    }
}

/// Fixed time and permissions, so that equal predictions are equal zips.
fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task;

    fn spell(task: &str, prediction: Prediction) -> Option<String> {
        spelt(task::find(task).unwrap(), prediction)
    }

    #[test]
    fn names_where_the_server_wants_names_and_digits_elsewhere() {
        // As in the server's sample submission.
        for task in ["mnli", "ax"] {
            assert_eq!(spell(task, Prediction::Class(2)).unwrap(), "contradiction");
        }
        for task in ["qnli", "rte"] {
            assert_eq!(spell(task, Prediction::Class(1)).unwrap(), "not_entailment");
        }
        for task in ["cola", "sst2", "mrpc", "qqp", "wnli"] {
            assert_eq!(spell(task, Prediction::Class(1)).unwrap(), "1");
        }
    }

    #[test]
    fn similarities_are_clipped_and_have_three_decimals() {
        let cases = [(5.2, "5.000"), (-0.3, "0.000"), (2.34567, "2.346"), (3.0, "3.000")];
        for (value, expected) in cases {
            assert_eq!(spell("stsb", Prediction::Value(value)).unwrap(), expected);
        }
    }

    #[test]
    fn a_prediction_of_the_wrong_kind_is_refused() {
        assert_eq!(spell("stsb", Prediction::Class(1)), None);
        assert_eq!(spell("stsb", Prediction::Value(f64::NAN)), None);
        assert_eq!(spell("rte", Prediction::Class(2)), None);
        assert_eq!(spell("rte", Prediction::Value(0.0)), None);
    }

    #[test]
    fn the_server_has_eleven_files() {
        let files: Vec<&str> = server_files().map(|(_, _, file)| file).collect();
        let expected = [
            "MNLI-m.tsv",
            "MNLI-mm.tsv",
            "QQP.tsv",
            "QNLI.tsv",
            "SST-2.tsv",
            "CoLA.tsv",
            "STS-B.tsv",
            "MRPC.tsv",
            "RTE.tsv",
            "WNLI.tsv",
            "AX.tsv",
        ];
        assert_eq!(files, expected);
    }
}
