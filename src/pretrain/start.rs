//! The checkpoint that a pre-training goes on from: a model of the same shape, heads included, as `repro pretrain` and
//! the released BERT checkpoints have them. Its optimizer is not there: moments begin at zero, and the rate warms up anew.

use super::PretrainError;
use super::vocabulary::Vocabulary;
use crate::engine::NamedArray;
use crate::engine::weights::{HeadSource, load};
use crate::family::{EncoderConfig, parameters};
use crate::task::Head;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Fields of `config.json` that the computation or a shape depends on.
const SHAPE: [&str; 11] = [
    "model_type",
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "is_decoder",
];

/// Rows of the word embeddings of a folder's model, if its `config.json` says so.
pub fn vocab_size(folder: &Path) -> Option<usize> {
    read_config(folder).ok()?["vocab_size"].as_u64().map(|size| size as usize)
}

fn read_config(folder: &Path) -> Result<Value, PretrainError> {
    let bad = |reason: String| PretrainError::Start { folder: folder.to_path_buf(), reason };
    let text = std::fs::read_to_string(folder.join("config.json"));
    let text = text.map_err(|error| bad(format!("config.json: {error}")))?;
    serde_json::from_str(&text).map_err(|error| bad(format!("config.json: {error}")))
}

/// Fails where the folder's model is not of the spec's shape or its vocabulary another one.
///
/// # Errors
/// No folder with a `config.json` and a vocabulary, the field in which it differs, or the token.
pub fn check(folder: &Path, config: &Value, vocabulary: &Vocabulary) -> Result<(), PretrainError> {
    let bad = |reason: String| PretrainError::Start { folder: folder.to_path_buf(), reason };
    let theirs = read_config(folder)?;
    // What leaves `is_decoder` out reads both ways.
    let usual = |field: &str| if field == "is_decoder" { Value::Bool(false) } else { Value::Null };
    let of = |config: &Value, field: &str| config.get(field).cloned().unwrap_or_else(|| usual(field));
    let differs = SHAPE.iter().find(|f| of(&theirs, f) != of(config, f));
    if let Some(field) = differs {
        let found = of(&theirs, field);
        return Err(bad(format!("its `{field}` is {found}, expected this file's, {}", of(config, field))));
    }
    let file = ["tokenizer.json", "vocab.txt"].map(|name| folder.join(name)).into_iter().find(|path| path.exists());
    let file = file.ok_or_else(|| bad("no `vocab.txt` or `tokenizer.json`, expected its vocabulary".into()))?;
    match Vocabulary::read(&file)?.difference(vocabulary) {
        None => Ok(()),
        Some((id, [theirs, ours])) => {
            Err(bad(format!("its token {id} is `{theirs}`, expected that of this file's vocabulary, `{ours}`")))
        }
    }
}

/// Its weights by parameter name.
///
/// # Errors
/// No `model.safetensors`, or one that lacks a tensor.
pub fn weights(
    folder: &Path,
    config: &EncoderConfig,
    labels: usize,
) -> Result<BTreeMap<String, NamedArray>, PretrainError> {
    let bad = |reason: String| PretrainError::Start { folder: folder.to_path_buf(), reason };
    let parameters = parameters(config, Head::Pretraining, labels);
    let loaded = load(&[folder.join("model.safetensors")], config.family, &parameters, HeadSource::Checkpoint);
    loaded.map(|loaded| loaded.arrays).map_err(|error| bad(error.to_string()))
}
