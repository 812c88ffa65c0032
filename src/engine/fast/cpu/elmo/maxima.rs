//! What the head reads of texts: the maximum of each value over a text's words, u and v of two texts, and of these
//! `[u; v; |u - v|; u v]`. Of equal words the first one has the gradient, and of u = v the difference has that of u > v.
//!
//! D values of a word, B sequences, S texts.

use super::super::panel::place;
use super::super::simd::Isa;

/// Maxima of texts, and where they are.
#[derive(Default)]
pub struct Maxima {
    /// `[S, D]`.
    values: Vec<f32>,
    /// Columns of words `[S, D]`.
    columns: Vec<usize>,
}

impl Maxima {
    /// Takes those of texts, each the columns of its words in `words` `[D, W]`.
    pub fn take<'a>(&mut self, isa: Isa, size: usize, texts: impl Iterator<Item = &'a [usize]>, words: &[f32]) {
        self.values.clear();
        self.columns.clear();
        for text in texts {
            for row in 0..size {
                let value = |column: usize| words[place(isa, size, column) + row * isa.width];
                let better = |best: usize, column: &usize| if value(*column) > value(best) { *column } else { best };
                let best = text[1..].iter().fold(text[0], better);
                self.columns.push(best);
                self.values.push(value(best));
            }
        }
    }

    /// Fills `output` `[4 D, B]`, or `[D, B]` where a sequence is one text.
    pub fn read(&self, isa: Isa, size: usize, pairs: bool, output: &mut [f32]) {
        let step = isa.width;
        if !pairs {
            for (at, value) in self.values.iter().enumerate() {
                output[place(isa, size, at / size) + at % size * step] = *value;
            }
            return;
        }
        for (sequence, both) in self.values.chunks(2 * size).enumerate() {
            let (first, (u, v)) = (place(isa, 4 * size, sequence), both.split_at(size));
            for (row, (u, v)) in u.iter().zip(v).enumerate() {
                for (part, value) in [*u, *v, (u - v).abs(), u * v].into_iter().enumerate() {
                    output[first + (part * size + row) * step] = value;
                }
            }
        }
    }

    /// From the gradient of what was read to that of the words, which begins as zeros.
    pub fn spread(&self, isa: Isa, size: usize, pairs: bool, gradient: &[f32], words: &mut [f32]) {
        let rows = if pairs { 4 * size } else { size };
        let mut to = |at: usize, value: f32| {
            words[place(isa, size, self.columns[at]) + at % size * isa.width] += value;
        };
        for at in 0..self.values.len() {
            let (text, row) = (at / size, at % size);
            let sequence = if pairs { text / 2 } else { text };
            let above = |part: usize| gradient[place(isa, rows, sequence) + (part * size + row) * isa.width];
            if !pairs {
                to(at, above(0));
                continue;
            }
            let (second, other) = (text % 2, if text.is_multiple_of(2) { at + size } else { at - size });
            let own_is_u = second == 0;
            let (u, v) = if own_is_u { (at, other) } else { (other, at) };
            let sign = if (self.values[u] >= self.values[v]) == own_is_u { 1.0 } else { -1.0 };
            to(at, above(second) + sign * above(2) + self.values[other] * above(3));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fast::cpu::panel::{from_panels, panels_len, to_panels};

    // Words (1, 5), (3, 2) and, of the second text, (2, 4): u = (3, 5), v = (2, 4).
    #[test]
    fn a_pair_by_hand() {
        for isa in Isa::all() {
            let words = to_panels(isa, 2, &[1.0, 5.0, 3.0, 2.0, 2.0, 4.0]);
            let (mut maxima, texts) = (Maxima::default(), [&[0usize, 1][..], &[2]]);
            maxima.take(isa, 2, texts.into_iter(), &words);
            let mut read = vec![0.0; panels_len(isa, 8, 1)];
            maxima.read(isa, 2, true, &mut read);
            assert_eq!(from_panels(isa, 8, 1, &read), [3.0, 5.0, 2.0, 4.0, 1.0, 1.0, 6.0, 20.0]);
            let above = to_panels(isa, 8, &[1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 100.0, 200.0]);
            let mut gradient = vec![0.0; panels_len(isa, 2, 3)];
            maxima.spread(isa, 2, true, &above, &mut gradient);
            // du = (1 + 10 + 2 · 100, 2 + 20 + 4 · 200), dv = (3 - 10 + 3 · 100, 4 - 20 + 5 · 200).
            assert_eq!(from_panels(isa, 2, 3, &gradient), [0.0, 822.0, 211.0, 0.0, 293.0, 984.0]);
        }
    }
}
