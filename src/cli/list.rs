//! `repro list`: what there is to choose from. Tasks and presets are the program's; experiments and the checkpoints they
//! name are those of the `experiments/` folder.

use super::common::{experiments, pretrainings};
use super::{CliError, Console, devices};
use crate::exit::Exit;
use crate::family::{FAMILIES, Family};
use crate::paper::Published;
use crate::spec::preset::{PRESETS, Preset, When};
use crate::spec::{self, Experiment};
use crate::task::{Head, SplitRole, TASKS, Task};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Arguments of `repro list`.
#[derive(clap::Args)]
pub struct ListArgs {
    /// What there is to compute on, instead.
    #[arg(long)]
    devices: bool,
}

/// An experiment file, or why it could not be read.
type Found = (String, Result<Experiment, String>);

/// Runs the command.
pub fn run(args: &ListArgs, console: &Console) -> Result<Exit, CliError> {
    if args.devices {
        let json = || format!("{:#}", devices::to_json());
        console.result(&if console.json { json() } else { devices::to_text() });
        return Ok(Exit::Fine);
    }
    let found: Vec<Found> = experiments()
        .iter()
        .map(|path| (path.display().to_string(), spec::read(path, &[]).map_err(|error| error.to_string())))
        .collect();
    if console.json {
        console.result(&format!("{:#}", to_json(&found)));
    } else {
        console.result(to_text(&found).trim_end());
    }
    Ok(Exit::Fine)
}

fn to_text(found: &[Found]) -> String {
    let mut sections = vec![section("tasks", TASKS.iter().map(task_line))];
    sections.push(section(
        "families",
        FAMILIES.iter().map(|family| format!("{:12} {:12} {}", family.model_type, family.title, family.about)),
    ));
    sections.push(section("families by tasks (+ a head, b a span head with beams too, - none)", heads().into_iter()));
    sections.push(section("presets by tasks (epochs, batch, peak rate)", recipes().into_iter()));
    sections.extend(PRESETS.iter().map(preset_text));
    sections.push(section("experiments", found.iter().map(experiment_line)));
    sections.push(section("pre-trainings", pretrainings().iter().map(|path| pretraining_line(path))));
    sections.push(section("checkpoints", checkpoints(found).into_iter()));
    sections.push(section("claims", claims().into_iter()));
    sections.join("\n")
}

/// Which family has a head for which task.
fn heads() -> Vec<String> {
    let columns = |family: &Family| {
        let cell = |task: &Task| match (family.has(task.head), task.head == Head::Span && family.has(Head::BeamSpan)) {
            (false, _) => "-",
            (true, false) => "+",
            (true, true) => "b",
        };
        TASKS
            .iter()
            .map(|task| format!("{:<width$}", cell(task), width = task.name.len()))
            .collect::<Vec<_>>()
            .join("  ")
    };
    let names = TASKS.iter().map(|task| task.name).collect::<Vec<_>>().join("  ");
    let rows =
        FAMILIES.iter().map(|family| format!("{:12} {}", family.model_type, columns(family)).trim_end().to_owned());
    std::iter::once(format!("{:12} {names}", "")).chain(rows).collect()
}

/// What each preset trains each task with: tasks alike in a line.
fn recipes() -> Vec<String> {
    let mut lines = Vec::new();
    for preset in PRESETS {
        let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
        for task in TASKS {
            let value = |field| preset.row(field, task).map(|row| row.value.to_string()).unwrap_or_default();
            let text = ["epochs", "batch_size", "learning_rate"].map(value).join(", ");
            match alike.iter_mut().find(|(known, _)| *known == text) {
                Some((_, tasks)) => tasks.push(task.name),
                None => alike.push((text, vec![task.name])),
            }
        }
        lines.extend(alike.iter().map(|(text, tasks)| format!("{:15} {text:20} {}", preset.name, tasks.join(" "))));
    }
    lines
}

/// Every published table by its reference, from the project's folder where there is one.
fn claims() -> Vec<String> {
    let published = Published::read(Path::new("data/published")).unwrap_or_default();
    let tables = published.papers().iter().flat_map(|paper| {
        paper.tables.iter().map(|table| format!("{:40} {}", format!("{}/{}", paper.paper.key, table.id), table.caption))
    });
    tables.collect()
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.map(|line| format!("  {line}\n")).collect();
    let none = if lines.is_empty() { "  none\n" } else { "" };
    format!("{title}\n{}{none}", lines.concat())
}

fn task_line(task: &Task) -> String {
    let metrics: Vec<&str> = task.metrics.iter().map(|metric| metric.name()).collect();
    let train = match task.splits_with(SplitRole::Train).next() {
        Some(split) => format!("{} training rows", split.rows),
        None => "no train split".into(),
    };
    format!("{:9} {:10} {:21} {}", task.name, task.title, train, metrics.join(", "))
}

fn preset_text(preset: &Preset) -> String {
    let rows = preset.rows().map(|row| {
        let field = format!("{}{}", row.field, only_for(row.when));
        format!("{field:32} {:24} {}", row.value.to_string(), row.source)
    });
    section(&format!("preset {}: {}", preset.name, preset.about), rows)
}

fn only_for(when: When) -> String {
    match when {
        When::Always => String::new(),
        When::Spans => " (SQuAD)".into(),
        When::Task(name) => format!(" ({name})"),
    }
}

fn experiment_line((path, experiment): &Found) -> String {
    match experiment {
        Ok(experiment) => {
            let tasks: Vec<&str> = experiment.tasks.iter().map(|task| task.name).collect();
            format!("{path:32} {}", tasks.join(", "))
        }
        Err(error) => format!("{path:32} cannot be read: {}", error.lines().next().unwrap_or_default()),
    }
}

fn pretraining_line(path: &Path) -> String {
    let shown = path.display();
    match spec::pretraining::read(path, &[]) {
        Ok(spec) => format!(
            "{shown:32} {} layers, hidden size {}, {} steps",
            spec.model.num_hidden_layers, spec.model.hidden_size, spec.train.steps
        ),
        Err(error) => {
            let error = error.to_string();
            format!("{shown:32} cannot be read: {}", error.lines().next().unwrap_or_default())
        }
    }
}

/// Every checkpoint an experiment names, in the order of names.
fn checkpoints(found: &[Found]) -> BTreeSet<String> {
    let readable = found.iter().filter_map(|(_, experiment)| experiment.as_ref().ok());
    readable.flat_map(|experiment| experiment.checkpoints.iter().map(|checkpoint| checkpoint.name.clone())).collect()
}

fn to_json(found: &[Found]) -> Value {
    json!({
        "tasks": TASKS.iter().map(task_json).collect::<Vec<_>>(),
        "families": FAMILIES.iter().map(family_json).collect::<Vec<_>>(),
        "claims": claims(),
        "presets": PRESETS.iter().map(preset_json).collect::<Vec<_>>(),
        "experiments": found.iter().map(experiment_json).collect::<Vec<_>>(),
        "pretrainings": pretrainings(),
        "checkpoints": checkpoints(found),
    })
}

fn family_json(family: &Family) -> Value {
    let tasks: Vec<&str> = TASKS.iter().filter(|task| family.has(task.head)).map(|task| task.name).collect();
    json!({
        "model_type": family.model_type,
        "title": family.title,
        "about": family.about,
        "tasks": tasks,
        "beam_span_head": family.has(Head::BeamSpan),
    })
}

fn task_json(task: &Task) -> Value {
    let splits =
        task.splits.iter().map(|split| json!({"name": split.name, "rows": split.rows, "hidden": split.hidden}));
    json!({
        "name": task.name,
        "title": task.title,
        "version": task.version,
        "repository": task.dataset.repository,
        "labels": task.labels,
        "metrics": task.metrics,
        "splits": splits.collect::<Vec<_>>(),
    })
}

fn preset_json(preset: &Preset) -> Value {
    let rows = preset.rows().map(|row| {
        let only_for = only_for(row.when).trim_matches([' ', '(', ')']).to_owned();
        json!({"field": row.field, "value": row.value.to_json(), "for": only_for, "source": row.source})
    });
    json!({"name": preset.name, "about": preset.about, "values": rows.collect::<Vec<_>>()})
}

fn experiment_json((path, experiment): &Found) -> Value {
    match experiment {
        Ok(experiment) => json!({
            "file": path,
            "name": experiment.name,
            "tasks": experiment.tasks.iter().map(|task| task.name).collect::<Vec<_>>(),
            "checkpoints": experiment.checkpoints.iter().map(|checkpoint| &checkpoint.name).collect::<Vec<_>>(),
        }),
        Err(error) => json!({"file": path, "error": error}),
    }
}
