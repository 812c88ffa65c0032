//! The flags that `run`, `plan` and `fetch` share, and the way from them to a plan.

use super::{CliError, Patience, devices, hub};
use crate::engine::Processor;
use crate::exit::Exit;
use crate::family::Baseline;
use crate::fetch::Hub;
use crate::nearest::{expected, nearest};
use crate::pipeline::Output;
use crate::plan::{self, EngineKind, Options, Plan};
use crate::spec::pins::Pins;
use crate::spec::{self, CheckpointSpec, Experiment, SpecError};
use std::path::{Path, PathBuf};

/// Highest `--seeds`.
const MAX_SEEDS: u64 = spec::experiment::MAX_RESTARTS;

/// Where experiments lie.
pub const EXPERIMENTS: &str = "experiments";

/// Which experiment, and what is narrowed or overridden of it.
#[derive(clap::Args, Clone, Debug)]
pub struct Common {
    /// Experiment file; a bare name is looked for here, then in `experiments/`.
    pub spec: PathBuf,
    /// Only some runs: `task=mrpc,rte`, `checkpoint=owner/name`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub only: Vec<String>,
    /// Override a value of the file: `train.epochs=1`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seeds 1 to N instead of the file's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_SEEDS))]
    pub seeds: Option<u64>,
    /// First N rows of every split; the scores are never put beside a paper's.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// A folder in the hub's layout, or another endpoint (default: `HF_ENDPOINT`, else the hub).
    #[arg(long, value_name = "DIR|URL")]
    pub hub: Option<String>,
    /// Also each checkpoint's untrained twin: the same shape with random weights.
    #[arg(long)]
    pub untrained: bool,
    /// Also baselines that read with each checkpoint's tokenizer: the majority class and a bag of words (which takes a
    /// tokenizer that marks two texts as BERT's does).
    #[arg(long)]
    pub baselines: bool,
    /// Never touch the network.
    #[arg(long)]
    pub offline: bool,
    /// Device: `cpu`, `cuda` or `cuda:N`; `repro list --devices` says what there is.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// What products are computed in: `f32`, or `bf16`, the default on a GPU; on the CPU it takes AVX512-BF16 or AMX.
    #[arg(long, value_name = "DTYPE")]
    pub dtype: Option<String>,
    /// Engine: `fast`, or `reference`, the plain one it is held to (CPU only).
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<String>,
    /// Which model folders stay: `best` (the run that selection chose), `all` or `none`.
    #[arg(long, value_name = "WHICH", default_value = "best", value_parser = ["best", "all", "none"])]
    pub keep: String,
    /// Where everything goes, instead of `reports/` and `runs/`.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl Common {
    /// Reads the experiment and the pins, and multiplies out the plan.
    pub fn plan(&self) -> Result<(Experiment, Plan), CliError> {
        let path = self.path()?;
        let mut experiment = read_experiment(&path, &self.set)?;
        experiment.checkpoints.extend(self.beside(&experiment.checkpoints));
        let options = self.options(self.pins()?)?;
        let plan = plan::expand(&experiment, &options).map_err(|error| CliError::new(Exit::Usage, error))?;
        devices::check_heads(&plan)?;
        Ok((experiment, plan))
    }

    /// Untrained twins and baselines of the checkpoints, as far as the experiment does not have them.
    fn beside(&self, checkpoints: &[CheckpointSpec]) -> Vec<CheckpointSpec> {
        let plain = checkpoints.iter().filter(|checkpoint| !checkpoint.untrained && checkpoint.baseline.is_none());
        let twin = |own: &CheckpointSpec| CheckpointSpec { untrained: true, ..own.clone() };
        let baseline = |own: &CheckpointSpec, which| CheckpointSpec { baseline: Some(which), ..own.clone() };
        let twins = plain.clone().filter(|_| self.untrained).map(twin);
        let wanted = plain.filter(|_| self.baselines);
        let baselines = wanted.flat_map(|own| Baseline::ALL.map(|which| baseline(own, which)));
        twins.chain(baselines).filter(|new| !checkpoints.contains(new)).collect()
    }

    /// The pins that hold for the experiment.
    pub fn pins(&self) -> Result<Pins, CliError> {
        pins(&self.path()?)
    }

    /// The hub that `--hub`, the experiment or the environment names; files are held against the pins.
    pub fn open_hub(&self, experiment: &Experiment) -> Result<Box<dyn Hub>, CliError> {
        self.open(experiment, Patience::Usual)
    }

    /// The same hub, for questions whose answers one can do without.
    pub fn open_hasty_hub(&self, experiment: &Experiment) -> Result<Box<dyn Hub>, CliError> {
        self.open(experiment, Patience::Hasty)
    }

    fn open(&self, experiment: &Experiment, patience: Patience) -> Result<Box<dyn Hub>, CliError> {
        hub(self.hub.as_deref().or(experiment.hub.as_deref()), self.offline, self.pins()?, patience)
    }

    /// What `--device` and `--dtype` name, opened.
    pub fn processor(&self) -> Result<Processor, CliError> {
        let options = self.options(Pins::default())?;
        devices::processor(&options.device, &options.dtype)
    }

    /// Where a run's files go: `--out`, else the experiment's own folder, else the project's.
    pub fn output(&self, experiment: &Experiment) -> Output {
        match self.out.as_ref().or(experiment.out.as_ref()) {
            Some(folder) => Output::under(folder),
            None => Output::project(),
        }
    }

    /// The experiment file: as given, else a bare name in `experiments/`.
    pub fn path(&self) -> Result<PathBuf, CliError> {
        find(&self.spec)
    }

    fn options(&self, pins: Pins) -> Result<Options, CliError> {
        let engine = self.engine.as_deref().map_or(Ok(Options::default().engine), engine_of)?;
        let (device, dtype) = devices::named(self.device.as_deref(), self.dtype.as_deref(), engine)?;
        Ok(Options {
            only: self.only.clone(),
            seeds: self.seeds,
            limit: self.limit,
            engine,
            engine_given: self.engine.is_some(),
            device,
            device_given: self.device.is_some(),
            dtype,
            dtype_given: self.dtype.is_some(),
            pins,
        })
    }
}

/// The engine of a name given with `--engine`.
///
/// # Errors
/// A name that none has.
pub fn engine_of(name: &str) -> Result<EngineKind, CliError> {
    EngineKind::of(name).ok_or_else(|| {
        let expected = expected(name, EngineKind::ALL.map(EngineKind::name));
        CliError::new(Exit::Usage, format!("unknown --engine `{name}`, {expected}"))
    })
}

/// An experiment, with `--set` arguments laid over it; of a pre-training it is said which command takes it.
pub fn read_experiment(path: &Path, sets: &[String]) -> Result<Experiment, CliError> {
    spec::read(path, sets).map_err(|error| {
        match spec::pretraining::is_pretraining(path) && !spec::pretraining::is_experiment(path) {
            true => CliError {
                hint: Some(format!(
                    "`repro pretrain {0}` runs it, `repro pretrain {0} --plan` shows it",
                    path.display()
                )),
                ..CliError::new(Exit::Usage, format!("{}: a pre-training, expected an experiment", path.display()))
            },
            false => error.into(),
        }
    })
}

/// An experiment file: as given, else a bare name in `experiments/`.
pub fn find(spec: &Path) -> Result<PathBuf, CliError> {
    find_among(spec, "experiment", experiments)
}

/// A pre-training file, in the same way.
pub fn find_pretraining(spec: &Path) -> Result<PathBuf, CliError> {
    find_among(spec, "pre-training", pretrainings)
}

fn find_among(spec: &Path, what: &str, listed: fn() -> Vec<PathBuf>) -> Result<PathBuf, CliError> {
    let bare = spec.components().count() == 1;
    let elsewhere = Path::new(EXPERIMENTS).join(spec);
    match () {
        () if spec.exists() => Ok(spec.to_path_buf()),
        () if bare && elsewhere.exists() => Ok(elsewhere),
        () => Err(absent(spec, bare, what, &listed())),
    }
}

fn absent(spec: &Path, bare: bool, what: &str, listed: &[PathBuf]) -> CliError {
    let shown = spec.display().to_string();
    let also = if bare { format!(", here or in `{EXPERIMENTS}/`") } else { String::new() };
    let mut error = CliError::new(Exit::Usage, format!("{shown}: no such {what}{also}"));
    let names: Vec<String> = listed.iter().filter_map(|path| file_name(path)).collect();
    let name = file_name(spec).unwrap_or_default();
    let near = nearest(&name, names.iter().map(String::as_str));
    error.hint = match near {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => (!names.is_empty()).then(|| format!("there are {}", names.join(", "))),
    };
    error
}

impl From<SpecError> for CliError {
    fn from(error: SpecError) -> Self {
        CliError { hint: error.hint().map(str::to_owned), ..CliError::new(Exit::Usage, error) }
    }
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "expected a whole number from 1".into())
}

/// `data/pins.yaml` of the project the experiment lies in, else of the current folder; none where there is no file.
fn pins(experiment: &Path) -> Result<Pins, CliError> {
    let folder = experiment.parent().filter(|folder| folder.ends_with(EXPERIMENTS)).and_then(Path::parent);
    let candidates = folder.into_iter().chain([Path::new("")]).map(|project| project.join("data/pins.yaml"));
    match candidates.into_iter().find(|path| path.exists()) {
        Some(path) => Ok(Pins::read(&path)?),
        None => Ok(Pins::default()),
    }
}

/// The experiments in `experiments/`, in the order of their names; none where the folder is absent.
pub fn experiments() -> Vec<PathBuf> {
    yaml_files(false)
}

/// The pre-trainings there.
pub fn pretrainings() -> Vec<PathBuf> {
    yaml_files(true)
}

fn yaml_files(pretraining: bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(EXPERIMENTS).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.retain(|path| spec::pretraining::is_pretraining(path) == pretraining);
    paths.sort();
    paths
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}
