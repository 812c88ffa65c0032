//! RoBERTa (Liu et al. 2019): BERT with byte-level byte pairs, without segments and without next-sentence prediction.
//!
//! Positions begin after padding's row (`pad_token_id` + 1 = 2 of 514). The table of segments has one row. Pre-training made
//! no pooler: the head of a sequence is new, dense and tanh between two dropouts. (The pooler that some files hold was
//! drawn when they were converted; choices, whose class in transformers has one, get a new one.) A padding token written in
//! a text counts as a token here; transformers gives it padding's own position.

use super::bert::BERT;
use super::{Activation, ByHead, DropoutField, Family, Pooler, Vocabulary};

/// RoBERTa.
pub const ROBERTA: Family = Family {
    model_type: "roberta",
    title: "RoBERTa",
    about: "no segments, positions from 2, byte-level byte pairs, a head of its own",
    class: "Roberta",
    defaults: &[],
    prefix: "roberta.",
    unused: &["embeddings.position_ids", "lm_head.", "pooler.", "classifier.", "qa_outputs."],
    positions_after_padding: Some(1),
    pooler: Pooler {
        path: Some("classifier.dense"),
        norm: None,
        pretrained: false,
        activation: Activation::Tanh,
        drops_input: true,
        classifier: "classifier.out_proj",
        classifier_bias: true,
        shares_dropout: false,
    },
    choice_pooler: Pooler { path: Some("roberta.pooler.dense"), pretrained: false, ..BERT.pooler },
    // transformers' class for choices takes the dropout of hidden states.
    dropouts: ByHead { choice: Some(HIDDEN), ..BERT.dropouts },
    vocabulary: Vocabulary::BytePairs,
    ..BERT
};

const HIDDEN: DropoutField = DropoutField { field: "hidden_dropout_prob", otherwise: None };
