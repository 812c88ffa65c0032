//! Baselines: what a system without an encoder scores. They read with another checkpoint's tokenizer.
//!
//! - **Majority**: what the training split says most often, whatever is asked; where numbers are asked, their mean. Nothing
//!   is trained.
//! - **Bag of words**: as the GLUE paper's CBoW (Wang et al. 2019, Section 5), with u and v the means of the vectors of each
//!   text's tokens: `C dropout(tanh(P [u; v; |u - v|; u * v] + p)) + c`. Three things differ: tokens are word pieces, their
//!   vectors begin random instead of as GloVe's, and of a single text v is 0 (the paper's classifier reads u alone).

use super::bert::BERT;
use super::{Activation, ByHead, Computation, DropoutField, Family, Pooler};
use crate::task::Head;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

/// A system without an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// The majority class.
    Majority,
    /// Mean word vectors.
    BagOfWords,
}

/// Width of the vectors of words, and of the layer over their means.
const WIDTH: usize = 64;

/// Peak learning rate of a bag of words: word vectors that begin random have a long way to go.
const LEARNING_RATE: f64 = 1e-2;

impl Baseline {
    /// Every baseline, the plainest first.
    pub const ALL: [Baseline; 2] = [Baseline::Majority, Baseline::BagOfWords];

    /// The baseline that a family is.
    pub fn of(family: &Family) -> Option<Baseline> {
        Baseline::find(family.model_type)
    }

    /// What it is as a family.
    fn family(self) -> &'static Family {
        match self {
            Baseline::Majority => &MAJORITY,
            Baseline::BagOfWords => &BAG_OF_WORDS,
        }
    }

    /// Its name in specs.
    pub fn name(self) -> &'static str {
        self.family().model_type
    }

    /// The baseline of a name.
    pub fn find(name: &str) -> Option<Baseline> {
        Baseline::ALL.into_iter().find(|baseline| baseline.name() == name)
    }

    /// Whether it answers what a head asks.
    pub fn has(self, head: Head) -> bool {
        self.family().has(head)
    }

    /// The rate it is trained at, whatever the encoders' is; `None` where nothing is trained.
    pub fn learning_rate(self) -> Option<f64> {
        (self == Baseline::BagOfWords).then_some(LEARNING_RATE)
    }

    /// Its `config.json`, over a vocabulary of so many words.
    pub fn config(self, vocab_size: usize) -> String {
        let config = match self {
            Baseline::Majority => json!({"model_type": MAJORITY.model_type, "vocab_size": vocab_size}),
            Baseline::BagOfWords => json!({
                "model_type": BAG_OF_WORDS.model_type, "vocab_size": vocab_size, "hidden_size": WIDTH, "dropout": 0.1,
            }),
        };
        format!("{config:#}")
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Baseline::Majority => "majority class",
            Baseline::BagOfWords => "bag of words",
        })
    }
}

/// The majority class.
pub const MAJORITY: Family = Family {
    model_type: "majority",
    title: "majority",
    about: "a baseline: the training split's most frequent class, or its mean",
    computation: Computation::Constant,
    pooler: Pooler { path: None, ..POOLER },
    dropouts: ByHead { sequence: None, choice: None, tokens: None, span: None },
    ..BAG_OF_WORDS
};

/// A bag of words.
pub const BAG_OF_WORDS: Family = Family {
    model_type: "bag-of-words",
    title: "bag of words",
    about: "a baseline: mean word vectors and what sets two texts' apart, as GLUE's CBoW",
    class: "",
    prefix: "",
    computation: Computation::Words,
    fields: &[("hidden_dropout_prob", "dropout")],
    unused: &[],
    segments: false,
    embedding_norm: false,
    pooler: POOLER,
    choice_pooler: POOLER,
    dropouts: ByHead { sequence: DROPOUT, choice: None, tokens: None, span: None },
    lacks: &[Head::Choice, Head::Tokens, Head::Span, Head::Pretraining],
    ..BERT
};

const POOLER: Pooler = Pooler {
    path: Some("comparison.dense"),
    norm: None,
    pretrained: false,
    activation: Activation::Tanh,
    drops_input: false,
    classifier: "classifier",
    classifier_bias: true,
    shares_dropout: false,
};

const DROPOUT: Option<DropoutField> = Some(DropoutField { field: "dropout", otherwise: None });
