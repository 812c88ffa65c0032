//! A layer's forward pass.

use super::{Step, relative};
use crate::engine::dropout::Site;
use crate::engine::fast::cpu::attention::{Place, Target};
use crate::engine::fast::cpu::columns::first_indices;
use crate::engine::fast::cpu::panel::{copy_columns, panels_len};
use crate::engine::fast::cpu::workspace::{LayerTape, Work};
use crate::engine::fast::cpu::{activation, add_norm};
use crate::engine::fast::flat::Norm;

/// From `tape.input` to `output`; what the backward pass needs stays on the tape.
pub fn forward(step: &Step, tape: &mut LayerTape, output: &mut [f32], work: &mut Work) {
    project(step, tape);
    attend(step, tape, work);
    feed_forward(step, tape, output, work);
}

/// Query, key and value.
fn project(step: &Step, tape: &mut LayerTape) {
    let model = step.model;
    let dense = &model.layout.layers[step.layer].query_key_value;
    let (weight, bias) = (&model.parameters[dense.weight.clone()], &model.parameters[dense.bias.clone()]);
    let (weights, biases) = step.query_part();
    step.projection().forward(&weight[weights..], &bias[biases..], &tape.input, &mut tape.projected);
    if step.selects() {
        let hidden = model.config.hidden_size;
        let count = step.columns.selected.len();
        let targets: &[usize] = &step.columns.places[..count];
        tape.selected.fill(0.0);
        copy_columns(model.isa, hidden, (&tape.input, &step.columns.selected), (&mut tape.selected, targets));
        let queries = step.dense(hidden, hidden, count);
        queries.forward(&weight[..weights], &bias[..biases], &tape.selected, &mut tape.query);
    }
}

fn attend(step: &Step, tape: &mut LayerTape, work: &mut Work) {
    let model = step.model;
    let (hidden, queries) = (model.config.hidden_size, step.queries());
    let attention = step.attention();
    let mut context = std::mem::take(&mut tape.context);
    let mut log_sums = std::mem::take(&mut tape.log_sums);
    let used = model.config.num_attention_heads * queries;
    work.distances.project(step, &mut tape.distances);
    for place in step.places() {
        let mut target = Target { values: &mut context, rows: hidden, first: 0 };
        let place = Place { relative: relative::of(step, tape, &place), ..place };
        attention.forward(&place, step.inputs(tape), &mut target, &mut log_sums[..used], &mut work.attention);
    }
    (tape.context, tape.log_sums) = (context, log_sums);
    let layer = &model.layout.layers[step.layer];
    let (weight, bias) = (&layer.attention_output.weight, &layer.attention_output.bias);
    let dense = step.attention_output();
    dense.forward(
        &model.parameters[weight.clone()],
        &model.parameters[bias.clone()],
        &tape.context,
        &mut tape.attended_hat,
    );
    let residual = if step.selects() { &tape.selected } else { &tape.input };
    let sum = Sum {
        site: Site::AttentionOutput(step.layer),
        norm: &layer.attention_norm,
        residual,
        hat: &mut tape.attended_hat,
        inverse: &mut tape.attended_inverse,
        output: &mut tape.attended,
    };
    sum.add_and_norm(step, work);
}

fn feed_forward(step: &Step, tape: &mut LayerTape, output: &mut [f32], work: &mut Work) {
    let model = step.model;
    let layer = &model.layout.layers[step.layer];
    let (weight, bias) = (&layer.intermediate.weight, &layer.intermediate.bias);
    let dense = step.intermediate();
    let wide = dense.output_len();
    dense.forward(&model.parameters[weight.clone()], &model.parameters[bias.clone()], &tape.attended, &mut tape.wide);
    activation::forward(model.isa, model.config.hidden_act, &tape.wide[..wide], &mut work.activated[..wide]);
    drop_inner(step, &mut work.activated[..wide], &mut work.mask);
    let (weight, bias) = (&layer.output.weight, &layer.output.bias);
    let dense = step.output();
    dense.forward(
        &model.parameters[weight.clone()],
        &model.parameters[bias.clone()],
        &work.activated,
        &mut tape.output_hat,
    );
    let sum = Sum {
        site: Site::FeedForwardOutput(step.layer),
        norm: &layer.output_norm,
        residual: &tape.attended,
        hat: &mut tape.output_hat,
        inverse: &mut tape.output_inverse,
        output,
    };
    sum.add_and_norm(step, work);
}

/// Dropout inside the feed-forward block, in families that have it; the same forward and backward.
pub fn drop_inner(step: &Step, values: &mut [f32], scratch: &mut [f32]) {
    let config = step.model.config;
    let dropout = step.model.dropout(Site::FeedForwardInner(step.layer), config.inner_dropout());
    let Some(dropout) = dropout else { return };
    dropout.apply(step.model.isa, step.query_tokens(), config.intermediate_size, values, scratch);
}

/// Dropout, residual sum and LayerNorm over all panels.
struct Sum<'a> {
    site: Site,
    norm: &'a Norm,
    residual: &'a [f32],
    hat: &'a mut [f32],
    inverse: &'a mut [f32],
    output: &'a mut [f32],
}

impl Sum<'_> {
    fn add_and_norm(self, step: &Step, work: &mut Work) {
        let model = step.model;
        let (isa, hidden) = (model.isa, model.config.hidden_size);
        let (size, used) = (hidden * isa.width, panels_len(isa, hidden, step.queries()));
        let dropout = model.hidden_dropout(self.site);
        let arrays =
            self.hat[..used].chunks_mut(size).zip(self.output.chunks_mut(size)).zip(self.residual.chunks(size));
        let inverses = self.inverse.chunks_mut(isa.width);
        for (at, (((output, normalised), residual), inverse)) in arrays.zip(inverses).enumerate() {
            if let Some(dropout) = &dropout {
                dropout.fill(isa, &first_indices(step.query_tokens(), at, isa, hidden), &mut work.mask[..size]);
            }
            add_norm::Forward {
                residual: Some(residual),
                mask: dropout.is_some().then_some(&work.mask[..size]),
                output,
                weight: &model.parameters[self.norm.weight.clone()],
                bias: &model.parameters[self.norm.bias.clone()],
                epsilon: model.config.layer_norm_eps,
                inverse,
                normalised,
            }
            .run(isa);
        }
    }
}
