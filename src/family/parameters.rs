//! The parameters of a model with a head: names as in a Hugging Face checkpoint, shapes, and how they begin.
//!
//! The order is that of `named_parameters()` of BERT in transformers, whatever the family. Engines know a parameter by its
//! path, which is BERT's name of it without prefix; files know it by its name, which is the family's. Decay is decided by
//! path, as in the released code: biases and LayerNorm parameters do not decay; embeddings do.

use super::{Encoder, EncoderConfig, Family};
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
    /// Uniform in ±1/√n: PyTorch's LSTM of n units and its dense layer of n inputs, word vectors of n values.
    Uniform(usize),
}

/// One trainable array.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// What engines call it, in every family: `encoder.layer.0.output.dense.weight`, `pooler.dense.bias`, `classifier.weight`.
    pub path: String,
    /// Name in the checkpoint.
    pub name: String,
    /// Shape in files; dense weights are `[out, in]` as in PyTorch, but for those that are transposed.
    pub shape: Vec<usize>,
    /// Whether it lies `[in, out]` in files and engines may turn it over.
    pub transposed: bool,
    /// How it begins.
    pub initial: Initial,
    /// Whether it belongs to the head, which a pretrained checkpoint does not have.
    pub head: bool,
    /// Whether it stays as it is under every head: nothing that is computed here reads it, or nothing trains it.
    pub frozen: bool,
    /// Share of the learning rate that it moves at.
    pub rate_share: f64,
}

impl Parameter {
    /// Whether weight decay applies (`exclude_from_weight_decay` of the released optimizer, which searches the whole name).
    pub fn decays(&self) -> bool {
        !self.frozen && !self.path.contains("bias") && !self.path.contains("LayerNorm")
    }

    /// Whether it is trained under a head: of a frozen encoder, none is.
    pub fn is_trained(&self, head: Head) -> bool {
        !self.frozen && (self.head || !head.freezes_encoder())
    }

    fn turn_over(&mut self) {
        self.shape.reverse();
        self.transposed = true;
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
        Head::BeamSpan => "answer_class.dense_1",
        Head::Pretraining => "cls.seq_relationship",
        _ => "classifier",
    }
}

/// Every parameter of the encoder with a head of `num_labels` outputs, in order. A head that reads every token has no
/// pooler; the decoder of pre-training is the table of word embeddings.
pub fn parameters(config: &EncoderConfig, head: Head, num_labels: usize) -> Vec<Parameter> {
    let mut list = List { family: config.family, all: Vec::new() };
    match &config.encoder {
        Encoder::PostNorm => list.post_norm(config),
        Encoder::ModernBert(own) => list.modernbert(config, own),
        Encoder::Xlnet(_) => list.xlnet(config),
        Encoder::Elmo(own) => {
            list.elmo(config, own);
            list.of_the_head(|list| list.texts(config, &own.texts));
        }
        Encoder::Words => list.words(config),
        Encoder::Constant => return list.constant(num_labels),
    }
    list.of_the_head(|list| list.under_the_head(config));
    let [pooled, mut inputs] = config.pooler_shape();
    if let Some((pooler, path)) = config.family.pooler(head).and_then(|pooler| pooler.path.map(|path| (pooler, path))) {
        list.beside("pooler.dense", path, !pooler.pretrained, [pooled, inputs]);
        inputs = pooled;
        list.unless(config.pooler_bias());
        if let Some(norm) = pooler.norm {
            list.norm_beside("pooler.LayerNorm", norm, pooled);
            list.unless(config.norm_bias());
        }
    }
    match head {
        Head::Pretraining => list.of_the_head(|list| list.masked_words(config)),
        Head::FeatureBased(how) => {
            list.of_the_head(|list| list.feature_based(config, how));
            inputs = how.outputs();
        }
        _ => {}
    }
    if head == Head::BeamSpan {
        list.of_the_head(|list| list.beam_span(config.hidden_size));
    } else {
        list.beside(last_layer(head), config.family.classifier(head), true, [num_labels, inputs]);
        list.unless(config.family.classifier_bias(head));
    }
    if let Encoder::Elmo(_) = config.encoder {
        list.begin_as_in_pytorch(&["pooler.dense", last_layer(head)]);
    }
    list.all.iter_mut().for_each(|one| one.rate_share = config.rate_share(&one.path));
    list.all
}

/// How PyTorch ends the names of an LSTM's two directions.
pub const DIRECTIONS: [&str; 2] = ["", "_reverse"];

/// A list being made.
pub struct List {
    family: &'static Family,
    /// What it holds so far.
    pub all: Vec<Parameter>,
}

impl List {
    /// One of the encoder's.
    pub fn push(&mut self, path: &str, shape: &[usize], initial: Initial) {
        let (path, name, shape) = (path.to_string(), self.family.tensor(path), shape.to_vec());
        let (transposed, head, frozen, rate_share) = (false, false, false, 1.0);
        self.all.push(Parameter { path, name, shape, transposed, initial, head, frozen, rate_share });
    }

    /// Word vectors, wide enough that their products are not nothing.
    fn words(&mut self, config: &EncoderConfig) {
        let width = config.hidden_size;
        self.push("embeddings.word_embeddings.weight", &[config.vocab_size, width], Initial::Uniform(width));
    }

    /// An answer that is always the same.
    fn constant(mut self, num_labels: usize) -> Vec<Parameter> {
        self.of_the_head(|list| list.push("classifier.bias", &[num_labels], Initial::Zero));
        self.all[0].frozen = true;
        self.all
    }

    fn post_norm(&mut self, config: &EncoderConfig) {
        self.embeddings(config);
        let layers = if config.family.shared_layers { 1 } else { config.num_hidden_layers };
        (0..layers).for_each(|layer| self.layer(config, layer));
    }

    fn embeddings(&mut self, config: &EncoderConfig) {
        let width = config.embedding_size;
        self.table("embeddings.word_embeddings", config.vocab_size, width);
        self.table("embeddings.position_embeddings", config.max_position_embeddings, width);
        if config.type_vocab_size > 0 {
            self.table("embeddings.token_type_embeddings", config.type_vocab_size, width);
        }
        if config.family.embedding_norm {
            self.layer_norm("embeddings.LayerNorm", width);
        }
        if config.projects() {
            self.dense("embeddings_project", config.hidden_size, width);
        }
    }

    fn layer(&mut self, config: &EncoderConfig, layer: usize) {
        let (hidden, wide, first) = (config.hidden_size, config.intermediate_size, self.all.len());
        let path = config.layer_path(layer);
        if config.family.fused_projections {
            self.dense(&format!("{path}.attention.self.query_key_value"), 3 * hidden, hidden);
        } else {
            for projection in ["query", "key", "value"] {
                self.dense(&format!("{path}.attention.self.{projection}"), hidden, hidden);
            }
        }
        self.dense(&format!("{path}.attention.output.dense"), hidden, hidden);
        self.layer_norm(&format!("{path}.attention.output.LayerNorm"), hidden);
        self.dense(&format!("{path}.intermediate.dense"), wide, hidden);
        self.dense(&format!("{path}.output.dense"), hidden, wide);
        self.layer_norm(&format!("{path}.output.LayerNorm"), hidden);
        if config.family.transposed {
            self.all[first..].iter_mut().filter(|one| one.shape.len() == 2).for_each(Parameter::turn_over);
        }
    }

    /// A table of embeddings.
    pub fn table(&mut self, path: &str, rows: usize, width: usize) {
        self.push(&format!("{path}.weight"), &[rows, width], Initial::Normal);
    }

    fn dense(&mut self, path: &str, outputs: usize, inputs: usize) {
        self.affine(path, outputs, inputs, true);
    }

    /// A dense layer, with a bias or without.
    pub fn affine(&mut self, path: &str, outputs: usize, inputs: usize, bias: bool) {
        self.push(&format!("{path}.weight"), &[outputs, inputs], Initial::Normal);
        self.push(&format!("{path}.bias"), &[outputs], Initial::Zero);
        self.unless(bias);
    }

    fn layer_norm(&mut self, path: &str, hidden: usize) {
        self.norm(path, hidden, true);
    }

    /// A LayerNorm, with a summand or without.
    pub fn norm(&mut self, path: &str, hidden: usize, bias: bool) {
        self.push(&format!("{path}.weight"), &[hidden], Initial::One);
        self.push(&format!("{path}.bias"), &[hidden], Initial::Zero);
        self.unless(bias);
    }

    /// Takes the newest parameter, a bias, away again unless there is one.
    fn unless(&mut self, there: bool) {
        if !there {
            self.all.pop();
        }
    }

    /// Dense layers begin as `torch.nn.Linear`, their biases too: uniform in ±1/√in.
    fn begin_as_in_pytorch(&mut self, layers: &[&str]) {
        for layer in layers {
            let of_layer = |one: &&mut Parameter| one.path.rsplit_once('.').is_some_and(|(path, _)| path == *layer);
            let mut inputs = 1;
            for parameter in self.all.iter_mut().filter(of_layer) {
                inputs = parameter.shape.get(1).copied().unwrap_or(inputs);
                parameter.initial = Initial::Uniform(inputs);
            }
        }
    }

    /// Parameters of the head, whose names are their paths.
    fn of_the_head(&mut self, parameters: impl FnOnce(&mut List)) {
        let first = self.all.len();
        parameters(self);
        for parameter in &mut self.all[first..] {
            (parameter.name, parameter.head) = (parameter.path.clone(), true);
        }
    }

    /// A mix of states where they are weighted, and the BiLSTM.
    fn feature_based(&mut self, config: &EncoderConfig, how: FeatureBased) {
        let (layers, hidden) = (config.num_hidden_layers, config.hidden_size);
        if how.kind.is_weighted() {
            self.mix(how.kind.states(layers).len());
        }
        for layer in 0..LSTM_LAYERS {
            self.bilstm_layer("lstm", layer, how.inputs(layer, layers, hidden), how.lstm_hidden_size);
        }
    }

    /// The BiLSTM between an encoder that is trained and its head, where there is one.
    fn under_the_head(&mut self, config: &EncoderConfig) {
        let (inputs, units) = (config.hidden_size, config.bilstm_units());
        (0..config.bilstm_layers).for_each(|layer| self.bilstm_layer("lstm", layer, inputs, units));
    }

    /// A weighted sum of so many states.
    pub fn mix(&mut self, states: usize) {
        self.push("mix.weights", &[states], Initial::Zero);
        // γ; not called gamma, which is how old checkpoints spell LayerNorm's weight.
        self.push("mix.scale", &[1], Initial::One);
    }

    /// A layer of a BiLSTM, named and begun as PyTorch's; rows are those of the gates i, f, g and o.
    pub fn bilstm_layer(&mut self, path: &str, layer: usize, inputs: usize, units: usize) {
        let initial = Initial::Uniform(units);
        for which in DIRECTIONS.map(|direction| format!("l{layer}{direction}")) {
            self.push(&format!("{path}.weight_ih_{which}"), &[4 * units, inputs], initial);
            self.push(&format!("{path}.weight_hh_{which}"), &[4 * units, units], initial);
            self.push(&format!("{path}.bias_ih_{which}"), &[4 * units], initial);
            self.push(&format!("{path}.bias_hh_{which}"), &[4 * units], initial);
        }
    }

    /// The head of masked words, named as in BERT.
    fn masked_words(&mut self, config: &EncoderConfig) {
        let hidden = config.hidden_size;
        self.push("cls.predictions.bias", &[config.vocab_size], Initial::Zero);
        self.dense("cls.predictions.transform.dense", hidden, hidden);
        self.layer_norm("cls.predictions.transform.LayerNorm", hidden);
    }

    /// A dense layer after the encoder, whose name is given complete.
    fn beside(&mut self, path: &str, name: &str, head: bool, [outputs, inputs]: [usize; 2]) {
        self.dense(path, outputs, inputs);
        self.rename(name, head);
    }

    fn norm_beside(&mut self, path: &str, name: &str, hidden: usize) {
        self.layer_norm(path, hidden);
        self.rename(name, true);
    }

    /// Gives the newest weight and bias a name.
    fn rename(&mut self, name: &str, head: bool) {
        let first = self.all.len() - 2;
        for (parameter, kind) in self.all[first..].iter_mut().zip(["weight", "bias"]) {
            (parameter.name, parameter.head) = (format!("{name}.{kind}"), head);
        }
    }
}
