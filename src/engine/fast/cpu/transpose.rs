//! Transposes between panels (one token a lane) and rows (one token a row).

use super::simd::Isa;

/// `[rows, columns]` in panels to panels of features: `⌈rows / W⌉` panels `[columns, W]`, what is past the last row zero.
/// The right factor of a weight's gradient ([`super::product`]).
pub fn to_feature_panels(isa: Isa, rows: usize, columns: usize, panels: &[f32], output: &mut [f32]) {
    let width = isa.width;
    for (feature_panel, output) in output.chunks_mut(columns * width).take(rows.div_ceil(width)).enumerate() {
        let first = feature_panel * width;
        let features = width.min(rows - first);
        for (panel, output) in output.chunks_mut(width * width).enumerate() {
            let block = &panels[(panel * rows + first) * width..][..features * width];
            let tokens = output.len() / width;
            block_transposed(width, block, features, tokens, output);
        }
    }
}

/// A panel's block `[features, W]` to `[tokens, W]`.
fn block_transposed(width: usize, block: &[f32], features: usize, tokens: usize, output: &mut [f32]) {
    let (whole_features, whole_tokens) = (features / SIDE * SIDE, tokens / SIDE * SIDE);
    for token in (0..whole_tokens).step_by(SIDE) {
        for feature in (0..whole_features).step_by(SIDE) {
            square(width, &block[feature * width + token..], &mut output[token * width + feature..]);
        }
    }
    for token in 0..tokens {
        let row = &mut output[token * width..][..width];
        let done = if token < whole_tokens { whole_features } else { 0 };
        for (feature, value) in row.iter_mut().enumerate().skip(done) {
            *value = if feature < features { block[feature * width + token] } else { 0.0 };
        }
    }
}

/// Side of the squares that a transpose is made of.
const SIDE: usize = 4;

/// Transposes a square between arrays whose rows are `width` apart.
#[inline(always)]
fn square(width: usize, from: &[f32], to: &mut [f32]) {
    let (from, to) = (&from[..3 * width + SIDE], &mut to[..3 * width + SIDE]);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: four rows of four values lie within the slices; SSE is part of the architecture.
    unsafe {
        use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
        let row = |at: usize| _mm_loadu_ps(from.as_ptr().add(at * width));
        let (mut a, mut b, mut c, mut d) = (row(0), row(1), row(2), row(3));
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        for (at, row) in [a, b, c, d].into_iter().enumerate() {
            _mm_storeu_ps(to.as_mut_ptr().add(at * width), row);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    for row in 0..SIDE {
        for column in 0..SIDE {
            to[column * width + row] = from[row * width + column];
        }
    }
}

/// Token rows `[tokens, rows]` to one panel `[rows, W]`; lanes past the last token become zero.
pub fn rows_to_panel(isa: Isa, rows: usize, tokens: &[f32], panel: &mut [f32]) {
    panel.fill(0.0);
    for (lane, token) in tokens.chunks_exact(rows).enumerate() {
        for (row, value) in token.iter().enumerate() {
            panel[row * isa.width + lane] = *value;
        }
    }
}

/// One panel `[rows, W]` to token rows `[tokens, rows]`.
pub fn panel_to_rows(isa: Isa, rows: usize, panel: &[f32], tokens: &mut [f32]) {
    for (lane, token) in tokens.chunks_exact_mut(rows).enumerate() {
        for (row, value) in token.iter_mut().enumerate() {
            *value = panel[row * isa.width + lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fast::cpu::panel::to_panels;

    #[test]
    fn every_value_finds_its_place() {
        for isa in Isa::all() {
            let (rows, columns, width) = (37, 41, isa.width);
            let values: Vec<f32> = (0..rows * columns).map(|value| value as f32).collect(); // [columns, rows]
            let panels = to_panels(isa, rows, &values);
            let mut output = vec![f32::NAN; rows.next_multiple_of(width) * columns];
            to_feature_panels(isa, rows, columns, &panels, &mut output);
            for (at, value) in output.iter().enumerate() {
                let (feature, token) = (at / (columns * width) * width + at % width, at % (columns * width) / width);
                let expected = if feature < rows { values[token * rows + feature] } else { 0.0 };
                assert_eq!(*value, expected);
            }
        }
    }

    #[test]
    fn rows_come_back_from_a_panel() {
        for isa in Isa::all() {
            let tokens = isa.width - 1;
            let rows: Vec<f32> = (0..tokens * 7).map(|value| value as f32).collect();
            let mut panel = vec![f32::NAN; 7 * isa.width];
            rows_to_panel(isa, 7, &rows, &mut panel);
            assert_eq!(panel[3 * isa.width + tokens - 1], rows[(tokens - 1) * 7 + 3]);
            assert_eq!(panel[isa.width - 1], 0.0);
            let mut back = vec![0.0; tokens * 7];
            panel_to_rows(isa, 7, &panel, &mut back);
            assert_eq!(back, rows);
        }
    }
}
