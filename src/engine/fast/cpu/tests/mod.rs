//! The whole engine against the reference engine: same weights, same batches, same seed, dropout on. Both compute in 32
//! bits, so that they differ by roundings: 1e-4 of a gradient's norm, as the golden data's README allows.

mod bilstm;
mod elmo;
mod families;
mod frozen;

use super::*;
use crate::encode::beams::Beams;
use crate::encode::{Features, Target, Targets, UNLABELLED, Window};
use crate::engine::reference::Reference;
use crate::engine::weights::{Initialization, starting_values};
use crate::random::{Purpose, Stream};
use crate::task::{FeatureBased, FeatureKind};
use std::collections::BTreeMap;

/// Sizes that fill no vector, tile or panel, and ones that do.
const SHAPES: [(usize, usize, usize, &str); 3] = [(20, 2, 44, "gelu"), (36, 3, 50, "gelu_new"), (64, 2, 128, "relu")];

const HEADS: [(Head, usize); 6] = [
    (Head::Classification, 3),
    (Head::Regression, 1),
    (Head::Span, 2),
    (Head::Tokens, 5),
    (Head::Choice, 1),
    (Head::Pretraining, 2),
];

fn config(hidden: usize, heads: usize, wide: usize, activation: &str) -> EncoderConfig {
    let text = format!(
        r#"{{"model_type": "bert", "vocab_size": 97, "hidden_size": {hidden}, "num_hidden_layers": 3,
            "num_attention_heads": {heads}, "intermediate_size": {wide}, "hidden_act": "{activation}",
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2, "max_position_embeddings": 70,
            "type_vocab_size": 2, "layer_norm_eps": 1e-12}}"#
    );
    EncoderConfig::parse(&text).unwrap()
}

fn start(config: &EncoderConfig, head: Head, labels: usize) -> Vec<NamedArray> {
    let how = Initialization { seed: 3, initializer_range: 0.2, truncated_normal: false };
    let mut values = starting_values(&parameters(config, head, labels), BTreeMap::new(), &how);
    for (site, array) in values.iter_mut().enumerate() {
        let noise = Stream::new(9, Purpose::Synthetic).normals(site as u32, array.values.len());
        array.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.05 * noise as f32);
    }
    values
}

/// Sequences of lengths 3 to 69 in no order.
fn batch(head: Head, labels: usize, sequences: usize, round: u32) -> Batch {
    let stream = Stream::new(4, Purpose::Synthetic);
    let draw = |row: usize, at: u64, below: u32| stream.bits(u64::from(round), row as u32, at) % below;
    let features: Vec<Features> = (0..sequences)
        .map(|row| {
            let length = 3 + draw(row, 1000, 67) as usize;
            let target = match head {
                Head::Classification => Target::Class(draw(row, 1001, labels as u32)),
                Head::Regression => Target::Value(draw(row, 1001, 500) as f32 / 100.0),
                Head::Span => Target::Span(draw(row, 1001, length as u32), draw(row, 1002, length as u32)),
                Head::BeamSpan => {
                    let last = length as u32 - 1;
                    let context = |at: u64| if row % 3 == 0 { last } else { 1 + draw(row, at, last.max(2) - 1) };
                    Target::Span(context(1001), context(1002))
                }
                Head::Tokens | Head::FeatureBased(_) => {
                    let label =
                        |at: usize| if at.is_multiple_of(3) { UNLABELLED } else { draw(row, at as u64, labels as u32) };
                    Target::Tokens((0..length).map(label).collect())
                }
                Head::Choice => Target::Choice(draw(row / 4, 1001, 4)),
                // The first token of every third sequence, and none of another third.
                Head::Pretraining => Target::Masked {
                    words: (0..length as u32)
                        .filter(|at| row % 3 < 2 && (at + row as u32).is_multiple_of(5))
                        .map(|at| (at, draw(row, 2000 + u64::from(at), 97)))
                        .collect(),
                    next: Some(draw(row, 1001, 2)),
                },
            };
            Features {
                example: row,
                together: if head == Head::Choice { 4 } else { 1 },
                input_ids: (0..length).map(|at| draw(row, at as u64, 97)).collect(),
                token_type_ids: (0..length).map(|at| u32::from(at * 2 > length)).collect(),
                target: Some(target),
                window: (head == Head::BeamSpan).then(|| Window {
                    class_token: length - 1,
                    first_context_token: 1,
                    offsets: vec![(0, 1); length - 2],
                    max_context: vec![true; length - 2],
                }),
            }
        })
        .collect();
    Batch::pack(&features)
}

/// The rate is small: Adam moves a parameter whose gradient is rounding noise by the full rate, in either direction, and
/// ReLU's gradient jumps where such a move crosses 0.
fn update(step: u64) -> Update {
    Update {
        step,
        learning_rate: 1e-5,
        bias_correction: step.is_multiple_of(2),
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-6,
        weight_decay: 0.01,
        max_grad_norm: 1.0,
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

fn norm(a: &[f32]) -> f64 {
    distance(a, &vec![0.0; a.len()])
}

/// A larger batch and a smaller one by turns.
fn rounds(head: Head, labels: usize) -> impl Fn(u32) -> Batch {
    let larger = if head == Head::Choice { 8 } else { 7 };
    move |round| batch(head, labels, if round.is_multiple_of(2) { larger } else { 4 }, round)
}

/// The same with each two neighbouring sequences an example.
fn pairs(head: Head, labels: usize) -> impl Fn(u32) -> Batch {
    let second = |classes: Vec<u32>| classes.into_iter().step_by(2).collect();
    move |round| {
        let apart = batch(head, labels, if round.is_multiple_of(2) { 8 } else { 4 }, round);
        let targets = match apart.targets {
            Targets::Classes(classes) => Targets::Classes(second(classes)),
            Targets::Values(values) => Targets::Values(values.into_iter().step_by(2).collect()),
            _ => unreachable!("no other head adds sequences"),
        };
        Batch { together: 2, targets, ..apart }
    }
}

/// The fast engine with two workers, on every instruction set, stays together with the reference engine.
fn stay_together_on_every_isa(
    config: &EncoderConfig,
    (head, labels): (Head, usize),
    batches: &dyn Fn(u32) -> Batch,
    what: &str,
) {
    let values = start(config, head, labels);
    for isa in Isa::all() {
        let mut fast = Cpu::with(isa, config.clone(), head, labels, &values, 2).unwrap();
        let mut slow = Reference::new(config.clone(), head, labels, values.clone()).unwrap();
        stay_together(&mut fast, &mut slow, batches, &format!("{what} {isa:?}"));
    }
}

/// Two engines stay together over steps of two micro-batches, in loss, gradients, norm and prediction.
fn stay_together(fast: &mut dyn Engine, slow: &mut dyn Engine, batches: &dyn Fn(u32) -> Batch, what: &str) {
    for step in 0..3 {
        let (first, second) = (batches(2 * step), batches(2 * step + 1));
        let sequences = first.len() + second.len();
        let labelled = first.targets.labelled() + second.targets.labelled();
        let part = StepPart { sequences, labelled, ..StepPart::whole(11, step.into(), &first) };
        let rest = StepPart { first_token: first.tokens(), first_sequence: first.len(), ..part };
        for (batch, part) in [(&first, &part), (&second, &rest)] {
            fast.accumulate(batch, part).unwrap();
            slow.accumulate(batch, part).unwrap();
            let (a, b) = (fast.loss().unwrap(), slow.loss().unwrap());
            assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{what}: loss {a}, reference {b}");
        }
        let total = slow.gradients().unwrap().iter().map(|array| norm(&array.values).powi(2)).sum::<f64>().sqrt();
        for (a, b) in fast.gradients().unwrap().iter().zip(slow.gradients().unwrap()) {
            let limit = 1e-4 * norm(&b.values) + 1e-6 * total;
            let error = distance(&a.values, &b.values);
            assert!(error < limit, "{what} step {step}: gradient of {} off by {error}, limit {limit}", a.name);
        }
        let (a, b) = (fast.update(&update(step.into())).unwrap(), slow.update(&update(step.into())).unwrap());
        assert!((a - b).abs() < 1e-4 * b, "{what}: norm {a}, reference {b}");
        assert!(fast.gradients().unwrap().iter().all(|array| array.values.iter().all(|value| *value == 0.0)));
        predictions_agree(&fast.predict(&first).unwrap(), &slow.predict(&first).unwrap(), what);
    }
}

/// Places and log probabilities of what was found.
fn beam_values(beams: &Beams) -> Vec<f32> {
    let likely = |(token, probability): &(u32, f32)| [*token as f32, *probability];
    let one = |(start, ends): &((u32, f32), Vec<(u32, f32)>)| {
        std::iter::once(start).chain(ends).flat_map(likely).collect::<Vec<f32>>()
    };
    let impossible = std::iter::once(beams.impossible);
    beams.starts.iter().flat_map(one).chain(impossible).collect()
}

/// After a step along noisy directions logits differ by more than roundings.
fn predictions_agree(fast: &Prediction, slow: &Prediction, what: &str) {
    let rows = |prediction: &Prediction| match &prediction.logits {
        Logits::Sequence(rows) => rows.concat(),
        Logits::Span { start, end } => [start.concat(), end.concat()].concat(),
        Logits::Tokens(rows) => rows.concat(),
        Logits::Beams(found) => found.iter().flat_map(beam_values).collect(),
        Logits::Masked { words, next } => [words.concat(), next.concat()].concat(),
    };
    let (a, b) = (rows(fast), rows(slow));
    assert_eq!(a.len(), b.len());
    assert!(distance(&a, &b) < 1e-3 * norm(&b).max(1.0), "{what}: logits {}", distance(&a, &b));
    let (a, b) = (fast.loss_sum.unwrap(), slow.loss_sum.unwrap());
    assert!((a - b).abs() < 1e-3 * b.max(1.0), "{what}: loss {a}, reference {b}");
}

#[test]
fn steps_with_dropout_follow_the_reference_engine() {
    for (hidden, heads, wide, activation) in SHAPES {
        for (head, labels) in HEADS {
            let config = config(hidden, heads, wide, activation);
            stay_together_on_every_isa(
                &config,
                (head, labels),
                &rounds(head, labels),
                &format!("{hidden} {activation} {head:?}"),
            );
        }
    }
}

/// Sixty steps over two batches, which are learned by heart: both curves fall alike.
#[test]
fn a_long_curve_with_dropout_follows_the_reference_engine() {
    let config = config(64, 2, 128, "gelu");
    let values = start(&config, Head::Classification, 3);
    let mut fast = Cpu::new(config.clone(), Head::Classification, 3, &values, 2, Precision::F32).unwrap();
    let mut slow = Reference::new(config, Head::Classification, 3, values).unwrap();
    let mut losses = Vec::new();
    for step in 0..60 {
        let batch = batch(Head::Classification, 3, 10, step % 2);
        let part = StepPart::whole(5, step.into(), &batch);
        for engine in [&mut fast as &mut dyn Engine, &mut slow] {
            engine.accumulate(&batch, &part).unwrap();
            engine.update(&Update { learning_rate: 1e-3, bias_correction: true, ..update(step.into()) }).unwrap();
        }
        losses.push((fast.loss().unwrap(), slow.loss().unwrap()));
    }
    for (step, (a, b)) in losses.iter().enumerate() {
        assert!((a - b).abs() < 1e-3 * b.max(0.1), "step {step}: loss {a}, reference {b}");
    }
    let mean = |steps: &[(f64, f64)]| steps.iter().map(|(a, _)| a).sum::<f64>() / steps.len() as f64;
    assert!(mean(&losses[50..]) < 0.75 * mean(&losses[..10]), "{losses:?}");
}

/// Factors are rounded to 8 bits, which is 0.2 % of each on average: gradients of three layers stay within a few percent.
#[test]
fn steps_in_bf16_stay_near_the_reference_engine() {
    if !bf16_available() {
        return;
    }
    let config = config(64, 2, 128, "gelu");
    for (head, labels) in [(Head::Classification, 3), (Head::Regression, 1), (Head::Span, 2)] {
        let values = start(&config, head, labels);
        let mut fast = Cpu::new(config.clone(), head, labels, &values, 2, Precision::Bf16).unwrap();
        let mut slow = Reference::new(config.clone(), head, labels, values).unwrap();
        let batch = batch(head, labels, 11, 0);
        let part = StepPart::whole(11, 0, &batch);
        fast.accumulate(&batch, &part).unwrap();
        slow.accumulate(&batch, &part).unwrap();
        let (a, b) = (fast.loss().unwrap(), slow.loss().unwrap());
        assert!((a - b).abs() < 0.02 * b, "{head:?}: loss {a}, reference {b}");
        let all = |engine: &dyn Engine| {
            engine.gradients().unwrap().into_iter().flat_map(|array| array.values).collect::<Vec<f32>>()
        };
        let (a, b) = (all(&fast), all(&slow));
        let apart = distance(&a, &b) / norm(&b);
        assert!(apart > 1e-5 && apart < 0.05, "{head:?}: gradients {apart}");
    }
}

fn fast(workers: usize) -> (Cpu, EncoderConfig) {
    let config = config(64, 2, 128, "gelu");
    let values = start(&config, Head::Classification, 3);
    (Cpu::new(config.clone(), Head::Classification, 3, &values, workers, Precision::F32).unwrap(), config)
}

fn steps(engine: &mut Cpu, steps: std::ops::Range<u64>) {
    for step in steps {
        let part = StepPart { seed: 1, step, first_token: 0, first_sequence: 0, sequences: 9, labelled: 0 };
        engine.accumulate(&batch(Head::Classification, 3, 9, step as u32), &part).unwrap();
        engine.update(&update(step)).unwrap();
    }
}

#[test]
fn the_same_steps_give_the_same_bytes() {
    let ((mut once, _), (mut again, _)) = (fast(3), fast(3));
    steps(&mut once, 0..5);
    steps(&mut again, 0..5);
    assert_eq!(once.save().unwrap(), again.save().unwrap());
}

#[test]
fn a_restored_engine_ends_with_the_bytes_of_an_uninterrupted_one() {
    let ((mut whole, _), (mut begun, _), (mut resumed, _)) = (fast(2), fast(2), fast(2));
    steps(&mut whole, 0..6);
    steps(&mut begun, 0..3);
    steps(&mut resumed, 0..1);
    resumed.restore(&begun.save().unwrap()).unwrap();
    steps(&mut resumed, 3..6);
    assert_eq!(whole.save().unwrap(), resumed.save().unwrap());
}

/// One sequence of a batch, without its target.
fn alone(all: &Batch, at: usize) -> Batch {
    let tokens = all.cumulative_lengths[at] as usize..all.cumulative_lengths[at + 1] as usize;
    Batch {
        input_ids: all.input_ids[tokens.clone()].to_vec(),
        token_type_ids: all.token_type_ids[tokens.clone()].to_vec(),
        cumulative_lengths: vec![0, tokens.len() as u32],
        together: 1,
        contexts: Vec::new(),
        targets: crate::encode::Targets::Hidden,
    }
}

// A product's sum runs in one order whatever else is in its panel: a sequence's logits are equal to the bit when its
// lanes are used alike, and within rounding when a narrower tile is used.
#[test]
fn a_sequence_gives_what_it_gives_alone() {
    let (engine, _) = fast(2);
    let all = batch(Head::Classification, 3, 9, 0);
    let Logits::Sequence(together) = engine.predict(&all).unwrap().logits else { unreachable!() };
    for (at, row) in together.iter().enumerate() {
        let Logits::Sequence(alone) = engine.predict(&alone(&all, at)).unwrap().logits else { unreachable!() };
        assert!(distance(row, &alone[0]) < 1e-5, "{row:?} {alone:?}");
    }
}

#[test]
fn every_parameter_gets_a_gradient() {
    let (mut engine, _) = fast(2);
    let part = StepPart { seed: 1, step: 0, first_token: 0, first_sequence: 0, sequences: 9, labelled: 0 };
    engine.accumulate(&batch(Head::Classification, 3, 9, 0), &part).unwrap();
    for array in engine.gradients().unwrap() {
        assert!(array.values.iter().any(|value| *value != 0.0), "{} has no gradient", array.name);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (mut engine, _) = fast(1);
    let part = StepPart { seed: 1, step: 0, first_token: 0, first_sequence: 0, sequences: 1, labelled: 0 };
    let mut wrong = batch(Head::Classification, 3, 1, 0);
    wrong.input_ids[0] = 97;
    assert!(engine.accumulate(&wrong, &part).is_err());
    let mut hidden = batch(Head::Classification, 3, 1, 0);
    hidden.targets = crate::encode::Targets::Hidden;
    assert!(engine.accumulate(&hidden, &part).unwrap_err().to_string().contains("hidden targets"));
}

/// A few steps on either engine, at a rate that moves everything.
fn train(engine: &mut dyn Engine, head: Head, steps: std::ops::Range<u64>) {
    for step in steps {
        let batch = batch(head, 5, 9, step as u32);
        engine.accumulate(&batch, &StepPart::whole(1, step, &batch)).unwrap();
        engine.update(&Update { learning_rate: 1e-2, ..update(step) }).unwrap();
    }
}

/// Six steps, and six with a restart after the third.
fn a_restart_changes_no_byte(config: EncoderConfig, head: Head) {
    let values = start(&config, head, 5);
    let engine = || Cpu::new(config.clone(), head, 5, &values, 2, Precision::F32).unwrap();
    let (mut whole, mut begun, mut resumed) = (engine(), engine(), engine());
    train(&mut whole, head, 0..6);
    train(&mut begun, head, 0..3);
    train(&mut resumed, head, 0..1);
    resumed.restore(&begun.save().unwrap()).unwrap();
    train(&mut resumed, head, 3..6);
    assert_eq!(whole.save().unwrap(), resumed.save().unwrap());
}
