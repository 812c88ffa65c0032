//! What a plan says of sizes, held to the published models' own.

use repro::estimate::{
    BatchShape, fast_memory, forward_operations, forward_operations_of, parameter_count, reference_memory,
    snapshot_memory, trained_count,
};
use repro::family::EncoderConfig;
use repro::plan::EngineKind;
use repro::task::{FeatureBased, FeatureKind, Head};
use serde_json::json;

fn bert(hidden: usize, layers: usize, heads: usize, wide: usize, vocabulary: usize, positions: usize) -> EncoderConfig {
    let config = json!({
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": wide,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": positions,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    });
    EncoderConfig::parse(&config.to_string()).unwrap()
}

fn base() -> EncoderConfig {
    bert(768, 12, 12, 3072, 30522, 512)
}

/// `BertModel.from_pretrained(…).num_parameters()` in transformers: 109,482,240 for bert-base-uncased and 335,141,888 for
/// bert-large-uncased, pooler included; a head over two labels has 2·H weights and 2 biases more.
#[test]
fn parameters_of_the_published_models_are_counted_as_transformers_counts_them() {
    let large = bert(1024, 24, 16, 4096, 30522, 512);
    assert_eq!(parameter_count(&base(), Head::Classification, 2), 109_482_240 + 2 * 768 + 2);
    assert_eq!(parameter_count(&large, Head::Classification, 2), 335_141_888 + 2 * 1024 + 2);
    assert_eq!(parameter_count(&base(), Head::Regression, 1), 109_482_240 + 768 + 1);
    // `BertForQuestionAnswering` has no pooler (H² + H).
    assert_eq!(parameter_count(&base(), Head::Span, 2), 109_482_240 - (768 * 768 + 768) + 2 * 768 + 2);
}

/// H 2, I 3, one layer, one sequence of 5 tokens. Dense: 2·(4·H² + 2·H·I) = 2·(16 + 12) = 56 a token; attention:
/// 4·L·H = 40 a token. Together 96 · 5 = 480.
#[test]
fn operations_of_a_small_layer_by_hand() {
    let config = bert(2, 1, 1, 3, 10, 8);
    assert_eq!(forward_operations(&config, &BatchShape::rectangle(1, 5)), 480.0);
    // Twice the layers, twice the work; padding is not computed: five tokens in one rectangle of two times four.
    let two = bert(2, 2, 1, 3, 10, 8);
    assert_eq!(forward_operations(&two, &BatchShape::rectangle(1, 5)), 960.0);
    let uneven = BatchShape { sequences: 2, longest: 4, tokens: 5 };
    assert_eq!(forward_operations(&config, &uneven), 5.0 * (56.0 + 32.0));
}

/// Parameters, their accumulated and returned gradients and two moments are five copies of 4 bytes, whatever the batch.
#[test]
fn memory_is_the_models_copies_and_what_a_batch_adds() {
    let (config, head) = (base(), Head::Classification);
    let copies = 5 * 4 * parameter_count(&config, head, 2);
    let of = |sequences, length| reference_memory(&config, head, 2, &BatchShape::rectangle(sequences, length));
    let small = of(1, 1) - copies;
    assert!(small < 80_000_000, "{small}");
    let (one, two) = (of(8, 128) - of(1, 1), of(16, 128) - of(1, 1));
    // Twice the sequences, twice the activations; the one token that is taken off makes less than a hundredth.
    assert!((two as f64 / one as f64 - 2.0).abs() < 0.01, "{one} {two}");
    // Equal tokens in longer sequences hold more attention scores.
    assert!(of(2, 512) > of(8, 128));
}

/// Peak resident memory of `repro bench --train-only` on two threads of a Linux machine: 578 MB for MiniLM-L6, 32 × 128, and
/// 2,444 MB for BERT-base, 8 × 128 (2026-11-26); 2,665 MB for XLNet-base, 8 × 128 (2026-11-28).
#[test]
fn memory_of_the_fast_engine_is_what_was_measured() {
    let minilm = bert(384, 6, 12, 1536, 30522, 512);
    let xlnet = r#"{"model_type": "xlnet", "vocab_size": 32000, "d_model": 768, "n_layer": 12, "n_head": 12, "d_inner": 3072,
        "ff_activation": "gelu", "dropout": 0.1, "layer_norm_eps": 1e-12}"#;
    let (long, short) = (BatchShape::rectangle(32, 128), BatchShape::rectangle(8, 128));
    let xlnet = EncoderConfig::parse(xlnet).unwrap();
    for (config, shape, measured) in [(minilm, long, 578e6), (base(), short, 2444e6), (xlnet, short, 2665e6)] {
        let estimate = fast_memory(&config, Head::Classification, 2, &shape, 2) as f64;
        assert!((estimate / measured - 1.0).abs() < 0.1, "{estimate} {measured}");
    }
}

/// A BiLSTM of R units over F inputs has `8 R (F + R + 2)` values in a layer (torch.nn.LSTM(768, 768, 2, bidirectional=True)
/// has 23,617,536); the frozen encoder takes one copy, and no moments.
#[test]
fn a_frozen_encoder_takes_one_copy_and_the_bilstm_four() {
    let kind = FeatureKind::LastHidden;
    let head = Head::FeatureBased(FeatureBased { kind, lstm_hidden_size: 768 });
    let (lstm, classifier) = (23_617_536, 9 * (1536 + 1));
    let encoder = 109_482_240 - (768 * 768 + 768);
    assert_eq!(trained_count(&base(), head, 9), lstm + classifier);
    assert_eq!(parameter_count(&base(), head, 9), encoder + lstm + classifier);
    let one = BatchShape::rectangle(1, 1);
    let copies = 4 * (encoder + 4 * (lstm + classifier));
    let beside = fast_memory(&base(), head, 9, &one, 1) - copies;
    assert!(beside < 61_000_000, "{beside}");
    assert_eq!(snapshot_memory(&base(), head, 9), 4 * (encoder + 3 * (lstm + classifier)));
}

/// A BiLSTM of 384 units a direction over 768 inputs, `8 R (F + R + 2)` values a layer, four copies of it, and for each of the
/// 16 + 8 tokens of a micro-batch `14 R` values a layer, four of 768 and one of 384.
#[test]
fn a_bilstm_under_the_head_is_trained_with_the_rest() {
    let (with, head) = (EncoderConfig { bilstm_layers: 2, ..base() }, Head::Classification);
    let lstm = 2 * 8 * 384 * (768 + 384 + 2);
    assert_eq!(parameter_count(&with, head, 2), parameter_count(&base(), head, 2) + lstm);
    assert_eq!(trained_count(&with, head, 2), trained_count(&base(), head, 2) + lstm);
    let shape = BatchShape::rectangle(1, 16);
    let more = fast_memory(&with, head, 2, &shape, 1) - fast_memory(&base(), head, 2, &shape, 1);
    assert_eq!(more, 4 * (4 * lstm + 24 * (2 * 14 * 384 + 4 * 768 + 384)));
}

/// Four bytes each of the logits over 30,522 words and of three states of 768 values (of the token, normalised, and that
/// turned over), for every token: of two workers each has a micro-batch of 32 of these 64 tokens, and half a sequence more.
/// A head of every token has none of it.
#[test]
fn next_tokens_take_the_vocabularys_logits() {
    let next = EncoderConfig { auxiliary_lm: 0.5, ..base() };
    let shape = BatchShape::rectangle(4, 16);
    let more = |head| fast_memory(&next, head, 2, &shape, 2) - fast_memory(&base(), head, 2, &shape, 2);
    assert_eq!(more(Head::Classification), 4 * 2 * (32 + 8) * (30_522 + 3 * 768));
    assert_eq!(more(Head::Span), 0);
    let slow = reference_memory(&next, Head::Classification, 2, &shape);
    assert!(slow > reference_memory(&base(), Head::Classification, 2, &shape) + 4 * 5 * 64 * 30_522);
}

/// Four bytes each of two states of 32 values more a token, 64 tokens and half a sequence: what the pooler's activation and its
/// LayerNorm keep. The parameters are the same.
#[test]
fn a_pooler_of_every_token_takes_two_states() {
    let text = r#"{"model_type": "modernbert", "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 44, "hidden_activation": "gelu", "attention_dropout": 0.1,
        "embedding_dropout": 0.0, "mlp_dropout": 0.1, "max_position_embeddings": 70, "norm_eps": 1e-5,
        "local_attention": 9, "classifier_pooling": "mean"}"#;
    let config = EncoderConfig::parse(text).unwrap();
    let memory = |head| fast_memory(&config, head, 2, &BatchShape::rectangle(4, 16), 1);
    assert_eq!(memory(Head::Tokens) - memory(Head::Classification), 4 * 2 * (64 + 8) * 32);
}

/// Four bytes each of ten states of 32 values a token, 64 tokens and half a sequence: pairs, their gradient and those turned over
/// take two each, the derivative of tanh, its LayerNorm, x̂ and their gradient one. Four copies of what is trained apart.
#[test]
fn beams_take_ten_states_of_every_token() {
    let text = r#"{"model_type": "xlnet", "vocab_size": 97, "d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 44,
        "ff_activation": "gelu", "dropout": 0.1, "layer_norm_eps": 1e-12}"#;
    let config = EncoderConfig::parse(text).unwrap();
    let apart = |head| {
        let copies = parameter_count(&config, head, 2) + 3 * trained_count(&config, head, 2);
        fast_memory(&config, head, 2, &BatchShape::rectangle(4, 16), 1) - 4 * copies
    };
    assert_eq!(apart(Head::BeamSpan) - apart(Head::Span), 4 * 10 * (64 + 8) * 32);
}

/// H 2, I 3, two sequences of 5 and 3 tokens. A last layer whose first tokens alone are read: keys and values of 8 tokens
/// 2·2·4·8 = 128, two queries and their projection 2·(2·4)·2 = 32, feed-forward of two 2·(2·6)·2 = 48, two queries over 5
/// and 3 keys 4·8·2 = 64; together 272. A layer before it: (56 + 4·L·2)·8 with L 5.
#[test]
fn operations_of_a_last_layer_whose_first_tokens_are_read() {
    let shape = BatchShape { sequences: 2, longest: 5, tokens: 8 };
    let of = |layers, engine, head| forward_operations_of(engine, &bert(2, layers, 1, 3, 10, 8), head, &shape);
    assert_eq!(of(1, EngineKind::Fast, Head::Classification), 272.0);
    assert_eq!(of(2, EngineKind::Fast, Head::Classification), 272.0 + 8.0 * 96.0);
    for head in [Head::Span, Head::Tokens] {
        assert_eq!(of(1, EngineKind::Fast, head), 8.0 * 96.0);
    }
    assert_eq!(of(1, EngineKind::Reference, Head::Classification), 8.0 * 96.0);
}
