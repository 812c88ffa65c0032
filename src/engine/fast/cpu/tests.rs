//! The whole engine against the reference engine: same weights, same batches, same seed, dropout on. Both compute in 32
//! bits, so that they differ by roundings: 1e-4 of a gradient's norm, as the golden data's README allows.

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

/// A tiny encoder of every family, dropout everywhere. Widths of embeddings fill no vector, tile or panel.
const FAMILY_CONFIGS: [&str; 9] = [
    r#"{"model_type": "roberta", "vocab_size": 97, "hidden_size": 36, "num_hidden_layers": 3, "num_attention_heads": 3,
        "intermediate_size": 50, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2,
        "max_position_embeddings": 72, "type_vocab_size": 2, "layer_norm_eps": 1e-5, "pad_token_id": 1}"#,
    r#"{"model_type": "distilbert", "vocab_size": 97, "dim": 36, "n_layers": 3, "n_heads": 3, "hidden_dim": 50,
        "activation": "gelu", "dropout": 0.1, "attention_dropout": 0.2, "max_position_embeddings": 70,
        "qa_dropout": 0.3, "seq_classif_dropout": 0.2}"#,
    r#"{"model_type": "electra", "vocab_size": 97, "embedding_size": 20, "hidden_size": 36, "num_hidden_layers": 3,
        "num_attention_heads": 3, "intermediate_size": 50, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.2, "max_position_embeddings": 70, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "summary_last_dropout": 0.3}"#,
    r#"{"model_type": "albert", "vocab_size": 97, "embedding_size": 20, "hidden_size": 36, "num_hidden_layers": 3,
        "num_attention_heads": 3, "intermediate_size": 50, "hidden_act": "gelu_new", "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.2, "max_position_embeddings": 70, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "classifier_dropout_prob": 0.2}"#,
    r#"{"model_type": "albert", "vocab_size": 97, "embedding_size": 50, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 44, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.0, "max_position_embeddings": 70, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12}"#,
    r#"{"model_type": "openai-gpt", "vocab_size": 97, "n_embd": 36, "n_layer": 3, "n_head": 3, "n_positions": 70,
        "afn": "gelu", "resid_pdrop": 0.1, "embd_pdrop": 0.3, "attn_pdrop": 0.2, "layer_norm_epsilon": 1e-5}"#,
    r#"{"model_type": "modernbert", "vocab_size": 97, "hidden_size": 36, "num_hidden_layers": 3,
        "num_attention_heads": 3, "intermediate_size": 50, "hidden_activation": "gelu", "attention_dropout": 0.1,
        "embedding_dropout": 0.3, "mlp_dropout": 0.2, "classifier_dropout": 0.1, "max_position_embeddings": 70,
        "norm_eps": 1e-5, "local_attention": 20, "global_attn_every_n_layers": 2, "classifier_pooling": "cls"}"#,
    r#"{"model_type": "modernbert", "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 44, "hidden_activation": "gelu", "attention_dropout": 0.1,
        "embedding_dropout": 0.0, "mlp_dropout": 0.1, "classifier_dropout": 0.0, "max_position_embeddings": 70,
        "norm_eps": 1e-5, "local_attention": 9, "classifier_pooling": "mean", "norm_bias": true,
        "attention_bias": true, "mlp_bias": true, "classifier_bias": true}"#,
    r#"{"model_type": "xlnet", "vocab_size": 97, "d_model": 36, "n_layer": 3, "n_head": 3, "d_inner": 50,
        "ff_activation": "gelu", "dropout": 0.1, "layer_norm_eps": 1e-12, "summary_last_dropout": 0.2,
        "untie_r": true}"#,
];

#[test]
fn steps_of_every_family_follow_the_reference_engine() {
    for config in FAMILY_CONFIGS.map(|text| EncoderConfig::parse(text).unwrap()) {
        let has = |head: Head| config.family.has(head) && check(&config).is_ok();
        let frozen = FeatureBased { kind: FeatureKind::WeightedSumAllLayers, lstm_hidden_size: 6 };
        let heads = HEADS.into_iter().chain([(Head::BeamSpan, 2), (Head::FeatureBased(frozen), 5)]);
        for (head, labels) in heads.filter(|(head, _)| *head != Head::Pretraining && has(*head)) {
            stay_together_on_every_isa(
                &config,
                (head, labels),
                &rounds(head, labels),
                &format!("{} {head:?}", config.family.title),
            );
        }
    }
}

/// GPT as its paper fine-tunes it: next tokens beside the head, and dropout before the classifier, which an example's
/// sequences share.
#[test]
fn steps_with_next_tokens_follow_the_reference_engine() {
    let config = EncoderConfig::parse(FAMILY_CONFIGS[5]).unwrap().with_classifier_dropout(Some(0.2));
    let config = EncoderConfig { auxiliary_lm: 0.5, ..config };
    for (head, labels) in [(Head::Classification, 3), (Head::Regression, 1), (Head::Choice, 1)] {
        stay_together_on_every_isa(&config, (head, labels), &rounds(head, labels), &format!("next tokens {head:?}"));
    }
}

/// Pairs in both orders: of GPT, with next tokens and without, and where a pooler stands under the sum.
#[test]
fn steps_over_pairs_in_both_orders_follow_the_reference_engine() {
    let family = |at: usize| EncoderConfig::parse(FAMILY_CONFIGS[at]).unwrap().with_classifier_dropout(Some(0.2));
    let gpt = EncoderConfig { auxiliary_lm: 0.5, ..family(5) };
    for config in [gpt, family(5), family(0), family(6), config(36, 3, 50, "gelu")] {
        for (head, labels) in [(Head::Classification, 3), (Head::Regression, 1)] {
            stay_together_on_every_isa(
                &config,
                (head, labels),
                &pairs(head, labels),
                &format!("both orders {} {head:?}", config.family.title),
            );
        }
    }
}

/// GPT's classes have no bias, and its head nothing but the classifier: what both orders say is the sum of what each says.
#[test]
fn both_orders_give_the_sum_of_what_each_gives() {
    let config = EncoderConfig::parse(FAMILY_CONFIGS[5]).unwrap();
    let values = start(&config, Head::Classification, 3);
    let fast = Cpu::new(config.clone(), Head::Classification, 3, &values, 2, Precision::F32).unwrap();
    let slow = Reference::new(config, Head::Classification, 3, values).unwrap();
    let together = Batch { targets: Targets::Hidden, ..pairs(Head::Classification, 3)(0) };
    let apart = Batch { together: 1, ..together.clone() };
    for engine in [&fast as &dyn Predictor, &slow] {
        let logits = |batch: &Batch| {
            let Logits::Sequence(rows) = engine.predict(batch).unwrap().logits else { unreachable!() };
            rows
        };
        let (sums, each) = (logits(&together), logits(&apart));
        assert_eq!((sums.len(), each.len()), (4, 8));
        for (sum, own) in sums.iter().zip(each.chunks(2)) {
            let expected: Vec<f32> = own[0].iter().zip(&own[1]).map(|(a, b)| a + b).collect();
            assert!(distance(sum, &expected) < 1e-5 * norm(sum).max(1.0), "{sum:?}, expected {expected:?}");
        }
    }
}

/// Without other dropout equal sequences have equal logits where they share the classifier's mask: each of four is as good
/// as the others.
#[test]
fn the_sequences_of_gpts_choices_share_their_mask() {
    let text = FAMILY_CONFIGS[5].replace("0.1", "0.0").replace("0.2", "0.0").replace("0.3", "0.0");
    let losses = |text: &str| {
        let config = EncoderConfig::parse(text).unwrap().with_classifier_dropout(Some(0.5));
        let values = start(&config, Head::Choice, 1);
        let fast = Cpu::new(config.clone(), Head::Choice, 1, &values, 2, Precision::F32).unwrap();
        let slow = Reference::new(config, Head::Choice, 1, values).unwrap();
        let own = [5, 9, 40, 77, 3];
        let batch = Batch {
            input_ids: own.repeat(4),
            token_type_ids: vec![0; 20],
            cumulative_lengths: vec![0, 5, 10, 15, 20],
            together: 4,
            contexts: Vec::new(),
            targets: Targets::Choices(vec![2]),
        };
        [Box::new(fast) as Box<dyn Engine>, Box::new(slow)].map(|mut engine| {
            engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
            engine.loss().unwrap()
        })
    };
    assert!(losses(&text).iter().all(|loss| (loss - 4f64.ln()).abs() < 1e-6), "{:?}", losses(&text));
    let bert = FAMILY_CONFIGS[0].replace("0.1", "0.0").replace("0.2", "0.0");
    assert!(losses(&bert).iter().all(|loss| (loss - 4f64.ln()).abs() > 1e-3), "{:?}", losses(&bert));
}

/// Widths that fill no vector, tile or panel; clips that are reached; words longer than their room.
fn elmo(attention: bool, task: &str) -> EncoderConfig {
    let text = format!(
        r#"{{"model_type": "elmo", "lstm": {{"use_skip_connections": true, "projection_dim": 10, "cell_clip": 0.5,
            "proj_clip": 0.2, "dim": 21, "n_layers": 2}}, "char_cnn": {{"activation": "relu", "filters": [[1, 5], [3, 18]],
            "n_highway": 2, "embedding": {{"dim": 6}}, "n_characters": 262, "max_characters_per_token": 9}},
            "text_hidden_size": 11, "text_num_layers": 2, "text_attention": {attention}, "classifier_hidden_size": 13,
            "dropout": 0.2, "elmo_dropout": 0.3}}"#
    );
    EncoderConfig::parse(&text).unwrap().for_task(crate::task::find(task).unwrap())
}

/// Texts of up to 29 words of up to 12 bytes, of which there are three; some texts have none.
fn texts(head: Head, labels: usize, count: usize, sequences: usize, round: u32) -> Batch {
    let stream = Stream::new(6, Purpose::Synthetic);
    let draw = |row: usize, at: u64, below: u32| stream.bits(u64::from(round), row as u32, at) % below;
    let one = |row: usize| {
        let (mut input_ids, mut token_type_ids) = (Vec::new(), Vec::new());
        for text in 0..count {
            input_ids.push(512);
            for word in 0..draw(row, text as u64, 30) {
                let at = 100 * (u64::from(word) + 1) + 5000 * text as u64;
                let length = 1 + draw(row, at, 12);
                input_ids.extend(
                    (1..=length)
                        .map(|byte| 97 + draw(row, at + u64::from(byte), 3) + if byte == length { 256 } else { 0 }),
                );
            }
            input_ids.push(513);
            token_type_ids.resize(input_ids.len(), text as u32);
        }
        let target = match head {
            Head::Regression => Target::Value(draw(row, 99, 500) as f32 / 100.0),
            _ => Target::Class(draw(row, 99, labels as u32)),
        };
        Features { example: row, input_ids, token_type_ids, target: Some(target), window: None, together: 1 }
    };
    Batch::pack(&(0..sequences).map(one).collect::<Vec<_>>())
}

#[test]
fn steps_over_elmo_follow_the_reference_engine() {
    let cases = [("sst2", true, 1), ("mnli", true, 2), ("mrpc", false, 2), ("stsb", true, 2)];
    for (task, attention, count) in cases {
        let config = elmo(attention, task);
        let task = crate::task::find(task).unwrap();
        let (head, labels) = (task.head, task.num_labels());
        let batches = |round: u32| texts(head, labels, count, if round.is_multiple_of(2) { 7 } else { 4 }, round);
        stay_together_on_every_isa(&config, (head, labels), &batches, &format!("{task}"));
    }
}

/// Several micro-batches by two workers, the same bytes every time, and nothing frozen moves.
#[test]
fn texts_give_the_same_bytes_every_time() {
    let (config, head) = (elmo(true, "mnli"), Head::Classification);
    let values = start(&config, head, 3);
    let batch = texts(head, 3, 2, 100, 0);
    let moved = || {
        let mut engine = Cpu::with(Isa::best(), config.clone(), head, 3, &values, 2).unwrap();
        engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
        engine.update(&update(0)).unwrap();
        engine.parameters().unwrap()
    };
    let first = moved();
    assert!((0..3).all(|_| moved() == first));
    for (before, after) in values.iter().zip(&first) {
        assert_eq!(before.values == after.values, before.name.starts_with("elmo."), "{}", before.name);
    }
}

/// Layers that share their parameters add to one gradient: five micro-batches by two workers, the same bytes every time.
#[test]
fn shared_layers_give_the_same_bytes_every_time() {
    let config = EncoderConfig::parse(FAMILY_CONFIGS[3]).unwrap();
    let values = start(&config, Head::Classification, 3);
    let batch = batch(Head::Classification, 3, 60, 0);
    let gradients = || {
        let mut engine = Cpu::with(Isa::best(), config.clone(), Head::Classification, 3, &values, 2).unwrap();
        engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
        engine.gradients().unwrap()
    };
    let first = gradients();
    assert!((0..5).all(|_| gradients() == first));
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

#[test]
fn steps_of_a_causal_model_follow_the_reference_engine() {
    let config = EncoderConfig { causal: true, ..config(36, 3, 50, "gelu") };
    for (head, labels) in HEADS {
        stay_together_on_every_isa(&config, (head, labels), &rounds(head, labels), &format!("causal {head:?}"));
    }
}

/// What a token of a causal model says does not change with what follows it.
#[test]
fn a_causal_model_does_not_look_ahead() {
    let config = EncoderConfig { causal: true, ..config(64, 2, 128, "gelu") };
    let values = start(&config, Head::Tokens, 5);
    let engine = Cpu::new(config, Head::Tokens, 5, &values, 1, Precision::F32).unwrap();
    let batch = |ids: &[u32]| Batch {
        input_ids: ids.to_vec(),
        token_type_ids: vec![0; ids.len()],
        cumulative_lengths: vec![0, ids.len() as u32],
        together: 1,
        contexts: Vec::new(),
        targets: crate::encode::Targets::Hidden,
    };
    let logits = |ids: &[u32]| {
        let Logits::Tokens(rows) = engine.predict(&batch(ids)).unwrap().logits else { unreachable!() };
        rows[0].clone()
    };
    let (short, long) = (logits(&[3, 9, 27]), logits(&[3, 9, 27, 81, 50]));
    assert!(distance(&short, &long[..15]) < 1e-6 * norm(&short));
    assert!(distance(&logits(&[3, 9, 28])[..10], &short[..10]) < 1e-6 * norm(&short));
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

// A product's sum runs in one order whatever else is in its panel: a sequence's logits are equal to the bit when its
// lanes are used alike, and within rounding when a narrower tile is used.
#[test]
fn a_sequence_gives_what_it_gives_alone() {
    let (engine, _) = fast(2);
    let all = batch(Head::Classification, 3, 9, 0);
    let Logits::Sequence(together) = engine.predict(&all).unwrap().logits else { unreachable!() };
    for (at, row) in together.iter().enumerate() {
        let tokens = all.cumulative_lengths[at] as usize..all.cumulative_lengths[at + 1] as usize;
        let alone = Batch {
            input_ids: all.input_ids[tokens.clone()].to_vec(),
            token_type_ids: all.token_type_ids[tokens.clone()].to_vec(),
            cumulative_lengths: vec![0, tokens.len() as u32],
            together: 1,
            contexts: Vec::new(),
            targets: crate::encode::Targets::Hidden,
        };
        let Logits::Sequence(alone) = engine.predict(&alone).unwrap().logits else { unreachable!() };
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

/// Features of an encoder of four layers, whose two heads of 10 are no multiple of anything, through 6 and 20 units.
fn feature_based(kind: FeatureKind, lstm_hidden_size: usize) -> (EncoderConfig, Head) {
    let config = EncoderConfig { num_hidden_layers: 4, ..config(20, 2, 44, "gelu") };
    (config, Head::FeatureBased(FeatureBased { kind, lstm_hidden_size }))
}

#[test]
fn steps_over_a_frozen_encoder_follow_the_reference_engine() {
    for (kind, units) in FeatureKind::ALL.into_iter().zip([6, 20].into_iter().cycle()) {
        let (config, head) = feature_based(kind, units);
        stay_together_on_every_isa(&config, (head, 5), &rounds(head, 5), &format!("{kind}"));
    }
}

/// The last layer's output is normalised once more, others' are not.
#[test]
fn steps_over_a_frozen_pre_norm_encoder_follow_the_reference_engine() {
    let config = EncoderConfig::parse(FAMILY_CONFIGS[6]).unwrap();
    for kind in FeatureKind::ALL.into_iter().filter(|kind| kind.least_layers() <= config.num_hidden_layers) {
        let head = Head::FeatureBased(FeatureBased { kind, lstm_hidden_size: 6 });
        stay_together_on_every_isa(&config, (head, 5), &rounds(head, 5), &format!("ModernBERT {kind}"));
    }
}

/// A few steps on either engine, at a rate that moves everything.
fn train(engine: &mut dyn Engine, head: Head, steps: std::ops::Range<u64>) {
    for step in steps {
        let batch = batch(head, 5, 9, step as u32);
        engine.accumulate(&batch, &StepPart::whole(1, step, &batch)).unwrap();
        engine.update(&Update { learning_rate: 1e-2, ..update(step) }).unwrap();
    }
}

#[test]
fn a_frozen_encoder_keeps_its_bytes_and_the_rest_moves() {
    for kind in FeatureKind::ALL {
        let (config, head) = feature_based(kind, 6);
        let values = start(&config, head, 5);
        let known = parameters(&config, head, 5);
        let fast = Cpu::new(config.clone(), head, 5, &values, 2, Precision::F32).unwrap();
        let slow = Reference::new(config, head, 5, values.clone()).unwrap();
        for mut engine in [Box::new(fast) as Box<dyn Engine>, Box::new(slow)] {
            train(engine.as_mut(), head, 0..2);
            let after = engine.parameters().unwrap();
            for ((parameter, before), after) in known.iter().zip(&values).zip(&after) {
                assert_eq!(before == after, !parameter.head, "{kind}: {}", parameter.name);
            }
            let names = |arrays: Vec<NamedArray>| arrays.into_iter().map(|array| array.name).collect::<Vec<_>>();
            let trained: Vec<String> = known.iter().filter(|p| p.head).map(|p| p.name.clone()).collect();
            let state = engine.save().unwrap();
            assert_eq!(names(engine.gradients().unwrap()), trained);
            assert_eq!((names(state.first_moments), names(state.second_moments)), (trained.clone(), trained));
        }
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

#[test]
fn a_restored_engine_with_a_frozen_encoder_ends_with_the_same_bytes() {
    let (config, head) = feature_based(FeatureKind::WeightedSumLastFourHidden, 6);
    a_restart_changes_no_byte(config, head);
}

#[test]
fn a_sequence_through_a_bilstm_gives_what_it_gives_alone() {
    let over_features = feature_based(FeatureKind::ConcatLastFourHidden, 20);
    for (config, head) in [over_features, (under_bilstm(2, false), Head::Tokens), (under_bilstm(1, true), Head::Choice)]
    {
        let labels = if head == Head::Choice { 1 } else { 5 };
        let values = start(&config, head, labels);
        let fast = Cpu::new(config.clone(), head, labels, &values, 2, Precision::F32).unwrap();
        let slow = Reference::new(config, head, labels, values).unwrap();
        let all = batch(head, labels, 40, 0);
        for engine in [&fast as &dyn Predictor, &slow] {
            let rows = |batch: &Batch| match engine.predict(batch).unwrap().logits {
                Logits::Tokens(rows) | Logits::Sequence(rows) => rows,
                _ => unreachable!("no other head is asked for"),
            };
            for (at, row) in rows(&all).iter().enumerate().step_by(3) {
                let tokens = all.cumulative_lengths[at] as usize..all.cumulative_lengths[at + 1] as usize;
                let alone = Batch {
                    input_ids: all.input_ids[tokens.clone()].to_vec(),
                    token_type_ids: all.token_type_ids[tokens.clone()].to_vec(),
                    cumulative_lengths: vec![0, tokens.len() as u32],
                    together: 1,
                    contexts: Vec::new(),
                    targets: crate::encode::Targets::Hidden,
                };
                let alone = rows(&alone);
                assert!(distance(row, &alone[0]) < 1e-5, "{head:?}: {row:?} {alone:?}");
            }
        }
    }
}

#[test]
fn an_encoder_with_too_few_layers_for_its_features_is_refused() {
    let (config, head) = feature_based(FeatureKind::ConcatLastFourHidden, 6);
    let config = EncoderConfig { num_hidden_layers: 3, ..config };
    let values = start(&config, head, 5);
    let expected = "features `concat-last-four-hidden` read an encoder of at least 4 layers, found 3";
    let fast = Cpu::new(config.clone(), head, 5, &values, 1, Precision::F32).err().unwrap();
    let slow = Reference::new(config, head, 5, values).err().unwrap();
    assert_eq!((fast.to_string(), slow.to_string()), (expected.to_string(), expected.to_string()));
}

/// A BiLSTM of two layers, or one, under the head of an encoder that is trained, from left to right where the paper has it so.
fn under_bilstm(layers: usize, causal: bool) -> EncoderConfig {
    EncoderConfig { bilstm_layers: layers, causal, ..config(36, 3, 50, "gelu") }
}

const UNDER_BILSTM: [(Head, usize); 5] =
    [(Head::Classification, 3), (Head::Regression, 1), (Head::Span, 2), (Head::Tokens, 5), (Head::Choice, 1)];

#[test]
fn steps_under_a_bilstm_follow_the_reference_engine() {
    for (layers, causal, heads) in [(2, true, &UNDER_BILSTM[..]), (1, false, &UNDER_BILSTM[..1])] {
        for (head, labels) in heads.iter().copied() {
            let what = format!("{layers} layers, causal {causal}, {head:?}");
            stay_together_on_every_isa(&under_bilstm(layers, causal), (head, labels), &rounds(head, labels), &what);
        }
    }
}

/// What a family puts between encoder and BiLSTM, or between BiLSTM and classifier: poolers of all kinds or none, shared
/// layers, XLNet's dropout of the output, pairs in both orders.
#[test]
fn steps_of_every_family_under_a_bilstm_follow_the_reference_engine() {
    let mut without = Vec::new();
    for config in FAMILY_CONFIGS.map(|text| EncoderConfig::parse(text).unwrap()) {
        let config = EncoderConfig { bilstm_layers: 2, ..config };
        let (head, labels) = (Head::Classification, 3);
        if config.check_bilstm().is_err() {
            without.push(config.family.model_type);
            continue;
        }
        let what = format!("{} under a BiLSTM", config.family.title);
        stay_together_on_every_isa(&config, (head, labels), &rounds(head, labels), &what);
    }
    without.dedup();
    assert_eq!(without, ["modernbert"]);
    let gpt = EncoderConfig { bilstm_layers: 1, ..EncoderConfig::parse(FAMILY_CONFIGS[5]).unwrap() };
    let (head, labels) = (Head::Classification, 3);
    stay_together_on_every_isa(&gpt, (head, labels), &pairs(head, labels), "both orders under a BiLSTM");
}

#[test]
fn every_parameter_under_a_bilstm_gets_a_gradient() {
    for (head, labels) in UNDER_BILSTM {
        let config = under_bilstm(2, false);
        let values = start(&config, head, labels);
        let fast = Cpu::new(config.clone(), head, labels, &values, 2, Precision::F32).unwrap();
        let slow = Reference::new(config, head, labels, values).unwrap();
        let batch = batch(head, labels, 8, 0);
        for mut engine in [Box::new(fast) as Box<dyn Engine>, Box::new(slow)] {
            engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
            // What is added to every choice changes none of their shares.
            let moves = |array: &NamedArray| head != Head::Choice || array.name != "classifier.bias";
            for array in engine.gradients().unwrap().iter().filter(|array| moves(array)) {
                assert!(array.values.iter().any(|value| *value != 0.0), "{head:?}: {} has no gradient", array.name);
            }
        }
    }
}

/// Seven micro-batches and more by two workers: the same bytes every time, and after a restart.
#[test]
fn a_restored_engine_under_a_bilstm_ends_with_the_same_bytes() {
    a_restart_changes_no_byte(under_bilstm(2, true), Head::Tokens);
}

#[test]
fn a_bilstm_without_an_encoder_or_of_half_a_unit_is_refused() {
    let refused = |config: EncoderConfig| {
        let values = start(&EncoderConfig { bilstm_layers: 0, ..config.clone() }, Head::Classification, 3);
        Cpu::new(config, Head::Classification, 3, &values, 1, Precision::F32).err().unwrap().to_string()
    };
    let odd = EncoderConfig { bilstm_layers: 1, ..config(33, 3, 50, "gelu") };
    assert_eq!(refused(odd), "`bilstm_layers` is 1, expected 0: half of a hidden size of 33 is no width");
    let frozen = EncoderConfig { bilstm_layers: 2, ..elmo(true, "mnli") };
    assert_eq!(refused(frozen), "`bilstm_layers` is 2, expected 0: none has been put over ELMo");
    let modern = EncoderConfig { bilstm_layers: 2, ..EncoderConfig::parse(FAMILY_CONFIGS[6]).unwrap() };
    assert_eq!(refused(modern), "`bilstm_layers` is 2, expected 0: none has been put over ModernBERT");
}
