//! BERT's forward pass (Devlin et al. 2019, Section 3; modeling.py of the released code), said in the plainest way, and with
//! it that of every family that is the same encoder with other data.
//!
//! B sequences, T tokens of all of them, E width of the embeddings, H hidden size, N heads, D = H / N, L longest sequence of
//! the batch.

use super::layout::Layout;
use super::ops::{activate, layer_norm, linear, softmax};
use crate::encode::Batch;
use crate::engine::dropout::{Masks, Site};
use crate::family::EncoderConfig;
use candle_core::{Result, Tensor};
use rayon::prelude::*;
use std::collections::HashMap;

/// The parameters by name, with a graph behind them (training) or without (prediction).
pub struct Weights {
    /// By path, so that every family reads as in `modeling_bert.py`.
    pub tensors: HashMap<String, Tensor>,
}

impl Weights {
    /// The parameter of a path.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| candle_core::Error::Msg(format!("no parameter `{name}`")))
    }

    /// The dense layer of a path.
    pub fn linear(&self, path: &str, x: &Tensor) -> Result<Tensor> {
        linear(x, self.get(&format!("{path}.weight"))?, self.get(&format!("{path}.bias"))?)
    }

    /// The LayerNorm of a path.
    pub fn layer_norm(&self, path: &str, x: &Tensor, epsilon: f64) -> Result<Tensor> {
        layer_norm(x, self.get(&format!("{path}.weight"))?, self.get(&format!("{path}.bias"))?, epsilon)
    }

    fn embedding(&self, path: &str, ids: &Tensor) -> Result<Tensor> {
        self.get(&format!("{path}.weight"))?.index_select(ids, 0)
    }
}

/// One forward pass over a batch.
pub struct Forward<'a> {
    /// Shape and constants.
    pub config: &'a EncoderConfig,
    /// Parameters.
    pub weights: &'a Weights,
    /// Dropout masks; `None` predicts.
    pub masks: Option<Masks>,
    /// Index tensors of the batch.
    pub layout: Layout,
}

impl Forward<'_> {
    /// The embeddings' output and each layer's, `[T, H]` each.
    pub fn hidden_states(&self, batch: &Batch) -> Result<Vec<Tensor>> {
        let mut states = vec![self.embeddings(batch)?];
        for layer in 0..self.config.num_hidden_layers {
            let next = self.layer(layer, &states[layer])?;
            states.push(next);
        }
        Ok(states)
    }

    /// The last layer's output, `[T, H]`.
    pub fn encode(&self, batch: &Batch) -> Result<Tensor> {
        let mut hidden = self.embeddings(batch)?;
        for layer in 0..self.config.num_hidden_layers {
            hidden = self.layer(layer, &hidden)?;
        }
        Ok(hidden)
    }

    fn embeddings(&self, batch: &Batch) -> Result<Tensor> {
        let device = self.layout.to_rows.device();
        let input_ids = Tensor::new(batch.input_ids.as_slice(), device)?; // [T]
        let mut sum = self.weights.embedding("embeddings.word_embeddings", &input_ids)?; // [T, E]
        if self.config.type_vocab_size > 0 {
            let token_type_ids = Tensor::new(batch.token_type_ids.as_slice(), device)?; // [T]
            sum = (sum + self.weights.embedding("embeddings.token_type_embeddings", &token_type_ids)?)?;
        }
        let positions = self.weights.embedding("embeddings.position_embeddings", &self.layout.position_ids)?;
        let sum = (sum + positions)?;
        let normalised = self.weights.layer_norm("embeddings.LayerNorm", &sum, self.config.layer_norm_eps)?;
        let embedded = self.hidden_dropout(&normalised, Site::Embeddings)?;
        if self.config.projects() { self.weights.linear("embeddings_project", &embedded) } else { Ok(embedded) }
    }

    fn layer(&self, layer: usize, hidden: &Tensor) -> Result<Tensor> {
        let path = self.config.layer_path(layer);
        let context = self.attention(layer, &path, hidden)?; // [T, H]
        let output = self.weights.linear(&format!("{path}.attention.output.dense"), &context)?;
        let output = self.hidden_dropout(&output, Site::AttentionOutput(layer))?;
        let attended = self.add_and_norm(&format!("{path}.attention.output"), &output, hidden)?;

        let wide = self.weights.linear(&format!("{path}.intermediate.dense"), &attended)?; // [T, 4 H]
        let wide = activate(&wide, self.config.hidden_act)?;
        let output = self.weights.linear(&format!("{path}.output.dense"), &wide)?; // [T, H]
        let output = self.hidden_dropout(&output, Site::FeedForwardOutput(layer))?;
        self.add_and_norm(&format!("{path}.output"), &output, &attended)
    }

    fn add_and_norm(&self, path: &str, output: &Tensor, input: &Tensor) -> Result<Tensor> {
        self.weights.layer_norm(&format!("{path}.LayerNorm"), &(output + input)?, self.config.layer_norm_eps)
    }

    fn attention(&self, layer: usize, path: &str, hidden: &Tensor) -> Result<Tensor> {
        let query = self.heads(&format!("{path}.attention.self.query"), hidden)?; // [B, N, L, D]
        let key = self.heads(&format!("{path}.attention.self.key"), hidden)?;
        let value = self.heads(&format!("{path}.attention.self.value"), hidden)?;
        let scale = 1.0 / ((self.config.hidden_size / self.config.num_attention_heads) as f64).sqrt();
        let scores = (query.matmul(&key.t()?)? * scale)?; // [B, N, L, L]
        let mut scores = scores.broadcast_add(&self.layout.key_mask)?;
        if let Some(mask) = &self.layout.causal_mask {
            scores = scores.broadcast_add(mask)?;
        }
        let probabilities = softmax(&scores)?;
        let probabilities = self.attention_dropout(layer, &probabilities)?;
        let context = probabilities.matmul(&value)?; // [B, N, L, D]
        let cells = context.transpose(1, 2)?.flatten(2, 3)?.flatten(0, 1)?; // [B L, H]
        self.layout.pack(&cells)
    }

    /// A projection cut into heads: `[T, H]` to `[B, N, L, D]`.
    fn heads(&self, path: &str, hidden: &Tensor) -> Result<Tensor> {
        let heads = self.config.num_attention_heads;
        let width = self.config.hidden_size / heads;
        let projected = self.layout.pad(&self.weights.linear(path, hidden)?)?; // [B L, H]
        let shape = (self.layout.lengths.len(), self.layout.longest, heads, width);
        projected.reshape(shape)?.transpose(1, 2)?.contiguous()
    }

    /// Dropout of states whose rows are tokens.
    fn hidden_dropout(&self, x: &Tensor, site: Site) -> Result<Tensor> {
        self.dropout(x, site, self.config.hidden_dropout_prob, self.masks.map_or(0, |masks| masks.first_token))
    }

    /// Multiplies rows by their masks; `first` is the number within the step of the first row.
    pub fn dropout(&self, x: &Tensor, site: Site, probability: f64, first: usize) -> Result<Tensor> {
        let Some(masks) = self.masks.filter(|_| probability > 0.0) else { return Ok(x.clone()) };
        let (rows, width) = x.dims2()?;
        let mut mask = vec![0.0; rows * width];
        let fill = |(row, values): (usize, &mut [f32])| {
            masks.fill(site, probability, ((first + row) * width) as u64, values);
        };
        mask.par_chunks_mut(width).enumerate().for_each(fill);
        x * Tensor::from_vec(mask, (rows, width), x.device())?
    }

    /// Dropout of probabilities `[B, N, L, L]`; cells of the padding stay 0, they are 0 already or never read.
    fn attention_dropout(&self, layer: usize, probabilities: &Tensor) -> Result<Tensor> {
        let dropout = self.config.attention_probs_dropout_prob;
        let Some(masks) = self.masks.filter(|_| dropout > 0.0) else { return Ok(probabilities.clone()) };
        let (longest, heads) = (self.layout.longest, self.config.num_attention_heads);
        let mut mask = vec![0.0; self.layout.lengths.len() * heads * longest * longest];
        let starts = self.starts(masks.first_token);
        mask.par_chunks_mut(longest * longest).enumerate().for_each(|(cell, values)| {
            let (b, head) = (cell / heads, cell % heads);
            let length = self.layout.lengths[b];
            for (query, row) in values.chunks_mut(longest).take(length).enumerate() {
                let index = ((starts[b] + query) * heads + head) * self.config.max_position_embeddings;
                masks.fill(Site::AttentionProbabilities(layer), dropout, index as u64, &mut row[..length]);
            }
        });
        probabilities * Tensor::from_vec(mask, probabilities.shape(), probabilities.device())?
    }

    /// Index within the step of each sequence's first token.
    fn starts(&self, first_token: usize) -> Vec<usize> {
        let ends = self.layout.lengths.iter().scan(first_token, |end, length| {
            *end += length;
            Some(*end)
        });
        ends.zip(&self.layout.lengths).map(|(end, length)| end - length).collect()
    }
}
