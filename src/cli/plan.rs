//! `repro plan`: the runs, every resolved value with where it came from, and what each run will cost.
//!
//! Nothing is fetched: tokens, memory and time are said of runs whose files are here. Time comes from a calibration. Of
//! files that are not here the hub is asked for the sizes, unless `--offline`; without an answer they are unknown.

use super::{CliError, Common, Console, download};
use crate::event::Silent;
use crate::exit::Exit;
use crate::fetch::Missing;
use crate::pipeline::{Forecast, Forecasts, Inputs};
use crate::plan::{self, Plan, Resolved, Run, steps::warmup_steps};
use crate::spec::Experiment;
use serde_json::{Value, json};

/// Arguments of `repro plan`.
#[derive(clap::Args)]
pub struct PlanArgs {
    #[command(flatten)]
    common: Common,
    /// Estimate no time: leave out the calibration, a few small steps on each encoder.
    #[arg(long)]
    no_calibration: bool,
}

/// What a run will cost, or why that is not known yet.
type Cost = Result<Forecast, String>;

/// What a plan takes.
struct Costs {
    /// Of each run.
    runs: Vec<Cost>,
    /// What none of them has yet.
    downloads: Vec<Missing>,
}

/// Costs of the runs whose files are here, and the files that are not; nothing is fetched for a plan.
fn costs(args: &PlanArgs, experiment: &Experiment, plan: &Plan) -> Result<Costs, CliError> {
    let offline = Common { offline: true, ..args.common.clone() };
    let (here, hub) = (offline.open_hub(experiment)?, args.common.open_hasty_hub(experiment)?);
    let downloads = download::downloads(plan, here.as_ref(), hub.as_ref());
    let mut forecasts = Forecasts::new(if args.no_calibration { None } else { Some(args.common.processor()?) });
    let mut inputs = Inputs::new(here.as_ref(), args.common.output(experiment).cache, &Silent);
    let cost = |run: &Run| forecasts.of(run, &mut inputs).map_err(|error| error.to_string());
    Ok(Costs { runs: plan.runs.iter().map(cost).collect(), downloads })
}

fn costs_text(plan: &Plan, Costs { runs: costs, downloads }: &Costs) -> String {
    let rows: Vec<[String; 6]> = plan.runs.iter().zip(costs).map(|(run, cost)| cost_row(run, cost)).collect();
    let table = aligned(["run", "tokens", "dev tokens", "files here", "memory", "time"], &rows);
    let known: Vec<&Forecast> = costs.iter().flatten().collect();
    let seconds: Option<f64> = known.iter().map(|cost| cost.seconds).sum();
    let total = match seconds {
        _ if known.is_empty() => "unknown".into(),
        None => "not calibrated".into(),
        Some(seconds) => duration(seconds),
    };
    let unknown = costs.len() - known.len();
    let rest = if unknown > 0 { format!("; {unknown} runs unknown, see above") } else { String::new() };
    format!("{table}\nin all: {total}{rest}\n\n{}", download::text(downloads))
}

fn cost_row(run: &Run, cost: &Cost) -> [String; 6] {
    let id = run.id.to_string();
    match cost {
        Ok(cost) => [
            id,
            cost.train_tokens.to_string(),
            cost.dev_tokens.to_string(),
            format!("{:.1} MB", cost.files as f64 / 1e6),
            format!("{:.2} GB", cost.memory as f64 / 1e9),
            cost.seconds.map_or("—".into(), duration),
        ],
        Err(error) => {
            let dash = || "—".to_string();
            [id, dash(), dash(), dash(), dash(), format!("unknown: {error}")]
        }
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

/// Runs the command.
pub fn run(args: &PlanArgs, console: &Console) -> Result<Exit, CliError> {
    let (experiment, plan) = args.common.plan()?;
    let costs = costs(args, &experiment, &plan)?;
    if console.json {
        console.result(&format!("{:#}", to_json(&plan, &costs)));
    } else {
        console.result(&format!("{}\n{}", to_text(&plan), costs_text(&plan, &costs)));
    }
    Ok(Exit::Fine)
}

fn to_text(plan: &Plan) -> String {
    let rows: Vec<[String; 4]> = plan.values.iter().map(value_row).collect();
    let values = aligned(["value", "is", "for", "from"], &rows);
    let rows: Vec<[String; 3]> = plan.runs.iter().map(run_row).collect();
    let runs = aligned(["run", "what", "steps (warm-up)"], &rows);
    format!("{}: {}\n\n{values}\n{runs}", plan.experiment, counted(plan.runs.len()))
}

fn counted(runs: usize) -> String {
    if runs == 1 { "1 run".into() } else { format!("{runs} runs") }
}

fn value_row(value: &Resolved) -> [String; 4] {
    let tasks = if value.tasks.is_empty() { "all".into() } else { value.tasks.join(", ") };
    [value.key.clone(), value.value.clone(), tasks, value.source.clone()]
}

fn run_row(run: &Run) -> [String; 3] {
    let steps = match plan::steps(run) {
        Some(total) => format!("{total} ({})", warmup_steps(total, run.recipe.warmup, run.recipe.rounding)),
        None => "known when encoded".into(),
    };
    [run.id.to_string(), run.label(), steps]
}

/// Columns as wide as their widest cell, two spaces apart; the last is not padded.
pub(super) fn aligned<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let header = header.map(str::to_owned);
    let lines: Vec<&[String; N]> = std::iter::once(&header).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn to_json(plan: &Plan, costs: &Costs) -> Value {
    let values = plan
        .values
        .iter()
        .map(|value| json!({"key": value.key, "value": value.value, "tasks": value.tasks, "source": value.source}));
    json!({
        "experiment": plan.experiment,
        "values": values.collect::<Vec<_>>(),
        "runs": plan.runs.iter().zip(&costs.runs).map(|(run, cost)| run_json(run, cost)).collect::<Vec<_>>(),
        "downloads": download::json(&costs.downloads),
    })
}

fn run_json(run: &Run, cost: &Cost) -> Value {
    let total = plan::steps(run);
    json!({
        "id": run.id.to_string(),
        "label": run.label(),
        "cost": cost.as_ref().map_or_else(|error| json!({ "unknown": error }), |cost| json!(cost)),
        "task": run.task.name,
        "task_version": run.task.version,
        "checkpoint": run.checkpoint.name,
        "revision": run.checkpoint.revision,
        "untrained": run.checkpoint.untrained,
        "baseline": run.checkpoint.baseline,
        "start_from": run.start_from.iter().map(|id| id.0.as_str()).collect::<Vec<_>>(),
        "data": {
            "repository": run.data.repository,
            "revision": run.data.revision,
            "files": run.data.files,
            "folder": run.data.folder,
        },
        "recipe": run.recipe,
        "seed": run.seed,
        "limit": run.limit,
        "engine": run.engine.name(),
        "device": run.device,
        "dtype": run.dtype,
        "total_steps": total,
        "warmup_steps": total.map(|total| warmup_steps(total, run.recipe.warmup, run.recipe.rounding)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["long cell".to_owned(), "x".to_owned()], ["é".to_owned(), "y".to_owned()]];
        assert_eq!(aligned(["a", "b"], &rows), "a          b\nlong cell  x\né          y\n");
    }
}
