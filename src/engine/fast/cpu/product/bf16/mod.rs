//! Products of factors rounded to bfloat16, where the CPU has them: on the matrix unit ([`tiles`]), else on vectors of pairs
//! ([`vectors`]). Sums are in 32 bits; what lies in memory, parameters and activations, stays in 32 bits too and is rounded
//! to nearest on its way into tiles.
//!
//! A tile of a left factor is 16 rows of 32 contraction steps, one of a right factor 32 steps of 16 columns as 16 rows of
//! pairs (Intel 64 and IA-32 Architectures Software Developer's Manual, TDPBF16PS); both are 1,024 bytes.

mod pack;
mod tiles;
mod vectors;

use super::{Left, Product, Start};
use crate::engine::fast::cpu::buffer::Buffer;
use pack::{pack_left, pack_right};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::OnceLock;

/// Rows of a tile.
const SIDE: usize = 16;
/// Contraction steps of a tile, and columns of a panel of AVX-512.
const STEPS: usize = 32;
/// Floats' worth of a tile.
const TILE: usize = SIDE * STEPS / 2;
/// Most contraction steps of a block.
const DEPTH: usize = 512;

/// `output [32, 32] (+)= left · right` of `chunks` pairs of tiles, the output's rows `row` values apart.
type Sums = unsafe fn(left: *const f32, right: *const f32, chunks: usize, output: *mut f32, row: usize, add: bool);

/// What computes the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// The matrix unit.
    Tiles,
    /// Vectors of pairs.
    Vectors,
}

impl Unit {
    /// The units of this machine, the faster first. Asked once.
    fn all() -> &'static [Unit] {
        static UNITS: OnceLock<Vec<Unit>> = OnceLock::new();
        let here = |unit: &Unit| match unit {
            Unit::Tiles => tiles::available(),
            Unit::Vectors => vectors::available(),
        };
        UNITS.get_or_init(|| [Unit::Tiles, Unit::Vectors].into_iter().filter(here).collect())
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Tiles => "AMX",
            Unit::Vectors => "AVX512-BF16",
        }
    }

    fn sums(self) -> Sums {
        match self {
            Unit::Tiles => tiles::sums,
            Unit::Vectors => vectors::sums,
        }
    }
}

/// What computes products of factors in bfloat16 on this machine, if anything does: the units add in different orders.
pub fn unit() -> Option<&'static str> {
    Unit::all().first().map(|unit| unit.name())
}

/// Both factors of a block, rounded.
#[derive(Default)]
struct Packed {
    left: Buffer,
    right: Buffer,
}

thread_local! {
    static PACKED: RefCell<Packed> = RefCell::default();
}

/// Computes a product whose slices were checked.
pub fn run(product: Product, exact: bool) {
    let unit = Unit::all().first().expect("bfloat16 products were asked for where there are none");
    run_on(*unit, product, exact);
}

fn run_on(unit: Unit, product: Product, exact: bool) {
    let mut packed = PACKED.take();
    let mut blocks = Blocks { product, exact, sums: unit.sums() };
    // SAFETY: the machine has the instructions; `Product::check` has compared every slice with the furthest element of any
    // tile.
    unsafe {
        match unit {
            Unit::Vectors => blocks.run(&mut packed),
            Unit::Tiles => {
                tiles::configure();
                blocks.run(&mut packed);
                tiles::release();
            }
        }
    }
    PACKED.set(packed);
}

/// Contraction steps of a block, of about equal depth: every one of them reads and writes the whole output.
fn depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(DEPTH)).next_multiple_of(STEPS)
}

/// Packs all of a left factor `[m, k]`, in the order in which a product reads its blocks.
pub fn pack(left: Left, m: usize, k: usize, packed: &mut Buffer) {
    assert!(unit().is_some(), "bfloat16 products were asked for where there are none");
    // All depths but the last are whole tiles.
    packed.fit(2 * k.div_ceil(STEPS) * TILE * m.div_ceil(2 * SIDE));
    let mut rest = &mut **packed;
    for from in (0..k).step_by(depth(k)) {
        let steps = from..k.min(from + depth(k));
        for row in (0..m).step_by(2 * SIDE) {
            let (own, others) = rest.split_at_mut(2 * steps.len().div_ceil(STEPS) * TILE);
            // SAFETY: the machine has the instructions; rows and steps of the factor, whose slice `check_left` compares with
            // the furthest of them; room for two tiles of rows.
            unsafe { pack_left(left, &(row..m.min(row + 2 * SIDE)), &steps, own.as_mut_ptr()) };
            rest = others;
        }
    }
}

struct Blocks<'a> {
    product: Product<'a>,
    exact: bool,
    sums: Sums,
}

impl Blocks<'_> {
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn run(&mut self, packed: &mut Packed) {
        let (m, n, k) = (self.product.m, self.product.n, self.product.k);
        let (depth, panels, mut before) = (depth(k), n.div_ceil(STEPS), 0);
        packed.left.fit(2 * depth / STEPS * TILE);
        packed.right.fit(panels * 2 * depth / STEPS * TILE);
        for from in (0..k).step_by(depth) {
            let steps = from..k.min(from + depth);
            let chunks = steps.len().div_ceil(STEPS);
            // SAFETY: panels and steps inside the checked bounds.
            unsafe {
                for panel in 0..panels {
                    let values = self.product.right.as_ptr().add(panel * self.product.right_panel + from * STEPS);
                    let to = packed.right[panel * 2 * chunks * TILE..].as_mut_ptr();
                    pack_right(values, steps.len(), to);
                }
                for row in (0..m).step_by(2 * SIDE) {
                    let rows = row..m.min(row + 2 * SIDE);
                    let left = match self.product.left {
                        Left::Packed { values, .. } => values[before..before + 2 * chunks * TILE].as_ptr(),
                        left => {
                            pack_left(left, &rows, &steps, packed.left.as_mut_ptr());
                            packed.left.as_ptr()
                        }
                    };
                    before += 2 * chunks * TILE;
                    for panel in 0..panels {
                        let right = packed.right[panel * 2 * chunks * TILE..].as_ptr();
                        self.tile(&rows, panel, from == 0, left, right, chunks);
                    }
                }
            }
        }
    }

    /// 32 rows by a panel.
    unsafe fn tile(
        &mut self,
        rows: &Range<usize>,
        panel: usize,
        first: bool,
        left: *const f32,
        right: *const f32,
        chunks: usize,
    ) {
        let product = &mut self.product;
        let columns = if self.exact { STEPS.min(product.n - panel * STEPS) } else { STEPS };
        let onto = !first || matches!(product.start, Start::Output);
        let at = panel * product.output_panel + rows.start * product.output_row;
        let row = |row: usize| at + row * product.output_row;
        let bias = match product.start {
            Start::Bias(bias) if first => Some(&bias[rows.clone()]),
            _ => None,
        };
        if rows.len() == 2 * SIDE && columns == STEPS {
            for (at, bias) in bias.into_iter().flatten().enumerate() {
                product.output[row(at)..][..STEPS].fill(*bias);
            }
            // SAFETY: 32 whole rows lie in the output.
            return unsafe {
                let output = product.output.as_mut_ptr().add(at);
                (self.sums)(left, right, chunks, output, product.output_row, onto || bias.is_some());
            };
        }
        let mut scratch = Scratch([0.0; 2 * SIDE * STEPS]);
        // SAFETY: the scratch has 32 rows of 32 values.
        unsafe { (self.sums)(left, right, chunks, scratch.0.as_mut_ptr(), STEPS, false) };
        for (at, sums) in scratch.0.chunks_exact(STEPS).take(rows.len()).enumerate() {
            let bias = bias.map_or(0.0, |bias| bias[at]);
            for (output, sum) in product.output[row(at)..][..columns].iter_mut().zip(sums) {
                *output = if onto { *output + sum } else { sum + bias };
            }
        }
    }
}

#[repr(C, align(64))]
struct Scratch([f32; 2 * SIDE * STEPS]);

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers are bfloat16, and their sums of products exact in 32 bits: every unit must say the same as whole
    /// numbers do, over two blocks of the contraction, with what an output begins with.
    #[test]
    fn every_unit_multiplies_whole_numbers_exactly() {
        let (m, n, k) = (45, 40_usize, 600);
        let number = |at: usize, by: usize| (at * by % 17) as i32 - 8;
        let weight: Vec<f32> = (0..m * k).map(|at| number(at, 5) as f32).collect();
        let panels = n.div_ceil(STEPS);
        let x = |column: usize, step: usize| number(column * k + step, 7);
        let column = |at: usize| (at / (k * STEPS) * STEPS + at % STEPS, at / STEPS % k);
        let right: Vec<f32> = (0..panels * k * STEPS).map(|at| x(column(at).0, column(at).1) as f32).collect();
        let bias = vec![3.0; m];
        let starts = [(Start::Zero, 0), (Start::Output, 1), (Start::Bias(&bias), 3)];
        let cases = starts.into_iter().flat_map(|start| [(start, false), (start, true)]);
        for (unit, ((start, before), exact)) in
            Unit::all().iter().flat_map(|unit| cases.clone().map(move |case| (unit, case)))
        {
            let mut output = vec![1.0; panels * m * STEPS];
            let product = Product {
                m,
                n,
                k,
                left: Left::Rows { values: &weight, stride: k },
                right: &right,
                right_panel: k * STEPS,
                start,
                output: &mut output,
                output_panel: m * STEPS,
                output_row: STEPS,
            };
            run_on(*unit, product, exact);
            let found = |row: usize, column: usize| output[column / STEPS * m * STEPS + row * STEPS + column % STEPS];
            for row in 0..m {
                for column in 0..n {
                    let sum: i32 = (0..k).map(|step| number(row * k + step, 5) * x(column, step)).sum();
                    assert_eq!(found(row, column), (sum + before) as f32, "{unit:?}: row {row}, column {column}");
                }
                let kept = (n..panels * STEPS).all(|column| found(row, column) == 1.0);
                assert!(kept || !exact, "{unit:?} wrote past the last column");
            }
        }
    }
}
