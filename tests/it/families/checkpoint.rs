//! Tiny random checkpoints of every family, file by file as the hub's repositories have them.

use repro::engine::NamedArray;
use repro::engine::weights::{Initialization, starting_values};
use repro::family::{EncoderConfig, Vocabulary, parameters};
use repro::task::Head;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// Writes a folder with config, weights and tokenizer.
pub fn write(folder: &Path, model_type: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let family = repro::family::find(model_type).unwrap();
    let words = match (family.vocabulary, model_type) {
        (Vocabulary::WordPiece, _) => word_piece(folder),
        (Vocabulary::BytePairs, _) => byte_pairs(folder),
        (Vocabulary::LetterPairs, _) => letter_pairs(folder),
        (Vocabulary::Characters, _) => 0,
        (Vocabulary::None, "albert") => sentence_piece(folder, &ALBERT),
        (Vocabulary::None, "modernbert") => sentence_piece(folder, &MODERNBERT),
        (Vocabulary::None, "xlnet") => sentence_piece(folder, &XLNET),
        (Vocabulary::None, _) => sentence_piece(folder, &XLM_ROBERTA),
    };
    let config = config(model_type, words).to_string();
    std::fs::write(folder.join("config.json"), &config).unwrap();
    weights(&folder.join("model.safetensors"), &EncoderConfig::parse(&config).unwrap());
}

/// The fields of the released `config.json`, tiny.
fn config(model_type: &str, vocab_size: usize) -> Value {
    let class = repro::family::find(model_type).unwrap().class;
    if model_type == "distilbert" {
        return json!({"activation": "gelu", "architectures": ["DistilBertForMaskedLM"], "attention_dropout": 0.1,
            "dim": 32, "dropout": 0.1, "hidden_dim": 64, "initializer_range": 0.02, "max_position_embeddings": 128,
            "model_type": model_type, "n_heads": 4, "n_layers": 2, "pad_token_id": 0, "qa_dropout": 0.1,
            "seq_classif_dropout": 0.2, "sinusoidal_pos_embds": false, "tie_weights_": true, "vocab_size": vocab_size});
    }
    match model_type {
        "majority" => return json!({"model_type": model_type, "vocab_size": vocab_size}),
        "bag-of-words" => {
            return json!({"model_type": model_type, "vocab_size": vocab_size, "hidden_size": 16, "dropout": 0.1});
        }
        "openai-gpt" => {
            return json!({"afn": "gelu", "architectures": ["OpenAIGPTLMHeadModel"], "attn_pdrop": 0.1,
                "embd_pdrop": 0.1, "initializer_range": 0.02, "layer_norm_epsilon": 1e-5, "model_type": model_type,
                "n_ctx": 128, "n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 128, "n_special": 0,
                "pad_token_id": 1, "predict_special_tokens": true, "resid_pdrop": 0.1, "vocab_size": vocab_size});
        }
        "modernbert" => {
            return json!({"architectures": ["ModernBertForMaskedLM"], "attention_bias": false, "attention_dropout": 0.1,
                "classifier_activation": "gelu", "classifier_bias": false, "classifier_dropout": 0.1,
                "classifier_pooling": "mean", "decoder_bias": true, "embedding_dropout": 0.1,
                "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0, "hidden_activation": "gelu",
                "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 48, "local_attention": 16,
                "local_rope_theta": 10000.0, "max_position_embeddings": 128, "mlp_bias": false, "mlp_dropout": 0.1,
                "model_type": model_type, "norm_bias": false, "norm_eps": 1e-5, "num_attention_heads": 4,
                "num_hidden_layers": 3, "pad_token_id": 1, "vocab_size": vocab_size});
        }
        // What `scripts/elmo.py` makes of options.json.
        "elmo" => {
            return json!({"model_type": model_type, "lstm": {"use_skip_connections": true, "projection_dim": 8,
                "cell_clip": 3, "proj_clip": 3, "dim": 16, "n_layers": 2}, "char_cnn": {"activation": "relu",
                "filters": [[1, 4], [2, 8], [3, 8]], "n_highway": 2, "embedding": {"dim": 6}, "n_characters": 262,
                "max_characters_per_token": 20}, "text_hidden_size": 12, "text_num_layers": 2, "text_attention": true,
                "classifier_hidden_size": 16, "dropout": 0.2, "elmo_dropout": 0.5});
        }
        "xlnet" => {
            return json!({"architectures": ["XLNetLMHeadModel"], "attn_type": "bi", "bi_data": false, "clamp_len": -1,
                "d_head": 8, "d_inner": 64, "d_model": 32, "dropout": 0.1, "ff_activation": "gelu",
                "initializer_range": 0.02, "layer_norm_eps": 1e-12, "mem_len": null, "model_type": model_type,
                "n_head": 4, "n_layer": 2, "pad_token_id": 1, "reuse_len": null, "same_length": false,
                "summary_activation": "tanh", "summary_last_dropout": 0.1, "summary_type": "last",
                "summary_use_proj": true, "untie_r": true, "vocab_size": vocab_size});
        }
        _ => {}
    }
    let mut config = json!({"architectures": [format!("{class}ForMaskedLM")], "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 32, "initializer_range": 0.02,
        "intermediate_size": 64, "layer_norm_eps": 1e-12, "max_position_embeddings": 128, "model_type": model_type,
        "num_attention_heads": 4, "num_hidden_layers": 2, "pad_token_id": 0, "type_vocab_size": 2,
        "vocab_size": vocab_size});
    let own = match model_type {
        "roberta" | "xlm-roberta" => json!({"bos_token_id": 0, "eos_token_id": 2, "layer_norm_eps": 1e-5,
            "max_position_embeddings": 130, "pad_token_id": 1, "type_vocab_size": 1}),
        "electra" => json!({"embedding_size": 16, "summary_activation": "gelu", "summary_last_dropout": 0.1,
            "summary_type": "first", "summary_use_proj": true}),
        "albert" => json!({"bos_token_id": 2, "classifier_dropout_prob": 0.1, "down_scale_factor": 1,
            "embedding_size": 16, "eos_token_id": 3, "gap_size": 0, "hidden_act": "gelu_new", "inner_group_num": 1,
            "net_structure_type": 0, "num_hidden_groups": 1, "num_memory_blocks": 0}),
        _ => json!({}),
    };
    config.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    config
}

/// A pretrained encoder, and a tensor of its pre-training that fine-tuning leaves behind.
fn weights(path: &Path, config: &EncoderConfig) {
    let encoder: Vec<_> =
        parameters(config, Head::Classification, 2).into_iter().filter(|parameter| !parameter.head).collect();
    let how = Initialization { seed: 1, initializer_range: 0.1, truncated_normal: false };
    let mut arrays = starting_values(&encoder, BTreeMap::new(), &how);
    let left = match config.family.model_type {
        "distilbert" => "vocab_projector.bias",
        "electra" => "discriminator_predictions.dense.bias",
        "albert" => "predictions.bias",
        "bert" => "cls.predictions.bias",
        "openai-gpt" => "transformer.h.1.attn.bias",
        "modernbert" => "decoder.bias",
        "xlnet" => "lm_loss.bias",
        "elmo" => "classifier.dense.bias",
        // Never a pretrained checkpoint; what it may have is another head's.
        "majority" | "bag-of-words" => "lstm.bias",
        _ => "lm_head.bias",
    };
    if !config.family.class.is_empty() {
        arrays.push(NamedArray { name: left.into(), shape: vec![2], values: vec![0.0; 2] });
    }
    let bytes: Vec<Vec<u8>> =
        arrays.iter().map(|array| array.values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let views = arrays
        .iter()
        .zip(&bytes)
        .map(|(array, bytes)| (array.name.as_str(), TensorView::new(Dtype::F32, array.shape.clone(), bytes).unwrap()));
    let metadata = [("format".to_string(), "pt".to_string())].into_iter().collect();
    safetensors::serialize_to_file(views, Some(metadata), path).unwrap();
}

fn vocabulary() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub/models/repro/bert-tiny/vocab.txt");
    std::fs::read_to_string(path).unwrap()
}

/// `vocab.txt` and nothing else, as released BERT-like checkpoints have it.
fn word_piece(folder: &Path) -> usize {
    std::fs::write(folder.join("vocab.txt"), vocabulary()).unwrap();
    vocabulary().lines().count()
}

/// `vocab.json` and `merges.txt`: all bytes, and the merges that make a few words.
fn byte_pairs(folder: &Path) -> usize {
    let mut alphabet: Vec<String> = ByteLevel::alphabet().into_iter().map(String::from).collect();
    alphabet.sort();
    let merges = ["t h", "th e", "Ġ the", "i n", "a n", "an d", "Ġ and", "e r", "o n", "Ġ a"];
    let special = ["<s>", "<pad>", "</s>", "<unk>"].map(String::from);
    let merged = merges.map(|pair| pair.replace(' ', ""));
    let all = special.into_iter().chain(alphabet).chain(merged).chain(["<mask>".to_string()]);
    let vocab: serde_json::Map<String, Value> = all.enumerate().map(|(id, token)| (token, json!(id))).collect();
    std::fs::write(folder.join("vocab.json"), Value::Object(vocab.clone()).to_string()).unwrap();
    std::fs::write(folder.join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n"))).unwrap();
    vocab.len()
}

/// `vocab.json` and `merges.txt`: letters inside and at the end of words, and the merges that make a few words.
fn letter_pairs(folder: &Path) -> usize {
    let letters: Vec<String> = ('!'..='~').filter(|c| !c.is_ascii_uppercase()).map(String::from).collect();
    let merges = ["t h", "th e</w>", "i n", "a n", "an d</w>", "e r</w>", "o n</w>"];
    let merged = merges.map(|pair| pair.replace(' ', ""));
    let ends = letters.iter().map(|letter| format!("{letter}</w>"));
    let all = ["<unk>".to_string(), "<pad>".to_string()].into_iter();
    let all = all.chain(letters.iter().cloned()).chain(ends).chain(merged);
    let vocab: serde_json::Map<String, Value> = all.enumerate().map(|(id, token)| (token, json!(id))).collect();
    std::fs::write(folder.join("vocab.json"), Value::Object(vocab.clone()).to_string()).unwrap();
    std::fs::write(folder.join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n"))).unwrap();
    vocab.len()
}

/// What differs between two converted SentencePiece tokenizers.
struct SentencePiece {
    /// First and last token of a sequence.
    ends: [&'static str; 2],
    /// The first pieces.
    special: [&'static str; 4],
    /// Separators between the texts of a pair.
    separators: usize,
    /// Segment of the second text.
    segment: usize,
    /// XLNet's first token of a sequence stands at its end, in a segment of its own.
    class_last: bool,
    /// Quotes and accents of ALBERT's and XLNet's texts are changed.
    normalizes: bool,
    /// ALBERT's text is lower-cased.
    lower_case: bool,
}

const ALBERT: SentencePiece = SentencePiece {
    ends: ["[CLS]", "[SEP]"],
    special: ["<pad>", "<unk>", "[CLS]", "[SEP]"],
    separators: 1,
    segment: 1,
    class_last: false,
    normalizes: true,
    lower_case: true,
};

const XLM_ROBERTA: SentencePiece = SentencePiece {
    ends: ["<s>", "</s>"],
    special: ["<s>", "<pad>", "</s>", "<unk>"],
    separators: 2,
    segment: 0,
    class_last: false,
    normalizes: false,
    lower_case: false,
};

/// Its own is of byte pairs; any `tokenizer.json` will do.
const MODERNBERT: SentencePiece = SentencePiece {
    ends: ["[CLS]", "[SEP]"],
    special: ["<unk>", "<pad>", "[CLS]", "[SEP]"],
    separators: 1,
    ..XLM_ROBERTA
};

const XLNET: SentencePiece = SentencePiece {
    ends: ["<cls>", "<sep>"],
    special: ["<unk>", "<pad>", "<cls>", "<sep>"],
    separators: 1,
    segment: 1,
    class_last: true,
    normalizes: true,
    lower_case: false,
};

impl SentencePiece {
    fn id(&self, token: &str) -> usize {
        self.special.iter().position(|known| *known == token).unwrap()
    }

    /// `[CLS] A [SEP] B [SEP]`, `<s> A </s></s> B </s>` or `A <sep> B <sep> <cls>`.
    fn post_processor(&self) -> Value {
        let [start, end] = self.ends;
        let special = |token: &str, type_id: usize| json!({"SpecialToken": {"id": token, "type_id": type_id}});
        let text = |id: &str, type_id: usize| json!({"Sequence": {"id": id, "type_id": type_id}});
        let mut single = vec![special(start, 0), text("A", 0), special(end, 0)];
        let mut pair = vec![special(start, 0), text("A", 0)];
        pair.extend((0..self.separators).map(|_| special(end, 0)));
        pair.extend([text("B", self.segment), special(end, self.segment)]);
        for frame in [&mut single, &mut pair].into_iter().filter(|_| self.class_last) {
            frame.remove(0);
            frame.push(special(start, 2));
        }
        let known = |token: &str| (token.to_string(), json!({"id": token, "ids": [self.id(token)], "tokens": [token]}));
        json!({"type": "TemplateProcessing", "single": single, "pair": pair,
            "special_tokens": Value::Object(self.ends.into_iter().map(known).collect())})
    }

    fn normalizer(&self) -> Value {
        let quotes = |from: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": "\""});
        let cased = vec![quotes("``"), quotes("''"), json!({"type": "NFKD"}), json!({"type": "StripAccents"})];
        let lower = self.lower_case.then(|| json!({"type": "Lowercase"}));
        let all: Vec<Value> = cased.into_iter().chain(lower).collect();
        if self.normalizes { json!({"type": "Sequence", "normalizers": all}) } else { Value::Null }
    }
}

/// `tokenizer.json` with a unigram model, as SentencePiece's are converted, and with the truncation and padding that some
/// repositories carry.
fn sentence_piece(folder: &Path, own: &SentencePiece) -> usize {
    let characters = ('!'..='~').map(String::from);
    let words = vocabulary();
    let words = words.lines().filter(|word| !word.starts_with(['[', '#'])).map(|word| format!("▁{word}"));
    let mut seen = std::collections::BTreeSet::new();
    let pieces =
        ["▁".to_string()].into_iter().chain(characters).chain(words).filter(|piece| seen.insert(piece.clone()));
    let score = |piece: String| json!([piece, -1.0 - 10.0 / piece.chars().count() as f64]);
    let vocab: Vec<Value> = own.special.iter().map(|token| json!([token, 0.0])).chain(pieces.map(score)).collect();
    let added = own.special.iter().enumerate().map(|(id, token)| {
        json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true})
    });
    let metaspace = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    let tokenizer = json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": own.id("<pad>"), "pad_type_id": 0, "pad_token": "<pad>"},
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": own.normalizer(),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": own.post_processor(),
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": own.id("<unk>"), "vocab": vocab, "byte_fallback": false},
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    vocab.len()
}
