//! A BiLSTM between an encoder that is trained and its head.

use super::elmo::elmo;
use super::families::FAMILY_CONFIGS;
use super::*;

/// A BiLSTM of two layers, or one, under the head of an encoder that is trained, from left to right where the paper has it so.
pub fn under_bilstm(layers: usize, causal: bool) -> EncoderConfig {
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
