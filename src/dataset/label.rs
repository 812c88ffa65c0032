//! Labels as files spell them, turned into labels of the task, with proof that they are in range.
//!
//! The hub writes -1 where the GLUE server keeps a label for itself; only a test split may have such rows.

use super::error::{At, quoted};
use super::{DatasetError, Label};
use crate::task::{Split, SplitRole, Task};

/// The largest STS-B similarity; the smallest is 0.
const HIGHEST_SCORE: f64 = 5.0;

/// A class from its number; -1 is hidden.
pub(super) fn class(task: &Task, split: &Split, number: i64, at: &At) -> Result<Option<Label>, DatasetError> {
    if number == -1 {
        return hidden(split, at);
    }
    let in_range = u32::try_from(number).ok().filter(|&class| (class as usize) < task.labels.len());
    let class = in_range.ok_or_else(|| {
        at.wrong(format!("label {number}"), format!("0 to {} or, where it is hidden, -1", task.labels.len() - 1))
    })?;
    Ok(Some(Label::Class(class)))
}

/// One of so many endings; -1 is hidden.
pub(super) fn choice(split: &Split, endings: usize, number: i64, at: &At) -> Result<Option<Label>, DatasetError> {
    if number == -1 {
        return hidden(split, at);
    }
    let known = u32::try_from(number).ok().filter(|&choice| (choice as usize) < endings);
    let wrong = || at.wrong(format!("label {number}"), format!("0 to {} or, where it is hidden, -1", endings - 1));
    known.map(|choice| Some(Label::Class(choice))).ok_or_else(wrong)
}

/// A class from its name. There is no name for a hidden label: such files leave the column out.
pub(super) fn named(task: &Task, name: &str, at: &At) -> Result<Option<Label>, DatasetError> {
    let index = task.labels.iter().position(|label| *label == name);
    let index = index.ok_or_else(|| at.wrong(format!("label `{name}`"), one_of(task.labels)))?;
    Ok(Some(Label::Class(index as u32)))
}

/// A similarity from 0 to 5; -1 is hidden.
pub(super) fn score(split: &Split, number: f64, at: &At) -> Result<Option<Label>, DatasetError> {
    if number == -1.0 {
        return hidden(split, at);
    }
    // NaN is in no range, so this refuses it as well.
    if !(0.0..=HIGHEST_SCORE).contains(&number) {
        return Err(at.wrong(format!("score {number}"), "a number from 0 to 5"));
    }
    Ok(Some(Label::Value(number as f32)))
}

/// No label, in a split that may hide it.
pub(super) fn hidden(split: &Split, at: &At) -> Result<Option<Label>, DatasetError> {
    let needed = match split.role {
        SplitRole::Test => return Ok(None),
        SplitRole::Train => "trained on",
        SplitRole::Dev => "scored",
    };
    Err(at.wrong("a hidden label (-1)", format!("a label, since split `{}` is {needed}", split.name)))
}

/// What was expected, for a message.
fn one_of(names: &[&str]) -> String {
    format!("one of {}", quoted(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Position;
    use crate::task;
    use std::path::Path;

    fn at() -> At<'static> {
        At { path: Path::new("f.parquet"), position: Position::Row(3) }
    }

    #[test]
    fn classes_out_of_range_name_their_row_and_the_range() {
        let mnli = task::find("mnli").unwrap();
        assert_eq!(class(mnli, &mnli.splits[0], 2, &at()).unwrap(), Some(Label::Class(2)));
        for number in [3, -2, i64::MAX] {
            let error = class(mnli, &mnli.splits[0], number, &at()).unwrap_err().to_string();
            let expected =
                format!("f.parquet: row 3: found label {number}, expected 0 to 2 or, where it is hidden, -1");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn only_test_splits_hide_labels() {
        let rte = task::find("rte").unwrap();
        let [train, dev, test] = rte.splits else { panic!("rte has three splits") };
        assert!(class(rte, train, -1, &at()).is_err());
        assert!(class(rte, dev, -1, &at()).is_err());
        assert_eq!(class(rte, test, -1, &at()).unwrap(), None);
    }

    #[test]
    fn scores_are_numbers_from_0_to_5() {
        let stsb = task::find("stsb").unwrap();
        assert_eq!(score(&stsb.splits[0], 2.5, &at()).unwrap(), Some(Label::Value(2.5)));
        for number in [f64::NAN, f64::INFINITY, 5.01, -0.5, -1.0] {
            assert!(score(&stsb.splits[0], number, &at()).is_err(), "{number}");
        }
    }

    #[test]
    fn names_are_mapped_by_name() {
        let wnli = task::find("wnli").unwrap();
        assert_eq!(named(wnli, "entailment", &at()).unwrap(), Some(Label::Class(1)));
        let error = named(wnli, "neutral", &at()).unwrap_err().to_string();
        assert!(error.ends_with("found label `neutral`, expected one of `not_entailment`, `entailment`"), "{error}");
    }
}
