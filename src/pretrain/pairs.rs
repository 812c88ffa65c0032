//! All pairs of a corpus, on disk in the order in which documents are cut, and drawn from there as masked sequences.

use super::PretrainError;
use super::error::unwritten;
use super::masking::{Masking, Words};
use super::segments::{self, Pair, Segmentation, Span, segment};
use super::store::{Numbers, Store};
use super::vocabulary::Vocabulary;
use crate::encode::{Features, Target};
use crate::random::{Purpose, Stream};
use crate::train::{Examples, TrainError};
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Bytes of a pair: where each segment begins, 8 each; how long they are, 4 each, the highest bit of the second saying
/// whether it is random.
const BYTES: usize = 24;
const RANDOM: u32 = 1 << 31;

/// Which documents pairs are made of, and how often.
pub struct Cut<'a> {
    /// The corpus.
    pub store: &'a Store,
    /// Documents.
    pub documents: &'a [usize],
    /// How they are cut.
    pub how: Segmentation,
    /// Passes over them, each cut anew.
    pub rounds: u64,
    /// Seed.
    pub seed: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Pairs.
    pub pairs: usize,
    /// Tokens in them, special ones excluded.
    pub tokens: u64,
    /// Tokens that were cut off to make them fit.
    pub lost: u64,
}

impl Cut<'_> {
    /// Writes the pairs to a file; returns what there are. With next sentences, of at least two documents.
    ///
    /// # Errors
    /// A full disk.
    pub fn write(&self, path: &Path) -> Result<Counts, PretrainError> {
        let mut file = BufWriter::new(File::create(path).map_err(unwritten(path))?);
        let mut counts = Counts::default();
        for round in 0..self.rounds {
            for (at, document) in self.documents.iter().enumerate() {
                let cut = self.pairs(round, at, *document)?;
                for pair in &cut.pairs {
                    file.write_all(&bytes(pair)).map_err(unwritten(path))?;
                    counts.tokens += (pair.first.count + pair.second.count) as u64;
                }
                counts.pairs += cut.pairs.len();
                counts.lost += cut.lost;
            }
        }
        file.flush().map_err(unwritten(path))?;
        Ok(counts)
    }

    fn pairs(&self, round: u64, at: usize, document: usize) -> Result<segments::Cut, PretrainError> {
        let other = |number: f64| {
            // Any but the document itself.
            let others = self.documents.len() - 1;
            let chosen = ((number * others as f64) as usize).min(others - 1);
            let other = self.documents[if chosen < at { chosen } else { chosen + 1 }];
            (self.store.sentences_of(other), move |sentences| self.store.bounds_of(other, sentences))
        };
        segment(&self.how, self.seed, (round, document), &self.store.bounds(document)?, other)
    }
}

fn bytes(pair: &Pair) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let flag = if pair.random { RANDOM } else { 0 };
    bytes[..8].copy_from_slice(&pair.first.first.to_le_bytes());
    bytes[8..16].copy_from_slice(&pair.second.first.to_le_bytes());
    bytes[16..20].copy_from_slice(&(pair.first.count as u32).to_le_bytes());
    bytes[20..].copy_from_slice(&(pair.second.count as u32 | flag).to_le_bytes());
    bytes
}

fn pair(bytes: &[u8]) -> Pair {
    let wide = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    let narrow = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    let second = narrow(20);
    Pair {
        first: Span { first: wide(0), count: narrow(16) as usize },
        second: Span { first: wide(8), count: (second & !RANDOM) as usize },
        random: second & RANDOM != 0,
    }
}

/// Pairs as masked sequences.
pub struct Masked<'a> {
    /// The corpus.
    pub store: &'a Store,
    /// The pairs.
    pub file: Numbers,
    /// How many.
    pub count: usize,
    /// The vocabulary.
    pub vocabulary: &'a Vocabulary,
    /// How they are masked.
    pub masking: Masking,
    /// Whether every pass masks anew.
    pub dynamic: bool,
    /// Whether the next sentence is asked for.
    pub next_sentence: bool,
    /// Whether every next token is predicted, instead of masked ones.
    pub left_to_right: bool,
    /// Seed.
    pub seed: u64,
}

impl Masked<'_> {
    /// A sequence: `[CLS] first [SEP] second [SEP]`, masked.
    ///
    /// # Errors
    /// The files were changed.
    pub fn sequence(&self, number: usize, epoch: u64) -> Result<Features, PretrainError> {
        let pair = pair(&self.file.bytes((number * BYTES) as u64, BYTES)?);
        let [cls, sep, mask] = self.vocabulary.special;
        let mut input_ids = vec![cls];
        input_ids.extend(self.store.tokens(pair.first.first, pair.first.count)?);
        input_ids.push(sep);
        let mut token_type_ids = vec![0; input_ids.len()];
        if pair.second.count > 0 {
            input_ids.extend(self.store.tokens(pair.second.first, pair.second.count)?);
            input_ids.push(sep);
            token_type_ids.resize(input_ids.len(), 1);
        }
        let words = Words { mask, len: self.vocabulary.len, continues: &self.vocabulary.continues };
        let round = if self.dynamic { epoch } else { 0 };
        let words = if self.left_to_right {
            (0..).zip(input_ids[1..].iter().copied()).collect()
        } else {
            self.masking.apply(self.seed, (round, number), &words, &[cls, sep], &mut input_ids)
        };
        let next = self.next_sentence.then_some(u32::from(pair.random));
        let target = Some(Target::Masked { words, next });
        Ok(Features { example: number, together: 1, input_ids, token_type_ids, target, window: None })
    }
}

impl Examples for Masked<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn sequences(&self, example: usize, epoch: u64) -> Result<Cow<'_, [Features]>, TrainError> {
        let sequence = self.sequence(example, epoch).map_err(|error| TrainError::Examples(error.to_string()))?;
        Ok(Cow::Owned(vec![sequence]))
    }
}

/// Documents to train on, and those held out: about a share of them, drawn by the seed; at least two where it is above 0.
pub fn held_out(documents: usize, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let order = Stream::new(seed, Purpose::Segments).permutation(u64::MAX, documents);
    let count = if share == 0.0 { 0 } else { ((documents as f64 * share).round() as usize).max(2).min(documents) };
    let mut held: Vec<usize> = order[..count].iter().map(|document| *document as usize).collect();
    let mut trained: Vec<usize> = order[count..].iter().map(|document| *document as usize).collect();
    held.sort_unstable();
    trained.sort_unstable();
    (trained, held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_read_as_it_was_written() {
        let span = |first, count| Span { first, count };
        for random in [false, true] {
            let original = Pair { first: span(1 << 40, 61), second: span(7, 70_000), random };
            assert_eq!(pair(&bytes(&original)), original);
        }
    }

    /// Masks of the first pass and of the second: the same where they are not dynamic.
    #[test]
    fn masks_are_drawn_anew_only_where_they_are_dynamic() {
        let folder = tempfile::tempdir().unwrap();
        let words: String = (0..50).map(|word| format!("w{word}\n")).collect();
        let file = folder.path().join("vocab.txt");
        std::fs::write(&file, format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{words}")).unwrap();
        let vocabulary = Vocabulary::read(&file).unwrap();
        let mut writer = crate::pretrain::store::Writer::new(folder.path()).unwrap();
        for document in 0..2 {
            let sentence = |at: u32| (5 + at..25 + at).collect();
            writer.push(&(0..10).map(|at| sentence(document + at)).collect::<Vec<Vec<u32>>>()).unwrap();
        }
        let store = writer.finish().unwrap();
        let how = Segmentation { max_seq_length: 64, short_sequences: 0.0, next_sentence: true };
        let path = folder.path().join("pairs.bin");
        let counts = Cut { store: &store, documents: &[0, 1], how, rounds: 1, seed: 1 }.write(&path).unwrap();
        let masking = Masking { share: 0.15, most: 20, mask: 0.8, random: 0.1, whole_words: false };
        let of = |dynamic: bool, epoch: u64| -> Vec<Features> {
            let (count, file) = (counts.pairs, Numbers::open(path.clone()).unwrap());
            let (next_sentence, left_to_right, seed) = (true, false, 1);
            let (store, vocabulary) = (&store, &vocabulary);
            let masked =
                Masked { store, file, count, vocabulary, masking, dynamic, next_sentence, left_to_right, seed };
            (0..count).map(|number| masked.sequence(number, epoch).unwrap()).collect()
        };
        assert!(counts.pairs > 5);
        assert_eq!(of(false, 0), of(false, 1));
        assert_eq!(of(true, 0), of(false, 7));
        assert_ne!(of(true, 0), of(true, 1));
    }

    #[test]
    fn held_out_documents_are_not_trained_on() {
        let (trained, held) = held_out(100, 0.05, 1);
        assert_eq!((trained.len(), held.len()), (95, 5));
        assert!(held.iter().all(|document| !trained.contains(document)));
        assert_eq!(held_out(100, 0.0, 1).1, Vec::<usize>::new());
        assert_eq!(held_out(10, 0.01, 1).1.len(), 2);
    }
}
