//! ELECTRA (Clark et al. 2020), the discriminator: BERT whose embeddings may be narrower than its layers.
//!
//! The head is that of transformers: dense and GELU between two dropouts. (The released code has the classifier alone, after
//! a dropout of the first token's state.)

use super::bert::BERT;
use super::{Activation, ByHead, DropoutField, Family, Pooler, Projection};

/// ELECTRA.
pub const ELECTRA: Family = Family {
    model_type: "electra",
    title: "ELECTRA",
    about: "the discriminator: embeddings of a width of their own, a head with GELU",
    class: "Electra",
    defaults: &[],
    prefix: "electra.",
    fixed: &[("summary_type", "\"first\""), ("summary_use_proj", "true"), ("summary_activation", "\"gelu\"")],
    unused: &[
        "embeddings.position_ids",
        "discriminator_predictions.",
        "generator_",
        "sequence_summary.",
        "classifier.",
        "qa_outputs.",
    ],
    projection: Projection::WhereWidthsDiffer,
    pooler: Pooler { path: Some("classifier.dense"), drops_input: true, classifier: "classifier.out_proj", ..SUMMARY },
    choice_pooler: SUMMARY,
    dropouts: ByHead {
        choice: Some(DropoutField { field: "summary_last_dropout", otherwise: Some(0.1) }),
        ..BERT.dropouts
    },
    ..BERT
};

const SUMMARY: Pooler = Pooler {
    path: Some("sequence_summary.summary"),
    norm: None,
    pretrained: false,
    activation: Activation::Gelu,
    drops_input: false,
    classifier: "classifier",
    classifier_bias: true,
    shares_dropout: false,
};
