//! The feature-based approach (BERT, Section 5.3): the encoder is frozen, and what it says of each token goes through a
//! BiLSTM of its own before the classification layer.
//!
//! The kinds are the rows of the paper's Table 7. Three things that the paper leaves open are chosen here:
//!
//! - "A two-layer 768-dimensional BiLSTM" has 768 units in each direction, as libraries count a `hidden_size`, so that the
//!   classification layer reads 1,536 values; `lstm_hidden_size: 384` is the other reading.
//! - It runs over every token of a sequence, special ones and word pieces included; the first piece of a word has its label.
//! - A weighted sum is ELMo's (Peters et al. 2018, equation 1): `γ Σ softmax(w)_j h_j`, w and γ learned, from 0 and 1.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Layers of the BiLSTM.
pub const LSTM_LAYERS: usize = 2;

/// What of the frozen encoder is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureKind {
    /// The embeddings' output.
    Embeddings,
    /// The output of the last layer but one.
    SecondToLastHidden,
    /// The output of the last layer.
    LastHidden,
    /// A weighted sum of the outputs of the last four layers.
    WeightedSumLastFourHidden,
    /// The outputs of the last four layers behind one another.
    ConcatLastFourHidden,
    /// A weighted sum of the outputs of all layers; the embeddings are none.
    WeightedSumAllLayers,
}

impl FeatureKind {
    /// All of them, in the order of Table 7.
    pub const ALL: [FeatureKind; 6] = [
        FeatureKind::Embeddings,
        FeatureKind::SecondToLastHidden,
        FeatureKind::LastHidden,
        FeatureKind::WeightedSumLastFourHidden,
        FeatureKind::ConcatLastFourHidden,
        FeatureKind::WeightedSumAllLayers,
    ];

    /// Name in specs and records.
    pub const fn name(self) -> &'static str {
        match self {
            FeatureKind::Embeddings => "embeddings",
            FeatureKind::SecondToLastHidden => "second-to-last-hidden",
            FeatureKind::LastHidden => "last-hidden",
            FeatureKind::WeightedSumLastFourHidden => "weighted-sum-last-four-hidden",
            FeatureKind::ConcatLastFourHidden => "concat-last-four-hidden",
            FeatureKind::WeightedSumAllLayers => "weighted-sum-all-layers",
        }
    }

    /// The states that are read of an encoder of so many layers: 0 is the embeddings' output, n that of layer n.
    pub fn states(self, layers: usize) -> Range<usize> {
        match self {
            FeatureKind::Embeddings => 0..1,
            FeatureKind::SecondToLastHidden => layers.saturating_sub(1)..layers.max(1),
            FeatureKind::LastHidden => layers..layers + 1,
            FeatureKind::WeightedSumLastFourHidden | FeatureKind::ConcatLastFourHidden => {
                (layers + 1).saturating_sub(4)..layers + 1
            }
            FeatureKind::WeightedSumAllLayers => 1..layers + 1,
        }
    }

    /// Layers that an encoder must have.
    pub fn least_layers(self) -> usize {
        match self {
            FeatureKind::Embeddings => 0,
            FeatureKind::LastHidden | FeatureKind::WeightedSumAllLayers => 1,
            FeatureKind::SecondToLastHidden => 2,
            FeatureKind::WeightedSumLastFourHidden | FeatureKind::ConcatLastFourHidden => 4,
        }
    }

    /// Whether the states are summed with learned weights.
    pub fn is_weighted(self) -> bool {
        matches!(self, FeatureKind::WeightedSumLastFourHidden | FeatureKind::WeightedSumAllLayers)
    }

    /// Values of a token's features, of an encoder of so many layers and so many values a state.
    pub fn width(self, layers: usize, hidden_size: usize) -> usize {
        if self == FeatureKind::ConcatLastFourHidden { self.states(layers).len() * hidden_size } else { hidden_size }
    }
}

impl fmt::Display for FeatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a model reads a frozen encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeatureBased {
    /// What of it.
    pub kind: FeatureKind,
    /// Units of the BiLSTM in each direction.
    pub lstm_hidden_size: usize,
}

impl FeatureBased {
    /// Values of a token after the BiLSTM: both directions', forward first.
    pub fn outputs(self) -> usize {
        2 * self.lstm_hidden_size
    }

    /// Values of a token before a layer of the BiLSTM.
    pub fn inputs(self, lstm_layer: usize, layers: usize, hidden_size: usize) -> usize {
        if lstm_layer == 0 { self.kind.width(layers, hidden_size) } else { self.outputs() }
    }

    /// Refuses an encoder with fewer layers than are read.
    ///
    /// # Errors
    /// What was found and expected.
    pub fn check(self, layers: usize) -> Result<(), String> {
        let least = self.kind.least_layers();
        if layers >= least {
            return Ok(());
        }
        Err(format!("features `{}` read an encoder of at least {least} layers, found {layers}", self.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The rows of Table 7 for the 12 layers of BERT_BASE, whose outputs are states 1 to 12.
    #[test]
    fn states_are_those_of_the_papers_rows() {
        let states = FeatureKind::ALL.map(|kind| kind.states(12));
        assert_eq!(states, [0..1, 11..12, 12..13, 9..13, 9..13, 1..13]);
        let widths = FeatureKind::ALL.map(|kind| kind.width(12, 768));
        assert_eq!(widths, [768, 768, 768, 768, 4 * 768, 768]);
    }

    #[test]
    fn an_encoder_with_too_few_layers_is_refused_by_number() {
        for kind in FeatureKind::ALL {
            let how = FeatureBased { kind, lstm_hidden_size: 8 };
            assert_eq!(kind.states(kind.least_layers()).start, usize::from(kind != FeatureKind::Embeddings));
            assert!(how.check(kind.least_layers()).is_ok());
        }
        let how = FeatureBased { kind: FeatureKind::ConcatLastFourHidden, lstm_hidden_size: 8 };
        let expected = "features `concat-last-four-hidden` read an encoder of at least 4 layers, found 2";
        assert_eq!(how.check(2), Err(expected.into()));
    }

    #[test]
    fn names_are_those_of_records() {
        for kind in FeatureKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
