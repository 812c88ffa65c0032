//! XLNet's distances: r = `R dropout(sinusoids)`, `[H, 2 T]`, and the way back to R.
//!
//! A sequence of n tokens has 2 n columns, beginning at twice its first one. Column k is distance `p = n - k`:
//! `sin(p f_0), …, cos(p f_0), …` with `f_d = 10000^(-2 d / H)`. Masks are numbered `(2 · first token + k) · H + row`, the same
//! in every layer.

use super::Step;
use crate::engine::dropout::Site;
use crate::engine::fast::cpu::attention::Place;
use crate::engine::fast::cpu::attention::relative::{Relative, RelativeGradients};
use crate::engine::fast::cpu::buffer::Buffer;
use crate::engine::fast::cpu::columns::Columns;
use crate::engine::fast::cpu::embedding::add;
use crate::engine::fast::cpu::micro_batch::Sequence;
use crate::engine::fast::cpu::panel::{clear_tail, panels_len};
use crate::engine::fast::cpu::simd::Isa;
use crate::engine::fast::cpu::transpose::{rows_to_panel, to_feature_panels};
use crate::engine::fast::cpu::workspace::{LAYER_UNITS, LayerTape, Model};
use crate::engine::fast::flat;
use std::ops::Range;

/// What a worker keeps for them.
#[derive(Default)]
pub struct Distances {
    /// Sinusoids of distances 0, 1, …, `[_, H]`: sines first.
    table: Vec<f32>,
    rows: Buffer,
    /// p of each column, and the number of its mask.
    places: Vec<isize>,
    numbers: Vec<u64>,
    mask: Buffer,
    /// Sinusoids after dropout `[H, 2 T]`.
    inputs: Buffer,
    /// The same with features across, where it trains.
    transposed: Buffer,
}

/// Gradients of a layer's parameters, over the sequences of a micro-batch.
#[derive(Default)]
pub struct DistanceGradients {
    /// Of r.
    projected: Buffer,
    biases: [Buffer; 3],
    segments: Buffer,
}

impl Distances {
    /// Room for a micro-batch of so many columns, sequences of so many tokens.
    pub fn fit(&mut self, model: &Model, columns: usize, longest: usize) {
        let (isa, hidden) = (model.isa, model.config.hidden_size);
        let half = hidden.div_ceil(2);
        for at in self.table.len()..(longest + 1) * hidden {
            let (distance, column) = ((at / hidden) as f32, at % hidden);
            let angle = distance * (1.0 / 10_000f64.powf(2.0 * (column % half) as f64 / hidden as f64)) as f32;
            self.table.push(if column < half { angle.sin() } else { angle.cos() });
        }
        self.rows.fit(hidden * isa.width);
        self.mask.fit(hidden * isa.width);
        self.inputs.fit(panels_len(isa, hidden, 2 * columns));
        if model.gradients.is_some() {
            self.transposed.fit(hidden.next_multiple_of(isa.width) * 2 * columns);
        }
    }

    /// Makes the sinusoids of a micro-batch, for all layers.
    pub fn set(&mut self, model: &Model, columns: &Columns, sequences: &[Sequence]) {
        let (isa, hidden) = (model.isa, model.config.hidden_size);
        let dropout = model.hidden_dropout(Site::Distances);
        let (half, size) = (hidden.div_ceil(2), hidden * isa.width);
        self.places.clear();
        self.numbers.clear();
        for sequence in sequences {
            let (own, first) = (2 * sequence.length as isize, 2 * columns.tokens[sequence.start]);
            self.places.extend((0..own).map(|column| own / 2 - column));
            self.numbers.extend(first..first + own as u64);
        }
        let panels = self.inputs.chunks_mut(size).zip(self.places.chunks(isa.width));
        for (panel, places) in panels {
            for (place, values) in places.iter().zip(self.rows.chunks_exact_mut(hidden)) {
                values.copy_from_slice(&self.table[place.unsigned_abs() * hidden..][..hidden]);
                // Sines are odd.
                if *place < 0 {
                    values[..half].iter_mut().for_each(|value| *value = -*value);
                }
            }
            rows_to_panel(isa, hidden, &self.rows[..places.len() * hidden], panel);
        }
        if let Some(dropout) = &dropout {
            let used = panels_len(isa, hidden, self.places.len());
            dropout.apply(isa, &self.numbers, hidden, &mut self.inputs[..used], &mut self.mask);
        }
        if model.gradients.is_some() {
            to_feature_panels(isa, hidden, self.places.len(), &self.inputs, &mut self.transposed);
        }
    }

    /// A layer's r, where it has distances.
    pub fn project(&self, step: &Step, output: &mut [f32]) {
        let Some(own) = &step.model.layout.layers[step.layer].relative else { return };
        let hidden = step.model.config.hidden_size;
        let weight = &step.model.parameters[own.weight.clone()];
        step.dense(hidden, hidden, 2 * step.columns.count).forward(weight, &[], &self.inputs, output);
    }
}

/// What a sequence's attention reads of a layer that has distances.
pub fn of<'a>(step: &Step<'a>, tape: &'a LayerTape, place: &Place) -> Option<Relative<'a>> {
    let own = step.model.layout.layers[step.layer].relative.as_ref()?;
    let values = |range: &Range<usize>| &step.model.parameters[range.clone()];
    Some(Relative {
        biases: own.biases.each_ref().map(values),
        segments: values(&own.segments),
        distances: &tape.distances,
        rows: &step.columns.rows[place.keys.clone()],
    })
}

impl DistanceGradients {
    /// Room for a micro-batch of so many columns.
    pub fn fit(&mut self, isa: Isa, hidden: usize, columns: usize) {
        self.projected.fit(panels_len(isa, hidden, 2 * columns));
        self.biases.iter_mut().for_each(|bias| bias.fit(hidden));
        self.segments.fit(2 * hidden);
    }

    /// Sets the sums to zero.
    pub fn clear(&mut self) {
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

    /// Adds them to the step's.
    pub fn hand_over(&mut self, step: &Step, own: &flat::Relative, distances: &Distances) {
        let (isa, hidden, count) = (step.model.isa, step.model.config.hidden_size, 2 * step.columns.count);
        let dense = step.dense(hidden, hidden, count);
        let projected = &mut self.projected[..dense.output_len()];
        clear_tail(isa, hidden, count, projected);
        let [content, distance, segment] = &own.biases;
        let ranges = [&own.weight, content, distance, segment, &own.segments];
        let unit = step.layer * LAYER_UNITS + 4;
        step.model.add(unit, step.columns.micro_batch, ranges, |[weight, content, distance, segment, segments]| {
            dense.add_parameter_gradients(projected, &distances.transposed, weight, &mut []);
            for (bias, sum) in [content, distance, segment].into_iter().zip(&self.biases) {
                add(bias, sum);
            }
            add(segments, &self.segments);
        });
    }
}
