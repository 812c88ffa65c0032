//! Token ids against the fast tokenizer of transformers (`tokenization/*.json`) and against the released Python
//! tokenizer's ids of all SQuAD v1.1 dev questions (`extras/tokenizer_oracles`). Everything must agree exactly.
//!
//! Every case runs through both ways to a tokenizer: all-MiniLM-L6-v2's `tokenizer.json` (whose saved padding and
//! truncation must not show) and bert-base-uncased's `vocab.txt`; their vocabularies are the same.

use repro::encode::{Cut, Sequence, Tokenizer, TokenizerFiles};
use repro::family::Vocabulary;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A golden file's content, or `None` with a line said where it is not there.
pub fn golden(name: &str) -> Option<Value> {
    let path = folder("REPRO_GOLDEN", "tests/golden").join(name);
    let bytes = present(name, &path)?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// A file's bytes, or `None` with a line said where it is not there.
pub fn present(name: &str, path: &Path) -> Option<Vec<u8>> {
    match std::fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(_) => {
            println!("{name}: not there, skipped");
            None
        }
    }
}

/// The folder an environment variable names, or the one that comes with the repository.
pub fn folder(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// The uncased BERT tokenizer, by each way there is to it, and what to call it.
pub fn tokenizers() -> Vec<(&'static str, Tokenizer)> {
    let models = folder("REPRO_HUB", "data/hub").join("models");
    let minilm = models.join("sentence-transformers/all-MiniLM-L6-v2");
    let existing = |path: PathBuf| path.exists().then_some(path);
    let mut found = Vec::new();
    if let Some(json) = existing(minilm.join("tokenizer.json")) {
        let (vocab, config) = (existing(minilm.join("vocab.txt")), existing(minilm.join("tokenizer_config.json")));
        found
            .push(("tokenizer.json", Tokenizer::from_files(Some(&json), vocab.as_deref(), config.as_deref()).unwrap()));
    }
    if let Some(vocab) = existing(models.join("google-bert/bert-base-uncased/vocab.txt")) {
        found.push(("vocab.txt", Tokenizer::from_files(None, Some(&vocab), None).unwrap()));
    }
    if found.is_empty() {
        println!("uncased BERT tokenizer: not there, skipped");
    }
    found
}

/// GPT's letter pairs from `vocab.json` and `merges.txt` of openai-community/openai-gpt: ids and offsets that
/// `OpenAIGPTTokenizer.from_pretrained(folder)(text, return_offsets_mapping=True)` of transformers 5.24 gives.
#[test]
fn letter_pairs_are_those_of_openai_gpt() {
    let folder = folder("REPRO_HUB", "data/hub").join("models/openai-community/openai-gpt");
    let (vocab, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
    if present("openai-gpt tokenizer", &vocab).is_none() {
        return;
    }
    let files = TokenizerFiles { byte_pairs: Some((&vocab, &merges)), ..Default::default() };
    let tokenizer = Tokenizer::of(&files, Vocabulary::LetterPairs).unwrap();
    for (text, ids, offsets) in LETTER_PAIRS {
        let tokens = tokenizer.tokens(text).unwrap();
        assert_eq!(tokens.ids, ids, "{text:?}");
        assert_eq!(tokens.offsets, offsets, "{text:?}");
    }
    // The frame's tokens come after the 40,478 of the vocabulary.
    let sequence = Sequence::encode(&tokenizer, "0", ("low", Some("low")), 16, Cut::LongestFirst).unwrap();
    assert_eq!(sequence.input_ids, [40478, 954, 40479, 954, 40480]);
}

type LetterPairs = (&'static str, &'static [u32], &'static [(u32, u32)]);

const LETTER_PAIRS: [LetterPairs; 5] = [
    (
        "The quick brown fox, who isn't lazy, jumped 3.5 times over U.S. dogs!",
        &[
            481, 2279, 2507, 8573, 240, 763, 1532, 247, 256, 241, 8447, 240, 2702, 281, 239, 284, 1323, 715, 254, 239,
            252, 239, 4954, 267,
        ],
        &[
            (0, 3),
            (4, 9),
            (10, 15),
            (16, 19),
            (19, 20),
            (21, 24),
            (25, 27),
            (27, 28),
            (28, 29),
            (29, 30),
            (31, 35),
            (35, 36),
            (37, 43),
            (44, 45),
            (45, 46),
            (46, 47),
            (48, 53),
            (54, 58),
            (59, 60),
            (60, 61),
            (61, 62),
            (62, 63),
            (64, 68),
            (68, 69),
        ],
    ),
    (
        "Café naïve — “quotes” and 東京 2019",
        &[10717, 13391, 0, 0, 23919, 0, 488, 0, 0, 4804, 11252],
        &[(0, 4), (5, 10), (11, 12), (13, 14), (14, 20), (20, 21), (22, 25), (26, 27), (27, 28), (29, 31), (31, 33)],
    ),
    ("  tabs\tand\nnew lines  ", &[21082, 488, 783, 3310], &[(2, 6), (7, 10), (11, 14), (15, 20)]),
    (
        "supercalifragilisticexpialidocious @user #tag",
        &[3599, 5139, 8419, 1553, 572, 659, 973, 960, 569, 22683, 305, 19524, 285, 9137],
        &[
            (0, 5),
            (5, 9),
            (9, 14),
            (14, 18),
            (18, 20),
            (20, 22),
            (22, 24),
            (24, 27),
            (27, 29),
            (29, 34),
            (35, 36),
            (36, 40),
            (41, 42),
            (42, 45),
        ],
    ),
    ("🙂 \u{200b} zero", &[0, 8124], &[(0, 1), (4, 8)]),
];

/// A list of whole numbers.
pub fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32).collect()
}

/// A list of pairs of whole numbers.
pub fn pairs(value: &Value) -> Vec<(u32, u32)> {
    let pair = |value: &Value| (value[0].as_u64().unwrap() as u32, value[1].as_u64().unwrap() as u32);
    value.as_array().unwrap().iter().map(pair).collect()
}

/// Offsets of a framed sequence: (0, 0) for special tokens, as transformers has them.
fn framed_offsets(tokenizer: &Tokenizer, case: &Value, kept: (usize, usize)) -> Vec<(u32, u32)> {
    let offsets = |text: &str, kept: usize| tokenizer.tokens(text).unwrap().offsets[..kept].to_vec();
    let mut all = vec![(0, 0)];
    all.extend(offsets(case["text"].as_str().unwrap(), kept.0));
    all.push((0, 0));
    if let Some(second) = case["pair"].as_str() {
        all.extend(offsets(second, kept.1));
        all.push((0, 0));
    }
    all
}

fn check(tokenizer: &Tokenizer, place: &str, case: &Value, cut: Cut) {
    let max_length = case["max_length"].as_u64().unwrap_or(1 << 20) as usize;
    let texts = (case["text"].as_str().unwrap(), case["pair"].as_str());
    let sequence = Sequence::encode(tokenizer, place, texts, max_length, cut);
    if case.get("raises").is_some() {
        assert!(sequence.is_err(), "{place}: the reference raises");
        return;
    }
    let sequence = sequence.unwrap();
    assert_eq!(sequence.input_ids, numbers(&case["input_ids"]), "{place}: ids");
    assert_eq!(sequence.token_type_ids, numbers(&case["token_type_ids"]), "{place}: type ids");
    assert_eq!(framed_offsets(tokenizer, case, sequence.kept), pairs(&case["offsets"]), "{place}: offsets");
}

fn check_file(name: &str) {
    let (Some(file), tokenizers) = (golden(name), tokenizers()) else { return };
    for (way, tokenizer) in &tokenizers {
        for (index, case) in file["cases"].as_array().unwrap().iter().enumerate() {
            let only_second = case["truncation"].as_str() == Some("only_second");
            let cut = if only_second { Cut::OnlySecond } else { Cut::LongestFirst };
            check(tokenizer, &format!("{name} case {index} by {way}"), case, cut);
        }
        println!("{name} by {way}: passed");
    }
}

#[test]
fn single_texts_become_the_reference_ids() {
    check_file("tokenization/single.json");
}

#[test]
fn long_single_texts_are_cut_as_in_the_reference() {
    check_file("tokenization/single_truncated.json");
}

#[test]
fn pairs_are_cut_by_longest_first_and_only_second() {
    check_file("tokenization/pairs.json");
}

#[test]
fn pairs_are_cut_by_the_released_rule_to_its_lengths() {
    let name = "tokenization/pairs.json";
    let (Some(file), tokenizers) = (golden(name), tokenizers()) else { return };
    for (way, tokenizer) in &tokenizers {
        let mut compared = 0;
        for case in file["cases"].as_array().unwrap() {
            let Some(kept) = case["kept_by_original_bert"].as_array() else { continue };
            let texts = (case["text"].as_str().unwrap(), case["pair"].as_str());
            let max_length = case["max_length"].as_u64().unwrap() as usize;
            let sequence = Sequence::encode(tokenizer, "pair", texts, max_length, Cut::ReleasedCode).unwrap();
            let expected = (kept[0].as_u64().unwrap() as usize, kept[1].as_u64().unwrap() as usize);
            assert_eq!(sequence.kept, expected, "{texts:?} into {max_length}");
            compared += 1;
        }
        assert!(compared > 100, "only {compared} cases");
        println!("{name} released rule by {way}: passed");
    }
}

#[test]
fn squad_questions_become_the_released_tokenizers_ids() {
    let name = "extras/tokenizer_oracles/bert-base-uncased.squad-v1.1-dev-questions.jsonl";
    let path = folder("REPRO_HUB", "data/hub").join(name);
    let Some(bytes) = present(name, &path) else { return };
    for (way, tokenizer) in &tokenizers() {
        let mut questions = 0;
        for line in std::str::from_utf8(&bytes).unwrap().lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let text = case["text"].as_str().unwrap();
            assert_eq!(tokenizer.ids(text).unwrap(), numbers(&case["ids"]), "{text:?}");
            questions += 1;
        }
        assert_eq!(questions, 10_570);
        println!("{name} by {way}: passed");
    }
}

#[test]
fn the_cased_vocabulary_keeps_capital_letters() {
    let name = "models/google-bert/bert-base-cased/vocab.txt";
    let path = folder("REPRO_HUB", "data/hub").join(name);
    let Some(vocab) = present(name, &path) else { return };
    let tokenizer = Tokenizer::from_files(None, Some(&path), None).unwrap();
    // The id of a token is its line number, so the expected value is read off the file.
    let line = |token: &str| std::str::from_utf8(&vocab).unwrap().lines().position(|line| line == token).unwrap();
    assert_eq!(tokenizer.ids("The").unwrap(), [line("The") as u32]);
    println!("{name}: passed");
}
