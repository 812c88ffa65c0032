//! A pre-training file, read as strictly as an experiment.

mod fields;

use super::error::SpecError;
use super::yaml::{Node, Value};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What to pre-train, complete: every field that the file leaves out has the paper's value or the one said here. Fixed are
/// Adam's bias correction, which the released code leaves out, and a rate that falls to 0 from the end of warm-up.
#[derive(Clone, Debug, PartialEq)]
pub struct PretrainingSpec {
    /// Name, of the folder it makes.
    pub name: String,
    /// Text files and folders of them.
    pub corpus: Vec<PathBuf>,
    /// Share of the documents that are evaluated on and not trained on.
    pub held_out: f64,
    /// Where the vocabulary comes from.
    pub vocabulary: VocabularySource,
    /// The encoder.
    pub model: ModelSpec,
    /// Folder of a checkpoint whose weights are gone on from; new ones where there is none.
    pub start_from: Option<PathBuf>,
    /// Sequences and what is predicted of them.
    pub data: SequenceSpec,
    /// Steps and the optimizer.
    pub train: OptimizerSpec,
    /// Seed of everything.
    pub seed: u64,
    /// Whether the checkpoint is stored in 16 bits.
    pub half: bool,
    /// Folder instead of `runs/<name>`.
    pub out: Option<PathBuf>,
}

/// A vocabulary that is there, or one to be trained.
#[derive(Clone, Debug, PartialEq)]
pub enum VocabularySource {
    /// `vocab.txt` or `tokenizer.json`.
    File(PathBuf),
    /// WordPiece of so many tokens, trained on the corpus.
    Train { size: usize, lower_case: bool },
}

/// The encoder's shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSpec {
    /// H.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width of the feed-forward block; four times H where nothing is said.
    pub intermediate_size: usize,
    /// Activation.
    pub hidden_act: &'static str,
    /// Dropout of hidden states and attention that fine-tuning is told.
    pub dropout: f64,
    /// Positions; as many as a sequence is long where nothing is said.
    pub max_position_embeddings: usize,
    /// Deviation of new weights.
    pub initializer_range: f64,
}

/// How text becomes sequences.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SequenceSpec {
    /// Longest sequence.
    pub max_seq_length: usize,
    /// Share of documents cut into shorter ones.
    pub short_sequences: f64,
    /// Share of tokens to be predicted.
    pub masked: f64,
    /// Most predictions in a sequence; 0 for any number.
    pub max_predictions: usize,
    /// Of them: share that becomes `[MASK]`.
    pub mask: f64,
    /// And share that becomes a random token.
    pub random: f64,
    /// Words are masked as a whole.
    pub whole_words: bool,
    /// Next-sentence prediction.
    pub next_sentence: bool,
    /// Every pass masks anew.
    pub dynamic: bool,
    /// Tokens see those before them only, and every next token is predicted instead of masked ones.
    pub left_to_right: bool,
    /// Times the corpus is cut into sequences.
    pub duplicates: u64,
}

/// Steps and the optimizer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OptimizerSpec {
    /// Sequences of a step.
    pub batch_size: usize,
    /// Optimizer steps.
    pub steps: u64,
    /// Peak rate.
    pub learning_rate: f64,
    /// Dropout of the pre-training itself; the model's where nothing is said.
    pub dropout: f64,
    /// Share of the steps that warm up.
    pub warmup: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Adam's second decay.
    pub beta2: f64,
    /// Adam's epsilon.
    pub epsilon: f64,
    /// Gradient norm above which gradients are scaled down.
    pub max_grad_norm: f64,
    /// Steps between evaluations.
    pub evaluate_steps: u64,
    /// Held-out sequences of an evaluation.
    pub evaluate_sequences: usize,
    /// Steps between snapshots.
    pub snapshot_steps: u64,
}

/// Fields of `data` that mean nothing to a model from left to right.
const MASKING_FIELDS: &[&str] = &["masked", "max_predictions", "mask", "random", "whole_words", "dynamic"];

impl PretrainingSpec {
    /// Every value, under the name that the file has for it.
    pub fn to_json(&self) -> serde_json::Value {
        let mut data = json!(self.data);
        if let Some(fields) = data.as_object_mut().filter(|_| self.data.left_to_right) {
            MASKING_FIELDS.iter().for_each(|name| drop(fields.shift_remove(*name)));
        }
        json!({
            "name": self.name,
            "corpus": self.corpus.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
            "held_out": self.held_out,
            "vocabulary": self.vocabulary.to_json(),
            "model": self.model,
            "start_from": self.start_from.as_deref().map(Path::to_string_lossy),
            "data": data,
            "train": self.train,
            "seed": self.seed,
            "storage": if self.half { "f16" } else { "f32" },
            "out": self.out.as_deref().map(Path::to_string_lossy),
        })
    }

    /// The same for records: of paths, which are the user's own, the last name; and not where output goes.
    pub fn settings(&self) -> serde_json::Value {
        let name = |path: &PathBuf| PathBuf::from(path.file_name().unwrap_or_default());
        let vocabulary = match &self.vocabulary {
            VocabularySource::File(path) => VocabularySource::File(name(path)),
            trained @ VocabularySource::Train { .. } => trained.clone(),
        };
        let corpus = self.corpus.iter().map(name).collect();
        let start_from = self.start_from.as_ref().map(name);
        let mut settings = PretrainingSpec { corpus, vocabulary, start_from, ..self.clone() }.to_json();
        if let Some(fields) = settings.as_object_mut() {
            fields.shift_remove("out");
        }
        settings
    }
}

impl VocabularySource {
    fn to_json(&self) -> serde_json::Value {
        match self {
            VocabularySource::File(path) => path.to_string_lossy().into(),
            VocabularySource::Train { size, lower_case } => json!({"size": size, "lower_case": lower_case}),
        }
    }
}

/// Reads a pre-training file, with `--set` arguments laid over it.
///
/// # Errors
/// As of experiments.
pub fn read(path: &Path, sets: &[String]) -> Result<PretrainingSpec, SpecError> {
    let shown = path.display().to_string();
    let text = super::source::read(path).map_err(|refusal| SpecError::refused(&shown, refusal))?;
    super::parse_with(&shown, text, sets, |root, _| fields::pretraining(root))
}

/// Whether a file is a pre-training and no experiment: it has a corpus.
pub fn is_pretraining(path: &Path) -> bool {
    has_field(path, "corpus")
}

/// Whether it is an experiment and no pre-training: it has checkpoints.
pub fn is_experiment(path: &Path) -> bool {
    has_field(path, "checkpoints")
}

fn has_field(path: &Path, field: &str) -> bool {
    let tree = super::source::read(path).ok().and_then(|text| super::yaml::parse(&text).ok());
    let Some(Node { value: Value::Map(entries), .. }) = tree else { return false };
    entries.iter().any(|(key, _)| matches!(&key.value, Value::Text(name) if name == field))
}
