//! XLNet's span head with beams against transformers: both engines give its figures of a tiny model.
//!
//! `xlnet_beams/expected.json`, in the tree, was made by `scripts/xlnet_beams.py`, which says how, with transformers' own modules
//! in double precision. The engines compute in 32 bits: 1e-5 of a score, and 1e-4 of a gradient's norm, are the limits of
//! the golden data.

use repro::encode::beams::Beams;
use repro::encode::{Batch, Targets};
use repro::engine::{self, Engine, Logits, NamedArray, Precision, Processor, StepPart};
use repro::family::{EncoderConfig, parameters};
use repro::plan::EngineKind;
use repro::task::Head;
use serde_json::Value;

fn expected() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/xlnet_beams/expected.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The script's formula: a value by the parameter's place among the sorted names, and by its own.
fn start(config: &EncoderConfig, names: &Value) -> Vec<NamedArray> {
    let of = |parameter: &repro::family::Parameter| {
        let at = names.as_array().unwrap().iter().position(|name| *name == parameter.name.as_str()).unwrap();
        let value = |place: usize| ((31 * (at + 1) + 17 * place) % 41) as f64 / 25.0 - 20.0 / 25.0;
        let is_factor = ["layer_norm.weight", "LayerNorm.weight"].iter().any(|end| parameter.name.ends_with(end));
        let value = |place: usize| (if is_factor { 1.0 + value(place) / 4.0 } else { value(place) }) as f32;
        let values = (0..parameter.len()).map(value).collect();
        NamedArray { name: parameter.name.clone(), shape: parameter.shape.clone(), values }
    };
    let list = parameters(config, Head::BeamSpan, 2);
    assert_eq!(list.len(), names.as_array().unwrap().len(), "the parameters are transformers'");
    list.iter().map(of).collect()
}

fn numbers(values: &Value) -> Vec<u32> {
    values.as_array().unwrap().iter().map(|value| value.as_u64().unwrap() as u32).collect()
}

/// These windows.
fn batch(windows: &[Value]) -> Batch {
    let mut batch = Batch {
        input_ids: Vec::new(),
        token_type_ids: Vec::new(),
        cumulative_lengths: vec![0],
        together: 1,
        contexts: Vec::new(),
        targets: Targets::Hidden,
    };
    let pair = |values: &Value| (numbers(values)[0], numbers(values)[1]);
    for window in windows {
        batch.input_ids.extend(numbers(&window["ids"]));
        batch.token_type_ids.extend(numbers(&window["segments"]));
        batch.cumulative_lengths.push(batch.input_ids.len() as u32);
        batch.contexts.push(pair(&window["context"]));
    }
    batch.targets = Targets::Spans(windows.iter().map(|window| pair(&window["span"])).collect());
    batch
}

fn engine(kind: EngineKind, expected: &Value) -> Box<dyn Engine> {
    let config = EncoderConfig::parse(&expected["config"].to_string()).unwrap();
    let values = start(&config, &expected["names"]);
    let processor = Processor::Cpu { threads: 1, precision: Precision::F32 };
    engine::create(kind, config, Head::BeamSpan, 2, values, &processor).unwrap()
}

fn near(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{what}: {found}, expected {expected}");
}

fn same(found: &Beams, expected: &Value, what: &str) {
    near(f64::from(found.impossible), &expected["impossible"], what);
    let likely = |found: (u32, f32), expected: &Value| {
        assert_eq!(u64::from(found.0), expected[0].as_u64().unwrap(), "{what}");
        near(f64::from(found.1), &expected[1], what);
    };
    let starts = expected["starts"].as_array().unwrap();
    assert_eq!(found.starts.len(), starts.len(), "{what}");
    for ((start, ends), expected) in found.starts.iter().zip(starts) {
        likely(*start, &expected[0]);
        assert_eq!(ends.len(), expected[1].as_array().unwrap().len(), "{what}");
        ends.iter().zip(expected[1].as_array().unwrap()).for_each(|(end, expected)| likely(*end, expected));
    }
}

#[test]
fn both_engines_find_what_transformers_finds() {
    let expected = expected();
    let windows = expected["windows"].as_array().unwrap();
    for kind in EngineKind::ALL {
        let engine = engine(kind, &expected);
        let prediction = engine.predict(&batch(windows)).unwrap();
        let Logits::Beams(found) = prediction.logits else { unreachable!("a head with beams") };
        for (at, found) in found.iter().enumerate() {
            same(found, &expected["predicted"][at], &format!("{kind:?} window {at}"));
        }
        let sum: f64 = expected["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).sum();
        near(prediction.loss_sum.unwrap(), &sum.into(), "the loss of both");
        let hidden = Batch { targets: Targets::Hidden, ..batch(windows) };
        let again = engine.predict(&hidden).unwrap();
        assert_eq!((again.logits, again.loss_sum), (Logits::Beams(found), None), "{kind:?}");
    }
}

#[test]
fn both_engines_have_transformers_loss_and_gradients() {
    let expected = expected();
    let windows = expected["windows"].as_array().unwrap();
    for kind in EngineKind::ALL {
        let mut engine = engine(kind, &expected);
        let batch = batch(windows);
        engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
        let mean = expected["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).sum::<f64>() / 2.0;
        near(engine.loss().unwrap(), &mean.into(), "loss");
        let gradients = engine.gradients().unwrap();
        for (name, expected) in expected["gradients"].as_object().unwrap() {
            let found = gradients.iter().find(|array| array.name == *name).unwrap();
            let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            assert_eq!(found.values.len(), expected.len(), "{name}");
            let apart: f64 = found.values.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
            let norm: f64 = expected.iter().map(|value| value.powi(2)).sum();
            assert!(
                apart.sqrt() < 1e-4 * norm.sqrt() + 1e-6,
                "{kind:?} {name}: {:?}, expected {expected:?}",
                found.values
            );
        }
    }
}

/// A score of 0 costs ln 2 either way, of which the loss has half; the rest is what transformers itself returns.
#[test]
fn the_rest_of_the_loss_is_transformers_own() {
    let expected = expected();
    for kind in EngineKind::ALL {
        for (at, window) in expected["windows"].as_array().unwrap().iter().enumerate() {
            let mut model = engine(kind, &expected);
            let mut state = model.save().unwrap();
            let last = state.parameters.iter_mut().find(|array| array.name == "answer_class.dense_1.weight").unwrap();
            last.values.fill(0.0);
            model.restore(&state).unwrap();
            let found = model.predict(&batch(std::slice::from_ref(window))).unwrap().loss_sum.unwrap();
            near(found - 0.5 * 2f64.ln(), &expected["loss_without_class"][at], &format!("{kind:?} window {at}"));
        }
    }
}
