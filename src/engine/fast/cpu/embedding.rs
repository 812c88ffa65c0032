//! Embeddings: `dropout(LayerNorm(words[id] + segments[type] + positions[place]))`, and the rows' gradients.

use super::columns::Columns;
use super::micro_batch::Sequence;
use super::transpose::{panel_to_rows, rows_to_panel};
use super::workspace::{Model, Tape, Work};
use super::{add_norm, head, panel};
use crate::encode::Batch;
use crate::engine::dropout::Site;

/// Row numbers of one token in the three tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Token id.
    pub word: usize,
    /// Place in its sequence.
    pub position: usize,
    /// Segment.
    pub segment: usize,
}

/// The rows of a micro-batch's columns, in order.
pub fn rows<'a>(batch: &'a Batch, sequences: &'a [Sequence]) -> impl Iterator<Item = Rows> + 'a {
    sequences.iter().flat_map(|sequence| {
        (0..sequence.length).map(|position| Rows {
            word: batch.input_ids[sequence.first_token + position] as usize,
            position,
            segment: batch.token_type_ids[sequence.first_token + position] as usize,
        })
    })
}

/// Fills the first layer's input.
pub fn forward(model: &Model, columns: &Columns, tape: &mut Tape, work: &mut Work) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let size = hidden * isa.width;
    let norm = &model.layout.embeddings.norm;
    let dropout = model.hidden_dropout(Site::Embeddings);
    let input = &mut tape.layers[0].input;
    for (at, rows) in columns.rows.chunks(isa.width).enumerate() {
        let place = at * size..(at + 1) * size;
        sum_rows(model, rows, &mut work.token_rows);
        let output = &mut tape.embedding_hat[place.clone()];
        rows_to_panel(isa, hidden, &work.token_rows[..rows.len() * hidden], output);
        let normalised = &mut input[place];
        add_norm::Forward {
            residual: None,
            mask: None,
            output,
            weight: &model.parameters[norm.weight.clone()],
            bias: &model.parameters[norm.bias.clone()],
            epsilon: model.config.layer_norm_eps,
            inverse: &mut tape.embedding_inverse[at * isa.width..][..isa.width],
            normalised,
        }
        .run(isa);
        if let Some(dropout) = &dropout {
            dropout.fill(isa, &columns.first_indices(at, isa, hidden), &mut work.mask[..size]);
            super::activation::backward(isa, &work.mask[..size], normalised);
        }
    }
}

/// Sums of the three tables' rows, `[tokens, H]`.
fn sum_rows(model: &Model, rows: &[Rows], output: &mut [f32]) {
    let hidden = model.config.hidden_size;
    let tables = &model.layout.embeddings;
    let row = |start: usize, number: usize| &model.parameters[start + number * hidden..][..hidden];
    for (rows, output) in rows.iter().zip(output.chunks_exact_mut(hidden)) {
        let words = row(tables.words.start, rows.word).iter();
        let others = row(tables.segments.start, rows.segment).iter().zip(row(tables.positions.start, rows.position));
        for ((output, word), (segment, position)) in output.iter_mut().zip(words).zip(others) {
            *output = word + segment + position;
        }
    }
}

/// From the gradient of the first layer's input to those of the tables and of their LayerNorm.
pub fn backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let size = hidden * isa.width;
    let norm = &model.layout.embeddings.norm;
    let dropout = model.hidden_dropout(Site::Embeddings);
    work.norm_gradient.fill(0.0);
    for at in 0..columns.count.div_ceil(isa.width) {
        let place = at * size..(at + 1) * size;
        let gradient = &mut work.gradient[place.clone()];
        if let Some(dropout) = &dropout {
            dropout.fill(isa, &columns.first_indices(at, isa, hidden), &mut work.mask[..size]);
            super::activation::backward(isa, &work.mask[..size], gradient);
        }
        let (weight_gradient, bias_gradient) = work.norm_gradient.split_at_mut(hidden);
        add_norm::Backward {
            mask: None,
            normalised: &tape.embedding_hat[place],
            inverse: &tape.embedding_inverse[at * isa.width..][..isa.width],
            weight: &model.parameters[norm.weight.clone()],
            gradient,
            output: None,
            weight_gradient,
            bias_gradient,
        }
        .run(isa);
    }
    add_to_tables(model, columns, work);
}

fn add_to_tables(model: &Model, columns: &Columns, work: &mut Work) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let size = panel::panels_len(isa, hidden, 1);
    let tables = &model.layout.embeddings;
    // The words' ranges in pre-training, where the decoder's gradient comes first.
    let nothing = 0..0;
    let decoder_bias = model.layout.masked.as_ref().map_or(&nothing, |masked| &masked.bias);
    let norm = &tables.norm;
    let ranges = [&tables.words, &tables.positions, &tables.segments, &norm.weight, &norm.bias, decoder_bias];
    let (gradient, token_rows, norm_gradient) = (&work.gradient, &mut work.token_rows, &work.norm_gradient);
    model.add(model.units() - 1, columns.micro_batch, ranges, |[words, positions, segments, weight, bias, decoder]| {
        if model.layout.masked.is_some() {
            head::add_to_words(model, columns, &work.masked, words, decoder);
        }
        for (at, rows) in columns.rows.chunks(isa.width).enumerate() {
            panel_to_rows(isa, hidden, &gradient[at * size..][..size], &mut token_rows[..rows.len() * hidden]);
            for (rows, gradient) in rows.iter().zip(token_rows.chunks_exact(hidden)) {
                add(&mut words[rows.word * hidden..][..hidden], gradient);
                add(&mut positions[rows.position * hidden..][..hidden], gradient);
                add(&mut segments[rows.segment * hidden..][..hidden], gradient);
            }
        }
        add(weight, &norm_gradient[..hidden]);
        add(bias, &norm_gradient[hidden..]);
    });
}

/// `sum += values`.
pub fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
