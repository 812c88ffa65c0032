//! Scaled dot-product attention over one sequence and head, both ways, with the scores of one panel of queries at a
//! time and nothing of size length² kept.
//!
//! n keys, D values a head, W queries a panel, all of one sequence; scores lie keys down and queries across, `[n, W]`, so
//! that softmax is taken down a lane.
//!
//! - forward: `S = K q / √D`, `P = softmax(S)`, `context = V (mask · P)`; `log Σ exp S` is kept;
//! - backward: `P = exp(S - log Σ)` again, `dP = mask · V dO`, `dS = P (dP - Σ P dP)`, and from them `dQ`, `dK`, `dV`.

mod gather;
pub mod relative;
pub mod softmax;

use super::buffer::Buffer;
use super::mask::{Dropout, MAX_WIDTH};
use super::product::{Left, Product, Start};
use super::simd::Isa;
use gather::{gather_panels, gather_rows, gather_tokens, scatter_panels, scatter_tokens};
use relative::{Relative, RelativeGradients, RelativeScratch};
use std::ops::Range;

/// An array in panels, and which of its rows belong to what is meant.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Panels.
    pub values: &'a [f32],
    /// Rows of a panel.
    pub rows: usize,
    /// First row of head 0.
    pub first: usize,
}

/// The same, to write.
pub struct Target<'a> {
    /// Panels.
    pub values: &'a mut [f32],
    /// Rows of a panel.
    pub rows: usize,
    /// First row of head 0.
    pub first: usize,
}

/// Where the gradients of query, key and value go: one array of all three, or a query array of its own.
pub struct Gradients<'a> {
    /// `[3 H]` or `[2 H]` rows.
    pub projected: &'a mut [f32],
    /// H.
    pub hidden: usize,
    /// `[H]` rows, where queries are apart.
    pub query: Option<&'a mut [f32]>,
    /// Where those of XLNet's distances and segments go.
    pub relative: Option<RelativeGradients<'a>>,
}

impl Gradients<'_> {
    fn query(&mut self) -> Target<'_> {
        if self.query.is_none() {
            return self.part(0);
        }
        Target { values: self.query.as_deref_mut().unwrap_or_default(), rows: self.hidden, first: 0 }
    }

    fn key(&mut self) -> Target<'_> {
        self.part(if self.query.is_some() { 0 } else { 1 })
    }

    fn value(&mut self) -> Target<'_> {
        self.part(if self.query.is_some() { 1 } else { 2 })
    }

    fn part(&mut self, part: usize) -> Target<'_> {
        let rows = if self.query.is_some() { 2 * self.hidden } else { 3 * self.hidden };
        Target { values: self.projected, rows, first: part * self.hidden }
    }
}

/// What is the same for all sequences of a layer.
#[derive(Clone, Copy)]
pub struct Attention {
    /// Instruction set.
    pub isa: Isa,
    /// N.
    pub heads: usize,
    /// D.
    pub size: usize,
    /// Longest sequence of the model: distance of two queries' mask indices.
    pub positions: usize,
    /// Dropout of the probabilities.
    pub dropout: Option<Dropout>,
    /// Whether a query sees the keys before it only, and its own.
    pub causal: bool,
    /// How far away a key may be, where there is a window.
    pub window: Option<usize>,
}

/// Where a sequence lies.
#[derive(Clone)]
pub struct Place<'a> {
    /// Columns of its keys and values.
    pub keys: Range<usize>,
    /// Columns of its queries: as many, or those of selected tokens.
    pub queries: Range<usize>,
    /// Index within the step of the sequence's first token.
    pub first_token: u64,
    /// Indices within the step of the queries' tokens.
    pub tokens: &'a [u64],
    /// Distances and segments, in XLNet.
    pub relative: Option<Relative<'a>>,
}

impl Place<'_> {
    /// Columns of its distances, two a key.
    fn distances(&self) -> Range<usize> {
        2 * self.keys.start..2 * self.keys.end
    }
}

/// Buffers of a worker, for one head.
#[derive(Default)]
pub struct Scratch {
    keys: Buffer,
    values: Buffer,
    queries: Buffer,
    output_gradient: Buffer,
    scores: Buffer,
    score_gradient: Buffer,
    mask: Buffer,
    panel: Buffer,
    query_tokens: Buffer,
    gradient_tokens: Buffer,
    key_gradient: Buffer,
    value_gradient: Buffer,
    relative: RelativeScratch,
}

impl Scratch {
    /// Room for sequences of `longest` tokens.
    pub fn fit(&mut self, isa: Isa, size: usize, longest: usize, relative: bool) {
        if relative {
            self.relative.fit(isa, size, longest);
        }
        let padded = longest.next_multiple_of(isa.width);
        for buffer in [&mut self.keys, &mut self.values, &mut self.queries, &mut self.output_gradient] {
            buffer.fit(size * padded);
        }
        for buffer in [&mut self.scores, &mut self.score_gradient, &mut self.mask] {
            buffer.fit(longest * isa.width);
        }
        self.panel.fit(size * isa.width);
        let wide = size.next_multiple_of(isa.width);
        for buffer in [&mut self.query_tokens, &mut self.gradient_tokens] {
            buffer.fit(longest * wide);
        }
        for buffer in [&mut self.key_gradient, &mut self.value_gradient] {
            buffer.fit(longest * size);
        }
    }
}

/// Query, key and value of a layer.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Queries.
    pub query: Source<'a>,
    /// Keys.
    pub key: Source<'a>,
    /// Values.
    pub value: Source<'a>,
}

impl Attention {
    fn scale(&self) -> f32 {
        1.0 / (self.size as f32).sqrt()
    }

    /// Context of one sequence, all heads; `log_sums` is `[N, columns]` of the query array.
    pub fn forward(
        &self,
        place: &Place,
        inputs: Inputs,
        context: &mut Target,
        log_sums: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let columns = log_sums.len() / self.heads;
        for head in 0..self.heads {
            let log_sums = &mut log_sums[head * columns..][place.queries.clone()];
            self.gather(place, inputs, head, scratch);
            for (panel, log_sums) in log_sums.chunks_mut(self.isa.width).enumerate() {
                self.forward_panel(place, head, panel, log_sums, scratch);
                let first = place.queries.start + panel * self.isa.width;
                let lanes = log_sums.len();
                scatter_panels(self, head, &scratch.panel, context, first..first + lanes);
            }
        }
    }

    /// Keys and values as rows, queries as scaled panels, each contiguous.
    fn gather(&self, place: &Place, inputs: Inputs, head: usize, scratch: &mut Scratch) {
        gather_rows(self, head, inputs.key, place.keys.clone(), &mut scratch.keys);
        gather_rows(self, head, inputs.value, place.keys.clone(), &mut scratch.values);
        gather_panels(self, head, inputs.query, place.queries.clone(), self.scale(), &mut scratch.queries);
        if let Some(relative) = &place.relative {
            relative.gather(self, head, place, scratch);
        }
    }

    fn forward_panel(&self, place: &Place, head: usize, panel: usize, log_sums: &mut [f32], scratch: &mut Scratch) {
        let (keys, width) = (place.keys.len(), self.isa.width);
        let lanes = log_sums.len();
        self.scores(place, head, lanes, panel, scratch);
        let dropped = self.mask(place, head, panel, lanes, &mut scratch.mask);
        let scores = &mut scratch.scores[..keys * width];
        let mask = dropped.then_some(&scratch.mask[..keys * width]);
        let (mut inverse, mut log_sum) = ([0.0; MAX_WIDTH], [0.0; MAX_WIDTH]);
        softmax::forward(self.isa, scores, mask, &mut inverse[..width], &mut log_sum[..width]);
        log_sums.copy_from_slice(&log_sum[..lanes]);
        // What the exponential leaves of a key that is not seen is no number to compute with: it is too small to be normal.
        self.set_unseen(place, panel, lanes, &mut scratch.scores, 0.0);
        self.times_values(keys, lanes, scratch);
        softmax::scale_lanes(self.isa, &mut scratch.panel, &inverse[..width]);
    }

    /// One panel `[m, n] = [m, k] · [k, n]`.
    fn panel_product(&self, [m, n, k]: [usize; 3], left: Left, right: &[f32], output: &mut [f32]) {
        let (start, output_row) = (Start::Zero, self.isa.width);
        Product { m, n, k, left, right, right_panel: 0, start, output, output_panel: 0, output_row }
            .run(self.isa, false);
    }

    /// `S = K q`, `[n, W]`.
    fn scores(&self, place: &Place, head: usize, lanes: usize, panel: usize, scratch: &mut Scratch) {
        let (keys, width, size) = (place.keys.len(), self.isa.width, self.size);
        let left = Left::Columns { values: &scratch.keys, stride: keys.next_multiple_of(width) };
        self.panel_product([keys, lanes, size], left, &scratch.queries[panel * size * width..], &mut scratch.scores);
        if let Some(relative) = &place.relative {
            relative.add_scores(self, head, panel, place, &place.tokens[panel * width..][..lanes], scratch);
        }
        self.set_unseen(place, panel, lanes, &mut scratch.scores, f32::MIN);
    }

    /// Sets the cells of keys that a query does not see: later ones in a causal model, ones outside its window.
    fn set_unseen(&self, place: &Place, panel: usize, lanes: usize, cells: &mut [f32], value: f32) {
        if !self.causal && self.window.is_none() {
            return;
        }
        let (keys, width) = (place.keys.len(), self.isa.width);
        for (lane, token) in place.tokens[panel * width..][..lanes].iter().enumerate() {
            let at = (token - place.first_token) as usize;
            let first = self.window.map_or(0, |window| at.saturating_sub(window));
            let last = if self.causal { at } else { self.window.map_or(keys, |window| at + window) };
            (0..first).chain(last + 1..keys).for_each(|key| cells[key * width + lane] = value);
        }
    }

    /// `context = V P`, `[D, W]`.
    fn times_values(&self, keys: usize, lanes: usize, scratch: &mut Scratch) {
        let width = self.isa.width;
        let left = Left::Rows { values: &scratch.values, stride: keys.next_multiple_of(width) };
        self.panel_product([self.size, lanes, keys], left, &scratch.scores, &mut scratch.panel);
    }

    /// Fills the mask of a panel of queries; false where nothing is dropped.
    fn mask(&self, place: &Place, head: usize, panel: usize, lanes: usize, mask: &mut [f32]) -> bool {
        let Some(dropout) = &self.dropout else { return false };
        let width = self.isa.width;
        let mut first = [0; MAX_WIDTH];
        for (lane, first) in first[..lanes].iter_mut().enumerate() {
            let query = place.tokens[panel * width + lane];
            *first = (query * self.heads as u64 + head as u64) * self.positions as u64;
        }
        dropout.fill(self.isa, &first[..lanes], &mut mask[..place.keys.len() * width]);
        true
    }

    /// Gradients of one sequence's queries, keys and values, all heads; every value of its columns is set.
    pub fn backward(
        &self,
        place: &Place,
        inputs: Inputs,
        gradient: Source,
        log_sums: &[f32],
        targets: &mut Gradients,
        scratch: &mut Scratch,
    ) {
        let columns = log_sums.len() / self.heads;
        for head in 0..self.heads {
            let log_sums = &log_sums[head * columns..][place.queries.clone()];
            self.gather(place, inputs, head, scratch);
            gather_panels(self, head, gradient, place.queries.clone(), 1.0, &mut scratch.output_gradient);
            gather_tokens(self, head, gradient, place.queries.clone(), 1.0, &mut scratch.gradient_tokens);
            gather_tokens(self, head, inputs.query, place.queries.clone(), self.scale(), &mut scratch.query_tokens);
            if let Some(relative) = &place.relative {
                relative.gather_tokens(self, head, place, scratch);
            }
            for (panel, log_sums) in log_sums.chunks(self.isa.width).enumerate() {
                self.backward_panel(place, head, panel, log_sums, scratch);
                if let Some((relative, targets)) = place.relative.as_ref().zip(targets.relative.as_mut()) {
                    let tokens = &place.tokens[panel * self.isa.width..][..log_sums.len()];
                    relative.backward(self, (head, panel), place, tokens, targets, scratch);
                }
                let first = place.queries.start + panel * self.isa.width;
                scatter_panels(self, head, &scratch.panel, &mut targets.query(), first..first + log_sums.len());
            }
            if let Some(relative) = &mut targets.relative {
                let mut target = Target { values: &mut *relative.distances, rows: self.heads * self.size, first: 0 };
                scatter_tokens(self, head, &scratch.relative.gradient, &mut target, place.distances());
            }
            scatter_tokens(self, head, &scratch.key_gradient, &mut targets.key(), place.keys.clone());
            scatter_tokens(self, head, &scratch.value_gradient, &mut targets.value(), place.keys.clone());
        }
    }

    fn backward_panel(&self, place: &Place, head: usize, panel: usize, log_sums: &[f32], scratch: &mut Scratch) {
        let (keys, width, lanes) = (place.keys.len(), self.isa.width, log_sums.len());
        self.scores(place, head, lanes, panel, scratch);
        self.probability_gradient(keys, lanes, panel, scratch);
        let dropped = self.mask(place, head, panel, lanes, &mut scratch.mask);
        let mut log_sum = [0.0; MAX_WIDTH];
        log_sum[..lanes].copy_from_slice(log_sums);
        softmax::backward(
            self.isa,
            &mut scratch.scores[..keys * width],
            &mut scratch.score_gradient[..keys * width],
            dropped.then_some(&scratch.mask[..keys * width]),
            &log_sum[..width],
        );
        self.set_unseen(place, panel, lanes, &mut scratch.scores, 0.0);
        self.set_unseen(place, panel, lanes, &mut scratch.score_gradient, 0.0);
        let queries = place.queries.len();
        self.add_outer(keys, lanes, panel, queries, Outer::Value, scratch);
        self.add_outer(keys, lanes, panel, queries, Outer::Key, scratch);
        self.query_gradient(keys, lanes, scratch);
    }

    /// `dP = V dO`, `[n, W]`.
    fn probability_gradient(&self, keys: usize, lanes: usize, panel: usize, scratch: &mut Scratch) {
        let (width, size) = (self.isa.width, self.size);
        let left = Left::Columns { values: &scratch.values, stride: keys.next_multiple_of(width) };
        self.panel_product(
            [keys, lanes, size],
            left,
            &scratch.output_gradient[panel * size * width..],
            &mut scratch.score_gradient,
        );
    }

    /// `dV += P dOᵀ` or `dK += dS qᵀ`, `[n, D]`, over the queries of a panel.
    fn add_outer(&self, keys: usize, lanes: usize, panel: usize, queries: usize, outer: Outer, scratch: &mut Scratch) {
        let (width, size) = (self.isa.width, self.size);
        let (left, right, output) = match outer {
            Outer::Value => (&scratch.scores, &scratch.gradient_tokens, &mut scratch.value_gradient),
            Outer::Key => (&scratch.score_gradient, &scratch.query_tokens, &mut scratch.key_gradient),
        };
        Product {
            m: keys,
            n: size,
            k: lanes,
            left: Left::Panels { values: left, panel: 0 },
            right: &right[panel * width * width..],
            right_panel: queries * width,
            start: if panel == 0 { Start::Zero } else { Start::Output },
            output,
            output_panel: width,
            output_row: size,
        }
        .run(self.isa, true);
    }

    /// `dQ = Kᵀ dS / √D`, `[D, W]`.
    fn query_gradient(&self, keys: usize, lanes: usize, scratch: &mut Scratch) {
        let width = self.isa.width;
        let left = Left::Rows { values: &scratch.keys, stride: keys.next_multiple_of(width) };
        self.panel_product([self.size, lanes, keys], left, &scratch.score_gradient, &mut scratch.panel);
        let scale = [self.scale(); MAX_WIDTH];
        softmax::scale_lanes(self.isa, &mut scratch.panel, &scale[..width]);
    }
}

#[derive(Clone, Copy)]
enum Outer {
    Value,
    Key,
}

#[cfg(test)]
mod tests;
