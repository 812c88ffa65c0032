//! Sums on vectors of pairs (AVX512-BF16: AMD from Zen 4 on, Intel Xeon from Sapphire Rapids on and Cooper Lake), over the same tiles as on the matrix
//! unit: a row of a right tile is a vector of 16 columns' pairs, which meets each row's pair of a left tile broadcast
//! (Software Developer's Manual, VDPBF16PS).
//!
//! Eight rows by a panel: 16 accumulators hide the instruction's latency and leave registers for what is read.

use super::{SIDE, TILE};
use std::arch::x86_64::*;

/// Rows at once.
const ROWS: usize = 8;

/// Whether this machine has the instruction.
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// As [`super::Sums`].
///
/// # Safety
/// The machine has the instruction; the factors have `chunks` pairs of tiles, the output 32 rows.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn sums(left: *const f32, right: *const f32, chunks: usize, output: *mut f32, row: usize, add: bool) {
    for first in (0..2 * SIDE).step_by(ROWS) {
        let left = left.wrapping_add(first / SIDE * TILE + first % SIDE * SIDE);
        // SAFETY: rows of the tiles and of the output.
        unsafe { group(left, right, chunks, output.wrapping_add(first * row), row, add) }
    }
}

/// Eight rows of it. Loops run over indices of constant bounds: else they are not unrolled, and the sums live in memory.
///
/// # Safety
/// As [`sums`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[allow(clippy::needless_range_loop, reason = "see above")]
unsafe fn group(left: *const f32, right: *const f32, chunks: usize, output: *mut f32, row: usize, add: bool) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    // SAFETY: all pointers stay inside the tiles and the output's rows.
    unsafe {
        if add {
            for at in 0..ROWS {
                for half in 0..2 {
                    sums[at][half] = _mm512_loadu_ps(output.add(at * row + half * SIDE));
                }
            }
        }
        for chunk in 0..chunks {
            let (left, right) = (left.add(chunk * 2 * TILE), right.add(chunk * 2 * TILE));
            for pair in 0..SIDE {
                let columns = [pairs(right.add(pair * SIDE)), pairs(right.add(TILE + pair * SIDE))];
                for at in 0..ROWS {
                    let value = _mm512_set1_epi32(left.add(at * SIDE + pair).cast::<i32>().read());
                    let value = std::mem::transmute::<__m512i, __m512bh>(value);
                    for half in 0..2 {
                        sums[at][half] = _mm512_dpbf16_ps(sums[at][half], value, columns[half]);
                    }
                }
            }
        }
        for at in 0..ROWS {
            for half in 0..2 {
                _mm512_storeu_ps(output.add(at * row + half * SIDE), sums[at][half]);
            }
        }
    }
}

/// A vector of 16 pairs.
///
/// # Safety
/// There are as many.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pairs(from: *const f32) -> __m512bh {
    // SAFETY: the caller has a whole vector there; both types are 64 bytes of any value.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(from.cast())) }
}
