//! The feature-based approach (BERT, Section 5.3): features of a frozen encoder, a BiLSTM, dropout and the classifier; and the
//! BiLSTM between an encoder that is trained and its head (Section 5.1, "+ BiLSTM").
//!
//! An LSTM in PyTorch's convention (torch.nn.LSTM), gates in the order i, f, g, o, two biases:
//!
//! ```text
//! a = W x_t + b + U h_{t-1} + u          i, f, o = σ(a_i), σ(a_f), σ(a_o)          g = tanh(a_g)
//! c_t = f c_{t-1} + i g                  h_t = o tanh(c_t)                         h_0 = c_0 = 0
//! ```
//!
//! B sequences, T tokens of all of them, L longest sequence of the batch, F inputs, R units of a direction.

use super::layout::Layout;
use super::model::Forward;
use super::ops::{linear, softmax};
use crate::engine::dropout::Site;
use crate::family::DIRECTIONS;
use crate::task::{FeatureBased, FeatureKind, Head, LSTM_LAYERS};
use candle_core::{IndexOp, Result, Tensor};

impl Forward<'_> {
    /// Logits of every token, `[T, labels]`, of the embeddings' output and each layer's, `[T, H]` each.
    pub fn feature_based(&self, how: FeatureBased, states: &[Tensor]) -> Result<Tensor> {
        let features = self.features(how.kind, &states[how.kind.states(states.len() - 1)])?; // [T, F]
        let hidden = self.bilstm(LSTM_LAYERS, features)?; // [T, 2 R]
        let dropout = self.config.head_dropout(Head::FeatureBased(how));
        self.weights.linear("classifier", &self.token_dropout(&hidden, Site::Classifier, dropout)?)
    }

    /// What the head reads of an encoder that is trained, `[T, H]` to `[T, H]`: its output, or that of a BiLSTM over it (BERT,
    /// Section 5.1).
    pub fn under_the_head(&self, hidden: Tensor) -> Result<Tensor> {
        self.bilstm(self.config.bilstm_layers, hidden)
    }

    /// What a sequence head reads of a BiLSTM's output: each direction's state where it has read the whole sequence, `[T, H]` to
    /// `[B, H]`. At one token both would leave a direction's way through the last layer without a use.
    pub fn read_whole(&self, hidden: &Tensor) -> Result<Tensor> {
        let ([first, last], units) = (self.layout.ends()?, self.config.bilstm_units());
        let half = |row: usize, tokens: &Tensor| hidden.narrow(1, row, units)?.contiguous()?.index_select(tokens, 0);
        Tensor::cat(&[half(0, &last)?, half(units, &first)?], 1)
    }

    /// So many layers with dropout between them, `[T, F]` to `[T, 2 R]`; of none, what is given.
    fn bilstm(&self, layers: usize, mut hidden: Tensor) -> Result<Tensor> {
        for layer in 0..layers {
            if layer > 0 {
                hidden = self.hidden_dropout(&hidden, Site::LstmOutput(layer - 1))?;
            }
            hidden = self.bilstm_layer("lstm", layer, &self.layout, &hidden)?; // [T, 2 R]
        }
        Ok(hidden)
    }

    /// One state, several side by side, or `γ Σ softmax(w)_j h_j`.
    fn features(&self, kind: FeatureKind, states: &[Tensor]) -> Result<Tensor> {
        if kind.is_weighted() { self.weighted_sum(states) } else { Tensor::cat(states, 1) }
    }

    /// `γ Σ softmax(w)_j h_j` of states `[T, H]`.
    pub fn weighted_sum(&self, states: &[Tensor]) -> Result<Tensor> {
        let shares = softmax(&self.weights.get("mix.weights")?.unsqueeze(0)?)?; // [1, n]
        let weighted = |(j, state): (usize, &Tensor)| state.broadcast_mul(&shares.narrow(1, j, 1)?);
        let terms = states.iter().enumerate().map(weighted).collect::<Result<Vec<_>>>()?;
        let sum = Tensor::stack(&terms, 0)?.sum(0)?;
        sum.broadcast_mul(self.weights.get("mix.scale")?)
    }

    /// A layer, `[T, F]` to `[T, 2 R]`, over the sequences of a layout.
    pub fn bilstm_layer(&self, path: &str, layer: usize, layout: &Layout, x: &Tensor) -> Result<Tensor> {
        let [forward, backward] = [false, true].map(|reverse| self.lstm((path, layer, reverse), layout, x));
        Tensor::cat(&[forward?, backward?], 1)
    }

    /// One direction of a layer, `[T, F]` to `[T, R]`. The other direction reads each sequence from its end; cells past a
    /// sequence's end come after it either way, and nothing reads what they become.
    fn lstm(&self, (path, layer, reverse): (&str, usize, bool), layout: &Layout, x: &Tensor) -> Result<Tensor> {
        let name = |what: &str| format!("{path}.{what}_l{layer}{}", DIRECTIONS[usize::from(reverse)]);
        let get = |what: &str| self.weights.get(&name(what));
        let (recurrent, bias) = (get("weight_hh")?, get("bias_hh")?); // [4 R, R], [4 R]
        let (sequences, longest, units) = (layout.lengths.len(), layout.longest, recurrent.dims2()?.1);
        let (to_rectangle, to_rows) = layout.in_direction(reverse)?;
        let projected = linear(x, get("weight_ih")?, get("bias_ih")?)?; // [T, 4 R]
        let projected = projected.index_select(&to_rectangle, 0)?.reshape((sequences, longest, 4 * units))?;
        let mut hidden = Tensor::zeros((sequences, units), x.dtype(), x.device())?; // [B, R]
        let mut cell = hidden.clone();
        let mut outputs = Vec::with_capacity(longest);
        for t in 0..longest {
            let gates = (projected.i((.., t))?.contiguous()? + linear(&hidden, recurrent, bias)?)?; // [B, 4 R]
            let gate = |which: usize| gates.narrow(1, which * units, units)?.contiguous();
            cell = ((sigmoid(&gate(1)?)? * cell)? + (sigmoid(&gate(0)?)? * gate(2)?.tanh()?)?)?;
            hidden = (sigmoid(&gate(3)?)? * cell.tanh()?)?;
            outputs.push(hidden.clone());
        }
        Tensor::stack(&outputs, 1)?.flatten(0, 1)?.index_select(&to_rows, 0) // [B L, R] to [T, R]
    }
}

/// `1 / (1 + e^-x)`, as `(1 + tanh(x/2)) / 2`, whose gradient is finite everywhere.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    ((x * 0.5)?.tanh()? + 1.0)? * 0.5
}

#[cfg(test)]
mod tests {
    use crate::encode::{Batch, Targets};
    use crate::engine::reference::Reference;
    use crate::engine::weights::{Initialization, starting_values};
    use crate::engine::{Engine, NamedArray, StepPart};
    use crate::family::{EncoderConfig, parameters};
    use crate::task::Head;
    use std::collections::BTreeMap;

    /// Without dropout, so that a loss can be said again; from left to right, as the paper has it.
    fn config(bilstm_layers: usize) -> EncoderConfig {
        let text = r#"{"model_type": "bert", "vocab_size": 11, "hidden_size": 6, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 10, "hidden_act": "gelu", "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0, "max_position_embeddings": 9, "type_vocab_size": 2,
            "layer_norm_eps": 1e-12, "is_decoder": true}"#;
        EncoderConfig { bilstm_layers, ..EncoderConfig::parse(text).unwrap() }
    }

    fn batch(together: usize, targets: Targets) -> Batch {
        Batch {
            input_ids: vec![1, 4, 2, 9, 3, 5, 7, 10, 8, 8, 0, 6],
            token_type_ids: vec![0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1],
            cumulative_lengths: vec![0, 5, 7, 12],
            together,
            contexts: Vec::new(),
            targets,
        }
    }

    fn start(config: &EncoderConfig, head: Head, labels: usize) -> Vec<NamedArray> {
        let how = Initialization { seed: 2, initializer_range: 0.4, truncated_normal: false };
        starting_values(&parameters(config, head, labels), BTreeMap::new(), &how)
    }

    /// Each parameter is moved along its own gradient g, by h g either way with |h g| = 0.02: the loss changes by 2 h |g|² but
    /// for terms of third order and rounding of a loss near 1, which are a few hundredths of it here. A key's bias has no
    /// gradient but roundings: softmax does not see what is added to all scores of a query; nor what is added to all choices.
    /// A choice is also tried without a BiLSTM, as no golden case has its head.
    #[test]
    fn gradients_under_a_bilstm_and_of_choices_match_differences_of_the_loss() {
        let cases = [
            (2, Head::Classification, 3, batch(1, Targets::Classes(vec![2, 0, 1]))),
            (2, Head::Regression, 1, batch(1, Targets::Values(vec![0.5, 1.0, -0.5]))),
            (2, Head::Span, 2, batch(1, Targets::Spans(vec![(0, 3), (1, 1), (2, 4)]))),
            (2, Head::Tokens, 4, batch(1, Targets::Tokens(vec![0, 1, 2, 3, 3, 1, 0, 2, 2, 1, 0, 3]))),
            (2, Head::Choice, 1, batch(3, Targets::Choices(vec![2]))),
            (0, Head::Choice, 1, batch(3, Targets::Choices(vec![1]))),
        ];
        for (layers, head, labels, batch) in cases {
            let config = config(layers);
            let trained = |values: Vec<NamedArray>| {
                let mut engine = Reference::new(config.clone(), head, labels, values).unwrap();
                engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
                engine
            };
            let start = || start(&config, head, labels);
            for (at, gradient) in trained(start()).gradients().unwrap().iter().enumerate() {
                let square = gradient.values.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
                let same_for_all = head == Head::Choice && gradient.name == "classifier.bias";
                if gradient.name.ends_with("key.bias") || same_for_all {
                    continue;
                }
                assert!(square > 0.0, "{head:?}: {} has no gradient", gradient.name);
                let step = 0.02 / square.sqrt();
                let moved = |by: f64| {
                    let mut values = start();
                    let own = values[at].values.iter_mut().zip(&gradient.values);
                    own.for_each(|(value, g)| *value += (by * f64::from(*g)) as f32);
                    trained(values).loss().unwrap()
                };
                let difference = (moved(step) - moved(-step)) / (2.0 * step);
                let share = difference / square;
                assert!((share - 1.0).abs() < 0.02 + 1e-5 / square.sqrt(), "{head:?} {}: {share}", gradient.name);
            }
        }
    }
}
