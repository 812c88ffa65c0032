//! The parameters of a model with a head: names as in a Hugging Face checkpoint, shapes, and how they begin.
//!
//! The order is that of `named_parameters()` in transformers. Decay is decided by name, as in the released code:
//! biases and LayerNorm parameters do not decay; embeddings do.

use super::EncoderConfig;
use crate::task::{FeatureBased, Head, LSTM_LAYERS};

/// How a parameter begins where no checkpoint has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Normal, deviation `initializer_range`.
    Normal,
    /// Zeros: biases.
    Zero,
    /// Ones: LayerNorm's weight.
    One,
    /// Uniform in ±1/√n: PyTorch's LSTM of n units.
    Uniform(usize),
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
    /// Whether weight decay applies (`exclude_from_weight_decay` of the released optimizer, which searches the whole name).
    pub fn decays(&self) -> bool {
        !self.name.contains("bias") && !self.name.contains("LayerNorm")
    }

    /// Whether it is trained under a head: of a frozen encoder, none is.
    pub fn is_trained(&self, head: Head) -> bool {
        self.head || !head.freezes_encoder()
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
        Head::FeatureBased(how) => list.head(|list| list.feature_based(config, how, num_labels)),
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

/// How PyTorch ends the names of an LSTM's two directions.
pub const DIRECTIONS: [&str; 2] = ["", "_reverse"];

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

    /// A mix of states where they are weighted, the BiLSTM, and the classifier of its output.
    fn feature_based(&mut self, config: &EncoderConfig, how: FeatureBased, num_labels: usize) {
        let (layers, hidden) = (config.num_hidden_layers, config.hidden_size);
        if how.kind.is_weighted() {
            self.push("mix.weights", &[how.kind.states(layers).len()], Initial::Zero);
            // γ; not called gamma, which is how old checkpoints spell LayerNorm's weight.
            self.push("mix.scale", &[1], Initial::One);
        }
        for layer in 0..LSTM_LAYERS {
            let inputs = how.inputs(layer, layers, hidden);
            DIRECTIONS.iter().for_each(|direction| self.lstm(&format!("l{layer}{direction}"), inputs, how));
        }
        self.dense("classifier", num_labels, how.outputs());
    }

    /// One direction of a layer, named and begun as PyTorch's; rows are those of the gates i, f, g and o.
    fn lstm(&mut self, which: &str, inputs: usize, how: FeatureBased) {
        let (units, initial) = (how.lstm_hidden_size, Initial::Uniform(how.lstm_hidden_size));
        self.push(&format!("lstm.weight_ih_{which}"), &[4 * units, inputs], initial);
        self.push(&format!("lstm.weight_hh_{which}"), &[4 * units, units], initial);
        self.push(&format!("lstm.bias_ih_{which}"), &[4 * units], initial);
        self.push(&format!("lstm.bias_hh_{which}"), &[4 * units], initial);
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
