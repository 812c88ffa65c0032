//! The generator's only source of chance: SplitMix64 (Steele, Lea, Flood 2014), one stream per file of the hub.
//!
//! Nothing here calls the platform's `ln` or `cos`, whose last bits differ between machines: a normal deviate is the sum
//! of twelve uniform ones minus six (Irwin–Hall), so that the committed bytes can be made again anywhere.

/// A stream of random numbers.
pub struct Dice(u64);

impl Dice {
    /// The stream of a name: FNV-1a of its bytes is where it starts.
    pub fn named(name: &str) -> Self {
        let start = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Dice(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, deviation 1, never beyond six deviations.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A whole number below `end`; the bias of the remainder is below 2^-50 for the few choices made here.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// One of the words.
    pub fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }

    /// One of the table's entries.
    pub fn pick_entry<'a, T>(&mut self, table: &'a [T]) -> &'a T {
        &table[self.below(table.len())]
    }

    /// The index of a choice that is not `taken`.
    pub fn other(&mut self, count: usize, taken: usize) -> usize {
        (taken + 1 + self.below(count - 1)) % count
    }

    /// `count` different numbers below `end`, in random order.
    pub fn distinct(&mut self, end: usize, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..end).collect();
        for place in 0..count {
            let from = place + self.below(end - place);
            numbers.swap(place, from);
        }
        numbers.truncate(count);
        numbers
    }
}
