//! What a pre-training tells: its report, its card, its lines.

use super::{finish, left_to_right, spec, telling};
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
        "| Adam | decays 0.9 and 0.999, epsilon 0.000001, weight decay 0.01, gradients cut to norm 1 |",
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

/// Each file goes with its own commands, and a name that was mistyped is looked for among its like.
#[test]
fn files_of_the_other_kind_name_their_command() {
    let said = |args: &[&str]| {
        let mut repro = std::process::Command::new(env!("CARGO_BIN_EXE_repro"));
        let output = repro.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for command in ["run", "plan", "fetch"] {
        insta::allow_duplicates!(insta::assert_snapshot!(said(&[command, "pretrain-mini.yaml"]), @r"
        error: experiments/pretrain-mini.yaml: a pre-training, expected an experiment
        hint: `repro pretrain experiments/pretrain-mini.yaml` runs it, `repro pretrain experiments/pretrain-mini.yaml --plan` shows it
        "));
    }
    insta::assert_snapshot!(said(&["pretrain", "quickstart.yaml"]), @r"
    error: experiments/quickstart.yaml: an experiment, expected a pre-training
    hint: it fine-tunes: `repro run quickstart.yaml`
    ");
    insta::assert_snapshot!(said(&["pretrain", "pretrain-mni.yaml"]), @r"
    error: pretrain-mni.yaml: no such pre-training, here or in `experiments/`
    hint: did you mean `pretrain-mini.yaml`?
    ");
    let all = said(&["pretrain", "something-else.yaml"]);
    assert!(all.contains("pretrain-ltr.yaml") && !all.contains("quickstart.yaml"), "{all}");
}

#[test]
fn a_plan_shows_every_resolved_setting_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path()), folder.path().join("out"));
    let output = finish(&file, &out, &["--plan", "--set", "train.dropout=0"]);
    fine(&output);
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in ["vocabulary.size  ", "train.dropout  ", "train.epsilon  ", "data.short_sequences  ", "storage  "] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let row = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().last();
    assert_eq!((row("train.dropout"), row("train.warmup"), row("start_from")), (Some("0.0"), Some("0.01"), Some("—")));
    assert!(!out.exists());
    let output = finish(&file, &out, &["--plan", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["train"]["max_grad_norm"], 1.0);
}

/// Lines of what was done: how many texts, and how much of them was cut off.
#[test]
fn progress_says_what_was_read_and_what_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (spec(folder.path()), folder.path().join("out"));
    let output = telling(&file, &out, &["--set", "train.steps=1"]).output().unwrap();
    fine(&output);
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().take(3).collect();
    assert_eq!(lines[..2], ["  read texts for the vocabulary: 1", "  encoded texts: 1"]);
    assert!(lines[2].ends_with(" tokens are cut off sequences to make them fit"), "{said}");
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
