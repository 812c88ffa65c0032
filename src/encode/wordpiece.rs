//! BERT's WordPiece tokenizer built from a `vocab.txt` (one token a line, its line number from 0 is its id).
//!
//! The fast tokenizer of today is built, not the released code's: words over 100 characters become `[UNK]` (over 200
//! there), and special tokens written in a text are recognised.
//!
//! `tokenizer_config.json`, where there is one, decides about lower-casing (`do_lower_case`), accents (`strip_accents`,
//! by default as lower-casing) and Chinese characters. Without `do_lower_case` the vocabulary decides: one that has no
//! capital ASCII letter outside `[...]` can only have been made from lower-cased text. (Published repositories of the
//! released checkpoints differ by that, and often hold nothing but the vocabulary.)

use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer};

/// Tokens that a BERT vocabulary must have; those that are there are recognised in texts.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// What is used of `tokenizer_config.json`; its other keys concern other tokenizers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct TokenizerConfig {
    /// Whether text is lower-cased.
    pub do_lower_case: Option<bool>,
    /// Whether accents are stripped; as `do_lower_case` where it is not said.
    pub strip_accents: Option<bool>,
    /// Whether Chinese characters are words of their own; true where it is not said.
    pub tokenize_chinese_chars: Option<bool>,
}

/// The tokens of a `vocab.txt`, in the order of their ids.
pub fn tokens(vocab: &str) -> impl Iterator<Item = &str> {
    vocab.lines().map(str::trim_end)
}

/// Whether a vocabulary was made from lower-cased text: no capital ASCII letter outside tokens like `[CLS]`.
pub fn is_uncased(vocab: &str) -> bool {
    let bracketed = |token: &str| token.starts_with('[') && token.ends_with(']');
    !tokens(vocab).any(|token| !bracketed(token) && token.bytes().any(|byte| byte.is_ascii_uppercase()))
}

/// The tokenizer of a vocabulary.
pub fn build(vocab: &str, config: &TokenizerConfig) -> Result<Tokenizer, String> {
    let ids = WordPiece::read_bytes(vocab.as_bytes()).map_err(|error| error.to_string())?;
    let id = |token: &str| ids.get(token).copied().ok_or_else(|| format!("no `{token}` in the vocabulary"));
    let (unknown, cls, sep) = (id("[UNK]"), id("[CLS]")?, id("[SEP]")?);
    unknown?;
    let special: Vec<_> = SPECIAL.iter().filter(|token| ids.contains_key(**token)).collect();
    let model = WordPiece::builder().vocab(ids.clone()).build().map_err(|error| error.to_string())?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(normalizer(vocab, config))).map_err(|error| error.to_string())?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(("[SEP]".into(), sep), ("[CLS]".into(), cls))));
    let added = special.into_iter().map(|token| AddedToken::from(*token, true));
    tokenizer.add_special_tokens(added).map_err(|error| error.to_string())?;
    Ok(tokenizer)
}

fn normalizer(vocab: &str, config: &TokenizerConfig) -> BertNormalizer {
    let lower_case = config.do_lower_case.unwrap_or_else(|| is_uncased(vocab));
    BertNormalizer::new(true, config.tokenize_chinese_chars.unwrap_or(true), config.strip_accents, lower_case)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNCASED: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nplay\n##ing\ncafe\n!\n";

    fn ids(vocab: &str, config: &TokenizerConfig, text: &str) -> Vec<u32> {
        build(vocab, config).unwrap().encode(text, true).unwrap().get_ids().to_vec()
    }

    #[test]
    fn words_become_pieces_between_cls_and_sep() {
        assert_eq!(ids(UNCASED, &TokenizerConfig::default(), "Playing café!"), [2, 5, 6, 7, 8, 3]);
    }

    #[test]
    fn special_tokens_in_a_text_are_recognised() {
        assert_eq!(ids(UNCASED, &TokenizerConfig::default(), "play[MASK]play"), [2, 5, 4, 5, 3]);
    }

    #[test]
    fn the_config_overrules_the_vocabulary_on_lower_casing() {
        let cased = TokenizerConfig { do_lower_case: Some(false), ..TokenizerConfig::default() };
        assert_eq!(ids(UNCASED, &cased, "Play play"), [2, 1, 5, 3]);
    }

    #[test]
    fn a_capital_letter_outside_brackets_makes_a_vocabulary_cased() {
        assert!(is_uncased(UNCASED));
        assert!(!is_uncased("[CLS]\nPlay\nplay\n"));
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        let windows = UNCASED.replace('\n', "\r\n");
        assert_eq!(ids(&windows, &TokenizerConfig::default(), "play"), [2, 5, 3]);
    }

    #[test]
    fn a_vocabulary_without_cls_is_refused_by_name() {
        assert_eq!(build("[UNK]\n[SEP]\n", &TokenizerConfig::default()).unwrap_err(), "no `[CLS]` in the vocabulary");
        assert!(build("", &TokenizerConfig::default()).is_err());
    }
}
