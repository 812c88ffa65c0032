//! XLNet fine-tuned on SQuAD with its released code's head: a beam search, and whether there is an answer.

use super::{Again, checkpoint, examples, fine_tune, records, run_folder, settings, verify};
use repro::encode::answers::AnswerSettings;
use repro::encode::{EncodeSettings, beams};
use repro::engine::Logits;
use repro::plan::EngineKind;
use repro::record::{Record, Status};
use repro::task::{self, Head};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

const BEAM: [&str; 2] = ["--set", "train.span_head=beam"];

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn of(folder: &Path, model_type: &str) -> PathBuf {
    let path = folder.join(model_type);
    checkpoint::write(&path, model_type);
    path
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[test]
fn questions_are_answered_by_beams_and_the_saved_model_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (xlnet, out) = (of(folder.path(), "xlnet"), folder.path().join("out"));
    let output = fine_tune(&xlnet, "squad, squad_v2", &out, &BEAM);
    assert!(output.status.success(), "{}", said(&output));
    let records = records(&out);
    assert_eq!(records.len(), 2);
    for record in &records {
        assert_eq!(record.status, Status::Finished);
        assert!(record.scores.iter().all(|score| score.value.is_some()), "{}", record.task);
        let run = run_folder(&out, record);
        assert_eq!(json(&run.join("model/config.json"))["architectures"][0], "XLNetForQuestionAnswering");
        let card = std::fs::read_to_string(run.join("model/README.md")).unwrap();
        assert!(card.contains("Answers are found by a beam search"), "{card}");
        let bytes = std::fs::read(run.join("model/model.safetensors")).unwrap();
        let saved = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(saved.tensor("answer_class.dense_1.weight").unwrap().shape(), [1, 32]);
        assert!(saved.tensor("answer_class.dense_1.bias").is_err() && saved.tensor("qa_outputs.weight").is_err());
        EngineKind::ALL.into_iter().for_each(|kind| says_the_same(&run, record, kind));
        verify(&out, record, "xlnet");
    }
}

/// A context stands before its question, as in the released code.
pub fn beam_settings() -> EncodeSettings {
    EncodeSettings { context_first: true, ..settings() }
}

/// Texts, and within 2e-5 the logits of there being no answer: batches are cut otherwise.
fn says_the_same(run: &Path, record: &Record, kind: EngineKind) {
    let task = task::find(&record.task).unwrap();
    let again = Again::with_head(&run.join("model"), task, Head::BeamSpan, kind, &beam_settings());
    let Logits::Beams(found) = again.logits() else { unreachable!("a head with beams") };
    let unanswerable = record.task == "squad_v2";
    let settings = AnswerSettings {
        n_best_size: record.recipe.n_best_size,
        max_answer_length: record.recipe.max_answer_length,
        unanswerable,
        null_threshold: 0.0,
        max_context: record.recipe.max_context,
    };
    let (texts, odds) = (json(&run.join("predictions.json")), run.join("null_odds.json"));
    assert_eq!((odds.exists(), run.join("logits.safetensors").exists()), (unanswerable, false));
    for answer in beams::predict(&examples(task), &again.encoded.features, &found, &settings).unwrap() {
        assert_eq!(texts[&answer.id], answer.text.as_str(), "{} {kind:?}", record.task);
        if let Some(null) = answer.null_odds {
            let written = json(&odds)[&answer.id].as_f64().unwrap();
            assert!((written - null).abs() < 2e-5, "{kind:?} {}: {null}, written {written}", answer.id);
        }
    }
}

/// With dropout: masks are those of the step, whichever engine draws them. 1e-4 of losses near 4: both sum in 32 bits.
#[test]
fn both_engines_take_steps_alike() {
    let folder = tempfile::tempdir().unwrap();
    let xlnet = of(folder.path(), "xlnet");
    let losses = |engine: &str| {
        let out = folder.path().join(engine);
        let output = fine_tune(&xlnet, "squad_v2", &out, &[&BEAM[..], &["--engine", engine]].concat());
        assert!(output.status.success(), "{}", said(&output));
        let text = std::fs::read_to_string(run_folder(&out, &records(&out)[0]).join("curve.csv")).unwrap();
        text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect::<Vec<f64>>()
    };
    let (fast, slow) = (losses("fast"), losses("reference"));
    assert!(fast.len() == slow.len() && fast.len() >= 3);
    assert!(fast.iter().zip(&slow).all(|(a, b)| (a - b).abs() < 1e-4 * b), "{fast:?}, reference {slow:?}");
}

/// With BERT's frame there is no answer at the end of a sequence to learn that there is none, and its loss is infinite.
#[test]
fn a_tokenizer_that_frames_as_berts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let xlnet = of(folder.path(), "xlnet");
    let path = xlnet.join("tokenizer.json");
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for frame in ["single", "pair"] {
        let pieces = tokenizer["post_processor"][frame].as_array_mut().unwrap();
        let class = pieces.pop().unwrap();
        pieces.insert(0, class);
    }
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let output = fine_tune(&xlnet, "squad", &folder.path().join("out"), &BEAM[..]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(said(&output).contains("XLNet reads a sequence's last token"), "{}", said(&output));
}

#[test]
fn a_beam_search_is_refused_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (xlnet, bert) = (of(folder.path(), "xlnet"), of(folder.path(), "bert"));
    let refused = |checkpoint: &Path, task: &str, more: &[&str], code: i32| {
        let output = fine_tune(checkpoint, task, &folder.path().join("out"), &[&BEAM[..], more].concat());
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        said(&output)
    };
    let of_bert = refused(&bert, "squad", &[], 4);
    let expected = "`span_head` is `beam`, expected `simple`: BERT has no head with a beam search";
    assert!(of_bert.contains(expected), "{of_bert}");
    let of_pairs = refused(&xlnet, "mrpc", &[], 2);
    let expected = "`span_head` is `beam`, expected `simple`: only questions have answers that are spans";
    assert!(of_pairs.contains(expected), "{of_pairs}");
    let on_a_gpu = refused(&xlnet, "squad", &["--device", "cuda:0"], 2);
    assert!(on_a_gpu.contains("squad: a GPU has no head for this task yet, expected `--device cpu`"), "{on_a_gpu}");
}
