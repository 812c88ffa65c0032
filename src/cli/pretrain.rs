//! `repro pretrain`: a checkpoint from plain text, by masked words and the next sentence, or from left to right.

use super::common::{engine_of, find};
use super::devices;
use super::run::stop_on_signal;
use super::{CliError, Console};
use crate::exit::Exit;
use crate::export::atomic;
use crate::plan::CPU;
use crate::pretrain::{Finished, PretrainError, Pretraining, curves};
use crate::spec::pretraining::{self, PretrainingSpec};
use crate::train::{End, TrainError};
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
}

/// Runs the command.
pub fn run(args: &PretrainArgs, console: &Console) -> Result<Exit, CliError> {
    let (stop, idle) = stop_on_signal()?;
    let engine = engine_of(&args.engine)?;
    let spec = pretraining::read(&find(&args.spec)?, &args.sets)?;
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
    if let Some(folder) = &args.report {
        write_report(folder, &spec.name, finished)?;
    }
    if console.json {
        console.result(&finished.report.to_string());
        return Ok(Exit::Fine);
    }
    let last = finished.evaluations.last();
    let scores = last.map_or_else(String::new, |evaluation| {
        let score = |(metric, value): &(crate::score::Metric, Option<f64>)| {
            value.map(|value| format!(", {} {:.1} %", metric.name().replace('_', " "), 100.0 * value))
        };
        let scores: String = evaluation.scores.iter().filter_map(score).collect();
        format!(" · held out: loss {:.3}{scores}", evaluation.loss)
    });
    console.result(&format!("{} · {:.0} tokens/s{scores}", model.display(), finished.tokens_per_second));
    Ok(Exit::Fine)
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
            PretrainError::Train(TrainError::Snapshot { .. }) => Some("remove that folder to begin anew".into()),
            _ => None,
        };
        CliError { hint, ..CliError::new(exit, error) }
    }
}
