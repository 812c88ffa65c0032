//! Matrix products into panels, for the three shapes of a dense layer's training step.
//!
//! A *panel* holds the values of W columns (tokens; W = two vectors) row after row: `[rows, W]`. An array of T columns
//! is `⌈T / W⌉` panels behind one another. The right factor is read as panels along the contraction, the left one value
//! by value, so that weights are used as they lie in the checkpoint, without packing:
//!
//! - forward `Y = W X + b`: left factor W `[out, in]`, read along its rows;
//! - backward to the input `dX = Wᵀ dY`: left factor Wᵀ, read along its columns;
//! - backward to the weight `dW += dY Xᵀ`: left factor dY in panels, right factor Xᵀ as panels of W features
//!   ([`super::transpose`]).
//!
//! The kernel owns a tile of [`ROWS`] rows by one panel: 24 accumulators of the 32 registers of AVX-512. Blocks of the
//! left factor stay in the second-level cache while all panels pass, a panel's block in the first. What the next panel
//! and the next block will read is asked for beforehand, a share of it in every tile: weights of a large model come from
//! further away than the second-level cache.

use super::buffer::Buffer;
use super::mask::MAX_WIDTH;
use super::simd::Isa;
use pulp::{Simd, WithSimd};
use std::cell::RefCell;
use std::ops::Range;

/// Rows of a tile where there are 32 vector registers; half of it where there are 16.
const ROWS: usize = 12;
/// Contraction steps of a block: a panel's block of them fits the first-level cache.
const DEPTH: usize = 384;
/// Rows of a block of the left factor.
const BLOCK: usize = 96;
/// Rows that packing asks for before it needs them.
const AHEAD: usize = 8;
/// Floats of a cache line.
const LINE: usize = 16;

/// The left factor, `[m, k]`.
#[derive(Clone, Copy)]
pub enum Left<'a> {
    /// Row-major: rows `stride` apart.
    Rows { values: &'a [f32], stride: usize },
    /// Transposed: element (m, k) at `k · stride + m`.
    Columns { values: &'a [f32], stride: usize },
    /// In panels of W contraction steps each: element (m, k) at `(k / W) · panel + m · W + k % W`.
    Panels { values: &'a [f32], panel: usize },
}

/// What an output tile begins with.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Nothing: the product alone.
    Zero,
    /// One value a row.
    Bias(&'a [f32]),
    /// What the output holds.
    Output,
}

/// One product `[m, n] = [m, k] · [k, n]`.
pub struct Product<'a> {
    /// Rows of the output.
    pub m: usize,
    /// Columns of the output.
    pub n: usize,
    /// Length of the contraction.
    pub k: usize,
    /// Left factor.
    pub left: Left<'a>,
    /// Right factor: panels `[k, W]`, `right_panel` values apart.
    pub right: &'a [f32],
    /// Distance of the right factor's panels.
    pub right_panel: usize,
    /// What is added to.
    pub start: Start<'a>,
    /// Output: element (m, n) at `(n / W) · output_panel + m · output_row + n % W`.
    pub output: &'a mut [f32],
    /// Distance of its panels.
    pub output_panel: usize,
    /// Distance of its rows.
    pub output_row: usize,
}

impl Product<'_> {
    /// Computes it. Outputs in panels get whole rows: what is past column n is 0 or what follows from the right factor's
    /// values there. With `exact` nothing past column n is written.
    pub fn run(self, isa: Isa, exact: bool) {
        if self.m == 0 || self.n == 0 || self.k == 0 {
            return;
        }
        self.check(isa.width, exact);
        isa.run(Blocks { product: self, exact });
    }

    /// The bounds that the kernel relies on.
    fn check(&self, width: usize, exact: bool) {
        let (m, k) = (self.m, self.k);
        let panels = self.n.div_ceil(width);
        let left = match self.left {
            Left::Rows { values, stride } => (values.len(), (m - 1) * stride + k),
            Left::Columns { values, stride } => (values.len(), (k - 1) * stride + m),
            Left::Panels { values, panel } => (values.len(), (k - 1) / width * panel + m * width),
        };
        let last = if exact { self.n - (panels - 1) * width } else { width };
        let output = (panels - 1) * self.output_panel + (m - 1) * self.output_row + last;
        assert!(left.0 >= left.1, "the left factor is short: {left:?}");
        assert!(self.right.len() >= (panels - 1) * self.right_panel + k * width, "the right factor is short");
        assert!(self.output.len() >= output, "the output is short");
        assert!(!matches!(self.start, Start::Bias(bias) if bias.len() < m), "the bias is short");
    }
}

struct Blocks<'a> {
    product: Product<'a>,
    exact: bool,
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
    /// A block of a left factor given by columns: tiles `[steps, rows]` behind one another.
    static PACKED: RefCell<Buffer> = RefCell::default();
}

impl Blocks<'_> {
    #[inline(always)]
    fn blocks<S: Simd>(mut self, simd: S, packed: &mut Buffer) {
        let width = 2 * S::F32_LANES;
        let rows = if S::REGISTER_COUNT >= 32 { ROWS } else { ROWS / 2 };
        let (m, n, k) = (self.product.m, self.product.n, self.product.k);
        let panelled = matches!(self.product.left, Left::Panels { .. });
        let depth = if panelled { DEPTH.next_multiple_of(width) } else { DEPTH };
        for from in (0..k).step_by(depth) {
            let steps = from..k.min(from + depth);
            for block in (0..m).step_by(BLOCK) {
                let block = block..m.min(block + BLOCK);
                self.pack(block.clone(), steps.clone(), rows, packed);
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
        let rows = if S::REGISTER_COUNT >= 32 { ROWS } else { ROWS / 2 };
        let (from, steps) = (steps.start, steps.len());
        for (at, row) in block.clone().step_by(rows).enumerate() {
            let tile = Tile {
                row,
                rows: rows.min(block.end - row),
                panel,
                columns: width.min(self.product.n - panel * width),
                from,
                steps,
                packed: packed.get((row - block.start) * steps..).unwrap_or_default().as_ptr(),
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
    /// Its left factor, where it was packed.
    packed: *const f32,
    /// Its number among the tiles of the panel and the block, and how many there are.
    at: usize,
    tiles: usize,
    /// First row after the block.
    end: usize,
}

/// Pointers of a tile.
#[derive(Clone, Copy)]
struct Place {
    left: *const f32,
    /// Distances of the left factor's rows, contraction steps, and of its panels of contraction steps.
    strides: (usize, usize, usize),
    right: *const f32,
    bias: *const f32,
    output: *mut f32,
    output_row: usize,
    steps: usize,
    /// Columns to store, where not all.
    columns: usize,
    /// Whether the output is added to.
    add: bool,
    /// Whether the other half of a panel, past the last column, is set to zero.
    clear: bool,
    ahead: Ahead,
}

/// What a tile asks for on behalf of later ones; addresses that may lie anywhere, since nothing is read there.
#[derive(Clone, Copy)]
struct Ahead {
    /// Its share of the next panel of the right factor.
    right: *const f32,
    /// Lines of it for each panel's width of contraction steps.
    lines: usize,
    /// A row of the next block of the left factor, or null.
    left: *const f32,
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
        Ahead { right: self.right.as_ptr().wrapping_add(right + tile.at * share), lines, left }
    }
}

impl Blocks<'_> {
    /// Packs rows and contraction steps of a left factor given by columns.
    fn pack(&self, rows: Range<usize>, steps: Range<usize>, tile: usize, packed: &mut Buffer) {
        let Left::Columns { values, stride } = self.product.left else { return };
        let (count, depth) = (rows.len(), steps.len());
        packed.fit(count.next_multiple_of(tile) * depth);
        for (at, step) in steps.enumerate() {
            let ahead = values.get((step + AHEAD) * stride + rows.start..).unwrap_or_default();
            ahead[..count.min(ahead.len())].chunks(LINE).for_each(|line| prefetch::<false>(line.as_ptr()));
            let tiles = values[step * stride + rows.start..][..count].chunks(tile);
            for (from, start) in tiles.zip((at * tile..).step_by(tile * depth)) {
                copy(from, &mut packed[start..start + tile]);
            }
        }
    }

    /// # Safety
    /// The product's slices are as long as `Product::check` demands, and the tile lies inside.
    #[inline(always)]
    unsafe fn tile<S: Simd>(&mut self, simd: S, tile: Tile) {
        let product = &mut self.product;
        let width = 2 * S::F32_LANES;
        let narrow = tile.columns <= S::F32_LANES;
        let full = tile.rows.max(if S::REGISTER_COUNT >= 32 { ROWS } else { ROWS / 2 });
        // SAFETY: offsets of elements inside the checked bounds.
        let place = unsafe {
            let (left, strides) = match product.left {
                Left::Rows { values, stride } => {
                    (values.as_ptr().add(tile.row * stride + tile.from), (stride, 1, width))
                }
                Left::Columns { .. } => (tile.packed, (1, full, width * full)),
                Left::Panels { values, panel } => {
                    (values.as_ptr().add(tile.from / width * panel + tile.row * width), (width, 1, panel))
                }
            };
            let bias = match product.start {
                Start::Bias(bias) if tile.from == 0 => bias.as_ptr().add(tile.row),
                _ => std::ptr::null(),
            };
            let output = tile.panel * product.output_panel + tile.row * product.output_row;
            Place {
                left,
                strides,
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
            match (product.left, narrow) {
                (Left::Rows { .. }, false) => rows::<S, 2, false>(simd, tile.rows, place),
                (Left::Rows { .. }, true) => rows::<S, 1, false>(simd, tile.rows, place),
                (Left::Columns { .. }, false) => rows::<S, 2, true>(simd, tile.rows, place),
                (Left::Columns { .. }, true) => rows::<S, 1, true>(simd, tile.rows, place),
                (Left::Panels { .. }, false) => rows::<S, 2, false>(simd, tile.rows, place),
                (Left::Panels { .. }, true) => rows::<S, 1, false>(simd, tile.rows, place),
            }
        }
    }
}

/// Copies a tile's row: of a length known beforehand, where it is whole, so that no function is called.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    if let (Ok(from), Some(to)) = (<&[f32; ROWS]>::try_from(from), to.first_chunk_mut::<ROWS>()) {
        *to = *from;
    } else {
        from.iter().zip(to).for_each(|(from, to)| *to = *from);
    }
}

/// The kernel for the number of rows at hand.
///
/// # Safety
/// As [`kernel`].
#[inline(always)]
unsafe fn rows<S: Simd, const VECTORS: usize, const COLUMNS: bool>(simd: S, rows: usize, place: Place) {
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
        let (mut panel, mut right, mut ahead) = (place.left, place.right, place.ahead);
        while done < place.steps {
            let steps = width.min(place.steps - done);
            let mut left = panel;
            for _ in 0..ahead.lines {
                prefetch::<false>(ahead.right);
                ahead.right = ahead.right.wrapping_add(LINE);
            }
            if !ahead.left.is_null() {
                prefetch::<false>(ahead.left);
                prefetch::<false>(ahead.left.wrapping_add(LINE));
                ahead.left = ahead.left.wrapping_add(place.strides.2);
            }
            for _ in 0..steps {
                let mut vectors = [simd.splat_f32s(0.0); VECTORS];
                for at in 0..VECTORS {
                    vectors[at] = load::<S>(right.add(at * lanes));
                }
                for row in 0..M {
                    let offset = if COLUMNS { row } else { row * place.strides.0 };
                    let value = simd.splat_f32s(*left.add(offset));
                    for at in 0..VECTORS {
                        sums[row][at] = simd.mul_add_f32s(value, vectors[at], sums[row][at]);
                    }
                }
                left = left.add(if COLUMNS { place.strides.1 } else { 1 });
                right = right.add(width);
            }
            panel = panel.wrapping_add(place.strides.2);
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
fn prefetch<const NEAR: bool>(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults nowhere.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        if NEAR { _mm_prefetch::<_MM_HINT_T0>(line.cast()) } else { _mm_prefetch::<_MM_HINT_T1>(line.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fast::cpu::panel::{from_panels, to_panels};
    use crate::random::{Purpose, Stream};

    fn random(site: u32, count: usize) -> Vec<f32> {
        Stream::new(1, Purpose::Synthetic).normals(site, count).into_iter().map(|value| value as f32).collect()
    }

    /// `[m, n] = [m, k] · [n, k]ᵀ` in double precision.
    fn expected(m: usize, n: usize, k: usize, left: &[f32], right: &[f32]) -> Vec<f64> {
        let cell = |at: usize| {
            let (row, column) = (at / n, at % n);
            (0..k).map(|step| f64::from(left[row * k + step]) * f64::from(right[column * k + step])).sum()
        };
        (0..m * n).map(cell).collect()
    }

    /// Sums of k products of normals: an error of a few roundings of √k-sized values.
    fn near(out: &[f32], expected: &[f64], k: usize) {
        for (out, expected) in out.iter().zip(expected) {
            assert!((f64::from(*out) - expected).abs() < 2e-6 * (k as f64).sqrt() * 4.0, "{out} {expected}");
        }
    }

    /// `[columns, rows]` of `[rows, columns]`.
    fn transposed(rows: usize, columns: usize, values: &[f32]) -> Vec<f32> {
        (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect()
    }

    const SHAPES: [(usize, usize, usize); 6] =
        [(1, 1, 1), (12, 32, 16), (13, 33, 385), (100, 7, 800), (97, 70, 5), (25, 64, 40)];

    #[test]
    fn panels_are_the_product_and_the_bias() {
        for isa in Isa::all() {
            for (m, n, k) in SHAPES {
                let (weight, x, bias) = (random(0, m * k), random(1, n * k), random(2, m));
                let right = to_panels(isa, k, &x); // x is [n, k]: one column a row
                let mut output = vec![f32::NAN; m * n.next_multiple_of(isa.width)];
                let (right_panel, output_panel) = (k * isa.width, m * isa.width);
                let mut sum = expected(m, n, k, &weight, &x);
                sum.iter_mut().enumerate().for_each(|(at, sum)| *sum += f64::from(bias[at / n]));
                for columns in [false, true] {
                    let across = transposed(m, k, &weight);
                    let left = if columns {
                        Left::Columns { values: &across, stride: m }
                    } else {
                        Left::Rows { values: &weight, stride: k }
                    };
                    let start = Start::Bias(&bias);
                    let output_row = isa.width;
                    let output = &mut output;
                    Product { m, n, k, left, right: &right, right_panel, start, output, output_panel, output_row }
                        .run(isa, false);
                    let rows = transposed(n, m, &from_panels(isa, m, n, output));
                    near(&rows, &sum, k);
                }
            }
        }
    }

    #[test]
    fn weight_gradients_are_added_exactly_where_they_belong() {
        for isa in Isa::all() {
            for (m, n, k) in SHAPES {
                let (dy, x) = (random(0, m * k), random(1, n * k)); // [m, k] and [n, k], k tokens
                let left = to_panels(isa, m, &transposed(m, k, &dy));
                let mut right = vec![0.0; n.next_multiple_of(isa.width) * k]; // panels of features: [n / W][k][W]
                for (at, value) in x.iter().enumerate() {
                    let (feature, token) = (at / k, at % k);
                    right[feature / isa.width * k * isa.width + token * isa.width + feature % isa.width] = *value;
                }
                let before = random(3, m * n + 1);
                let mut output = before.clone();
                let left = Left::Panels { values: &left, panel: m * isa.width };
                let (right_panel, output_panel, output_row) = (k * isa.width, isa.width, n);
                let start = Start::Output;
                let product = Product {
                    m,
                    n,
                    k,
                    left,
                    right: &right,
                    right_panel,
                    start,
                    output: &mut output[..m * n],
                    output_panel,
                    output_row,
                };
                product.run(isa, true);
                let mut sum = expected(m, n, k, &dy, &x);
                sum.iter_mut().zip(&before).for_each(|(sum, before)| *sum += f64::from(*before));
                near(&output[..m * n], &sum, k);
                assert_eq!(output[m * n], before[m * n]);
            }
        }
    }
}
