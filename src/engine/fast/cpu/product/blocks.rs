//! The order of a product's tiles: blocks along the contraction, blocks of rows, panels, tiles.
//!
//! A block of the left factor stays in the second-level cache while all panels pass, a panel's block in the first.

use super::kernel::{Ahead, LINE, Place, rows, tile_rows};
use super::pack::{Shape, pack};
use super::{Left, Product, Start};
use crate::engine::fast::cpu::buffer::Buffer;
use pulp::{Simd, WithSimd};
use std::cell::RefCell;
use std::ops::Range;

/// Most contraction steps of a block: a panel's block of them and a tile's fit the first-level cache.
const DEPTH: usize = 256;
/// Rows of a block of the left factor.
const BLOCK: usize = 96;

/// A product at work.
pub struct Blocks<'a> {
    pub product: Product<'a>,
    pub exact: bool,
}

impl WithSimd for Blocks<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Not `with_borrow_mut`: a closure called from the library would lose the instruction set.
        let mut packed = PACKED.take();
        self.blocks(simd, &mut packed);
        PACKED.set(packed);
    }
}

thread_local! {
    /// A block of a left factor.
    static PACKED: RefCell<Buffer> = RefCell::default();
}

impl Blocks<'_> {
    #[inline(always)]
    fn blocks<S: Simd>(mut self, simd: S, packed: &mut Buffer) {
        let width = 2 * S::F32_LANES;
        let (m, n, k) = (self.product.m, self.product.n, self.product.k);
        // Blocks of about equal depth: every one of them reads and writes the whole output.
        let depth = k.div_ceil(k.div_ceil(DEPTH)).next_multiple_of(width);
        for from in (0..k).step_by(depth) {
            let steps = from..k.min(from + depth);
            for block in (0..m).step_by(BLOCK) {
                let block = block..m.min(block + BLOCK);
                let shape = Shape { tile: tile_rows::<S>(), width };
                pack(self.product.left, block.clone(), steps.clone(), shape, packed);
                for panel in 0..n.div_ceil(width) {
                    self.panel(simd, panel, &block, &steps, packed);
                }
            }
        }
    }

    /// One panel of the output, in tiles.
    #[inline(always)]
    fn panel<S: Simd>(&mut self, simd: S, panel: usize, block: &Range<usize>, steps: &Range<usize>, packed: &[f32]) {
        let width = 2 * S::F32_LANES;
        let rows = tile_rows::<S>();
        let (from, steps) = (steps.start, steps.len());
        for (at, row) in block.clone().step_by(rows).enumerate() {
            let tile = Tile {
                row,
                rows: rows.min(block.end - row),
                panel,
                columns: width.min(self.product.n - panel * width),
                from,
                steps,
                packed: packed[at * rows * steps.next_multiple_of(width)..].as_ptr(),
                at,
                tiles: block.len().div_ceil(rows),
                end: block.end,
            };
            // SAFETY: `Product::check` has compared every slice with the furthest element of any tile.
            unsafe { self.tile(simd, tile) }
        }
    }
}

/// A tile's place: rows, panel, and the contraction steps of this block.
#[derive(Clone, Copy)]
struct Tile {
    row: usize,
    rows: usize,
    panel: usize,
    columns: usize,
    from: usize,
    steps: usize,
    /// Its left factor.
    packed: *const f32,
    /// Its number among the tiles of the panel and the block, and how many there are.
    at: usize,
    tiles: usize,
    /// First row after the block.
    end: usize,
}

impl Product<'_> {
    /// A tile's share of what comes next.
    #[inline(always)]
    fn ahead(&self, tile: &Tile, width: usize) -> Ahead {
        let share = (tile.steps * width).div_ceil(tile.tiles).next_multiple_of(LINE);
        let right = match () {
            () if (tile.panel + 1) * width < self.n => (tile.panel + 1) * self.right_panel + tile.from * width,
            () if tile.end < self.m => tile.from * width,
            () => (tile.from + tile.steps) * width,
        };
        let row = tile.end + tile.panel * tile.tiles + tile.at;
        let left = match self.left {
            _ if row >= self.m.min(tile.end + BLOCK) => std::ptr::null(),
            Left::Rows { values, stride } => values.as_ptr().wrapping_add(row * stride + tile.from),
            Left::Columns { .. } => std::ptr::null(),
            Left::Panels { values, panel } => values.as_ptr().wrapping_add(tile.from / width * panel + row * width),
        };
        let lines = (share / LINE).div_ceil(tile.steps.div_ceil(width));
        let left_step = if let Left::Panels { panel, .. } = self.left { panel } else { width };
        Ahead { right: self.right.as_ptr().wrapping_add(right + tile.at * share), lines, left, left_step }
    }
}

impl Blocks<'_> {
    /// # Safety
    /// The product's slices are as long as `Product::check` demands, and the tile lies inside.
    #[inline(always)]
    unsafe fn tile<S: Simd>(&mut self, simd: S, tile: Tile) {
        let product = &mut self.product;
        let width = 2 * S::F32_LANES;
        let narrow = tile.columns <= S::F32_LANES;
        // SAFETY: offsets of elements inside the checked bounds.
        let place = unsafe {
            let bias = match product.start {
                Start::Bias(bias) if tile.from == 0 => bias.as_ptr().add(tile.row),
                _ => std::ptr::null(),
            };
            let output = tile.panel * product.output_panel + tile.row * product.output_row;
            Place {
                left: tile.packed,
                right: product.right.as_ptr().add(tile.panel * product.right_panel + tile.from * width),
                bias,
                output: product.output.as_mut_ptr().add(output),
                output_row: product.output_row,
                steps: tile.steps,
                columns: if self.exact { tile.columns } else { width },
                add: tile.from > 0 || matches!(product.start, Start::Output),
                clear: narrow && !self.exact && tile.from == 0 && !matches!(product.start, Start::Output),
                ahead: product.ahead(&tile, width),
            }
        };
        // SAFETY: as above.
        unsafe {
            match (matches!(product.left, Left::Columns { .. }), narrow) {
                (false, false) => rows::<S, 2, false>(simd, tile.rows, place),
                (false, true) => rows::<S, 1, false>(simd, tile.rows, place),
                (true, false) => rows::<S, 2, true>(simd, tile.rows, place),
                (true, true) => rows::<S, 1, true>(simd, tile.rows, place),
            }
        }
    }
}
