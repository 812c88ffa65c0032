//! BERT (Devlin et al. 2019): learned positions, segments, post-norm layers, tanh pooler. Everything else is said against it.

use super::{Activation, ByHead, DropoutField, Family, Pooler, Projection, Vocabulary};

/// BERT, whose spellings are the engines' own.
pub const BERT: Family = Family {
    model_type: "bert",
    title: "BERT",
    about: "base, large, cased, whole-word masking, the 24 miniatures, MiniLM and others of its shape",
    class: "Bert",
    prefix: "bert.",
    fields: &[],
    fixed: &[],
    descriptive: &[],
    tensors: &[],
    unused: &["embeddings.position_ids", "cls.", "pooler.", "classifier.", "qa_outputs."],
    segments: true,
    positions_after_padding: None,
    projection: Projection::Never,
    layer_norm_eps: None,
    shared_layers: false,
    pooler: POOLER,
    choice_pooler: POOLER,
    dropouts: ByHead {
        sequence: Some(CLASSIFIER_DROPOUT),
        choice: Some(CLASSIFIER_DROPOUT),
        tokens: Some(CLASSIFIER_DROPOUT),
        span: None,
    },
    vocabulary: Vocabulary::WordPiece,
};

const POOLER: Pooler = Pooler {
    path: "bert.pooler.dense",
    pretrained: true,
    activation: Activation::Tanh,
    drops_input: false,
    classifier: "classifier",
};

/// Released checkpoints lack it; then it is that of hidden states.
const CLASSIFIER_DROPOUT: DropoutField = DropoutField { field: "classifier_dropout", otherwise: None };
