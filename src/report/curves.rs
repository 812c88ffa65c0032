//! Learning curves: the dev score and the dev loss of every run of a task, over its steps.

use super::svg::{PALETTE, Scale, Svg};
use crate::record::{Record, Status};
use crate::task::{SplitRole, Task};

const HEIGHT: f64 = 300.0;
const PANEL: f64 = 380.0;
const TOP: f64 = 58.0;
/// Runs that the legend names, one per colour; more are drawn and counted.
const LEGEND_LINES: usize = PALETTE.len();

/// A curve: steps and values.
type Points = Vec<(f64, f64)>;

/// The picture of one task's runs in an experiment; `None` where no run has two evaluations.
pub fn learning_curves(experiment: &str, task: &Task, records: &[&Record]) -> Option<String> {
    let split = task.splits_with(SplitRole::Dev).next()?;
    let drawn: Vec<&Record> =
        records.iter().copied().filter(|record| score_curve(record, task, split.name).len() > 1).collect();
    if drawn.is_empty() {
        return None;
    }
    let legend = drawn.len().min(LEGEND_LINES + 1) as f64;
    let title = format!("{experiment}: {} on {}", task.title, split.name);
    let mut svg = Svg::new(2.0 * PANEL + 40.0, HEIGHT + 40.0 + 16.0 * legend, &title);
    let scores: Vec<Points> = drawn.iter().map(|record| score_curve(record, task, split.name)).collect();
    let losses: Vec<Points> = drawn.iter().map(|record| loss_curve(record, split.name)).collect();
    panel(&mut svg, 20.0, &format!("{} in percent", task.primary_metric().name()), &scores);
    panel(&mut svg, 20.0 + PANEL, "mean loss", &losses);
    write_legend(&mut svg, &drawn);
    Some(svg.finish())
}

fn score_curve(record: &Record, task: &Task, split: &str) -> Points {
    let metric = task.primary_metric();
    let evaluations = record.evaluations.iter().filter(|evaluation| evaluation.split == split);
    let value = |scores: &[(crate::score::Metric, Option<f64>)]| scores.iter().find(|(m, _)| *m == metric)?.1;
    evaluations.filter_map(|e| Some((e.step as f64, 100.0 * value(&e.scores)?))).collect()
}

fn loss_curve(record: &Record, split: &str) -> Points {
    let evaluations = record.evaluations.iter().filter(|evaluation| evaluation.split == split);
    evaluations.filter(|e| e.loss.is_finite()).map(|e| (e.step as f64, e.loss)).collect()
}

fn panel(svg: &mut Svg, left: f64, name: &str, curves: &[Points]) {
    let steps: Vec<f64> = curves.iter().flatten().map(|(step, _)| *step).chain([0.0]).collect();
    let values: Vec<f64> = curves.iter().flatten().map(|(_, value)| *value).collect();
    let (start, end) = (left + 48.0, left + PANEL - 20.0);
    let x = Scale::new(&steps, start, end);
    let y = Scale::new(&values, HEIGHT - 10.0, TOP);
    for (value, label) in y.ticks() {
        svg.grid((start, y.at(value)), (end, y.at(value)));
        svg.text((start - 8.0, y.at(value) + 4.0), "end", &label);
    }
    for (value, label) in x.ticks() {
        svg.text((x.at(value), HEIGHT + 8.0), "middle", &label);
    }
    svg.text((start, TOP - 12.0), "start", name);
    svg.text(((start + end) / 2.0, HEIGHT + 26.0), "middle", "optimizer steps");
    for (index, curve) in curves.iter().enumerate() {
        let points: Points = curve.iter().map(|(step, value)| (x.at(*step), y.at(*value))).collect();
        svg.path(&points, colour(index));
        points.iter().for_each(|point| svg.dot(*point, colour(index)));
    }
}

fn write_legend(svg: &mut Svg, drawn: &[&Record]) {
    for (index, record) in drawn.iter().take(LEGEND_LINES).enumerate() {
        let y = HEIGHT + 48.0 + 16.0 * index as f64;
        svg.line((24.0, y - 4.0), (44.0, y - 4.0), colour(index), 3.0);
        svg.text((52.0, y), "start", &label(record));
    }
    if drawn.len() > LEGEND_LINES {
        let y = HEIGHT + 48.0 + 16.0 * LEGEND_LINES as f64;
        svg.text((52.0, y), "start", &format!("and {} more runs", drawn.len() - LEGEND_LINES));
    }
}

fn label(record: &Record) -> String {
    let recipe = &record.recipe;
    let aside = match &record.status {
        Status::Finished => String::new(),
        Status::Collapsed(reason) => format!(", collapsed: {reason}"),
        Status::Diverged(step) => format!(", diverged at step {step}"),
        Status::Failed(_) => ", failed".to_string(),
    };
    let limit = record.limit.map(|rows| format!(", first {rows} rows")).unwrap_or_default();
    format!(
        "{}, lr {:e}, batch {}, seed {}{limit}{aside}",
        record.checkpoint, recipe.learning_rate, recipe.batch_size, record.seed
    )
}

fn colour(index: usize) -> &'static str {
    PALETTE[index % PALETTE.len()]
}
