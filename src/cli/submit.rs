//! `repro submit`: the best run of each task on dev, as files for the evaluation servers.

use super::common::{find, read_experiment};
use super::{CliError, Console, Patience, hub};
use crate::event::Silent;
use crate::exit::Exit;
use crate::pipeline::{Inputs, Output, Saved};
use crate::record::{Record, Store};
use crate::spec::pins::Pins;
use crate::submit::{Report, Source, best_runs, glue_zip, run_folder, write_squad};
use crate::task::{Head, Split, SplitRole, Task};
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
    /// A folder in the hub's layout, or another endpoint, for the test splits.
    #[arg(long, value_name = "DIR|URL")]
    pub hub: Option<String>,
    /// Never touch the network.
    #[arg(long)]
    pub offline: bool,
}

/// Runs the command.
pub fn run(args: &SubmitArgs, console: &Console) -> Result<Exit, CliError> {
    let name = read_experiment(&find(&args.spec)?, &[])?.name;
    let output = args.from.as_deref().map_or_else(Output::project, Output::under);
    let listing = Store::new(&output.records).all().map_err(refused)?;
    let mine = |record: &Record| record.experiment == name;
    let records: Vec<Record> = listing.records.into_iter().filter(mine).collect();
    let best = best_runs(&records);
    if best.is_empty() {
        let message = format!("experiment `{name}` has no finished run to submit");
        return Err(CliError { hint: Some("`repro run` it first".to_owned()), ..CliError::new(Exit::Usage, message) });
    }
    predict(&best, &output, args)?;
    let submission = write(&best, &output.runs, &args.out)?;
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
        } else if !task.server_files.is_empty() {
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

/// The test predictions of each GLUE run, made now from its saved model where the run folder has none yet.
fn predict(best: &[(&'static Task, &Record)], output: &Output, args: &SubmitArgs) -> Result<(), CliError> {
    let hub = hub(args.hub.as_deref(), args.offline, Pins::default(), Patience::Usual)?;
    let inputs = Inputs::new(hub.as_ref(), output.cache.clone(), &Silent);
    for (task, record) in best.iter().filter(|(task, _)| !task.server_files.is_empty()) {
        let named = |split: &Split| output.runs.join(&record.id).join(format!("predictions.{}.csv", split.name));
        let missing = task.splits_with(SplitRole::Test).any(|split| !named(split).exists());
        if missing {
            Saved::open(record, output)?.predict_tests(&inputs)?;
        }
    }
    Ok(())
}

/// Whatever the library refuses here is wrong input: the runs asked for, or what their folders hold.
fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::new(Exit::Usage, error)
}
