//! Words by their characters: convolutions, the maximum over places, highway layers and a projection, as the reference engine
//! says them. Nothing of it is trained, so that nothing is kept.
//!
//! Windows that hold padding alone are all the same: of a short word only those up to the first of them are computed.
//!
//! U words, C characters of each, E width of a character, K filters of a width, F filters of all, P width of a word.

use super::super::buffer::Buffer;
use super::super::panel::{panels_len, place};
use super::super::product::{Left, Start, in_panels};
use super::super::simd::{Isa, sigmoid, vectors, vectors_mut};
use crate::engine::fast::flat::{self, LanguageModel};
use crate::family::{Elmo, PADDING_CHARACTER};
use pulp::{Simd, WithSimd};

/// Windows that are convolved at once.
const WINDOWS: usize = 512;

/// The characters' part of a model.
#[derive(Clone, Copy)]
pub struct Characters<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// Sizes.
    pub own: &'a Elmo,
    /// P.
    pub size: usize,
    /// Where parameters lie.
    pub layout: &'a LanguageModel,
    /// Parameters.
    pub parameters: &'a [f32],
}

/// What a pass works with.
#[derive(Default)]
pub struct Scratch {
    /// Word and place of each window.
    windows: Vec<(usize, usize)>,
    /// Their characters' embeddings `[w E, WINDOWS]`.
    characters: Buffer,
    /// What the filters make of them `[K, WINDOWS]`.
    convolved: Buffer,
    /// All filters' maxima, then the highway layers' output `[F, U]`.
    words: Buffer,
    /// A highway layer's transformed words and its gate `[F, U]`.
    highway: [Buffer; 2],
}

impl Characters<'_> {
    /// From characters `[U, C]` to `output` `[P, U]`.
    pub fn forward(&self, characters: &[u32], output: &mut Buffer, scratch: &mut Scratch) {
        let (count, filters) = (characters.len() / self.own.max_characters, self.own.filter_count());
        scratch.words.fit(panels_len(self.isa, filters, count));
        scratch.words.fill(f32::NEG_INFINITY);
        let mut row = 0;
        for which in 0..self.own.filters.len() {
            self.convolve(which, row, characters, scratch);
            row += self.own.filters[which][1];
        }
        let biases = self.layout.filters.iter().flat_map(|filter| self.values(&filter.bias));
        rectify(self.isa, biases, &mut scratch.words);
        for [transform, carry] in &self.layout.highways {
            let [moved, gate] = &mut scratch.highway;
            self.affine(transform, (filters, filters, count), &scratch.words, moved);
            self.affine(carry, (filters, filters, count), &scratch.words, gate);
            self.isa.run(Highway { gate, moved, words: &mut scratch.words });
        }
        self.affine(&self.layout.projection, (filters, self.size, count), &scratch.words, output);
    }

    fn values(&self, range: &std::ops::Range<usize>) -> &[f32] {
        &self.parameters[range.clone()]
    }

    /// `W x + b` of columns, W `[in, out]`.
    fn affine(
        &self,
        dense: &flat::Dense,
        (inputs, outputs, columns): (usize, usize, usize),
        x: &[f32],
        output: &mut Buffer,
    ) {
        output.fit(panels_len(self.isa, outputs, columns));
        let left = Left::Columns { values: self.values(&dense.weight), stride: outputs };
        in_panels(self.isa, (outputs, columns, inputs), left, x, Start::Bias(self.values(&dense.bias)), output);
    }

    /// Raises the words' rows from `row` on to what the filters of one width find.
    fn convolve(&self, which: usize, row: usize, characters: &[u32], scratch: &mut Scratch) {
        let Scratch { windows, characters: embedded, convolved, words, .. } = scratch;
        let ([width, filters], most) = (self.own.filters[which], self.own.max_characters);
        windows.clear();
        for (word, characters) in characters.chunks(most).enumerate() {
            let used = characters.iter().position(|id| *id == PADDING_CHARACTER).unwrap_or(most);
            windows.extend((0..=used.min(most - width)).map(|place| (word, place)));
        }
        let inputs = width * self.own.character_size;
        let left = Left::Columns { values: self.values(&self.layout.filters[which].weight), stride: filters };
        embedded.fit(panels_len(self.isa, inputs, WINDOWS));
        convolved.fit(panels_len(self.isa, filters, WINDOWS));
        for windows in windows.chunks(WINDOWS) {
            self.embed(windows, width, characters, embedded);
            in_panels(self.isa, (filters, windows.len(), inputs), left, embedded, Start::Zero, convolved);
            self.raise((row, filters), windows, convolved, words);
        }
    }

    /// The characters of windows, one column each.
    fn embed(&self, windows: &[(usize, usize)], width: usize, characters: &[u32], embedded: &mut [f32]) {
        let (table, size) = (self.values(&self.layout.characters), self.own.character_size);
        for (column, (word, first)) in windows.iter().enumerate() {
            let start = place(self.isa, width * size, column);
            let ids = &characters[word * self.own.max_characters + first..][..width];
            for (at, id) in ids.iter().enumerate() {
                for (e, value) in table[*id as usize * size..][..size].iter().enumerate() {
                    embedded[start + (at * size + e) * self.isa.width] = *value;
                }
            }
        }
    }

    fn raise(&self, (row, filters): (usize, usize), windows: &[(usize, usize)], convolved: &[f32], words: &mut [f32]) {
        let (step, all) = (self.isa.width, self.own.filter_count());
        for (column, (word, _)) in windows.iter().enumerate() {
            let (from, to) = (place(self.isa, filters, column), place(self.isa, all, *word) + row * step);
            for at in (0..filters * step).step_by(step) {
                words[to + at] = words[to + at].max(convolved[from + at]);
            }
        }
    }
}

/// `max(x + b, 0)` of every row; lanes without a word become 0.
fn rectify<'a>(isa: Isa, biases: impl Iterator<Item = &'a f32> + Clone, words: &mut [f32]) {
    let rows = words.chunks_mut(isa.width).zip(biases.cycle());
    rows.for_each(|(row, bias)| row.iter_mut().for_each(|value| *value = (*value + bias).max(0.0)));
}

/// `x += σ(gate) (max(moved, 0) - x)`.
struct Highway<'a> {
    gate: &'a [f32],
    moved: &'a [f32],
    words: &'a mut [f32],
}

impl WithSimd for Highway<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let both = vectors::<S>(self.gate).iter().zip(vectors::<S>(self.moved));
        for (x, (gate, moved)) in vectors_mut::<S>(self.words).iter_mut().zip(both) {
            let moved = simd.max_f32s(*moved, simd.splat_f32s(0.0));
            *x = simd.mul_add_f32s(sigmoid(simd, *gate), simd.sub_f32s(moved, *x), *x);
        }
    }
}
