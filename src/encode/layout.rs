//! Where the special tokens of a sequence stand: `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]` for BERT.
//!
//! The places, ids and segment ids are asked of the tokenizer's own post-processor once, with one-word texts, and kept
//! as data. Sequences are then put together by copying, which is several times faster than the library's
//! post-processing of whole encodings and holds for every tokenizer whose special tokens are a fixed frame.

use tokenizers::{Encoding, Tokenizer};

/// One place of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A special token.
    Special {
        /// Its id.
        id: u32,
        /// Its segment id.
        type_id: u32,
    },
    /// The tokens of the first (0) or second (1) text.
    Text {
        /// Which text.
        index: usize,
        /// Segment id of its tokens.
        type_id: u32,
    },
}

/// The frames of single texts and of pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Frame of a single text.
    pub single: Vec<Slot>,
    /// Frame of a pair.
    pub pair: Vec<Slot>,
}

impl Layout {
    /// Reads the frames off a tokenizer's post-processor.
    pub fn probe(tokenizer: &Tokenizer) -> Result<Layout, String> {
        let word = || tokenizer.encode_fast("a", false).map_err(|error| error.to_string());
        let frame = |first, second| {
            let framed = tokenizer.post_process(first, second, true).map_err(|error| error.to_string())?;
            Ok::<_, String>(slots(&framed))
        };
        let layout = Layout { single: frame(word()?, None)?, pair: frame(word()?, Some(word()?))? };
        layout.check()?;
        Ok(layout)
    }

    /// Whether texts stand as BERT's do: a special token, the first text, another one, and the second text and a last one,
    /// these two of another segment.
    pub fn is_berts(&self) -> bool {
        let form = |slots: &[Slot]| -> Vec<(Option<usize>, u32)> {
            let place = |slot: &Slot| match slot {
                Slot::Special { type_id, .. } => (None, *type_id),
                Slot::Text { index, type_id } => (Some(*index), *type_id),
            };
            slots.iter().map(place).collect()
        };
        let first = [(None, 0), (Some(0), 0), (None, 0)];
        form(&self.single) == first && form(&self.pair) == [&first[..], &[(Some(1), 1), (None, 1)]].concat()
    }

    fn check(&self) -> Result<(), String> {
        let texts = |slots: &[Slot]| {
            let index = |slot: &Slot| if let Slot::Text { index, .. } = slot { Some(*index) } else { None };
            slots.iter().filter_map(index).collect::<Vec<_>>()
        };
        if texts(&self.single) != [0] || texts(&self.pair) != [0, 1] {
            return Err("its post-processor does not put each text into a sequence once".to_owned());
        }
        // Every head reads a special token, so a frame without any is a broken file rather than a choice.
        if self.special(false) == 0 || self.special(true) == 0 {
            return Err("its post-processor adds no special tokens such as `[CLS]`".to_owned());
        }
        Ok(())
    }

    /// The frame of a pair or of a single text.
    pub fn slots(&self, pair: bool) -> &[Slot] {
        if pair { &self.pair } else { &self.single }
    }

    /// Special tokens of a frame.
    pub fn special(&self, pair: bool) -> usize {
        self.slots(pair).iter().filter(|slot| matches!(slot, Slot::Special { .. })).count()
    }

    /// Ids and segment ids of a sequence with these texts (one or two), each as long as the sequence.
    pub fn assemble(&self, texts: &[&[u32]]) -> (Vec<u32>, Vec<u32>) {
        let slots = self.slots(texts.len() == 2);
        let length = slots.len() + texts.iter().map(|text| text.len()).sum::<usize>();
        let (mut ids, mut type_ids) = (Vec::with_capacity(length), Vec::with_capacity(length));
        for slot in slots {
            let type_id = match *slot {
                Slot::Special { id, type_id } => {
                    ids.push(id);
                    type_id
                }
                Slot::Text { index, type_id } => {
                    ids.extend_from_slice(texts[index]);
                    type_id
                }
            };
            type_ids.resize(ids.len(), type_id);
        }
        (ids, type_ids)
    }

    /// Position of a single text's first token.
    pub fn first_start(&self) -> usize {
        self.single.iter().take_while(|slot| matches!(slot, Slot::Special { .. })).count()
    }

    /// Position of the token that stands for the whole of a pair of so many tokens: its first where that is a special one
    /// (`[CLS]`), else its last.
    pub fn class_token(&self, length: usize) -> usize {
        if self.begins_with_class_token() { 0 } else { length.saturating_sub(1) }
    }

    /// Whether that is the first one.
    pub fn begins_with_class_token(&self) -> bool {
        matches!(self.pair.first(), Some(Slot::Special { .. }))
    }

    /// Position of the second text's first token in a pair whose first text has that many tokens.
    pub fn second_start(&self, first_tokens: usize) -> usize {
        let before = self.pair.iter().take_while(|slot| !matches!(slot, Slot::Text { index: 1, .. }));
        before.map(|slot| if matches!(slot, Slot::Special { .. }) { 1 } else { first_tokens }).sum()
    }
}

/// Texts are the runs of tokens that the post-processor does not mark as special.
fn slots(framed: &Encoding) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut texts = 0;
    for (position, &special) in framed.get_special_tokens_mask().iter().enumerate() {
        let type_id = framed.get_type_ids()[position];
        if special == 1 {
            slots.push(Slot::Special { id: framed.get_ids()[position], type_id });
        } else if !matches!(slots.last(), Some(Slot::Text { .. })) {
            // The probe's word may be several tokens: they are one place.
            slots.push(Slot::Text { index: texts, type_id });
            texts += 1;
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bert() -> Layout {
        let special = |id, type_id| Slot::Special { id, type_id };
        let text = |index, type_id| Slot::Text { index, type_id };
        Layout {
            single: vec![special(101, 0), text(0, 0), special(102, 0)],
            pair: vec![special(101, 0), text(0, 0), special(102, 0), text(1, 1), special(102, 1)],
        }
    }

    #[test]
    fn a_pair_is_framed_as_in_the_bert_paper() {
        let (ids, type_ids) = bert().assemble(&[&[7, 8], &[9]]);
        assert_eq!(ids, [101, 7, 8, 102, 9, 102]);
        assert_eq!(type_ids, [0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn empty_texts_leave_only_special_tokens() {
        assert_eq!(bert().assemble(&[&[]]), (vec![101, 102], vec![0, 0]));
        assert_eq!(bert().assemble(&[&[], &[]]), (vec![101, 102, 102], vec![0, 0, 1]));
    }

    #[test]
    fn the_second_text_starts_after_the_first_and_its_separator() {
        assert_eq!(bert().second_start(5), 7);
        assert_eq!(bert().special(true), 3);
    }

    // XLNet's pair is `A <sep> B <sep> <cls>`.
    #[test]
    fn the_class_token_is_the_first_or_the_last() {
        assert_eq!(bert().class_token(9), 0);
        let mut xlnet = bert();
        let class = xlnet.pair.remove(0);
        xlnet.pair.push(class);
        assert_eq!(xlnet.class_token(9), 8);
        assert_eq!(xlnet.assemble(&[&[7, 8], &[9]]).0, [7, 8, 102, 9, 102, 101]);
    }

    #[test]
    fn a_frame_without_special_tokens_is_refused() {
        let text = |index| Slot::Text { index, type_id: 0 };
        let bare = Layout { single: vec![text(0)], pair: vec![text(0), text(1)] };
        assert!(bare.check().unwrap_err().contains("no special tokens"));
    }
}
