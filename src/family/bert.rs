//! BERT (Devlin et al. 2019): learned positions, segments, post-norm layers, tanh pooler. Everything else is said against it.

use super::{Activation, Activations, ByHead, Computation, DropoutField, Family, Pooler, Projection, Vocabulary};

/// BERT, whose spellings are the engines' own.
pub const BERT: Family = Family {
    model_type: "bert",
    title: "BERT",
    about: "base, large, cased, whole-word masking, the 24 miniatures, MiniLM and others of its shape",
    class: "Bert",
    span_class: "ForQuestionAnswering",
    beam_class: "",
    choice_class: "ForMultipleChoice",
    prefix: "bert.",
    computation: Computation::PostNorm,
    fields: &[],
    defaults: &[
        ("hidden_act", "\"gelu\""),
        ("hidden_dropout_prob", "0.1"),
        ("attention_probs_dropout_prob", "0.1"),
        ("max_position_embeddings", "512"),
        ("type_vocab_size", "2"),
        ("layer_norm_eps", "1e-12"),
    ],
    fixed: &[],
    descriptive: &[],
    tensors: &[],
    unused: &["embeddings.position_ids", "cls.", "pooler.", "classifier.", "qa_outputs."],
    segments: true,
    positions_after_padding: None,
    projection: Projection::Never,
    embedding_norm: true,
    embedding_dropout: None,
    activations: Activations {
        known: &[
            ("gelu", Activation::Gelu),
            ("gelu_new", Activation::GeluTanh),
            ("gelu_pytorch_tanh", Activation::GeluTanh),
            ("relu", Activation::Relu),
        ],
        expected: "`gelu`, `gelu_new`, `gelu_pytorch_tanh` or `relu`",
    },
    wide_factor: None,
    causal: false,
    fused_projections: false,
    transposed: false,
    layer_norm_eps: None,
    shared_layers: false,
    pooler: POOLER,
    choice_pooler: POOLER,
    regression_is_pooled: true,
    tokens_are_pooled: false,
    dropouts: ByHead {
        sequence: Some(CLASSIFIER_DROPOUT),
        choice: Some(CLASSIFIER_DROPOUT),
        tokens: Some(CLASSIFIER_DROPOUT),
        span: None,
    },
    new_tokens: 0,
    lacks: &[],
    vocabulary: Vocabulary::WordPiece,
};

const POOLER: Pooler = Pooler {
    path: Some("bert.pooler.dense"),
    norm: None,
    pretrained: true,
    activation: Activation::Tanh,
    drops_input: false,
    classifier: "classifier",
    classifier_bias: true,
    shares_dropout: false,
};

/// Released checkpoints lack it; then it is that of hidden states.
const CLASSIFIER_DROPOUT: DropoutField = DropoutField { field: "classifier_dropout", otherwise: None };
