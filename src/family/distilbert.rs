//! DistilBERT (Sanh et al. 2019): BERT with half its layers and without segments, spelt its own way.
//!
//! Its head was made for fine-tuning: dense and ReLU. A span head has a dropout of its own (`qa_dropout`), labels of tokens
//! that of hidden states. LayerNorm's epsilon is no field.

use super::bert::BERT;
use super::{Activation, ByHead, DropoutField, Family, Pooler};

/// DistilBERT.
pub const DISTILBERT: Family = Family {
    model_type: "distilbert",
    title: "DistilBERT",
    about: "half of BERT's layers, no segments, a head with ReLU",
    class: "DistilBert",
    defaults: &[],
    prefix: "distilbert.",
    fields: &[
        ("hidden_size", "dim"),
        ("num_hidden_layers", "n_layers"),
        ("num_attention_heads", "n_heads"),
        ("intermediate_size", "hidden_dim"),
        ("hidden_act", "activation"),
        ("hidden_dropout_prob", "dropout"),
        ("attention_probs_dropout_prob", "attention_dropout"),
    ],
    fixed: &[("sinusoidal_pos_embds", "false")],
    descriptive: &["tie_weights_"],
    tensors: &[
        ("encoder.layer", "transformer.layer"),
        ("attention.self.query", "attention.q_lin"),
        ("attention.self.key", "attention.k_lin"),
        ("attention.self.value", "attention.v_lin"),
        ("attention.output.dense", "attention.out_lin"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("intermediate.dense", "ffn.lin1"),
        ("output.dense", "ffn.lin2"),
        ("output.LayerNorm", "output_layer_norm"),
    ],
    unused: &["embeddings.position_ids", "vocab_", "pre_classifier.", "classifier.", "qa_outputs."],
    segments: false,
    layer_norm_eps: Some(1e-12),
    pooler: POOLER,
    choice_pooler: POOLER,
    dropouts: ByHead {
        sequence: Some(DropoutField { field: "seq_classif_dropout", otherwise: Some(0.2) }),
        choice: Some(DropoutField { field: "seq_classif_dropout", otherwise: Some(0.2) }),
        tokens: Some(DropoutField { field: "dropout", otherwise: None }),
        span: Some(DropoutField { field: "qa_dropout", otherwise: Some(0.1) }),
    },
    ..BERT
};

const POOLER: Pooler = Pooler {
    path: Some("pre_classifier"),
    norm: None,
    pretrained: false,
    activation: Activation::Relu,
    drops_input: false,
    classifier: "classifier",
    classifier_bias: true,
    shares_dropout: false,
};
