//! The generator's only source of chance: SplitMix64 (Steele, Lea, Flood 2014), one stream per file of the hub.
//!
//! Nothing here calls the platform's `ln` or `cos`, whose last bits differ between machines: a normal deviate is the sum
//! of twelve uniform ones minus six (Irwin–Hall), so that the committed bytes can be made again anywhere.
//!
//! The dice know which split they throw for, because train does not see every word: of a table each fourth entry, and
//! of a list of three or more synonyms the last one, is *held back* for the other splits.

/// How often a split other than train takes a word that train never saw, where there is one.
const HELD_BACK: f64 = 0.3;

/// A stream of random numbers.
pub struct Dice {
    state: u64,
    split: usize,
}

impl Dice {
    /// The stream of a name: FNV-1a of its bytes is where it starts. It throws for train.
    pub fn named(name: &str) -> Self {
        let state = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Dice { state, split: 0 }
    }

    /// From here on, throws are for this split; 0 is train.
    pub fn enter(&mut self, split: usize) {
        self.split = split;
    }

    /// The split that is thrown for, by its place in the task's table.
    pub fn split(&self) -> usize {
        self.split
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
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

    /// One of the entries, whatever the split.
    pub fn pick<T: Copy>(&mut self, table: &[T]) -> T {
        table[self.below(table.len())]
    }

    /// One of a table's entries, each fourth of which train does not see.
    pub fn word<T: Copy>(&mut self, table: &[T]) -> T {
        self.divided(table, |index| index % 4 == 3)
    }

    /// One of several words for the same, the last of which train does not see if there are three.
    pub fn synonym<T: Copy>(&mut self, words: &[T]) -> T {
        let held_back = if words.len() < 3 { words.len() } else { words.len() - 1 };
        self.divided(words, |index| index == held_back)
    }

    /// A list of only one of them.
    pub fn one_synonym<T>(&mut self, words: &'static [T]) -> &'static [T] {
        let index = self.synonym(&(0..words.len()).collect::<Vec<_>>());
        &words[index..=index]
    }

    /// Another word for the same.
    pub fn other_synonym<T: Copy + PartialEq>(&mut self, words: &[T], taken: T) -> T {
        loop {
            let word = self.synonym(words);
            if word != taken {
                return word;
            }
        }
    }

    /// An entry of the table that is none of these.
    pub fn other<T: Copy + PartialEq>(&mut self, table: &[T], taken: &[T]) -> T {
        loop {
            let entry = self.word(table);
            if !taken.contains(&entry) {
                return entry;
            }
        }
    }

    /// `count` entries that differ.
    pub fn words<T: Copy + PartialEq>(&mut self, table: &[T], count: usize) -> Vec<T> {
        let mut words = Vec::with_capacity(count);
        for _ in 0..count {
            words.push(self.other(table, &words));
        }
        words
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

    fn divided<T: Copy>(&mut self, table: &[T], held_back: impl Fn(usize) -> bool) -> T {
        let wanted = self.split > 0 && self.chance(HELD_BACK);
        let part: Vec<usize> = (0..table.len()).filter(|index| held_back(*index) == wanted).collect();
        // A table too short to be divided has no word to hold back.
        if part.is_empty() { self.pick(table) } else { table[self.pick(&part)] }
    }
}
