//! Counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
//!
//! A value is a pure function of (seed, purpose, step, site, index): nothing is stored, nothing depends on the order in
//! which values are drawn, so micro-batches, engines and devices see the same masks, and a resumed run the same ones as
//! an uninterrupted run. One call yields four values, for indices `4 k … 4 k + 3`.

/// What a stream of random numbers is for; streams of one seed are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Dropout masks.
    Dropout = 1,
    /// Weights of a new head.
    Head = 2,
    /// Order of the training examples.
    Order = 3,
    /// Weights of an untrained encoder.
    Encoder = 4,
    /// Bootstrap resampling.
    Bootstrap = 5,
    /// Rows of benchmarks and calibrations.
    Synthetic = 6,
    /// Cutting documents into segments.
    Segments = 7,
    /// Which tokens are masked.
    Masking = 8,
}

/// The random numbers of one seed and purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
}

impl Stream {
    /// The stream of a purpose. The purpose is mixed into the key by one Philox block, so that neighbouring seeds share
    /// no key.
    pub fn new(seed: u64, purpose: Purpose) -> Stream {
        let block = philox([purpose as u32, 0, 0, 0], [seed as u32, (seed >> 32) as u32]);
        Stream { key: [block[0], block[1]] }
    }

    /// The key of its Philox blocks.
    pub fn key(&self) -> [u32; 2] {
        self.key
    }

    /// The 32 random bits at (step, site, index).
    pub fn bits(&self, step: u64, site: u32, index: u64) -> u32 {
        self.block(step, site, index / 4)[(index % 4) as usize]
    }

    /// The bits of indices `4 block … 4 block + 3`.
    pub fn block(&self, step: u64, site: u32, block: u64) -> [u32; 4] {
        philox([block as u32, (block >> 32) as u32, step as u32, site], self.key)
    }

    /// A uniform number in (0, 1).
    pub fn uniform(&self, step: u64, site: u32, index: u64) -> f64 {
        (f64::from(self.bits(step, site, index)) + 0.5) / 4_294_967_296.0
    }

    /// `count` standard normal numbers (Box and Muller 1958), of one site.
    pub fn normals(&self, site: u32, count: usize) -> Vec<f64> {
        (0..count as u64).map(|index| self.normal(0, site, index)).collect()
    }

    /// `count` standard normal numbers, each redrawn until it is within two deviations, as TensorFlow's
    /// `truncated_normal` does.
    pub fn truncated_normals(&self, site: u32, count: usize) -> Vec<f64> {
        let within = |index| (0..).map(|round| self.normal(round, site, index)).find(|value| value.abs() <= 2.0);
        (0..count as u64).map(|index| within(index).expect("some round is within two deviations")).collect()
    }

    fn normal(&self, round: u64, site: u32, index: u64) -> f64 {
        let block = self.block(round, site, index);
        let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
        (-2.0 * unit(block[0]).ln()).sqrt() * (2.0 * std::f64::consts::PI * unit(block[1])).cos()
    }

    /// The numbers `0 … count - 1` in random order (Fisher and Yates); `round` tells epochs apart.
    pub fn permutation(&self, round: u64, count: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count as u32).collect();
        for last in (1..count).rev() {
            let block = self.block(round, 0, last as u64);
            let wide = u64::from(block[0]) << 32 | u64::from(block[1]);
            let chosen = (u128::from(wide) * (last as u128 + 1)) >> 64;
            order.swap(last, chosen as usize);
        }
        order
    }
}

/// Rounds of [`philox`].
pub const ROUNDS: usize = 10;
/// Its multipliers of the first and third word.
pub const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What is added to the words of its key after each round.
pub const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Philox 4x32 with ten rounds.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let left = u64::from(c0) * u64::from(MULTIPLIERS[0]);
        let right = u64::from(c2) * u64::from(MULTIPLIERS[1]);
        (c0, c2) = ((right >> 32) as u32 ^ c1 ^ k0, (left >> 32) as u32 ^ c3 ^ k1);
        (c1, c3) = (right as u32, left as u32);
        k0 = k0.wrapping_add(KEY_STEPS[0]);
        k1 = k1.wrapping_add(KEY_STEPS[1]);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;

    // Known answers of Random123's kat_vectors for philox4x32, 10 rounds.
    #[test]
    fn philox_gives_the_published_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let digits_of_pi = ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        let expected = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(philox(digits_of_pi.0, digits_of_pi.1), expected);
    }

    #[test]
    fn bits_are_those_of_their_block() {
        let stream = Stream::new(7, Purpose::Dropout);
        let block = stream.block(3, 5, 2);
        assert_eq!((8..12).map(|index| stream.bits(3, 5, index)).collect::<Vec<_>>(), block);
    }

    #[test]
    fn seeds_and_purposes_have_streams_of_their_own() {
        let first = |seed, purpose| Stream::new(seed, purpose).bits(0, 0, 0);
        let drawn = [
            first(1, Purpose::Dropout),
            first(2, Purpose::Dropout),
            first(1, Purpose::Order),
            first(1 << 32, Purpose::Dropout),
        ];
        for (at, value) in drawn.iter().enumerate() {
            assert!(!drawn[..at].contains(value));
        }
    }

    // Mean of n uniforms has deviation sqrt(1/12n): 0.0009 for 100,000; four of them are the limit.
    #[test]
    fn uniforms_have_the_mean_of_a_uniform() {
        let stream = Stream::new(1, Purpose::Dropout);
        let mean = (0..100_000).map(|index| stream.uniform(0, 0, index)).sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 0.0037, "{mean}");
    }

    // A normal cut at two deviations has variance 1 - 4 phi(2) / (2 Phi(2) - 1) = 0.7737.
    #[test]
    fn truncated_normals_are_cut_and_narrower() {
        let drawn = Stream::new(1, Purpose::Head).truncated_normals(0, 100_000);
        let variance = drawn.iter().map(|value| value * value).sum::<f64>() / 1e5;
        assert!(drawn.iter().all(|value| value.abs() <= 2.0));
        assert!((variance - 0.7737).abs() < 0.015, "{variance}");
        let plain = Stream::new(1, Purpose::Head).normals(0, 100_000);
        let variance = plain.iter().map(|value| value * value).sum::<f64>() / 1e5;
        assert!((variance - 1.0).abs() < 0.018, "{variance}");
    }

    #[test]
    fn a_permutation_holds_every_number_once_and_differs_by_round() {
        let stream = Stream::new(1, Purpose::Order);
        let mut order = stream.permutation(0, 1000);
        assert_ne!(order, stream.permutation(1, 1000));
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
