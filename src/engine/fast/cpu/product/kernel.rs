//! The innermost loops: a tile of the output over the contraction steps of a block.
//!
//! Each step reads two vectors of the right factor's panel and broadcasts one value of each row of the left factor. What the
//! next panel and the next block will read is asked for beforehand, a share of it in every tile: weights of a large model
//! come from further away than the second-level cache.

use crate::engine::fast::cpu::mask::MAX_WIDTH;
use pulp::Simd;

/// Rows of a tile where there are 32 vector registers; half of it where there are 16.
pub const ROWS: usize = 12;
/// Floats of a cache line.
pub const LINE: usize = 16;

/// Rows of a tile.
#[inline(always)]
pub const fn tile_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { ROWS } else { ROWS / 2 }
}

/// Pointers of a tile.
#[derive(Clone, Copy)]
pub struct Place {
    /// Its left factor, packed.
    pub left: *const f32,
    /// Its panel of the right factor, from the first contraction step on.
    pub right: *const f32,
    /// A value for each row to begin with, or null.
    pub bias: *const f32,
    /// Its first output.
    pub output: *mut f32,
    /// Distance of output rows.
    pub output_row: usize,
    /// Contraction steps.
    pub steps: usize,
    /// Columns to store, where not all.
    pub columns: usize,
    /// Whether the output is added to.
    pub add: bool,
    /// Whether the other half of a panel, past the last column, is set to zero.
    pub clear: bool,
    /// What to ask for.
    pub ahead: Ahead,
}

/// What a tile asks for on behalf of later ones; addresses that may lie anywhere, since nothing is read there.
#[derive(Clone, Copy)]
pub struct Ahead {
    /// Its share of the next panel of the right factor.
    pub right: *const f32,
    /// Lines of it for each panel's width of contraction steps.
    pub lines: usize,
    /// A row of the next block of the left factor, or null.
    pub left: *const f32,
    /// Distance of two panels' widths of contraction steps of it.
    pub left_step: usize,
}

/// The kernel for the number of rows at hand.
///
/// # Safety
/// As [`kernel`].
#[inline(always)]
pub unsafe fn rows<S: Simd, const VECTORS: usize, const COLUMNS: bool>(simd: S, rows: usize, place: Place) {
    // SAFETY: passed on.
    unsafe {
        match rows {
            1 => kernel::<S, 1, VECTORS, COLUMNS>(simd, place),
            2 => kernel::<S, 2, VECTORS, COLUMNS>(simd, place),
            3 => kernel::<S, 3, VECTORS, COLUMNS>(simd, place),
            4 => kernel::<S, 4, VECTORS, COLUMNS>(simd, place),
            5 => kernel::<S, 5, VECTORS, COLUMNS>(simd, place),
            6 => kernel::<S, 6, VECTORS, COLUMNS>(simd, place),
            7 => kernel::<S, 7, VECTORS, COLUMNS>(simd, place),
            8 => kernel::<S, 8, VECTORS, COLUMNS>(simd, place),
            9 => kernel::<S, 9, VECTORS, COLUMNS>(simd, place),
            10 => kernel::<S, 10, VECTORS, COLUMNS>(simd, place),
            11 => kernel::<S, 11, VECTORS, COLUMNS>(simd, place),
            _ => kernel::<S, ROWS, VECTORS, COLUMNS>(simd, place),
        }
    }
}

/// `M` rows by `VECTORS` vectors of the output, over the contraction steps of a block. Loops run over indices of constant
/// bounds and have small bodies: else they are not unrolled, and the sums live in memory instead of registers.
///
/// # Safety
/// The place's pointers have the rows, columns and contraction steps that it speaks of.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "see above")]
unsafe fn kernel<S: Simd, const M: usize, const VECTORS: usize, const COLUMNS: bool>(simd: S, place: Place) {
    let (lanes, width) = (S::F32_LANES, 2 * S::F32_LANES);
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; M];
    let mut done = 0;
    // SAFETY: all pointers stay inside the tile's rows, panel and contraction steps.
    unsafe {
        if place.add {
            for row in 0..M {
                let line = place.output.add(row * place.output_row);
                prefetch::<true>(line);
                prefetch::<true>(line.wrapping_add(LINE));
            }
        }
        if !place.bias.is_null() {
            for row in 0..M {
                sums[row] = [simd.splat_f32s(*place.bias.add(row)); VECTORS];
            }
        }
        let (mut chunk, mut right, mut ahead) = (place.left, place.right, place.ahead);
        while done < place.steps {
            let steps = width.min(place.steps - done);
            let mut left = chunk;
            for _ in 0..ahead.lines {
                prefetch::<false>(ahead.right);
                ahead.right = ahead.right.wrapping_add(LINE);
            }
            if !ahead.left.is_null() {
                prefetch::<false>(ahead.left);
                prefetch::<false>(ahead.left.wrapping_add(LINE));
                ahead.left = ahead.left.wrapping_add(ahead.left_step);
            }
            for _ in 0..steps {
                let mut vectors = [simd.splat_f32s(0.0); VECTORS];
                for at in 0..VECTORS {
                    vectors[at] = load::<S>(right.add(at * lanes));
                }
                for row in 0..M {
                    let offset = if COLUMNS { row } else { row * width };
                    let value = simd.splat_f32s(*left.add(offset));
                    for at in 0..VECTORS {
                        sums[row][at] = simd.mul_add_f32s(value, vectors[at], sums[row][at]);
                    }
                }
                left = left.add(if COLUMNS { tile_rows::<S>() } else { 1 });
                right = right.add(width);
            }
            chunk = chunk.wrapping_add(tile_rows::<S>() * width);
            done += steps;
        }
        if place.columns < VECTORS * lanes {
            let mut tile = [0.0; ROWS * MAX_WIDTH];
            for row in 0..M {
                for at in 0..VECTORS {
                    tile.as_mut_ptr().add(row * width + at * lanes).cast::<S::f32s>().write_unaligned(sums[row][at]);
                }
            }
            return store_columns(&tile, M, width, &place);
        }
        for row in 0..M {
            let output = place.output.add(row * place.output_row);
            for at in 0..VECTORS {
                let output = output.add(at * lanes);
                let sum = if place.add { simd.add_f32s(load::<S>(output), sums[row][at]) } else { sums[row][at] };
                output.cast::<S::f32s>().write_unaligned(sum);
            }
        }
        if place.clear {
            for row in 0..M {
                let other_half = place.output.add(row * place.output_row + lanes);
                other_half.cast::<S::f32s>().write_unaligned(simd.splat_f32s(0.0));
            }
        }
    }
}

/// Stores the columns of a tile that lie before the last one.
///
/// # Safety
/// The place's output has these rows and columns.
unsafe fn store_columns(tile: &[f32], rows: usize, width: usize, place: &Place) {
    for (row, values) in tile.chunks_exact(width).take(rows).enumerate() {
        // SAFETY: the output has these columns in each of these rows.
        let output = unsafe { std::slice::from_raw_parts_mut(place.output.add(row * place.output_row), place.columns) };
        for (output, value) in output.iter_mut().zip(values) {
            *output = if place.add { *output + value } else { *value };
        }
    }
}

/// A vector from anywhere.
///
/// # Safety
/// There are as many values.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: the caller has a whole vector there.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// Asks for a line: into the nearest cache, or into the second.
#[inline(always)]
pub fn prefetch<const NEAR: bool>(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults nowhere.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        if NEAR { _mm_prefetch::<_MM_HINT_T0>(line.cast()) } else { _mm_prefetch::<_MM_HINT_T1>(line.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
