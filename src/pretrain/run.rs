//! A pre-training from its spec to its checkpoint, in one folder:
//!
//! | file | what |
//! |---|---|
//! | `vocab.txt`, `tokenizer_config.json`, `vocabulary.json` | the vocabulary, where one is trained, and of what |
//! | `corpus/` | token ids, sentences and pairs; made anew by every process |
//! | `pretraining.json` | the settings and the corpus, to which the snapshot belongs |
//! | `snapshot/`, `curve.csv`, `events.out.tfevents.*` | as of fine-tunings |
//! | `model/` | the checkpoint, once all steps are done |

use super::checkpoint::{self, Storage};
use super::data::Corpus;
use super::error::{unread, unwritten};
use super::evaluate::evaluate;
use super::vocabulary::Vocabulary;
use super::{PretrainError, report, start};
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{self, Engine, Processor};
use crate::event::{Event, Observer};
use crate::export::atomic;
use crate::family::{EncoderConfig, parameters};
use crate::pipeline::Live;
use crate::plan::EngineKind;
use crate::record::{Evaluation, lock};
use crate::spec::pretraining::PretrainingSpec;
use crate::spec::recipe::{DocStrideUnit, Evaluate, KeepWeights, Recipe, Rounding, Schedule, SpanHead, Truncation};
use crate::task::Head;
use crate::train::{End, Evaluated, Outcome, Snapshots, TrainError, Trainer, snapshot};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Outputs of the next-sentence head.
const LABELS: usize = 2;

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
    /// Evaluations on held-out documents.
    pub evaluations: Vec<Evaluation>,
    /// Tokens a second, of training steps.
    pub tokens_per_second: f64,
    /// Everything a report needs, also in `pretraining.json` of the checkpoint.
    pub report: Value,
    /// The checkpoint's folder; `None` where it is not finished.
    pub model: Option<PathBuf>,
}

impl Pretraining<'_> {
    /// Runs it, from its snapshot if there is one.
    ///
    /// # Errors
    /// A corpus, vocabulary or model that does not do; files; the engine's; another process at work in the folder.
    pub fn run(&self) -> Result<Finished, PretrainError> {
        std::fs::create_dir_all(&self.folder).map_err(unwritten(&self.folder))?;
        let lock = lock(&self.folder, "pretraining").map_err(|error| self.folder_error(error.to_string()))?;
        let _lock = lock.ok_or_else(|| self.folder_error("another process is at work here".into()))?;
        self.check_settings()?;
        self.check_start(None)?;
        let corpus = Corpus::make(self.spec, &self.folder, self.observer)?;
        self.check_start(Some(&corpus.vocabulary))?;
        let config = self.config(Some(&corpus.vocabulary));
        let mut encoder = EncoderConfig::parse(&config.to_string())?;
        if let Some(dropout) = self.spec.train.dropout {
            (encoder.hidden_dropout_prob, encoder.attention_probs_dropout_prob) = (dropout, dropout);
        }
        let description = json!({"config": config, "corpus": corpus.describe()});
        self.claim_folder(&description)?;
        let mut engine = self.engine(encoder)?;
        self.idle.store(false, Ordering::SeqCst);
        let outcome = self.train(&corpus, engine.as_mut())?;
        let tokens_per_second = outcome.progress.tokens as f64 / outcome.progress.seconds.max(1e-9);
        let report = report::json(self.spec, &description, &outcome, tokens_per_second);
        let evaluations = outcome.progress.evaluations.clone();
        let finished = outcome.end == End::Finished;
        let model = if finished { Some(self.write_model(&corpus, engine.as_ref(), &config, &report)?) } else { None };
        Ok(Finished { end: outcome.end, evaluations, tokens_per_second, report, model })
    }

    fn folder_error(&self, reason: String) -> PretrainError {
        PretrainError::Folder { folder: self.folder.clone(), reason }
    }

    /// Fails where the checkpoint to go on from is another model, before the corpus is read and once its vocabulary is
    /// known.
    fn check_start(&self, vocabulary: Option<&Vocabulary>) -> Result<(), PretrainError> {
        let start = self.spec.start_from.as_deref();
        start.map_or(Ok(()), |folder| start::check(folder, &self.config(vocabulary)))
    }

    /// `config.json` of the model.
    fn config(&self, vocabulary: Option<&Vocabulary>) -> Value {
        let model = &self.spec.model;
        let mut config = json!({
            "model_type": "bert",
            "hidden_size": model.hidden_size,
            "num_hidden_layers": model.num_hidden_layers,
            "num_attention_heads": model.num_attention_heads,
            "intermediate_size": model.intermediate_size,
            "hidden_act": model.hidden_act,
            "hidden_dropout_prob": model.dropout,
            "attention_probs_dropout_prob": model.dropout,
            "max_position_embeddings": model.max_position_embeddings,
            "type_vocab_size": 2,
            "initializer_range": model.initializer_range,
            "layer_norm_eps": 1e-12,
            "pad_token_id": 0,
            "is_decoder": self.spec.data.left_to_right,
        });
        if let Some(vocabulary) = vocabulary {
            config["vocab_size"] = vocabulary.rounded().into();
        }
        config
    }

    /// What a snapshot belongs to, as far as it is known before the corpus is read.
    fn settings(&self) -> Value {
        json!({
            "spec": format!("{:?}", PretrainingSpec { out: None, corpus: Vec::new(), ..self.spec.clone() }),
            "engine": self.engine.name(),
            "dtype": self.dtype,
        })
    }

    fn has_snapshot(&self) -> bool {
        snapshot::exists(&self.folder.join("snapshot"))
    }

    /// What the folder's snapshot belongs to.
    fn known(&self) -> Result<Value, PretrainError> {
        let path = self.folder.join("pretraining.json");
        let text = std::fs::read_to_string(&path).map_err(unread(&path))?;
        serde_json::from_str(&text).map_err(|error| self.folder_error(format!("pretraining.json: {error}")))
    }

    /// Fails, before any work, where the folder's snapshot is of other settings.
    fn check_settings(&self) -> Result<(), PretrainError> {
        if !self.has_snapshot() || self.known()?["settings"] == self.settings() {
            return Ok(());
        }
        Err(self
            .folder_error("its snapshot is of other settings; remove the folder or name another with `--out`".into()))
    }

    /// Fails where the folder's snapshot is of another corpus; a folder without one is this run's from here on.
    fn claim_folder(&self, description: &Value) -> Result<(), PretrainError> {
        let claim = json!({"settings": self.settings(), "description": description});
        if !self.has_snapshot() {
            let path = self.folder.join("pretraining.json");
            return atomic::write(&path, format!("{claim:#}\n").as_bytes()).map_err(unwritten(&path));
        }
        if self.known()? == claim {
            return Ok(());
        }
        Err(self
            .folder_error("its snapshot is of another corpus; remove the folder or name another with `--out`".into()))
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
        let recipe = self.recipe();
        let live = Live::new(&self.spec.name, &self.folder, self.observer);
        let trainer = Trainer {
            run: self.spec.name.clone(),
            recipe: &recipe,
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

    /// The optimizer's settings in the trainer's terms; what is of fine-tuning only is not read.
    fn recipe(&self) -> Recipe {
        let train = &self.spec.train;
        Recipe {
            preset: "pretraining".into(),
            epochs: 1.0,
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
            dropout: Some(self.spec.model.dropout),
            initializer_range: self.spec.model.initializer_range,
            truncated_normal: true,
            max_seq_length: self.spec.data.max_seq_length,
            truncation: Truncation::ReleasedCode,
            doc_stride: 1,
            doc_stride_unit: DocStrideUnit::Step,
            max_query_length: 0,
            max_answer_length: 1,
            n_best_size: 1,
            max_context: false,
            evaluate: Evaluate::EverySteps(train.evaluate_steps),
            early_stopping: 0,
            plateau_factor: 1.0,
            min_learning_rate: 0.0,
            metric_batch_size: 0,
            keep_weights: KeepWeights::Last,
            snapshot_steps: train.snapshot_steps,
            context_sentences: 0,
            features: None,
            lstm_hidden_size: 0,
            start_from: None,
            layerwise_lr_decay: 1.0,
            auxiliary_lm: 0.0,
            both_orders: false,
            classifier_dropout: None,
            span_head: SpanHead::Simple,
            bilstm_layers: 0,
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
        let card = report::card(self.spec, report, &self.command);
        checkpoint::write(&folder, &engine.parameters()?, storage, config, &corpus.vocabulary, &card)?;
        let path = folder.join("pretraining.json");
        atomic::write(&path, format!("{report:#}\n").as_bytes()).map_err(unwritten(&path))?;
        Ok(folder)
    }
}
