//! `config.json` of a checkpoint, read strictly: a field that would change the computation and is not supported is an
//! error, never ignored. Fields keep Hugging Face's names.

use super::{FAMILIES, Family};
use serde_json::{Map, Value};

/// The activation between the two dense layers of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`, by the error function (`gelu`).
    Gelu,
    /// The tanh formula of the released BERT code (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// The shape of an encoder and the constants of its computation.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Which family.
    pub family: &'static Family,
    /// Rows of the word embeddings.
    pub vocab_size: usize,
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
    /// Dropout of attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Dropout before the classifier; `hidden_dropout_prob` where the config says nothing.
    pub classifier_dropout: f64,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Segments.
    pub type_vocab_size: usize,
    /// Epsilon of LayerNorm.
    pub layer_norm_eps: f64,
    /// Tokens see those before them only (`is_decoder`); what is read of a sequence is then its last token, not its first.
    pub causal: bool,
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

/// Fields that describe, and change nothing that is computed here.
const DESCRIPTIVE: &[&str] = &[
    "_name_or_path",
    "_commit_hash",
    "_attn_implementation_autoset",
    "architectures",
    "attn_implementation",
    "bos_token_id",
    "chunk_size_feed_forward",
    "cls_token_id",
    "decoder_start_token_id",
    "directionality",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_encoder_decoder",
    "label2id",
    "language",
    "mask_token_id",
    "name",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pad_token_id",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "problem_type",
    "return_dict",
    "sep_token_id",
    "task_specific_params",
    "tie_word_embeddings",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "use_cache",
    "use_return_dict",
    "model_name",
];

/// Fields that must have one value, because the other ones compute something else.
const FIXED: &[(&str, &str)] = &[
    ("position_embedding_type", "\"absolute\""),
    ("add_cross_attention", "false"),
    ("pruned_heads", "{}"),
    ("use_bfloat16", "false"),
];

impl EncoderConfig {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// Anything missing, of another type or out of range, and any field that is not known to be harmless.
    pub fn parse(text: &str) -> Result<EncoderConfig, ConfigError> {
        let value: Value = serde_json::from_str(text).map_err(|error| ConfigError::Json(error.to_string()))?;
        let object = value.as_object().ok_or_else(|| ConfigError::Json("found another value".into()))?;
        let mut fields = Fields { object, seen: vec!["model_type"] };
        let config = fields.config(family(object)?)?;
        fields.refuse_unknown()?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let divides = self.hidden_size.is_multiple_of(self.num_attention_heads);
        let expected = "a divisor of `hidden_size`";
        let found = format!("{} with hidden_size {}", self.num_attention_heads, self.hidden_size);
        if divides { Ok(()) } else { Err(ConfigError::Field { field: "num_attention_heads", found, expected }) }
    }

    /// The same encoder with another dropout everywhere, or as it is.
    pub fn with_dropout(mut self, dropout: Option<f64>) -> EncoderConfig {
        if let Some(probability) = dropout {
            self.hidden_dropout_prob = probability;
            self.attention_probs_dropout_prob = probability;
            self.classifier_dropout = probability;
        }
        self
    }
}

fn family(object: &Map<String, Value>) -> Result<&'static Family, ConfigError> {
    let found = object.get("model_type").and_then(Value::as_str).unwrap_or("(none)");
    let known = || FAMILIES.iter().map(|family| family.model_type).collect::<Vec<_>>().join(", ");
    super::find(found).ok_or_else(|| ConfigError::ModelType { found: found.into(), known: known() })
}

/// The object being read, and which of its fields have been asked for.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    seen: Vec<&'static str>,
}

impl Fields<'_> {
    fn config(&mut self, family: &'static Family) -> Result<EncoderConfig, ConfigError> {
        let hidden_dropout_prob = self.fraction("hidden_dropout_prob")?;
        Ok(EncoderConfig {
            family,
            vocab_size: self.count("vocab_size")?,
            hidden_size: self.count("hidden_size")?,
            num_hidden_layers: self.count("num_hidden_layers")?,
            num_attention_heads: self.count("num_attention_heads")?,
            intermediate_size: self.count("intermediate_size")?,
            hidden_act: self.activation()?,
            hidden_dropout_prob,
            attention_probs_dropout_prob: self.fraction("attention_probs_dropout_prob")?,
            classifier_dropout: self.classifier_dropout(hidden_dropout_prob)?,
            max_position_embeddings: self.count("max_position_embeddings")?,
            type_vocab_size: self.count("type_vocab_size")?,
            layer_norm_eps: self.fraction("layer_norm_eps")?,
            causal: self.flag("is_decoder")?,
            labels: self.labels(),
        })
    }

    fn get(&mut self, field: &'static str) -> Option<&Value> {
        self.seen.push(field);
        self.object.get(field)
    }

    fn wrong(&self, field: &'static str, expected: &'static str) -> ConfigError {
        let found = self.object.get(field).map_or("missing".into(), Value::to_string);
        ConfigError::Field { field, found, expected }
    }

    /// A positive size; a million layers or a billion of anything is a mistake.
    fn count(&mut self, field: &'static str) -> Result<usize, ConfigError> {
        let value = self.get(field).and_then(Value::as_u64).filter(|value| (1..1 << 24).contains(value));
        value.map(|value| value as usize).ok_or_else(|| self.wrong(field, "a positive integer below 2^24"))
    }

    fn fraction(&mut self, field: &'static str) -> Result<f64, ConfigError> {
        let value = self.get(field).and_then(Value::as_f64).filter(|value| (0.0..1.0).contains(value));
        value.ok_or_else(|| self.wrong(field, "a number from 0 to 1"))
    }

    /// Absence is false.
    fn flag(&mut self, field: &'static str) -> Result<bool, ConfigError> {
        match self.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(field, "`true` or `false`")),
        }
    }

    /// Released checkpoints lack it; absence and `null` mean `hidden_dropout_prob`.
    fn classifier_dropout(&mut self, hidden: f64) -> Result<f64, ConfigError> {
        match self.get("classifier_dropout") {
            None | Some(Value::Null) => Ok(hidden),
            Some(_) => self.fraction("classifier_dropout"),
        }
    }

    fn activation(&mut self) -> Result<Activation, ConfigError> {
        match self.get("hidden_act").and_then(Value::as_str) {
            Some("gelu") => Ok(Activation::Gelu),
            Some("gelu_new" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
            Some("relu") => Ok(Activation::Relu),
            _ => Err(self.wrong("hidden_act", "`gelu`, `gelu_new`, `gelu_pytorch_tanh` or `relu`")),
        }
    }

    fn labels(&mut self) -> Vec<String> {
        let Some(Value::Object(names)) = self.get("id2label") else { return Vec::new() };
        let name = |index: usize| names.get(&index.to_string()).and_then(Value::as_str).map(String::from);
        (0..names.len()).map_while(name).collect()
    }

    fn refuse_unknown(&self) -> Result<(), ConfigError> {
        for (name, value) in self.object {
            if let Some((field, expected)) = FIXED.iter().find(|(field, _)| field == name) {
                let found = value.to_string();
                if found != *expected {
                    return Err(ConfigError::Field { field, found, expected });
                }
            } else if !self.seen.contains(&name.as_str()) && !DESCRIPTIVE.contains(&name.as_str()) {
                return Err(ConfigError::Unknown(name.clone()));
            }
        }
        Ok(())
    }
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
        assert_eq!((config.attention_probs_dropout_prob, config.classifier_dropout), (0.2, 0.1));
        assert_eq!(config.with_dropout(Some(0.0)).classifier_dropout, 0.0);
    }

    #[test]
    fn an_unknown_model_type_lists_the_known_ones() {
        assert_eq!(error("\"bert\"", "\"t5\""), "unknown model_type `t5`, expected one of: bert");
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
