//! A block of the left factor, as the kernel reads it: its tiles behind one another, each in one run of addresses.
//!
//! As they lie in a checkpoint, rows are kilobytes apart: they fall on the same few lines of the first-level cache, and a
//! tile would fetch each line again and again. Packing costs a tenth of what it saves.
//!
//! Rows and panels are packed in chunks of W contraction steps, `[steps / W, tile, W]`, so that whole cache lines are
//! copied; columns as `[steps, tile]`. Steps past the last one and rows past the last one of a tile hold anything.

use super::Left;
use super::kernel::{LINE, prefetch};
use crate::engine::fast::cpu::buffer::Buffer;
use std::ops::Range;

/// Contraction steps that packing asks for before it needs them.
const AHEAD: usize = 8;

/// What a packed block consists of.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Rows of a tile.
    pub tile: usize,
    /// W.
    pub width: usize,
}

/// Packs rows and contraction steps; `steps` begins at a multiple of W.
pub fn pack(left: Left, rows: Range<usize>, steps: Range<usize>, shape: Shape, packed: &mut Buffer) {
    let depth = steps.len().next_multiple_of(shape.width);
    packed.fit(rows.len().next_multiple_of(shape.tile) * depth);
    match left {
        Left::Rows { values, stride } => pack_rows((values, stride), rows, steps, shape, packed),
        Left::Columns { values, stride } => pack_columns((values, stride), rows, steps, shape, packed),
        Left::Panels { values, panel } => pack_panels((values, panel), rows, steps, shape, packed),
    }
}

fn pack_rows(source: (&[f32], usize), rows: Range<usize>, steps: Range<usize>, shape: Shape, packed: &mut [f32]) {
    let (Shape { tile, width }, (values, stride)) = (shape, source);
    let depth = steps.len().next_multiple_of(width);
    for (at, row) in rows.enumerate() {
        let row = &values[row * stride..][steps.clone()];
        let first = at / tile * tile * depth + at % tile * width;
        for (chunk, start) in row.chunks(width).zip((first..).step_by(tile * width)) {
            copy::<32>(chunk, &mut packed[start..start + width]);
        }
    }
}

fn pack_columns(source: (&[f32], usize), rows: Range<usize>, steps: Range<usize>, shape: Shape, packed: &mut [f32]) {
    let (Shape { tile, width }, (values, stride)) = (shape, source);
    let depth = steps.len().next_multiple_of(width);
    for (at, step) in steps.enumerate() {
        let ahead = values.get((step + AHEAD) * stride + rows.start..).unwrap_or_default();
        ahead[..rows.len().min(ahead.len())].chunks(LINE).for_each(|line| prefetch::<false>(line.as_ptr()));
        let tiles = values[step * stride + rows.start..][..rows.len()].chunks(tile);
        for (from, start) in tiles.zip((at * tile..).step_by(tile * depth)) {
            copy::<12>(from, &mut packed[start..start + tile]);
        }
    }
}

fn pack_panels(source: (&[f32], usize), rows: Range<usize>, steps: Range<usize>, shape: Shape, packed: &mut [f32]) {
    let (Shape { tile, width }, (values, panel)) = (shape, source);
    let depth = steps.len().next_multiple_of(width);
    for at in 0..depth / width {
        let panel = &values[(steps.start / width + at) * panel..];
        let tiles = panel[rows.start * width..rows.end * width].chunks(tile * width);
        for (from, start) in tiles.zip((at * tile * width..).step_by(tile * depth)) {
            packed[start..start + from.len()].copy_from_slice(from);
        }
    }
}

/// Copies values: where there are as many as usual, with a length known beforehand, so that no function is called.
#[inline(always)]
fn copy<const USUAL: usize>(from: &[f32], to: &mut [f32]) {
    if let (Ok(from), Some(to)) = (<&[f32; USUAL]>::try_from(from), to.first_chunk_mut::<USUAL>()) {
        *to = *from;
    } else {
        from.iter().zip(to).for_each(|(from, to)| *to = *from);
    }
}
