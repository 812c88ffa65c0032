//! The parameters of a model with a head: names as in a Hugging Face checkpoint, shapes, and how they begin.
//!
//! The order is that of `named_parameters()` in transformers. Decay is decided by name, as in the released code:
//! biases and LayerNorm parameters do not decay; embeddings do.

use super::EncoderConfig;
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
    /// Path in the checkpoint.
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
        !self.name.ends_with("bias") && !self.name.contains("LayerNorm")
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

/// Every parameter of the encoder with a head of `num_labels` outputs, in order. A head that reads every token has no
/// pooler; the decoder of pre-training is the table of word embeddings.
pub fn parameters(config: &EncoderConfig, head: Head, num_labels: usize) -> Vec<Parameter> {
    let mut list = List { prefix: config.family.prefix.to_string(), all: Vec::new() };
    list.embeddings(config);
    (0..config.num_hidden_layers).for_each(|layer| list.layer(config, layer));
    let hidden = config.hidden_size;
    if head.pools() {
        list.dense("pooler.dense", hidden, hidden);
    }
    match head {
        Head::Classification | Head::Regression | Head::Choice | Head::Tokens => {
            list.head(|list| list.dense("classifier", num_labels, hidden));
        }
        Head::Span => list.head(|list| list.dense("qa_outputs", num_labels, hidden)),
        Head::Pretraining => list.head(|list| {
            list.push("cls.predictions.bias", &[config.vocab_size], Initial::Zero);
            list.dense("cls.predictions.transform.dense", hidden, hidden);
            list.layer_norm("cls.predictions.transform.LayerNorm", hidden);
            list.dense("cls.seq_relationship", num_labels, hidden);
        }),
    }
    list.all
}

struct List {
    prefix: String,
    all: Vec<Parameter>,
}

impl List {
    fn push(&mut self, name: &str, shape: &[usize], initial: Initial) {
        let name = format!("{}{name}", self.prefix);
        self.all.push(Parameter { name, shape: shape.to_vec(), initial, head: false });
    }

    fn embeddings(&mut self, config: &EncoderConfig) {
        let hidden = config.hidden_size;
        self.push("embeddings.word_embeddings.weight", &[config.vocab_size, hidden], Initial::Normal);
        self.push("embeddings.position_embeddings.weight", &[config.max_position_embeddings, hidden], Initial::Normal);
        self.push("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, hidden], Initial::Normal);
        self.layer_norm("embeddings.LayerNorm", hidden);
    }

    fn layer(&mut self, config: &EncoderConfig, layer: usize) {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let path = format!("encoder.layer.{layer}");
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

    /// The head stands beside the encoder, without its prefix.
    fn head(&mut self, parameters: impl FnOnce(&mut List)) {
        let prefix = std::mem::take(&mut self.prefix);
        let first = self.all.len();
        parameters(self);
        self.all[first..].iter_mut().for_each(|parameter| parameter.head = true);
        self.prefix = prefix;
    }
}
