//! `repro plan`: the runs, and every resolved value with where it came from. Nothing is fetched or trained.

use super::{CliError, Common, Console};
use crate::exit::Exit;
use crate::plan::{self, Plan, Resolved, Run, steps::warmup_steps};
use serde_json::{Value, json};

/// Arguments of `repro plan`.
#[derive(clap::Args)]
pub struct PlanArgs {
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub fn run(args: &PlanArgs, console: &Console) -> Result<Exit, CliError> {
    let (_, plan) = args.common.plan()?;
    // Estimates of memory, time and download belong here: each is a section of the text and a key of the JSON.
    if console.json {
        console.result(&format!("{:#}", to_json(&plan)));
    } else {
        console.result(&to_text(&plan));
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
fn aligned<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
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

fn to_json(plan: &Plan) -> Value {
    let values = plan
        .values
        .iter()
        .map(|value| json!({"key": value.key, "value": value.value, "tasks": value.tasks, "source": value.source}));
    json!({
        "experiment": plan.experiment,
        "values": values.collect::<Vec<_>>(),
        "runs": plan.runs.iter().map(run_json).collect::<Vec<_>>(),
    })
}

fn run_json(run: &Run) -> Value {
    let total = plan::steps(run);
    json!({
        "id": run.id.to_string(),
        "label": run.label(),
        "task": run.task.name,
        "task_version": run.task.version,
        "checkpoint": run.checkpoint.name,
        "revision": run.checkpoint.revision,
        "untrained": run.checkpoint.untrained,
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
