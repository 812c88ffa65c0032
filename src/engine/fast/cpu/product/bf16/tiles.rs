//! Sums on the matrix unit of newer x86 servers (AMX): four tiles of sums make 32 rows by one panel.

use super::{SIDE, vectors};
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;

/// Whether this machine has the unit and the system lets this process use it.
pub fn available() -> bool {
    const AMX_BF16: u32 = 1 << 22; // in EDX of leaf 7
    // Factors are rounded by vectors.
    vectors::available() && __cpuid_count(7, 0).edx & AMX_BF16 != 0 && permitted()
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

/// Eight tiles of 16 rows of 64 bytes.
///
/// # Safety
/// The machine has the unit.
pub unsafe fn configure() {
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

/// Gives the tiles back.
///
/// # Safety
/// The machine has the unit.
pub unsafe fn release() {
    // SAFETY: the instruction touches the tiles alone.
    unsafe { asm!("tilerelease", options(nostack, nomem)) }
}

/// As [`super::Sums`].
///
/// # Safety
/// Tiles are configured; the factors have `chunks` pairs of tiles, the output 32 rows.
pub unsafe fn sums(left: *const f32, right: *const f32, chunks: usize, output: *mut f32, row: usize, add: bool) {
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
