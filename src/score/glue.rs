//! The two averages that are both called "GLUE score", each by its name.
//!
//! - *Paper average* (BERT, Table 1): the mean of **nine** numbers. MNLI-m and MNLI-mm count separately, QQP and MRPC
//!   are F1, STS-B is Spearman, CoLA is Matthews, the rest accuracy; there is no WNLI.
//! - *Leaderboard average* (gluebenchmark.com): first the mean within a task (MRPC, QQP: F1 and accuracy; STS-B: both
//!   correlations; MNLI: both sets), then the mean over nine tasks with WNLI. MNLI so counts once.
//!
//! They differ by up to a point. An average of what happens to be there is neither, so one missing number gives `None`.

use super::Metric::{self, Accuracy, F1, Matthews, Pearson, Spearman};

/// One number of a table: the task key of published tables (`mnli_m`) and the metric.
pub type Cell = (&'static str, Metric);

/// The nine numbers of the paper's average, in its order.
pub const PAPER_CELLS: [Cell; 9] = [
    ("mnli_m", Accuracy),
    ("mnli_mm", Accuracy),
    ("qqp", F1),
    ("qnli", Accuracy),
    ("sst2", Accuracy),
    ("cola", Matthews),
    ("stsb", Spearman),
    ("mrpc", F1),
    ("rte", Accuracy),
];

/// The leaderboard's nine tasks, each with the numbers that are averaged into it.
pub const LEADERBOARD_TASKS: [&[Cell]; 9] = [
    &[("cola", Matthews)],
    &[("sst2", Accuracy)],
    &[("mrpc", F1), ("mrpc", Accuracy)],
    &[("stsb", Pearson), ("stsb", Spearman)],
    &[("qqp", F1), ("qqp", Accuracy)],
    &[("mnli_m", Accuracy), ("mnli_mm", Accuracy)],
    &[("qnli", Accuracy)],
    &[("rte", Accuracy)],
    &[("wnli", Accuracy)],
];

/// Mean of the paper's nine numbers, in whatever unit `score` answers; `None` if it lacks one.
pub fn paper_average(mut score: impl FnMut(&str, Metric) -> Option<f64>) -> Option<f64> {
    mean_of(&PAPER_CELLS, &mut score)
}

/// The leaderboard's mean of nine task means; `None` if a number is missing.
pub fn leaderboard_average(mut score: impl FnMut(&str, Metric) -> Option<f64>) -> Option<f64> {
    let mut sum = 0.0;
    for cells in LEADERBOARD_TASKS {
        sum += mean_of(cells, &mut score)?;
    }
    Some(sum / LEADERBOARD_TASKS.len() as f64)
}

fn mean_of(cells: &[Cell], score: &mut impl FnMut(&str, Metric) -> Option<f64>) -> Option<f64> {
    let mut sum = 0.0;
    for &(task, metric) in cells {
        sum += score(task, metric)?;
    }
    Some(sum / cells.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_number_leaves_no_average() {
        let all_but_wnli = |task: &str, _| (task != "wnli").then_some(0.5);
        assert_eq!(paper_average(all_but_wnli), Some(0.5));
        assert_eq!(leaderboard_average(all_but_wnli), None);
    }

    #[test]
    fn mnli_counts_twice_in_the_paper_and_once_on_the_leaderboard() {
        // everything 0 but MNLI-m and MNLI-mm at 0.9: 1.8 / 9 and 0.9 / 9
        let only_mnli = |task: &str, _| Some(if task.starts_with("mnli") { 0.9 } else { 0.0 });
        assert_eq!(paper_average(only_mnli), Some(0.2));
        assert_eq!(leaderboard_average(only_mnli), Some(0.1));
    }
}
