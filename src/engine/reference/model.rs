//! BERT's forward pass (Devlin et al. 2019, Section 3; modeling.py of the released code), said in the plainest way, and with
//! it that of every family that is the same encoder with other data. Those that are not have pages of their own.
//!
//! B sequences, T tokens of all of them, E width of the embeddings, H hidden size, N heads, D = H / N, L longest sequence of
//! the batch.

use super::layout::Layout;
use super::ops::{activate, layer_norm, linear, softmax};
use crate::encode::Batch;
use crate::engine::dropout::{Masks, Site};
use crate::family::{Encoder, EncoderConfig};
use candle_core::{Result, Tensor};
use rayon::prelude::*;
use std::collections::HashMap;

/// The parameters by name, with a graph behind them (training) or without (prediction).
pub struct Weights {
    /// By path, so that every family reads as in `modeling_bert.py`; dense weights `[out, in]`.
    pub tensors: HashMap<String, Tensor>,
}

impl Weights {
    /// The parameter of a path.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| candle_core::Error::Msg(format!("no parameter `{name}`")))
    }

    /// The dense layer of a path, with its bias if it has one.
    pub fn linear(&self, path: &str, x: &Tensor) -> Result<Tensor> {
        let weight = self.get(&format!("{path}.weight"))?;
        match self.tensors.get(&format!("{path}.bias")) {
            Some(bias) => linear(x, weight, bias),
            None => x.matmul(&weight.t()?),
        }
    }

    /// The LayerNorm of a path, with its summand if it has one.
    pub fn layer_norm(&self, path: &str, x: &Tensor, epsilon: f64) -> Result<Tensor> {
        layer_norm(x, self.get(&format!("{path}.weight"))?, self.tensors.get(&format!("{path}.bias")), epsilon)
    }

    /// Rows of the table of a path.
    pub fn embedding(&self, path: &str, ids: &Tensor) -> Result<Tensor> {
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
        let mut states = Vec::new();
        let last = self.run(batch, &mut |input| states.push(input.clone()))?;
        states.push(last);
        Ok(states)
    }

    /// The encoder's output, `[T, H]`.
    pub fn encode(&self, batch: &Batch) -> Result<Tensor> {
        self.run(batch, &mut |_| {})
    }

    /// The encoder's output; `seen` is shown the input of each layer.
    fn run(&self, batch: &Batch, seen: &mut dyn FnMut(&Tensor)) -> Result<Tensor> {
        match &self.config.encoder {
            Encoder::PostNorm => self.post_norm(batch, seen),
            Encoder::ModernBert(own) => self.modernbert(own, batch, seen),
            Encoder::Xlnet(_) => self.xlnet(batch, seen),
            Encoder::Elmo(own) => self.elmo(own, batch, seen),
            Encoder::Words => self.words(batch),
            Encoder::Constant => Err(candle_core::Error::Msg("a constant has no encoder".into())),
        }
    }

    fn post_norm(&self, batch: &Batch, seen: &mut dyn FnMut(&Tensor)) -> Result<Tensor> {
        let mut hidden = self.embeddings(batch)?;
        for layer in 0..self.config.num_hidden_layers {
            seen(&hidden);
            hidden = self.layer(layer, &hidden)?;
        }
        Ok(hidden)
    }

    /// The rows of the words, `[T, E]`.
    pub fn words(&self, batch: &Batch) -> Result<Tensor> {
        let input_ids = Tensor::new(batch.input_ids.as_slice(), self.layout.to_rows.device())?; // [T]
        self.weights.embedding("embeddings.word_embeddings", &input_ids)
    }

    fn embeddings(&self, batch: &Batch) -> Result<Tensor> {
        let device = self.layout.to_rows.device();
        let mut sum = self.words(batch)?; // [T, E]
        if self.config.type_vocab_size > 0 {
            let token_type_ids = Tensor::new(batch.token_type_ids.as_slice(), device)?; // [T]
            sum = (sum + self.weights.embedding("embeddings.token_type_embeddings", &token_type_ids)?)?;
        }
        let positions = self.weights.embedding("embeddings.position_embeddings", &self.layout.position_ids)?;
        let mut sum = (sum + positions)?;
        if self.config.family.embedding_norm {
            sum = self.weights.layer_norm("embeddings.LayerNorm", &sum, self.config.layer_norm_eps)?;
        }
        let embedded = self.token_dropout(&sum, Site::Embeddings, self.config.embedding_dropout_prob)?;
        if self.config.projects() { self.weights.linear("embeddings_project", &embedded) } else { Ok(embedded) }
    }

    fn layer(&self, layer: usize, hidden: &Tensor) -> Result<Tensor> {
        let path = self.config.layer_path(layer);
        let context = self.attention(layer, &path, hidden)?; // [T, H]
        let output = self.weights.linear(&format!("{path}.attention.output.dense"), &context)?;
        let output = self.hidden_dropout(&output, Site::AttentionOutput(layer))?;
        let attended = self.add_and_norm(&format!("{path}.attention.output"), &output, hidden)?;
        self.feed_forward(layer, &path, &attended)
    }

    /// The second half of a layer, `[T, H]` to `[T, H]`.
    pub fn feed_forward(&self, layer: usize, path: &str, attended: &Tensor) -> Result<Tensor> {
        let wide = self.weights.linear(&format!("{path}.intermediate.dense"), attended)?; // [T, 4 H]
        let wide = activate(&wide, self.config.hidden_act)?;
        let wide = self.token_dropout(&wide, Site::FeedForwardInner(layer), self.config.inner_dropout())?;
        let output = self.weights.linear(&format!("{path}.output.dense"), &wide)?; // [T, H]
        let output = self.hidden_dropout(&output, Site::FeedForwardOutput(layer))?;
        self.add_and_norm(&format!("{path}.output"), &output, attended)
    }

    /// A block's output and its input, normalised.
    pub fn add_and_norm(&self, path: &str, output: &Tensor, input: &Tensor) -> Result<Tensor> {
        self.weights.layer_norm(&format!("{path}.LayerNorm"), &(output + input)?, self.config.layer_norm_eps)
    }

    fn attention(&self, layer: usize, path: &str, hidden: &Tensor) -> Result<Tensor> {
        let [query, key, value] = self.projections(path, hidden)?; // [B, N, L, D]
        let scores = query.matmul(&key.t()?)?; // [B, N, L, L]
        self.context(layer, &scores, self.layout.causal_mask.as_ref(), &value)
    }

    /// `softmax(scores / √D + mask) V`, padding masked too: scores `[B, N, L, L]` and values `[B, N, L, D]` to `[T, H]`.
    pub fn context(&self, layer: usize, scores: &Tensor, mask: Option<&Tensor>, value: &Tensor) -> Result<Tensor> {
        let scale = 1.0 / ((self.config.hidden_size / self.config.num_attention_heads) as f64).sqrt();
        let mut scores = (scores * scale)?.broadcast_add(&self.layout.key_mask)?;
        if let Some(mask) = mask {
            scores = scores.broadcast_add(mask)?;
        }
        let probabilities = softmax(&scores)?;
        let probabilities = self.attention_dropout(layer, &probabilities)?;
        let context = probabilities.matmul(value)?; // [B, N, L, D]
        let cells = context.transpose(1, 2)?.flatten(2, 3)?.flatten(0, 1)?; // [B L, H]
        self.layout.pack(&cells)
    }

    /// Query, key and value of `[T, H]`, cut into heads `[B, N, L, D]`.
    pub fn projections(&self, path: &str, hidden: &Tensor) -> Result<[Tensor; 3]> {
        let path = format!("{path}.attention.self");
        let [query, key, value] = if self.config.family.fused_projections {
            let all = self.weights.linear(&format!("{path}.query_key_value"), hidden)?; // [T, 3 H]
            let width = self.config.hidden_size;
            [all.narrow(1, 0, width)?, all.narrow(1, width, width)?, all.narrow(1, 2 * width, width)?]
        } else {
            let projected = |which: &str| self.weights.linear(&format!("{path}.{which}"), hidden);
            [projected("query")?, projected("key")?, projected("value")?]
        };
        Ok([self.heads(&query)?, self.heads(&key)?, self.heads(&value)?])
    }

    /// `[T, H]` cut into heads `[B, N, L, D]`.
    pub fn heads(&self, projected: &Tensor) -> Result<Tensor> {
        let heads = self.config.num_attention_heads;
        let width = self.config.hidden_size / heads;
        let projected = self.layout.pad(&projected.contiguous()?)?; // [B L, H]
        let shape = (self.layout.lengths.len(), self.layout.longest, heads, width);
        projected.reshape(shape)?.transpose(1, 2)?.contiguous()
    }

    /// Dropout of states whose rows are tokens.
    pub fn hidden_dropout(&self, x: &Tensor, site: Site) -> Result<Tensor> {
        self.token_dropout(x, site, self.config.hidden_dropout_prob)
    }

    /// Dropout of anything whose rows are tokens.
    pub fn token_dropout(&self, x: &Tensor, site: Site, probability: f64) -> Result<Tensor> {
        self.dropout(x, site, probability, self.masks.map_or(0, |masks| masks.first_token))
    }

    /// Multiplies rows by their masks; `first` is the number within the step of the first row.
    pub fn dropout(&self, x: &Tensor, site: Site, probability: f64, first: usize) -> Result<Tensor> {
        let rows: Vec<usize> = (first..first + x.dim(0)?).collect();
        self.numbered_dropout(x, site, probability, &rows)
    }

    /// The same of rows with these numbers within the step.
    pub fn numbered_dropout(&self, x: &Tensor, site: Site, probability: f64, numbers: &[usize]) -> Result<Tensor> {
        let Some(masks) = self.masks.filter(|_| probability > 0.0) else { return Ok(x.clone()) };
        let (rows, width) = x.dims2()?;
        let mut mask = vec![0.0; rows * width];
        let fill = |(row, values): (usize, &mut [f32])| {
            masks.fill(site, probability, (numbers[row] * width) as u64, values);
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
    pub fn starts(&self, first_token: usize) -> Vec<usize> {
        let ends = self.layout.lengths.iter().scan(first_token, |end, length| {
            *end += length;
            Some(*end)
        });
        ends.zip(&self.layout.lengths).map(|(end, length)| end - length).collect()
    }
}
