//! Words by their characters, as ELMo reads them. A token is a byte and says whether its word ends with it, so that
//! `input_ids` hold words of any spelling and no vocabulary is needed.
//!
//! | id | token |
//! |---|---|
//! | 0 to 255 | a byte, and its word goes on |
//! | 256 to 511 | a byte 256 less, the last one of its word |
//! | 512, 513 | `<S>` and `</S>`, around each text |
//!
//! ELMo's own ids of characters (bilm-tf, AllenNLP's `elmo_indexer.py`, where all are one more to make 0 free): bytes 0 to
//! 255, begin and end of a sentence 256 and 257, of a word 258 and 259, padding 260. A word is `258 bytes 259 260 260 …`, as
//! many ids as the model has room for; bytes that have none are left out.
//!
//! N words of all texts, `<S>` and `</S>` among them; C characters of a word.

use super::layout::{Layout, Slot};
use super::{Batch, treebank};
use crate::family::{BEGINS_TEXT, ENDS_TEXT, ENDS_WORD, PADDING_CHARACTER};

const BEGIN_SENTENCE: u32 = 256;
const END_SENTENCE: u32 = 257;
const BEGIN_WORD: u32 = 258;
const END_WORD: u32 = 259;

/// What decides the ids: part of the digest of encoded splits.
pub const VERSION: &str = "words by their characters, 1";

/// Each text has its own frame: `<S> A </S>`, `<S> A </S> <S> B </S>`.
pub fn layout() -> Layout {
    let frame = |index: usize| {
        let type_id = index as u32;
        let special = |id| Slot::Special { id, type_id };
        [special(BEGINS_TEXT), Slot::Text { index, type_id }, special(ENDS_TEXT)]
    };
    Layout { single: frame(0).to_vec(), pair: [frame(0), frame(1)].concat() }
}

/// The tokens of a text.
pub fn ids(text: &str) -> Vec<u32> {
    treebank::words(text).iter().flat_map(|word| word_ids(word)).collect()
}

/// The tokens of a word.
pub fn word_ids(word: &str) -> Vec<u32> {
    let mut ids: Vec<u32> = word.bytes().map(u32::from).collect();
    ids.last_mut().into_iter().for_each(|last| *last += ENDS_WORD);
    ids
}

/// Words that end in a list of tokens.
pub fn count(ids: &[u32]) -> usize {
    ids.iter().filter(|id| ends_word(**id)).count()
}

/// Tokens of the first so many words.
pub fn length_of(ids: &[u32], words: usize) -> usize {
    let mut ends = (1..).zip(ids).filter(|(_, id)| ends_word(**id)).map(|(end, _)| end);
    if words == 0 { 0 } else { ends.nth(words - 1).unwrap_or(ids.len()) }
}

fn ends_word(id: u32) -> bool {
    (ENDS_WORD..BEGINS_TEXT).contains(&id)
}

/// The words of a batch's texts, `<S>` and `</S>` around each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// ELMo's ids of characters `[N, C]`.
    pub characters: Vec<u32>,
    /// Words of each text, those around it counted.
    pub lengths: Vec<usize>,
    /// The batch's token that each word ends with `[N]`.
    pub tokens: Vec<usize>,
}

impl Words {
    /// Reads them off a batch of these ids. A text without a word has one without characters, so that each has
    /// something to be read.
    pub fn of(batch: &Batch, max_characters: usize) -> Words {
        Words::read(batch.input_ids.iter().copied().enumerate(), max_characters)
    }

    /// The same of numbered tokens.
    pub fn read(tokens: impl Iterator<Item = (usize, u32)>, max_characters: usize) -> Words {
        let mut words = Words::default();
        let mut bytes = Vec::new();
        for (token, id) in tokens {
            match id {
                BEGINS_TEXT => {
                    words.lengths.push(0);
                    words.push(&[BEGIN_SENTENCE], max_characters, token);
                }
                ENDS_TEXT => {
                    if words.lengths.last() == Some(&1) {
                        words.push(&[], max_characters, token);
                    }
                    words.push(&[END_SENTENCE], max_characters, token);
                }
                id => {
                    bytes.push(id % ENDS_WORD);
                    if ends_word(id) {
                        words.push(&bytes, max_characters, token);
                        bytes.clear();
                    }
                }
            }
        }
        words
    }

    /// Rows that are no `<S>` or `</S>`.
    pub fn inner(&self) -> Vec<u32> {
        let starts = self.lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end - length)
        });
        starts.zip(&self.lengths).flat_map(|(start, length)| start as u32 + 1..(start + length - 1) as u32).collect()
    }

    fn push(&mut self, characters: &[u32], most: usize, token: usize) {
        let end = self.characters.len() + most;
        self.characters.push(BEGIN_WORD);
        self.characters.extend(&characters[..characters.len().min(most - 2)]);
        self.characters.push(END_WORD);
        self.characters.resize(end, PADDING_CHARACTER);
        self.tokens.push(token);
        if let Some(length) = self.lengths.last_mut() {
            *length += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Features, Tokenizer};
    use crate::family::Vocabulary;

    fn batch(texts: &[&str]) -> Batch {
        let tokenizer = Tokenizer::of(&Default::default(), Vocabulary::Characters).unwrap();
        let ids: Vec<_> = texts.iter().map(|text| tokenizer.ids(text).unwrap()).collect();
        let (input_ids, token_type_ids) =
            tokenizer.layout().assemble(&ids.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Batch::pack([&Features { example: 0, input_ids, token_type_ids, target: None, window: None, together: 1 }])
    }

    // By hand: `a` is byte 97; `é` is the bytes 195 and 169.
    #[test]
    fn a_byte_is_a_token_and_the_last_of_a_word_says_so() {
        let pair = batch(&["a bé", "a"]);
        assert_eq!(pair.input_ids, [512, 97 + 256, 98, 195, 169 + 256, 513, 512, 97 + 256, 513]);
        assert_eq!(pair.token_type_ids, [0, 0, 0, 0, 0, 0, 1, 1, 1]);
    }

    // AllenNLP's ids less one, of a word of six characters' room.
    #[test]
    fn words_are_elmos_characters() {
        let words = Words::of(&batch(&["a bédef"]), 6);
        let rows: Vec<&[u32]> = words.characters.chunks(6).collect();
        let begin = [258, 256, 259, 260, 260, 260];
        let end = [258, 257, 259, 260, 260, 260];
        assert_eq!(rows, [&begin[..], &[258, 97, 259, 260, 260, 260], &[258, 98, 195, 169, 100, 259], &end]);
        assert_eq!((words.lengths.as_slice(), words.tokens.as_slice()), (&[4][..], &[0, 1, 7, 8][..]));
        assert_eq!(words.inner(), [1, 2]);
    }

    #[test]
    fn a_text_without_words_has_one_without_characters() {
        let words = Words::of(&batch(&["", "a"]), 4);
        assert_eq!((words.lengths.as_slice(), words.inner()), (&[3, 3][..], vec![1, 4]));
        assert_eq!(words.characters[4..8], [258, 259, 260, 260]);
    }

    #[test]
    fn lengths_count_words() {
        let ids = [97, 97 + 256, 98 + 256, 99, 100 + 256];
        assert_eq!(count(&ids), 3);
        assert_eq!([0, 1, 2, 3].map(|words| length_of(&ids, words)), [0, 2, 3, 5]);
    }

    // A tag of the frame written in a text is a word like others.
    #[test]
    fn a_text_cannot_forge_the_frame() {
        let ids = batch(&["x</S>y"]).input_ids;
        assert_eq!((ids[0], ids[ids.len() - 1]), (512, 513));
        assert!(ids[1..ids.len() - 1].iter().all(|id| *id < 512));
    }
}
