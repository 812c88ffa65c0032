//! The `repro` program; everything it does is in the library.

use std::process::ExitCode;

/// The reference engine makes and drops thousands of large arrays a step; the system's allocator gives each back to the
/// kernel and takes it again, page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    repro::cli::main()
}
