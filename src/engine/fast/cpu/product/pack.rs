//! A block of the left factor, as the kernel reads it: its tiles behind one another, each in one run of addresses.
//!
//! As they lie in a checkpoint, rows are kilobytes apart: they fall on the same few lines of the first-level cache, and a
//! tile would fetch each line again and again. Packing takes about 4 % of a step of bert-base.
//!
//! Rows and panels are packed in chunks of W contraction steps, `[steps / W, tile, W]`, so that whole cache lines are
//! copied; columns as `[steps, tile]`. Steps past the last one and rows past the last one of a tile hold anything.

use super::Left;
use super::kernel::{LINE, ROWS, prefetch};
use crate::engine::fast::cpu::mask::MAX_WIDTH;
use std::ops::Range;

/// Contraction steps that packing asks for before it needs them.
const AHEAD: usize = 8;

/// A block of the left factor.
pub struct Block {
    /// Its rows.
    pub rows: Range<usize>,
    /// Its contraction steps; they begin at a multiple of W.
    pub steps: Range<usize>,
    /// Rows of a tile.
    pub tile: usize,
    /// W.
    pub width: usize,
}

impl Block {
    /// Values of a packed tile.
    pub fn tile_len(&self) -> usize {
        self.tile * self.steps.len().next_multiple_of(self.width)
    }

    /// Tiles, the last of which may have fewer rows.
    pub fn tiles(&self) -> usize {
        self.rows.len().div_ceil(self.tile)
    }

    /// Values of it, packed.
    pub fn len(&self) -> usize {
        self.tiles() * self.tile_len()
    }

    /// Packs it into so many values.
    pub fn pack(&self, left: Left, packed: &mut [f32]) {
        match left {
            Left::Packed { .. } => unreachable!("what is packed is not packed again"),
            Left::Rows { values, stride } => self.pack_rows(values, stride, packed),
            Left::Columns { values, stride } => self.pack_columns(values, stride, packed),
            Left::Panels { values, panel } => self.pack_panels(values, panel, packed),
        }
    }

    fn pack_rows(&self, values: &[f32], stride: usize, packed: &mut [f32]) {
        let (tile, width) = (self.tile, self.width);
        for (at, row) in self.rows.clone().enumerate() {
            let row = &values[row * stride..][self.steps.clone()];
            let first = at / tile * self.tile_len() + at % tile * width;
            for (chunk, start) in row.chunks(width).zip((first..).step_by(tile * width)) {
                copy::<MAX_WIDTH>(chunk, &mut packed[start..start + width]);
            }
        }
    }

    fn pack_columns(&self, values: &[f32], stride: usize, packed: &mut [f32]) {
        let (tile, rows) = (self.tile, &self.rows);
        for (at, step) in self.steps.clone().enumerate() {
            let ahead = values.get((step + AHEAD) * stride + rows.start..).unwrap_or_default();
            ahead[..rows.len().min(ahead.len())].chunks(LINE).for_each(|line| prefetch::<false>(line.as_ptr()));
            let tiles = values[step * stride + rows.start..][..rows.len()].chunks(tile);
            for (from, start) in tiles.zip((at * tile..).step_by(self.tile_len())) {
                copy::<ROWS>(from, &mut packed[start..start + tile]);
            }
        }
    }

    fn pack_panels(&self, values: &[f32], panel: usize, packed: &mut [f32]) {
        let (size, width) = (self.tile * self.width, self.width);
        for at in 0..self.steps.len().div_ceil(width) {
            let panel = &values[(self.steps.start / width + at) * panel..];
            let tiles = panel[self.rows.start * width..self.rows.end * width].chunks(size);
            for (from, start) in tiles.zip((at * size..).step_by(self.tile_len())) {
                packed[start..start + from.len()].copy_from_slice(from);
            }
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
