//! ModernBERT's layers (Warner et al. 2024, Section 2; modeling_modernbert.py of transformers), said in the plainest way.
//!
//! Each block is `x + f(LayerNorm(x))`; the first attention block has no LayerNorm, since the embeddings end in one. Queries
//! and keys are turned by their positions (Su et al. 2021): pairs are a value and the one half a head further. The
//! feed-forward block is gated: `Wo (act(a) · b)` with `a, b` the halves of `Wi x` (Shazeer 2020).
//!
//! B sequences, T tokens of all of them, H hidden size, I intermediate size, N heads, D = H / N, L longest sequence.

use super::model::Forward;
use super::ops::activate;
use crate::encode::Batch;
use crate::engine::dropout::Site;
use crate::family::{ModernBert, Rotary};
use candle_core::{D, Device, Result, Tensor};

/// A score that a softmax makes nothing of. Padded queries may have no key in their window; they are never read, and
/// minus infinity would give them no number.
const OUT_OF_WINDOW: f32 = -1e30;

impl Forward<'_> {
    /// The encoder's output, after the last LayerNorm.
    pub fn modernbert(&self, own: &ModernBert, batch: &Batch, seen: &mut dyn FnMut(&Tensor)) -> Result<Tensor> {
        let embedded = self.norm("embeddings", &self.words(batch)?)?; // [T, H]
        let mut hidden = self.token_dropout(&embedded, Site::Embeddings, self.config.embedding_dropout_prob)?;
        for (layer, rotary) in own.layers.iter().enumerate() {
            seen(&hidden);
            hidden = self.pre_norm_layer(layer, rotary, &hidden)?;
        }
        self.norm("final", &hidden)
    }

    fn norm(&self, path: &str, x: &Tensor) -> Result<Tensor> {
        self.weights.layer_norm(&format!("{path}.LayerNorm"), x, self.config.layer_norm_eps)
    }

    fn pre_norm_layer(&self, layer: usize, rotary: &Rotary, hidden: &Tensor) -> Result<Tensor> {
        let path = self.config.layer_path(layer);
        let normalised = if layer == 0 { hidden.clone() } else { self.norm(&format!("{path}.attention"), hidden)? };
        let context = self.rotary_attention(layer, &path, rotary, &normalised)?;
        let output = self.weights.linear(&format!("{path}.attention.output.dense"), &context)?;
        let hidden = (hidden + self.hidden_dropout(&output, Site::AttentionOutput(layer))?)?;

        let normalised = self.norm(&format!("{path}.intermediate"), &hidden)?;
        let wide = self.weights.linear(&format!("{path}.intermediate.dense"), &normalised)?; // [T, 2 I]
        let half = self.config.intermediate_size;
        let gated = (activate(&wide.narrow(1, 0, half)?, self.config.hidden_act)? * wide.narrow(1, half, half)?)?;
        let gated = self.token_dropout(&gated, Site::FeedForwardInner(layer), self.config.inner_dropout())?;
        hidden + self.weights.linear(&format!("{path}.output.dense"), &gated)?
    }

    fn rotary_attention(&self, layer: usize, path: &str, rotary: &Rotary, hidden: &Tensor) -> Result<Tensor> {
        let [query, key, value] = self.projections(path, hidden)?; // [B, N, L, D]
        let angles = angles(self.layout.longest, query.dim(D::Minus1)?, rotary.theta, hidden.device())?;
        let scores = turned(&query, &angles)?.matmul(&turned(&key, &angles)?.t()?)?; // [B, N, L, L]
        let window =
            rotary.window.map(|window| window_mask(self.layout.longest, window, hidden.device())).transpose()?;
        self.context(layer, &scores, window.as_ref(), &value)
    }
}

/// Cosines and sines of `position / theta^(2 d / D)`, `[L, D/2]` each.
fn angles(positions: usize, size: usize, theta: f64, device: &Device) -> Result<[Tensor; 2]> {
    let frequency = |d: usize| (1.0 / theta.powf(2.0 * d as f64 / size as f64)) as f32;
    let angle = |at: usize| (at / (size / 2)) as f32 * frequency(at % (size / 2));
    let angles: Vec<f32> = (0..positions * (size / 2)).map(angle).collect();
    let angles = Tensor::from_vec(angles, (positions, size / 2), device)?;
    Ok([angles.cos()?, angles.sin()?])
}

/// `(a cos - b sin, b cos + a sin)` for the halves a, b of each head: `[B, N, L, D]`.
fn turned(x: &Tensor, [cos, sin]: &[Tensor; 2]) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let first = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let second = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    Tensor::cat(&[first, second], D::Minus1)
}

/// 0 where query and key are at most so far apart, `[1, 1, L, L]`.
fn window_mask(longest: usize, window: usize, device: &Device) -> Result<Tensor> {
    let cell = |at: usize| if (at / longest).abs_diff(at % longest) > window { OUT_OF_WINDOW } else { 0.0 };
    Tensor::from_vec((0..longest * longest).map(cell).collect(), (1, 1, longest, longest), device)
}
