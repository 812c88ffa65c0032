//! ELMo (Peters et al. 2018), frozen, under the sentence encoder of GLUE's baselines (Wang et al. 2018, Section 5).
//!
//! ELMo's own part is said in the fields of its `options.json` (`lstm`, `char_cnn`) and its arrays lie as in the published
//! `weights.hdf5`, `/` written `.`: dense weights `[in, out]`, gates in the order i, g, f, o, the 1 of the forget gate's bias
//! not in the file. What is trained on top has PyTorch's names. No class of transformers is this.
//!
//! Where the paper and its released code (GLUE-baselines, models.py) disagree, the code made the numbers and is followed:
//! numbers are predicted without the hidden layer, ELMo's output is dropped out twice (by a half in ELMo's own module, then
//! like everything else), and nothing is dropped out in the classifier.

use super::bert::BERT;
use super::fields::{Fields, UNLIMITED};
use super::parameters::List;
use super::{
    Activation, ByHead, Computation, ConfigError, Encoder, EncoderConfig, Family, Initial, Pooler, Vocabulary,
};
use crate::task::{Head, Task};
use serde_json::Value;

/// ELMo.
pub const ELMO: Family = Family {
    model_type: "elmo",
    title: "ELMo",
    about: "words by their characters, frozen LSTMs, under GLUE's BiLSTM with attention",
    class: "",
    defaults: &[],
    prefix: "elmo.",
    computation: Computation::Elmo,
    fixed: &[("activation", "\"relu\""), ("n_characters", "262")],
    unused: &["attended.", "classifier."],
    embedding_norm: false,
    pooler: POOLER,
    choice_pooler: POOLER,
    regression_is_pooled: false,
    dropouts: ByHead { sequence: None, choice: None, tokens: None, span: None },
    lacks: &[Head::Choice, Head::Tokens, Head::Span, Head::Pretraining],
    vocabulary: Vocabulary::Characters,
    ..BERT
};

const POOLER: Pooler =
    Pooler { path: Some("classifier.dense"), pretrained: false, classifier: "classifier.out_proj", ..BERT.pooler };

/// What its config says.
#[derive(Clone, Debug, PartialEq)]
pub struct Elmo {
    /// Width of a character's embedding.
    pub character_size: usize,
    /// Characters of a word, its marks and padding included.
    pub max_characters: usize,
    /// Widths and numbers of the character convolutions' filters.
    pub filters: Vec<[usize; 2]>,
    /// Highway layers after them.
    pub highway_layers: usize,
    /// Units of a cell; a direction's states are half the hidden size.
    pub cell_size: usize,
    /// Bound of a cell's values.
    pub cell_clip: f64,
    /// Bound of a state's.
    pub projection_clip: f64,
    /// The encoder of texts over it.
    pub texts: Texts,
}

/// The encoder of texts: a BiLSTM, between two texts attention and a second one, the maximum over words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Texts {
    /// Units of each direction of both BiLSTMs.
    pub hidden_size: usize,
    /// Layers of the first; the second has one.
    pub num_layers: usize,
    /// Whether two texts attend to each other.
    pub attention: bool,
    /// Units of the classifier's hidden layer.
    pub classifier_size: usize,
    /// Texts of an example: what the task has, not the config.
    pub count: usize,
}

/// Characters that ELMo knows: bytes, and the marks of sentences, words and padding. The published number is one more, with
/// a row of zeros for words that are not there.
const CHARACTERS: usize = 261;

/// Fills a word's room up.
pub const PADDING_CHARACTER: u32 = 260;

/// A byte whose word ends with it has its value and this as its token id; the two tokens around a text follow.
pub const ENDS_WORD: u32 = 256;
/// Begins a text.
pub const BEGINS_TEXT: u32 = 512;
/// Ends it.
pub const ENDS_TEXT: u32 = 513;
const TOKEN_IDS: usize = 514;

impl Elmo {
    /// Values of a word after the convolutions.
    pub fn filter_count(&self) -> usize {
        self.filters.iter().map(|[_, count]| count).sum()
    }
}

impl Texts {
    /// Whether a second BiLSTM follows attention.
    pub fn attends(&self) -> bool {
        self.attention && self.count == 2
    }

    /// Values that a head reads: of one text u, of two `[u; v; |u - v|; u v]`.
    pub fn read_size(&self) -> usize {
        if self.count == 2 { 8 * self.hidden_size } else { 2 * self.hidden_size }
    }
}

impl EncoderConfig {
    /// The same model for a task: only the task says how many texts are read.
    pub fn for_task(mut self, task: &Task) -> EncoderConfig {
        if let Encoder::Elmo(own) = &mut self.encoder {
            own.texts.count = task.schema.text_columns().len().max(1);
        }
        self
    }
}

impl Fields<'_> {
    /// The whole config: of BERT's fields it has none.
    pub fn elmo(&mut self) -> Result<EncoderConfig, ConfigError> {
        let mut lstm = self.object("lstm")?;
        let own = self.elmos_own(&mut lstm)?;
        let (size, layers) = (lstm.count("projection_dim")?, lstm.layers("n_layers")?);
        lstm.refuse_unknown()?;
        Ok(EncoderConfig {
            family: &ELMO,
            vocab_size: TOKEN_IDS,
            embedding_size: size,
            hidden_size: 2 * size,
            num_hidden_layers: layers,
            num_attention_heads: 1,
            intermediate_size: own.cell_size,
            hidden_act: Activation::Relu,
            hidden_dropout_prob: self.fraction("dropout")?,
            embedding_dropout_prob: self.fraction("elmo_dropout")?,
            attention_probs_dropout_prob: 0.0,
            head_dropouts: ByHead { sequence: 0.0, choice: 0.0, tokens: 0.0, span: 0.0 },
            max_position_embeddings: UNLIMITED,
            first_position: 0,
            type_vocab_size: 2,
            layer_norm_eps: 0.0,
            encoder: Encoder::Elmo(own),
            causal: false,
            layerwise_lr_decay: 1.0,
            auxiliary_lm: 0.0,
            bilstm_layers: 0,
            initializer_range: self.initializer_range()?,
            labels: self.labels(),
        })
    }

    /// Its constants, of which some are among those of its `lstm`.
    fn elmos_own(&mut self, lstm: &mut Fields) -> Result<Elmo, ConfigError> {
        let mut characters = self.object("char_cnn")?;
        let mut embedding = characters.object("embedding")?;
        if !lstm.flag("use_skip_connections")? {
            return Err(lstm.wrong("use_skip_connections", "`true`"));
        }
        let own = Elmo {
            character_size: embedding.count("dim")?,
            max_characters: characters.room()?,
            filters: characters.filters()?,
            highway_layers: characters.layers("n_highway")?,
            cell_size: lstm.count("dim")?,
            cell_clip: lstm.bound("cell_clip")?,
            projection_clip: lstm.bound("proj_clip")?,
            texts: self.texts()?,
        };
        characters.refuse_unknown()?;
        embedding.refuse_unknown()?;
        Ok(own)
    }

    /// Characters of a word, of which two are its marks.
    fn room(&mut self) -> Result<usize, ConfigError> {
        let field = "max_characters_per_token";
        let room = Some(self.count(field)?).filter(|room| *room > 2);
        room.ok_or_else(|| self.wrong(field, "a whole number above 2"))
    }

    fn texts(&mut self) -> Result<Texts, ConfigError> {
        Ok(Texts {
            hidden_size: self.count("text_hidden_size")?,
            num_layers: self.layers("text_num_layers")?,
            attention: self.flag("text_attention")?,
            classifier_size: self.count("classifier_hidden_size")?,
            count: 1,
        })
    }

    /// `[[width, number], …]`, none wider than a word's room.
    fn filters(&mut self) -> Result<Vec<[usize; 2]>, ConfigError> {
        let most = self.room()? as u64;
        let pair = |filter: &Value| {
            let [width, count] = filter.as_array()?.as_slice() else { return None };
            let width = width.as_u64().filter(|width| (1..=most).contains(width))?;
            let count = count.as_u64().filter(|count| (1..1 << 24).contains(count))?;
            Some([width as usize, count as usize])
        };
        let all = self.get("filters").and_then(Value::as_array).and_then(|all| all.iter().map(pair).collect());
        let expected = "pairs of a width, at most `max_characters_per_token`, and a number of filters";
        all.filter(|all: &Vec<_>| !all.is_empty()).ok_or_else(|| self.wrong("filters", expected))
    }

    /// A positive number.
    fn bound(&mut self, field: &'static str) -> Result<f64, ConfigError> {
        let value = self.get(field).and_then(Value::as_f64).filter(|value| *value > 0.0);
        value.ok_or_else(|| self.wrong(field, "a positive number"))
    }
}

impl List {
    /// ELMo's parameters, none of which is trained.
    pub fn elmo(&mut self, config: &EncoderConfig, own: &Elmo) {
        let (size, filters, cells) = (config.embedding_size, own.filter_count(), own.cell_size);
        self.push("char_embed", &[CHARACTERS, own.character_size], Initial::Normal);
        for (at, [width, count]) in own.filters.iter().enumerate() {
            self.push(&format!("CNN.W_cnn_{at}"), &[1, *width, own.character_size, *count], Initial::Normal);
            self.push(&format!("CNN.b_cnn_{at}"), &[*count], Initial::Zero);
        }
        for layer in 0..own.highway_layers {
            for gate in ["carry", "transform"] {
                self.push(&format!("CNN_high_{layer}.W_{gate}"), &[filters, filters], Initial::Normal);
                self.push(&format!("CNN_high_{layer}.b_{gate}"), &[filters], Initial::Zero);
            }
        }
        self.push("CNN_proj.W_proj", &[filters, size], Initial::Normal);
        self.push("CNN_proj.b_proj", &[size], Initial::Zero);
        for direction in 0..2 {
            for layer in 0..config.num_hidden_layers {
                let path = language_model_cell(direction, layer);
                self.push(&format!("{path}.W_0"), &[2 * size, 4 * cells], Initial::Normal);
                self.push(&format!("{path}.B"), &[4 * cells], Initial::Zero);
                self.push(&format!("{path}.W_P_0"), &[cells, size], Initial::Normal);
            }
        }
        self.all.iter_mut().for_each(|parameter| parameter.frozen = true);
    }

    /// What is trained between ELMo and the classifier.
    pub fn texts(&mut self, config: &EncoderConfig, texts: &Texts) {
        self.mix(config.num_hidden_layers + 1);
        let (units, both) = (texts.hidden_size, 2 * texts.hidden_size);
        for layer in 0..texts.num_layers {
            self.bilstm_layer("lstm", layer, if layer == 0 { config.hidden_size } else { both }, units);
        }
        if texts.attends() {
            self.bilstm_layer("attended", 0, 2 * both, units);
        }
    }
}

/// Where a layer of one direction is, 0 forward and 1 backward.
pub fn language_model_cell(direction: usize, layer: usize) -> String {
    format!("RNN_{direction}.RNN.MultiRNNCell.Cell{layer}.LSTMCell")
}
