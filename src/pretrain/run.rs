//! A pre-training from its spec to its checkpoint, in one folder:
//!
//! | file | what |
//! |---|---|
//! | `vocab.txt`, `tokenizer_config.json` | the vocabulary, where one is trained |
//! | `corpus/` | token ids, sentences and pairs; made anew by every process |
//! | `pretraining.json` | the settings and the corpus, to which the snapshot belongs |
//! | `snapshot/`, `curve.csv`, `events.out.tfevents.*` | as of fine-tunings |
//! | `model/` | the checkpoint, once all steps are done |

use super::checkpoint::{self, Storage};
use super::corpus::{files, read_documents};
use super::error::{unread, unwritten};
use super::evaluate::evaluate;
use super::masking::Masking;
use super::pairs::{Cut, Masked, held_out};
use super::segments::Segmentation;
use super::store::{Numbers, Store, Writer};
use super::vocabulary::{self, Vocabulary};
use super::{PretrainError, report};
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{self, Engine, Processor};
use crate::event::{Event, Observer, Stage};
use crate::export::atomic;
use crate::family::{EncoderConfig, parameters};
use crate::pipeline::Live;
use crate::plan::EngineKind;
use crate::record::Evaluation;
use crate::spec::pretraining::{PretrainingSpec, VocabularySource};
use crate::spec::recipe::{DocStrideUnit, Evaluate, KeepWeights, Recipe, Rounding, Schedule, Truncation};
use crate::task::Head;
use crate::train::{End, Evaluated, Outcome, Snapshots, TrainError, Trainer};
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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

/// A corpus as it is trained on.
struct Corpus {
    vocabulary: Vocabulary,
    store: Store,
    trained: Pairs,
    held: Pairs,
    digest: String,
}

/// Pairs in a file.
struct Pairs {
    path: PathBuf,
    count: usize,
}

impl Pretraining<'_> {
    /// Runs it, from its snapshot if there is one.
    ///
    /// # Errors
    /// A corpus, vocabulary or model that does not do; files; the engine's.
    pub fn run(&self) -> Result<Finished, PretrainError> {
        std::fs::create_dir_all(&self.folder).map_err(unwritten(&self.folder))?;
        let corpus = self.corpus()?;
        let config = self.config(&corpus.vocabulary);
        let mut encoder = EncoderConfig::parse(&config.to_string())?;
        if let Some(dropout) = self.spec.train.dropout {
            (encoder.hidden_dropout_prob, encoder.attention_probs_dropout_prob) = (dropout, dropout);
        }
        let settings = self.settings(&corpus, &config);
        self.claim_folder(&settings)?;
        let mut engine = self.engine(encoder)?;
        self.idle.store(false, Ordering::SeqCst);
        let outcome = self.train(&corpus, engine.as_mut())?;
        let seconds = outcome.progress.seconds.max(1e-9);
        let tokens_per_second = outcome.progress.tokens as f64 / seconds;
        let report = report::json(self.spec, &settings, &outcome, tokens_per_second);
        let evaluations = outcome.progress.evaluations.clone();
        let model = if outcome.end == End::Finished {
            Some(self.write_model(&corpus, engine.as_ref(), &config, &report)?)
        } else {
            None
        };
        Ok(Finished { end: outcome.end, evaluations, tokens_per_second, report, model })
    }

    fn corpus(&self) -> Result<Corpus, PretrainError> {
        let paths = files(&self.spec.corpus)?;
        let vocabulary = self.vocabulary(&paths)?;
        let folder = self.folder.join("corpus");
        let (store, digest) = self.store(&paths, &vocabulary, &folder)?;
        if store.documents() == 0 {
            return Err(PretrainError::Corpus(format!("{} files and no sentence in them", paths.len())));
        }
        let (trained, held) = held_out(store.documents(), self.spec.held_out, self.spec.seed);
        let cut = |documents: &[usize], rounds: u64, name: &str| {
            let path = folder.join(name);
            let cut = Cut { store: &store, documents, how: self.segmentation(), rounds, seed: self.spec.seed };
            let count = if documents.is_empty() { 0 } else { cut.write(&path)? };
            Ok::<_, PretrainError>(Pairs { path, count })
        };
        let (trained, held) = (cut(&trained, self.spec.data.duplicates, "pairs.bin")?, cut(&held, 1, "held-out.bin")?);
        if trained.count < self.spec.train.batch_size {
            let (found, wanted) = (trained.count, self.spec.train.batch_size);
            let message = format!("{found} sequences to train on, expected at least one batch, {wanted}");
            return Err(PretrainError::Corpus(message));
        }
        Ok(Corpus { vocabulary, store, trained, held, digest })
    }

    fn segmentation(&self) -> Segmentation {
        let data = &self.spec.data;
        Segmentation {
            max_seq_length: data.max_seq_length,
            short_sequences: data.short_sequences,
            next_sentence: data.next_sentence,
        }
    }

    /// The vocabulary; one that is trained is kept, since the snapshot belongs to it.
    fn vocabulary(&self, paths: &[PathBuf]) -> Result<Vocabulary, PretrainError> {
        match &self.spec.vocabulary {
            VocabularySource::File(path) => Vocabulary::read(path),
            VocabularySource::Train { size, lower_case } => {
                let path = self.folder.join("vocab.txt");
                if !path.exists() {
                    self.tell("vocabulary", 0, None);
                    vocabulary::train(paths, *size, *lower_case, &self.folder)?;
                }
                Vocabulary::read(&path)
            }
        }
    }

    fn tell(&self, what: &str, done: u64, total: Option<u64>) {
        self.observer.observe(&Event::Progress { stage: Stage::Encode, what: what.into(), done, total });
    }

    /// The corpus as token ids, and its digest.
    fn store(
        &self,
        paths: &[PathBuf],
        vocabulary: &Vocabulary,
        folder: &Path,
    ) -> Result<(Store, String), PretrainError> {
        let mut writer = Writer::new(folder)?;
        let mut digest = Sha256::new();
        for (at, path) in paths.iter().enumerate() {
            read_documents(path, |sentences| {
                let ids = |sentence: &String| vocabulary.tokenizer.ids(sentence);
                let document: Result<Vec<Vec<u32>>, String> = sentences.par_iter().map(ids).collect();
                let document = document
                    .map_err(|reason| PretrainError::Corpus(format!("{}: not tokenized: {reason}", path.display())))?;
                document.iter().for_each(|sentence| digest.update(bytemuck::cast_slice::<u32, u8>(sentence)));
                digest.update([0]);
                writer.push(&document)
            })?;
            self.tell("corpus", at as u64 + 1, Some(paths.len() as u64));
        }
        let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((writer.finish()?, digest))
    }

    /// `config.json` of the model.
    fn config(&self, vocabulary: &Vocabulary) -> Value {
        let model = &self.spec.model;
        json!({
            "model_type": "bert",
            "vocab_size": vocabulary.rounded(),
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
        })
    }

    /// What the snapshot belongs to.
    fn settings(&self, corpus: &Corpus, config: &Value) -> Value {
        json!({
            "spec": format!("{:?}", PretrainingSpec { out: None, corpus: Vec::new(), ..self.spec.clone() }),
            "engine": self.engine.name(),
            "config": config,
            "corpus": {
                "documents": corpus.store.documents(),
                "sentences": corpus.store.sentences(),
                "tokens": corpus.store.len(),
                "sequences": corpus.trained.count,
                "held_out_sequences": corpus.held.count,
                "sha256": corpus.digest,
            },
        })
    }

    /// Fails where the folder's snapshot is of other settings or another corpus.
    fn claim_folder(&self, settings: &Value) -> Result<(), PretrainError> {
        let path = self.folder.join("pretraining.json");
        let text = format!("{settings:#}\n");
        if !self.folder.join("snapshot").exists() {
            return atomic::write(&path, text.as_bytes()).map_err(unwritten(&path));
        }
        let known = std::fs::read_to_string(&path).map_err(unread(&path))?;
        if known == text {
            return Ok(());
        }
        let reason =
            "its snapshot is of other settings or another corpus; remove the folder or name another with `out`";
        Err(PretrainError::Folder { folder: self.folder.clone(), reason: reason.into() })
    }

    fn engine(&self, config: EncoderConfig) -> Result<Box<dyn Engine>, PretrainError> {
        let how = Initialization {
            seed: self.spec.seed,
            initializer_range: self.spec.model.initializer_range,
            truncated_normal: true,
        };
        let values = starting_values(&parameters(&config, Head::Pretraining, LABELS), BTreeMap::new(), &how);
        Ok(engine::create(self.engine, config, Head::Pretraining, LABELS, values, &self.processor)?)
    }

    fn masked<'c>(&self, corpus: &'c Corpus, pairs: &Pairs) -> Result<Masked<'c>, PretrainError> {
        let data = &self.spec.data;
        Ok(Masked {
            store: &corpus.store,
            file: Numbers::open(pairs.path.clone())?,
            count: pairs.count,
            vocabulary: &corpus.vocabulary,
            masking: Masking {
                share: data.masked,
                most: data.max_predictions,
                mask: data.mask,
                random: data.random,
                whole_words: data.whole_words,
            },
            dynamic: data.dynamic,
            next_sentence: data.next_sentence,
            left_to_right: data.left_to_right,
            seed: self.spec.seed,
        })
    }

    fn train(&self, corpus: &Corpus, engine: &mut dyn Engine) -> Result<Outcome, PretrainError> {
        let examples = self.masked(corpus, &corpus.trained)?;
        let held = if corpus.held.count > 0 { Some(self.masked(corpus, &corpus.held)?) } else { None };
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
            keep_weights: KeepWeights::Last,
            snapshot_steps: train.snapshot_steps,
            context_sentences: 0,
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
        checkpoint::write(&folder, &engine.parameters()?, storage, config, &corpus.vocabulary.files, &card)?;
        let path = folder.join("pretraining.json");
        atomic::write(&path, format!("{report:#}\n").as_bytes()).map_err(unwritten(&path))?;
        Ok(folder)
    }
}
