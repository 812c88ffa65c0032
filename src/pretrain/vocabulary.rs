//! The vocabulary: one that is given, or WordPiece trained on the corpus, with BERT's special tokens first.

use super::corpus::read_documents;
use super::error::{unread, unwritten};
use super::{PretrainError, wordpiece};
use crate::encode::Tokenizer;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// The tokens that BERT needs, in the order of their ids.
pub const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Longest word in characters; the tokenizer makes longer ones unknown.
const LONGEST: usize = 100;

/// Rounds up to a size that products like.
const ROUNDING: usize = 8;

/// A tokenizer with what pre-training must know of it.
pub struct Vocabulary {
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// `[PAD]`, which no sequence here has, but batches of others do.
    pub pad: u32,
    /// `[CLS]`, `[SEP]`, `[MASK]`.
    pub special: [u32; 3],
    /// Number of tokens.
    pub len: usize,
    /// Of each token, whether it goes on with a word (`##…`).
    pub continues: Vec<bool>,
    /// The file it was read from.
    pub file: PathBuf,
    /// `tokenizer_config.json` beside that, or what is usual.
    pub config: Value,
}

impl Vocabulary {
    /// Reads a `vocab.txt` (with a `tokenizer_config.json` beside it, if there is one) or a `tokenizer.json`.
    ///
    /// # Errors
    /// Files that cannot be read, a special token that is missing.
    pub fn read(path: &Path) -> Result<Vocabulary, PretrainError> {
        let config = path.with_file_name("tokenizer_config.json");
        let config = config.exists().then_some(config);
        let (json, vocab) = if is_json(path) { (Some(path), None) } else { (None, Some(path)) };
        let tokenizer = Tokenizer::from_files(json, vocab, config.as_deref())?;
        let missing = |token: &str| PretrainError::Vocabulary(format!("{}: no `{token}`", path.display()));
        let id = |token: &str| tokenizer.id(token).ok_or_else(|| missing(token));
        let pad = id("[PAD]")?;
        let special = [id("[CLS]")?, id("[SEP]")?, id("[MASK]")?];
        let continues = tokenizer.continuations();
        let usual = json!({"tokenizer_class": "BertTokenizer"});
        let config = match config {
            Some(path) => serde_json::from_slice(&std::fs::read(&path).map_err(unread(&path))?)
                .map_err(|error| PretrainError::Vocabulary(format!("{}: {error}", path.display())))?,
            None => usual,
        };
        Ok(Vocabulary { len: continues.len(), pad, special, continues, tokenizer, file: path.to_path_buf(), config })
    }

    /// Whether it is a whole tokenizer and no list of tokens.
    pub fn is_json(&self) -> bool {
        is_json(&self.file)
    }

    /// The first id whose token is another one in another vocabulary, and both.
    pub fn difference(&self, other: &Vocabulary) -> Option<(usize, [String; 2])> {
        let token = |own: &Vocabulary, id: usize| own.tokenizer.token(id as u32).unwrap_or_default();
        let tokens = (0..self.len.max(other.len)).map(|id| (id, [token(self, id), token(other, id)]));
        tokens.into_iter().find(|(_, [one, other])| one != other)
    }
}

/// The size that a model needs for so many tokens.
pub fn rounded(tokens: usize) -> usize {
    tokens.next_multiple_of(ROUNDING)
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "json")
}

/// Trains WordPiece on the documents of some files and writes `vocab.txt` and `tokenizer_config.json` into a folder. Of
/// memory it takes what the different words of the corpus take. Texts become words as the tokenizer does it later; `read`
/// is told how many files have.
///
/// # Errors
/// Files that cannot be read or written.
pub fn train(
    corpus: &[PathBuf],
    size: usize,
    lower_case: bool,
    folder: &Path,
    read: impl Fn(usize),
) -> Result<(), PretrainError> {
    let normalizer = BertNormalizer::new(true, true, Some(lower_case), lower_case);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (at, path) in corpus.iter().enumerate() {
        read_documents(path, |sentences| {
            let words: Result<Vec<Vec<String>>, String> =
                sentences.par_iter().map(|sentence| words(&normalizer, sentence)).collect();
            let words = words.map_err(|reason| PretrainError::Corpus(format!("{}: {reason}", path.display())))?;
            words.into_iter().flatten().for_each(|word| *counts.entry(word).or_default() += 1);
            Ok(())
        })?;
        read(at + 1);
    }
    let tokens = wordpiece::vocabulary(&counts, &SPECIAL, size).map_err(|least| {
        let message =
            format!("a vocabulary of {size} is too small for the corpus's characters, expected at least {least}");
        PretrainError::Vocabulary(message)
    })?;
    write(&tokens, lower_case, folder)
}

fn words(normalizer: &BertNormalizer, sentence: &str) -> Result<Vec<String>, String> {
    let mut text = NormalizedString::from(sentence);
    normalizer.normalize(&mut text).map_err(|error| error.to_string())?;
    let mut text = PreTokenizedString::from(text);
    BertPreTokenizer.pre_tokenize(&mut text).map_err(|error| error.to_string())?;
    let splits = text.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    Ok(splits.into_iter().map(|(word, ..)| word.to_owned()).filter(|word| word.chars().count() <= LONGEST).collect())
}

fn write(tokens: &[String], lower_case: bool, folder: &Path) -> Result<(), PretrainError> {
    let text: String = tokens.iter().map(|token| format!("{token}\n")).collect();
    let config = json!({
        "tokenizer_class": "BertTokenizer", "do_lower_case": lower_case,
    });
    for (name, text) in [("tokenizer_config.json", format!("{config:#}\n")), ("vocab.txt", text)] {
        let path = folder.join(name);
        crate::export::atomic::write(&path, text.as_bytes()).map_err(unwritten(&path))?;
    }
    Ok(())
}
