//! The columns of a micro-batch: which tokens they are, and which of them the head reads.

use super::buffer::Buffer;
use super::embedding::Rows;
use super::head::Questions;
use super::lstm::Steps;
use super::mask::MAX_WIDTH;
use super::micro_batch::Sequence;
use super::panel::{copy_columns, panels_len};
use super::simd::Isa;
use super::workspace::Model;
use crate::encode::{Batch, Targets};
use crate::family::Read;
use crate::task::Head;

/// The columns of a micro-batch; the vectors are used again.
#[derive(Default)]
pub struct Columns {
    /// Number of the micro-batch in its batch.
    pub micro_batch: usize,
    /// T.
    pub count: usize,
    /// Rows of the embedding tables, `[T]`.
    pub rows: Vec<Rows>,
    /// Token numbers within the step, `[T]`.
    pub tokens: Vec<u64>,
    /// Columns that the head reads, `[Q]`; all of them where it is empty.
    pub selected: Vec<usize>,
    /// Token numbers of those, `[Q]`.
    pub selected_tokens: Vec<u64>,
    /// Where each sequence's selected columns begin and end among them, `[S + 1]`.
    pub bounds: Vec<usize>,
    /// Where the token that is read of each sequence is among them, `[S]`.
    pub firsts: Vec<usize>,
    /// Where each token at which a word is predicted is among them, `[M]`: a masked one, or one that is followed by another.
    pub masked: Vec<usize>,
    /// The words that stood there, or that follow, `[M]`.
    pub masked_words: Vec<u32>,
    /// Their shares in the loss, before it is divided, `[M]`.
    pub word_shares: Vec<f64>,
    /// Columns of their own for any of these: `0, 1, …`.
    pub places: Vec<usize>,
    /// Numbers of the sequences within the step, `[S]`.
    pub sequences: Vec<u64>,
    /// Sequences whose pooled states are added: those of an example, but where one of them is chosen.
    pub added: usize,
    /// First and last column of each sequence, where a BiLSTM reads them and a head the sequence, `[S]`.
    pub ends: Vec<[usize; 2]>,
    /// What the masks before the classifier count, `[S / added]`: sequences, or examples.
    pub classified: Vec<u64>,
    /// The columns position after position, where a BiLSTM reads them.
    pub steps: Steps,
    /// Token numbers in that order, `[T]`.
    pub step_tokens: Vec<u64>,
    /// What a span head with beams must know beside.
    pub questions: Questions,
}

impl Columns {
    /// Describes a micro-batch.
    pub fn set(&mut self, micro_batch: usize, batch: &Batch, sequences: &[Sequence], model: &Model) {
        let first = model.part.map_or(0, |part| part.first_token) as u64;
        self.micro_batch = micro_batch;
        self.rows.clear();
        self.rows.extend(super::embedding::rows(batch, sequences, model.config.first_position));
        self.count = self.rows.len();
        self.tokens.clear();
        for sequence in sequences {
            let start = first + sequence.first_token as u64;
            self.tokens.extend(start..start + sequence.length as u64);
        }
        self.selected.clear();
        self.selected_tokens.clear();
        let first_sequence = model.part.map_or(0, |part| part.first_sequence);
        self.sequences.clear();
        self.sequences.extend(sequences.iter().map(|sequence| (first_sequence + sequence.index) as u64));
        self.added = model.added(batch);
        let shared = model.config.family.pooler(model.head).is_some_and(|pooler| pooler.shares_dropout);
        let share = if shared { batch.together } else { self.added } as u64;
        self.classified.clear();
        self.classified.extend(self.sequences.iter().step_by(self.added).map(|sequence| sequence / share));
        self.select(batch, sequences, model);
        if model.head == Head::BeamSpan {
            self.questions.set(batch, sequences);
        }
        self.places.clear();
        self.places.extend(0..self.count);
        self.step_tokens.clear();
        if model.feature_based().is_some() || model.has_bilstm() {
            self.steps.set(sequences.iter().map(Sequence::columns));
            self.step_tokens.extend(self.steps.order().iter().map(|column| self.tokens[*column]));
        }
    }

    /// Selects the token that is read of each sequence, its first or in a causal model its last, and those at which words are
    /// predicted, in order.
    fn select(&mut self, batch: &Batch, sequences: &[Sequence], model: &Model) {
        for list in [&mut self.bounds, &mut self.firsts, &mut self.masked] {
            list.clear();
        }
        self.masked_words.clear();
        self.ends.clear();
        self.word_shares.clear();
        self.bounds.push(0);
        for sequence in sequences {
            if !model.head.reads_every_token() {
                let last = sequence.start + sequence.length - 1;
                let read = if model.config.read() == Read::Last { last } else { sequence.start };
                match model.has_bilstm() {
                    true => self.ends.push([sequence.start, last]),
                    false => self.select_of(batch, sequence, read, model),
                }
            }
            self.bounds.push(self.selected.len());
        }
        self.selected_tokens.extend(self.selected.iter().map(|column| self.tokens[*column]));
    }

    fn select_of(&mut self, batch: &Batch, sequence: &Sequence, read: usize, model: &Model) {
        let tokens = sequence.first_token..sequence.first_token + sequence.length;
        let mut share = 1.0;
        if model.predicts_next() {
            share = model.config.auxiliary_lm / ((sequence.length - 1) * batch.together) as f64;
            for (column, next) in (sequence.start..).zip(&batch.input_ids[tokens.start + 1..tokens.end]) {
                self.select_word(column, *next, read);
            }
        } else if let Targets::Masked { words, .. } = &batch.targets {
            let from = words.partition_point(|(token, _)| (*token as usize) < tokens.start);
            for (token, word) in words[from..].iter().take_while(|(token, _)| (*token as usize) < tokens.end) {
                self.select_word(sequence.start + *token as usize - tokens.start, *word, read);
            }
        }
        self.select_column(usize::MAX, read);
        self.word_shares.resize(self.masked.len(), share);
    }

    /// Selects a column at which a word is predicted.
    fn select_word(&mut self, column: usize, word: u32, read: usize) {
        self.select_column(column, read);
        self.masked.push(self.selected.len() - 1);
        self.masked_words.push(word);
    }

    /// Selects a column after those before it, and the one that is read where its place comes.
    fn select_column(&mut self, column: usize, read: usize) {
        let before = self.bounds.last().copied().unwrap_or_default();
        let newest = self.selected[before..].last().copied();
        if newest.is_none_or(|newest| newest < read) && read <= column {
            self.firsts.push(self.selected.len());
            self.selected.push(read);
        }
        if column != read && column != usize::MAX {
            self.selected.push(column);
        }
    }

    /// Token numbers of the columns that the head reads, `[Q]`.
    pub fn read_tokens(&self) -> &[u64] {
        if self.selected.is_empty() { &self.tokens } else { &self.selected_tokens }
    }

    /// Columns in the order of [`Columns::steps`].
    pub fn in_order(&self, isa: Isa, rows: usize, values: &[f32], ordered: &mut Buffer) {
        ordered.fit(panels_len(isa, rows, self.count));
        copy_columns(isa, rows, (values, self.steps.order()), (ordered, &self.places[..self.count]));
    }

    /// The way back.
    pub fn put_back(&self, isa: Isa, rows: usize, ordered: &[f32], values: &mut [f32]) {
        copy_columns(isa, rows, (ordered, &self.places[..self.count]), (values, self.steps.order()));
    }

    /// Mask index of row 0 of each lane of a panel of all columns; a row has `width` values.
    pub fn first_indices(&self, panel: usize, isa: Isa, width: usize) -> [u64; MAX_WIDTH] {
        first_indices(&self.tokens, panel, isa, width)
    }
}

/// Mask index of row 0 of each lane of a panel; `items` are tokens or sequences of `width` values each.
pub fn first_indices(items: &[u64], panel: usize, isa: Isa, width: usize) -> [u64; MAX_WIDTH] {
    let mut first = [0; MAX_WIDTH];
    let lanes = items.iter().skip(panel * isa.width).take(isa.width);
    first.iter_mut().zip(lanes).for_each(|(first, item)| *first = item * width as u64);
    first
}
