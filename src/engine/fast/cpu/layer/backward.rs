//! A layer's backward pass.

use super::forward::drop_inner;
use super::{Step, relative};
use crate::engine::dropout::Site;
use crate::engine::fast::cpu::attention::{Gradients, Place, Source};
use crate::engine::fast::cpu::columns::first_indices;
use crate::engine::fast::cpu::dense::Dense;
use crate::engine::fast::cpu::embedding::add;
use crate::engine::fast::cpu::panel::{add_columns, clear_tail, panels_len};
use crate::engine::fast::cpu::product::Start;
use crate::engine::fast::cpu::transpose::to_feature_panels;
use crate::engine::fast::cpu::workspace::{LAYER_UNITS, LayerTape, Work};
use crate::engine::fast::cpu::{activation, add_norm};
use crate::engine::fast::flat::{self, Norm};

/// `work.gradient` goes from the layer's output (Q columns) to its input (T columns).
pub fn backward(step: &Step, tape: &mut LayerTape, work: &mut Work) {
    feed_forward(step, tape, work);
    attention_output(step, tape, work);
    attention(step, tape, work);
    if step.selects() { selected_projection(step, tape, work) } else { projection(step, tape, work) }
}

/// Number of one of the layer's gradient units.
fn unit(step: &Step, which: usize) -> usize {
    step.layer * LAYER_UNITS + which
}

fn feed_forward(step: &Step, tape: &mut LayerTape, work: &mut Work) {
    let model = step.model;
    let (isa, layer) = (model.isa, &model.layout.layers[step.layer]);
    let sum = Sum {
        site: Site::FeedForwardOutput(step.layer),
        norm: &layer.output_norm,
        hat: &tape.output_hat,
        inverse: &tape.output_inverse,
    };
    sum.backward(step, work);
    let dense = step.output();
    let wide = dense.input_len();
    let activated = &mut work.activated[..wide];
    activation::forward_with_derivative(isa, model.config.hidden_act, &mut tape.wide[..wide], activated);
    drop_inner(step, activated, &mut work.mask);
    to_feature_panels(isa, dense.inputs, dense.columns, activated, &mut work.transposed);
    add_dense_and_norm(step, 0, dense, (&layer.output, &layer.output_norm), work);
    let weight = &model.parameters[layer.output.weight.clone()];
    dense.backward(weight, &work.dropped, Start::Zero, &mut work.wide_gradient);
    drop_inner(step, &mut work.wide_gradient[..wide], &mut work.mask);
    activation::backward(isa, &tape.wide[..wide], &mut work.wide_gradient[..wide]);
    let dense = step.intermediate();
    to_feature_panels(isa, dense.inputs, dense.columns, &tape.attended, &mut work.transposed);
    let ranges = [&layer.intermediate.weight, &layer.intermediate.bias];
    model.add(unit(step, 1), step.columns.micro_batch, ranges, |[weight, bias]| {
        dense.add_parameter_gradients(&work.wide_gradient[..wide], &work.transposed, weight, bias);
    });
    let weight = &model.parameters[layer.intermediate.weight.clone()];
    dense.backward(weight, &work.wide_gradient, Start::Output, &mut work.gradient);
}

fn attention_output(step: &Step, tape: &LayerTape, work: &mut Work) {
    let model = step.model;
    let (isa, layer) = (model.isa, &model.layout.layers[step.layer]);
    let sum = Sum {
        site: Site::AttentionOutput(step.layer),
        norm: &layer.attention_norm,
        hat: &tape.attended_hat,
        inverse: &tape.attended_inverse,
    };
    sum.backward(step, work);
    let dense = step.attention_output();
    to_feature_panels(isa, dense.inputs, dense.columns, &tape.context, &mut work.transposed);
    add_dense_and_norm(step, 2, dense, (&layer.attention_output, &layer.attention_norm), work);
    let weight = &model.parameters[layer.attention_output.weight.clone()];
    dense.backward(weight, &work.dropped, Start::Zero, &mut work.context_gradient);
}

/// Adds the gradients of a dense layer, from `work.dropped` and `work.transposed`, and of the LayerNorm after it.
fn add_dense_and_norm(step: &Step, which: usize, dense: Dense, (own, norm): (&flat::Dense, &Norm), work: &Work) {
    let ranges = [&own.weight, &own.bias, &norm.weight, &norm.bias];
    step.model.add(unit(step, which), step.columns.micro_batch, ranges, |[weight, bias, norm_weight, norm_bias]| {
        dense.add_parameter_gradients(&work.dropped[..dense.output_len()], &work.transposed, weight, bias);
        let (weight_gradient, bias_gradient) = work.norm_gradient.split_at(norm_weight.len());
        add(norm_weight, weight_gradient);
        add(norm_bias, bias_gradient);
    });
}

/// Gradients of query, key and value.
fn attention(step: &Step, tape: &LayerTape, work: &mut Work) {
    let model = step.model;
    let (isa, hidden, queries) = (model.isa, model.config.hidden_size, step.queries());
    let rows = step.projection().outputs;
    let attention = step.attention();
    let (all, some) = (panels_len(isa, rows, step.columns.count), panels_len(isa, hidden, queries));
    let own = model.layout.layers[step.layer].relative.as_ref();
    work.distance_gradients.clear();
    for place in step.places() {
        let gradient = Source { values: &work.context_gradient, rows: hidden, first: 0 };
        let log_sums = &tape.log_sums[..model.config.num_attention_heads * queries];
        let query = if step.selects() { Some(&mut work.query_gradient[..some]) } else { None };
        let mut targets = Gradients {
            projected: &mut work.projected_gradient[..all],
            hidden,
            query,
            relative: work.distance_gradients.targets(own),
        };
        let place = Place { relative: relative::of(step, tape, &place), ..place };
        attention.backward(&place, step.inputs(tape), gradient, log_sums, &mut targets, &mut work.attention);
    }
    if let Some(own) = own {
        work.distance_gradients.hand_over(step, own, &work.distances);
    }
    clear_tail(isa, rows, step.columns.count, &mut work.projected_gradient[..all]);
    if step.selects() {
        clear_tail(isa, hidden, queries, &mut work.query_gradient[..some]);
    }
}

fn projection(step: &Step, tape: &LayerTape, work: &mut Work) {
    let model = step.model;
    let own = &model.layout.layers[step.layer].query_key_value;
    let dense = step.projection();
    let used = dense.output_len();
    to_feature_panels(model.isa, dense.inputs, dense.columns, &tape.input, &mut work.transposed);
    model.add(unit(step, 3), step.columns.micro_batch, [&own.weight, &own.bias], |[weight, bias]| {
        dense.add_parameter_gradients(&work.projected_gradient[..used], &work.transposed, weight, bias);
    });
    let weight = &model.parameters[own.weight.clone()];
    dense.backward(weight, &work.projected_gradient, Start::Output, &mut work.gradient);
}

/// Where queries are those of selected columns, their gradient joins that of all columns at the end.
fn selected_projection(step: &Step, tape: &LayerTape, work: &mut Work) {
    let model = step.model;
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let own = &model.layout.layers[step.layer].query_key_value;
    let (dense, queries) = (step.projection(), step.dense(hidden, hidden, step.queries()));
    let (used, some) = (dense.output_len(), queries.output_len());
    let (weights, biases) = step.query_part();
    let from_inputs = queries.columns * hidden.next_multiple_of(isa.width);
    to_feature_panels(isa, hidden, queries.columns, &tape.selected, &mut work.transposed);
    to_feature_panels(isa, hidden, dense.columns, &tape.input, &mut work.transposed[from_inputs..]);
    model.add(unit(step, 3), step.columns.micro_batch, [&own.weight, &own.bias], |[weight, bias]| {
        let ((query, rest), (query_bias, rest_bias)) = (weight.split_at_mut(weights), bias.split_at_mut(biases));
        queries.add_parameter_gradients(&work.query_gradient[..some], &work.transposed, query, query_bias);
        let transposed = &work.transposed[from_inputs..];
        dense.add_parameter_gradients(&work.projected_gradient[..used], transposed, rest, rest_bias);
    });
    let weight = &model.parameters[own.weight.clone()];
    queries.backward(&weight[..weights], &work.query_gradient, Start::Output, &mut work.gradient);
    dense.backward(&weight[weights..], &work.projected_gradient, Start::Zero, &mut work.other_gradient);
    let sources = &step.columns.places[..queries.columns];
    add_columns(isa, hidden, (&work.gradient, sources), (&mut work.other_gradient, &step.columns.selected));
    std::mem::swap(&mut work.gradient, &mut work.other_gradient);
}

/// Backward of dropout, residual sum and LayerNorm: `work.gradient` becomes the residual's, `work.dropped` the dense
/// layer's, `work.norm_gradient` the parameters'.
struct Sum<'a> {
    site: Site,
    norm: &'a Norm,
    hat: &'a [f32],
    inverse: &'a [f32],
}

impl Sum<'_> {
    fn backward(self, step: &Step, work: &mut Work) {
        let model = step.model;
        let (isa, hidden) = (model.isa, model.config.hidden_size);
        let (size, used) = (hidden * isa.width, panels_len(isa, hidden, step.queries()));
        let dropout = model.hidden_dropout(self.site);
        work.norm_gradient.fill(0.0);
        let (weight_gradient, bias_gradient) = work.norm_gradient.split_at_mut(hidden);
        let gradients = work.gradient[..used].chunks_mut(size).zip(work.dropped.chunks_mut(size));
        let kept = self.hat.chunks(size).zip(self.inverse.chunks(isa.width));
        for (at, ((gradient, output), (normalised, inverse))) in gradients.zip(kept).enumerate() {
            if let Some(dropout) = &dropout {
                dropout.fill(isa, &first_indices(step.query_tokens(), at, isa, hidden), &mut work.mask[..size]);
            }
            add_norm::Backward {
                mask: dropout.is_some().then_some(&work.mask[..size]),
                normalised,
                inverse,
                weight: &model.parameters[self.norm.weight.clone()],
                gradient,
                output: Some(output),
                weight_gradient,
                bias_gradient,
            }
            .run(isa);
        }
    }
}
