//! A pre-training from its spec to its checkpoint, in one folder:
//!
//! | file | what |
//! |---|---|
//! | `vocab.txt`, `tokenizer_config.json`, `vocabulary.json` | the vocabulary, where one is trained, and of what |
//! | `corpus/` | token ids, sentences and pairs; made anew by every process |
//! | `pretraining.json` | the settings and the corpus, to which all of it belongs |
//! | `snapshot/`, `curve.csv`, `events.out.tfevents.*` | as of fine-tunings |
//! | `model/` | the checkpoint, once all steps are done |

use super::checkpoint::{self, Storage};
use super::claim::{self, Claim};
use super::data::{Corpus, bytes_of};
use super::error::unwritten;
use super::evaluate::evaluate;
use super::model::LABELS;
use super::vocabulary::Vocabulary;
use super::{PretrainError, card, model, report, start};
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{self, Engine, Processor};
use crate::event::{Event, Observer};
use crate::export::atomic;
use crate::family::{EncoderConfig, parameters};
use crate::pipeline::{Live, computed_by};
use crate::plan::EngineKind;
use crate::record::{Provenance, lock};
use crate::spec::pretraining::{PretrainingSpec, VocabularySource};
use crate::spec::recipe::{Evaluate, KeepWeights, Rounding, Schedule};
use crate::task::Head;
use crate::train::{End, Evaluated, Outcome, Regime, Snapshots, TrainError, Trainer};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// A pre-training to be run.
pub struct Pretraining<'a> {
    /// Settings.
    pub spec: &'a PretrainingSpec,
    /// Its folder.
    pub folder: PathBuf,
    /// Engine.
    pub engine: EngineKind,
    /// What it computes on.
    pub processor: Processor,
    /// What products are computed in.
    pub dtype: String,
    /// Set when the user wants to stop.
    pub stop: &'a AtomicBool,
    /// Cleared once a signal is to wait for the end of a step.
    pub idle: &'a AtomicBool,
    /// Receives steps and evaluations.
    pub observer: &'a dyn Observer,
    /// How it was started, for the model card.
    pub command: String,
}

/// How it ended.
pub struct Finished {
    /// Finished, interrupted or diverged.
    pub end: End,
    /// Whether it was finished before, so that nothing was trained.
    pub before: bool,
    /// Everything a report needs, also in `pretraining.json` of the checkpoint.
    pub report: Value,
    /// The checkpoint's folder; `None` where it is not finished.
    pub model: Option<PathBuf>,
}

impl Pretraining<'_> {
    /// Runs it, from its snapshot if there is one; one that is finished is not run again.
    ///
    /// # Errors
    /// A corpus, vocabulary or model that does not do; files; the engine's; another process at work in the folder.
    pub fn run(&self) -> Result<Finished, PretrainError> {
        std::fs::create_dir_all(&self.folder).map_err(unwritten(&self.folder))?;
        let lock = lock(&self.folder, "pretraining").map_err(|error| self.folder_error(error.to_string()))?;
        let _lock = lock.ok_or_else(|| self.folder_error("another process is at work here".into()))?;
        let claim = self.claim();
        claim.check()?;
        let given = self.given()?;
        let corpus = Corpus::make(self.spec, given, &self.folder, self.observer)?;
        let config = model::config(self.spec, Some(&corpus.vocabulary));
        let encoder = model::encoder(self.spec, &config)?;
        let description = self.description(&corpus, &config)?;
        claim.take(&description)?;
        if let Some(report) = claim.finished()? {
            return Ok(Finished { end: End::Finished, before: true, report, model: Some(self.folder.join("model")) });
        }
        let needed = model::memory(self.spec, &encoder, self.engine, &self.processor);
        if let Err(tight) = model::check_room(needed, model::room()) {
            self.observer.observe(&Event::Warning(format!("{tight}; with short sequences it is less")));
        }
        let mut engine = self.engine(encoder)?;
        self.idle.store(false, Ordering::SeqCst);
        let outcome = self.train(&corpus, engine.as_mut())?;
        let report = report::json(self.spec, &description, &self.provenance(), &outcome);
        let finished = outcome.end == End::Finished;
        let model = if finished { Some(self.write_model(&corpus, engine.as_ref(), &config, &report)?) } else { None };
        Ok(Finished { end: outcome.end, before: false, report, model })
    }

    /// The vocabulary that is given, if one is. All that can be known before the corpus is read is checked here: that the
    /// model has room, and that a checkpoint to go on from is of its shape and vocabulary.
    fn given(&self) -> Result<Option<Vocabulary>, PretrainError> {
        let given = match &self.spec.vocabulary {
            VocabularySource::File(path) => Some(Vocabulary::read(path)?),
            VocabularySource::Train { .. } => None,
        };
        let config = model::config(self.spec, given.as_ref());
        let encoder = model::encoder(self.spec, &config)?;
        model::check_room(model::least_memory(&encoder), model::room())?;
        if let (Some(folder), Some(vocabulary)) = (&self.spec.start_from, &given) {
            start::check(folder, &config, vocabulary)?;
        }
        Ok(given)
    }

    /// What was read: with the settings it is all that the result depends on.
    fn description(&self, corpus: &Corpus, config: &Value) -> Result<Value, PretrainError> {
        let mut description = json!({"config": config, "corpus": corpus.describe()});
        if let Some(folder) = &self.spec.start_from {
            description["start_from_sha256"] = bytes_of(&[folder.join("model.safetensors")])?.into();
        }
        Ok(description)
    }

    fn provenance(&self) -> Provenance {
        computed_by(self.engine, &self.dtype, &self.processor)
    }

    fn folder_error(&self, reason: String) -> PretrainError {
        PretrainError::Folder { folder: self.folder.clone(), reason }
    }

    /// What the folder's files belong to, as far as it is known before the corpus is read. Texts may have moved.
    fn claim(&self) -> Claim<'_> {
        let mut settings = self.spec.settings();
        if let Some(fields) = settings.as_object_mut() {
            fields.shift_remove("corpus");
        }
        settings["engine"] = self.engine.name().into();
        settings["dtype"] = self.dtype.as_str().into();
        Claim { folder: &self.folder, settings }
    }

    fn engine(&self, config: EncoderConfig) -> Result<Box<dyn Engine>, PretrainError> {
        let how = Initialization {
            seed: self.spec.seed,
            initializer_range: self.spec.model.initializer_range,
            truncated_normal: true,
        };
        let start = self.spec.start_from.as_deref();
        let found = start.map(|folder| start::weights(folder, &config, LABELS)).transpose()?.unwrap_or_default();
        let values = starting_values(&parameters(&config, Head::Pretraining, LABELS), found, &how);
        Ok(engine::create(self.engine, config, Head::Pretraining, LABELS, values, &self.processor)?)
    }

    fn train(&self, corpus: &Corpus, engine: &mut dyn Engine) -> Result<Outcome, PretrainError> {
        let (examples, held) = (corpus.trained(self.spec)?, corpus.held_out(self.spec)?);
        let live = Live::new(&self.spec.name, &self.folder, self.observer);
        let trainer = Trainer {
            run: self.spec.name.clone(),
            regime: self.regime(),
            seed: self.spec.seed,
            computes: self.processor.describe(self.engine),
            examples: &examples,
            total_steps: self.spec.train.steps,
            snapshots: Snapshots::new(self.folder.join("snapshot")),
            stop: self.stop,
            observer: &live,
        };
        let most = self.spec.train.evaluate_sequences;
        let mut evaluate = |engine: &dyn Engine, step: u64, epoch: f64| {
            let Some(held) = &held else { return Ok(Evaluated { evaluations: Vec::new(), primary: None }) };
            let found = evaluate(engine, held, most, (step, epoch));
            let found = found.map_err(|error| TrainError::Evaluation(error.to_string()))?;
            live.observe(&Event::Evaluated {
                run: self.spec.name.clone(),
                step,
                epoch,
                split: found.split.clone(),
                loss: found.loss,
                scores: found.scores.clone(),
            });
            Ok(Evaluated { primary: found.scores[0].1, evaluations: vec![found] })
        };
        Ok(trainer.run(engine, &mut evaluate)?)
    }

    /// The released code's optimizer but for bias correction; nothing is chosen by evaluations.
    fn regime(&self) -> Regime {
        let train = &self.spec.train;
        Regime {
            batch_size: train.batch_size,
            micro_batch_size: train.batch_size,
            learning_rate: train.learning_rate,
            schedule: Schedule::LinearFromWarmupEnd,
            warmup: train.warmup,
            rounding: Rounding::Down,
            bias_correction: true,
            beta1: 0.9,
            beta2: train.beta2,
            epsilon: train.epsilon,
            weight_decay: train.weight_decay,
            max_grad_norm: train.max_grad_norm,
            evaluate: Evaluate::EverySteps(train.evaluate_steps),
            early_stopping: 0,
            plateau_factor: 1.0,
            min_learning_rate: 0.0,
            keep_weights: KeepWeights::Last,
            snapshot_steps: train.snapshot_steps,
        }
    }

    fn write_model(
        &self,
        corpus: &Corpus,
        engine: &dyn Engine,
        config: &Value,
        report: &Value,
    ) -> Result<PathBuf, PretrainError> {
        let folder = self.folder.join("model");
        let storage = if self.spec.half { Storage::F16 } else { Storage::F32 };
        let card = card::card(self.spec, report, &self.command);
        checkpoint::write(&folder, &engine.parameters()?, storage, config, &corpus.vocabulary, &card)?;
        let path = folder.join(claim::FILE);
        atomic::write(&path, format!("{report:#}\n").as_bytes()).map_err(unwritten(&path))?;
        Ok(folder)
    }
}
