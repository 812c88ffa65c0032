//! LayerNorm alone over panels, both ways: [`add_norm`] without a residual. It follows the embeddings and poolers, stands in
//! the masked words' head and before ModernBERT's blocks.

use super::add_norm;
use super::workspace::Model;
use crate::engine::fast::flat::Norm;

/// Values of a panel.
fn size(model: &Model, norm: &Norm) -> usize {
    norm.weight.len() * model.isa.width
}

/// `hat` holds the input and becomes x̂; `normalised` gets the output.
pub fn forward(model: &Model, norm: &Norm, hat: &mut [f32], normalised: &mut [f32], inverse: &mut [f32]) {
    let (isa, size) = (model.isa, size(model, norm));
    let panels = hat.chunks_mut(size).zip(normalised.chunks_mut(size)).zip(inverse.chunks_mut(isa.width));
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

/// The same in place: `values` become their LayerNorm, `hat` its x̂.
pub fn normalise(model: &Model, norm: &Norm, values: &mut [f32], (hat, inverse): (&mut [f32], &mut [f32])) {
    hat[..values.len()].copy_from_slice(values);
    forward(model, norm, hat, values, inverse);
}

/// The backward pass: `gradient` becomes that of the input; added to `norm_gradient` `[2 H]`, those of factor and summand.
pub fn backward(
    model: &Model,
    norm: &Norm,
    (hat, inverse): (&[f32], &[f32]),
    gradient: &mut [f32],
    norm_gradient: &mut [f32],
) {
    let (isa, rows, size) = (model.isa, norm.weight.len(), size(model, norm));
    let (weight_gradient, bias_gradient) = norm_gradient.split_at_mut(rows);
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
            bias_gradient: &mut bias_gradient[..rows],
        }
        .run(isa);
    }
}
