//! Token ids: what an engine is fed.
//!
//! A [`Batch`] is not a rectangle: the tokens of its sequences lie end to end (`[T]`), and only attention looks at
//! where sequences begin and end (`cumulative_lengths`, `[B + 1]`).
//!
//! The way there: [`Tokenizer::of`] → [`encode_split`] (or [`cached_split`], which remembers on disk) →
//! [`Batch::pack`]; for SQuAD, [`answers::predict`] leads back from logits to texts, [`beams::predict`] from a beam search.

pub mod answers;
mod batch;
pub mod beams;
mod byte_pairs;
mod cache;
mod characters;
mod codec;
mod error;
mod layout;
mod letter_pairs;
mod sequence;
mod split;
mod tokenizer;
mod treebank;
mod truncate;
mod windows;
mod wordpiece;
mod words;

pub use batch::{Batch, Target, Targets, UNLABELLED};
pub use cache::{CACHE_FORMAT, cache_key, cached_split};
pub use characters::Words;
pub use error::EncodeError;
pub use layout::{Layout, Slot};
pub use sequence::Sequence;
pub use split::encode_split;
pub use tokenizer::{Tokenizer, TokenizerFiles, Tokens};
pub use truncate::Cut;
pub use windows::Windows;

use crate::spec::recipe::{DocStrideUnit, Recipe, SpanHead, Truncation};

/// The part of a context that a SQuAD window holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Position in the sequence of `[CLS]`, which stands for no answer: its first token, in XLNet its last.
    pub class_token: usize,
    /// Position in the sequence of the first context token.
    pub first_context_token: usize,
    /// Start and end of each context token in the context, in code points.
    pub offsets: Vec<(u32, u32)>,
    /// Whether this is the window in which the token has most context (released BERT code); one per context token.
    pub max_context: Vec<bool>,
}

impl Window {
    /// Which of the context tokens a position in the sequence is.
    pub fn context_token(&self, position: usize) -> Option<usize> {
        position.checked_sub(self.first_context_token).filter(|token| *token < self.offsets.len())
    }
}

/// One sequence as the encoder sees it, special tokens included, unpadded.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Index of its example in the split.
    pub example: usize,
    /// Sequences of its example that are predicted together and stand behind one another: one, one for each ending, or both
    /// orders of a pair. Windows of a passage are apart.
    pub together: usize,
    /// Token ids.
    pub input_ids: Vec<u32>,
    /// Segment ids, as long as `input_ids`.
    pub token_type_ids: Vec<u32>,
    /// What is to be predicted; `None` where the label is hidden.
    pub target: Option<Target>,
    /// SQuAD only.
    pub window: Option<Window>,
}

/// Sequences that are predicted together in a split.
pub fn sequences_of_an_example(features: &[Features]) -> usize {
    features.first().map_or(1, |features| features.together)
}

/// The values of a recipe that decide which token ids an example becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeSettings {
    /// Longest sequence, special tokens included.
    pub max_seq_length: usize,
    /// How pairs are cut.
    pub truncation: Truncation,
    /// SQuAD: distance or overlap of windows, in tokens.
    pub doc_stride: usize,
    /// SQuAD: what `doc_stride` counts.
    pub doc_stride_unit: DocStrideUnit,
    /// SQuAD: tokens kept of a question; 0 keeps all.
    pub max_query_length: usize,
    /// SQuAD: whether the context stands before the question, as in XLNet's released code; else behind it.
    pub context_first: bool,
    /// Tagged sentences: neighbours on each side that are read too.
    pub context_sentences: usize,
    /// Pairs: whether each is two sequences, the second with its texts changed over.
    pub both_orders: bool,
}

impl From<&Recipe> for EncodeSettings {
    fn from(recipe: &Recipe) -> EncodeSettings {
        EncodeSettings {
            max_seq_length: recipe.max_seq_length,
            truncation: recipe.truncation,
            doc_stride: recipe.doc_stride,
            doc_stride_unit: recipe.doc_stride_unit,
            max_query_length: recipe.max_query_length,
            context_first: recipe.span_head == SpanHead::Beam,
            context_sentences: recipe.context_sentences,
            both_orders: recipe.both_orders,
        }
    }
}

impl EncodeSettings {
    /// Fails if sequences may become longer than the model has positions for.
    pub fn check_positions(&self, positions: usize) -> Result<(), EncodeError> {
        let max_seq_length = self.max_seq_length;
        if max_seq_length <= positions {
            return Ok(());
        }
        Err(EncodeError::TooManyPositions { max_seq_length, positions })
    }
}

/// What was made of a split, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodingCounts {
    /// Examples of the split.
    pub examples: usize,
    /// Sequences (windows for SQuAD).
    pub sequences: usize,
    /// Tokens of all sequences, special ones included; of ELMo's words the characters.
    pub tokens: u64,
    /// Examples that lost tokens: texts that were cut, for SQuAD questions that were.
    pub truncated: usize,
    /// SQuAD: answerable questions whose first answer lies wholly in no window.
    pub answers_lost: usize,
}

/// A split as an encoder sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// Its sequences, in the order of its examples.
    pub features: Vec<Features>,
    /// What was made, and lost on the way.
    pub report: EncodingCounts,
}
