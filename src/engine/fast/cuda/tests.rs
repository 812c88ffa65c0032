//! The engine on the emulator against the reference engine: the same losses, gradients, norms, parameters and logits,
//! with dropout on.

use super::emulator::Emulator;
use super::engine::Accelerated;
use super::passes::{BACKWARD_LAUNCHES, FORWARD_LAUNCHES};
use super::shape::{Precision, Shape};
use crate::encode::{Batch, Targets};
use crate::engine::adam::clip_factor;
use crate::engine::reference::Reference;
use crate::engine::reference::adam::{self, Slot};
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{Engine, Logits, NamedArray, Predictor, StepPart, Update};
use crate::family::{EncoderConfig, parameters};
use crate::random::{Purpose, Stream};
use crate::task::Head;
use std::collections::BTreeMap;

/// Widths of a small model: hidden, heads, intermediate, positions, layers.
type Widths = (usize, usize, usize, usize, usize);

const SMALL: Widths = (32, 2, 48, 40, 2);

fn config((hidden, heads, wide, positions, layers): Widths, activation: &str) -> EncoderConfig {
    let text = format!(
        r#"{{"model_type": "bert", "vocab_size": 50, "hidden_size": {hidden}, "num_hidden_layers": {layers},
            "num_attention_heads": {heads}, "intermediate_size": {wide}, "hidden_act": "{activation}",
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2, "max_position_embeddings": {positions},
            "type_vocab_size": 2, "layer_norm_eps": 1e-12}}"#
    );
    EncoderConfig::parse(&text).unwrap()
}

fn values(config: &EncoderConfig, head: Head, labels: usize) -> Vec<NamedArray> {
    // Sharp enough for attention to differ between keys, whatever the width.
    let initializer_range = (config.hidden_size as f64).powf(-0.5);
    let how = Initialization { seed: 3, initializer_range, truncated_normal: false };
    starting_values(&parameters(config, head, labels), BTreeMap::new(), &how)
}

/// Sequences of given lengths with random tokens.
fn batch(lengths: &[usize], targets: Targets) -> Batch {
    let stream = Stream::new(5, Purpose::Synthetic);
    let tokens: usize = lengths.iter().sum();
    let mut cumulative_lengths = vec![0];
    lengths.iter().for_each(|length| cumulative_lengths.push(cumulative_lengths.last().unwrap() + *length as u32));
    Batch {
        input_ids: (0..tokens as u64).map(|at| stream.bits(0, 0, at) % 50).collect(),
        token_type_ids: (0..tokens as u64).map(|at| stream.bits(0, 1, at) % 2).collect(),
        cumulative_lengths,
        targets,
    }
}

fn part(sequences: usize) -> StepPart {
    StepPart { seed: 11, step: 2, first_token: 70, first_sequence: 6, sequences }
}

const UPDATE: Update = Update {
    step: 4,
    learning_rate: 1e-3,
    bias_correction: true,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-6,
    weight_decay: 0.01,
    max_grad_norm: 1.0,
};

type Emulated = Accelerated<Emulator>;

fn pair(widths: Widths, activation: &str, head: Head, precision: Precision) -> Option<(Emulated, Reference)> {
    let config = config(widths, activation);
    let labels = if head == Head::Regression { 1 } else { 2 };
    let values = values(&config, head, labels);
    let emulator = Emulator::new(&Shape::new(&config, labels, precision).unwrap())?;
    let engine = Accelerated::on(emulator, config.clone(), head, precision, labels, &values).unwrap();
    Some((engine, Reference::new(config, head, labels, values).unwrap()))
}

/// `‖ours - theirs‖ / ‖theirs‖` of each array, with its name. Where an array's gradient is zero by nature (a key's bias
/// moves all scores of a query alike, a span head's bias all its logits) only rounding is left: an array is held against
/// at least `floor` times the norm of all of them.
fn apart(ours: &[NamedArray], theirs: &[NamedArray], floor: f64) -> Vec<(f64, String)> {
    let square = |values: &[f32]| values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let all = theirs.iter().map(|array| square(&array.values)).sum::<f64>().sqrt();
    let one = |(ours, theirs): (&NamedArray, &NamedArray)| {
        assert_eq!(ours.name, theirs.name);
        let difference: Vec<f32> = ours.values.iter().zip(&theirs.values).map(|(a, b)| a - b).collect();
        (square(&difference).sqrt() / square(&theirs.values).sqrt().max(floor * all), ours.name.clone())
    };
    ours.iter().zip(theirs).map(one).collect()
}

fn near(what: &str, ours: &[NamedArray], theirs: &[NamedArray], limit: f64) {
    let all = apart(ours, theirs, limit.max(1e-3));
    let worst = all.iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    println!("{what}: {:.1e} at {}", worst.0, worst.1);
    assert!(worst.0 < limit, "{what}: {all:#?}");
}

/// Parameters and moments after Adam, from the engine's own gradients and parameters by the plain loop of the reference.
fn moved(config: &EncoderConfig, head: Head, before: &Emulated, norm: f64) -> [Vec<NamedArray>; 3] {
    let list = parameters(config, head, before.parameters().unwrap().last().unwrap().shape[0]);
    let mut values = before.parameters().unwrap();
    let gradients = before.gradients().unwrap();
    let zeros = |arrays: &[NamedArray]| -> Vec<NamedArray> {
        arrays.iter().map(|array| NamedArray { values: vec![0.0; array.values.len()], ..array.clone() }).collect()
    };
    let (mut first, mut second) = (zeros(&values), zeros(&values));
    for at in 0..values.len() {
        let slot = Slot {
            values: &mut values[at].values,
            gradient: &gradients[at].values,
            first: &mut first[at].values,
            second: &mut second[at].values,
            decays: list[at].decays(),
        };
        adam::step(slot, &UPDATE, clip_factor(norm, UPDATE.max_grad_norm));
    }
    [values, first, second]
}

fn flat(logits: &Logits) -> Vec<f32> {
    match logits {
        Logits::Sequence(rows) => rows.concat(),
        Logits::Span { start, end } => [start.concat(), end.concat()].concat(),
    }
}

/// Gradients with dropout and predictions within `limit`, the norm and an update within rounding.
fn agrees(widths: Widths, activation: &str, head: Head, precision: Precision, batch: &Batch, limit: f64) {
    let Some((mut ours, mut theirs)) = pair(widths, activation, head, precision) else { return };
    let part = part(batch.len() + 1);
    let losses = (ours.accumulate(batch, &part).unwrap(), theirs.accumulate(batch, &part).unwrap());
    assert!((losses.0 - losses.1).abs() < limit * losses.1.abs(), "losses {losses:?}");
    near("gradients", &ours.gradients().unwrap(), &theirs.gradients().unwrap(), limit);
    let norm = adam::global_norm(&ours.gradients().unwrap().into_iter().map(|array| array.values).collect::<Vec<_>>());
    let expected = moved(&config(widths, activation), head, &ours, norm);
    assert!((ours.update(&UPDATE).unwrap() - norm).abs() < 1e-9 * norm);
    assert!(ours.gradients().unwrap().iter().all(|array| array.values.iter().all(|value| *value == 0.0)));
    let state = ours.save().unwrap();
    near("parameters", &state.parameters, &expected[0], 1e-6);
    near("first moments", &state.first_moments, &expected[1], 1e-6);
    near("second moments", &state.second_moments, &expected[2], 1e-6);
    theirs.restore(&state).unwrap();
    let predictions = (ours.predict(batch).unwrap(), theirs.predict(batch).unwrap());
    let logits = (flat(&predictions.0.logits), flat(&predictions.1.logits));
    let scale = logits.1.iter().fold(0.1f32, |most, x| most.max(x.abs()));
    for (a, b) in logits.0.iter().zip(&logits.1) {
        assert!(f64::from((a - b).abs()) < limit * f64::from(scale), "logits {logits:?}");
    }
    let losses = (predictions.0.loss_sum.unwrap(), predictions.1.loss_sum.unwrap());
    assert!((losses.0 - losses.1).abs() < limit * losses.1.abs().max(0.1), "losses {losses:?}");
}

// 32-bit sums of some hundred terms in another order: a few units in the last place of the largest term, 1e-6, and
// gradients are differences of such sums.
const F32: f64 = 2e-4;

// bfloat16 has 8 bits: operands are off by 2e-3, and what is kept of a layer is rounded a dozen times.
const BF16: f64 = 6e-2;

const CLASSES: Head = Head::Classification;

fn classes() -> Batch {
    batch(&[7, 1, 20, 33], Targets::Classes(vec![1, 0, 1, 1]))
}

fn spans(lengths: &[usize]) -> Batch {
    let spans = lengths.iter().map(|length| (*length as u32 / 3, *length as u32 - 1)).collect();
    batch(lengths, Targets::Spans(spans))
}

#[test]
fn classification_agrees_with_the_reference() {
    agrees(SMALL, "gelu", CLASSES, Precision::F32, &classes(), F32);
}

#[test]
fn regression_agrees_with_the_reference() {
    let batch = batch(&[5, 12, 2], Targets::Values(vec![0.3, -1.0, 2.5]));
    agrees(SMALL, "gelu_new", Head::Regression, Precision::F32, &batch, F32);
}

#[test]
fn spans_agree_with_the_reference() {
    agrees(SMALL, "relu", Head::Span, Precision::F32, &spans(&[9, 40, 3]), F32);
}

/// Rows that fill no vector of lanes evenly, heads of 12, one layer, positions no multiple of 4.
#[test]
fn odd_widths_agree_with_the_reference() {
    agrees((24, 2, 40, 37, 1), "gelu", CLASSES, Precision::F32, &classes(), F32);
}

/// Wider than one pass of 32 lanes, with a vector of 4 (384) and of 8 (256) columns.
#[test]
fn wide_rows_agree_with_the_reference() {
    let batch = batch(&[4, 3], Targets::Classes(vec![0, 1]));
    agrees((384, 12, 64, 16, 1), "gelu", CLASSES, Precision::F32, &batch, F32);
    agrees((256, 4, 64, 16, 1), "gelu", CLASSES, Precision::Bf16, &batch, BF16);
}

#[test]
fn tensor_cores_agree_with_the_reference() {
    for heads in [1, 2, 4] {
        agrees((64, heads, 64, 40, 2), "gelu", CLASSES, Precision::Bf16, &classes(), BF16);
    }
}

/// Several tiles of 64 queries and keys, with every remainder a tile can have at its end.
#[test]
fn long_sequences_agree_with_the_reference() {
    let batch = spans(&[150, 64, 65, 129, 16]);
    agrees((64, 2, 64, 160, 1), "gelu", Head::Span, Precision::Bf16, &batch, BF16);
    agrees((64, 2, 64, 160, 1), "gelu", Head::Span, Precision::F32, &batch, F32);
}

#[test]
fn long_sequences_with_one_query_each_agree_with_the_reference() {
    let batch = batch(&[150, 64, 65], Targets::Classes(vec![1, 0, 1]));
    agrees((64, 2, 64, 160, 2), "gelu", CLASSES, Precision::Bf16, &batch, BF16);
}

/// Another order of threads and blocks must not move a bit: a missing barrier would.
#[test]
fn the_order_of_threads_does_not_matter() {
    for (precision, batch) in [(Precision::F32, spans(&[70, 9])), (Precision::Bf16, spans(&[70, 9, 64, 1]))] {
        let run = |reverse: bool| {
            let (mut engine, _) = pair((64, 2, 64, 80, 2), "gelu", Head::Span, precision)?;
            engine.machine().reverse.set(reverse);
            let loss = engine.accumulate(&batch, &part(2)).unwrap();
            let gradients = engine.gradients().unwrap();
            let norm = engine.update(&UPDATE).unwrap();
            Some((loss, gradients, norm, engine.save().unwrap()))
        };
        assert!(run(false) == run(true), "{precision:?}");
    }
}

/// Two halves of a step give the gradient of the whole, masks included; only the order of sums differs.
#[test]
fn micro_batches_give_the_gradient_of_the_whole() {
    let Some((mut whole, _)) = pair(SMALL, "gelu", CLASSES, Precision::F32) else { return };
    let (mut halves, _) = pair(SMALL, "gelu", CLASSES, Precision::F32).unwrap();
    let full = classes();
    let cut = full.cumulative_lengths[2] as usize;
    let half = |tokens: std::ops::Range<usize>, lengths: &[u32], classes: &[u32]| Batch {
        input_ids: full.input_ids[tokens.clone()].to_vec(),
        token_type_ids: full.token_type_ids[tokens].to_vec(),
        cumulative_lengths: lengths.to_vec(),
        targets: Targets::Classes(classes.to_vec()),
    };
    let all = part(4);
    let first = half(0..cut, &[0, 7, 8], &[1, 0]);
    let second = half(cut..full.tokens(), &[0, 20, 53], &[1, 1]);
    let later = StepPart { first_token: all.first_token + cut, first_sequence: all.first_sequence + 2, ..all };
    let loss = whole.accumulate(&full, &all).unwrap();
    // The second half is on its way while the first is computed, as a trainer may have it.
    halves.prepare(&second, &later).unwrap();
    let parts = halves.accumulate(&first, &all).unwrap() + halves.accumulate(&second, &later).unwrap();
    assert!((loss - parts).abs() < 1e-6, "{loss} {parts}");
    near("halves", &halves.gradients().unwrap(), &whole.gradients().unwrap(), 1e-5);
}

/// A batch gives the same bytes whatever ran before it: rounded rows and larger arenas leave nothing behind.
#[test]
fn what_ran_before_leaves_nothing_behind() {
    for precision in [Precision::F32, Precision::Bf16] {
        let run = |before: bool| {
            let (mut engine, _) = pair((64, 2, 64, 80, 2), "gelu", CLASSES, precision)?;
            let state = engine.save().unwrap();
            if before {
                engine.accumulate(&batch(&[80, 64, 33], Targets::Classes(vec![0, 1, 0])), &part(3)).unwrap();
                engine.predict(&spans(&[80, 80, 3, 4, 5, 6, 7, 8, 9, 10])).unwrap();
                engine.update(&UPDATE).unwrap();
                engine.restore(&state).unwrap();
            }
            let loss = engine.accumulate(&classes(), &part(4)).unwrap();
            Some((loss, engine.gradients().unwrap(), engine.predict(&classes()).unwrap()))
        };
        assert!(run(false) == run(true), "{precision:?}");
    }
}

/// Saved and restored in the middle, an engine goes on with the same bytes.
#[test]
fn a_restored_engine_goes_on_with_the_same_bytes() {
    let Some((mut engine, _)) = pair(SMALL, "gelu", CLASSES, Precision::Bf16) else { return };
    let step = |engine: &mut Emulated| {
        engine.accumulate(&classes(), &part(4)).unwrap();
        engine.update(&UPDATE).unwrap()
    };
    step(&mut engine);
    let saved = engine.save().unwrap();
    let (mut other, _) = pair(SMALL, "gelu", CLASSES, Precision::Bf16).unwrap();
    other.restore(&saved).unwrap();
    assert_eq!(step(&mut engine), step(&mut other));
    assert!(engine.save().unwrap() == other.save().unwrap());
}

#[test]
fn a_layer_takes_as_many_launches_as_it_says() {
    let asked = |layers: usize, train: bool| {
        let (mut engine, _) = pair((32, 2, 48, 40, layers), "gelu", CLASSES, Precision::F32)?;
        let batch = classes();
        if train { engine.accumulate(&batch, &part(4)).map(drop) } else { engine.predict(&batch).map(drop) }.unwrap();
        Some(engine.machine().asked.get())
    };
    let Some(few) = asked(2, false) else { return };
    assert_eq!(asked(4, false).unwrap() - few, 2 * FORWARD_LAUNCHES);
    let more = asked(4, true).unwrap() - asked(2, true).unwrap();
    assert_eq!(more, 2 * (FORWARD_LAUNCHES + BACKWARD_LAUNCHES));
}
