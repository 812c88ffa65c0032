//! Encoder shapes to measure: three well-known ones by name, any other as a folder with `config.json`.

use crate::cli::CliError;
use crate::exit::Exit;
use crate::family::EncoderConfig;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A shape, twice: as our engines read it and as the other side does.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What the user called it.
    pub name: String,
    /// Read strictly.
    pub config: EncoderConfig,
    /// As `config.json` has it.
    pub json: Value,
}

impl Shape {
    /// A shape by name, or of a folder.
    pub fn find(name: &str) -> Result<Shape, CliError> {
        let json = match name {
            "minilm-l6" => bert(6, 384, 12),
            "bert-base" => bert(12, 768, 12),
            "bert-large" => bert(24, 1024, 16),
            folder => of_folder(folder)?,
        };
        Shape::new(name, json)
    }

    /// A shape of no checkpoint, with heads of 64 as in BERT.
    pub fn sized(layers: usize, hidden: usize) -> Result<Shape, CliError> {
        Shape::new(&format!("{layers}×{hidden}"), bert(layers, hidden, hidden / 64))
    }

    fn new(name: &str, json: Value) -> Result<Shape, CliError> {
        let config = EncoderConfig::parse(&json.to_string())
            .map_err(|error| CliError::new(Exit::Usage, format!("shape `{name}`: {error}")))?;
        Ok(Shape { name: name.into(), config, json })
    }

    /// Refuses sequences that the shape has no positions for.
    pub fn holds(&self, length: usize) -> Result<(), CliError> {
        let most = self.config.max_position_embeddings;
        let message =
            || format!("--length {length}: shape `{}` has {most} positions, expected at most as many", self.name);
        if length > most { Err(CliError::new(Exit::Usage, message())) } else { Ok(()) }
    }

    /// Name for tables.
    pub fn title(&self) -> &str {
        match self.name.as_str() {
            "minilm-l6" => "MiniLM-L6",
            other => other,
        }
    }
}

fn bert(layers: usize, hidden: usize, heads: usize) -> Value {
    json!({
        "model_type": "bert", "vocab_size": 30522, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": 4 * hidden, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512,
        "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    })
}

fn of_folder(folder: &str) -> Result<Value, CliError> {
    let path = PathBuf::from(folder).join("config.json");
    let failed = |error: String| {
        let known = "`minilm-l6`, `bert-base`, `bert-large` or a folder with `config.json`";
        CliError::new(Exit::Usage, format!("{}: {error}; expected {known}", path.display()))
    };
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}
