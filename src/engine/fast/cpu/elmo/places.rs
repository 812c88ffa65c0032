//! Which words a micro-batch has, and which column each has where.
//!
//! U distinct words, C characters of each, N words of all texts, W without those that mark texts' ends.

use super::super::lstm::Steps;
use super::super::micro_batch::Sequence;
use crate::encode::{Batch, Words};
use crate::engine::StepPart;
use std::collections::HashMap;
use std::ops::Range;

/// The words of a micro-batch; the vectors are used again.
#[derive(Default)]
pub struct Places {
    /// Characters of distinct words, in the order of their first places `[U, C]`.
    pub characters: Vec<u32>,
    /// Which of those each word is `[N]`.
    pub distinct: Vec<usize>,
    /// Columns of the language model: texts with their marks.
    pub framed: Steps,
    /// Columns of all after it.
    pub inner: Steps,
    /// The language model's column of each of those `[W]`.
    pub from: Vec<usize>,
    /// `0, 1, …` `[W]`.
    pub all: Vec<usize>,
    /// Each column's number within the step, for dropout `[W]`.
    pub numbers: Vec<u64>,
    /// Columns of words, text after text `[W]`, and where texts begin and end among them.
    columns: Vec<usize>,
    bounds: Vec<usize>,
}

impl Places {
    /// Describes a micro-batch.
    pub fn set(&mut self, batch: &Batch, sequences: &[Sequence], max_characters: usize, part: Option<&StepPart>) {
        let tokens = sequences.iter().flat_map(|own| own.first_token..own.first_token + own.length);
        let words = Words::read(tokens.map(|token| (token, batch.input_ids[token])), max_characters);
        self.tell_apart(&words, max_characters);
        self.framed.set(stretches(words.lengths.iter().copied()));
        self.inner.set(stretches(words.lengths.iter().map(|length| length - 2)));
        let (rows, first) = (words.inner(), part.map_or(0, |part| part.first_token));
        let framed = inverse(self.framed.order());
        let row = |inner: &usize| rows[*inner] as usize;
        self.from.clear();
        self.from.extend(self.inner.order().iter().map(|inner| framed[row(inner)]));
        self.all.clear();
        self.all.extend(0..rows.len());
        self.numbers.clear();
        self.numbers.extend(self.inner.order().iter().map(|inner| (first + words.tokens[row(inner)]) as u64));
        self.columns = inverse(self.inner.order());
        self.bounds.clear();
        self.bounds.push(0);
        self.bounds.extend(stretches(words.lengths.iter().map(|length| length - 2)).map(|stretch| stretch.end));
    }

    fn tell_apart(&mut self, words: &Words, max_characters: usize) {
        let mut known: HashMap<&[u32], usize> = HashMap::new();
        self.characters.clear();
        self.distinct.clear();
        for characters in words.characters.chunks(max_characters) {
            let new = known.len();
            let at = *known.entry(characters).or_insert(new);
            if at == new {
                self.characters.extend(characters);
            }
            self.distinct.push(at);
        }
    }

    /// The columns of each text's words.
    pub fn texts(&self) -> impl Iterator<Item = &[usize]> {
        self.bounds.windows(2).map(|bounds| &self.columns[bounds[0]..bounds[1]])
    }

    /// Those of each pair of texts.
    pub fn pairs(&self) -> Vec<[&[usize]; 2]> {
        let texts: Vec<&[usize]> = self.texts().collect();
        texts.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
    }
}

/// Neighbouring ranges of these lengths.
fn stretches(lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = Range<usize>> {
    lengths.scan(0, |end, length| {
        *end += length;
        Some(*end - length..*end)
    })
}

/// Where each number is in a list of all below its length.
fn inverse(order: &[usize]) -> Vec<usize> {
    let mut places = vec![0; order.len()];
    order.iter().enumerate().for_each(|(column, row)| places[*row] = column);
    places
}
