//! One sequence of one or two texts, cut to a length.

use super::{Cut, EncodeError, Tokenizer};

/// Token ids of a single text or a pair, special tokens included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Token ids.
    pub input_ids: Vec<u32>,
    /// Segment ids, as long as `input_ids`.
    pub token_type_ids: Vec<u32>,
    /// Tokens kept of each text; 0 for a second text that is not there.
    pub kept: (usize, usize),
    /// Whether tokens were cut off.
    pub truncated: bool,
}

impl Sequence {
    /// Encodes texts into at most `max_seq_length` tokens. `id` names the example in errors.
    ///
    /// A single text is cut at its end, whatever the rule.
    pub fn encode(
        tokenizer: &Tokenizer,
        id: &str,
        texts: (&str, Option<&str>),
        max_seq_length: usize,
        cut: Cut,
    ) -> Result<Sequence, EncodeError> {
        let room = room(tokenizer, texts.1.is_some(), max_seq_length)?;
        let ids = |text| tokenizer.ids(text).map_err(|reason| EncodeError::Text { id: id.to_owned(), reason });
        let first = ids(texts.0)?;
        let second = texts.1.map(ids).transpose()?;
        let tokens = tokenizer.length(&first);
        let kept = match &second {
            None => Some((tokens.min(room), 0)),
            Some(second) => cut.kept(tokens, tokenizer.length(second), room),
        };
        let too_long = || EncodeError::FirstTooLong { id: id.to_owned(), tokens, max_seq_length };
        Ok(Self::frame(tokenizer, &first, second.as_deref(), kept.ok_or_else(too_long)?))
    }

    fn frame(tokenizer: &Tokenizer, first: &[u32], second: Option<&[u32]>, kept: (usize, usize)) -> Sequence {
        let truncated = kept != (tokenizer.length(first), second.map_or(0, |second| tokenizer.length(second)));
        let first = tokenizer.beginning(first, kept.0);
        let (input_ids, token_type_ids) = match second {
            None => tokenizer.layout().assemble(&[first]),
            Some(second) => tokenizer.layout().assemble(&[first, tokenizer.beginning(second, kept.1)]),
        };
        Sequence { input_ids, token_type_ids, kept, truncated }
    }
}

/// Tokens that fit beside the special tokens.
pub fn room(tokenizer: &Tokenizer, pair: bool, max_seq_length: usize) -> Result<usize, EncodeError> {
    let special = tokenizer.layout().special(pair);
    max_seq_length.checked_sub(special).ok_or(EncodeError::NoRoom { max_seq_length, special })
}
