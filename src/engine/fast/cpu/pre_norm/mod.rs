//! ModernBERT's layers over a micro-batch (Warner et al. 2024, Section 2): `x + f(LayerNorm(x))` for rotary attention, then for
//! the gated feed-forward block `Wo (act(a) · b)`, `[a; b] = Wi n`. All T columns go through all layers.
//!
//! Of the tape, `input` is x, `selected` the first LayerNorm's output (x itself in the first layer), `query` scratch.

mod backward;
mod forward;
mod read;

pub use backward::backward;
pub use forward::forward;
pub use read::{read, spread};

use super::add_norm;
use super::layer::Step;
use super::panel::panels_len;
use super::workspace::{Model, Work};
use crate::engine::fast::flat::Norm;

/// LayerNorm over all panels: `values` become its output, `hat` its x̂.
pub fn normalise(model: &Model, norm: &Norm, values: &mut [f32], (hat, inverse): (&mut [f32], &mut [f32])) {
    let (isa, size) = (model.isa, model.config.hidden_size * model.isa.width);
    hat[..values.len()].copy_from_slice(values);
    let panels = hat.chunks_mut(size).zip(values.chunks_mut(size)).zip(inverse.chunks_mut(isa.width));
    for ((output, normalised), inverse) in panels {
        add_norm::Forward {
            residual: None,
            mask: None,
            output,
            weight: &model.parameters[norm.weight.clone()],
            bias: &model.parameters[norm.bias.clone()],
            epsilon: model.config.layer_norm_eps,
            inverse,
            normalised,
        }
        .run(isa);
    }
}

/// Its backward pass: `gradient` becomes that of its input; added to `norm_gradient` `[2 H]`, those of factor and summand.
pub fn norm_backward(
    model: &Model,
    norm: &Norm,
    (hat, inverse): (&[f32], &[f32]),
    gradient: &mut [f32],
    norm_gradient: &mut [f32],
) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let size = hidden * isa.width;
    let (weight_gradient, bias_gradient) = norm_gradient.split_at_mut(hidden);
    let panels = gradient.chunks_mut(size).zip(hat.chunks(size)).zip(inverse.chunks(isa.width));
    for ((gradient, normalised), inverse) in panels {
        add_norm::Backward {
            mask: None,
            normalised,
            inverse,
            weight: &model.parameters[norm.weight.clone()],
            gradient,
            output: None,
            weight_gradient: &mut *weight_gradient,
            bias_gradient: &mut bias_gradient[..hidden],
        }
        .run(isa);
    }
}

/// Turns queries and keys of all columns by their positions, or back.
fn turn(step: &Step, projected: &mut [f32], work: &mut Work, back: bool) {
    let (isa, config) = (step.model.isa, step.model.config);
    let rotary = step.rotary().expect("every layer of ModernBERT has rotary positions");
    let size = 3 * config.hidden_size * isa.width;
    let used = panels_len(isa, 3 * config.hidden_size, step.columns.count);
    for (at, panel) in projected[..used].chunks_mut(size).enumerate() {
        let positions = step.columns.rows.iter().skip(at * isa.width).take(isa.width).map(|rows| rows.position);
        let heads = 2 * config.num_attention_heads;
        work.angles.turn((isa, rotary, step.model.head_size()), positions, panel, heads, back);
    }
}
