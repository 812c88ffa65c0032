//! `repro run`: everything: fetch, train, score, record, and the table at the end.
//!
//! Ctrl-C finishes the step, writes a snapshot and exits. Before the first run, and while files are fetched and encoded, it
//! ends the process at once, as a second Ctrl-C always does; the run goes on from its last snapshot, and a download
//! from where it was. With several jobs only the second one ends it while files are fetched.

use super::common::at_least_one;
use super::{CliError, Common, Console, report};
use crate::exit::Exit;
use crate::fetch::{FetchError, Repository, is_local_checkpoint};
use crate::paper::Published;
use crate::pipeline::{Keep, Pipeline, PipelineError, PlanOutcome};
use crate::plan::{Plan, Run};
use crate::record::{Record, Status, Store};
use crate::report::{experiment_table, terminal_table};
use crate::spec::Experiment;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Arguments of `repro run`.
#[derive(clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    common: Common,
    /// Try recorded failures again.
    #[arg(long)]
    retry_failed: bool,
    /// Runs at work at once, each with its share of the CPU's threads (of the fast engine), or all on one GPU.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    jobs: usize,
    /// Folder of published numbers.
    #[arg(long, value_name = "DIR", default_value = "data/published")]
    published: std::path::PathBuf,
}

/// Runs the command.
pub fn run(args: &RunArgs, console: &Console) -> Result<Exit, CliError> {
    let (stop, idle) = stop_on_signal()?;
    let (experiment, plan) = args.common.plan()?;
    let published = published(&args.published, &experiment)?;
    // More jobs than runs would only leave threads idle.
    let jobs = args.jobs.min(plan.runs.len());
    let processor = args.common.processor()?.share(jobs);
    let output = args.common.output(&experiment);
    tell_absent(&plan, &Store::new(&output.records), args.retry_failed, console)?;
    let hub = args.common.open_hub(&experiment)?;
    let observer = console.observer();
    let pipeline = Pipeline {
        hub: hub.as_ref(),
        processor,
        observer: observer.as_ref(),
        output,
        keep: keep(&args.common.keep, &plan)?,
        jobs,
        retry_failed: args.retry_failed,
        stop: &stop,
        idle: &idle,
    };
    let out = pipeline.output.records.parent().map(Path::to_path_buf).unwrap_or_default();
    let outcome = pipeline.run(&plan)?;
    drop(observer);
    print_results(&outcome, &published, &experiment, console);
    let written = match outcome.records.is_empty() {
        true => Ok(()),
        false => report::after_run(&experiment, &published, &out, console),
    };
    let exit = conclude(&outcome, console);
    if let Err(error) = written {
        // How the runs ended is more than a table that can be made again.
        console.error(&error);
        return Ok(if exit == Exit::Fine { error.exit } else { exit });
    }
    Ok(exit)
}

/// Checkpoints that are folders of this machine and are not there, before anything is fetched; what is recorded already, and not
/// a failure to be tried again, needs none.
fn tell_absent(plan: &Plan, store: &Store, retry_failed: bool, console: &Console) -> Result<(), CliError> {
    let again = |record: Record| retry_failed && matches!(record.status, Status::Failed(_));
    // A record that cannot be read is told where it is looked for next.
    let waits = |run: &&Run| store.find(&run.id.0).is_ok_and(|record| record.is_none_or(again));
    let absent = |run: &&Run| {
        let name = &run.checkpoint.name;
        run.start_from.is_empty() && is_local_checkpoint(name) && !Path::new(name).is_dir()
    };
    // Records are read for those alone, and for the rest where there are any.
    let missed = plan.runs.iter().filter(absent).filter(waits);
    let names: BTreeSet<&str> = missed.map(|run| run.checkpoint.name.as_str()).collect();
    let none_left =
        !names.is_empty() && plan.runs.iter().filter(waits).all(|run| names.contains(run.checkpoint.name.as_str()));
    for name in names {
        let hub = Repository::model(name, None);
        let error = FetchError::NoFolder { repository: Box::new(hub), folder: PathBuf::from(name) };
        if none_left {
            return Err(error.into());
        }
        console.note(&format!("absent     {error}: its runs will fail"));
    }
    Ok(())
}

/// The published tables, and proof that each claim the experiment compares with exists, before any work.
fn published(folder: &Path, experiment: &Experiment) -> Result<Published, CliError> {
    if !folder.exists() && experiment.compare.is_empty() {
        return Ok(Published::default());
    }
    let usage = |error: &dyn std::fmt::Display| CliError::new(Exit::Usage, error);
    let published = Published::read(folder).map_err(|error| usage(&error))?;
    for reference in &experiment.compare {
        published.resolve(&reference.to_string()).map_err(|error| usage(&error))?;
    }
    Ok(published)
}

/// The flags `stop` and `idle`: a signal sets the first; it ends the process where either was set before. `idle` is set,
/// as nothing is at work yet.
pub(super) fn stop_on_signal() -> Result<(Arc<AtomicBool>, Arc<AtomicBool>), CliError> {
    let (stop, idle) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    for signal in [SIGINT, SIGTERM] {
        let exit = |flag: &Arc<AtomicBool>| {
            signal_hook::flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, flag.clone())
        };
        exit(&stop)
            .and_then(|_| exit(&idle))
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .map_err(|error| CliError::new(Exit::Bug, format!("could not listen for signals: {error}")))?;
    }
    Ok((stop, idle))
}

fn keep(word: &str, plan: &Plan) -> Result<Keep, CliError> {
    let starting = plan.runs.iter().find(|run| !run.start_from.is_empty());
    Ok(match (word, starting) {
        ("none", Some(run)) => {
            let text =
                format!("--keep none leaves no model for `{}` to start from, expected `best` or `all`", run.task);
            return Err(CliError::new(Exit::Usage, text));
        }
        ("all", _) => Keep::All,
        ("none", None) => Keep::None,
        _ => Keep::Best,
    })
}

impl From<PipelineError> for CliError {
    fn from(error: PipelineError) -> Self {
        let mut shown = CliError::new(Exit::Usage, &error);
        let way_out = match &error {
            PipelineError::Disk(error) => error.hint(),
            _ => None,
        };
        let usual = || "everything recorded so far is kept; run the same command again to go on".into();
        shown.hint = way_out.or_else(|| Some(usual()));
        shown
    }
}

fn print_results(outcome: &PlanOutcome, published: &Published, experiment: &Experiment, console: &Console) {
    if console.json {
        let records = serde_json::to_string(&outcome.records).unwrap_or_default();
        return console.result(&records);
    }
    let compare: Vec<String> = experiment.compare.iter().map(ToString::to_string).collect();
    if !outcome.records.is_empty() {
        console.result(&terminal_table(&experiment_table(&outcome.records, published, &compare)));
    }
}

/// Says what is missing from the table, and why, and picks the exit code.
fn conclude(outcome: &PlanOutcome, console: &Console) -> Exit {
    for record in &outcome.records {
        if let Some(text) = trouble(record) {
            console.note(&text);
        }
    }
    for label in &outcome.elsewhere {
        console.note(&format!("elsewhere  {label}: another process is working on it"));
    }
    for text in &outcome.waiting {
        console.note(&format!("waiting    {text}"));
    }
    if outcome.interrupted {
        console.note("stopped; run the same command again to go on where it was");
        return Exit::Interrupted;
    }
    if outcome.failures().next().is_none() && outcome.waiting.is_empty() {
        return Exit::Fine;
    }
    if outcome.records.iter().any(|record| matches!(record.status, Status::Failed(_))) {
        console.note("what failed is tried again with `--retry-failed`");
    }
    Exit::RunFailed
}

fn trouble(record: &Record) -> Option<String> {
    let label = format!("{} · {} · seed {}", record.task, record.checkpoint, record.seed);
    match &record.status {
        Status::Finished => None,
        Status::Collapsed(reason) => Some(format!("collapsed  {label}: {reason}")),
        Status::Diverged(step) => Some(format!("diverged   {label}: at step {step}")),
        Status::Failed(error) => Some(format!("failed     {label}: {error}")),
    }
}
