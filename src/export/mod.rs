//! A trained model as others expect it: a folder that Hugging Face `transformers` loads and gives the same logits.
//!
//! A BiLSTM, over a frozen encoder or between one that was trained and its head, is the exception: no class of `transformers`
//! has that. Its folder has every parameter, the BiLSTM's by PyTorch's names, `config.json` names no class, and the card says
//! what to build.
//!
//! | file | what |
//! |---|---|
//! | `config.json` | the checkpoint's own, plus architecture, labels and arithmetic |
//! | `model.safetensors` | the parameters, by Hugging Face's names, metadata `format: pt` |
//! | tokenizer files | copied as they came with the checkpoint |
//! | `README.md` | the model card, its scores as `model-index` |
//!
//! Each file is written beside its place and renamed, the card last: a folder with a card is whole.

pub mod atomic;
mod card;
mod config;
#[cfg(test)]
pub mod sample;
mod weights;

use crate::engine::NamedArray;
use crate::record::Record;
use crate::task::{Head, Task};
use serde_json::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};

/// A file to be copied into the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerFile {
    /// Name in the folder: `tokenizer.json`, `vocab.txt`, …
    pub name: String,
    /// Where it lies; a cache may have given it another name there.
    pub path: PathBuf,
}

/// Everything a model folder is made from.
#[derive(Clone, Copy, Debug)]
pub struct ExportInput<'a> {
    /// The checkpoint's own `config.json`.
    pub config: &'a Map<String, Value>,
    /// What the model was fine-tuned on.
    pub task: &'a Task,
    /// The parameters, as [`crate::engine::Engine::parameters`] gives them.
    pub parameters: &'a [NamedArray],
    /// The checkpoint's tokenizer files.
    pub tokenizer: &'a [TokenizerFile],
    /// What the run was and what it scored.
    pub record: &'a Record,
}

/// Why a model folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be read or written.
    #[error("`{path}`: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The encoder has no counterpart in `transformers` that is known here.
    #[error("`model_type` is `{found}`, expected one of {expected}")]
    ModelType {
        /// Value in the checkpoint's config.
        found: String,
        /// Values that are known.
        expected: String,
    },
    /// The parameters lack something the architecture needs, or it has another shape.
    #[error("parameter `{name}` of {architecture}: found {found}, expected shape {expected:?}")]
    Parameter {
        /// Hugging Face's name.
        name: String,
        /// Class in `transformers`.
        architecture: String,
        /// `nothing`, or the shape.
        found: String,
        /// Shape the class has.
        expected: Vec<usize>,
    },
    /// The safetensors library refused.
    #[error("`{path}`: {error}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: safetensors::SafeTensorError,
    },
}

impl ExportInput<'_> {
    /// The model's head.
    fn head(&self) -> Head {
        self.record.recipe.head(self.task)
    }

    /// The class of `transformers` that is this model.
    fn class(&self) -> Result<Option<String>, ExportError> {
        let class = config::architecture(self.config, self.head())?;
        Ok(class.filter(|_| self.record.recipe.bilstm_layers == 0))
    }
}

impl ExportError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> ExportError {
        let path = path.to_path_buf();
        move |error| ExportError::File { path, error }
    }
}

/// Writes the model folder, replacing the files of an older one.
pub fn write(folder: &Path, input: &ExportInput) -> Result<(), ExportError> {
    let config = config::finished(input.config, input.task, input.class()?)?;
    let parameters = weights::named(input.parameters, config::family(&config)?);
    weights::check_head(&parameters, &config, input.task, input.head())?;
    std::fs::create_dir_all(folder).map_err(ExportError::file(folder))?;
    write_json(&folder.join("config.json"), config)?;
    weights::write(&folder.join("model.safetensors"), &parameters)?;
    input.tokenizer.iter().try_for_each(|file| copy(file, folder))?;
    let card = folder.join("README.md");
    atomic::write(&card, card::text(input).as_bytes()).map_err(ExportError::file(&card))
}

fn write_json(path: &Path, value: Map<String, Value>) -> Result<(), ExportError> {
    let text = format!("{:#}\n", Value::Object(value));
    atomic::write(path, text.as_bytes()).map_err(ExportError::file(path))
}

fn copy(file: &TokenizerFile, folder: &Path) -> Result<(), ExportError> {
    let bytes = std::fs::read(&file.path).map_err(ExportError::file(&file.path))?;
    let path = folder.join(&file.name);
    atomic::write(&path, &bytes).map_err(ExportError::file(&path))
}
