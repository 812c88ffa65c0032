//! A batch as kernels read it: one block of bytes, filled on the host and copied at once.
//!
//! T tokens, B sequences. Sizes are rounded up, so that steps of nearly the same size share one recorded graph; rounded
//! rows are zeros or never read.

use super::machine::{Address, GraphKey};
use crate::encode::{Batch, Targets};
use crate::engine::StepPart;
use crate::random::{Purpose, Stream};

/// Rows of an attention tile.
pub const TILE: usize = 64;

/// Bytes of the `Step` of prelude.cuh, rounded to a cache line.
pub const STEP_BYTES: usize = 64;

/// Rounded sizes: an upper bound of a batch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Tokens; a multiple of 64.
    pub tokens: usize,
    /// Sequences; a multiple of 8.
    pub sequences: usize,
}

impl Room {
    /// The room a batch takes: steps of 64 tokens up to 512, then eight sizes from each power of two to the next.
    pub fn of(tokens: usize, sequences: usize) -> Room {
        let step = (tokens.max(1).next_power_of_two() / 16).max(TILE);
        Room { tokens: tokens.max(1).next_multiple_of(step), sequences: sequences.max(1).next_multiple_of(8) }
    }

    /// Room for both.
    pub fn union(self, other: Room) -> Room {
        Room { tokens: self.tokens.max(other.tokens), sequences: self.sequences.max(other.sequences) }
    }

    /// Most tiles of 64 rows: a sequence's last one may be partly filled.
    pub fn tiles(self) -> usize {
        self.tokens / TILE + self.sequences
    }

    /// Words before each array, in the order of [`Staged`], and the bytes of it all.
    fn offsets(self) -> ([usize; 9], usize) {
        let lengths = [
            self.tokens,        // input_ids
            self.tokens,        // token_type_ids
            self.tokens,        // positions
            self.sequences + 1, // cumulative_lengths
            2 * self.tiles(),   // tiles
            2 * self.sequences, // targets
            self.tokens,        // order
            self.tokens + 1,    // starts
            self.tokens,        // words
        ];
        let mut at = STEP_BYTES / 4;
        let mut offsets = [0; 9];
        for (offset, length) in offsets.iter_mut().zip(lengths) {
            *offset = at;
            at = (at + length).next_multiple_of(4);
        }
        (offsets, at * 4)
    }

    /// Bytes of a staged batch.
    pub fn bytes(self) -> usize {
        self.offsets().1
    }
}

/// Addresses of a staged batch's parts.
#[derive(Clone, Copy, Debug)]
pub struct Staged {
    /// The `Step` of prelude.cuh.
    pub step: Address,
    /// `[T]`.
    pub input_ids: Address,
    /// `[T]`.
    pub token_type_ids: Address,
    /// Place of each token in its sequence, `[T]`.
    pub positions: Address,
    /// `[B + 1]`.
    pub cumulative_lengths: Address,
    /// (sequence, first row) of each attention tile.
    pub tiles: Address,
    /// Two words for each sequence: class, value or span.
    pub targets: Address,
    /// Tokens sorted by word, `[T]`.
    pub order: Address,
    /// Where each distinct word begins in `order`, and T.
    pub starts: Address,
    /// Distinct words, ascending.
    pub words: Address,
}

impl Staged {
    /// The parts of a batch that was copied to an address.
    pub fn at(base: Address, room: Room) -> Staged {
        let (offsets, _) = room.offsets();
        let place = |part: usize| base.after(offsets[part] * 4);
        Staged {
            step: base,
            input_ids: place(0),
            token_type_ids: place(1),
            positions: place(2),
            cumulative_lengths: place(3),
            tiles: place(4),
            targets: place(5),
            order: place(6),
            starts: place(7),
            words: place(8),
        }
    }
}

/// Writes a batch into `words`, whose length is set; returns its room.
pub fn write(batch: &Batch, part: &StepPart, words: &mut Vec<u32>) -> Room {
    let room = Room::of(batch.tokens(), batch.len());
    let (offsets, bytes) = room.offsets();
    words.clear();
    words.resize(bytes / 4, 0);
    words[offsets[0]..][..batch.tokens()].copy_from_slice(&batch.input_ids);
    words[offsets[1]..][..batch.tokens()].copy_from_slice(&batch.token_type_ids);
    let positions = batch.lengths().flat_map(|length| 0..length as u32);
    words[offsets[2]..].iter_mut().zip(positions).for_each(|(to, position)| *to = position);
    words[offsets[3]..][..=batch.len()].copy_from_slice(&batch.cumulative_lengths);
    let tiles = write_tiles(batch, &mut words[offsets[4]..]);
    write_targets(&batch.targets, &mut words[offsets[5]..]);
    let (before, after) = words.split_at_mut(offsets[7]);
    let order = &mut before[offsets[6]..][..batch.tokens()];
    let (starts, distinct) = after.split_at_mut(offsets[8] - offsets[7]);
    let count = sort_words(&batch.input_ids, order, starts, distinct);
    write_step(batch, part, [tiles, count], words);
    room
}

/// The `Step` of prelude.cuh, field by field.
fn write_step(batch: &Batch, part: &StepPart, [tiles, distinct]: [usize; 2], words: &mut [u32]) {
    let key = Stream::new(part.seed, Purpose::Dropout).key();
    let (token, sequence) = (part.first_token as u64, part.first_sequence as u64);
    let scale = (1.0 / part.sequences.max(1) as f64) as f32;
    let fields = [
        key[0],
        key[1],
        part.step as u32,
        batch.tokens() as u32,
        batch.len() as u32,
        tiles as u32,
        distinct as u32,
        scale.to_bits(),
        token as u32,
        (token >> 32) as u32,
        sequence as u32,
        (sequence >> 32) as u32,
    ];
    words[..fields.len()].copy_from_slice(&fields);
}

fn write_tiles(batch: &Batch, to: &mut [u32]) -> usize {
    let of = |(sequence, length): (usize, usize)| (0..length).step_by(TILE).map(move |first| [sequence, first]);
    let tiles = batch.lengths().enumerate().flat_map(of);
    to.chunks_exact_mut(2).zip(tiles).map(|(to, tile)| to.copy_from_slice(&tile.map(|x| x as u32))).count()
}

fn write_targets(targets: &Targets, to: &mut [u32]) {
    let pairs = to.chunks_exact_mut(2);
    match targets {
        // Of heads that a GPU does not have yet.
        Targets::Hidden | Targets::Tokens(_) | Targets::Choices(_) | Targets::Masked { .. } => {}
        Targets::Classes(classes) => pairs.zip(classes).for_each(|(to, class)| to[0] = *class),
        Targets::Values(values) => pairs.zip(values).for_each(|(to, value)| to[0] = value.to_bits()),
        Targets::Spans(spans) => pairs.zip(spans).for_each(|(to, span)| to.copy_from_slice(&[span.0, span.1])),
    }
}

/// Sorts tokens by word, equal words in their order; returns how many distinct words there are.
fn sort_words(ids: &[u32], order: &mut [u32], starts: &mut [u32], distinct: &mut [u32]) -> usize {
    order.iter_mut().zip(0..).for_each(|(to, token)| *to = token);
    order.sort_unstable_by_key(|token| (ids[*token as usize], *token));
    let mut count = 0;
    for (at, token) in order.iter().enumerate() {
        let word = ids[*token as usize];
        if at == 0 || distinct[count - 1] != word {
            (starts[count], distinct[count]) = (at as u32, word);
            count += 1;
        }
    }
    starts[count] = order.len() as u32;
    count
}

/// Kind of targets, as head.cu numbers them for a sequence head; spans are 1.
pub fn kind(targets: &Targets) -> u32 {
    match targets {
        Targets::Hidden | Targets::Tokens(_) | Targets::Choices(_) | Targets::Masked { .. } => 0,
        Targets::Classes(_) | Targets::Spans(_) => 1,
        Targets::Values(_) => 2,
    }
}

/// The key of a step's recorded graph.
pub fn graph_key(batch: &Batch, room: Room, training: bool) -> GraphKey {
    GraphKey { tokens: room.tokens, sequences: room.sequences, training, targets: kind(&batch.targets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let input_ids = [vec![5, 7, 5], vec![2; 70], vec![7]].concat();
        Batch {
            token_type_ids: vec![0; input_ids.len()],
            input_ids,
            cumulative_lengths: vec![0, 3, 73, 74],
            together: 1,
            contexts: Vec::new(),
            targets: Targets::Values(vec![0.5, 1.0, -2.0]),
        }
    }

    fn written() -> (Vec<u32>, Room) {
        let mut words = Vec::new();
        let part =
            StepPart { seed: 1, step: 9, first_token: (1 << 33) + 5, first_sequence: 4, sequences: 4, labelled: 0 };
        let room = write(&batch(), &part, &mut words);
        (words, room)
    }

    #[test]
    fn a_batch_is_written_part_by_part() {
        let (words, room) = written();
        assert_eq!(room, Room { tokens: 128, sequences: 8 });
        let staged = Staged::at(Address(0), room);
        let part = |address: Address, count: usize| &words[address.0 as usize / 4..][..count];
        assert_eq!(part(staged.step, 12)[2..], [9, 74, 3, 4, 3, 0.25f32.to_bits(), 5, 2, 4, 0]);
        assert_eq!(part(staged.positions, 5), [0, 1, 2, 0, 1]);
        assert_eq!(part(staged.tiles, 8), [0, 0, 1, 0, 1, 64, 2, 0]);
        assert_eq!(part(staged.targets, 6), [0.5f32.to_bits(), 0, 1.0f32.to_bits(), 0, (-2.0f32).to_bits(), 0]);
        assert_eq!(part(staged.words, 3), [2, 5, 7]);
        assert_eq!(part(staged.starts, 4), [0, 70, 72, 74]);
        assert_eq!(part(staged.order, 74)[70..], [0, 2, 1, 73]);
    }

    #[test]
    fn sizes_are_few_and_waste_little() {
        let sizes: std::collections::BTreeSet<usize> = (1..=65_536).map(|tokens| Room::of(tokens, 1).tokens).collect();
        assert!(sizes.len() <= 72, "{}", sizes.len());
        assert!((1024..=65_536).all(|tokens| Room::of(tokens, 1).tokens as f64 <= 1.125 * tokens as f64));
        assert!((1..4096).all(|tokens| Room::of(tokens, 1).tokens >= tokens));
    }

    #[test]
    fn there_is_room_for_every_tile() {
        let (words, room) = written();
        let tiles = words[5] as usize;
        assert!(tiles <= room.tiles());
        assert_eq!(Room::of(64, 64).tiles(), 65);
    }
}
