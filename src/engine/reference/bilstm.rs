//! The feature-based approach (BERT, Section 5.3): features of a frozen encoder, a BiLSTM, dropout and the classifier.
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
        let mut hidden = self.features(how.kind, &states[how.kind.states(states.len() - 1)])?; // [T, F]
        for layer in 0..LSTM_LAYERS {
            hidden = self.bilstm_layer("lstm", layer, &self.layout, &hidden)?; // [T, 2 R]
            let (site, dropout) = match layer + 1 {
                LSTM_LAYERS => (Site::Classifier, self.config.head_dropout(Head::FeatureBased(how))),
                _ => (Site::LstmOutput(layer), self.config.hidden_dropout_prob),
            };
            let first = self.masks.map_or(0, |masks| masks.first_token);
            hidden = self.dropout(&hidden, site, dropout, first)?;
        }
        self.weights.linear("classifier", &hidden)
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
