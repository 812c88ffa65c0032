//! Products of factors rounded to bfloat16 on the matrix unit of newer x86 servers (AMX). Sums are in 32 bits; what lies in
//! memory, parameters and activations, stays in 32 bits too and is rounded to nearest on its way into tiles.
//!
//! A tile of a left factor is 16 rows of 32 contraction steps, one of a right factor 32 steps of 16 columns as 16 rows of
//! pairs (Intel 64 and IA-32 Architectures Software Developer's Manual, TDPBF16PS); both are 1,024 bytes. Four tiles of
//! sums make 32 rows by one panel.

mod pack;

use super::{Left, Product, Start};
use crate::engine::fast::cpu::buffer::Buffer;
use pack::{pack_left, pack_right};
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
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

/// Whether this machine has the unit and the system lets this process use it. Asked once.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_unit() && permitted())
}

fn has_unit() -> bool {
    const AMX_BF16: u32 = 1 << 22; // in EDX of leaf 7
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
        && __cpuid_count(7, 0).edx & AMX_BF16 != 0
}

/// Linux gives a process the tiles' state only if it asks (ARCH_REQ_XCOMP_PERM).
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const REQUEST: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call takes two numbers and changes which state the process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
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
    assert!(available(), "bfloat16 products were asked for where there are none");
    let mut packed = PACKED.take();
    // SAFETY: the machine has the instructions; `Product::check` has compared every slice with the furthest element of any
    // tile.
    unsafe {
        configure();
        Blocks { product, exact }.run(&mut packed);
        asm!("tilerelease", options(nostack, nomem));
    }
    PACKED.set(packed);
}

/// Contraction steps of a block, of about equal depth: every one of them reads and writes the whole output.
fn depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(DEPTH)).next_multiple_of(STEPS)
}

/// Packs all of a left factor `[m, k]`, in the order in which a product reads its blocks.
pub fn pack(left: Left, m: usize, k: usize, packed: &mut Buffer) {
    assert!(available(), "bfloat16 products were asked for where there are none");
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

/// Eight tiles of 16 rows of 64 bytes.
///
/// # Safety
/// The machine has the unit.
unsafe fn configure() {
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);
    let mut bytes = [0; 64];
    bytes[0] = 1; // palette
    for tile in 0..8 {
        bytes[16 + 2 * tile] = 64; // bytes of a row
        bytes[48 + tile] = SIDE as u8;
    }
    let configuration = Configuration(bytes);
    // SAFETY: 64 bytes in the form that the instruction wants.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly)) }
}

struct Blocks<'a> {
    product: Product<'a>,
    exact: bool,
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
                sums(left, right, chunks, output, product.output_row, onto || bias.is_some());
            };
        }
        let mut scratch = Scratch([0.0; 2 * SIDE * STEPS]);
        // SAFETY: the scratch has 32 rows of 32 values.
        unsafe { sums(left, right, chunks, scratch.0.as_mut_ptr(), STEPS, false) };
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

/// `output [32, 32] (+)= left · right`, the output's rows `row` values apart.
///
/// # Safety
/// Tiles are configured; the factors have `chunks` pairs of tiles, the output 32 rows.
unsafe fn sums(left: *const f32, right: *const f32, chunks: usize, output: *mut f32, row: usize, add: bool) {
    // SAFETY: as above; the instructions read and write nothing else.
    unsafe {
        asm!(
            "test {add:e}, {add:e}",
            "jz 3f",
            "tileloadd tmm0, [{upper} + {row}]",
            "tileloadd tmm1, [{upper} + {row} + 64]",
            "tileloadd tmm2, [{lower} + {row}]",
            "tileloadd tmm3, [{lower} + {row} + 64]",
            "jmp 4f",
            "3:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "4:",
            "tileloadd tmm4, [{left} + {line}]",
            "tileloadd tmm6, [{right} + {line}]",
            "tileloadd tmm7, [{right} + {line} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{left} + {line} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {left}, 2048",
            "add {right}, 2048",
            "dec {chunks}",
            "jnz 4b",
            "tilestored [{upper} + {row}], tmm0",
            "tilestored [{upper} + {row} + 64], tmm1",
            "tilestored [{lower} + {row}], tmm2",
            "tilestored [{lower} + {row} + 64], tmm3",
            left = inout(reg) left => _,
            right = inout(reg) right => _,
            chunks = inout(reg) chunks => _,
            upper = in(reg) output,
            lower = in(reg) output.wrapping_add(SIDE * row),
            row = in(reg) 4 * row,
            line = in(reg) 64usize,
            add = in(reg) u32::from(add),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
