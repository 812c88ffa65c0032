//! XLNet's relative attention (Yang et al. 2019, Section 2.5; Dai et al. 2019, Section 3.3): to the scores of content,
//! `(q_i + u) k_j`, come those of distance, `(q_i + v) r_(i - j)`, and of segments, `(q_i + w) s`, with one s for pairs within
//! a segment and one for others; all over √D.
//!
//! n keys, 2 n rows of distances n, n - 1, …, 1 - n, D values a head, W queries a panel. Query i takes row `n - i + j` for key
//! j, so the queries of a panel need a window of R rows, `n + W - 1` of them where they are neighbours. Scores of distance are
//! made of those, `[R, W]`. Backward is the same with gradients.

use super::gather::gather_rows;
use super::{Attention, Place, Scratch, Source};
use crate::engine::fast::cpu::buffer::Buffer;
use crate::engine::fast::cpu::embedding::Rows;
use crate::engine::fast::cpu::mask::MAX_WIDTH;
use crate::engine::fast::cpu::product::{Left, Product, Start};
use crate::engine::fast::cpu::simd::Isa;

/// A layer's parameters and a sequence's distances.
#[derive(Clone, Copy)]
pub struct Relative<'a> {
    /// u, v and w, `[H]` each.
    pub biases: [&'a [f32]; 3],
    /// s of pairs within a segment and of others, `[2, H]`.
    pub segments: &'a [f32],
    /// r of all the micro-batch's sequences, `[H, 2 T]` in panels; a sequence's begin at twice its first column.
    pub distances: &'a [f32],
    /// The sequence's tokens, for their segments.
    pub rows: &'a [Rows],
}

/// Where their gradients go; all are added to but those of distances `[H, 2 T]`, which are set.
pub struct RelativeGradients<'a> {
    /// Of u, v and w.
    pub biases: [&'a mut [f32]; 3],
    /// Of s.
    pub segments: &'a mut [f32],
    /// Of r.
    pub distances: &'a mut [f32],
}

/// Buffers of a worker, for one head.
#[derive(Default)]
pub struct RelativeScratch {
    /// r `[D, 2 n]`.
    keys: Buffer,
    /// `(q + v) / √D` and `(q + w) / √D` in panels `[D, W]`.
    queries: [Buffer; 2],
    /// The former, one token a row.
    tokens: Buffer,
    /// Scores of distance `[R, W]`, then their gradient.
    scores: Buffer,
    /// Gradient of a panel of queries `[D, W]`.
    panel: Buffer,
    /// Gradient of r `[2 n, D]`.
    pub gradient: Buffer,
}

/// The rows of distances that a panel's queries take.
struct Window {
    /// The first.
    first: usize,
    /// R.
    count: usize,
    /// Which of them each query takes for key 0.
    offsets: [usize; MAX_WIDTH],
}

impl Window {
    fn of(place: &Place, tokens: &[u64]) -> Window {
        let keys = place.keys.len();
        let start = |token: &u64| keys - (token - place.first_token) as usize;
        let starts = || tokens.iter().map(start);
        let (first, last) = (starts().min().unwrap_or(0), starts().max().unwrap_or(0));
        let mut offsets = [0; MAX_WIDTH];
        offsets.iter_mut().zip(starts()).for_each(|(offset, start)| *offset = start - first);
        Window { first, count: last - first + keys, offsets }
    }
}

impl RelativeScratch {
    /// Room for sequences of `longest` tokens.
    pub fn fit(&mut self, isa: Isa, size: usize, longest: usize) {
        self.keys.fit(size * (2 * longest).next_multiple_of(isa.width));
        self.queries.iter_mut().for_each(|buffer| buffer.fit(size * longest.next_multiple_of(isa.width)));
        self.tokens.fit(longest * size.next_multiple_of(isa.width));
        self.scores.fit(2 * longest * isa.width);
        self.panel.fit(size * isa.width);
        self.gradient.fit(2 * longest * size);
    }
}

impl Relative<'_> {
    fn bias(&self, which: usize, head: usize, size: usize) -> &[f32] {
        &self.biases[which][head * size..][..size]
    }

    fn segment(&self, which: usize, head: usize, size: usize) -> &[f32] {
        &self.segments[which * self.segments.len() / 2 + head * size..][..size]
    }

    /// Distances as rows, and the three kinds of queries from the scaled ones.
    pub fn gather(&self, attention: &Attention, head: usize, place: &Place, scratch: &mut Scratch) {
        let (width, size, scale) = (attention.isa.width, attention.size, attention.scale());
        let source = Source { values: self.distances, rows: attention.heads * size, first: 0 };
        gather_rows(attention, head, source, place.distances(), &mut scratch.relative.keys);
        let used = size * place.queries.len().next_multiple_of(width);
        let plus = |values: &mut [f32], bias: &[f32]| {
            for (at, row) in values.chunks_exact_mut(width).enumerate() {
                row.iter_mut().for_each(|value| *value += bias[at % size] * scale);
            }
        };
        for (which, queries) in scratch.relative.queries.iter_mut().enumerate() {
            queries[..used].copy_from_slice(&scratch.queries[..used]);
            plus(&mut queries[..used], self.bias(which + 1, head, size));
        }
        plus(&mut scratch.queries[..used], self.bias(0, head, size));
    }

    /// The queries of content and of distance, one token a row.
    pub fn gather_tokens(&self, attention: &Attention, head: usize, place: &Place, scratch: &mut Scratch) {
        let (width, size, count) = (attention.isa.width, attention.size, place.queries.len());
        let (content, distance) = (self.bias(0, head, size), self.bias(1, head, size));
        let places =
            scratch.query_tokens.chunks_mut(count * width).zip(scratch.relative.tokens.chunks_mut(count * width));
        for (panel, (own, other)) in places.enumerate().take(size.div_ceil(width)) {
            let features = panel * width..size.min((panel + 1) * width);
            for (own, other) in own.chunks_exact_mut(width).zip(other.chunks_exact_mut(width)) {
                for (lane, feature) in features.clone().enumerate() {
                    other[lane] = own[lane] + distance[feature] * attention.scale();
                    own[lane] += content[feature] * attention.scale();
                }
            }
        }
    }

    /// Adds the scores of distance and of segments to a panel's.
    pub fn add_scores(
        &self,
        attention: &Attention,
        head: usize,
        panel: usize,
        place: &Place,
        tokens: &[u64],
        scratch: &mut Scratch,
    ) {
        let (keys, width, size) = (place.keys.len(), attention.isa.width, attention.size);
        let RelativeScratch { keys: distances, queries, scores, .. } = &mut scratch.relative;
        let window = Window::of(place, tokens);
        let left = Left::Columns { values: &distances[window.first..], stride: (2 * keys).next_multiple_of(width) };
        attention.panel_product([window.count, tokens.len(), size], left, &queries[0][panel * size * width..], scores);
        let queries = &queries[1][panel * size * width..];
        let product = |which: usize, lane: usize| -> f32 {
            let segment = self.segment(which, head, size).iter().enumerate();
            segment.map(|(row, value)| value * queries[row * width + lane]).sum()
        };
        for (lane, token) in tokens.iter().enumerate() {
            let at = (token - place.first_token) as usize;
            let of_segments = [product(0, lane), product(1, lane)];
            for key in 0..keys {
                let apart = usize::from(self.rows[key].segment != self.rows[at].segment);
                let of_distance = scores[(window.offsets[lane] + key) * width + lane];
                scratch.scores[key * width + lane] += of_distance + of_segments[apart];
            }
        }
    }

    /// From the gradient of a panel's scores: adds to that of its queries in `scratch.panel`, and to the parameters'.
    pub fn backward(
        &self,
        attention: &Attention,
        (head, panel): (usize, usize),
        place: &Place,
        tokens: &[u64],
        targets: &mut RelativeGradients,
        scratch: &mut Scratch,
    ) {
        let (width, size) = (attention.isa.width, attention.size);
        let own = head * size..(head + 1) * size;
        add_lanes(&scratch.panel, width, tokens.len(), &mut targets.biases[0][own.clone()]);
        let window = Window::of(place, tokens);
        let of_segments = self.spread(attention, place, (tokens, &window), scratch);
        distance_backward(attention, panel, place, (tokens.len(), &window), scratch);
        add_lanes(&scratch.relative.panel, width, tokens.len(), &mut targets.biases[1][own.clone()]);
        add_panel(&mut scratch.panel, &scratch.relative.panel, size * width);
        let queries = &scratch.relative.queries[1][panel * size * width..];
        let half = self.segments.len() / 2;
        for (row, at) in own.clone().enumerate() {
            for lane in 0..tokens.len() {
                let [within, apart] = [of_segments[0][lane], of_segments[1][lane]];
                let gradient = (within * self.segments[at] + apart * self.segments[half + at]) * attention.scale();
                scratch.relative.panel[row * width + lane] = gradient;
                targets.segments[at] += within * queries[row * width + lane];
                targets.segments[half + at] += apart * queries[row * width + lane];
            }
        }
        add_lanes(&scratch.relative.panel, width, tokens.len(), &mut targets.biases[2][own]);
        add_panel(&mut scratch.panel, &scratch.relative.panel, size * width);
    }

    /// The scores' gradient at the rows of their distances, in `scratch.relative.scores`, and summed over keys within the
    /// query's segment and over others.
    fn spread(
        &self,
        attention: &Attention,
        place: &Place,
        (tokens, window): (&[u64], &Window),
        scratch: &mut Scratch,
    ) -> [[f32; MAX_WIDTH]; 2] {
        let (keys, width) = (place.keys.len(), attention.isa.width);
        let mut of_segments = [[0.0; MAX_WIDTH]; 2];
        scratch.relative.scores[..window.count * width].fill(0.0);
        for (lane, token) in tokens.iter().enumerate() {
            let at = (token - place.first_token) as usize;
            for key in 0..keys {
                let gradient = scratch.score_gradient[key * width + lane];
                scratch.relative.scores[(window.offsets[lane] + key) * width + lane] = gradient;
                of_segments[usize::from(self.rows[key].segment != self.rows[at].segment)][lane] += gradient;
            }
        }
        of_segments
    }
}

/// `dq = rᵀ dS / √D` in `scratch.relative.panel`, and `dr += dS (q + v)ᵀ / √D`.
fn distance_backward(
    attention: &Attention,
    panel: usize,
    place: &Place,
    (lanes, window): (usize, &Window),
    scratch: &mut Scratch,
) {
    let (keys, width, size) = (place.keys.len(), attention.isa.width, attention.size);
    let RelativeScratch { keys: distances, tokens, scores, panel: output, gradient, .. } = &mut scratch.relative;
    let left = Left::Rows { values: &distances[window.first..], stride: (2 * keys).next_multiple_of(width) };
    attention.panel_product([size, lanes, window.count], left, scores, output);
    output[..size * width].iter_mut().for_each(|value| *value *= attention.scale());
    if panel == 0 {
        gradient[..2 * keys * size].fill(0.0);
    }
    Product {
        m: window.count,
        n: size,
        k: lanes,
        left: Left::Panels { values: scores, panel: 0 },
        right: &tokens[panel * width * width..],
        right_panel: place.queries.len() * width,
        start: Start::Output,
        output: &mut gradient[window.first * size..],
        output_panel: width,
        output_row: size,
    }
    .run(attention.isa, true);
}

/// Adds the sum over lanes of each row of a panel.
fn add_lanes(panel: &[f32], width: usize, lanes: usize, sums: &mut [f32]) {
    for (sum, row) in sums.iter_mut().zip(panel.chunks_exact(width)) {
        *sum += row[..lanes].iter().sum::<f32>();
    }
}

fn add_panel(panel: &mut [f32], other: &[f32], len: usize) {
    panel[..len].iter_mut().zip(&other[..len]).for_each(|(value, other)| *value += other);
}
