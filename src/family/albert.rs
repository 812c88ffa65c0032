//! ALBERT (Lan et al. 2020): BERT whose layers share one set of parameters and whose embeddings are factorised.
//!
//! The feed-forward output has dropout before the residual sum, as in the released code; transformers forgets it there.
//! Both agree for the released checkpoints, which were trained without dropout. Several groups of layers, and several
//! layers in a group, exist in the code and in no checkpoint: they are refused.

use super::bert::BERT;
use super::{ByHead, DropoutField, Family, Pooler, Projection, Vocabulary};

/// ALBERT.
pub const ALBERT: Family = Family {
    model_type: "albert",
    title: "ALBERT",
    about: "layers that share their parameters, factorised embeddings, SentencePiece",
    class: "Albert",
    defaults: &[],
    prefix: "albert.",
    fixed: &[
        ("num_hidden_groups", "1"),
        ("inner_group_num", "1"),
        ("gap_size", "0"),
        ("net_structure_type", "0"),
        ("num_memory_blocks", "0"),
        ("down_scale_factor", "1"),
        ("layers_to_keep", "[]"),
    ],
    tensors: &[
        ("encoder.layer.0", "encoder.albert_layer_groups.0.albert_layers.0"),
        ("attention.self", "attention"),
        ("attention.output.dense", "attention.dense"),
        ("attention.output.LayerNorm", "attention.LayerNorm"),
        ("intermediate.dense", "ffn"),
        ("output.dense", "ffn_output"),
        ("output.LayerNorm", "full_layer_layer_norm"),
        ("embeddings_project", "encoder.embedding_hidden_mapping_in"),
    ],
    unused: &["embeddings.position_ids", "predictions.", "sop_classifier.", "pooler.", "classifier.", "qa_outputs."],
    projection: Projection::Always,
    shared_layers: true,
    pooler: POOLER,
    choice_pooler: POOLER,
    dropouts: ByHead { sequence: Some(DROPOUT), choice: Some(DROPOUT), tokens: Some(DROPOUT), span: None },
    vocabulary: Vocabulary::None,
    ..BERT
};

const POOLER: Pooler = Pooler { path: Some("albert.pooler"), ..BERT.pooler };

const DROPOUT: DropoutField = DropoutField { field: "classifier_dropout_prob", otherwise: Some(0.1) };
