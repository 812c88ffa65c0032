//! ModernBERT (Warner et al. 2024): pre-norm layers with rotary positions, a gated feed-forward block, and attention that in
//! most layers sees a window around each token.
//!
//! Biases are flags of the config, all off in the released checkpoints. A sequence is read by its first token or by the mean
//! of its tokens (`classifier_pooling`), through dense, GELU and LayerNorm; heads of every token have these too. Attention's
//! output is dropped out like its probabilities (`attention_dropout`).

use super::bert::BERT;
use super::fields::Fields;
use super::parameters::List;
use super::{
    Activation, ByHead, Computation, ConfigError, DropoutField, EncoderConfig, Family, Pooler, Read, Vocabulary,
};
use serde_json::Value;

/// ModernBERT.
pub const MODERNBERT: Family = Family {
    model_type: "modernbert",
    title: "ModernBERT",
    about: "pre-norm, rotary positions, gated feed-forward, local attention",
    class: "ModernBert",
    defaults: &[],
    prefix: "model.",
    computation: Computation::ModernBert,
    fields: &[
        ("hidden_act", "hidden_activation"),
        ("hidden_dropout_prob", "attention_dropout"),
        ("attention_probs_dropout_prob", "attention_dropout"),
        ("layer_norm_eps", "norm_eps"),
    ],
    fixed: &[("classifier_activation", "\"gelu\""), ("is_decoder", "false")],
    descriptive: &[
        "decoder_bias",
        "deterministic_flash_attn",
        "initializer_cutoff_factor",
        "layer_norm_eps",
        "reference_compile",
        "repad_logits_with_grad",
        "sparse_pred_ignore_index",
        "sparse_prediction",
    ],
    tensors: &[
        ("embeddings.word_embeddings", "embeddings.tok_embeddings"),
        ("embeddings.LayerNorm", "embeddings.norm"),
        ("encoder.layer", "layers"),
        ("attention.LayerNorm", "attn_norm"),
        ("attention.self.query_key_value", "attn.Wqkv"),
        ("attention.output.dense", "attn.Wo"),
        ("intermediate.LayerNorm", "mlp_norm"),
        ("intermediate.dense", "mlp.Wi"),
        ("output.dense", "mlp.Wo"),
        ("final.LayerNorm", "final_norm"),
    ],
    unused: &["head.", "decoder.", "classifier."],
    segments: false,
    embedding_dropout: Some("embedding_dropout"),
    fused_projections: true,
    pooler: POOLER,
    choice_pooler: POOLER,
    tokens_are_pooled: true,
    dropouts: ByHead { sequence: DROPOUT, choice: DROPOUT, tokens: DROPOUT, span: DROPOUT },
    vocabulary: Vocabulary::None,
    ..BERT
};

const POOLER: Pooler = Pooler {
    path: Some("head.dense"),
    norm: Some("head.norm"),
    pretrained: false,
    activation: Activation::Gelu,
    ..BERT.pooler
};

const DROPOUT: Option<DropoutField> = Some(DropoutField { field: "classifier_dropout", otherwise: Some(0.0) });

/// What its config says beside BERT's fields.
#[derive(Clone, Debug, PartialEq)]
pub struct ModernBert {
    /// Each layer's attention.
    pub layers: Vec<Rotary>,
    /// Which state of a sequence is read.
    pub read: Read,
    /// Dropout inside the feed-forward block.
    pub mlp_dropout: f64,
    /// Whether LayerNorm has a summand.
    pub norm_bias: bool,
    /// Whether the dense layers of attention have one.
    pub attention_bias: bool,
    /// Whether those of the feed-forward block have one.
    pub mlp_bias: bool,
    /// Whether the pooler has one.
    pub classifier_bias: bool,
}

/// A layer's attention with rotary positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// How far away a key may be; everywhere where there is no window.
    pub window: Option<usize>,
    /// Base of the angles: pair d of D/2 turns by `position / theta^(2 d / D)`.
    pub theta: f64,
}

const GLOBAL: &str = "full_attention";
const LOCAL: &str = "sliding_attention";

impl Fields<'_> {
    /// ModernBERT's own fields.
    pub fn modernbert(&mut self, layers: usize) -> Result<ModernBert, ConfigError> {
        let window = Some(self.count("local_attention")? / 2);
        let [global, local] = self.thetas()?;
        let kind = |is_local: bool| {
            if is_local { Rotary { window, theta: local } } else { Rotary { window: None, theta: global } }
        };
        let read = match self.get("classifier_pooling").and_then(Value::as_str) {
            Some("cls") => Read::First,
            Some("mean") => Read::Mean,
            _ => return Err(self.wrong("classifier_pooling", "`cls` or `mean`")),
        };
        Ok(ModernBert {
            layers: self.local_layers(layers)?.into_iter().map(kind).collect(),
            read,
            mlp_dropout: self.fraction("mlp_dropout")?,
            norm_bias: self.flag("norm_bias")?,
            attention_bias: self.flag("attention_bias")?,
            mlp_bias: self.flag("mlp_bias")?,
            classifier_bias: self.flag("classifier_bias")?,
        })
    }

    /// Which layers see a window: `layer_types`, or all but every n-th (`global_attn_every_n_layers`, 3 by default).
    fn local_layers(&mut self, layers: usize) -> Result<Vec<bool>, ConfigError> {
        let every = match self.get("global_attn_every_n_layers") {
            None => 3,
            Some(_) => self.count("global_attn_every_n_layers")?,
        };
        let types = match self.get("layer_types") {
            None | Some(Value::Null) => return Ok((0..layers).map(|layer| !layer.is_multiple_of(every)).collect()),
            Some(types) => types.as_array().map(Vec::as_slice).unwrap_or_default(),
        };
        let local = |kind: &Value| match kind.as_str() {
            Some(GLOBAL) => Some(false),
            Some(LOCAL) => Some(true),
            _ => None,
        };
        let found: Option<Vec<bool>> = types.iter().map(local).collect();
        let expected = "`full_attention` or `sliding_attention` for each layer";
        found.filter(|found| found.len() == layers).ok_or_else(|| self.wrong("layer_types", expected))
    }

    /// Bases of global and of local layers: `rope_parameters` of today, else the fields of the released checkpoints.
    fn thetas(&mut self) -> Result<[f64; 2], ConfigError> {
        let older = [self.theta("global_rope_theta", 160_000.0)?, self.theta("local_rope_theta", 10_000.0)?];
        let Some(parameters) = self.get("rope_parameters").filter(|value| !value.is_null()) else { return Ok(older) };
        let theta = |kind: &str, older: f64| match parameters.get(kind) {
            None => Some(older),
            Some(Value::Object(own)) => {
                let known = own.keys().all(|key| key == "rope_type" || key == "rope_theta");
                let plain = own.get("rope_type").is_none_or(|kind| kind == "default");
                own.get("rope_theta").map_or(Some(older), Value::as_f64).filter(|theta| known && plain && *theta > 0.0)
            }
            Some(_) => None,
        };
        let kinds = |own: &serde_json::Map<String, Value>| own.keys().all(|key| key == GLOBAL || key == LOCAL);
        let known = parameters.as_object().is_some_and(kinds);
        let both = theta(GLOBAL, older[0]).zip(theta(LOCAL, older[1]));
        let expected = "a positive `rope_theta` and the `rope_type` `default` for each kind of layer";
        both.filter(|_| known)
            .map(|(global, local)| [global, local])
            .ok_or_else(|| self.wrong("rope_parameters", expected))
    }

    fn theta(&mut self, field: &'static str, otherwise: f64) -> Result<f64, ConfigError> {
        let theta = self.get(field).map_or(Some(otherwise), Value::as_f64).filter(|theta| *theta > 0.0);
        theta.ok_or_else(|| self.wrong(field, "a positive number"))
    }
}

impl List {
    /// The encoder's parameters.
    pub fn modernbert(&mut self, config: &EncoderConfig, own: &ModernBert) {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        self.table("embeddings.word_embeddings", config.vocab_size, hidden);
        self.norm("embeddings.LayerNorm", hidden, own.norm_bias);
        for layer in 0..config.num_hidden_layers {
            let path = config.layer_path(layer);
            if layer > 0 {
                self.norm(&format!("{path}.attention.LayerNorm"), hidden, own.norm_bias);
            }
            let attention = own.attention_bias;
            self.affine(&format!("{path}.attention.self.query_key_value"), 3 * hidden, hidden, attention);
            self.affine(&format!("{path}.attention.output.dense"), hidden, hidden, attention);
            self.norm(&format!("{path}.intermediate.LayerNorm"), hidden, own.norm_bias);
            self.affine(&format!("{path}.intermediate.dense"), 2 * wide, hidden, own.mlp_bias);
            self.affine(&format!("{path}.output.dense"), hidden, wide, own.mlp_bias);
        }
        self.norm("final.LayerNorm", hidden, own.norm_bias);
    }
}
