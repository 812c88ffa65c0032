//! Every family, what reads from left to right, and GPT's fine-tuning.

use super::*;

/// A tiny encoder of every family, dropout everywhere. Widths of embeddings fill no vector, tile or panel.
pub const FAMILY_CONFIGS: [&str; 9] = [
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
