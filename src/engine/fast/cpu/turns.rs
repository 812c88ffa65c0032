//! One gradient for all workers, added to in the order of the micro-batches.
//!
//! The gradient is cut into units (a dense layer with its bias, say). Micro-batch m may add to a unit only after
//! micro-batch m - 1 has, so that a sum is always taken in the same order: no private copies, no reduction, and the
//! same bytes whichever worker came first. Workers take micro-batches in order, so the one waited for is always being
//! worked on; after the first few units they are out of step with each other and hardly wait.

use super::shared::Shared;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A buffer handed out by turns.
pub struct Turns<'a> {
    values: Shared<'a, f32>,
    next: &'a [AtomicUsize],
    broken: &'a AtomicBool,
}

impl<'a> Turns<'a> {
    /// Begins a step: `next` has one counter a unit, all set to 0 here.
    pub fn new(values: &'a mut [f32], next: &'a [AtomicUsize], broken: &'a AtomicBool) -> Turns<'a> {
        next.iter().for_each(|unit| unit.store(0, Ordering::Relaxed));
        broken.store(false, Ordering::Relaxed);
        Turns { values: Shared::new(values), next, broken }
    }

    /// Waits for the turn of a micro-batch at a unit, lets `add` change the unit's ranges, and passes the turn on.
    ///
    /// # Safety
    /// A range belongs to one unit only, and the ranges of a unit do not overlap.
    pub unsafe fn take<const N: usize>(
        &self,
        unit: usize,
        micro_batch: usize,
        ranges: [&Range<usize>; N],
        add: impl FnOnce([&mut [f32]; N]),
    ) {
        let next = &self.next[unit];
        let mut spins = 0u32;
        while next.load(Ordering::Acquire) != micro_batch {
            assert!(!self.broken.load(Ordering::Relaxed), "another worker has failed");
            spins += 1;
            if spins < 64 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        // SAFETY: the turn makes this the only user of the unit's values, as the caller promises.
        add(ranges.map(|range| unsafe { self.values.range(range.clone()) }));
        next.store(micro_batch + 1, Ordering::Release);
    }

    /// Marks the step as failed while it is dropped by a panic, so that nobody waits for a turn that never comes.
    pub fn guard(&self) -> impl Drop + '_ {
        Broken(self.broken)
    }
}

struct Broken<'a>(&'a AtomicBool);

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_added_to_in_order_by_any_number_of_threads() {
        let mut values = vec![0.0; 2];
        let next = [AtomicUsize::new(9), AtomicUsize::new(9)];
        let (broken, claimed) = (AtomicBool::new(true), AtomicUsize::new(0));
        let turns = Turns::new(&mut values, &next, &broken);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let micro_batch = claimed.fetch_add(1, Ordering::Relaxed);
                        if micro_batch >= 50 {
                            break;
                        }
                        // Order matters: x ← 2 x + m, modulo a prime to stay exact.
                        let fold = |x: f32| (2.0 * x + micro_batch as f32) % 8191.0;
                        // SAFETY: each unit is one value.
                        unsafe {
                            turns.take(0, micro_batch, [&(0..1)], |[own]| own[0] = fold(own[0]));
                            turns.take(1, micro_batch, [&(1..2)], |[own]| own[0] = fold(own[0]));
                        }
                    }
                });
            }
        });
        let expected = (0..50).fold(0.0f32, |x, m| (2.0 * x + m as f32) % 8191.0);
        assert_eq!(values, [expected, expected]);
    }
}
