//! Counts calls to the heap while somebody asks for it; `repro bench --allocations` does.
//!
//! A wrapper around the program's allocator. Otherwise it costs a load of a flag that never changes.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);

/// An allocator that counts.
pub struct Counted<A>(pub A);

fn count() {
    if COUNTING.load(Relaxed) {
        COUNT.fetch_add(1, Relaxed);
    }
}

/// Runs `work` and says how often memory was asked for meanwhile, by any thread; 0 where the program's allocator is not
/// [`Counted`].
pub fn during<T>(work: impl FnOnce() -> T) -> (T, u64) {
    COUNT.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
    let result = work();
    COUNTING.store(false, Relaxed);
    (result, COUNT.load(Relaxed))
}

// SAFETY: every call goes to the wrapped allocator unchanged, and counting asks for no memory.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counted<A> {
    // SAFETY: as the wrapped allocator's.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: passed on.
        unsafe { self.0.alloc(layout) }
    }

    // SAFETY: as the wrapped allocator's.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: passed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    // SAFETY: as the wrapped allocator's.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: passed on.
        unsafe { self.0.realloc(pointer, layout, size) }
    }

    // SAFETY: as the wrapped allocator's.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { self.0.dealloc(pointer, layout) }
    }
}
