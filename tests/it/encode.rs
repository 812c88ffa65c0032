//! Examples to token ids: tokenizer files good and bad, counts of what was cut, and the cache on disk.
//!
//! The tokenizer of most tests has twelve tokens, so that every expected id can be read off `VOCAB` by counting lines.

use repro::dataset::{Answer, Example, Label};
use repro::encode::{
    Batch, EncodeError, EncodeSettings, Encoded, Target, Targets, Tokenizer, cache_key, cached_split, encode_split,
};
use repro::event::{Event, Observer, Silent};
use repro::spec::recipe::{DocStrideUnit, Truncation};
use repro::task;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::TempDir;

/// `[PAD]` 0, `[UNK]` 1, `[CLS]` 2, `[SEP]` 3, `[MASK]` 4, a 5, b 6, c 7, d 8, e 9, f 10, ##s 11.
const VOCAB: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\n##s\n";

/// Keeps what it is told.
#[derive(Default)]
struct Log(Mutex<Vec<Event>>);

impl Observer for Log {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Log {
    fn warnings(&self) -> Vec<String> {
        let text = |event: &Event| if let Event::Warning(text) = event { Some(text.clone()) } else { None };
        self.0.lock().unwrap().iter().filter_map(text).collect()
    }

    fn progress(&self) -> Vec<(u64, Option<u64>)> {
        let step = |event: &Event| {
            if let Event::Progress { done, total, .. } = event { Some((*done, *total)) } else { None }
        };
        self.0.lock().unwrap().iter().filter_map(step).collect()
    }
}

fn file(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn tokenizer() -> Tokenizer {
    let folder = TempDir::new().unwrap();
    Tokenizer::from_files(None, Some(&file(&folder, "vocab.txt", VOCAB)), None).unwrap()
}

fn tokenizer_json(vocab: &str) -> String {
    let vocab: serde_json::Map<_, _> =
        vocab.lines().zip(0..).map(|(token, id)| (token.to_owned(), id.into())).collect();
    let special = |token: &str, type_id: u32| serde_json::json!({"SpecialToken": {"id": token, "type_id": type_id}});
    let text = |id: &str, type_id: u32| serde_json::json!({"Sequence": {"id": id, "type_id": type_id}});
    let named = |token: &str, id: u32| serde_json::json!({"id": token, "ids": [id], "tokens": [token]});
    serde_json::json!({
        "version": "1.0",
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)],
            "pair": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1), special("[SEP]", 1)],
            "special_tokens": {"[CLS]": named("[CLS]", 2), "[SEP]": named("[SEP]", 3)}},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocab}
    })
    .to_string()
}

fn settings(max_seq_length: usize) -> EncodeSettings {
    EncodeSettings {
        max_seq_length,
        truncation: Truncation::ReleasedCode,
        doc_stride: 2,
        doc_stride_unit: DocStrideUnit::Step,
        max_query_length: 2,
        context_first: false,
        context_sentences: 0,
        both_orders: false,
    }
}

fn pair(id: &str, first: &str, second: Option<&str>, label: Label) -> Example {
    let second = second.map(str::to_owned);
    Example { id: id.to_owned(), first: first.to_owned(), second, parts: Vec::new(), label: Some(label) }
}

fn question(id: &str, question: &str, context: &str, answers: &[(&str, usize)]) -> Example {
    let answer = |&(text, start): &(&str, usize)| Answer { text: text.to_owned(), start };
    pair(id, question, Some(context), Label::Answers(answers.iter().map(answer).collect()))
}

fn encode(task: &str, examples: &[Example], max_seq_length: usize) -> Result<Encoded, EncodeError> {
    encode_split(&tokenizer(), task::find(task).unwrap(), examples, &settings(max_seq_length), &Silent)
}

fn message(result: Result<Tokenizer, EncodeError>, folder: &TempDir) -> String {
    result.unwrap_err().to_string().replace(&folder.path().display().to_string(), "DIR")
}

/// By hand: `[CLS] A [SEP] B [SEP]` and, where that is asked for, `[CLS] B [SEP] A [SEP]`, cut each by itself.
#[test]
fn both_orders_of_a_pair_are_two_sequences_of_one_example() {
    let rows = [pair("0", "a b c d", Some("e f"), Label::Class(1)), pair("1", "f", Some("e"), Label::Class(0))];
    let both = EncodeSettings { both_orders: true, ..settings(8) };
    let encoded = encode_split(&tokenizer(), task::find("mrpc").unwrap(), &rows, &both, &Silent).unwrap();
    let ids: Vec<&[u32]> = encoded.features.iter().map(|own| own.input_ids.as_slice()).collect();
    let once = |rows: &[Example]| encode("mrpc", rows, 8).unwrap().features;
    let turned =
        rows.clone().map(|row| pair(&row.id, row.second.as_deref().unwrap(), Some(&row.first), Label::Class(0)));
    let expected: Vec<Vec<u32>> =
        once(&rows).into_iter().zip(once(&turned)).flat_map(|(a, b)| [a.input_ids, b.input_ids]).collect();
    assert_eq!(ids, expected);
    assert_eq!((encoded.report.examples, encoded.report.sequences, encoded.report.truncated), (2, 4, 1));
    let batch = Batch::pack(&encoded.features);
    assert_eq!((batch.examples(), batch.targets), (2, Targets::Classes(vec![1, 0])));
    assert_eq!(encode("sst2", &rows, 8).unwrap().features[0].together, 1);
}

#[test]
fn saved_padding_and_truncation_do_not_show() {
    let folder = TempDir::new().unwrap();
    let json = file(&folder, "tokenizer.json", tokenizer_json(VOCAB));
    let vocab = file(&folder, "vocab.txt", VOCAB);
    let tokenizer = Tokenizer::from_files(Some(&json), Some(&vocab), None).unwrap();
    assert_eq!(tokenizer.ids("a b c ds e f a b").unwrap(), [5, 6, 7, 8, 11, 9, 10, 5, 6]);
    assert_eq!(tokenizer.tokens("é Ds").unwrap().offsets, [(0, 1), (2, 3), (3, 4)]);
}

#[test]
fn a_checkpoint_without_tokenizer_files_is_an_error() {
    assert!(matches!(Tokenizer::from_files(None, None, None), Err(EncodeError::NoTokenizer(_))));
}

#[test]
fn broken_tokenizer_files_are_named() {
    let folder = TempDir::new().unwrap();
    let json = |content: &str| Tokenizer::from_files(Some(&file(&folder, "tokenizer.json", content)), None, None);
    assert!(message(json("{"), &folder).starts_with("`DIR/tokenizer.json`: not a tokenizer: "));
    let bare = tokenizer_json(VOCAB).replace(&special_frame(), "\"post_processor\":null");
    insta::assert_snapshot!(message(json(&bare), &folder),
        @"`DIR/tokenizer.json`: its post-processor does not put each text into a sequence once");
    let vocab = |content: &[u8]| Tokenizer::from_files(None, Some(&file(&folder, "vocab.txt", content)), None);
    insta::assert_snapshot!(message(vocab(b"[UNK]\n[SEP]\na\n"), &folder),
        @"`DIR/vocab.txt`: no `[CLS]` in the vocabulary");
    insta::assert_snapshot!(message(vocab(b"[UNK]\n\xff\n"), &folder), @"`DIR/vocab.txt`: not UTF-8");
    let absent = Tokenizer::from_files(None, Some(&folder.path().join("absent")), None);
    assert!(message(absent, &folder).starts_with("`DIR/absent`: cannot be read: "));
}

/// The post-processor as it stands in `tokenizer_json`.
fn special_frame() -> String {
    let json: serde_json::Value = serde_json::from_str(&tokenizer_json(VOCAB)).unwrap();
    format!("\"post_processor\":{}", json["post_processor"])
}

#[test]
fn files_of_one_checkpoint_that_disagree_are_refused() {
    let folder = TempDir::new().unwrap();
    let json = file(&folder, "tokenizer.json", tokenizer_json(VOCAB));
    let vocab = file(&folder, "vocab.txt", VOCAB.replace("e\nf", "f\ne"));
    insta::assert_snapshot!(message(Tokenizer::from_files(Some(&json), Some(&vocab), None), &folder),
        @"`DIR/tokenizer.json` and `DIR/vocab.txt` disagree: token `f` has id 10 in the first and 9 in the second");
    let config = file(&folder, "tokenizer_config.json", "{\"do_lower_case\": false, \"model_max_length\": 512}");
    insta::assert_snapshot!(message(Tokenizer::from_files(Some(&json), None, Some(&config)), &folder),
        @"`DIR/tokenizer.json` and `DIR/tokenizer_config.json` disagree: `lowercase` is true but `do_lower_case` is false");
}

#[test]
fn a_tokenizer_or_length_beyond_the_model_is_refused() {
    let tokenizer = tokenizer();
    assert!(tokenizer.check_vocab_size(12).is_ok());
    insta::assert_snapshot!(tokenizer.check_vocab_size(11).unwrap_err(),
        @"the tokenizer has token ids up to 11, but the model has embeddings for 11 ids only");
    assert!(settings(512).check_positions(512).is_ok());
    insta::assert_snapshot!(settings(513).check_positions(512).unwrap_err(),
        @"`max_seq_length` is 513, but the model has only 512 positions");
}

// Room for 7 - 3 = 4 tokens: (3, 3) becomes (2, 2) by one token off the second and one off the first.
#[test]
fn pairs_are_cut_and_counted() {
    let rows = [pair("0", "a b", Some("c"), Label::Class(1)), pair("1", "a b c", Some("d e f"), Label::Class(0))];
    let encoded = encode("mrpc", &rows, 7).unwrap();
    assert_eq!(encoded.features[0].input_ids, [2, 5, 6, 3, 7, 3]);
    assert_eq!(encoded.features[1].input_ids, [2, 5, 6, 3, 8, 9, 3]);
    assert_eq!(encoded.features[1].token_type_ids, [0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(encoded.features[0].target, Some(Target::Class(1)));
    let report = encoded.report;
    assert_eq!((report.examples, report.sequences, report.tokens, report.truncated), (2, 2, 13, 1));
}

#[test]
fn a_hidden_label_leaves_no_target() {
    let row = Example { label: None, ..pair("0", "a", None, Label::Class(0)) };
    assert_eq!(encode("sst2", &[row], 8).unwrap().features[0].target, None);
}

// Context "a b c d e f" beside "a": 8 - 3 - 1 = 4 tokens a window, a step of 2: a b c d, c d e f. "b c d e" (code
// points 2 to 9) is in neither; "e" (8 to 9) in the second, after [CLS] a [SEP] c d at position 5.
#[test]
fn answers_outside_every_window_are_counted_as_lost() {
    let context = "a b c d e f";
    let rows = [question("q0", " a", context, &[("b c d e", 2)]), question("q1", "a", context, &[("e", 8), ("a", 0)])];
    let encoded = encode("squad", &rows, 8).unwrap();
    let targets: Vec<_> = encoded.features.iter().map(|features| features.target.clone().unwrap()).collect();
    let none = || Target::Span(0, 0);
    assert_eq!(targets, [none(), none(), none(), Target::Span(5, 5)]);
    assert_eq!(encoded.features[1].input_ids, [2, 5, 3, 7, 8, 9, 10, 3]);
    assert_eq!((encoded.report.answers_lost, encoded.report.sequences, encoded.report.truncated), (1, 4, 0));
}

#[test]
fn long_questions_are_cut_and_counted() {
    let encoded = encode("squad_v2", &[question("q", "a b c", "d", &[])], 16).unwrap();
    assert_eq!(encoded.features[0].input_ids, [2, 5, 6, 3, 8, 3]);
    assert_eq!((encoded.report.truncated, encoded.report.answers_lost), (1, 0));
}

// `[CLS] d b [SEP] a [SEP]`: an answer may be of d and b, or none, which XLNet says at the last token.
#[test]
fn a_context_may_stand_before_its_question() {
    let settings = EncodeSettings { context_first: true, ..settings(6) };
    let rows = [question("q", "a", "d b", &[("b", 2)])];
    let task = task::find("squad").unwrap();
    let encoded = encode_split(&tokenizer(), task, &rows, &settings, &Log::default()).unwrap();
    let [features] = encoded.features.as_slice() else { unreachable!("it fits") };
    assert_eq!(features.input_ids, [2, 8, 6, 3, 5, 3]);
    assert_eq!(
        (features.token_type_ids.as_slice(), &features.target),
        (&[0, 0, 0, 0, 1, 1][..], &Some(Target::Span(2, 2)))
    );
    assert_eq!(Batch::pack(&encoded.features).contexts, [(1, 3)]);
    assert!([1, 2, 5].into_iter().all(|token| Batch::pack(&encoded.features).may_answer(0, token)));
    assert!([0, 3, 4].into_iter().all(|token| !Batch::pack(&encoded.features).may_answer(0, token)));
}

#[test]
fn an_empty_context_keeps_one_window() {
    let encoded = encode("squad_v2", &[question("q", "a", "  ", &[("x", 0)])], 16).unwrap();
    assert_eq!(encoded.features.len(), 1);
    assert_eq!(encoded.report.answers_lost, 1);
}

#[test]
fn rows_that_do_not_fit_their_task_are_named() {
    let text = |result: Result<Encoded, EncodeError>| result.unwrap_err().to_string();
    insta::assert_snapshot!(text(encode("mrpc", &[pair("7", "a", None, Label::Class(0))], 8)),
        @"example `7`: task `mrpc` needs two texts, found one text");
    insta::assert_snapshot!(text(encode("stsb", &[pair("7", "a", Some("b"), Label::Class(0))], 8)),
        @"example `7`: task `stsb` needs a number, found a class");
    insta::assert_snapshot!(text(encode("sst2", &[pair("7", "a", None, Label::Class(0))], 1)),
        @"`max_seq_length` is 1, less than the 2 special tokens of a sequence");
    insta::assert_snapshot!(text(encode("squad", &[question("q", "a b", "c d", &[])], 5)),
        @"example `q`: its first text alone (2 tokens) leaves no room within 5");
    let still = EncodeSettings { doc_stride: 9, doc_stride_unit: DocStrideUnit::Overlap, ..settings(6) };
    let rows = [question("q", "a b", "c d", &[])];
    let result = encode_split(&tokenizer(), task::find("squad").unwrap(), &rows, &still, &Silent);
    insta::assert_snapshot!(text(result),
        @"example `q`: `doc_stride` 9 does not fit windows of 1 context tokens (an overlap must be less than a window)");
}

#[test]
fn the_first_bad_row_is_reported_and_order_is_kept() {
    let letters = ["a", "b", "c", "d", "e", "f"];
    let row = |index: usize| pair(&index.to_string(), letters[index % 6], None, Label::Class(0));
    let mut rows: Vec<_> = (0..5000).map(row).collect();
    let log = Log::default();
    let encoded = encode_split(&tokenizer(), task::find("sst2").unwrap(), &rows, &settings(8), &log).unwrap();
    for (index, features) in encoded.features.iter().enumerate() {
        assert_eq!((features.example, features.input_ids[1]), (index, 5 + index as u32 % 6));
    }
    assert_eq!(log.progress(), [(4096, Some(5000)), (5000, Some(5000))]);
    rows[4500].label = Some(Label::Value(1.0));
    rows[3000].label = Some(Label::Value(1.0));
    assert!(encode("sst2", &rows, 8).unwrap_err().to_string().starts_with("example `3000`"));
}

fn cached(folder: &Path, observer: &dyn Observer) -> Encoded {
    let rows = [question("q", "a", "a b c d e f", &[("e", 8)]), question("r", "b", "c", &[])];
    cached_split(folder, &tokenizer(), task::find("squad_v2").unwrap(), &rows, &settings(8), observer).unwrap()
}

fn entry(folder: &TempDir) -> PathBuf {
    let mut entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let only = entries.next().unwrap();
    assert!(entries.next().is_none(), "one entry and no temporary files");
    only
}

#[test]
fn a_second_encoding_comes_from_the_cache() {
    let folder = TempDir::new().unwrap();
    let first = cached(folder.path(), &Silent);
    let log = Log::default();
    assert_eq!(cached(folder.path(), &log), first);
    assert!(log.0.lock().unwrap().is_empty(), "nothing is encoded and nothing is wrong");
}

#[test]
fn a_damaged_cache_entry_is_noticed_and_replaced() {
    let folder = TempDir::new().unwrap();
    let first = cached(folder.path(), &Silent);
    let good = std::fs::read(entry(&folder)).unwrap();
    let mut flipped = good.clone();
    flipped[60] ^= 1;
    for damaged in [&flipped[..], &good[..good.len() - 1], &good[..10], &[]] {
        std::fs::write(entry(&folder), damaged).unwrap();
        let log = Log::default();
        assert_eq!(cached(folder.path(), &log), first);
        assert_eq!(log.warnings().len(), 1, "{:?}", log.warnings());
        assert_eq!(std::fs::read(entry(&folder)).unwrap(), good);
    }
}

#[test]
fn a_cache_folder_that_cannot_be_written_costs_only_a_warning() {
    let folder = TempDir::new().unwrap();
    let not_a_folder = file(&folder, "file", "");
    let log = Log::default();
    assert_eq!(cached(&not_a_folder, &log).features.len(), 3);
    assert!(log.warnings().iter().any(|warning| warning.contains("not kept")));
}

#[test]
fn rows_settings_task_and_tokenizer_each_change_the_cache_key() {
    let (tokenizer, mrpc) = (tokenizer(), task::find("mrpc").unwrap());
    let rows = [pair("0", "a b", Some("c"), Label::Class(1))];
    let key = cache_key(&tokenizer, mrpc, &rows, &settings(8));
    assert_eq!(key, cache_key(&tokenizer, mrpc, &rows, &settings(8)));
    let moved = [pair("0", "a ", Some("bc"), Label::Class(1))];
    let relabelled = [pair("0", "a b", Some("c"), Label::Class(0))];
    let folder = TempDir::new().unwrap();
    let other = Tokenizer::from_files(None, Some(&file(&folder, "vocab.txt", format!("{VOCAB}g\n"))), None).unwrap();
    for changed in [
        cache_key(&tokenizer, mrpc, &moved, &settings(8)),
        cache_key(&tokenizer, mrpc, &relabelled, &settings(8)),
        cache_key(&tokenizer, mrpc, &rows, &settings(9)),
        cache_key(&tokenizer, task::find("rte").unwrap(), &rows, &settings(8)),
        cache_key(&other, mrpc, &rows, &settings(8)),
    ] {
        assert_ne!(key, changed);
    }
}
