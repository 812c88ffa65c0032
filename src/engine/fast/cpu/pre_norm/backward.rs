//! A layer's backward pass.

use super::super::activation;
use super::super::embedding::add;
use super::super::norm;
use super::super::panel::{clear_tail, panels_len};
use super::super::product::Start;
use super::super::transpose::to_feature_panels;
use super::super::workspace::{LAYER_UNITS, LayerTape, Work};
use super::forward::drop_tokens;
use super::{Step, turn};
use crate::engine::dropout::Site;
use crate::engine::fast::cpu::attention::{Gradients, Source};
use crate::engine::fast::cpu::dense::Dense;
use crate::engine::fast::cpu::layer::drop_inner;
use crate::engine::fast::flat::{self, Norm};

/// `work.gradient` goes from the layer's output to its input.
pub fn backward(step: &Step, tape: &mut LayerTape, work: &mut Work) {
    feed_forward(step, tape, work);
    attention_output(step, tape, work);
    attention(step, tape, work);
}

/// Adds the gradients of a dense layer from those of its output and from its input in `work.transposed`.
fn add_dense(step: &Step, which: usize, dense: Dense, own: &flat::Dense, gradient: &[f32], transposed: &[f32]) {
    let unit = step.layer * LAYER_UNITS + which;
    step.model.add(unit, step.columns.micro_batch, [&own.weight, &own.bias], |[weight, bias]| {
        dense.add_parameter_gradients(&gradient[..dense.output_len()], transposed, weight, bias);
    });
}

fn feed_forward(step: &Step, tape: &mut LayerTape, work: &mut Work) {
    let (model, layer) = (step.model, &step.model.layout.layers[step.layer]);
    let (isa, hidden, wide) = (model.isa, model.config.hidden_size, model.config.intermediate_size);
    let (columns, size, used) = (step.columns.count, wide * isa.width, panels_len(isa, wide, step.columns.count));
    let output = step.dense(wide, hidden, columns);
    open_gate(step, tape, work);
    to_feature_panels(isa, wide, columns, &work.activated[..used], &mut work.transposed);
    add_dense(step, 0, output, &layer.output, &work.gradient, &work.transposed);
    let weight = &model.parameters[layer.output.weight.clone()];
    output.backward(weight, &work.gradient, Start::Zero, &mut work.wide_gradient);
    drop_inner(step, &mut work.wide_gradient[..used], &mut work.mask);
    let panels = tape.wide.chunks_mut(2 * size).zip(work.wide_gradient[..used].chunks(size));
    for ((both, gradient), gate) in panels.zip(work.gate.chunks(size)) {
        let (a, b) = both.split_at_mut(size);
        activation::backward(isa, b, a);
        activation::backward(isa, gradient, a);
        b.copy_from_slice(gate);
        activation::backward(isa, gradient, b);
    }
    let dense = step.dense(hidden, 2 * wide, columns);
    to_feature_panels(isa, hidden, columns, &tape.attended, &mut work.transposed);
    add_dense(step, 1, dense, &layer.intermediate, &tape.wide, &work.transposed);
    let weight = &model.parameters[layer.intermediate.weight.clone()];
    dense.backward(weight, &tape.wide, Start::Zero, &mut work.other_gradient);
    join(step, 1, &layer.output_norm, (&tape.output_hat, &tape.output_inverse), work);
}

/// `work.activated` becomes the block's inner output again, `work.gate` `act(a)`, and a on the tape its derivative.
fn open_gate(step: &Step, tape: &mut LayerTape, work: &mut Work) {
    let (isa, activation) = (step.model.isa, step.model.config.hidden_act);
    let size = step.model.config.intermediate_size * isa.width;
    let used = panels_len(isa, step.model.config.intermediate_size, step.columns.count);
    let panels = tape.wide.chunks_mut(2 * size).zip(work.gate[..used].chunks_mut(size));
    for ((both, gate), gated) in panels.zip(work.activated.chunks_mut(size)) {
        let (a, b) = both.split_at_mut(size);
        activation::forward_with_derivative(isa, activation, a, gate);
        gated.copy_from_slice(gate);
        activation::backward(isa, b, gated);
    }
    drop_inner(step, &mut work.activated[..used], &mut work.mask);
}

/// A block's gradient in `work.other_gradient`, through its LayerNorm if it has one, joins that of the residual sum.
fn join(step: &Step, which: usize, norm: &Norm, kept: (&[f32], &[f32]), work: &mut Work) {
    let (model, used) = (step.model, panels_len(step.model.isa, step.model.config.hidden_size, step.columns.count));
    if !norm.weight.is_empty() {
        work.norm_gradient.fill(0.0);
        norm::backward(model, norm, kept, &mut work.other_gradient[..used], &mut work.norm_gradient);
    }
    add(&mut work.gradient[..used], &work.other_gradient[..used]);
    add_norm(step, which, norm, &work.norm_gradient);
}

fn add_norm(step: &Step, which: usize, norm: &Norm, gradient: &[f32]) {
    let unit = step.layer * LAYER_UNITS + 4 + which;
    step.model.add(unit, step.columns.micro_batch, [&norm.weight, &norm.bias], |[weight, bias]| {
        let (weight_gradient, bias_gradient) = gradient.split_at(step.model.config.hidden_size);
        add(weight, weight_gradient);
        add(bias, bias_gradient);
    });
}

fn attention_output(step: &Step, tape: &LayerTape, work: &mut Work) {
    let (model, layer) = (step.model, &step.model.layout.layers[step.layer]);
    let (hidden, dense) = (model.config.hidden_size, step.attention_output());
    let used = dense.output_len();
    work.dropped[..used].copy_from_slice(&work.gradient[..used]);
    drop_tokens(step, Site::AttentionOutput(step.layer), hidden, &mut work.dropped[..used], &mut work.mask);
    to_feature_panels(model.isa, hidden, dense.columns, &tape.context, &mut work.transposed);
    add_dense(step, 2, dense, &layer.attention_output, &work.dropped, &work.transposed);
    let weight = &model.parameters[layer.attention_output.weight.clone()];
    dense.backward(weight, &work.dropped, Start::Zero, &mut work.context_gradient);
}

fn attention(step: &Step, tape: &LayerTape, work: &mut Work) {
    let (model, layer) = (step.model, &step.model.layout.layers[step.layer]);
    let (isa, hidden, columns) = (model.isa, model.config.hidden_size, step.columns.count);
    let (attention, all) = (step.attention(), panels_len(isa, 3 * hidden, columns));
    for place in step.places() {
        let gradient = Source { values: &work.context_gradient, rows: hidden, first: 0 };
        let log_sums = &tape.log_sums[..model.config.num_attention_heads * columns];
        let mut targets =
            Gradients { projected: &mut work.projected_gradient[..all], hidden, query: None, relative: None };
        attention.backward(&place, step.inputs(tape), gradient, log_sums, &mut targets, &mut work.attention);
    }
    let mut projected = std::mem::take(&mut work.projected_gradient);
    clear_tail(isa, 3 * hidden, columns, &mut projected[..all]);
    turn(step, &mut projected, work, true);
    let dense = step.dense(hidden, 3 * hidden, columns);
    to_feature_panels(isa, hidden, columns, &tape.selected, &mut work.transposed);
    add_dense(step, 3, dense, &layer.query_key_value, &projected, &work.transposed);
    let weight = &model.parameters[layer.query_key_value.weight.clone()];
    dense.backward(weight, &projected, Start::Zero, &mut work.other_gradient);
    work.projected_gradient = projected;
    join(step, 0, &layer.attention_norm, (&tape.attended_hat, &tape.attended_inverse), work);
}
