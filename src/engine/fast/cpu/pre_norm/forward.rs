//! A layer's forward pass.

use super::super::activation;
use super::super::embedding::add;
use super::super::norm::normalise;
use super::super::panel::panels_len;
use super::super::workspace::{LayerTape, Model, Work};
use super::{Step, turn};
use crate::engine::dropout::Site;
use crate::engine::fast::cpu::attention::Target;
use crate::engine::fast::cpu::layer::drop_inner;
use crate::engine::fast::flat;

/// From `tape.input` to `output`; what the backward pass needs stays on the tape.
pub fn forward(step: &Step, tape: &mut LayerTape, output: &mut [f32], work: &mut Work) {
    attend(step, tape, output, work);
    feed_forward(step, tape, output, work);
}

fn values<'a>(model: &'a Model, dense: &flat::Dense) -> (&'a [f32], &'a [f32]) {
    (&model.parameters[dense.weight.clone()], &model.parameters[dense.bias.clone()])
}

/// `output = x + attention(LayerNorm(x))`.
fn attend(step: &Step, tape: &mut LayerTape, output: &mut [f32], work: &mut Work) {
    let (model, layer) = (step.model, &step.model.layout.layers[step.layer]);
    let (hidden, columns) = (model.config.hidden_size, step.columns.count);
    let used = panels_len(model.isa, hidden, columns);
    tape.selected[..used].copy_from_slice(&tape.input[..used]);
    if !layer.attention_norm.weight.is_empty() {
        let kept = (&mut *tape.attended_hat, &mut *tape.attended_inverse);
        normalise(model, &layer.attention_norm, &mut tape.selected[..used], kept);
    }
    let (weight, bias) = values(model, &layer.query_key_value);
    step.dense(hidden, 3 * hidden, columns).forward(weight, bias, &tape.selected, &mut tape.projected);
    turn(step, &mut tape.projected, work, false);
    context(step, tape, work);
    let (weight, bias) = values(model, &layer.attention_output);
    step.attention_output().forward(weight, bias, &tape.context, output);
    drop_tokens(step, Site::AttentionOutput(step.layer), hidden, &mut output[..used], &mut work.mask);
    add(&mut output[..used], &tape.input[..used]);
}

fn context(step: &Step, tape: &mut LayerTape, work: &mut Work) {
    let (hidden, used) = (step.model.config.hidden_size, step.model.config.num_attention_heads * step.columns.count);
    let attention = step.attention();
    let mut context = std::mem::take(&mut tape.context);
    let mut log_sums = std::mem::take(&mut tape.log_sums);
    for place in step.places() {
        let mut target = Target { values: &mut context, rows: hidden, first: 0 };
        attention.forward(&place, step.inputs(tape), &mut target, &mut log_sums[..used], &mut work.attention);
    }
    (tape.context, tape.log_sums) = (context, log_sums);
}

/// `output += feed-forward(LayerNorm(output))`.
fn feed_forward(step: &Step, tape: &mut LayerTape, output: &mut [f32], work: &mut Work) {
    let (model, layer) = (step.model, &step.model.layout.layers[step.layer]);
    let (hidden, wide, columns) = (model.config.hidden_size, model.config.intermediate_size, step.columns.count);
    let used = panels_len(model.isa, hidden, columns);
    tape.attended[..used].copy_from_slice(&output[..used]);
    let kept = (&mut *tape.output_hat, &mut *tape.output_inverse);
    normalise(model, &layer.output_norm, &mut tape.attended[..used], kept);
    let (weight, bias) = values(model, &layer.intermediate);
    step.dense(hidden, 2 * wide, columns).forward(weight, bias, &tape.attended, &mut tape.wide);
    let size = wide * model.isa.width;
    let gated = &mut work.activated[..panels_len(model.isa, wide, columns)];
    for (panel, gated) in tape.wide.chunks(2 * size).zip(gated.chunks_mut(size)) {
        activation::forward(model.isa, model.config.hidden_act, &panel[..size], gated);
        activation::backward(model.isa, &panel[size..], gated);
    }
    drop_inner(step, gated, &mut work.mask);
    let (weight, bias) = values(model, &layer.output);
    step.dense(wide, hidden, columns).forward(weight, bias, gated, &mut tape.query);
    add(&mut output[..used], &tape.query[..used]);
}

/// Dropout of states whose columns are tokens, forward and backward.
pub fn drop_tokens(step: &Step, site: Site, rows: usize, values: &mut [f32], scratch: &mut [f32]) {
    let Some(dropout) = step.model.hidden_dropout(site) else { return };
    dropout.apply(step.model.isa, &step.columns.tokens, rows, values, scratch);
}
