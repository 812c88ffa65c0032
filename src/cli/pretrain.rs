//! `repro pretrain`: a checkpoint from plain text, by masked words and the next sentence, or from left to right.

use super::common::{engine_of, find_pretraining};
use super::devices;
use super::plan::aligned;
use super::run::stop_on_signal;
use super::{CliError, Console};
use crate::exit::Exit;
use crate::export::atomic;
use crate::plan::CPU;
use crate::pretrain::{Finished, PretrainError, Pretraining, accuracies, curves, rows};
use crate::spec::pretraining::{self, PretrainingSpec};
use crate::train::{End, TrainError};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Arguments of `repro pretrain`.
#[derive(clap::Args)]
pub struct PretrainArgs {
    /// Pre-training file; a bare name is also looked for in `experiments/`.
    spec: PathBuf,
    /// Overrides a field: `--set train.steps=100`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Engine: `fast`, or `reference`, the plain one it is held to.
    #[arg(long, value_name = "ENGINE", default_value = "fast")]
    engine: String,
    /// Device: `cpu`; a GPU does not pre-train yet.
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// What products are computed in: `f32`, or `bf16`, which on the CPU takes AVX512-BF16 or AMX.
    #[arg(long, value_name = "DTYPE")]
    dtype: Option<String>,
    /// Folder of the run, instead of the spec's `out` or `runs/<name>`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the curves go once all steps are done, as JSON and SVG.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Only show every resolved setting.
    #[arg(long)]
    plan: bool,
}

/// Runs the command.
pub fn run(args: &PretrainArgs, console: &Console) -> Result<Exit, CliError> {
    let (stop, idle) = stop_on_signal()?;
    let engine = engine_of(&args.engine)?;
    let spec = read(args)?;
    if args.plan {
        console.result(&if console.json { format!("{:#}", spec.to_json()) } else { plan(&spec) });
        return Ok(Exit::Fine);
    }
    args.report.as_deref().map_or(Ok(()), prove_writable)?;
    let (device, dtype) = devices::named(args.device.as_deref(), args.dtype.as_deref(), engine)?;
    if device != CPU {
        let message = format!("a GPU has no heads for pre-training yet, found --device {device}, expected `cpu`");
        return Err(CliError::new(Exit::Usage, message));
    }
    let processor = devices::processor(&device, &dtype)?;
    let folder = args.out.clone().or_else(|| spec.out.clone()).unwrap_or_else(|| Path::new("runs").join(&spec.name));
    let observer = console.observer();
    let pretraining = Pretraining {
        spec: &spec,
        folder,
        engine,
        processor,
        dtype,
        stop: &stop,
        idle: &idle,
        observer: observer.as_ref(),
        command: command(args),
    };
    let finished = pretraining.run()?;
    drop(observer);
    conclude(args, &spec, &finished, console)
}

fn read(args: &PretrainArgs) -> Result<PretrainingSpec, CliError> {
    let path = find_pretraining(&args.spec)?;
    pretraining::read(&path, &args.sets).map_err(|error| {
        match pretraining::is_experiment(&path) && !pretraining::is_pretraining(&path) {
            true => CliError {
                hint: Some(format!("it fine-tunes: `repro run {}`", args.spec.display())),
                ..CliError::new(Exit::Usage, format!("{}: an experiment, expected a pre-training", path.display()))
            },
            false => error.into(),
        }
    })
}

/// Every setting, a line each.
fn plan(spec: &PretrainingSpec) -> String {
    let mut rows = Vec::new();
    leaves("", &spec.to_json(), &mut rows);
    format!("{}: a pre-training\n\n{}", spec.name, aligned(["value", "is"], &rows))
}

fn leaves(path: &str, value: &Value, rows: &mut Vec<[String; 2]>) {
    let Value::Object(fields) = value else {
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return rows.push([path.to_owned(), if value.is_null() { "—".into() } else { plain }]);
    };
    for (name, value) in fields {
        leaves(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value, rows);
    }
}

/// A report that cannot be written would be known after hours.
fn prove_writable(folder: &Path) -> Result<(), CliError> {
    let probe = folder.join(format!(".write-probe-{}", std::process::id()));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"probe"));
    written.and_then(|()| std::fs::remove_file(&probe)).map_err(|error| {
        CliError::new(Exit::Usage, format!("--report {}: cannot be written: {error}", folder.display()))
    })
}

/// The command, without where it puts things: that changes nothing.
fn command(args: &PretrainArgs) -> String {
    let name = args.spec.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sets = args.sets.iter().map(|set| format!(" --set {set}"));
    let engine = (args.engine != "fast").then(|| format!(" --engine {}", args.engine));
    let dtype = args.dtype.iter().map(|dtype| format!(" --dtype {dtype}"));
    std::iter::once(format!("repro pretrain {name}")).chain(sets).chain(engine).chain(dtype).collect()
}

fn conclude(
    args: &PretrainArgs,
    spec: &PretrainingSpec,
    finished: &Finished,
    console: &Console,
) -> Result<Exit, CliError> {
    let Some(model) = &finished.model else {
        return match finished.end {
            End::Diverged(step) => {
                Err(CliError::new(Exit::RunFailed, format!("the loss was no number or exploded at step {step}")))
            }
            _ => Ok(Exit::Interrupted),
        };
    };
    if finished.before {
        console.note("it is finished already; nothing was trained");
    }
    if let Some(folder) = &args.report {
        write_report(folder, &spec.name, finished)?;
    }
    if console.json {
        console.result(&finished.report.to_string());
        return Ok(Exit::Fine);
    }
    let report = &finished.report;
    let speed = report["tokens_per_second"].as_f64().unwrap_or(f64::NAN);
    console.result(&format!("{} · {speed:.0} tokens/s{}", model.display(), held_out(report)));
    Ok(Exit::Fine)
}

/// The last evaluation, if there was one.
fn held_out(report: &Value) -> String {
    let Some(last) = rows(report).last() else { return String::new() };
    let score = |(key, what): (&str, &str)| {
        last[key].as_f64().map(|value| format!(", {:.1} % of the {what} right", 100.0 * value))
    };
    let scores: String = accuracies(report).filter_map(score).collect();
    format!(" · held out: loss {:.3}{scores}", last["loss"].as_f64().unwrap_or(f64::NAN))
}

fn write_report(folder: &Path, name: &str, finished: &Finished) -> Result<(), CliError> {
    let write = |ending: &str, text: String| {
        let path = folder.join(format!("{name}.{ending}"));
        let written = std::fs::create_dir_all(folder).and_then(|()| atomic::write(&path, text.as_bytes()));
        written.map_err(|error| CliError::new(Exit::RunFailed, format!("could not write {}: {error}", path.display())))
    };
    write("json", format!("{:#}\n", finished.report))?;
    write("svg", curves(&finished.report))
}

impl From<PretrainError> for CliError {
    fn from(error: PretrainError) -> Self {
        let exit = match &error {
            PretrainError::Engine(_) | PretrainError::Train(_) | PretrainError::Write { .. } => Exit::RunFailed,
            _ => Exit::Usage,
        };
        let hint = match &error {
            PretrainError::Scarce { hint, .. } => Some(hint.clone()),
            PretrainError::Occupied { .. } => Some("name another with `--out`, or remove it if nobody needs it".into()),
            PretrainError::Train(TrainError::Snapshot { .. }) => Some("remove that folder to begin anew".into()),
            _ => None,
        };
        CliError { hint, ..CliError::new(exit, error) }
    }
}
