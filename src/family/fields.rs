//! The fields of a `config.json`: read one by one, and whatever was not asked for refused.

use super::{Activation, Computation, ConfigError, DropoutField, Encoder, EncoderConfig, Family, Projection};
use serde_json::{Map, Value};

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

/// Positions of a model that has no longest sequence.
pub const UNLIMITED: usize = 1 << 20;

/// The object being read, and which of its fields have been asked for. Fields are asked for by BERT's names.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    family: &'static Family,
    seen: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Nothing of it is read yet.
    pub fn new(object: &'a Map<String, Value>, family: &'static Family) -> Fields<'a> {
        Fields { object, family, seen: vec!["model_type"] }
    }

    /// The config, whose fields are each by itself as they should be.
    ///
    /// # Errors
    /// Anything missing, of another type or out of range.
    pub fn config(&mut self) -> Result<EncoderConfig, ConfigError> {
        match self.family.computation {
            Computation::Words | Computation::Constant => return self.without_layers(),
            Computation::Elmo => return self.elmo(),
            _ => {}
        }
        let (family, hidden_size) = (self.family, self.count("hidden_size")?);
        let hidden_dropout_prob = self.fraction("hidden_dropout_prob")?;
        Ok(EncoderConfig {
            family,
            vocab_size: self.count("vocab_size")?,
            embedding_size: match family.projection {
                Projection::Never => hidden_size,
                Projection::WhereWidthsDiffer | Projection::Always => self.count("embedding_size")?,
            },
            hidden_size,
            num_hidden_layers: self.layers("num_hidden_layers")?,
            num_attention_heads: self.count("num_attention_heads")?,
            intermediate_size: match family.wide_factor {
                Some(factor) => factor * hidden_size,
                None => self.count("intermediate_size")?,
            },
            hidden_act: self.activation()?,
            hidden_dropout_prob,
            embedding_dropout_prob: family.embedding_dropout.map_or(Ok(hidden_dropout_prob), |it| self.fraction(it))?,
            attention_probs_dropout_prob: self.fraction("attention_probs_dropout_prob")?,
            head_dropouts: family.dropouts.try_map(|field| self.head_dropout(*field, hidden_dropout_prob))?,
            max_position_embeddings: match family.computation {
                Computation::Xlnet => UNLIMITED,
                _ => self.count("max_position_embeddings")?,
            },
            first_position: self.first_position()?,
            type_vocab_size: match family.computation {
                Computation::PostNorm if family.segments => self.count("type_vocab_size")?,
                _ => 0,
            },
            layer_norm_eps: family.layer_norm_eps.map_or_else(|| self.fraction("layer_norm_eps"), Ok)?,
            encoder: self.encoder()?,
            causal: self.flag("is_decoder")? || family.causal,
            layerwise_lr_decay: 1.0,
            auxiliary_lm: 0.0,
            bilstm_layers: 0,
            initializer_range: self.initializer_range()?,
            labels: self.labels(),
        })
    }

    /// The config of a model that has none of what an encoder's says.
    fn without_layers(&mut self) -> Result<EncoderConfig, ConfigError> {
        let (family, words) = (self.family, self.family.computation == Computation::Words);
        let hidden_size = if words { self.count("hidden_size")? } else { 1 };
        let dropout = if words { self.fraction("hidden_dropout_prob")? } else { 0.0 };
        Ok(EncoderConfig {
            family,
            vocab_size: self.count("vocab_size")?,
            embedding_size: hidden_size,
            hidden_size,
            num_hidden_layers: 0,
            num_attention_heads: 1,
            intermediate_size: 0,
            hidden_act: Activation::Tanh,
            hidden_dropout_prob: dropout,
            embedding_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            head_dropouts: family.dropouts.try_map(|field| self.head_dropout(*field, dropout))?,
            max_position_embeddings: UNLIMITED,
            first_position: 0,
            type_vocab_size: 0,
            layer_norm_eps: 0.0,
            encoder: if words { Encoder::Words } else { Encoder::Constant },
            causal: false,
            layerwise_lr_decay: 1.0,
            auxiliary_lm: 0.0,
            bilstm_layers: 0,
            initializer_range: self.initializer_range()?,
            labels: self.labels(),
        })
    }

    fn encoder(&mut self) -> Result<Encoder, ConfigError> {
        let (layers, heads) = (self.layers("num_hidden_layers")?, self.count("num_attention_heads")?);
        Ok(match self.family.computation {
            // ELMo's config is read apart.
            Computation::PostNorm | Computation::Elmo => Encoder::PostNorm,
            Computation::ModernBert => Encoder::ModernBert(self.modernbert(layers)?),
            Computation::Xlnet => {
                let size = self.count("hidden_size")? / heads;
                Encoder::Xlnet(self.xlnet(size)?)
            }
            Computation::Words => Encoder::Words,
            Computation::Constant => Encoder::Constant,
        })
    }

    /// A field by BERT's name of it, if it is there.
    pub fn get(&mut self, field: &'static str) -> Option<&'a Value> {
        let field = self.family.field(field);
        self.seen.push(field);
        self.object.get(field)
    }

    /// The fields of a field.
    ///
    /// # Errors
    /// It is no object.
    pub fn object(&mut self, field: &'static str) -> Result<Fields<'a>, ConfigError> {
        let object = self.get(field).and_then(Value::as_object);
        object.map(|object| Fields::new(object, self.family)).ok_or_else(|| self.wrong(field, "an object"))
    }

    /// What is wrong with a field.
    pub fn wrong(&self, field: &'static str, expected: &'static str) -> ConfigError {
        let field = self.family.field(field);
        let found = self.object.get(field).map_or("missing".into(), Value::to_string);
        ConfigError::Field { field, found, expected }
    }

    /// A positive size.
    pub fn count(&mut self, field: &'static str) -> Result<usize, ConfigError> {
        self.count_below(field, 1 << 24, "a positive integer below 2^24")
    }

    /// Layers: a list of them is made before anything asks for memory.
    pub fn layers(&mut self, field: &'static str) -> Result<usize, ConfigError> {
        self.count_below(field, 1 << 12, "a positive integer below 2^12")
    }

    fn count_below(&mut self, field: &'static str, limit: u64, expected: &'static str) -> Result<usize, ConfigError> {
        let value = self.get(field).and_then(Value::as_u64).filter(|value| (1..limit).contains(value));
        value.map(|value| value as usize).ok_or_else(|| self.wrong(field, expected))
    }

    /// How a new head begins where the recipe asks for what the checkpoint says.
    pub fn initializer_range(&mut self) -> Result<Option<f64>, ConfigError> {
        match self.get("initializer_range") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64().filter(|value| (0.0..=10.0).contains(value)) {
                None => Err(self.wrong("initializer_range", "a number from 0 to 10")),
                found => Ok(found),
            },
        }
    }

    /// A probability.
    pub fn fraction(&mut self, field: &'static str) -> Result<f64, ConfigError> {
        let value = self.get(field).and_then(Value::as_f64).filter(|value| (0.0..1.0).contains(value));
        value.ok_or_else(|| self.wrong(field, "a number from 0 to 1"))
    }

    /// Absence is false.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, ConfigError> {
        match self.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(field, "`true` or `false`")),
        }
    }

    /// Absence and `null` mean what transformers takes then.
    fn head_dropout(&mut self, field: Option<DropoutField>, hidden: f64) -> Result<f64, ConfigError> {
        let Some(DropoutField { field, otherwise }) = field else { return Ok(0.0) };
        match self.get(field) {
            None | Some(Value::Null) => Ok(otherwise.unwrap_or(hidden)),
            Some(_) => self.fraction(field),
        }
    }

    /// The row after that of padding, in a family that counts from there.
    fn first_position(&mut self) -> Result<usize, ConfigError> {
        let Some(otherwise) = self.family.positions_after_padding else { return Ok(0) };
        let padding = match self.get("pad_token_id") {
            None | Some(Value::Null) => Some(otherwise),
            Some(value) => value.as_u64().filter(|id| *id < 1 << 24),
        };
        let padding = padding.ok_or_else(|| self.wrong("pad_token_id", "a token id below 2^24"))?;
        Ok(padding as usize + 1)
    }

    fn activation(&mut self) -> Result<Activation, ConfigError> {
        let activations = &self.family.activations;
        let name = self.get("hidden_act").and_then(Value::as_str);
        let found = activations.known.iter().find(|(known, _)| Some(*known) == name);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| self.wrong("hidden_act", activations.expected))
    }

    /// Label names in order.
    pub fn labels(&mut self) -> Vec<String> {
        let Some(Value::Object(names)) = self.get("id2label") else { return Vec::new() };
        let name = |index: usize| names.get(&index.to_string()).and_then(Value::as_str).map(String::from);
        (0..names.len()).map_while(name).collect()
    }

    /// Refuses what was not asked for, unless it is known to change nothing or has the only value that is supported.
    ///
    /// # Errors
    /// The first field that may change the computation.
    pub fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let fixed = || FIXED.iter().chain(self.family.fixed);
        let harmless = |name: &str| DESCRIPTIVE.iter().chain(self.family.descriptive).any(|field| *field == name);
        for (name, value) in self.object {
            if let Some((field, expected)) = fixed().find(|(field, _)| field == name) {
                let found = value.to_string();
                if found != *expected {
                    return Err(ConfigError::Field { field, found, expected });
                }
            } else if !self.seen.contains(&name.as_str()) && !harmless(name) {
                return Err(ConfigError::Unknown(name.clone()));
            }
        }
        Ok(())
    }
}
