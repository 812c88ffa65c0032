//! Families in the spelling of their hub repositories: released configs, and names of tensors as the golden data's
//! `param_groups.json` and transformers' `named_parameters()` have them.

use super::*;
use crate::task::Head;

/// The released `config.json` of `owner/name`, whole.
const RELEASED: [(&str, &str); 12] = [
    (
        "FacebookAI/roberta-base",
        r#"{"architectures": ["RobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1, "bos_token_id": 0,
        "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768,
        "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 514,
        "model_type": "roberta", "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1,
        "type_vocab_size": 1, "vocab_size": 50265}"#,
    ),
    (
        "FacebookAI/xlm-roberta-base",
        r#"{"architectures": ["XLMRobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1, "bos_token_id": 0,
        "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768,
        "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 514,
        "model_type": "xlm-roberta", "num_attention_heads": 12, "num_hidden_layers": 12, "output_past": true,
        "pad_token_id": 1, "position_embedding_type": "absolute", "transformers_version": "4.17.0.dev0",
        "type_vocab_size": 1, "use_cache": true, "vocab_size": 250002}"#,
    ),
    (
        "distilbert/distilbert-base-uncased",
        r#"{"activation": "gelu", "architectures": ["DistilBertForMaskedLM"], "attention_dropout": 0.1, "dim": 768,
        "dropout": 0.1, "hidden_dim": 3072, "initializer_range": 0.02, "max_position_embeddings": 512,
        "model_type": "distilbert", "n_heads": 12, "n_layers": 6, "pad_token_id": 0, "qa_dropout": 0.1,
        "seq_classif_dropout": 0.2, "sinusoidal_pos_embds": false, "tie_weights_": true,
        "transformers_version": "4.10.0.dev0", "vocab_size": 30522}"#,
    ),
    (
        "google/electra-small-discriminator",
        r#"{"architectures": ["ElectraForPreTraining"], "attention_probs_dropout_prob": 0.1, "embedding_size": 128,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 256, "initializer_range": 0.02,
        "intermediate_size": 1024, "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "electra",
        "num_attention_heads": 4, "num_hidden_layers": 12, "pad_token_id": 0, "position_embedding_type": "absolute",
        "summary_activation": "gelu", "summary_last_dropout": 0.1, "summary_type": "first", "summary_use_proj": true,
        "transformers_version": "4.9.0.dev0", "type_vocab_size": 2, "vocab_size": 30522}"#,
    ),
    (
        "albert/albert-base-v2",
        r#"{"architectures": ["AlbertForMaskedLM"], "attention_probs_dropout_prob": 0, "bos_token_id": 2,
        "classifier_dropout_prob": 0.1, "down_scale_factor": 1, "embedding_size": 128, "eos_token_id": 3,
        "gap_size": 0, "hidden_act": "gelu_new", "hidden_dropout_prob": 0, "hidden_size": 768,
        "initializer_range": 0.02, "inner_group_num": 1, "intermediate_size": 3072, "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512, "model_type": "albert", "net_structure_type": 0, "num_attention_heads": 12,
        "num_hidden_groups": 1, "num_hidden_layers": 12, "num_memory_blocks": 0, "pad_token_id": 0,
        "type_vocab_size": 2, "vocab_size": 30000}"#,
    ),
    (
        "google/bert_uncased_L-2_H-128_A-2",
        r#"{"hidden_size": 128, "hidden_act": "gelu", "initializer_range": 0.02, "vocab_size": 30522,
        "hidden_dropout_prob": 0.1, "num_attention_heads": 2, "type_vocab_size": 2, "max_position_embeddings": 512,
        "num_hidden_layers": 2, "intermediate_size": 512, "attention_probs_dropout_prob": 0.1,
        "layer_norm_eps": 1e-12, "model_type": "bert"}"#,
    ),
    (
        "openai-community/openai-gpt",
        r#"{"afn": "gelu", "architectures": ["OpenAIGPTLMHeadModel"], "attn_pdrop": 0.1, "embd_pdrop": 0.1,
        "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "openai-gpt", "n_ctx": 512,
        "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 512, "n_special": 0, "predict_special_tokens": true,
        "resid_pdrop": 0.1, "summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true,
        "summary_type": "cls_index", "summary_use_proj": true,
        "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}}, "vocab_size": 40478}"#,
    ),
    (
        "answerdotai/ModernBERT-base",
        r#"{"architectures": ["ModernBertForMaskedLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 50281, "classifier_activation": "gelu", "classifier_bias": false, "classifier_dropout": 0.0,
        "classifier_pooling": "mean", "cls_token_id": 50281, "decoder_bias": true, "deterministic_flash_attn": false,
        "embedding_dropout": 0.0, "eos_token_id": 50282, "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0,
        "gradient_checkpointing": false, "hidden_activation": "gelu", "hidden_size": 768,
        "initializer_cutoff_factor": 2.0, "initializer_range": 0.02, "intermediate_size": 1152, "layer_norm_eps": 1e-05,
        "local_attention": 128, "local_rope_theta": 10000.0, "max_position_embeddings": 8192, "mlp_bias": false,
        "mlp_dropout": 0.0, "model_type": "modernbert", "norm_bias": false, "norm_eps": 1e-05,
        "num_attention_heads": 12, "num_hidden_layers": 22, "pad_token_id": 50283,
        "position_embedding_type": "absolute", "sep_token_id": 50282, "tie_word_embeddings": true,
        "torch_dtype": "float32", "transformers_version": "4.47.0.dev0", "vocab_size": 50368}"#,
    ),
    (
        "xlnet/xlnet-base-cased",
        r#"{"architectures": ["XLNetLMHeadModel"], "attn_type": "bi", "bi_data": false, "bos_token_id": 1,
        "clamp_len": -1, "d_head": 64, "d_inner": 3072, "d_model": 768, "dropout": 0.1, "end_n_top": 5,
        "eos_token_id": 2, "ff_activation": "gelu", "initializer_range": 0.02, "layer_norm_eps": 1e-12,
        "mem_len": null, "model_type": "xlnet", "n_head": 12, "n_layer": 12, "pad_token_id": 5, "reuse_len": null,
        "same_length": false, "start_n_top": 5, "summary_activation": "tanh", "summary_last_dropout": 0.1,
        "summary_type": "last", "summary_use_proj": true,
        "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 250}}, "untie_r": true,
        "vocab_size": 32000}"#,
    ),
    (
        "(scripts/elmo.py)",
        r#"{"model_type": "elmo", "lstm": {"use_skip_connections": true, "projection_dim": 512, "cell_clip": 3, "proj_clip": 3,
        "dim": 4096, "n_layers": 2}, "char_cnn": {"activation": "relu", "filters": [[1, 32], [2, 32], [3, 64], [4, 128],
        [5, 256], [6, 512], [7, 1024]], "n_highway": 2, "embedding": {"dim": 16}, "n_characters": 262,
        "max_characters_per_token": 50}, "text_hidden_size": 1500, "text_num_layers": 2, "text_attention": true,
        "classifier_hidden_size": 512, "dropout": 0.2, "elmo_dropout": 0.5}"#,
    ),
    ("a constant", r#"{"model_type": "majority", "vocab_size": 7}"#),
    ("word vectors", r#"{"model_type": "bag-of-words", "vocab_size": 7, "hidden_size": 4, "dropout": 0.1}"#),
];

fn released(name: &str) -> EncoderConfig {
    let (_, text) = RELEASED.iter().find(|(known, _)| *known == name).unwrap();
    EncoderConfig::parse(text).unwrap()
}

fn changed(name: &str, from: &str, to: &str) -> String {
    let (_, text) = RELEASED.iter().find(|(known, _)| *known == name).unwrap();
    assert!(text.contains(from));
    EncoderConfig::parse(&text.replace(from, to)).unwrap_err().to_string()
}

/// As transformers 5.24 counts those of each `...ForSequenceClassification` with two labels. ELMo (published: 93.6 million) by
/// hand: 4,176 of characters, 199,168 of filters, 16,785,408 of highways, 1,049,088 and 4 · 18,890,752 of LSTMs, and of one
/// text 4 of the mix, 30,312,000 and 54,024,000 of the BiLSTM, 1,536,512 and 1,026 of the classifier.
#[test]
fn released_configs_have_the_published_number_of_parameters() {
    let others = [116_536_320, 149_606_402, 117_310_466, 179_474_390];
    let berts = [124_647_170, 278_045_186, 66_955_010, 13_549_314, 11_685_122, 4_386_178];
    let sizes = berts.into_iter().chain(others);
    for ((name, _), expected) in RELEASED.iter().zip(sizes) {
        let parameters = parameters(&released(name), Head::Classification, 2);
        assert_eq!(parameters.iter().map(Parameter::len).sum::<usize>(), expected, "{name}");
    }
}

#[test]
fn what_differs_is_read_from_the_config() {
    let roberta = released("FacebookAI/roberta-base");
    assert_eq!((roberta.first_position, roberta.longest_sequence()), (2, 512));
    let electra = released("google/electra-small-discriminator");
    assert_eq!((electra.embedding_size, electra.projects()), (128, true));
    let distilbert = released("distilbert/distilbert-base-uncased");
    let dropouts = [Head::Classification, Head::Tokens, Head::Span].map(|head| distilbert.head_dropout(head));
    assert_eq!((dropouts, distilbert.type_vocab_size), ([0.2, 0.1, 0.1], 0));
    assert_eq!(released("albert/albert-base-v2").head_dropout(Head::Regression), 0.1);
}

/// Layer m of M at α^(M - m), whatever the family calls it.
#[test]
fn rates_fall_from_layer_to_layer() {
    let config = EncoderConfig { layerwise_lr_decay: 0.5, ..released("xlnet/xlnet-base-cased") };
    let parameters = parameters(&config, Head::Classification, 2);
    let share = |beginning: &str| parameters.iter().find(|one| one.name.starts_with(beginning)).unwrap().rate_share;
    assert_eq!(share("transformer.layer.11."), 1.0);
    assert_eq!(share("transformer.layer.9."), 0.25);
    assert_eq!(share("transformer.word_embedding."), 0.5f64.powi(12));
    assert_eq!((share("sequence_summary."), share("logits_proj.")), (1.0, 1.0));
}

#[test]
fn every_head_of_every_family_has_names_of_its_own_and_one_of_each() {
    let heads = [Head::Classification, Head::Regression, Head::Span, Head::Tokens, Head::Choice];
    for family in FAMILIES {
        let (_, text) = RELEASED.iter().find(|(_, text)| text.contains(&format!("\"{}\"", family.model_type))).unwrap();
        let config = EncoderConfig::parse(text).unwrap();
        for head in heads.into_iter().filter(|head| family.has(*head)) {
            let all = parameters(&config, head, 2);
            let names: std::collections::BTreeSet<&str> = all.iter().map(|parameter| parameter.name.as_str()).collect();
            assert_eq!(names.len(), all.len(), "{} {head:?}", family.title);
            assert!(all.iter().all(|one| one.head || one.name.starts_with(family.prefix)), "{}", family.title);
        }
    }
}

/// As `named_parameters()` of transformers 5.24 has them.
#[test]
fn tensors_are_called_as_in_transformers() {
    let name = |model: &str, head, path: &str| {
        let all = parameters(&released(model), head, 2);
        all.into_iter().find(|parameter| parameter.path == path).unwrap().name
    };
    let norm = "encoder.layer.0.output.LayerNorm.weight";
    let distilbert = "distilbert/distilbert-base-uncased";
    assert_eq!(name(distilbert, Head::Span, norm), "distilbert.transformer.layer.0.output_layer_norm.weight");
    let albert = "albert/albert-base-v2";
    let layer = "albert.encoder.albert_layer_groups.0.albert_layers.0";
    assert_eq!(name(albert, Head::Span, norm), format!("{layer}.full_layer_layer_norm.weight"));
    let dense = "encoder.layer.0.attention.output.dense.bias";
    assert_eq!(name(albert, Head::Span, dense), format!("{layer}.attention.dense.bias"));
    assert_eq!(name(albert, Head::Choice, "pooler.dense.bias"), "albert.pooler.bias");
    let roberta = "FacebookAI/roberta-base";
    assert_eq!(name(roberta, Head::Classification, "pooler.dense.weight"), "classifier.dense.weight");
    assert_eq!(name(roberta, Head::Classification, "classifier.weight"), "classifier.out_proj.weight");
    assert_eq!(name(roberta, Head::Tokens, "classifier.weight"), "classifier.weight");
    let gpt = "openai-community/openai-gpt";
    let fused = "encoder.layer.11.attention.self.query_key_value.weight";
    assert_eq!(name(gpt, Head::Classification, fused), "transformer.h.11.attn.c_attn.weight");
    assert_eq!(name(gpt, Head::Classification, norm), "transformer.h.0.ln_2.weight");
    let modernbert = "answerdotai/ModernBERT-base";
    assert_eq!(
        name(modernbert, Head::Span, "encoder.layer.3.intermediate.dense.weight"),
        "model.layers.3.mlp.Wi.weight"
    );
    assert_eq!(name(modernbert, Head::Span, "qa_outputs.bias"), "classifier.bias");
    let xlnet = "xlnet/xlnet-base-cased";
    let relative = "encoder.layer.0.attention.self.relative.weight";
    assert_eq!(name(xlnet, Head::Choice, relative), "transformer.layer.0.rel_attn.r");
    assert_eq!(
        name(xlnet, Head::Choice, "encoder.layer.0.attention.self.r_w_bias"),
        "transformer.layer.0.rel_attn.r_w_bias"
    );
    assert_eq!(name(xlnet, Head::Choice, "classifier.weight"), "logits_proj.weight");
}

#[test]
fn layers_that_differ_are_read_from_the_config() {
    let modernbert = "answerdotai/ModernBERT-base";
    let Encoder::ModernBert(own) = released(modernbert).encoder else { unreachable!("ModernBERT has its own layers") };
    let (global, local) = (Rotary { window: None, theta: 160_000.0 }, Rotary { window: Some(64), theta: 10_000.0 });
    assert_eq!((own.read, &own.layers[..4]), (Read::Mean, &[global, local, local, global][..]));
    assert_eq!(released("xlnet/xlnet-base-cased").read(), Read::Last);
    let gpt = released("openai-community/openai-gpt");
    assert_eq!((gpt.read(), gpt.causal, gpt.hidden_act), (Read::Last, true, Activation::GeluTanh));
    assert_eq!((gpt.intermediate_size, gpt.embedding_dropout_prob), (3072, 0.1));
}

#[test]
fn texts_over_elmo_are_what_the_task_has() {
    let shapes = |task: &str| {
        let task = crate::task::find(task).unwrap();
        let config = released("(scripts/elmo.py)").for_task(task);
        let all = parameters(&config, task.head, task.num_labels());
        let of = |path: &str| all.iter().find(|one| one.path == path).map(|one| one.shape.clone());
        ["attended.weight_ih_l0", "pooler.dense.weight", "classifier.weight"].map(of)
    };
    assert_eq!(shapes("sst2"), [None, Some(vec![512, 3000]), Some(vec![2, 512])]);
    assert_eq!(shapes("mnli"), [Some(vec![6000, 6000]), Some(vec![512, 12_000]), Some(vec![3, 512])]);
    assert_eq!(shapes("stsb"), [Some(vec![6000, 6000]), None, Some(vec![1, 12_000])]);
}

#[test]
fn a_vocabulary_grows_by_its_familys_tokens_only() {
    let grown = |name: &str, ids: usize| {
        let mut config = released(name);
        config.make_room(ids);
        config.vocab_size
    };
    let gpt = "openai-community/openai-gpt";
    assert_eq!([40_478, 40_481, 40_482].map(|ids| grown(gpt, ids)), [40_478, 40_481, 40_478]);
    assert_eq!(grown("FacebookAI/roberta-base", 50_266), 50_265);
}

#[test]
fn what_other_layers_cannot_do_is_refused() {
    let modernbert = "answerdotai/ModernBERT-base";
    let scaled = changed(modernbert, "\"mlp_bias\"", "\"rope_scaling\": {}, \"mlp_bias\"").replace('`', "");
    assert!(scaled.contains("unknown field rope_scaling"), "{scaled}");
    let types = changed(modernbert, "\"mlp_bias\"", "\"layer_types\": [\"full_attention\"], \"mlp_bias\"");
    assert!(types.contains("`layer_types` is [\"full_attention\"], expected"), "{types}");
    let yarn = "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"yarn\"}}, \"mlp_bias\"";
    let yarn = changed(modernbert, "\"mlp_bias\"", yarn);
    assert!(yarn.contains("`rope_parameters` is"), "{yarn}");
    let pooling = changed(modernbert, "\"mean\"", "\"max\"");
    assert!(pooling.contains("`classifier_pooling` is \"max\", expected `cls` or `mean`"), "{pooling}");
    let xlnet = "xlnet/xlnet-base-cased";
    let size = changed(xlnet, "\"d_head\": 64", "\"d_head\": 32");
    assert_eq!(size, "config.json: `d_head` is 32, expected `d_model` / `n_head`");
    let clamped = changed(xlnet, "\"clamp_len\": -1", "\"clamp_len\": 100");
    assert_eq!(clamped, "config.json: `clamp_len` is 100, expected -1");
    let elmo = "(scripts/elmo.py)";
    let skips = changed(elmo, "connections\": true", "connections\": false");
    assert_eq!(skips, "config.json: `use_skip_connections` is false, expected `true`");
    let tanh = changed(elmo, "\"relu\"", "\"tanh\"");
    assert_eq!(tanh, "config.json: `activation` is \"tanh\", expected \"relu\"");
    let room = changed(elmo, "token\": 50", "token\": 2");
    assert_eq!(room, "config.json: `max_characters_per_token` is 2, expected a whole number above 2");
    let wide = changed(elmo, "[7, 1024]", "[51, 1024]");
    assert!(wide.contains("expected pairs of a width, at most `max_characters_per_token`"), "{wide}");
    let unknown = changed(elmo, "\"dim\": 16", "\"dim\": 16, \"norm\": 1").replace('`', "");
    assert!(unknown.contains("unknown field norm"), "{unknown}");
    let swish = changed("openai-community/openai-gpt", "\"gelu\"", "\"swish\"");
    assert_eq!(swish, "config.json: `afn` is \"swish\", expected `gelu` or `relu`");
}

#[test]
fn errors_speak_the_familys_own_language() {
    let distilbert = "distilbert/distilbert-base-uncased";
    assert_eq!(
        changed(distilbert, "\"n_heads\": 12", "\"n_heads\": 7"),
        "config.json: `n_heads` is 7 with dim 768, expected a divisor of the hidden size"
    );
    assert_eq!(
        changed(distilbert, "\"dim\"", "\"hidden_size\""),
        "config.json: `dim` is missing, expected a positive integer below 2^24"
    );
    let sinusoidal = changed(distilbert, "embds\": false", "embds\": true");
    assert_eq!(sinusoidal, "config.json: `sinusoidal_pos_embds` is true, expected false");
    let groups = changed("albert/albert-base-v2", "groups\": 1", "groups\": 3");
    assert_eq!(groups, "config.json: `num_hidden_groups` is 3, expected 1");
    let none = changed("FacebookAI/roberta-base", "514", "2");
    assert!(none.contains("`max_position_embeddings` is 2 with a first position of 2"), "{none}");
}
