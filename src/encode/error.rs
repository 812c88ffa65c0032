//! What can go wrong between an example and its token ids, and between logits and an answer.
//!
//! Texts name the file or the example, what was found, and what was expected; they read well after "could not encode".

use std::path::PathBuf;

/// Why tokens or answers could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A tokenizer file cannot be read.
    #[error("`{}`: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A tokenizer file can be read but not understood.
    #[error("`{}`: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint has none of the files that would do.
    #[error("the checkpoint has {0}")]
    NoTokenizer(&'static str),
    /// A tokenizer with added tokens cannot be written down.
    #[error("the tokenizer cannot be saved: {0}")]
    Unsaved(String),
    /// Two tokenizer files of one checkpoint say different things.
    #[error("`{}` and `{}` disagree: {reason}", first.display(), second.display())]
    Mismatch {
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
        /// On what.
        reason: String,
    },
    /// The tokenizer was made for another model.
    #[error("the tokenizer has token ids up to {highest}, but the model has embeddings for {vocab_size} ids only")]
    VocabularyTooLarge {
        /// Highest id of the tokenizer.
        highest: u32,
        /// Rows of the model's word embeddings.
        vocab_size: usize,
    },
    /// Sequences may become longer than the model's position embeddings.
    #[error("`max_seq_length` is {max_seq_length}, but the model has only {positions} positions")]
    TooManyPositions {
        /// The recipe's longest sequence.
        max_seq_length: usize,
        /// Positions of the model.
        positions: usize,
    },
    /// Not even the special tokens fit.
    #[error("`max_seq_length` is {max_seq_length}, less than the {special} special tokens of a sequence")]
    NoRoom {
        /// The recipe's longest sequence.
        max_seq_length: usize,
        /// Special tokens of a sequence.
        special: usize,
    },
    /// Only the second text may be cut, and the first alone is too long.
    #[error("example `{id}`: its first text alone ({tokens} tokens) leaves no room within {max_seq_length}")]
    FirstTooLong {
        /// Id of the example.
        id: String,
        /// Tokens of the first text.
        tokens: usize,
        /// Longest sequence.
        max_seq_length: usize,
    },
    /// Windows would not move forward.
    #[error("example `{id}`: `doc_stride` {doc_stride} does not fit windows of {room} context tokens ({rule})")]
    Stride {
        /// Id of the example.
        id: String,
        /// The recipe's stride.
        doc_stride: usize,
        /// Context tokens that fit beside the question.
        room: usize,
        /// What was expected.
        rule: &'static str,
    },
    /// The tokenizer refused a text.
    #[error("example `{id}`: {reason}")]
    Text {
        /// Id of the example.
        id: String,
        /// What the tokenizer said.
        reason: String,
    },
    /// A row does not look as its task says.
    #[error("example `{id}`: task `{task}` needs {expected}, found {found}")]
    Row {
        /// Id of the example.
        id: String,
        /// Name of the task.
        task: &'static str,
        /// What the task needs.
        expected: &'static str,
        /// What the row has.
        found: &'static str,
    },
    /// Logits that do not belong to these features.
    #[error("logits of window {window}: {reason}")]
    Logits {
        /// Index of the sequence in the split.
        window: usize,
        /// What is wrong.
        reason: String,
    },
}
