//! A checkpoint's own tokenizer: `tokenizer.json`, or what the family builds one of where that is all there is.
//!
//! A saved `tokenizer.json` may carry a truncation and a padding (all-MiniLM-L6-v2's: both to 128). They are switched
//! off: how long a sequence may be is the recipe's to say, and nothing here pads.
//!
//! ELMo has none: its tokens are the bytes of words (`characters`), and lengths count words.

use super::EncodeError;
use super::layout::Layout;
use super::wordpiece::{self, TokenizerConfig};
use super::{byte_pairs, characters, letter_pairs};
use crate::family::{ENDS_TEXT, Vocabulary};
use sha2::{Digest, Sha256};
use std::path::Path;
use tokenizers::NormalizerWrapper;

/// Text to token ids.
#[derive(Debug)]
pub struct Tokenizer {
    /// None where tokens are the bytes of words.
    inner: Option<tokenizers::Tokenizer>,
    layout: Layout,
    highest_id: u32,
    spaced: bool,
    digest: String,
}

/// Those of a checkpoint's files that make a tokenizer, as far as it has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenizerFiles<'a> {
    /// `tokenizer.json`.
    pub tokenizer_json: Option<&'a Path>,
    /// `vocab.txt`.
    pub vocab: Option<&'a Path>,
    /// `tokenizer_config.json`.
    pub tokenizer_config: Option<&'a Path>,
    /// `vocab.json` and `merges.txt`.
    pub byte_pairs: Option<(&'a Path, &'a Path)>,
}

/// The tokens of one text, special tokens excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Start and end of each token in the text, in code points.
    pub offsets: Vec<(u32, u32)>,
}

impl Tokenizer {
    /// Reads the files of a checkpoint whose family has this kind of vocabulary.
    ///
    /// # Errors
    /// Files that are absent, unreadable, or say different things.
    pub fn of(files: &TokenizerFiles, vocabulary: Vocabulary) -> Result<Tokenizer, EncodeError> {
        match (vocabulary, files.tokenizer_json, files.byte_pairs) {
            (Vocabulary::BytePairs, None, Some(files)) => Self::from_merges(files, byte_pairs::build),
            (Vocabulary::LetterPairs, None, Some(files)) => Self::from_merges(files, letter_pairs::build),
            (Vocabulary::LetterPairs, Some(json), _) => Self::from_framed_json(json),
            (Vocabulary::Characters, _, _) => Ok(Self::of_characters()),
            (Vocabulary::WordPiece, _, _) | (_, Some(_), _) => {
                Self::from_files(files.tokenizer_json, files.vocab, files.tokenizer_config)
            }
            (Vocabulary::BytePairs | Vocabulary::LetterPairs, None, None) => {
                Err(EncodeError::NoTokenizer("neither `tokenizer.json` nor `vocab.json` with `merges.txt`"))
            }
            (Vocabulary::None, None, _) => Err(EncodeError::NoTokenizer("no `tokenizer.json`")),
        }
    }

    /// Reads the tokenizer files of BERT and its like, as far as it has them; `tokenizer.json` goes before `vocab.txt`.
    ///
    /// Where both are given they must agree, and so must `tokenizer_config.json` on lower-casing.
    pub fn from_files(
        tokenizer_json: Option<&Path>,
        vocab: Option<&Path>,
        tokenizer_config: Option<&Path>,
    ) -> Result<Tokenizer, EncodeError> {
        let config = tokenizer_config.map(read_config).transpose()?.unwrap_or_default();
        match (tokenizer_json, vocab) {
            (Some(json), vocab) => Self::from_json(json, vocab, tokenizer_config.map(|path| (path, &config))),
            (None, Some(vocab)) => Self::from_vocab(vocab, &config),
            (None, None) => Err(EncodeError::NoTokenizer("neither `tokenizer.json` nor `vocab.txt`")),
        }
    }

    fn from_json(
        path: &Path,
        vocab: Option<&Path>,
        config: Option<(&Path, &TokenizerConfig)>,
    ) -> Result<Tokenizer, EncodeError> {
        let bytes = read(path)?;
        let inner = tokenizers::Tokenizer::from_bytes(&bytes)
            .map_err(|error| corrupt(path, format!("not a tokenizer: {error}")))?;
        if let Some(vocab) = vocab {
            check_same_vocabulary(&inner, path, vocab)?;
        }
        if let Some((config_path, config)) = config {
            check_same_case(&inner, path, config_path, config)?;
        }
        Self::new(inner, path, Sha256::digest(&bytes).to_vec())
    }

    fn from_vocab(path: &Path, config: &TokenizerConfig) -> Result<Tokenizer, EncodeError> {
        let vocab = read_text(path)?;
        let inner = wordpiece::build(&vocab, config).map_err(|reason| corrupt(path, reason))?;
        // The same vocabulary with other settings makes other ids, so they take part in the digest.
        let digest = Sha256::new().chain_update(format!("{config:?}\n")).chain_update(&vocab).finalize();
        Self::new(inner, path, digest.to_vec())
    }

    /// A file that may lack the frame that GPT's sequences are given.
    fn from_framed_json(path: &Path) -> Result<Tokenizer, EncodeError> {
        let bytes = read(path)?;
        let inner = tokenizers::Tokenizer::from_bytes(&bytes)
            .map_err(|error| corrupt(path, format!("not a tokenizer: {error}")))?;
        let inner = letter_pairs::framed(inner).map_err(|reason| corrupt(path, reason))?;
        Self::new(inner, path, Sha256::digest(&bytes).to_vec())
    }

    fn from_merges(
        (vocab, merges): (&Path, &Path),
        build: fn(&str, &str) -> Result<tokenizers::Tokenizer, String>,
    ) -> Result<Tokenizer, EncodeError> {
        let texts = (read_text(vocab)?, read_text(merges)?);
        let inner = build(&texts.0, &texts.1).map_err(|reason| corrupt(vocab, reason))?;
        let digest = Sha256::new().chain_update(&texts.0).chain_update([0]).chain_update(&texts.1).finalize();
        Self::new(inner, vocab, digest.to_vec())
    }

    fn of_characters() -> Tokenizer {
        let digest = hexadecimal(&Sha256::digest(characters::VERSION));
        Tokenizer { inner: None, layout: characters::layout(), highest_id: ENDS_TEXT, spaced: false, digest }
    }

    fn new(mut inner: tokenizers::Tokenizer, path: &Path, digest: Vec<u8>) -> Result<Tokenizer, EncodeError> {
        inner.with_truncation(None).map_err(|error| corrupt(path, error.to_string()))?;
        inner.with_padding(None);
        let layout = Layout::probe(&inner).map_err(|reason| corrupt(path, reason))?;
        let highest_id = inner.get_vocab(true).into_values().max().unwrap_or(0);
        let digest = hexadecimal(&digest);
        let mut tokenizer = Tokenizer { inner: Some(inner), layout, highest_id, spaced: false, digest };
        let probe = |text| tokenizer.ids(text).map_err(|reason| corrupt(path, reason));
        tokenizer.spaced = probe(" a")? != probe("a")?;
        Ok(tokenizer)
    }

    /// The frame of special tokens around texts.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The whole tokenizer as a `tokenizer.json`; none where nothing needs one.
    pub fn to_json(&self) -> Result<Option<String>, String> {
        self.inner.as_ref().map(|inner| inner.to_string(true).map_err(|error| error.to_string())).transpose()
    }

    fn library(&self) -> Result<&tokenizers::Tokenizer, String> {
        self.inner.as_ref().ok_or_else(|| "words by their characters have no vocabulary and no offsets".to_owned())
    }

    /// Ids that a model needs rows for.
    pub fn ids_needed(&self) -> usize {
        self.highest_id as usize + 1
    }

    /// SHA-256 of what the tokenizer was made from, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Fails if the tokenizer can produce an id for which a model of `vocab_size` ids has no embedding.
    pub fn check_vocab_size(&self, vocab_size: usize) -> Result<(), EncodeError> {
        if (self.highest_id as usize) < vocab_size {
            return Ok(());
        }
        Err(EncodeError::VocabularyTooLarge { highest: self.highest_id, vocab_size })
    }

    /// The id of a token, if the vocabulary has it.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.as_ref()?.token_to_id(token)
    }

    /// The token of an id, if the vocabulary has it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.as_ref()?.id_to_token(id)
    }

    /// Of each id, whether its token goes on with a word (`##…`); as long as the vocabulary.
    pub fn continuations(&self) -> Vec<bool> {
        let mut continues = vec![false; self.highest_id as usize + 1];
        for (token, id) in self.inner.iter().flat_map(|inner| inner.get_vocab(true)) {
            continues[id as usize] = token.starts_with("##");
        }
        continues
    }

    /// The token ids of a text, special tokens excluded.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, String> {
        let Some(inner) = &self.inner else { return Ok(characters::ids(text)) };
        let encoding = inner.encode_fast(text, false).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    /// How long a text is against `max_seq_length`: its tokens, or its words where they are bytes.
    pub fn length(&self, ids: &[u32]) -> usize {
        if self.inner.is_some() { ids.len() } else { characters::count(ids) }
    }

    /// The beginning of a text that is so long.
    pub fn beginning<'a>(&self, ids: &'a [u32], length: usize) -> &'a [u32] {
        &ids[..if self.inner.is_some() { length } else { characters::length_of(ids, length) }]
    }

    /// The token ids of one word inside a text. Byte pairs tell a word's beginning by the blank before it, which transformers
    /// then puts before every word of a list, the first included (`add_prefix_space`).
    pub fn word_ids(&self, word: &str) -> Result<Vec<u32>, String> {
        if self.inner.is_none() {
            return Ok(characters::word_ids(word));
        }
        if self.spaced { self.ids(&format!(" {word}")) } else { self.ids(word) }
    }

    /// The token ids of a text and where each token stands in it, special tokens excluded.
    pub fn tokens(&self, text: &str) -> Result<Tokens, String> {
        let encoding = self.library()?.encode_char_offsets(text, false).map_err(|error| error.to_string())?;
        let offsets = encoding.get_offsets().iter().map(|&(start, end)| (start as u32, end as u32)).collect();
        Ok(Tokens { ids: encoding.get_ids().to_vec(), offsets })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, EncodeError> {
    std::fs::read(path).map_err(|error| EncodeError::Unreadable { path: path.to_owned(), reason: error.to_string() })
}

fn read_text(path: &Path) -> Result<String, EncodeError> {
    String::from_utf8(read(path)?).map_err(|_| corrupt(path, "not UTF-8".to_owned()))
}

fn read_config(path: &Path) -> Result<TokenizerConfig, EncodeError> {
    serde_json::from_slice(&read(path)?).map_err(|error| corrupt(path, error.to_string()))
}

fn corrupt(path: &Path, reason: String) -> EncodeError {
    EncodeError::Corrupt { path: path.to_owned(), reason }
}

fn check_same_vocabulary(inner: &tokenizers::Tokenizer, json: &Path, vocab: &Path) -> Result<(), EncodeError> {
    let text = read_text(vocab)?;
    let wrong = wordpiece::tokens(&text).enumerate().find(|(id, token)| inner.token_to_id(token) != Some(*id as u32));
    let Some((id, token)) = wrong else { return Ok(()) };
    let found = inner.token_to_id(token).map_or("none".to_owned(), |found| found.to_string());
    let reason = format!("token `{token}` has id {found} in the first and {id} in the second");
    Err(EncodeError::Mismatch { first: json.to_owned(), second: vocab.to_owned(), reason })
}

/// Lower-casing said twice must be said alike: transformers would follow the config, other tools the tokenizer.
fn check_same_case(
    inner: &tokenizers::Tokenizer,
    json: &Path,
    config_path: &Path,
    config: &TokenizerConfig,
) -> Result<(), EncodeError> {
    let (Some(NormalizerWrapper::BertNormalizer(normalizer)), Some(expected)) =
        (inner.get_normalizer(), config.do_lower_case)
    else {
        return Ok(());
    };
    if normalizer.lowercase == expected {
        return Ok(());
    }
    let reason = format!("`lowercase` is {} but `do_lower_case` is {expected}", normalizer.lowercase);
    Err(EncodeError::Mismatch { first: json.to_owned(), second: config_path.to_owned(), reason })
}
