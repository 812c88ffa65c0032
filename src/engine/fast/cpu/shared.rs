//! A buffer that several workers write to at once, each to values of its own.

use std::marker::PhantomData;
use std::ops::Range;

/// A borrowed buffer of which disjoint ranges may be borrowed again, by different workers.
pub struct Shared<'a, T> {
    values: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: values are reached only through `range`, whose callers keep their ranges apart.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Shares a buffer.
    pub fn new(values: &'a mut [T]) -> Shared<'a, T> {
        Shared { values: values.as_mut_ptr(), len: values.len(), borrow: PhantomData }
    }

    /// Values of a range.
    ///
    /// # Safety
    /// Nobody else uses any of these values meanwhile.
    #[allow(clippy::mut_from_ref, reason = "that is what it is for; the caller keeps ranges apart")]
    pub unsafe fn range(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} is outside of {} values", self.len);
        // SAFETY: inside the buffer, and the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.values.add(range.start), range.len()) }
    }
}
