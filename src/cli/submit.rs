//! `repro submit`: the best run of each task on dev, as files for the evaluation servers.

use super::{CliError, Console};
use crate::exit::Exit;
use crate::record::Record;
use crate::submit::{Report, Source, TaskPredictions, best_runs, glue_zip, run_folder, write_squad};
use crate::task::{Head, Task};
use std::path::{Path, PathBuf};

/// Arguments of `repro submit`.
#[derive(clap::Args)]
pub struct SubmitArgs {
    /// Experiment file whose runs are submitted.
    pub spec: PathBuf,
    /// Where the files go: `glue.zip`, `squad/predictions.json`, `squad_v2/na_odds.json`, ….
    #[arg(long, value_name = "DIR", default_value = "submission")]
    pub out: PathBuf,
    /// The `--out` of `repro run`, if it had one (default: `reports/records` and `runs`).
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &SubmitArgs, console: &Console) -> Result<Exit, CliError> {
    let name = experiment_name(&args.spec)?;
    let (records, runs) = match &args.from {
        Some(folder) => (folder.join("records"), folder.join("runs")),
        None => (PathBuf::from("reports/records"), PathBuf::from("runs")),
    };
    let records = records_of(&records, &name)?;
    let best = best_runs(&records);
    if best.is_empty() {
        let message = format!("experiment `{name}` has no finished run to submit");
        return Err(CliError { hint: Some("`repro run` it first".to_owned()), ..CliError::new(Exit::Usage, message) });
    }
    let mut glue = Vec::new();
    for (task, record) in best {
        let folder = runs.join(&record.id);
        console.result(&format!("{task}: run {}", record.id));
        match task.head {
            Head::Span => submit_squad(task, &folder, &args.out, console)?,
            _ => glue.extend(run_folder::glue_predictions(&folder, task).map_err(refused)?),
        }
    }
    submit_glue(&glue, &args.out, console)?;
    Ok(Exit::Fine)
}

fn submit_squad(task: &'static Task, folder: &Path, out: &Path, console: &Console) -> Result<(), CliError> {
    let predictions = run_folder::squad_predictions(folder, task).map_err(refused)?;
    for file in write_squad(&out.join(task.name), &predictions).map_err(refused)? {
        console.result(&format!("wrote {}", file.display()));
    }
    Ok(())
}

fn submit_glue(predictions: &[TaskPredictions], out: &Path, console: &Console) -> Result<(), CliError> {
    if predictions.is_empty() {
        return Ok(());
    }
    let path = out.join("glue.zip");
    let report = glue_zip(&path, predictions).map_err(refused)?;
    console.result(&described(&path, &report));
    Ok(())
}

fn described(path: &Path, report: &Report) -> String {
    let mut lines = vec![format!("wrote {}", path.display())];
    for submitted in &report.files {
        let source = if submitted.source == Source::Majority { ", majority class" } else { "" };
        lines.push(format!("  {}: {} rows{source}", submitted.file, submitted.rows));
    }
    if !report.missing.is_empty() {
        lines.push(format!("  missing, so the server will refuse the zip: {}", report.missing.join(", ")));
    }
    lines.join("\n")
}

/// The spec's `name`.
fn experiment_name(spec: &Path) -> Result<String, CliError> {
    #[derive(serde::Deserialize)]
    struct Named {
        name: String,
    }
    let wrong = |error: &dyn std::fmt::Display| CliError::new(Exit::Usage, format!("{}: {error}", spec.display()));
    let inside = Path::new("experiments").join(spec);
    let path = if !spec.exists() && inside.exists() { inside } else { spec.to_owned() };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    serde_yaml::from_str(&text).map(|named: Named| named.name).map_err(|error| wrong(&error))
}

/// The records of an experiment, in the order of their file names.
fn records_of(folder: &Path, experiment: &str) -> Result<Vec<Record>, CliError> {
    let wrong =
        |path: &Path, error: &dyn std::fmt::Display| CliError::new(Exit::Usage, format!("{}: {error}", path.display()));
    let entries = std::fs::read_dir(folder).map_err(|error| wrong(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let text = std::fs::read(&path).map_err(|error| wrong(&path, &error))?;
        let record: Record = serde_json::from_slice(&text).map_err(|error| wrong(&path, &error))?;
        records.extend((record.experiment == experiment).then_some(record));
    }
    Ok(records)
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::new(Exit::Usage, error)
}
