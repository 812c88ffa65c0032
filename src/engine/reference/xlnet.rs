//! XLNet's layers (Yang et al. 2019, Section 2.5; Dai et al. 2019, Section 3.3; modeling_xlnet.py of transformers), said in
//! the plainest way.
//!
//! The score of query i and key j is a sum of three: of content `(q_i + u) k_j`, of distance `(q_i + v) r_(i - j)` with r the
//! projection of a sinusoid of the distance, and of segments `(q_i + w) s` with one s for pairs inside a segment and one for
//! others. Everything else is BERT's, with three dropouts more: of the distances, inside the feed-forward block, and of the
//! last output.
//!
//! B sequences, T tokens of all of them, H hidden size, N heads, D = H / N, L longest sequence, R = 2 L distances.

use super::model::Forward;
use crate::encode::Batch;
use crate::engine::dropout::Site;
use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

/// What all layers know of the pairs of a batch.
struct Pairs {
    /// Embeddings of the distances L, L - 1, …, 1 - L, `[B, R, H]`; without dropout one for all, `[1, R, H]`.
    distances: Tensor,
    /// Row of the distance `i - j` of query i and key j, `[B, N, L, L]`.
    distance: Tensor,
    /// Whether query and key are of different segments, `[B, N, L, L]`.
    apart: Tensor,
}

impl Forward<'_> {
    /// The encoder's output.
    pub fn xlnet(&self, batch: &Batch, seen: &mut dyn FnMut(&Tensor)) -> Result<Tensor> {
        let mut hidden = self.hidden_dropout(&self.words(batch)?, Site::Embeddings)?; // [T, H]
        let pairs = self.pairs(batch)?;
        for layer in 0..self.config.num_hidden_layers {
            seen(&hidden);
            let path = self.config.layer_path(layer);
            let context = self.relative_attention(layer, &path, &pairs, &hidden)?;
            let output = self.weights.linear(&format!("{path}.attention.output.dense"), &context)?;
            let output = self.hidden_dropout(&output, Site::AttentionOutput(layer))?;
            let attended = self.add_and_norm(&format!("{path}.attention.output"), &output, &hidden)?;
            hidden = self.feed_forward(layer, &path, &attended)?;
        }
        self.token_dropout(&hidden, Site::Output, self.config.output_dropout())
    }

    fn relative_attention(&self, layer: usize, path: &str, pairs: &Pairs, hidden: &Tensor) -> Result<Tensor> {
        let [query, key, value] = self.projections(path, hidden)?; // [B, N, L, D]
        let path = format!("{path}.attention.self");
        let with = |bias: &str| query.broadcast_add(&self.weights.get(&format!("{path}.{bias}"))?.unsqueeze(1)?);
        let content = with("r_w_bias")?.matmul(&key.t()?)?; // [B, N, L, L]

        let distances = self.weights.linear(&format!("{path}.relative"), &pairs.distances.flatten(0, 1)?)?;
        let distances = self.cut(&distances, pairs.distances.dims3()?.1)?; // [B or 1, N, R, D]
        let of_distances = with("r_r_bias")?.broadcast_matmul(&distances.t()?)?; // [B, N, L, R]
        let distance = of_distances.gather(&pairs.distance, D::Minus1)?; // [B, N, L, L]

        let segments = self.weights.get(&format!("{path}.seg_embed"))?.transpose(0, 1)?; // [N, 2, D]
        let of_segments = with("r_s_bias")?.broadcast_matmul(&segments.t()?.unsqueeze(0)?)?; // [B, N, L, 2]
        let segment = of_segments.gather(&pairs.apart, D::Minus1)?; // [B, N, L, L]
        self.context(layer, &((content + distance)? + segment)?, None, &value)
    }

    /// Rows of several lists cut into heads: `[lists · rows, H]` to `[lists, N, rows, D]`.
    fn cut(&self, x: &Tensor, rows: usize) -> Result<Tensor> {
        let (heads, hidden) = (self.config.num_attention_heads, self.config.hidden_size);
        x.reshape((x.elem_count() / (rows * hidden), rows, heads, hidden / heads))?.transpose(1, 2)?.contiguous()
    }

    fn pairs(&self, batch: &Batch) -> Result<Pairs> {
        let device = self.layout.to_rows.device();
        let (sequences, longest) = (self.layout.lengths.len(), self.layout.longest);
        let rectangle = (sequences, 1, longest, longest);
        let all = (sequences, self.config.num_attention_heads, longest, longest);
        let row = |at: usize| (longest + at % longest - at / longest) as u32;
        let distance = Tensor::from_vec((0..longest * longest).map(row).collect(), (1, 1, longest, longest), device)?;
        let segments = Tensor::new(batch.token_type_ids.as_slice(), device)?; // [T]
        let segments = self.layout.pad(&segments)?.to_vec1::<u32>()?; // [B L]
        let apart = |at: usize| {
            let (query, key) = (at / longest, at / (longest * longest) * longest + at % longest);
            u32::from(segments[query] != segments[key])
        };
        let apart = (0..sequences * longest * longest).map(apart).collect();
        Ok(Pairs {
            distances: self.distances()?,
            distance: distance.broadcast_as(all)?.contiguous()?,
            apart: Tensor::from_vec(apart, rectangle, device)?.broadcast_as(all)?.contiguous()?,
        })
    }

    /// `(sin(p f_0), …, cos(p f_0), …)` of each distance p with frequencies `f_d = 10000^(-2 d / H)`, after dropout.
    fn distances(&self) -> Result<Tensor> {
        let (longest, hidden) = (self.layout.longest as i64, self.config.hidden_size);
        let half = hidden.div_ceil(2);
        let value = |at: usize| {
            let (distance, column) = ((longest - (at / (2 * half)) as i64) as f32, at % (2 * half));
            let angle = distance * (1.0 / 10_000f64.powf(2.0 * (column % half) as f64 / hidden as f64)) as f32;
            if column < half { angle.sin() } else { angle.cos() }
        };
        let rows = 2 * self.layout.longest;
        let values = (0..rows * 2 * half).map(value).collect();
        let distances = Tensor::from_vec(values, (1, rows, 2 * half), self.layout.to_rows.device())?; // [1, R, H]
        self.distance_dropout(&distances)
    }

    fn distance_dropout(&self, distances: &Tensor) -> Result<Tensor> {
        let dropout = self.config.hidden_dropout_prob;
        let Some(masks) = self.masks.filter(|_| dropout > 0.0) else { return Ok(distances.clone()) };
        let (_, rows, hidden) = distances.dims3()?;
        let (longest, starts) = (self.layout.longest, self.starts(masks.first_token));
        let mut mask = vec![0.0; starts.len() * rows * hidden];
        mask.par_chunks_mut(hidden).enumerate().for_each(|(at, values)| {
            let (sequence, row) = (at / rows, at % rows);
            let length = self.layout.lengths[sequence];
            // Row of this distance in a sequence's own list, which begins at its length.
            if let Some(own) = (length + row).checked_sub(longest).filter(|own| *own < 2 * length) {
                masks.fill(Site::Distances, dropout, ((2 * starts[sequence] + own) * hidden) as u64, values);
            }
        });
        distances.broadcast_mul(&Tensor::from_vec(mask, (starts.len(), rows, hidden), distances.device())?)
    }
}
