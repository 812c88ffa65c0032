//! A recorded run and its saved model, opened again: to verify it, and to predict the test splits.

use super::artifacts::write_predictions;
use super::inputs::{InputError, Inputs, read_config};
use super::scoring::{Answers, SplitPredictions, predict_split, score_split};
use super::{Output, RunError};
use crate::engine::independent::Independent;
use crate::engine::weights::{HeadSource, load};
use crate::engine::{self, Engine, EngineError, Processor};
use crate::event::Silent;
use crate::family::parameters;
use crate::fetch::{CheckpointFiles, Repository, RepositoryKind, checkpoint};
use crate::plan::{CPU, Checkpoint, DataSource, EngineKind, Run, RunId};
use crate::record::Record;
use crate::spec::Select;
use crate::task::{self, Head, Split, SplitRole, Task};
use crate::train::TrainError;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Why a saved run cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// Its record names a task that this program does not have.
    #[error("record `{id}` is of task `{task}`, which this version does not have")]
    Task { id: String, task: String },
    /// Its model folder was not kept.
    #[error("run `{id}` has no model folder at `{}`", folder.display())]
    NoModel { id: String, folder: PathBuf },
    /// Its rows came from a folder, which records do not name.
    #[error("the rows of run `{0}` came from a folder; a record does not say which")]
    FolderData(String),
    /// Its files or rows.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<InputError> for SavedError {
    fn from(error: InputError) -> Self {
        SavedError::Run(error.into())
    }
}

impl From<TrainError> for SavedError {
    fn from(error: TrainError) -> Self {
        SavedError::Run(error.into())
    }
}

impl From<EngineError> for SavedError {
    fn from(error: EngineError) -> Self {
        SavedError::Run(TrainError::from(error).into())
    }
}

/// A recorded run with its model folder.
pub struct Saved {
    run: Run,
    folder: PathBuf,
    files: CheckpointFiles,
}

/// How two implementations of one model agree on a split.
pub struct Agreement {
    /// Split name.
    pub split: String,
    /// Examples of the split (windows for SQuAD).
    pub sequences: usize,
    /// Sequences whose prediction (class, or best start and end) is the same.
    pub same: usize,
    /// Largest difference of a logit.
    pub largest_difference: f64,
    /// Largest absolute logit, to judge it by.
    pub largest_logit: f64,
    /// Scores of the saved weights as computed by the independent implementation.
    pub scores: crate::score::Scores,
}

impl Saved {
    /// Opens a run's model folder.
    ///
    /// # Errors
    /// A record or a folder that cannot be used.
    pub fn open(record: &Record, output: &Output) -> Result<Saved, SavedError> {
        let folder = output.runs.join(&record.id);
        let model = folder.join("model");
        if !model.join("model.safetensors").exists() {
            return Err(SavedError::NoModel { id: record.id.clone(), folder: model });
        }
        // A path that begins with `./` or `/` is a folder for certain.
        let name = std::path::absolute(&model).unwrap_or(model).display().to_string();
        let run = run(record, name.clone())?;
        let nowhere = crate::fetch::Folder::new(".", Default::default());
        let files = checkpoint(&nowhere, &Repository::model(&name, None), &Silent).map_err(InputError::from)?;
        Ok(Saved { run, folder, files })
    }

    /// Recomputes the dev predictions by candle-transformers and holds them against ours.
    ///
    /// # Errors
    /// Rows or a model that cannot be read.
    pub fn verify(&self, inputs: &Inputs) -> Result<Vec<Agreement>, SavedError> {
        let independent = Independent::read(&self.folder.join("model"), self.run.head())?;
        let ours = self.engine()?;
        let mut agreements = Vec::new();
        for split in self.run.task.splits_with(SplitRole::Dev) {
            let prepared = inputs.split(&self.run, &self.files, split)?;
            let theirs = predict_split(&independent, &prepared.encoded)?;
            let mine = predict_split(ours.as_ref(), &prepared.encoded)?;
            let scored = score_split(self.run.task, &self.run.recipe, &prepared, &theirs, false)?;
            agreements.push(agreement(split, self.run.task, &mine, &theirs, scored.scores));
        }
        Ok(agreements)
    }

    /// Predicts the test splits into the run's folder, where they are not predicted yet; an MNLI model also answers the
    /// diagnostic set.
    ///
    /// # Errors
    /// Rows that are absent or cannot be read, a file that cannot be written.
    pub fn predict_tests(&self, inputs: &Inputs) -> Result<(), SavedError> {
        let tests = self.run.task.splits_with(SplitRole::Test).map(|split| (self.run.task, split, split.name));
        let ax = task::find("ax").filter(|_| self.run.task.name == "mnli");
        let ax = ax.and_then(|ax| Some((ax, ax.splits_with(SplitRole::Test).next()?, "ax")));
        let missing = |name: &str| !self.folder.join(format!("predictions.{name}.csv")).exists();
        let wanted: Vec<_> = tests.chain(ax).filter(|(_, _, name)| missing(name)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let engine = self.engine()?;
        for (task, split, name) in wanted {
            let run = Run { task, data: data_of(task, &self.run.data), ..self.run.clone() };
            let prepared = inputs.split(&run, &self.files, split)?;
            let predictions = predict_split(engine.as_ref(), &prepared.encoded)?;
            write_predictions(&self.folder, task, name, &prepared, &predictions, &answers(task, &predictions))?;
        }
        Ok(())
    }

    fn engine(&self) -> Result<Box<dyn Engine>, SavedError> {
        let task = self.run.task;
        let config = read_config(&self.run, &self.files)?.config;
        let parameters = parameters(&config, self.run.head(), task.num_labels());
        let weights: Vec<PathBuf> = self.files.weights.iter().map(|file| file.path.clone()).collect();
        let mut loaded = load(&weights, config.family, &parameters, HeadSource::Checkpoint)?;
        let values = parameters.iter().filter_map(|parameter| loaded.arrays.remove(&parameter.name)).collect();
        Ok(engine::create(self.run.engine, config, self.run.head(), task.num_labels(), values, &Processor::cpu())?)
    }
}

fn answers(task: &Task, predictions: &SplitPredictions) -> Answers {
    match task.head {
        Head::Regression => Answers::Values(predictions.logits.iter().map(|row| f64::from(row[0])).collect()),
        _ => Answers::Classes(super::scoring::classes(predictions)),
    }
}

fn data_of(task: &Task, data: &DataSource) -> DataSource {
    let ours = task.name != "ax" || data.repository == task.dataset.repository;
    if ours { data.clone() } else { DataSource { files: BTreeMap::new(), ..data.clone() } }
}

/// The run that a record tells of, from its saved model instead of the checkpoint it began with.
fn run(record: &Record, model: String) -> Result<Run, SavedError> {
    let (id, task) = (record.id.clone(), record.task.clone());
    let task = task::find(&task).ok_or(SavedError::Task { id: id.clone(), task })?;
    if record.data == "folder" {
        return Err(SavedError::FolderData(id));
    }
    let dataset = record.files.iter().find(|file| file.repository.kind == RepositoryKind::Dataset);
    let revision = dataset.and_then(|file| file.repository.revision.clone());
    let named = |release: &str| {
        let bare = release.rsplit_once(", limited to ").map_or(release, |(bare, _)| bare);
        bare.strip_prefix("partial file ").or_else(|| bare.strip_prefix("file ")).map(String::from)
    };
    let files = record.splits.iter().filter_map(|split| Some((split.split.clone(), named(&split.release)?))).collect();
    Ok(Run {
        id: RunId(id),
        experiment: record.experiment.clone(),
        select: record.select.unwrap_or(Select::None),
        checkpoint: Checkpoint { name: model, revision: None, untrained: false, baseline: None },
        task,
        data: DataSource { repository: record.data.clone(), revision, files, folder: None },
        recipe: record.recipe.clone(),
        seed: record.seed,
        limit: record.limit,
        start_from: Vec::new(),
        engine: EngineKind::of(&record.provenance.engine).unwrap_or(EngineKind::Reference),
        device: CPU.into(),
        dtype: record.provenance.dtype.clone(),
    })
}

fn agreement(
    split: &Split,
    task: &Task,
    mine: &SplitPredictions,
    theirs: &SplitPredictions,
    scores: crate::score::Scores,
) -> Agreement {
    let pairs = || mine.logits.iter().zip(&theirs.logits).chain(mine.ends.iter().zip(&theirs.ends));
    let values = || pairs().flat_map(|(a, b)| a.iter().zip(b));
    let difference = values().map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    let largest_logit = values().map(|(a, _)| f64::from(a.abs())).fold(0.0, f64::max);
    let best = |predictions: &SplitPredictions, index: usize| {
        let end = predictions.ends.get(index).map(|row| super::scoring::argmax(row));
        (super::scoring::argmax(&predictions.logits[index]), end)
    };
    let same = |index: &usize| match task.head {
        // Numbers agree if they would be printed alike.
        Head::Regression => (mine.logits[*index][0] - theirs.logits[*index][0]).abs() < 5e-4,
        _ => best(mine, *index) == best(theirs, *index),
    };
    let sequences = mine.logits.len();
    let same = (0..sequences).filter(same).count();
    let split = split.name.to_string();
    Agreement { split, sequences, same, largest_difference: difference, largest_logit, scores }
}
