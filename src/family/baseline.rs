//! Baselines: what a system without an encoder scores. They read with another checkpoint's tokenizer.
//!
//! - **Majority**: what the training split says most often, whatever is asked; where numbers are asked, their mean. Nothing
//!   is trained.
//! - **Bag of words**: as the GLUE paper's CBoW (Wang et al. 2019, Section 5), with u and v the means of the vectors of each
//!   text's tokens: `C dropout(tanh(P [u; v; |u - v|; u * v] + p)) + c`. It is small, to be trained in seconds and without a
//!   download of its own, and so differs in much: [`Baseline::differences`] has all of it, which reports say beside CBoW's
//!   figures. What is there is of the paper's Section 5, else of its released code (GLUE-baselines: models.py, main.py,
//!   run_stuff.sh).

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

/// Dropout before its last layer, where a recipe does not say another.
const DROPOUT_BEFORE_LAST: f64 = 0.1;

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

    /// In what it differs from the published system of the same kind, a sentence each, under a recipe's dropout.
    pub fn differences(self, dropout: Option<f64>) -> Vec<String> {
        let dropout = dropout.unwrap_or(DROPOUT_BEFORE_LAST);
        match self {
            Baseline::Majority => Vec::new(),
            Baseline::BagOfWords => vec![
                "word pieces here, words there".into(),
                format!(
                    "vectors of {WIDTH} that begin random and are trained here; GloVe's of 300, as they are, there"
                ),
                format!("a hidden layer of {WIDTH} here; of 512 there, and of STS-B none in the released code"),
                "of a single text its mean beside zeros here, the mean alone there".into(),
                format!("dropout {dropout} before the last layer here, none in the released code"),
                format!(
                    "a peak rate of {LEARNING_RATE:e}, whatever the experiment's, that moves by its schedule here; 1e-4, lowered \
                     where dev is not better, there"
                ),
                "texts cut to `max_seq_length` together here, each to 40 words in the released code".into(),
                "means over a text's own tokens here, over the longest text of its batch in the released code".into(),
            ],
        }
    }

    /// Its `config.json`, over a vocabulary of so many words.
    pub fn config(self, vocab_size: usize) -> String {
        let config = match self {
            Baseline::Majority => json!({"model_type": MAJORITY.model_type, "vocab_size": vocab_size}),
            Baseline::BagOfWords => json!({
                "model_type": BAG_OF_WORDS.model_type, "vocab_size": vocab_size, "hidden_size": WIDTH,
                "dropout": DROPOUT_BEFORE_LAST,
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
    defaults: &[],
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said to differ is what is computed.
    #[test]
    fn the_differences_have_the_configs_numbers() {
        let config: serde_json::Value = serde_json::from_str(&Baseline::BagOfWords.config(9)).unwrap();
        let all = Baseline::BagOfWords.differences(None).join("; ");
        assert!(all.contains(&format!("vectors of {} that", config["hidden_size"])), "{all}");
        assert!(all.contains(&format!("a hidden layer of {} here", config["hidden_size"])), "{all}");
        assert!(all.contains(&format!("dropout {} before", config["dropout"])), "{all}");
        assert!(all.contains(&format!("a peak rate of {:e}", Baseline::BagOfWords.learning_rate().unwrap())), "{all}");
        assert!(Baseline::BagOfWords.differences(Some(0.3)).join("; ").contains("dropout 0.3 before"));
    }
}
