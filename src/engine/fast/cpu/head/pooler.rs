//! The pooler, of what is read of each sequence or, in some families, of every token: `f(P x + p)` with f its activation, then
//! LayerNorm where the family has one.

use super::super::activation;
use super::super::dense::Dense;
use super::super::embedding::add;
use super::super::norm;
use super::super::panel::panels_len;
use super::super::product::Start;
use super::super::transpose::to_feature_panels;
use super::super::workspace::{LAYER_UNITS, Model, Work};
use crate::engine::fast::flat::{self, Norm};
use crate::family::Activation;

/// The pooler over some columns.
#[derive(Clone, Copy)]
pub struct Pooler<'a> {
    model: &'a Model<'a>,
    activation: Activation,
    ranges: &'a flat::Dense,
    dense: Dense,
}

impl<'a> Pooler<'a> {
    /// `None` where the classifier reads the columns as they are.
    pub fn of(model: &'a Model<'a>, columns: usize) -> Option<Pooler<'a>> {
        let (ranges, family) = (model.layout.pooler.as_ref()?, model.config.family.pooler(model.head)?);
        let [outputs, inputs] = model.config.pooler_shape();
        let dense = Dense { isa: model.isa, inputs, outputs, columns };
        Some(Pooler { model, activation: family.activation, ranges, dense })
    }

    /// Fills the activation's derivative and `pooled`, and `kept` with the LayerNorm's x̂ and inverse deviation.
    pub fn forward(&self, input: &[f32], [slope, pooled]: [&mut [f32]; 2], kept: (&mut [f32], &mut [f32])) {
        let (model, used) = (self.model, self.dense.output_len());
        let (weight, bias) =
            (&model.parameters[self.ranges.weight.clone()], &model.parameters[self.ranges.bias.clone()]);
        self.dense.forward(weight, bias, input, slope);
        activation::forward_with_derivative(model.isa, self.activation, &mut slope[..used], &mut pooled[..used]);
        if let Some(norm) = &model.layout.pooler_norm {
            norm::normalise(model, norm, &mut pooled[..used], kept);
        }
    }

    /// From `work.dropped`, the gradient of `pooled`, and `work.head[3]`, that of the logits which `head` made of it, to
    /// `work.other_gradient`, that of the input, and to the parameters of both.
    pub fn backward(&self, micro_batch: usize, head: Dense, input: &[f32], work: &mut Work) {
        let (model, isa, dense, pooled) = (self.model, self.model.isa, self.dense, self.dense.output_len());
        to_feature_panels(isa, head.inputs, head.columns, &work.head[1], &mut work.transposed);
        let nothing = Norm::default();
        let norm = model.layout.pooler_norm.as_ref().unwrap_or(&nothing);
        if !norm.weight.is_empty() {
            work.norm_gradient.fill(0.0);
            let gradient = &mut work.dropped[..pooled];
            norm::backward(model, norm, (&work.pooled_hat, &work.pooled_inverse), gradient, &mut work.norm_gradient);
        }
        activation::backward(isa, &work.head[0][..pooled], &mut work.dropped[..pooled]);
        let from_input = panels_len(isa, 1, head.inputs) * head.columns;
        to_feature_panels(isa, dense.inputs, dense.columns, input, &mut work.transposed[from_input..]);
        self.add(micro_batch, head, norm, work);
        let weight = &model.parameters[self.ranges.weight.clone()];
        dense.backward(weight, &work.dropped, Start::Zero, &mut work.other_gradient);
    }

    /// The parameters' gradients, of one unit.
    fn add(&self, micro_batch: usize, head: Dense, norm: &Norm, work: &Work) {
        let (layout, from_input) = (self.model.layout, panels_len(self.model.isa, 1, head.inputs) * head.columns);
        let ranges =
            [&layout.head.weight, &layout.head.bias, &self.ranges.weight, &self.ranges.bias, &norm.weight, &norm.bias];
        let add_all = |[weight, bias, own_weight, own_bias, factor, summand]: [&mut [f32]; 6]| {
            let (factor_gradient, summand_gradient) = work.norm_gradient.split_at(head.inputs);
            add(factor, factor_gradient);
            add(summand, summand_gradient);
            head.add_parameter_gradients(&work.head[3][..head.output_len()], &work.transposed, weight, bias);
            let (gradient, transposed) = (&work.dropped[..self.dense.output_len()], &work.transposed[from_input..]);
            self.dense.add_parameter_gradients(gradient, transposed, own_weight, own_bias);
        };
        self.model.add(LAYER_UNITS * layout.layers.len(), micro_batch, ranges, add_all);
    }
}
