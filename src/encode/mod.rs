//! Token ids: what an engine is fed.
//!
//! A [`Batch`] is not a rectangle: the tokens of its sequences lie end to end (`[T]`), and only attention looks at
//! where sequences begin and end (`cumulative_lengths`, `[B + 1]`).

mod batch;

pub use batch::{Batch, Target, Targets};

/// The part of a context that a SQuAD window holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Position in the sequence of the first context token.
    pub first_context_token: usize,
    /// Start and end of each context token in the context, in code points.
    pub offsets: Vec<(u32, u32)>,
    /// Whether this is the window in which the token has most context (released BERT code); one per context token.
    pub max_context: Vec<bool>,
}

/// One sequence as the encoder sees it, special tokens included, unpadded.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Index of its example in the split.
    pub example: usize,
    /// Token ids.
    pub input_ids: Vec<u32>,
    /// Segment ids, as long as `input_ids`.
    pub token_type_ids: Vec<u32>,
    /// What is to be predicted; `None` where the label is hidden.
    pub target: Option<Target>,
    /// SQuAD only.
    pub window: Option<Window>,
}
