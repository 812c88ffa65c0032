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
    for (token, row) in output.chunks_exact_mut(width).take(tokens).enumerate() {
        for (feature, value) in row.iter_mut().enumerate() {
            *value = if feature < features { block[feature * width + token] } else { 0.0 };
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
