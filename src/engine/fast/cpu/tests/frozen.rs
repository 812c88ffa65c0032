//! Features of a frozen encoder.

use super::bilstm::under_bilstm;
use super::families::FAMILY_CONFIGS;
use super::*;

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
                let alone = rows(&alone(&all, at));
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
