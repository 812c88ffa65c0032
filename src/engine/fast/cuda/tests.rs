//! The engine and every kernel on the emulator: the checks that a GPU runs too, and what only an emulator can show.

use super::checks::{self, Case, Outcome, Widths, steps};
use super::emulator::Emulator;
use super::engine::{Accelerated, missing};
use super::passes::{BACKWARD_LAUNCHES, FORWARD_LAUNCHES};
use super::shape::Shape;
use crate::encode::{Batch, Targets};
use crate::engine::Precision;
use crate::engine::{Engine, EngineError, Predictor, StepPart};
use crate::family::EncoderConfig;
use crate::task::Head;
use steps::{UPDATE, batch, part};

type Emulated = Accelerated<Emulator>;

const SMALL: Widths = (32, 2, 48, 40, 2);

fn open(shape: &Shape) -> Result<Emulator, EngineError> {
    Ok(Emulator::new(shape))
}

/// Whether the checks can run; says so loudly where they cannot.
fn can_run() -> bool {
    let can = Emulator::available();
    if !can {
        println!("NOT RUN: there is no C++ compiler `c++` to run the kernels with");
    }
    can
}

fn engine(widths: Widths, head: Head, precision: Precision) -> Emulated {
    Case { name: "", widths, activation: "gelu", head, precision, lengths: &[] }.engine(&open).unwrap()
}

fn classes() -> Batch {
    batch(&[7, 1, 20, 33], Targets::Classes(vec![1, 0, 1, 1]))
}

fn spans(lengths: &[usize]) -> Batch {
    let spans = lengths.iter().map(|length| (*length as u32 / 3, *length as u32 - 1)).collect();
    batch(lengths, Targets::Spans(spans))
}

fn all_agree(outcomes: &[Outcome]) {
    for outcome in outcomes {
        println!("{:9.1e} of {:7.1e}  {}", outcome.apart, outcome.limit, outcome.name);
    }
    let apart: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.agrees()).collect();
    assert!(apart.is_empty(), "{apart:#?}");
}

#[test]
fn every_operation_agrees_with_plain_loops() {
    if can_run() {
        all_agree(&checks::operations(&open, &[0]).unwrap());
    }
}

#[test]
fn whole_steps_agree_with_the_reference() {
    if can_run() {
        all_agree(&checks::steps(&open).unwrap());
    }
}

/// Another order of threads and blocks must not move a bit: a missing barrier would.
#[test]
fn the_order_of_threads_does_not_matter() {
    if !can_run() {
        return;
    }
    for (precision, batch) in [(Precision::F32, spans(&[70, 9])), (Precision::Bf16, spans(&[70, 9, 64, 1]))] {
        let run = |reverse: bool| {
            let mut engine = engine((64, 2, 64, 80, 1), Head::Span, precision);
            engine.machine().reverse.set(reverse);
            engine.accumulate(&batch, &part(2)).unwrap();
            let loss = engine.loss().unwrap();
            let gradients = engine.gradients().unwrap();
            let norm = engine.update(&UPDATE).unwrap();
            (loss, gradients, norm, engine.save().unwrap())
        };
        assert!(run(false) == run(true), "{precision:?}");
    }
}

/// Two halves of a step give the gradient of the whole, masks included; only the order of sums differs.
#[test]
fn micro_batches_give_the_gradient_of_the_whole() {
    if !can_run() {
        return;
    }
    let mut whole = engine(SMALL, Head::Classification, Precision::F32);
    let mut halves = engine(SMALL, Head::Classification, Precision::F32);
    let full = classes();
    let cut = full.cumulative_lengths[2] as usize;
    let half = |tokens: std::ops::Range<usize>, lengths: &[u32], classes: &[u32]| Batch {
        input_ids: full.input_ids[tokens.clone()].to_vec(),
        token_type_ids: full.token_type_ids[tokens].to_vec(),
        cumulative_lengths: lengths.to_vec(),
        together: 1,
        contexts: Vec::new(),
        targets: Targets::Classes(classes.to_vec()),
    };
    let all = part(4);
    let first = half(0..cut, &[0, 7, 8], &[1, 0]);
    let second = half(cut..full.tokens(), &[0, 20, 53], &[1, 1]);
    let later = StepPart { first_token: all.first_token + cut, first_sequence: all.first_sequence + 2, ..all };
    whole.accumulate(&full, &all).unwrap();
    // The second half is on its way while the first is computed, as a trainer may have it, and needs a larger arena.
    halves.prepare(&second, &later).unwrap();
    halves.accumulate(&first, &all).unwrap();
    halves.accumulate(&second, &later).unwrap();
    let (loss, parts) = (whole.loss().unwrap(), halves.loss().unwrap());
    assert!((loss - parts).abs() < 1e-6, "{loss} {parts}");
    let apart = steps::apart(&halves.gradients().unwrap(), &whole.gradients().unwrap(), 1e-3);
    assert!(apart < 1e-5, "{apart}");
}

/// A batch gives the same bytes whatever ran before it: rounded rows and larger arenas leave nothing behind.
#[test]
fn what_ran_before_leaves_nothing_behind() {
    if !can_run() {
        return;
    }
    for precision in [Precision::F32, Precision::Bf16] {
        let run = |before: bool| {
            let mut engine = engine((64, 2, 64, 80, 2), Head::Classification, precision);
            let state = engine.save().unwrap();
            if before {
                engine.accumulate(&batch(&[80, 64, 33], Targets::Classes(vec![0, 1, 0])), &part(3)).unwrap();
                engine.predict(&spans(&[80, 80, 3, 4, 5, 6, 7, 8, 9, 10])).unwrap();
                engine.update(&UPDATE).unwrap();
                engine.restore(&state).unwrap();
            }
            engine.accumulate(&classes(), &part(4)).unwrap();
            (engine.loss().unwrap(), engine.gradients().unwrap(), engine.predict(&classes()).unwrap())
        };
        assert!(run(false) == run(true), "{precision:?}");
    }
}

/// Saved and restored in the middle, an engine goes on with the same bytes.
#[test]
fn a_restored_engine_goes_on_with_the_same_bytes() {
    if !can_run() {
        return;
    }
    let step = |engine: &mut Emulated| {
        engine.accumulate(&classes(), &part(4)).unwrap();
        engine.update(&UPDATE).unwrap()
    };
    let mut one = engine(SMALL, Head::Classification, Precision::Bf16);
    step(&mut one);
    let saved = one.save().unwrap();
    let mut other = engine(SMALL, Head::Classification, Precision::Bf16);
    other.restore(&saved).unwrap();
    assert_eq!(step(&mut one), step(&mut other));
    assert!(one.save().unwrap() == other.save().unwrap());
}

#[test]
fn a_layer_takes_as_many_launches_as_it_says() {
    if !can_run() {
        return;
    }
    let asked = |layers: usize, train: bool| {
        let mut engine = engine((32, 2, 48, 40, layers), Head::Classification, Precision::F32);
        let batch = batch(&[3, 2], Targets::Classes(vec![0, 1]));
        if train { engine.accumulate(&batch, &part(4)).map(drop) } else { engine.predict(&batch).map(drop) }.unwrap();
        engine.machine().asked.get()
    };
    assert_eq!(asked(3, false) - asked(2, false), FORWARD_LAUNCHES);
    assert_eq!(asked(3, true) - asked(2, true), FORWARD_LAUNCHES + BACKWARD_LAUNCHES);
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |widths: Widths| {
        let case = Case {
            name: "",
            widths,
            activation: "gelu",
            head: Head::Classification,
            precision: Precision::F32,
            lengths: &[],
        };
        Shape::new(&case.config(), 2, Precision::F32).unwrap_err().to_string()
    };
    assert!(refused((12, 2, 48, 40, 1)).contains("multiples of 8"));
    assert!(refused((4096, 64, 48, 40, 1)).contains("at most 3072"));
    assert!(refused((64, 2, 48, 2000, 1)).contains("at most 1536 positions"));
}

/// What a family needs beyond BERT is said before anything is computed.
#[test]
fn families_beside_bert_are_refused_by_what_they_need() {
    let text = |model_type: &str, more: &str| {
        format!(
            r#"{{"model_type": "{model_type}", "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2,
                "num_attention_heads": 2, "intermediate_size": 48, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
                "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 40, "type_vocab_size": 2,
                "layer_norm_eps": 1e-12{more}}}"#
        )
    };
    let refused = |model_type: &str, more: &str| {
        missing(&EncoderConfig::parse(&text(model_type, more)).unwrap(), Head::Classification)
    };
    assert_eq!(refused("bert", ""), None);
    let elmo = r#"{"model_type": "elmo", "lstm": {"use_skip_connections": true, "projection_dim": 8, "cell_clip": 3,
        "proj_clip": 3, "dim": 16, "n_layers": 2}, "char_cnn": {"activation": "relu", "filters": [[1, 4]], "n_highway": 1,
        "embedding": {"dim": 6}, "n_characters": 262, "max_characters_per_token": 20}, "text_hidden_size": 12,
        "text_num_layers": 2, "text_attention": true, "classifier_hidden_size": 16, "dropout": 0.2, "elmo_dropout": 0.5}"#;
    let elmo = EncoderConfig::parse(elmo).unwrap();
    assert_eq!(missing(&elmo, Head::Classification), Some("layers like this family's"));
    assert_eq!(refused("roberta", ""), Some("positions that begin after padding's"));
    assert_eq!(refused("electra", r#", "embedding_size": 32"#), Some("head like this family's"));
    assert_eq!(refused("electra", r#", "embedding_size": 16"#), Some("factorised embeddings"));
    assert_eq!(refused("albert", r#", "embedding_size": 16"#), Some("factorised embeddings"));
}
