//! What `repro pretrain` refuses, before it trains or writes over anything.

use super::{command, finish, spec, telling, wait_for_snapshot, weights};
use std::fs;
use std::path::Path;
use std::process::Output;

fn said(output: &Output, folder: &Path) -> String {
    String::from_utf8_lossy(&output.stderr).replace(folder.to_str().unwrap(), "FOLDER")
}

/// Refused with exit code 2, and what was said.
fn refused(output: &Output, folder: &Path) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", said(output, folder));
    said(output, folder)
}

#[test]
fn what_cannot_be_pre_trained_on_is_told_before_any_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path());
    let text = folder.path().join("text/a.txt");
    let complaint = |text_of: &[u8], more: &[&str]| {
        fs::write(&text, text_of).unwrap();
        let out = tempfile::tempdir().unwrap();
        let output = finish(&file, out.path(), more);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap().replace(folder.path().to_str().unwrap(), "FOLDER")
    };
    insta::assert_snapshot!(complaint(b"", &[]), @"error: 1 file and no sentence in it");
    insta::assert_snapshot!(complaint(b"fine\n\xff\n", &[]), @"error: FOLDER/text/a.txt:2: not UTF-8, expected UTF-8");
    insta::assert_snapshot!(complaint(b"One sentence.\n", &["--set", "held_out=0"]), @r"
    error: 1 document, expected at least 2 to train on for next-sentence prediction
    hint: a blank line parts documents; with `data.next_sentence: false` one is enough
    ");
    insta::assert_snapshot!(complaint(b"One.\n\nTwo.\n\nThree.\n", &[]), @r"
    error: 3 documents, 2 of them held out, expected at least 2 to train on for next-sentence prediction
    hint: `held_out: 0` keeps all
    ");
    insta::assert_snapshot!(complaint(b"One sentence.\n\nAnother one.\n", &["--set", "held_out=0"]), @"error: 4 sequences to train on, expected at least one batch, 8");
    let vocab = folder.path().join("vocab.txt");
    fs::write(&vocab, "[PAD]\n[UNK]\n[CLS]\n[SEP]\none\n").unwrap();
    let set = format!("vocabulary={}", vocab.display());
    insta::assert_snapshot!(complaint(b"One.\n", &["--set", &set]), @"error: FOLDER/vocab.txt: no `[MASK]`");
    let complaint = complaint(b"One.\n", &["--set", "model.num_attention_heads=5"]);
    assert!(
        complaint.contains("`model.hidden_size` 32 is no multiple of `model.num_attention_heads` 5"),
        "{complaint}"
    );
}

/// A snapshot of other settings is nobody's to go on from.
#[test]
fn a_folder_of_another_pre_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path()), folder.path().join("out"));
    let mut child = command(&file, &out, &[]).spawn().unwrap();
    wait_for_snapshot(&out);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = finish(&file, &out, &["--set", "train.learning_rate=1e-4"]);
    insta::assert_snapshot!(refused(&output, folder.path()), @r"
    error: FOLDER/out: it holds a pre-training with `train.learning_rate` 0.001, this one has 0.0001
    hint: name another with `--out`, or remove it if nobody needs it
    ");
}

/// Without a snapshot too: six steps are fewer than the file's seven between two. Nor is it trained again.
#[test]
fn a_finished_pre_training_is_neither_written_over_nor_trained_again() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path()), folder.path().join("out"));
    let sets = ["--set", "train.steps=6", "--set", "train.snapshot_steps=7"];
    assert!(finish(&file, &out, &sets).status.success());
    let vocabulary = fs::read(out.join("vocab.txt")).unwrap();
    let (model, curve) = (weights(&out), fs::metadata(out.join("curve.csv")).unwrap().modified().unwrap());
    assert!(!out.join("snapshot").exists());
    let output = finish(&file, &out, &[&sets[..], &["--set", "train.learning_rate=1e-5"]].concat());
    insta::assert_snapshot!(refused(&output, folder.path()), @r"
    error: FOLDER/out: it holds a pre-training with `train.learning_rate` 0.001, this one has 0.00001
    hint: name another with `--out`, or remove it if nobody needs it
    ");
    let report = folder.path().join("report");
    let output = telling(&file, &out, &sets).arg("--report").arg(&report).output().unwrap();
    assert!(output.status.success() && report.join("small.svg").exists(), "{}", said(&output, folder.path()));
    assert!(said(&output, folder.path()).contains("it is finished already; nothing was trained"));
    fs::write(folder.path().join("text/b.txt"), "Another text.\n").unwrap();
    let output = finish(&file, &out, &sets);
    let said = refused(&output, folder.path());
    assert!(said.contains("what was trained in it read another corpus: `vocabulary.json` differs"), "{said}");
    assert!(weights(&out) == model && fs::read(out.join("vocab.txt")).unwrap() == vocabulary);
    assert_eq!(fs::metadata(out.join("curve.csv")).unwrap().modified().unwrap(), curve);
}

/// A checkpoint's own folder has a `pretraining.json` too, and files that would be written over.
#[test]
fn somebody_elses_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path());
    let out = folder.path().join("theirs");
    fs::create_dir_all(out.join("model")).unwrap();
    let files = [("vocab.txt", "their words"), ("model/config.json", "{}")];
    files.iter().for_each(|(name, text)| fs::write(out.join(name), text).unwrap());
    let output = finish(&file, &out, &[]);
    insta::assert_snapshot!(refused(&output, folder.path()), @r"
    error: FOLDER/theirs: it holds a `model` and no `pretraining.json` that says of what
    hint: name another with `--out`, or remove it if nobody needs it
    ");
    fs::write(out.join("pretraining.json"), "{\"name\": \"theirs\"}").unwrap();
    let output = finish(&file, &out, &[]);
    insta::assert_snapshot!(refused(&output, folder.path()), @r"
    error: FOLDER/theirs: its `pretraining.json` is of no format that this version knows
    hint: name another with `--out`, or remove it if nobody needs it
    ");
    assert!(files.iter().all(|(name, text)| fs::read_to_string(out.join(name)).unwrap() == *text));
}

#[test]
fn a_start_of_another_shape_or_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, first) = (spec(folder.path()), folder.path().join("first"));
    assert!(finish(&file, &first, &["--set", "train.steps=2"]).status.success());
    let model = first.join("model");
    let (start, words) = (format!("start_from={}", model.display()), model.join("vocab.txt"));
    let try_with = |words: &Path, more: &[&str]| {
        let words = format!("vocabulary={}", words.display());
        let sets = [&["--set", &start, "--set", &words], more].concat();
        refused(&finish(&file, &folder.path().join("second"), &sets), folder.path())
    };
    insta::assert_snapshot!(try_with(&words, &["--set", "model.hidden_size=64"]), @"error: `start_from`: FOLDER/first/model: its `hidden_size` is 32, expected this file's, 64");
    // As many tokens, two of them in each other's place.
    let tokens = fs::read_to_string(&words).unwrap();
    let mut tokens: Vec<&str> = tokens.lines().collect();
    tokens.swap(20, 21);
    let other = folder.path().join("vocab.txt");
    fs::write(&other, tokens.join("\n")).unwrap();
    insta::assert_snapshot!(try_with(&other, &[]), @"error: `start_from`: FOLDER/first/model: its token 20 is `r`, expected that of this file's vocabulary, `s`");
    let kept = model.join("kept.txt");
    fs::rename(&words, &kept).unwrap();
    insta::assert_snapshot!(try_with(&kept, &[]), @"error: `start_from`: FOLDER/first/model: no `vocab.txt` or `tokenizer.json`, expected its vocabulary");
    fs::rename(&kept, &words).unwrap();
    let config = fs::read_to_string(model.join("config.json")).unwrap();
    fs::write(model.join("config.json"), config.replace("\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": 1e-5"))
        .unwrap();
    insta::assert_snapshot!(try_with(&words, &[]), @"error: `start_from`: FOLDER/first/model: its `layer_norm_eps` is 0.00001, expected this file's, 1e-12");
}

/// Letters are all the tokens there are, so that every word has more than the one prediction of a sequence: six steps of loss 0.
#[test]
fn whole_words_of_which_none_fits_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path());
    let vocab = folder.path().join("vocab.txt");
    let letters: String = ('a'..='z').map(|letter| format!("{letter}\n##{letter}\n")).collect();
    fs::write(&vocab, format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{letters}")).unwrap();
    fs::write(folder.path().join("text/a.txt"), "some words\nmore words\n\n".repeat(40)).unwrap();
    let words = format!("vocabulary={}", vocab.display());
    let sets = ["data.whole_words=true", "data.max_predictions=1", "data.next_sentence=false", &words];
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let output = finish(&file, &folder.path().join("out"), &sets);
    insta::assert_snapshot!(refused(&output, folder.path()), @r"
    error: none of 74 sequences has a word to predict
    hint: a whole word of more tokens than `data.masked` and `data.max_predictions` allow is passed over
    ");
}

/// Before anything is trained, not after hours.
#[test]
fn a_report_that_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path()), folder.path().join("out"));
    let taken = folder.path().join("taken");
    fs::write(&taken, "a file").unwrap();
    let output = finish(&file, &out, &["--report", taken.join("curves").to_str().unwrap()]);
    let said = refused(&output, folder.path());
    assert!(said.starts_with("error: --report FOLDER/taken/curves: cannot be written: "), "{said}");
    assert!(!out.exists());
}

/// A petabyte of parameters, and a stack of layers that would take minutes to count.
#[test]
fn a_model_that_no_memory_holds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = spec(folder.path());
    let with = |set: &str| refused(&finish(&file, &folder.path().join("out"), &["--set", set]), folder.path());
    let said = with("model.hidden_size=65536");
    assert!(said.starts_with("error: a step takes about ") && said.contains(" GB of memory, found "), "{said}");
    let said = with("model.num_hidden_layers=1000000");
    assert!(said.contains("found `1000000`, expected a whole number from 1 to 1000"), "{said}");
}
