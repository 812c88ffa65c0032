//! Which run of each task is submitted: the best on dev by the task's primary metric, as BERT's authors chose theirs.

use crate::record::{Record, Status};
use crate::task::{SplitRole, TASKS, Task};

/// The best finished run of each task, in the order of the task table. Equal scores go to the smaller id, so that the
/// choice does not depend on the order of the records. Collapsed and failed runs are never chosen.
pub fn best_runs(records: &[Record]) -> Vec<(&'static Task, &Record)> {
    TASKS.iter().filter_map(|task| best(task, records).map(|record| (task, record))).collect()
}

fn best<'a>(task: &Task, records: &'a [Record]) -> Option<&'a Record> {
    let finished = records.iter().filter(|record| record.task == task.name && record.status == Status::Finished);
    let scored = finished.filter_map(|record| Some((dev_score(task, record)?, record)));
    scored.max_by(|(a, first), (b, second)| a.total_cmp(b).then(second.id.cmp(&first.id))).map(|(_, record)| record)
}

/// The primary metric on the first dev split (MNLI: matched).
fn dev_score(task: &Task, record: &Record) -> Option<f64> {
    let dev = task.splits_with(SplitRole::Dev).next()?;
    let score = record.scores.iter().find(|score| score.split == dev.name && score.metric == task.primary_metric());
    score?.value.filter(|value| value.is_finite())
}
