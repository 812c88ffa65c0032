//! GPT's tokenizer built from `vocab.json` and `merges.txt`, and the frame of its sequences.
//!
//! Words are those of BERT's basic tokenizer, lower-cased and without accents, as transformers has it. (The released code
//! splits by spaCy after ftfy, and transformers did too where both were installed.) A word's last letter carries `</w>`.
//!
//! Fine-tuning frames texts (GPT, Section 3.3): `_start_ A _classify_`, `_start_ A _delimiter_ B _classify_`. The three
//! tokens are new: their ids follow the vocabulary's, and the model gets rows for them (train.py, `clf_token`).

use super::byte_pairs::{ids, pairs};
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

/// What stands around and between texts.
const FRAME: [&str; 3] = ["_start_", "_delimiter_", "_classify_"];

/// The tokenizer of a vocabulary and its merges.
pub fn build(vocab: &str, merges: &str) -> Result<Tokenizer, String> {
    let vocab = ids(vocab)?;
    if !vocab.contains_key("<unk>") {
        return Err("no `<unk>` in the vocabulary".to_owned());
    }
    let builder = BPE::builder().vocab_and_merges(vocab, pairs(merges)?).unk_token("<unk>".to_owned());
    let model = builder.end_of_word_suffix("</w>".to_owned()).build().map_err(|error| error.to_string())?;
    let mut tokenizer = Tokenizer::new(model);
    let normalizer = BertNormalizer::new(true, true, None, true);
    tokenizer.with_normalizer(Some(normalizer)).map_err(|error| error.to_string())?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.add_special_tokens([AddedToken::from("<unk>", true)]).map_err(|error| error.to_string())?;
    framed(tokenizer)
}

/// The same tokenizer with the frame, unless it has one.
pub fn framed(mut tokenizer: Tokenizer) -> Result<Tokenizer, String> {
    if tokenizer.get_post_processor().is_some() {
        return Ok(tokenizer);
    }
    let new = FRAME.map(|token| AddedToken::from(token, true));
    tokenizer.add_special_tokens(new).map_err(|error| error.to_string())?;
    let id = |token: &str| tokenizer.token_to_id(token).ok_or_else(|| format!("no `{token}`"));
    let ids = FRAME.iter().map(|token| Ok((token.to_string(), id(token)?))).collect::<Result<Vec<_>, String>>()?;
    let [start, delimiter, classify] = FRAME;
    let frame = TemplateProcessing::builder()
        .try_single(format!("{start} $A {classify}"))
        .and_then(|builder| builder.try_pair(format!("{start} $A {delimiter} $B {classify}")))
        .map_err(|error| error.clone())?
        .special_tokens(ids)
        .build()
        .map_err(|error| error.to_string())?;
    tokenizer.with_post_processor(Some(frame));
    Ok(tokenizer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCAB: &str = r#"{"<unk>": 0, "l": 1, "o": 2, "w": 3, "w</w>": 4, "o</w>": 5, "lo": 6, "low</w>": 7}"#;
    const MERGES: &str = "#version: 0.2\nl o\nlo w</w>\n";

    // By hand: the last letter of `low` is `w</w>`; `x` is not in the vocabulary, neither is the comma.
    #[test]
    fn words_end_in_their_mark_and_texts_are_framed() {
        let tokenizer = build(VOCAB, MERGES).unwrap();
        let ids = |text: &str| tokenizer.encode(text, true).unwrap().get_ids().to_vec();
        assert_eq!(ids("Low lo"), [8, 7, 1, 5, 10]);
        assert_eq!(ids("x, low"), [8, 0, 0, 7, 10]);
        let pair = tokenizer.encode(("low", "low"), true).unwrap();
        assert_eq!(pair.get_ids(), [8, 7, 9, 7, 10]);
        assert_eq!(pair.get_type_ids(), [0; 5]);
    }

    #[test]
    fn a_frame_is_put_around_once() {
        let tokenizer = framed(build(VOCAB, MERGES).unwrap()).unwrap();
        assert_eq!(tokenizer.encode("low", true).unwrap().get_ids(), [8, 7, 10]);
        assert_eq!(build(r#"{"l": 1}"#, "").unwrap_err(), "no `<unk>` in the vocabulary");
    }
}
