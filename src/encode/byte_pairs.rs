//! RoBERTa's tokenizer built from `vocab.json` (token to id) and `merges.txt` (pairs to be joined, first ones first):
//! GPT-2's byte-level byte pairs, which have no unknown text, between `<s>` and `</s>`, and `</s></s>` between the texts of
//! a pair.
//!
//! As transformers builds it: no blank is put before the first word, offsets leave the blank in front of a token out, and
//! `<mask>` takes the blank before it with it.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Tokenizer};

/// Tokens that are recognised in texts, where the vocabulary has them.
const SPECIAL: [&str; 4] = ["<s>", "</s>", "<pad>", "<unk>"];

/// The tokenizer of a vocabulary and its merges.
pub fn build(vocab: &str, merges: &str) -> Result<Tokenizer, String> {
    let vocab = ids(vocab)?;
    let known = |token: &str| vocab.get(token).copied().ok_or_else(|| format!("no `{token}` in the vocabulary"));
    let (start, end) = (known("<s>")?, known("</s>")?);
    let special: Vec<_> = SPECIAL.into_iter().filter(|token| vocab.contains_key(*token)).collect();
    let masks = vocab.contains_key("<mask>");
    let model = BPE::builder().vocab_and_merges(vocab, pairs(merges)?).build().map_err(|error| error.to_string())?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let frame = RobertaProcessing::new(("</s>".into(), end), ("<s>".into(), start)).add_prefix_space(false);
    tokenizer.with_post_processor(Some(frame));
    let added = special.into_iter().map(|token| AddedToken::from(token, true));
    let mask = masks.then(|| AddedToken::from("<mask>", true).lstrip(true));
    tokenizer.add_special_tokens(added.chain(mask)).map_err(|error| error.to_string())?;
    Ok(tokenizer)
}

/// The ids of `vocab.json`.
pub fn ids(vocab: &str) -> Result<Vocab, String> {
    let vocab: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(vocab).map_err(|error| error.to_string())?;
    let id = |(token, id): (String, serde_json::Value)| {
        let number = id.as_u64().and_then(|id| u32::try_from(id).ok());
        number.map(|number| (token.clone(), number)).ok_or_else(|| format!("the id of `{token}` is {id}"))
    };
    vocab.into_iter().map(id).collect()
}

/// The pairs of `merges.txt`, whose first line may be `#version: …`.
pub fn pairs(merges: &str) -> Result<Vec<(String, String)>, String> {
    let lines = merges.lines().enumerate().filter(|(_, line)| !line.starts_with("#version") && !line.is_empty());
    let pair = |(number, line): (usize, &str)| {
        let pair = line.split_once(' ').filter(|(_, second)| !second.contains(' '));
        let (first, second) = pair.ok_or_else(|| format!("line {} of the merges is no pair: `{line}`", number + 1))?;
        Ok((first.to_owned(), second.to_owned()))
    };
    lines.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ġ` stands for a blank in the byte-level alphabet.
    const VOCAB: &str = r#"{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "l": 4, "o": 5, "w": 6, "Ġ": 7, "lo": 8,
        "low": 9, "Ġlow": 10, "<mask>": 11}"#;
    const MERGES: &str = "#version: 0.2\nl o\nlo w\nĠ low\n";

    // By hand: `low` merges l+o and lo+w; after a blank Ġ+low too. `ow` has no merge.
    #[test]
    fn words_are_merged_and_pairs_framed_as_in_roberta() {
        let tokenizer = build(VOCAB, MERGES).unwrap();
        let ids = |text: &str| tokenizer.encode(text, true).unwrap().get_ids().to_vec();
        assert_eq!(ids("low low"), [0, 9, 10, 2]);
        assert_eq!(ids("ow"), [0, 5, 6, 2]);
        assert_eq!(ids("low <mask>"), [0, 9, 11, 2]);
        let pair = tokenizer.encode(("low", "lo"), true).unwrap();
        assert_eq!(pair.get_ids(), [0, 9, 2, 2, 8, 2]);
        assert_eq!(pair.get_type_ids(), [0; 6]);
    }

    #[test]
    fn offsets_leave_the_blank_out() {
        let encoded = build(VOCAB, MERGES).unwrap().encode_char_offsets("low low", false).unwrap();
        assert_eq!(encoded.get_offsets(), [(0, 3), (4, 7)]);
    }

    #[test]
    fn a_file_that_is_none_is_refused_by_what_is_wrong() {
        assert_eq!(build(r#"{"<s>": 0}"#, "").unwrap_err(), "no `</s>` in the vocabulary");
        assert_eq!(build(r#"{"<s>": -1}"#, "").unwrap_err(), "the id of `<s>` is -1");
        let three = build(VOCAB, "#version: 0.2\nl o w\n").unwrap_err();
        assert_eq!(three, "line 2 of the merges is no pair: `l o w`");
    }
}
