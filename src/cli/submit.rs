//! `repro submit`: the best run of each task on dev, as files for the evaluation servers.

use super::{CliError, Console};
use crate::exit::Exit;
use crate::record::Record;
use crate::submit::{Report, Source, best_runs, glue_zip, run_folder, write_squad};
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
    let submission = write(&best, &runs, &args.out)?;
    console.result(&if console.json { submission.json() } else { submission.text() });
    Ok(Exit::Fine)
}

/// What was written.
#[derive(Default)]
struct Submission {
    /// Task and run id.
    runs: Vec<(&'static str, String)>,
    /// Every file, the zip last.
    files: Vec<PathBuf>,
    /// What the zip holds; `None` where only SQuAD was run.
    glue: Option<Report>,
}

/// Reads the run folders and writes what they hold: SQuAD task by task, GLUE in one zip.
fn write(best: &[(&'static Task, &Record)], runs: &Path, out: &Path) -> Result<Submission, CliError> {
    let mut submission = Submission::default();
    let mut glue = Vec::new();
    for (task, record) in best {
        let folder = runs.join(&record.id);
        submission.runs.push((task.name, record.id.clone()));
        if task.head == Head::Span {
            let predictions = run_folder::squad_predictions(&folder, task).map_err(refused)?;
            submission.files.extend(write_squad(&out.join(task.name), &predictions).map_err(refused)?);
        } else {
            glue.extend(run_folder::glue_predictions(&folder, task).map_err(refused)?);
        }
    }
    if !glue.is_empty() {
        let path = out.join("glue.zip");
        submission.glue = Some(glue_zip(&path, &glue).map_err(refused)?);
        submission.files.push(path);
    }
    Ok(submission)
}

impl Submission {
    /// Files the server expects and the zip lacks.
    fn missing(&self) -> &[&'static str] {
        self.glue.as_ref().map_or(&[], |report| &report.missing)
    }

    /// For scripts: runs by task, files, missing files.
    fn json(&self) -> String {
        let runs: serde_json::Map<_, _> =
            self.runs.iter().map(|(task, id)| (task.to_string(), id.as_str().into())).collect();
        serde_json::json!({ "runs": runs, "files": self.files, "missing": self.missing() }).to_string()
    }

    /// For people: a line a run, a line a file.
    fn text(&self) -> String {
        let mut lines: Vec<String> = self.runs.iter().map(|(task, id)| format!("{task}: run {id}")).collect();
        lines.extend(self.files.iter().map(|file| format!("wrote {}", file.display())));
        for submitted in self.glue.iter().flat_map(|report| &report.files) {
            let source = if submitted.source == Source::Majority { ", majority class" } else { "" };
            lines.push(format!("  {}: {} rows{source}", submitted.file, submitted.rows));
        }
        if !self.missing().is_empty() {
            lines.push(format!("  missing, so the server will refuse the zip: {}", self.missing().join(", ")));
        }
        lines.join("\n")
    }
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

/// Whatever the library refuses here is wrong input: the runs asked for, or what their folders hold.
fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::new(Exit::Usage, error)
}
