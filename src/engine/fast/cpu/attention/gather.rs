//! Rows of one head and columns of one sequence, copied out of panels and back.

use super::{Attention, Source, Target};
use std::ops::Range;

/// Calls `copy(panel, lane, offset, count)` for each stretch of columns within one panel of the array; `offset` counts
/// from the first column.
fn stretches(width: usize, columns: Range<usize>, mut copy: impl FnMut(usize, usize, usize, usize)) {
    let mut at = columns.start;
    while at < columns.end {
        let lane = at % width;
        let count = (width - lane).min(columns.end - at);
        copy(at / width, lane, at - columns.start, count);
        at += count;
    }
}

impl Source<'_> {
    /// Row `row` of a head in a panel.
    fn row(&self, width: usize, panel: usize, row: usize) -> &[f32] {
        &self.values[(panel * self.rows + self.first + row) * width..][..width]
    }
}

impl Target<'_> {
    fn row(&mut self, width: usize, panel: usize, row: usize) -> &mut [f32] {
        &mut self.values[(panel * self.rows + self.first + row) * width..][..width]
    }
}

/// `[D, n]`, rows `n` rounded up to whole panels apart.
pub fn gather_rows(attention: &Attention, head: usize, source: Source, columns: Range<usize>, output: &mut [f32]) {
    let (width, size) = (attention.isa.width, attention.size);
    let stride = columns.len().next_multiple_of(width);
    stretches(width, columns, |panel, lane, offset, count| {
        for row in 0..size {
            let values = &source.row(width, panel, head * size + row)[lane..lane + count];
            output[row * stride + offset..][..count].copy_from_slice(values);
        }
    });
}

/// Panels `[D, W]` that begin with the first column, times `scale`.
pub fn gather_panels(
    attention: &Attention,
    head: usize,
    source: Source,
    columns: Range<usize>,
    scale: f32,
    output: &mut [f32],
) {
    let (width, size) = (attention.isa.width, attention.size);
    let start = columns.start;
    for first in columns.clone().step_by(width) {
        let output = &mut output[(first - start) / width * size * width..][..size * width];
        stretches(width, first..columns.end.min(first + width), |panel, lane, offset, count| {
            for (row, output) in output.chunks_exact_mut(width).enumerate() {
                let values = &source.row(width, panel, head * size + row)[lane..lane + count];
                output[offset..][..count].iter_mut().zip(values).for_each(|(output, value)| *output = value * scale);
            }
        });
    }
}

/// One token a row, as right factor: `⌈D / W⌉` panels `[n, W]`, times `scale`.
pub fn gather_tokens(
    attention: &Attention,
    head: usize,
    source: Source,
    columns: Range<usize>,
    scale: f32,
    output: &mut [f32],
) {
    let (width, size, tokens) = (attention.isa.width, attention.size, columns.len());
    stretches(width, columns, |panel, lane, offset, count| {
        for row in 0..size {
            let values = &source.row(width, panel, head * size + row)[lane..lane + count];
            let place = row / width * tokens * width + offset * width + row % width;
            for (value, output) in values.iter().zip(output[place..].iter_mut().step_by(width)) {
                *output = value * scale;
            }
        }
    });
}

/// One panel `[D, W]` to at most W columns of an array.
pub fn scatter_panels(attention: &Attention, head: usize, panel: &[f32], target: &mut Target, columns: Range<usize>) {
    let (width, size) = (attention.isa.width, attention.size);
    stretches(width, columns, |place, lane, offset, count| {
        for (row, values) in panel.chunks_exact(width).take(size).enumerate() {
            target.row(width, place, head * size + row)[lane..lane + count].copy_from_slice(&values[offset..][..count]);
        }
    });
}

/// Token rows `[n, D]` to columns of an array.
pub fn scatter_tokens(attention: &Attention, head: usize, tokens: &[f32], target: &mut Target, columns: Range<usize>) {
    let (width, size) = (attention.isa.width, attention.size);
    stretches(width, columns, |place, lane, offset, count| {
        for row in 0..size {
            let values = tokens[offset * size + row..].iter().step_by(size);
            let output = &mut target.row(width, place, head * size + row)[lane..lane + count];
            output.iter_mut().zip(values).for_each(|(output, value)| *output = *value);
        }
    });
}
