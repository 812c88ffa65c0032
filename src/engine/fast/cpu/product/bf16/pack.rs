//! Factors rounded and laid out as tiles.

use super::{SIDE, STEPS, TILE};
use crate::engine::fast::cpu::product::Left;
use std::arch::x86_64::*;
use std::ops::Range;

/// The 32 values of two vectors, rounded, each vector's first ones beside each other: `a0 b0 a1 b1 …`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn paired(a: __m512, b: __m512) -> __m512i {
    let mut order = [0u16; 32];
    for (at, index) in order.iter_mut().enumerate() {
        *index = (at / 2 + 16 * (at % 2)) as u16;
    }
    // SAFETY: vectors of the same size.
    let (order, both) = unsafe {
        (_mm512_loadu_si512(order.as_ptr().cast()), std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a)))
    };
    _mm512_permutexvar_epi16(order, both)
}

/// Rounds the steps of a panel: for each 32 of them two tiles, one for each half of the columns.
///
/// # Safety
/// The panel has the steps, `to` room for them rounded up to whole tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn pack_right(values: *const f32, steps: usize, to: *mut f32) {
    let zero = _mm512_setzero_ps();
    for pair in 0..steps.next_multiple_of(STEPS) / 2 {
        let to = to.wrapping_add(pair / SIDE * 2 * TILE + pair % SIDE * SIDE);
        for half in 0..2 {
            let load = |step: usize| {
                // SAFETY: a vector of a step that is there.
                if step < steps { unsafe { _mm512_loadu_ps(values.add(step * STEPS + half * SIDE)) } } else { zero }
            };
            let (even, odd) = (load(2 * pair), load(2 * pair + 1));
            // SAFETY: inside the tile.
            unsafe { _mm512_storeu_si512(to.wrapping_add(half * TILE).cast(), paired(even, odd)) }
        }
    }
}

/// Rounds a block of at most 32 rows: for each 32 steps two tiles, one for each half of the rows. Rows that are not there
/// hold anything; steps that are not there, zeros.
///
/// # Safety
/// The factor has the rows and steps, `to` room for 32 rows of them rounded up to whole tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn pack_left(left: Left, rows: &Range<usize>, steps: &Range<usize>, to: *mut f32) {
    for (chunk, step) in steps.clone().step_by(STEPS).enumerate() {
        let count = STEPS.min(steps.end - step);
        for half in 0..rows.len().div_ceil(SIDE) {
            let to = to.wrapping_add((2 * chunk + half) * TILE);
            let first = rows.start + half * SIDE;
            let rows = SIDE.min(rows.end - first);
            // SAFETY: rows and steps of the factor.
            unsafe {
                match left {
                    Left::Packed { .. } => unreachable!("what is packed is not packed again"),
                    Left::Rows { values, stride } => {
                        pack_rows(values.as_ptr().add(first * stride + step), stride, rows, count, to);
                    }
                    Left::Panels { values, panel } => {
                        let values = values.as_ptr().add(step / STEPS * panel + first * STEPS);
                        pack_rows(values, STEPS, rows, count, to);
                    }
                    Left::Columns { values, stride } => {
                        pack_columns(values.as_ptr().add(step * stride + first), stride, rows, count, to);
                    }
                }
            }
        }
    }
}

/// The first `count` of 16 lanes.
fn lanes(count: usize) -> __mmask16 {
    ((1u32 << count.min(SIDE)) - 1) as __mmask16
}

/// A tile of rows of contraction steps.
///
/// # Safety
/// There are so many rows and steps.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_rows(values: *const f32, stride: usize, rows: usize, steps: usize, to: *mut f32) {
    let (low, high) = (lanes(steps), lanes(steps.saturating_sub(SIDE)));
    for row in 0..rows {
        let values = values.wrapping_add(row * stride);
        // SAFETY: lanes that are not there are not read.
        unsafe {
            let (first, second) =
                (_mm512_maskz_loadu_ps(low, values), _mm512_maskz_loadu_ps(high, values.wrapping_add(SIDE)));
            let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
            _mm512_storeu_si512(to.wrapping_add(row * SIDE).cast(), both);
        }
    }
}

/// A tile whose rows are columns of the factor: pairs of steps are rounded, then transposed as 16 by 16 words.
///
/// # Safety
/// There are so many rows and steps.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_columns(values: *const f32, stride: usize, rows: usize, steps: usize, to: *mut f32) {
    let (mask, zero) = (lanes(rows), _mm512_setzero_ps());
    let mut words = [_mm512_setzero_si512(); SIDE];
    for (pair, words) in words.iter_mut().enumerate() {
        let load = |step: usize| {
            let values = values.wrapping_add(step * stride);
            // SAFETY: lanes that are not there are not read.
            if step < steps { unsafe { _mm512_maskz_loadu_ps(mask, values) } } else { zero }
        };
        *words = paired(load(2 * pair), load(2 * pair + 1));
    }
    let words = transposed(&words);
    for (row, words) in words.iter().enumerate() {
        // SAFETY: the tile has 16 rows.
        unsafe { _mm512_storeu_si512(to.wrapping_add(row * SIDE).cast(), *words) }
    }
}

/// Transposes 16 by 16 words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn transposed(rows: &[__m512i; SIDE]) -> [__m512i; SIDE] {
    let mut pairs = [_mm512_setzero_si512(); SIDE];
    for at in 0..SIDE / 2 {
        pairs[2 * at] = _mm512_unpacklo_epi32(rows[2 * at], rows[2 * at + 1]);
        pairs[2 * at + 1] = _mm512_unpackhi_epi32(rows[2 * at], rows[2 * at + 1]);
    }
    // Lane l of fours[4 i + j] is column 4 l + j of rows 4 i … 4 i + 3.
    let mut fours = [_mm512_setzero_si512(); SIDE];
    for at in (0..SIDE).step_by(4) {
        fours[at] = _mm512_unpacklo_epi64(pairs[at], pairs[at + 2]);
        fours[at + 1] = _mm512_unpackhi_epi64(pairs[at], pairs[at + 2]);
        fours[at + 2] = _mm512_unpacklo_epi64(pairs[at + 1], pairs[at + 3]);
        fours[at + 3] = _mm512_unpackhi_epi64(pairs[at + 1], pairs[at + 3]);
    }
    let mut columns = [_mm512_setzero_si512(); SIDE];
    for at in 0..4 {
        let upper_even = _mm512_shuffle_i32x4::<0x88>(fours[at], fours[4 + at]);
        let upper_odd = _mm512_shuffle_i32x4::<0xdd>(fours[at], fours[4 + at]);
        let lower_even = _mm512_shuffle_i32x4::<0x88>(fours[8 + at], fours[12 + at]);
        let lower_odd = _mm512_shuffle_i32x4::<0xdd>(fours[8 + at], fours[12 + at]);
        columns[at] = _mm512_shuffle_i32x4::<0x88>(upper_even, lower_even);
        columns[4 + at] = _mm512_shuffle_i32x4::<0x88>(upper_odd, lower_odd);
        columns[8 + at] = _mm512_shuffle_i32x4::<0xdd>(upper_even, lower_even);
        columns[12 + at] = _mm512_shuffle_i32x4::<0xdd>(upper_odd, lower_odd);
    }
    columns
}
