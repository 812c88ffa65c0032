//! What a pre-training tells: its report, its card, its lines.

use super::{finish, left_to_right, spec};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;

fn fine(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn report(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("model/pretraining.json")).unwrap()).unwrap()
}

fn card(out: &Path) -> String {
    fs::read_to_string(out.join("model/README.md")).unwrap()
}

/// The resolved run, complete, is what its report keeps; of folders that are the user's own, names.
#[test]
fn a_report_keeps_every_setting_and_what_computed_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path()), folder.path().join("out"));
    fine(&finish(&file, &out, &["--set", "train.steps=2", "--engine", "reference"]));
    let report = report(&out);
    let spec = repro::spec::pretraining::read(&file, &["train.steps=2".into()]).unwrap();
    assert_eq!((&report["format"], &report["settings"]), (&2.into(), &spec.settings()));
    assert_eq!(report["settings"]["corpus"], serde_json::json!(["text"]));
    assert!(!report.to_string().contains(folder.path().to_str().unwrap()), "{report}");
    let by = &report["computed_by"];
    assert_eq!(
        (&by["engine"], &by["dtype"], &by["version"]),
        (&"reference".into(), &"f32".into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert!(by.get("commit").is_some() && by["device"].as_str().unwrap().starts_with("cpu"));
    assert_eq!(report["corpus"]["vocabulary_sha256"].as_str().unwrap().len(), 64);
    let card = card(&out);
    for line in [
        "masked words (15 %) and the next sentence",
        "| masks | tokens, 80 % as `[MASK]`, 10 % as a random token; drawn anew in every epoch |",
        "| Adam | second decay 0.999, epsilon 0.000001, weight decay 0.01, gradients cut to norm 1 |",
        "| held out | 10 % of the documents |",
        "| computed by | reference on cpu",
        "| step | loss | masked words right | next sentences right |\n| ---: | ---: | ---: | ---: |\n| 2 |",
    ] {
        assert!(card.contains(line), "{line}\n{card}");
    }
}

#[test]
fn what_was_not_asked_for_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (left_to_right(folder.path()), folder.path().join("out"));
    let curves = folder.path().join("curves");
    fine(&finish(&file, &out, &["--set", "train.steps=2", "--report", curves.to_str().unwrap()]));
    let (told, shown) = (report(&out), card(&out));
    let row = &told["held_out"][0];
    assert!(row["next_token_accuracy"].is_number() && row.get("masked_accuracy").is_none(), "{row}");
    assert!(row.get("next_sentence_accuracy").is_none() && told["settings"]["data"].get("masked").is_none());
    assert!(shown.contains("every next token from those before it, 2 steps"), "{shown}");
    assert!(shown.contains("| step | loss | next tokens right |\n| ---: | ---: | ---: |\n| 2 |"), "{shown}");
    assert!(!shown.contains("mask") && !shown.contains("null"), "{shown}");
    let drawn = fs::read_to_string(curves.join("small.svg")).unwrap();
    assert!(drawn.contains("next tokens") && !drawn.contains("masked") && !drawn.contains("next sentences"));
    let out = folder.path().join("nothing-held-out");
    fine(&finish(&file, &out, &["--set", "train.steps=2", "--set", "held_out=0"]));
    assert!(!card(&out).contains("On documents that were held out"));
}

/// Fine-tuning pads with it.
#[test]
fn the_padding_token_is_the_vocabularys() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path()), folder.path().join("out"));
    let vocab = folder.path().join("vocab.txt");
    let letters: String = ('a'..='z').map(|letter| format!("{letter}\n##{letter}\n")).collect();
    fs::write(&vocab, format!("[UNK]\n[CLS]\n[SEP]\n[MASK]\n[PAD]\n.\n{letters}")).unwrap();
    let words = format!("vocabulary={}", vocab.display());
    fine(&finish(&file, &out, &["--set", &words, "--set", "train.steps=2"]));
    let config: Value = serde_json::from_slice(&fs::read(out.join("model/config.json")).unwrap()).unwrap();
    assert_eq!(config["pad_token_id"], 4);
    fs::write(&vocab, format!("[UNK]\n[CLS]\n[SEP]\n[MASK]\n.\n{letters}")).unwrap();
    let output = finish(&file, &folder.path().join("other"), &["--set", &words]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("vocab.txt: no `[PAD]`"));
}
