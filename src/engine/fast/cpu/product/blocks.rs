//! The order of a product's tiles: blocks along the contraction, blocks of rows, panels, tiles.
//!
//! A block of the left factor stays in the second-level cache while all panels pass, a panel's block in the first.

use super::kernel::{Ahead, LINE, Place, rows, tile_rows};
use super::pack::Block;
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
        let (m, n, k, left) = (self.product.m, self.product.n, self.product.k, self.product.left);
        let mut before = 0;
        for block in in_order::<S>(m, k) {
            let packed = match left {
                Left::Packed { values, .. } => &values[before..before + block.len()],
                left => {
                    packed.fit(block.len());
                    block.pack(left, packed);
                    &**packed
                }
            };
            before += block.len();
            for panel in 0..n.div_ceil(width) {
                for at in 0..block.tiles() {
                    // SAFETY: `Product::check` has compared every slice with the furthest element of any tile.
                    unsafe { self.tile(simd, Tile { block: &block, packed, panel, at }) }
                }
            }
        }
    }
}

/// The blocks of a left factor `[m, k]`, of about equal depth: every one of them reads and writes the whole output.
#[inline(always)]
fn in_order<S: Simd>(m: usize, k: usize) -> impl Iterator<Item = Block> {
    let (tile, width) = (tile_rows::<S>(), 2 * S::F32_LANES);
    let depth = k.div_ceil(k.div_ceil(DEPTH)).next_multiple_of(width);
    (0..k).step_by(depth).flat_map(move |from| {
        let steps = from..k.min(from + depth);
        let block = move |row: usize| Block { rows: row..m.min(row + BLOCK), steps: steps.clone(), tile, width };
        (0..m).step_by(BLOCK).map(block)
    })
}

/// All blocks of a left factor, in order.
pub struct Whole<'a> {
    pub left: Left<'a>,
    pub m: usize,
    pub k: usize,
    pub packed: &'a mut Buffer,
}

impl WithSimd for Whole<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.packed.fit(in_order::<S>(self.m, self.k).map(|block| block.len()).sum());
        let mut rest = &mut **self.packed;
        for block in in_order::<S>(self.m, self.k) {
            let (own, others) = rest.split_at_mut(block.len());
            block.pack(self.left, own);
            rest = others;
        }
    }
}

/// A tile: its block of the left factor, the panel, and its number among the block's tiles.
#[derive(Clone, Copy)]
struct Tile<'a> {
    block: &'a Block,
    packed: &'a [f32],
    panel: usize,
    at: usize,
}

impl Product<'_> {
    /// A tile's share of what comes next.
    #[inline(always)]
    fn ahead(&self, tile: &Tile, width: usize) -> Ahead {
        let (Range { start, end }, tiles) = (tile.block.steps.clone(), tile.block.tiles());
        let share = ((end - start) * width).div_ceil(tiles).next_multiple_of(LINE);
        let right = match () {
            () if (tile.panel + 1) * width < self.n => (tile.panel + 1) * self.right_panel + start * width,
            () if tile.block.rows.end < self.m => start * width,
            () => end * width,
        };
        let row = tile.block.rows.end + tile.panel * tiles + tile.at;
        let left = match self.left {
            _ if row >= self.m.min(tile.block.rows.end + BLOCK) => std::ptr::null(),
            Left::Rows { values, stride } => values.as_ptr().wrapping_add(row * stride + start),
            Left::Columns { .. } | Left::Packed { .. } => std::ptr::null(),
            Left::Panels { values, panel } => values.as_ptr().wrapping_add(start / width * panel + row * width),
        };
        let lines = (share / LINE).div_ceil((end - start).div_ceil(width));
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
        let Tile { block, packed, panel, at } = tile;
        let (row, from) = (block.rows.start + at * block.tile, block.steps.start);
        let columns = width.min(product.n - panel * width);
        let narrow = columns <= S::F32_LANES;
        let onto = matches!(product.start, Start::Output);
        // SAFETY: offsets of elements inside the checked bounds.
        let place = unsafe {
            let bias = match product.start {
                Start::Bias(bias) if from == 0 => bias.as_ptr().add(row),
                _ => std::ptr::null(),
            };
            let output = panel * product.output_panel + row * product.output_row;
            Place {
                left: packed[at * block.tile_len()..].as_ptr(),
                right: product.right.as_ptr().add(panel * product.right_panel + from * width),
                bias,
                output: product.output.as_mut_ptr().add(output),
                output_row: product.output_row,
                steps: block.steps.len(),
                columns: if self.exact { columns } else { width },
                add: from > 0 || onto,
                clear: narrow && !self.exact && from == 0 && !onto,
                ahead: product.ahead(&tile, width),
            }
        };
        let count = block.tile.min(block.rows.end - row);
        // SAFETY: as above.
        unsafe {
            match (matches!(product.left, Left::Columns { .. } | Left::Packed { columns: true, .. }), narrow) {
                (false, false) => rows::<S, 2, false>(simd, count, place),
                (false, true) => rows::<S, 1, false>(simd, count, place),
                (true, false) => rows::<S, 2, true>(simd, count, place),
                (true, true) => rows::<S, 1, true>(simd, count, place),
            }
        }
    }
}
