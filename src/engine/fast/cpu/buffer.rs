//! Arrays of floats that begin on a cache line, so that no vector of a panel straddles two.

use std::ops::{Deref, DerefMut};

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A growing array of floats on whole cache lines.
#[derive(Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// Zeros, as fresh pages that take memory only once they are written.
    pub fn zeros(len: usize) -> Buffer {
        let mut lines = bytemuck::zeroed_vec(len.div_ceil(16));
        ask_for_huge_pages(&mut lines);
        Buffer { lines, len }
    }

    /// Makes the array `len` long. Allocates only to become longer than it ever was; old values stay.
    pub fn fit(&mut self, len: usize) {
        if self.lines.len() < len.div_ceil(16) {
            let old = std::mem::replace(self, Buffer::zeros(len));
            self.lines[..old.lines.len()].copy_from_slice(&old.lines);
        }
        self.len = len;
    }
}

/// Rows of a weight lie kilobytes apart: with small pages each row of a tile needs a translation of its own. The kernel may
/// say no. No effect was measured on the one machine tried, whose second-level translations sufficed.
fn ask_for_huge_pages(lines: &mut [Line]) {
    #[cfg(target_os = "linux")]
    {
        const HUGE: usize = 1 << 21;
        let range = lines.as_mut_ptr_range();
        let (start, end) = ((range.start as usize).next_multiple_of(HUGE), range.end as usize / HUGE * HUGE);
        if start < end {
            // SAFETY: the advice is about whole pages inside the allocation and changes no value.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = lines;
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_on_a_line_and_keeps_its_values() {
        let mut buffer = Buffer::zeros(3);
        buffer[2] = 7.0;
        buffer.fit(1000);
        assert_eq!((buffer.as_ptr() as usize % 64, buffer[2], buffer[999], buffer.len()), (0, 7.0, 0.0, 1000));
        let place = buffer.as_ptr();
        buffer.fit(2);
        buffer.fit(1000);
        assert_eq!(buffer.as_ptr(), place);
    }
}
