//! Panels: how activations lie. T columns (tokens), R rows (features), W columns a panel.
//!
//! `[R, T]` is `⌈T / W⌉` panels `[R, W]` behind one another. Operations along features run down a panel's rows with one
//! token a lane: LayerNorm and softmax need no sum across lanes, and a dropout block is four rows of a lane. Columns
//! past T are finite in activations and zero in gradients.

use super::simd::{Isa, vectors};
use pulp::{Simd, WithSimd};

/// Values of an array of `rows` by `columns` in panels.
pub fn panels_len(isa: Isa, rows: usize, columns: usize) -> usize {
    rows * columns.next_multiple_of(isa.width)
}

/// Where column `column` of row 0 lies.
pub fn place(isa: Isa, rows: usize, column: usize) -> usize {
    column / isa.width * rows * isa.width + column % isa.width
}

/// Copies columns `from` to columns `to` of another array, pairwise; both have `rows` rows.
pub fn copy_columns(isa: Isa, rows: usize, source: (&[f32], &[usize]), target: (&mut [f32], &[usize])) {
    for (from, to) in source.1.iter().zip(target.1) {
        let (from, to) = (place(isa, rows, *from), place(isa, rows, *to));
        for row in 0..rows {
            target.0[to + row * isa.width] = source.0[from + row * isa.width];
        }
    }
}

/// Adds columns instead of copying them.
pub fn add_columns(isa: Isa, rows: usize, source: (&[f32], &[usize]), target: (&mut [f32], &[usize])) {
    for (from, to) in source.1.iter().zip(target.1) {
        let (from, to) = (place(isa, rows, *from), place(isa, rows, *to));
        for row in 0..rows {
            target.0[to + row * isa.width] += source.0[from + row * isa.width];
        }
    }
}

/// Adds each `together` neighbouring columns: `[rows, count · together]` becomes `[rows, count]`, in place.
pub fn add_neighbours(isa: Isa, rows: usize, (count, together): (usize, usize), values: &mut [f32]) {
    for column in 0..count {
        let to = place(isa, rows, column);
        let from = |at: usize| place(isa, rows, column * together + at);
        for row in (0..rows * isa.width).step_by(isa.width) {
            values[to + row] = (0..together).map(|at| values[from(at) + row]).sum();
        }
    }
}

/// Its backward pass: each column `together` times, the columns past them zero.
pub fn repeat_columns(isa: Isa, rows: usize, (count, together): (usize, usize), values: &mut [f32]) {
    for column in (0..count * together).rev() {
        let (from, to) = (place(isa, rows, column / together), place(isa, rows, column));
        (0..rows * isa.width).step_by(isa.width).for_each(|row| values[to + row] = values[from + row]);
    }
    clear_tail(isa, rows, count * together, values);
}

/// A place in an array in panels: how many rows the array has, and a row and a column of it.
#[derive(Clone, Copy, Debug)]
pub struct Corner {
    /// Rows of the array.
    pub height: usize,
    /// First row.
    pub row: usize,
    /// First column.
    pub column: usize,
}

impl Corner {
    /// Row 0 of an array of so many rows, at a column.
    pub fn top(height: usize, column: usize) -> Corner {
        Corner { height, row: 0, column }
    }

    fn place(self, isa: Isa, column: usize) -> usize {
        place(isa, self.height, self.column + column) + self.row * isa.width
    }
}

/// Copies a rectangle of rows and neighbouring columns.
pub fn copy_rectangle(
    isa: Isa,
    (rows, columns): (usize, usize),
    (source, from): (&[f32], Corner),
    (target, to): (&mut [f32], Corner),
) {
    let left = |corner: Corner, column: usize| isa.width - (corner.column + column) % isa.width;
    let mut column = 0;
    while column < columns {
        let count = (columns - column).min(left(from, column)).min(left(to, column));
        let (from, to) = (from.place(isa, column), to.place(isa, column));
        for row in (0..rows * isa.width).step_by(isa.width) {
            target[to + row..][..count].copy_from_slice(&source[from + row..][..count]);
        }
        column += count;
    }
}

/// Sets columns of an array of `rows` rows to zero.
pub fn clear_columns(isa: Isa, rows: usize, columns: std::ops::Range<usize>, values: &mut [f32]) {
    for column in columns {
        let start = place(isa, rows, column);
        (0..rows).for_each(|row| values[start + row * isa.width] = 0.0);
    }
}

/// Sets the columns from `columns` to the end of the last panel to zero.
pub fn clear_tail(isa: Isa, rows: usize, columns: usize, values: &mut [f32]) {
    let used = columns % isa.width;
    if used > 0 {
        let start = columns / isa.width * rows * isa.width;
        values[start..start + rows * isa.width].chunks_mut(isa.width).for_each(|row| row[used..].fill(0.0));
    }
}

/// Adds the sum over columns of each row to `sums`. Columns past the end are zero.
pub fn add_row_sums(isa: Isa, values: &[f32], sums: &mut [f32]) {
    isa.run(RowSums { values, sums });
}

struct RowSums<'a> {
    values: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for RowSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.sums.len();
        let vectors = vectors::<S>(self.values);
        for (row, sum) in self.sums.iter_mut().enumerate() {
            let mut total = simd.splat_f32s(0.0);
            for panel in vectors.chunks_exact(2 * rows) {
                total = simd.add_f32s(total, simd.add_f32s(panel[2 * row], panel[2 * row + 1]));
            }
            *sum += simd.reduce_sum_f32s(total);
        }
    }
}

#[cfg(test)]
/// Rows of a token-major array `[columns, rows]` as panels, for tests.
pub fn to_panels(isa: Isa, rows: usize, values: &[f32]) -> Vec<f32> {
    let columns = values.len() / rows;
    let mut panels = vec![0.0; panels_len(isa, rows, columns)];
    for (at, value) in values.iter().enumerate() {
        panels[place(isa, rows, at / rows) + at % rows * isa.width] = *value;
    }
    panels
}

#[cfg(test)]
/// The token-major array `[columns, rows]` of panels, for tests.
pub fn from_panels(isa: Isa, rows: usize, columns: usize, panels: &[f32]) -> Vec<f32> {
    (0..rows * columns).map(|at| panels[place(isa, rows, at / rows) + at % rows * isa.width]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize) -> Vec<f32> {
        (1..=count).map(|value| value as f32).collect()
    }

    #[test]
    fn columns_come_back_from_panels() {
        for isa in Isa::all() {
            let values = numbered(3 * 45);
            let panels = to_panels(isa, 3, &values);
            assert_eq!(from_panels(isa, 3, 45, &panels), values);
            assert_eq!(panels[place(isa, 3, 40) + 2 * isa.width], values[3 * 40 + 2]);
        }
    }

    // Row r of 45 columns c holds 3 c + r + 1: the sum is 3 · 990 + 45 (r + 1).
    #[test]
    fn row_sums_leave_the_tail_out() {
        for isa in Isa::all() {
            let mut panels = to_panels(isa, 3, &numbered(3 * 45));
            clear_tail(isa, 3, 45, &mut panels);
            let mut sums = [0.5; 3];
            add_row_sums(isa, &panels, &mut sums);
            assert_eq!(sums, [2970.0 + 45.5, 2970.0 + 90.5, 2970.0 + 135.5]);
        }
    }

    // Row r of column c holds 5 c + r + 1: rows 1 to 3 of columns 30 to 36, over the end of a panel, to rows 2 to 4 from
    // column 29 on, of which column 31 is cleared.
    #[test]
    fn a_copied_rectangle_is_the_one_named() {
        for isa in Isa::all() {
            let source = to_panels(isa, 5, &numbered(5 * 70));
            let mut target = vec![0.0; panels_len(isa, 6, 70)];
            let (from, to) = (Corner { height: 5, row: 1, column: 30 }, Corner { height: 6, row: 2, column: 29 });
            copy_rectangle(isa, (3, 7), (&source, from), (&mut target, to));
            clear_columns(isa, 6, 31..32, &mut target);
            let target = from_panels(isa, 6, 70, &target);
            for (at, value) in target.iter().enumerate() {
                let (column, row) = (at / 6, at % 6);
                let inside = (29..36).contains(&column) && column != 31 && (2..5).contains(&row);
                let expected = if inside { 5 * (column + 1) + (row - 1) + 1 } else { 0 };
                assert_eq!(*value, expected as f32, "{isa:?} {column} {row}");
            }
        }
    }

    // Rows 1 and 2 of column c hold 2 c + 1 and 2 c + 2: over columns 2 e and 2 e + 1 the sums are 8 e + 4 and 8 e + 6.
    #[test]
    fn neighbours_are_added_and_a_column_is_repeated() {
        for isa in Isa::all() {
            let mut panels = to_panels(isa, 2, &numbered(2 * 70));
            add_neighbours(isa, 2, (35, 2), &mut panels);
            let sums = from_panels(isa, 2, 35, &panels);
            assert!(
                (0..35).all(|e| sums[2 * e..2 * e + 2] == [8 * e + 4, 8 * e + 6].map(|sum| sum as f32)),
                "{sums:?}"
            );
            repeat_columns(isa, 2, (35, 2), &mut panels);
            let repeated = from_panels(isa, 2, 70, &panels);
            assert!((0..70).all(|c| repeated[2 * c..2 * c + 2] == sums[2 * (c / 2)..2 * (c / 2) + 2]), "{repeated:?}");
            let tail = (70..panels.len() / 2).map(|column| panels[place(isa, 2, column)]);
            assert!(tail.into_iter().all(|value| value == 0.0));
        }
    }

    #[test]
    fn copied_and_added_columns_are_the_ones_named() {
        for isa in Isa::all() {
            let source = to_panels(isa, 2, &numbered(2 * 40));
            let mut target = vec![0.0; panels_len(isa, 2, 3)];
            copy_columns(isa, 2, (&source, &[39, 0]), (&mut target, &[0, 2]));
            add_columns(isa, 2, (&source, &[1]), (&mut target, &[2]));
            assert_eq!(from_panels(isa, 2, 3, &target), [79.0, 80.0, 0.0, 0.0, 4.0, 6.0]);
        }
    }
}
