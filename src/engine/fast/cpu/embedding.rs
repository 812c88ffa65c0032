//! Embeddings: `e = dropout(LayerNorm(words[id] + segments[type] + positions[place]))`, in families that factorise them
//! `W e + b`, and the rows' gradients. Some families have no segments, some no LayerNorm there.
//!
//! T columns, E width of the tables, H hidden size.

use super::columns::Columns;
use super::dense::Dense;
use super::mask::Dropout;
use super::micro_batch::Sequence;
use super::product::Start;
use super::transpose::{panel_to_rows, rows_to_panel, to_feature_panels};
use super::workspace::{Model, Tape, Work};
use super::{head, norm, panel};
use crate::encode::Batch;
use crate::engine::dropout::Site;

/// Row numbers of one token in the three tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Token id.
    pub word: usize,
    /// Place in its sequence, after what padding takes.
    pub position: usize,
    /// Segment.
    pub segment: usize,
}

/// The rows of a micro-batch's columns, in order.
pub fn rows<'a>(batch: &'a Batch, sequences: &'a [Sequence], first_position: usize) -> impl Iterator<Item = Rows> + 'a {
    sequences.iter().flat_map(move |sequence| {
        (0..sequence.length).map(move |place| Rows {
            word: batch.input_ids[sequence.first_token + place] as usize,
            position: first_position + place,
            segment: batch.token_type_ids[sequence.first_token + place] as usize,
        })
    })
}

/// Fills the first layer's input.
pub fn forward(model: &Model, columns: &Columns, tape: &mut Tape, work: &mut Work) {
    let Some(projection) = &model.layout.embeddings.projection else {
        let mut input = std::mem::take(&mut tape.layers[0].input);
        embed(model, columns, tape, &mut input, work);
        tape.layers[0].input = input;
        return;
    };
    let mut embedded = std::mem::take(&mut tape.embedded);
    embed(model, columns, tape, &mut embedded, work);
    let (weight, bias) = (&model.parameters[projection.weight.clone()], &model.parameters[projection.bias.clone()]);
    dense(model, columns).forward(weight, bias, &embedded, &mut tape.layers[0].input);
    tape.embedded = embedded;
}

/// E to H over all columns.
fn dense(model: &Model, columns: &Columns) -> Dense {
    let config = model.config;
    Dense { isa: model.isa, inputs: config.embedding_size, outputs: config.hidden_size, columns: columns.count }
}

fn dropout(model: &Model) -> Option<Dropout> {
    model.dropout(Site::Embeddings, model.config.embedding_dropout_prob)
}

/// e of all columns, `[E, T]`.
fn embed(model: &Model, columns: &Columns, tape: &mut Tape, embedded: &mut [f32], work: &mut Work) {
    let (isa, width) = (model.isa, model.config.embedding_size);
    let size = width * isa.width;
    let dropout = dropout(model);
    for (at, rows) in columns.rows.chunks(isa.width).enumerate() {
        let place = at * size..(at + 1) * size;
        sum_rows(model, rows, &mut work.token_rows);
        let token_rows = &work.token_rows[..rows.len() * width];
        let normalised = &mut embedded[place.clone()];
        match &model.layout.embeddings.norm {
            None => rows_to_panel(isa, width, token_rows, normalised),
            Some(norm) => {
                let output = &mut tape.embedding_hat[place];
                rows_to_panel(isa, width, token_rows, output);
                let inverse = &mut tape.embedding_inverse[at * isa.width..][..isa.width];
                norm::forward(model, norm, output, normalised, inverse);
            }
        }
        if let Some(dropout) = &dropout {
            dropout.fill(isa, &columns.first_indices(at, isa, width), &mut work.mask[..size]);
            super::activation::backward(isa, &work.mask[..size], normalised);
        }
    }
}

/// Sums of the tables' rows, `[tokens, E]`.
fn sum_rows(model: &Model, rows: &[Rows], output: &mut [f32]) {
    let width = model.config.embedding_size;
    let tables = &model.layout.embeddings;
    let row = |start: usize, number: usize| &model.parameters[start + number * width..][..width];
    for (rows, output) in rows.iter().zip(output.chunks_exact_mut(width)) {
        output.copy_from_slice(row(tables.words.start, rows.word));
        if !tables.segments.is_empty() {
            add(output, row(tables.segments.start, rows.segment));
        }
        if !tables.positions.is_empty() {
            add(output, row(tables.positions.start, rows.position));
        }
    }
}

/// From the gradient of the first layer's input to those of the projection, of the tables and of their LayerNorm.
pub fn backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    if let Some(projection) = &model.layout.embeddings.projection {
        let dense = dense(model, columns);
        to_feature_panels(model.isa, dense.inputs, dense.columns, &tape.embedded, &mut work.transposed);
        let (ranges, used) = ([&projection.weight, &projection.bias], dense.output_len());
        model.add(model.units() - 3, columns.micro_batch, ranges, |[weight, bias]| {
            dense.add_parameter_gradients(&work.gradient[..used], &work.transposed, weight, bias);
        });
        let weight = &model.parameters[projection.weight.clone()];
        dense.backward(weight, &work.gradient, Start::Zero, &mut work.other_gradient);
        std::mem::swap(&mut work.gradient, &mut work.other_gradient);
    }
    norm_backward(model, columns, tape, work);
    add_to_tables(model, columns, work);
}

/// From the gradient of e to that of the tables' sum.
fn norm_backward(model: &Model, columns: &Columns, tape: &Tape, work: &mut Work) {
    let (isa, width) = (model.isa, model.config.embedding_size);
    let size = width * isa.width;
    let dropout = dropout(model);
    work.norm_gradient.fill(0.0);
    for at in 0..columns.count.div_ceil(isa.width) {
        let place = at * size..(at + 1) * size;
        let gradient = &mut work.gradient[place.clone()];
        if let Some(dropout) = &dropout {
            dropout.fill(isa, &columns.first_indices(at, isa, width), &mut work.mask[..size]);
            super::activation::backward(isa, &work.mask[..size], gradient);
        }
        let Some(norm) = &model.layout.embeddings.norm else { continue };
        let kept = (&tape.embedding_hat[place], &tape.embedding_inverse[at * isa.width..][..isa.width]);
        norm::backward(model, norm, kept, gradient, &mut work.norm_gradient);
    }
}

fn add_to_tables(model: &Model, columns: &Columns, work: &mut Work) {
    let (isa, width) = (model.isa, model.config.embedding_size);
    let size = panel::panels_len(isa, width, 1);
    let tables = &model.layout.embeddings;
    // The decoder's gradient comes first where words are predicted; masked ones have a bias.
    let nothing = 0..0;
    let decoder_bias = model.layout.masked.as_ref().map_or(&nothing, |masked| &masked.bias);
    let norm = tables.norm.as_ref();
    let (norm_weight, norm_bias) = norm.map_or((&nothing, &nothing), |norm| (&norm.weight, &norm.bias));
    let ranges = [&tables.words, &tables.positions, &tables.segments, norm_weight, norm_bias, decoder_bias];
    let (gradient, token_rows, norm_gradient) = (&work.gradient, &mut work.token_rows, &work.norm_gradient);
    model.add(model.units() - 1, columns.micro_batch, ranges, |[words, positions, segments, weight, bias, decoder]| {
        if model.predicts_words() {
            head::add_to_words(model, columns, &work.masked, words, decoder);
        }
        for (at, rows) in columns.rows.chunks(isa.width).enumerate() {
            panel_to_rows(isa, width, &gradient[at * size..][..size], &mut token_rows[..rows.len() * width]);
            for (rows, gradient) in rows.iter().zip(token_rows.chunks_exact(width)) {
                add(&mut words[rows.word * width..][..width], gradient);
                if !positions.is_empty() {
                    add(&mut positions[rows.position * width..][..width], gradient);
                }
                if !segments.is_empty() {
                    add(&mut segments[rows.segment * width..][..width], gradient);
                }
            }
        }
        add(weight, &norm_gradient[..width]);
        add(bias, &norm_gradient[width..]);
    });
}

/// `sum += values`.
pub fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
