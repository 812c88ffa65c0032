//! Which run of each task is submitted: the best on dev by the task's primary metric, as BERT's authors chose theirs.

use crate::record::{Record, Status};
use crate::task::{SplitRole, TASKS, Task};
use std::cmp::Ordering;

/// The best finished run of each task, in the order of the task table. Equal scores go to the smaller id, so that the
/// choice does not depend on the order of the records. Collapsed and failed runs are never chosen, nor baselines and
/// untrained models.
pub fn best_runs(records: &[Record]) -> Vec<(&'static Task, &Record)> {
    TASKS.iter().filter_map(|task| best(task, records).map(|record| (task, record))).collect()
}

/// The finished run with the best score; runs without a defined score can't be ranked and are left out.
fn best<'a>(task: &Task, records: &'a [Record]) -> Option<&'a Record> {
    let finished = records.iter().filter(|record| record.task == task.name && record.status == Status::Finished);
    let finished = finished.filter(|record| record.baseline.is_none() && !record.untrained);
    let scored = finished.filter_map(|record| Some((dev_score(task, record)?, record)));
    scored.max_by(|(a, first), (b, second)| rank((*a, &first.id), (*b, &second.id))).map(|(_, record)| record)
}

/// Orders (score, id) so that the run to submit is the greatest.
fn rank((a, first): (f64, &str), (b, second): (f64, &str)) -> Ordering {
    a.total_cmp(&b).then_with(|| second.cmp(first))
}

/// The primary metric on the first dev split (MNLI: matched).
fn dev_score(task: &Task, record: &Record) -> Option<f64> {
    let dev = task.splits_with(SplitRole::Dev).next()?;
    let score = record.scores.iter().find(|score| score.split == dev.name && score.metric == task.primary_metric());
    score?.value.filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_score_wins_and_a_tie_goes_to_the_smaller_id() {
        let runs = [(0.81, "c"), (0.84, "b"), (0.84, "a"), (-0.2, "d")];
        for rotation in 0..runs.len() {
            let mut runs = runs;
            runs.rotate_left(rotation);
            assert_eq!(runs.into_iter().max_by(|a, b| rank(*a, *b)), Some((0.84, "a")));
        }
    }
}
