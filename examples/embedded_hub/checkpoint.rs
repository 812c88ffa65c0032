//! `repro/bert-tiny`: a two-layer BERT with random weights and a vocabulary of the generator's own words.
//!
//! Tensors are named as in a Hugging Face `BertModel` (no `bert.` prefix). Weights are drawn from a normal distribution
//! with deviation 0.02, LayerNorm starts at the identity, biases and the padding token's row at zero: it was never
//! trained.

use crate::dice::Dice;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const HIDDEN: usize = 64;
const INTERMEDIATE: usize = 256;
const LAYERS: usize = 2;
const HEADS: usize = 4;
const POSITIONS: usize = 128;

/// The checkpoint's files by name, for a vocabulary that covers these texts.
pub fn files<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<(&'static str, Vec<u8>)> {
    let vocabulary = vocabulary(texts);
    vec![
        ("config.json", config(vocabulary.len())),
        ("model.safetensors", weights(vocabulary.len())),
        ("tokenizer_config.json", tokenizer_config()),
        ("vocab.txt", (vocabulary.join("\n") + "\n").into_bytes()),
    ]
}

/// Special tokens, punctuation, letters and digits with and without `##` (no ASCII word is unknown), then the words.
fn vocabulary<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut words = BTreeSet::new();
    for text in texts {
        let lower = text.to_lowercase();
        let parts = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 1);
        words.extend(parts.map(str::to_string));
    }
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_string);
    let punctuation = ".,?!'\"-:;()".chars().map(String::from);
    let characters: Vec<char> = ('0'..='9').chain('a'..='z').collect();
    let pieces = characters.iter().map(char::to_string).chain(characters.iter().map(|c| format!("##{c}")));
    special.into_iter().chain(punctuation).chain(pieces).chain(words).collect()
}

fn config(vocabulary: usize) -> Vec<u8> {
    pretty(&json!({
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "model_type": "bert",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "type_vocab_size": 2,
        "vocab_size": vocabulary
    }))
}

fn tokenizer_config() -> Vec<u8> {
    pretty(&json!({
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": true,
        "model_max_length": POSITIONS,
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]"
    }))
}

fn pretty(value: &serde_json::Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// Name to shape of every parameter, in the order of their names.
fn shapes(vocabulary: usize) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = BTreeMap::new();
    let mut norm = |name: String| {
        shapes.insert(format!("{name}.weight"), vec![HIDDEN]);
        shapes.insert(format!("{name}.bias"), vec![HIDDEN]);
    };
    norm("embeddings.LayerNorm".into());
    for layer in 0..LAYERS {
        norm(format!("encoder.layer.{layer}.attention.output.LayerNorm"));
        norm(format!("encoder.layer.{layer}.output.LayerNorm"));
    }
    for (name, rows) in [("word", vocabulary), ("position", POSITIONS), ("token_type", 2)] {
        shapes.insert(format!("embeddings.{name}_embeddings.weight"), vec![rows, HIDDEN]);
    }
    for (name, output, input) in denses() {
        shapes.insert(format!("{name}.weight"), vec![output, input]);
        shapes.insert(format!("{name}.bias"), vec![output]);
    }
    shapes
}

/// Every dense layer: path, outputs, inputs.
fn denses() -> Vec<(String, usize, usize)> {
    let mut denses = vec![("pooler.dense".to_string(), HIDDEN, HIDDEN)];
    for layer in 0..LAYERS {
        let within = |name: &str| format!("encoder.layer.{layer}.{name}");
        for name in ["self.query", "self.key", "self.value", "output.dense"] {
            denses.push((within(&format!("attention.{name}")), HIDDEN, HIDDEN));
        }
        denses.push((within("intermediate.dense"), INTERMEDIATE, HIDDEN));
        denses.push((within("output.dense"), HIDDEN, INTERMEDIATE));
    }
    denses
}

fn weights(vocabulary: usize) -> Vec<u8> {
    let arrays: Vec<(String, Vec<usize>, Vec<u8>)> = shapes(vocabulary)
        .into_iter()
        .map(|(name, shape)| {
            let values = values(&name, shape.iter().product());
            (name, shape, values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect())
        })
        .collect();
    let views = arrays.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F16, shape.clone(), bytes).expect("as many bytes as the shape says");
        (name.as_str(), view)
    });
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata)).expect("names and shapes are valid")
}

fn values(name: &str, count: usize) -> Vec<f32> {
    if name.ends_with("LayerNorm.weight") {
        return vec![1.0; count];
    }
    if name.ends_with(".bias") {
        return vec![0.0; count];
    }
    let mut dice = Dice::named(name);
    let mut values: Vec<f32> = (0..count).map(|_| (0.02 * dice.normal()) as f32).collect();
    if name.contains("word_embeddings") {
        values[..HIDDEN].fill(0.0);
    }
    values
}
