//! `config.json` of a checkpoint, read strictly: a field that would change the computation and is not supported is an
//! error, never ignored. Fields keep Hugging Face's names.

use super::Baseline;
use super::fields::Fields;
use super::{ByHead, Elmo, FAMILIES, Family, ModernBert, Projection, Xlnet};
use crate::task::Head;
use serde_json::{Map, Value};
use std::convert::Infallible;

/// The activation between the two dense layers of a feed-forward block, or after a pooler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`, by the error function (`gelu`).
    Gelu,
    /// The tanh formula of the released BERT code (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `tanh x`: of poolers alone, no config can name it.
    Tanh,
}

/// What layers compute, with the constants that only these layers have.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoder {
    /// BERT's.
    PostNorm,
    /// ModernBERT's.
    ModernBert(ModernBert),
    /// XLNet's.
    Xlnet(Xlnet),
    /// ELMo's.
    Elmo(Elmo),
    /// None: the word embeddings themselves.
    Words,
    /// None, nor anything else.
    Constant,
}

/// What a sequence head reads of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Its first token.
    First,
    /// Its last token.
    Last,
    /// The mean of its tokens.
    Mean,
    /// The words of its texts.
    Words,
    /// The means u and v of its two texts' tokens, special ones left out, as `[u; v; |u - v|; u * v]`.
    Compared,
}

/// The shape of an encoder and the constants of its computation.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Which family.
    pub family: &'static Family,
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// Width of the embeddings; that of the layers but where a family factorises them.
    pub embedding_size: usize,
    /// H.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward block.
    pub intermediate_size: usize,
    /// Its activation.
    pub hidden_act: Activation,
    /// Dropout of hidden states.
    pub hidden_dropout_prob: f64,
    /// Dropout of the embeddings.
    pub embedding_dropout_prob: f64,
    /// Dropout of attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Dropout before the last layer of each head; 0 where a head has none.
    pub head_dropouts: ByHead<f64>,
    /// Rows of the position embeddings.
    pub max_position_embeddings: usize,
    /// Row of a sequence's first position.
    pub first_position: usize,
    /// Segments; 0 where there are none.
    pub type_vocab_size: usize,
    /// Epsilon of LayerNorm.
    pub layer_norm_eps: f64,
    /// What its layers compute.
    pub encoder: Encoder,
    /// Tokens see those before them only (`is_decoder`, GPT).
    pub causal: bool,
    /// α of the learning rate `α^(M - m)` of layer m of M; 1 for one rate. No field: a recipe says it.
    pub layerwise_lr_decay: f64,
    /// Weight, in training, of the loss of the next tokens beside a sequence head's; a recipe's, 0 in every file.
    pub auxiliary_lm: f64,
    /// Layers of a BiLSTM between the encoder, which is trained, and the head; a recipe's, 0 in every file.
    pub bilstm_layers: usize,
    /// Standard deviation that transformers begins a new head with, where the config says one. The recipe's own decides.
    pub initializer_range: Option<f64>,
    /// Label names in order, where `id2label` names them.
    pub labels: Vec<String>,
}

/// Why a config cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Not a JSON object.
    #[error("config.json is not a JSON object: {0}")]
    Json(String),
    /// No or an unknown `model_type`.
    #[error("unknown model_type `{found}`, expected one of: {known}")]
    ModelType { found: String, known: String },
    /// A field is missing or has another type or range than expected.
    #[error("config.json: `{field}` is {found}, expected {expected}")]
    Field { field: &'static str, found: String, expected: &'static str },
    /// A field that may change the computation and is not known.
    #[error("config.json: unknown field `{0}`, which may change what the model computes")]
    Unknown(String),
}

impl EncoderConfig {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// Anything missing, of another type or out of range, and any field that is not known to be harmless.
    pub fn parse(text: &str) -> Result<EncoderConfig, ConfigError> {
        let value: Value = serde_json::from_str(text).map_err(|error| ConfigError::Json(error.to_string()))?;
        let object = value.as_object().ok_or_else(|| ConfigError::Json("found another value".into()))?;
        let mut fields = Fields::new(object, family(object)?);
        let config = fields.config()?;
        fields.refuse_unknown()?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, found, expected| {
            let field = self.family.field(field);
            Err(ConfigError::Field { field, found, expected })
        };
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let field = self.family.field("hidden_size");
            let found = format!("{} with {field} {}", self.num_attention_heads, self.hidden_size);
            return wrong("num_attention_heads", found, "a divisor of the hidden size");
        }
        // Rotary positions turn pairs of a head's values, relative ones are half sines and half cosines.
        let paired = match self.encoder {
            Encoder::PostNorm | Encoder::Elmo(_) | Encoder::Words | Encoder::Constant => 2,
            Encoder::ModernBert(_) => self.hidden_size / self.num_attention_heads,
            Encoder::Xlnet(_) => self.hidden_size,
        };
        if !paired.is_multiple_of(2) {
            let found = format!("{} with {} heads", self.hidden_size, self.num_attention_heads);
            return wrong("hidden_size", found, "an even number of values, in each head where positions are rotary");
        }
        if self.max_position_embeddings <= self.first_position {
            let found = format!("{} with a first position of {}", self.max_position_embeddings, self.first_position);
            return wrong("max_position_embeddings", found, "more than padding takes");
        }
        Ok(())
    }

    /// The same encoder with another dropout everywhere, or as it is. A head without dropout gets none.
    pub fn with_dropout(mut self, dropout: Option<f64>) -> EncoderConfig {
        let Some(probability) = dropout else { return self };
        self.hidden_dropout_prob = probability;
        self.embedding_dropout_prob = probability;
        self.attention_probs_dropout_prob = probability;
        if let Encoder::ModernBert(own) = &mut self.encoder {
            own.mlp_dropout = probability;
        }
        let everywhere = |field: &Option<_>| Ok::<_, Infallible>(if field.is_some() { probability } else { 0.0 });
        let Ok(dropouts) = self.family.dropouts.try_map(everywhere);
        self.head_dropouts = dropouts;
        self
    }

    /// The share of the learning rate that a parameter moves at: of the encoder's the less the further down it is, as XLNet's
    /// Table 8 says. Its released code multiplies the layers' gradients instead, which Adam mostly undoes, and leaves the
    /// embeddings' as they are; here they are a layer below the first, as in ELECTRA's code.
    pub fn rate_share(&self, path: &str) -> f64 {
        let layer = path.strip_prefix("encoder.layer.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        let depth = match layer {
            Some(layer) => layer + 1,
            None if path.starts_with("embeddings") => 0,
            None => self.num_hidden_layers,
        };
        self.layerwise_lr_decay.powi((self.num_hidden_layers - depth) as i32)
    }

    /// The same encoder with another dropout before each head's last layer, or as it is.
    pub fn with_classifier_dropout(mut self, dropout: Option<f64>) -> EncoderConfig {
        if let Some(probability) = dropout {
            let all = probability;
            self.head_dropouts = ByHead { sequence: all, choice: all, tokens: all, span: all };
        }
        self
    }

    /// Units of each direction of a BiLSTM under the head, so that both together are as wide as what they read and what follows
    /// stays as it is (BERT, Section 5.1, which gives no size).
    pub fn bilstm_units(&self) -> usize {
        self.hidden_size / 2
    }

    /// Refuses a BiLSTM under the head where there is nothing to put it over.
    ///
    /// # Errors
    /// What was found and expected.
    pub fn check_bilstm(&self) -> Result<(), String> {
        let (layers, title) = (self.bilstm_layers, self.family.title);
        let known = matches!(self.encoder, Encoder::PostNorm | Encoder::Xlnet(_));
        let wrong = [
            (!known, format!("none has been put over {title}")),
            (!self.hidden_size.is_multiple_of(2), format!("half of a hidden size of {} is no width", self.hidden_size)),
        ];
        match wrong.into_iter().find(|(wrong, _)| *wrong && layers > 0) {
            Some((_, reason)) => Err(format!("`bilstm_layers` is {layers}, expected 0: {reason}")),
            None => Ok(()),
        }
    }

    /// Room for the ids of a tokenizer that has added its family's tokens to the checkpoint's vocabulary.
    pub fn make_room(&mut self, ids: usize) {
        if (self.vocab_size..=self.vocab_size + self.family.new_tokens).contains(&ids) {
            self.vocab_size = ids;
        }
    }

    /// What a sequence head reads: in a causal model and in XLNet the last token.
    pub fn read(&self) -> Read {
        match &self.encoder {
            Encoder::ModernBert(own) => own.read,
            Encoder::Xlnet(_) => Read::Last,
            Encoder::PostNorm if self.causal => Read::Last,
            Encoder::PostNorm | Encoder::Constant => Read::First,
            Encoder::Words => Read::Compared,
            Encoder::Elmo(_) => Read::Words,
        }
    }

    /// Values of what a sequence head reads.
    pub fn read_size(&self) -> usize {
        match &self.encoder {
            Encoder::Words => 4 * self.hidden_size,
            Encoder::Elmo(own) => own.texts.read_size(),
            _ => self.hidden_size,
        }
    }

    /// Dropout inside the feed-forward block.
    pub fn inner_dropout(&self) -> f64 {
        match &self.encoder {
            Encoder::PostNorm | Encoder::Elmo(_) | Encoder::Words | Encoder::Constant => 0.0,
            Encoder::ModernBert(own) => own.mlp_dropout,
            Encoder::Xlnet(_) => self.hidden_dropout_prob,
        }
    }

    /// Dropout of the last layer's output.
    pub fn output_dropout(&self) -> f64 {
        if matches!(self.encoder, Encoder::Xlnet(_)) { self.hidden_dropout_prob } else { 0.0 }
    }

    /// Whether the pooler has a bias.
    pub fn pooler_bias(&self) -> bool {
        if let Encoder::ModernBert(own) = &self.encoder { own.classifier_bias } else { true }
    }

    /// Outputs and inputs of the pooler.
    pub fn pooler_shape(&self) -> [usize; 2] {
        let outputs = if let Encoder::Elmo(own) = &self.encoder { own.texts.classifier_size } else { self.hidden_size };
        [outputs, self.read_size()]
    }

    /// Whether LayerNorm has a summand.
    pub fn norm_bias(&self) -> bool {
        if let Encoder::ModernBert(own) = &self.encoder { own.norm_bias } else { true }
    }

    /// Dropout before a head's last layer.
    pub fn head_dropout(&self, head: Head) -> f64 {
        self.head_dropouts.of(head).copied().unwrap_or(0.0)
    }

    /// Starts that a beam search of spans goes on from, and ends of each.
    pub fn beams(&self) -> [usize; 2] {
        if let Encoder::Xlnet(own) = &self.encoder { own.beams } else { [0; 2] }
    }

    /// Tokens of the longest sequence.
    pub fn longest_sequence(&self) -> usize {
        self.max_position_embeddings - self.first_position
    }

    /// Whether a dense layer stands between embeddings and layers.
    pub fn projects(&self) -> bool {
        match self.family.projection {
            Projection::Never => false,
            Projection::WhereWidthsDiffer => self.embedding_size != self.hidden_size,
            Projection::Always => true,
        }
    }

    /// Where a layer's parameters are.
    pub fn layer_path(&self, layer: usize) -> String {
        format!("encoder.layer.{}", if self.family.shared_layers { 0 } else { layer })
    }
}

fn family(object: &Map<String, Value>) -> Result<&'static Family, ConfigError> {
    let found = object.get("model_type").and_then(Value::as_str).unwrap_or("(none)");
    // Baselines are asked for in an experiment; a config that names one was written here.
    let published = || FAMILIES.iter().filter(|family| Baseline::of(family).is_none());
    let known = || published().map(|family| family.model_type).collect::<Vec<_>>().join(", ");
    super::find(found).ok_or_else(|| ConfigError::ModelType { found: found.into(), known: known() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6,
        "num_attention_heads": 12, "intermediate_size": 1536, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.2, "max_position_embeddings": 512, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "use_cache": true, "position_embedding_type": "absolute"}"#;

    fn error(from: &str, to: &str) -> String {
        EncoderConfig::parse(&TEXT.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn a_released_config_is_read() {
        let config = EncoderConfig::parse(TEXT).unwrap();
        assert_eq!((config.hidden_size, config.num_attention_heads), (384, 12));
        assert_eq!((config.attention_probs_dropout_prob, config.head_dropout(Head::Classification)), (0.2, 0.1));
        assert_eq!((config.embedding_size, config.longest_sequence(), config.projects()), (384, 512, false));
        let dropped = config.with_dropout(Some(0.5));
        assert_eq!((dropped.head_dropout(Head::Tokens), dropped.head_dropout(Head::Span)), (0.5, 0.0));
    }

    #[test]
    fn an_unknown_model_type_lists_the_known_ones() {
        assert_eq!(
            error("\"bert\"", "\"t5\""),
            "unknown model_type `t5`, expected one of: bert, roberta, xlm-roberta, distilbert, electra, albert, openai-gpt, \
             modernbert, xlnet, elmo"
        );
    }

    #[test]
    fn what_a_head_begins_with_is_read_and_layers_without_end_are_refused() {
        let with =
            |value: &str| TEXT.replace("\"use_cache\"", &format!("\"initializer_range\": {value}, \"use_cache\""));
        assert_eq!(EncoderConfig::parse(&with("0.05")).unwrap().initializer_range, Some(0.05));
        assert_eq!(EncoderConfig::parse(TEXT).unwrap().initializer_range, None);
        let text = EncoderConfig::parse(&with("[]")).unwrap_err().to_string();
        assert!(text.contains("initializer_range") && text.contains("a number from 0 to 10"), "{text}");
        let text = error("\"num_hidden_layers\": 6", "\"num_hidden_layers\": 8388608");
        assert!(text.contains("a positive integer below 2^12"), "{text}");
    }

    #[test]
    fn a_field_that_changes_the_computation_is_refused() {
        let text = error("\"absolute\"", "\"relative_key\"");
        assert_eq!(text, "config.json: `position_embedding_type` is \"relative_key\", expected \"absolute\"");
        let text = error("\"use_cache\"", "\"rotary_base\"");
        assert_eq!(text, "config.json: unknown field `rotary_base`, which may change what the model computes");
    }

    #[test]
    fn a_field_of_another_type_says_what_was_found() {
        assert_eq!(error("30522", "0"), "config.json: `vocab_size` is 0, expected a positive integer below 2^24");
        let text = error("\"gelu\"", "\"swish\"");
        assert!(text.starts_with("config.json: `hidden_act` is \"swish\", expected"), "{text}");
        let text = error("\"num_attention_heads\": 12", "\"num_attention_heads\": 7");
        assert!(text.contains("`num_attention_heads` is 7 with hidden_size 384"), "{text}");
    }
}
