//! The checkpoint folder: `config.json`, `model.safetensors`, the tokenizer's files and a model card, as `repro run` and
//! Hugging Face transformers read them.

use super::PretrainError;
use super::error::{unread, unwritten};
use super::vocabulary::Vocabulary;
use crate::engine::NamedArray;
use crate::export::atomic;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// What weights are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 32 bits.
    F32,
    /// 16 bits: half the size, and half a thousandth of each value is lost.
    F16,
}

/// Writes the folder.
///
/// # Errors
/// A full disk.
pub fn write(
    folder: &Path,
    parameters: &[NamedArray],
    storage: Storage,
    config: &Value,
    vocabulary: &Vocabulary,
    card: &str,
) -> Result<(), PretrainError> {
    std::fs::create_dir_all(folder).map_err(unwritten(folder))?;
    let bytes = std::fs::read(&vocabulary.file).map_err(unread(&vocabulary.file))?;
    let path = folder.join(if vocabulary.is_json() { "tokenizer.json" } else { "vocab.txt" });
    atomic::write(&path, &bytes).map_err(unwritten(&path))?;
    let text = |name: &str, text: String| {
        let path = folder.join(name);
        atomic::write(&path, text.as_bytes()).map_err(unwritten(&path))
    };
    let mut config = config.clone();
    config["architectures"] = json!(["BertForPreTraining"]);
    config["torch_dtype"] = json!(if storage == Storage::F16 { "float16" } else { "float32" });
    let mut tokenizer = vocabulary.config.clone();
    tokenizer["model_max_length"] = config["max_position_embeddings"].clone();
    text("tokenizer_config.json", format!("{tokenizer:#}\n"))?;
    text("config.json", format!("{config:#}\n"))?;
    text("README.md", card.to_owned())?;
    write_weights(&folder.join("model.safetensors"), parameters, storage)
}

fn write_weights(path: &Path, parameters: &[NamedArray], storage: Storage) -> Result<(), PretrainError> {
    let dtype = if storage == Storage::F16 { Dtype::F16 } else { Dtype::F32 };
    let bytes: Vec<Vec<u8>> = parameters.iter().map(|array| stored(&array.values, storage)).collect();
    let views: Result<Vec<_>, _> = parameters
        .iter()
        .zip(&bytes)
        .map(|(array, bytes)| Ok((array.name.as_str(), TensorView::new(dtype, array.shape.clone(), bytes)?)))
        .collect();
    let header = HashMap::from([("format".to_string(), "pt".to_string())]);
    let failed = |error: safetensors::SafeTensorError| std::io::Error::other(error);
    let file = views.and_then(|views| safetensors::serialize(views, Some(header)));
    let file = file.map_err(failed).map_err(unwritten(path))?;
    atomic::write(path, &file).map_err(unwritten(path))
}

fn stored(values: &[f32], storage: Storage) -> Vec<u8> {
    match storage {
        Storage::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Storage::F16 => values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect(),
    }
}
