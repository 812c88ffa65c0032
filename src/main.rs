//! The `repro` program; everything it does is in the library.

use repro::allocations::Counted;
use std::process::ExitCode;

/// The reference engine makes and drops thousands of large arrays a step; the system's allocator gives each back to the
/// kernel and takes it again, page by page.
#[global_allocator]
static ALLOCATOR: Counted<mimalloc::MiMalloc> = Counted(mimalloc::MiMalloc);

fn main() -> ExitCode {
    repro::cli::main()
}
