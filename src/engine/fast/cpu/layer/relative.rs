//! XLNet's distances of a sequence: r = `R dropout(sinusoids)`, `[H, 2 n]`, and the way back to R.
//!
//! Row k is distance `p = n - k`: `sin(p f_0), …, cos(p f_0), …` with `f_d = 10000^(-2 d / H)`. Masks are numbered
//! `(2 · first token + k) · H + column`.

use super::Step;
use crate::engine::dropout::Site;
use crate::engine::fast::cpu::activation;
use crate::engine::fast::cpu::attention::Place;
use crate::engine::fast::cpu::attention::relative::{Relative, RelativeGradients};
use crate::engine::fast::cpu::buffer::Buffer;
use crate::engine::fast::cpu::columns::first_indices;
use crate::engine::fast::cpu::embedding::add;
use crate::engine::fast::cpu::panel::{clear_tail, panels_len};
use crate::engine::fast::cpu::simd::Isa;
use crate::engine::fast::cpu::transpose::{rows_to_panel, to_feature_panels};
use crate::engine::fast::cpu::workspace::LAYER_UNITS;
use crate::engine::fast::flat;

/// What a worker keeps for them.
#[derive(Default)]
pub struct Distances {
    /// Sinusoids of distances 0, 1, …, `[_, H]`: sines first.
    table: Vec<f32>,
    rows: Buffer,
    numbers: Vec<u64>,
    mask: Buffer,
    /// Sinusoids after dropout `[H, 2 n]`.
    inputs: Buffer,
    /// r `[H, 2 n]`.
    projected: Buffer,
}

/// Gradients of a layer's parameters, over the sequences of a micro-batch.
#[derive(Default)]
pub struct DistanceGradients {
    /// Of r.
    projected: Buffer,
    transposed: Buffer,
    weight: Buffer,
    biases: [Buffer; 3],
    segments: Buffer,
}

impl Distances {
    /// Room for sequences of `longest` tokens.
    pub fn fit(&mut self, isa: Isa, hidden: usize, longest: usize) {
        let half = hidden.div_ceil(2);
        for at in self.table.len()..(longest + 1) * hidden {
            let (distance, column) = ((at / hidden) as f32, at % hidden);
            let angle = distance * (1.0 / 10_000f64.powf(2.0 * (column % half) as f64 / hidden as f64)) as f32;
            self.table.push(if column < half { angle.sin() } else { angle.cos() });
        }
        self.rows.fit(hidden * isa.width);
        self.mask.fit(hidden * isa.width);
        self.inputs.fit(panels_len(isa, hidden, 2 * longest));
        self.projected.fit(panels_len(isa, hidden, 2 * longest));
    }

    /// Fills `inputs`.
    fn set(&mut self, step: &Step, tokens: usize, first_token: u64) {
        let (isa, hidden) = (step.model.isa, step.model.config.hidden_size);
        let dropout = step.model.hidden_dropout(Site::Distances);
        let (half, size) = (hidden.div_ceil(2), hidden * isa.width);
        self.numbers.clear();
        self.numbers.extend((0..2 * tokens as u64).map(|row| 2 * first_token + row));
        for (at, panel) in self.inputs[..panels_len(isa, hidden, 2 * tokens)].chunks_mut(size).enumerate() {
            let rows = at * isa.width..(2 * tokens).min((at + 1) * isa.width);
            for (row, values) in rows.clone().zip(self.rows.chunks_exact_mut(hidden)) {
                values.copy_from_slice(&self.table[row.abs_diff(tokens) * hidden..][..hidden]);
                // Sines are odd.
                if row > tokens {
                    values[..half].iter_mut().for_each(|value| *value = -*value);
                }
            }
            rows_to_panel(isa, hidden, &self.rows[..rows.len() * hidden], panel);
            if let Some(dropout) = &dropout {
                dropout.fill(isa, &first_indices(&self.numbers, at, isa, hidden), &mut self.mask[..size]);
                activation::backward(isa, &self.mask[..size], panel);
            }
        }
    }

    /// A sequence's distances, in XLNet.
    pub fn of<'a>(&'a mut self, step: &Step<'a>, place: &Place) -> Option<Relative<'a>> {
        let own = step.model.layout.layers[step.layer].relative.as_ref()?;
        let (hidden, tokens) = (step.model.config.hidden_size, place.keys.len());
        self.set(step, tokens, place.first_token);
        let values = |range: &std::ops::Range<usize>| &step.model.parameters[range.clone()];
        step.dense(hidden, hidden, 2 * tokens).forward(values(&own.weight), &[], &self.inputs, &mut self.projected);
        Some(Relative {
            biases: own.biases.each_ref().map(values),
            segments: values(&own.segments),
            distances: &self.projected,
            rows: &step.columns.rows[place.keys.clone()],
        })
    }
}

impl DistanceGradients {
    /// Room for sequences of `longest` tokens.
    pub fn fit(&mut self, isa: Isa, hidden: usize, longest: usize) {
        self.projected.fit(panels_len(isa, hidden, 2 * longest));
        self.transposed.fit(hidden.next_multiple_of(isa.width) * 2 * longest);
        self.weight.fit(hidden * hidden);
        self.biases.iter_mut().for_each(|bias| bias.fit(hidden));
        self.segments.fit(2 * hidden);
    }

    /// Sets the sums to zero.
    pub fn clear(&mut self) {
        self.weight.fill(0.0);
        self.segments.fill(0.0);
        self.biases.iter_mut().for_each(|bias| bias.fill(0.0));
    }

    /// Where attention adds to, of a layer that has distances.
    pub fn targets(&mut self, own: Option<&flat::Relative>) -> Option<RelativeGradients<'_>> {
        own?;
        Some(RelativeGradients {
            biases: self.biases.each_mut().map(|bias| &mut **bias),
            segments: &mut self.segments,
            distances: &mut self.projected,
        })
    }

    /// Adds a sequence's share of R's gradient, from that of r.
    pub fn add_weight(&mut self, step: &Step, tokens: usize, distances: &Distances) {
        let (isa, hidden) = (step.model.isa, step.model.config.hidden_size);
        let dense = step.dense(hidden, hidden, 2 * tokens);
        let used = dense.output_len();
        clear_tail(isa, hidden, 2 * tokens, &mut self.projected[..used]);
        to_feature_panels(isa, hidden, 2 * tokens, &distances.inputs, &mut self.transposed);
        dense.add_parameter_gradients(&self.projected[..used], &self.transposed, &mut self.weight, &mut []);
    }

    /// Hands the sums over.
    pub fn hand_over(&self, step: &Step, own: &flat::Relative) {
        let [content, distance, segment] = &own.biases;
        let ranges = [&own.weight, content, distance, segment, &own.segments];
        let unit = step.layer * LAYER_UNITS + 4;
        step.model.add(unit, step.columns.micro_batch, ranges, |[weight, content, distance, segment, segments]| {
            add(weight, &self.weight);
            for (bias, sum) in [content, distance, segment].into_iter().zip(&self.biases) {
                add(bias, sum);
            }
            add(segments, &self.segments);
        });
    }
}
