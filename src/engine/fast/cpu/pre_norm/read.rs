//! After the last layer: LayerNorm of all columns, and of them what the head reads: every token, each sequence's first one, or
//! the mean of its tokens.

use super::super::columns::Columns;
use super::super::embedding::add;
use super::super::micro_batch::Sequence;
use super::super::norm;
use super::super::panel::{panels_len, place};
use super::super::workspace::{Model, Tape, Work};
use crate::engine::fast::flat::Norm;
use crate::family::Read;

/// Fills `tape.output` `[H, S]`, or `[H, T]` for a head of every token, from the last layer's output in `tape.final_hat`.
pub fn read(
    model: &Model,
    norm: &Norm,
    columns: &Columns,
    sequences: &[Sequence],
    (tape, work): (&mut Tape, &mut Work),
) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let used = panels_len(isa, hidden, columns.count);
    work.gate[..used].copy_from_slice(&tape.final_hat[..used]);
    norm::normalise(model, norm, &mut work.gate[..used], (&mut tape.final_hat, &mut tape.final_inverse));
    if model.head.reads_every_token() {
        return tape.output[..used].copy_from_slice(&work.gate[..used]);
    }
    tape.output[..panels_len(isa, hidden, sequences.len())].fill(0.0);
    each(model, sequences, &mut |from, to, share| {
        for row in 0..hidden {
            tape.output[to + row * isa.width] += share * work.gate[from + row * isa.width];
        }
    });
}

/// `work.gradient` goes from `[H, S]` to `[H, T]` where a head reads sequences, and through the LayerNorm.
pub fn spread(model: &Model, norm: &Norm, columns: &Columns, sequences: &[Sequence], (tape, work): (&Tape, &mut Work)) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    let used = panels_len(isa, hidden, columns.count);
    if !model.head.reads_every_token() {
        std::mem::swap(&mut work.gradient, &mut work.other_gradient);
        work.gradient[..used].fill(0.0);
        each(model, sequences, &mut |to, from, share| {
            for row in 0..hidden {
                work.gradient[to + row * isa.width] = share * work.other_gradient[from + row * isa.width];
            }
        });
    }
    work.norm_gradient.fill(0.0);
    let kept = (&*tape.final_hat, &*tape.final_inverse);
    norm::backward(model, norm, kept, &mut work.gradient[..used], &mut work.norm_gradient);
    model.add(model.units() - 3, columns.micro_batch, [&norm.weight, &norm.bias], |[weight, bias]| {
        let (weight_gradient, bias_gradient) = work.norm_gradient.split_at(hidden);
        add(weight, weight_gradient);
        add(bias, bias_gradient);
    });
}

/// Where each token that is read lies, where its sequence lies among those read, and its share in it.
fn each(model: &Model, sequences: &[Sequence], visit: &mut dyn FnMut(usize, usize, f32)) {
    let (isa, hidden) = (model.isa, model.config.hidden_size);
    for (at, sequence) in sequences.iter().enumerate() {
        let (count, to) = match model.config.read() {
            Read::Mean => (sequence.length, place(isa, hidden, at)),
            Read::First | Read::Last => (1, place(isa, hidden, at)),
            Read::Words | Read::Compared => unreachable!("no model with a LayerNorm after its last layer reads that"),
        };
        for column in sequence.start..sequence.start + count {
            visit(place(isa, hidden, column), to, 1.0 / count as f32);
        }
    }
}
