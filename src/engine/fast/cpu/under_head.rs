//! A BiLSTM between an encoder that is trained and its head (BERT, Section 5.1, "+ BiLSTM"): the encoder's output `[H, T]`
//! becomes what the head reads, `[H, T]` too, and the head's gradient goes through it to the encoder.
//!
//! T columns, S sequences, H hidden size, H / 2 units of a direction. Under a sequence head, too, the encoder's last layer is
//! computed for all columns; what it reads of a sequence is each direction's state where that has read all of it.

use super::bilstm::{self, BiLstm};
use super::buffer::Buffer;
use super::columns::Columns;
use super::panel::{Corner, copy_rectangle, panels_len};
use super::workspace::{Model, Tape, Work};

/// What the passes keep and work with, in the order of the steps, `[H, T]` each.
#[derive(Default)]
pub struct State {
    input: Buffer,
    gradient: Buffer,
    input_gradient: Buffer,
    bilstm: bilstm::State,
}

/// A model with a BiLSTM under its head.
#[derive(Clone, Copy)]
pub struct UnderHead<'a> {
    model: &'a Model<'a>,
    columns: &'a Columns,
}

impl<'a> UnderHead<'a> {
    /// `None` where the head reads the encoder itself.
    pub fn of(model: &'a Model<'a>, columns: &'a Columns) -> Option<UnderHead<'a>> {
        model.has_bilstm().then_some(UnderHead { model, columns })
    }

    /// H.
    fn hidden(&self) -> usize {
        self.model.config.hidden_size
    }

    fn bilstm(&self) -> BiLstm<'a> {
        BiLstm::of(self.model, self.columns, (self.hidden(), self.model.config.bilstm_units()))
    }

    /// `tape.output` from the encoder's to the BiLSTM's.
    pub fn forward(&self, tape: &mut Tape) {
        let State { input, bilstm, .. } = &mut tape.under_head;
        self.columns.in_order(self.model.isa, self.hidden(), &tape.output, input);
        self.bilstm().forward(input, bilstm);
        self.columns.put_back(self.model.isa, self.hidden(), bilstm.output(), &mut tape.output);
    }

    /// `output_gradient` from that of the BiLSTM's output to that of the encoder's, and the parameters' gradients.
    pub fn backward(&self, output_gradient: &mut [f32], tape: &mut Tape) {
        let State { input, gradient, input_gradient, bilstm } = &mut tape.under_head;
        self.columns.in_order(self.model.isa, self.hidden(), output_gradient, gradient);
        input_gradient.fit(input.len());
        self.bilstm().backward(self.columns.micro_batch, input, gradient, bilstm, Some(input_gradient));
        self.columns.put_back(self.model.isa, self.hidden(), input_gradient, output_gradient);
    }
}

/// What a sequence head reads: of `[H, T]` the forward half of each sequence's last column and the other of its first, `[H, S]`.
pub fn read(model: &Model, columns: &Columns, output: &[f32], read: &mut [f32]) {
    each(model, columns, |units, from, to| copy_rectangle(model.isa, (units, 1), (output, from), (read, to)));
}

/// The gradient of that, in `work.other_gradient`, to that of all columns in `work.gradient`.
pub fn spread(model: &Model, columns: &Columns, work: &mut Work) {
    let (isa, Work { gradient, other_gradient, .. }) = (model.isa, work);
    gradient[..panels_len(isa, model.config.hidden_size, columns.count)].fill(0.0);
    each(model, columns, |units, to, from| copy_rectangle(isa, (units, 1), (other_gradient, from), (gradient, to)));
}

/// So many rows, where they lie among all columns, and where among those that are read.
fn each(model: &Model, columns: &Columns, mut visit: impl FnMut(usize, Corner, Corner)) {
    let (height, units) = (model.config.hidden_size, model.config.bilstm_units());
    for (sequence, [first, last]) in columns.ends.iter().enumerate() {
        for (row, column) in [(0, *last), (units, *first)] {
            visit(units, Corner { height, row, column }, Corner { height, row, column: sequence });
        }
    }
}
