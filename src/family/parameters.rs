//! The parameters of a model with a head: names as in a Hugging Face checkpoint, shapes, and how they begin.
//!
//! The order is that of `named_parameters()` of BERT in transformers, whatever the family. Engines know a parameter by its
//! path, which is BERT's name of it without prefix; files know it by its name, which is the family's. Decay is decided by
//! path, as in the released code: biases and LayerNorm parameters do not decay; embeddings do.

use super::{EncoderConfig, Family};
use crate::task::Head;

/// How a parameter begins where no checkpoint has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Normal, deviation `initializer_range`.
    Normal,
    /// Zeros: biases.
    Zero,
    /// Ones: LayerNorm's weight.
    One,
}

/// One trainable array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What engines call it, in every family: `encoder.layer.0.output.dense.weight`, `pooler.dense.bias`, `classifier.weight`.
    pub path: String,
    /// Name in the checkpoint.
    pub name: String,
    /// Shape; dense weights are `[out, in]` as in PyTorch.
    pub shape: Vec<usize>,
    /// How it begins.
    pub initial: Initial,
    /// Whether it belongs to the head, which a pretrained checkpoint does not have.
    pub head: bool,
}

impl Parameter {
    /// Whether weight decay applies (`exclude_from_weight_decay` of the released optimizer).
    pub fn decays(&self) -> bool {
        !self.path.ends_with("bias") && !self.path.contains("LayerNorm")
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The path of a head's last layer.
pub fn last_layer(head: Head) -> &'static str {
    match head {
        Head::Span => "qa_outputs",
        Head::Pretraining => "cls.seq_relationship",
        Head::Classification | Head::Regression | Head::Choice | Head::Tokens => "classifier",
    }
}

/// Every parameter of the encoder with a head of `num_labels` outputs, in order. A head that reads every token has no
/// pooler; the decoder of pre-training is the table of word embeddings.
pub fn parameters(config: &EncoderConfig, head: Head, num_labels: usize) -> Vec<Parameter> {
    let mut list = List { family: config.family, all: Vec::new() };
    list.embeddings(config);
    let layers = if config.family.shared_layers { 1 } else { config.num_hidden_layers };
    (0..layers).for_each(|layer| list.layer(config, layer));
    let hidden = config.hidden_size;
    if let Some(pooler) = config.family.pooler(head) {
        list.beside("pooler.dense", pooler.path, !pooler.pretrained, [hidden, hidden]);
    }
    if head == Head::Pretraining {
        list.masked_words(config);
    }
    list.beside(last_layer(head), config.family.classifier(head), true, [num_labels, hidden]);
    list.all
}

struct List {
    family: &'static Family,
    all: Vec<Parameter>,
}

impl List {
    /// One of the encoder's.
    fn push(&mut self, path: &str, shape: &[usize], initial: Initial) {
        let name = self.family.tensor(path);
        self.all.push(Parameter { path: path.into(), name, shape: shape.to_vec(), initial, head: false });
    }

    fn embeddings(&mut self, config: &EncoderConfig) {
        let width = config.embedding_size;
        self.push("embeddings.word_embeddings.weight", &[config.vocab_size, width], Initial::Normal);
        self.push("embeddings.position_embeddings.weight", &[config.max_position_embeddings, width], Initial::Normal);
        if config.type_vocab_size > 0 {
            self.push("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width], Initial::Normal);
        }
        self.layer_norm("embeddings.LayerNorm", width);
        if config.projects() {
            self.dense("embeddings_project", config.hidden_size, width);
        }
    }

    fn layer(&mut self, config: &EncoderConfig, layer: usize) {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let path = config.layer_path(layer);
        for projection in ["query", "key", "value"] {
            self.dense(&format!("{path}.attention.self.{projection}"), hidden, hidden);
        }
        self.dense(&format!("{path}.attention.output.dense"), hidden, hidden);
        self.layer_norm(&format!("{path}.attention.output.LayerNorm"), hidden);
        self.dense(&format!("{path}.intermediate.dense"), wide, hidden);
        self.dense(&format!("{path}.output.dense"), hidden, wide);
        self.layer_norm(&format!("{path}.output.LayerNorm"), hidden);
    }

    fn dense(&mut self, path: &str, outputs: usize, inputs: usize) {
        self.push(&format!("{path}.weight"), &[outputs, inputs], Initial::Normal);
        self.push(&format!("{path}.bias"), &[outputs], Initial::Zero);
    }

    fn layer_norm(&mut self, path: &str, hidden: usize) {
        self.push(&format!("{path}.weight"), &[hidden], Initial::One);
        self.push(&format!("{path}.bias"), &[hidden], Initial::Zero);
    }

    /// The head of masked words, named as in BERT.
    fn masked_words(&mut self, config: &EncoderConfig) {
        let (first, hidden) = (self.all.len(), config.hidden_size);
        self.push("cls.predictions.bias", &[config.vocab_size], Initial::Zero);
        self.dense("cls.predictions.transform.dense", hidden, hidden);
        self.layer_norm("cls.predictions.transform.LayerNorm", hidden);
        for parameter in &mut self.all[first..] {
            (parameter.name, parameter.head) = (parameter.path.clone(), true);
        }
    }

    /// A dense layer after the encoder, whose name is given complete.
    fn beside(&mut self, path: &str, name: &str, head: bool, [outputs, inputs]: [usize; 2]) {
        let first = self.all.len();
        self.dense(path, outputs, inputs);
        for (parameter, kind) in self.all[first..].iter_mut().zip(["weight", "bias"]) {
            (parameter.name, parameter.head) = (format!("{name}.{kind}"), head);
        }
    }
}
