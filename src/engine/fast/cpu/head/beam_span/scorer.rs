//! A score of a pair of states: `score = v · m(tanh(W [x; y] + w)) + β`, m LayerNorm or dropout.
//!
//! C columns, H hidden size.

use crate::engine::fast::cpu::activation;
use crate::engine::fast::cpu::buffer::Buffer;
use crate::engine::fast::cpu::dense::Dense;
use crate::engine::fast::cpu::embedding::add;
use crate::engine::fast::cpu::norm;
use crate::engine::fast::cpu::panel::panels_len;
use crate::engine::fast::cpu::product::Start;
use crate::engine::fast::cpu::transpose::to_feature_panels;
use crate::engine::fast::cpu::workspace::Model;
use crate::engine::fast::flat;
use crate::family::Activation;

/// What the passes keep and work with.
#[derive(Default)]
pub struct Scorer {
    /// `[x; y]`, `[2 H, C]`.
    pub pairs: Buffer,
    /// The scores `[1, C]`.
    pub scores: Buffer,
    /// Their gradient.
    pub gradient: Buffer,
    /// Gradient of the pairs `[2 H, C]`.
    pub pair_gradient: Buffer,
    /// The derivative of tanh `[H, C]`.
    slope: Buffer,
    /// What v reads `[H, C]`.
    state: Buffer,
    state_gradient: Buffer,
    /// x̂ of the LayerNorm `[H, C]`, and its inverse deviation.
    hat: Buffer,
    inverse: Buffer,
    norm_gradient: Buffer,
    transposed: Buffer,
}

/// Both dense layers.
fn dense(model: &Model, columns: usize) -> [Dense; 2] {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    [(2 * hidden, hidden), (hidden, 1)].map(|(inputs, outputs)| Dense { isa, inputs, outputs, columns })
}

impl Scorer {
    /// Room for so many columns.
    pub fn fit(&mut self, model: &Model, columns: usize, trains: bool) {
        let (isa, hidden) = (model.isa, model.config.hidden_size);
        let len = |rows: usize| panels_len(isa, rows, columns);
        self.pairs.fit(len(2 * hidden));
        [&mut self.slope, &mut self.state, &mut self.hat].into_iter().for_each(|buffer| buffer.fit(len(hidden)));
        [&mut self.scores, &mut self.inverse, &mut self.gradient].into_iter().for_each(|buffer| buffer.fit(len(1)));
        if trains {
            self.state_gradient.fit(len(hidden));
            self.pair_gradient.fit(len(2 * hidden));
            self.transposed.fit((2 * hidden).next_multiple_of(isa.width) * columns);
            self.norm_gradient.fit(2 * hidden);
        }
    }

    /// From the pairs to their scores; `drop` is m where there is no LayerNorm.
    pub fn forward(&mut self, model: &Model, own: &flat::Scorer, columns: usize, drop: impl FnOnce(&mut [f32])) {
        let ([first, last], values) =
            (dense(model, columns), |at: &std::ops::Range<usize>| &model.parameters[at.clone()]);
        let used = first.output_len();
        first.forward(values(&own.first.weight), values(&own.first.bias), &self.pairs, &mut self.slope);
        let state = &mut self.state[..used];
        activation::forward_with_derivative(model.isa, Activation::Tanh, &mut self.slope[..used], state);
        if let Some(norm) = &own.norm {
            norm::normalise(model, norm, state, (&mut self.hat, &mut self.inverse));
        }
        drop(state);
        last.forward(values(&own.last.weight), values(&own.last.bias), &self.state, &mut self.scores);
    }

    /// From the scores' gradient to that of the pairs; `drop` as forward.
    pub fn backward(&mut self, model: &Model, own: &flat::Scorer, columns: usize, drop: impl FnOnce(&mut [f32])) {
        let [first, last] = dense(model, columns);
        let used = first.output_len();
        last.backward(
            &model.parameters[own.last.weight.clone()],
            &self.gradient,
            Start::Zero,
            &mut self.state_gradient,
        );
        let gradient = &mut self.state_gradient[..used];
        drop(gradient);
        if let Some(norm) = &own.norm {
            self.norm_gradient.fill(0.0);
            norm::backward(model, norm, (&self.hat, &self.inverse), gradient, &mut self.norm_gradient);
        }
        activation::backward(model.isa, &self.slope[..used], gradient);
        let weight = &model.parameters[own.first.weight.clone()];
        first.backward(weight, &self.state_gradient, Start::Zero, &mut self.pair_gradient);
    }

    /// Adds the gradients of the parameters, in the order of [`flat::Scorer::ranges`].
    pub fn add(&mut self, model: &Model, columns: usize, parameters: [&mut [f32]; 6]) {
        let (isa, [first, last]) = (model.isa, dense(model, columns));
        let [first_weight, first_bias, factor, summand, last_weight, last_bias] = parameters;
        to_feature_panels(isa, first.inputs, columns, &self.pairs, &mut self.transposed);
        let gradient = &self.state_gradient[..first.output_len()];
        first.add_parameter_gradients(gradient, &self.transposed, first_weight, first_bias);
        to_feature_panels(isa, last.inputs, columns, &self.state, &mut self.transposed);
        last.add_parameter_gradients(&self.gradient[..last.output_len()], &self.transposed, last_weight, last_bias);
        let (factor_gradient, summand_gradient) = self.norm_gradient.split_at(model.config.hidden_size);
        add(factor, factor_gradient);
        add(summand, summand_gradient);
    }
}
