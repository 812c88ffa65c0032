//! Which release a split is, told by its number of rows: the one published property that every copy keeps.
//!
//! QNLI is the case that matters: BERT's numbers belong to the first release (108,436 training rows), today's hub has
//! the second. A copy that matches no release is refused unless the spec said that it is something else.

use super::{DatasetError, Origin};
use crate::task::{Split, Task};
use std::path::Path;

/// What to call these rows in records and tables.
pub(super) fn name(
    task: &Task,
    split: &Split,
    origin: &Origin,
    found: usize,
    path: &Path,
) -> Result<String, DatasetError> {
    match origin {
        Origin::Official => official(task, split, found, path),
        Origin::NamedFile(name) if found < split.rows => Ok(format!("partial file {name}")),
        // As many rows as the original proves nothing about a file that the spec brought.
        Origin::NamedFile(name) => Ok(format!("file {name}")),
        Origin::OtherRepository(name) => Ok(format!("other data {name}")),
    }
}

/// The same rows after a limit has cut them.
pub(super) fn limited(release: &str, limit: usize) -> String {
    match release {
        "official" => format!("limited to {limit} rows"),
        other => format!("{other}, limited to {limit} rows"),
    }
}

/// The count of the official split, or of a release that the task's table names for it.
fn official(task: &Task, split: &Split, found: usize, path: &Path) -> Result<String, DatasetError> {
    if found == split.rows {
        return Ok("official".to_owned());
    }
    let mut releases = task.releases.iter().filter(|release| release.split == split.name);
    releases.clone().find(|release| release.rows == found).map(|release| release.name.to_owned()).ok_or_else(|| {
        let others: String =
            releases.by_ref().map(|release| format!(" or {} ({})", release.rows, release.name)).collect();
        DatasetError::RowCount {
            path: path.to_owned(),
            task: task.name,
            split: split.name,
            found,
            expected: format!("{}{others}", split.rows),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task;

    fn name_of(task: &str, origin: Origin, rows: usize) -> Result<String, String> {
        let task = task::find(task).unwrap();
        name(task, &task.splits[0], &origin, rows, Path::new("f")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_two_releases_of_qnli_are_told_apart() {
        // 104,743 and 108,436: the sizes of the two releases as published with GLUE.
        assert_eq!(name_of("qnli", Origin::Official, 104_743).unwrap(), "official");
        assert_eq!(name_of("qnli", Origin::Official, 108_436).unwrap(), "QNLI v1 (108,436 training rows)");
    }

    #[test]
    fn an_unknown_count_names_what_is_known() {
        let error = name_of("qnli", Origin::Official, 7).unwrap_err();
        let expected =
            "f: split `train` of qnli has 7 rows, expected 104743 or 108436 (QNLI v1 (108,436 training rows))";
        assert_eq!(error, expected);
    }

    #[test]
    fn named_files_and_other_repositories_may_have_any_count() {
        let named = |rows| name_of("rte", Origin::NamedFile("part.parquet".into()), rows).unwrap();
        assert_eq!(named(5), "partial file part.parquet");
        assert_eq!(named(2_490), "file part.parquet");
        assert_eq!(name_of("rte", Origin::OtherRepository("me/mini".into()), 5).unwrap(), "other data me/mini");
    }

    #[test]
    fn a_limit_is_said_beside_the_release_it_cut() {
        assert_eq!(limited("official", 9), "limited to 9 rows");
        assert_eq!(limited("partial file p", 9), "partial file p, limited to 9 rows");
    }
}
