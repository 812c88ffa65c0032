//! OpenAI GPT (Radford et al. 2018): BERT's post-norm layers, reading from left to right.
//!
//! No segments, and no LayerNorm after the embeddings. `afn: gelu` is the tanh formula (`gelu_new` of transformers). Dense
//! weights lie `[in, out]` (the released code's one-dimensional convolutions), query, key and value in one.
//!
//! A head reads the last token of a sequence, without a dense layer of its own. That of classes has no dropout and no bias
//! (`OpenAIGPTForSequenceClassification`; the paper drops a tenth of that token out first, a recipe's `classifier_dropout`,
//! and has a bias). That of choices has both (`OpenAIGPTDoubleHeadsModel`), and one mask for all sequences of an example, as
//! the released code (train.py: `tf.nn.dropout` of shape `[examples, 1, H]`).

use super::bert::BERT;
use super::{Activation, Activations, ByHead, DropoutField, Family, Pooler, Vocabulary};
use crate::task::Head;

/// OpenAI GPT.
pub const OPENAI_GPT: Family = Family {
    model_type: "openai-gpt",
    title: "OpenAI GPT",
    about: "from left to right, letter pairs, sequences read by their last token",
    class: "OpenAIGPT",
    choice_class: "DoubleHeadsModel",
    defaults: &[],
    prefix: "transformer.",
    fields: &[
        ("hidden_size", "n_embd"),
        ("num_hidden_layers", "n_layer"),
        ("num_attention_heads", "n_head"),
        ("max_position_embeddings", "n_positions"),
        ("hidden_act", "afn"),
        ("hidden_dropout_prob", "resid_pdrop"),
        ("attention_probs_dropout_prob", "attn_pdrop"),
        ("layer_norm_eps", "layer_norm_epsilon"),
    ],
    // What transformers' class with two heads makes of a sequence, and what older versions wrote.
    descriptive: &[
        "n_ctx",
        "n_special",
        "predict_special_tokens",
        "summary_activation",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
    ],
    tensors: &[
        ("embeddings.word_embeddings", "tokens_embed"),
        ("embeddings.position_embeddings", "positions_embed"),
        ("encoder.layer", "h"),
        ("attention.self.query_key_value", "attn.c_attn"),
        ("attention.output.dense", "attn.c_proj"),
        ("attention.output.LayerNorm", "ln_1"),
        ("intermediate.dense", "mlp.c_fc"),
        ("output.dense", "mlp.c_proj"),
        ("output.LayerNorm", "ln_2"),
    ],
    // `attn.bias` is the causal mask.
    unused: &["position_ids", "h.*.attn.bias", "lm_head.", "multiple_choice_head.", "score."],
    segments: false,
    embedding_norm: false,
    embedding_dropout: Some("embd_pdrop"),
    activations: Activations {
        known: &[("gelu", Activation::GeluTanh), ("relu", Activation::Relu)],
        expected: "`gelu` or `relu`",
    },
    wide_factor: Some(4),
    causal: true,
    fused_projections: true,
    transposed: true,
    pooler: Pooler { path: None, classifier: "score", classifier_bias: false, ..BERT.pooler },
    choice_pooler: Pooler {
        path: None,
        classifier: "multiple_choice_head.summary",
        shares_dropout: true,
        ..BERT.pooler
    },
    dropouts: ByHead {
        sequence: None,
        choice: Some(DropoutField { field: "summary_first_dropout", otherwise: Some(0.1) }),
        tokens: None,
        span: None,
    },
    new_tokens: 3,
    lacks: &[Head::Tokens, Head::Span, Head::Pretraining],
    vocabulary: Vocabulary::LetterPairs,
    ..BERT
};
