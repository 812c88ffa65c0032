//! Attention against the plain formula in double precision, and its gradients against central differences of it.

use super::*;
use crate::engine::StepPart;
use crate::engine::dropout::{Masks, Site};
use crate::engine::fast::cpu::panel::{from_panels, panels_len, to_panels};
use crate::random::{Purpose, Stream};

const HEADS: usize = 2;
const POSITIONS: usize = 64;
const PART: StepPart = StepPart { seed: 5, step: 4, first_token: 0, first_sequence: 0, sequences: 1, labelled: 0 };

/// A sequence of `length` tokens that begins at column `start`; queries are all of its tokens or the first.
struct Case {
    size: usize,
    start: usize,
    length: usize,
    first_only: bool,
    dropout: f64,
}

impl Case {
    fn rows(&self) -> usize {
        HEADS * self.size
    }

    fn queries(&self) -> usize {
        if self.first_only { 1 } else { self.length }
    }

    /// `[tokens, 3 · rows]` of all columns before and of the sequence.
    fn inputs(&self) -> Vec<f64> {
        let count = (self.start + self.length) * 3 * self.rows();
        Stream::new(2, Purpose::Synthetic).normals(0, count).iter().map(|value| f64::from(*value as f32)).collect()
    }

    /// Context `[queries, rows]` by the formula.
    fn formula(&self, inputs: &[f64]) -> Vec<f64> {
        let mut context = vec![0.0; self.queries() * self.rows()];
        for head in 0..HEADS {
            for query in 0..self.queries() {
                let weights = self.weights(inputs, head, query);
                for at in 0..self.size {
                    let value = |key: usize| self.value(inputs, key, 2, head, at);
                    context[query * self.rows() + head * self.size + at] =
                        weights.iter().enumerate().map(|(key, weight)| weight * value(key)).sum();
                }
            }
        }
        context
    }

    fn value(&self, inputs: &[f64], token: usize, which: usize, head: usize, at: usize) -> f64 {
        inputs[(self.start + token) * 3 * self.rows() + which * self.rows() + head * self.size + at]
    }

    /// Softmax of the scores of a query, times the mask.
    fn weights(&self, inputs: &[f64], head: usize, query: usize) -> Vec<f64> {
        let score = |key: usize| -> f64 {
            let product = |at| self.value(inputs, query, 0, head, at) * self.value(inputs, key, 1, head, at);
            (0..self.size).map(product).sum::<f64>() / (self.size as f64).sqrt()
        };
        let exponentials: Vec<f64> = (0..self.length).map(|key| score(key).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        let mut mask = vec![1.0f32; self.length];
        if self.dropout > 0.0 {
            let index = ((100 + query) * HEADS + head) * POSITIONS;
            Masks::new(&PART).fill(Site::AttentionProbabilities(1), self.dropout, index as u64, &mut mask);
        }
        exponentials.iter().zip(mask).map(|(value, mask)| value / sum * f64::from(mask)).collect()
    }

    fn check(&self, isa: Isa) {
        let rows = self.rows();
        let inputs = self.inputs();
        let narrow: Vec<f32> = inputs.iter().map(|value| *value as f32).collect();
        let all = to_panels(isa, 3 * rows, &narrow);
        let columns = self.start + self.length;
        let source = |first: usize| Source { values: &all, rows: 3 * rows, first };
        let sources = Inputs { query: source(0), key: source(rows), value: source(2 * rows) };
        let tokens: Vec<u64> = (100..).take(self.queries()).collect();
        let queries = self.start..self.start + self.queries();
        let place = Place { keys: self.start..columns, queries, first_token: 100, tokens: &tokens, relative: None };
        let dropout = Dropout::new(&PART, Site::AttentionProbabilities(1), self.dropout);
        let attention = Attention {
            isa,
            heads: HEADS,
            size: self.size,
            positions: POSITIONS,
            dropout,
            causal: false,
            window: None,
        };
        let mut scratch = Scratch::default();
        scratch.fit(isa, self.size, self.length, false);
        let mut context = vec![0.0; panels_len(isa, rows, columns)];
        let mut log_sums = vec![0.0; HEADS * columns];
        let mut target = Target { values: &mut context, rows, first: 0 };
        attention.forward(&place, sources, &mut target, &mut log_sums, &mut scratch);
        let found = from_panels(isa, rows, columns, &context);
        let found = &found[self.start * rows..][..self.queries() * rows];
        for (found, expected) in found.iter().zip(self.formula(&inputs)) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{isa:?}: {found}, {expected}");
        }
        self.check_gradient(&attention, &place, sources, &log_sums, &mut scratch);
    }

    /// Differences with step 1e-5 in double precision are good to 1e-9; 32-bit sums over some 40 keys to 1e-5.
    fn check_gradient(
        &self,
        attention: &Attention,
        place: &Place,
        sources: Inputs,
        log_sums: &[f32],
        scratch: &mut Scratch,
    ) {
        let (rows, columns, isa) = (self.rows(), self.start + self.length, attention.isa);
        let weights: Vec<f64> = Stream::new(3, Purpose::Synthetic).normals(0, self.queries() * rows);
        let mut gradient = vec![0.0; columns * rows];
        let own = &mut gradient[self.start * rows..][..self.queries() * rows];
        own.iter_mut().zip(&weights).for_each(|(gradient, weight)| *gradient = *weight as f32);
        let gradient = to_panels(isa, rows, &gradient);
        let mut projected = vec![0.0; panels_len(isa, 3 * rows, columns)];
        let mut targets = Gradients { projected: &mut projected, hidden: rows, query: None, relative: None };
        let source = Source { values: &gradient, rows, first: 0 };
        attention.backward(place, sources, source, log_sums, &mut targets, scratch);
        let found = from_panels(isa, 3 * rows, columns, &projected);
        let loss = |inputs: &[f64]| self.formula(inputs).iter().zip(&weights).map(|(c, w)| c * w).sum::<f64>();
        let mut inputs = self.inputs();
        for at in (self.start * 3 * rows..columns * 3 * rows).step_by(7) {
            let before = inputs[at];
            inputs[at] = before + 1e-5;
            let above = loss(&inputs);
            inputs[at] = before - 1e-5;
            let difference = (above - loss(&inputs)) / 2e-5;
            inputs[at] = before;
            let found = f64::from(found[at]);
            assert!((found - difference).abs() < 2e-5, "{isa:?} {at}: {found}, {difference}");
        }
    }
}

#[test]
fn attention_and_its_gradients_match_the_formula() {
    for isa in Isa::all() {
        for dropout in [0.0, 0.25] {
            Case { size: 8, start: 0, length: 5, first_only: false, dropout }.check(isa);
            Case { size: 8, start: 29, length: 38, first_only: false, dropout }.check(isa);
            Case { size: 40, start: 3, length: 13, first_only: false, dropout }.check(isa);
            Case { size: 8, start: 29, length: 21, first_only: true, dropout }.check(isa);
        }
    }
}
