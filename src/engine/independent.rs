//! A second opinion on the forward pass: candle-transformers' own BERT and XLM-RoBERTa, which share no line with the engines
//! here. (Its DistilBERT has another GELU, and ELECTRA and ALBERT it has none.)
//!
//! It predicts one sequence at a time, without padding and without dropout. The head is three lines of plain tensors.

use super::{EngineError, Logits, Prediction, Predictor};
use crate::encode::Batch;
use crate::family::{self, Activation, Family};
use crate::task::Head;
use candle_core::{DType, Device, IndexOp, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{self, BertModel, HiddenAct};
use candle_transformers::models::xlm_roberta::{self, XLMRobertaModel};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

/// A saved model, read by candle-transformers.
pub struct Independent {
    encoder: Encoder,
    head: Head,
    pooler: Option<(Tensor, Tensor)>,
    output: (Tensor, Tensor),
}

enum Encoder {
    Bert(BertModel),
    Roberta(XLMRobertaModel),
}

impl Independent {
    /// Reads a model folder: `config.json` and `model.safetensors` with Hugging Face's names.
    ///
    /// # Errors
    /// Files that are absent, or not of a BERT or RoBERTa with that head.
    pub fn read(folder: &Path, head: Head) -> Result<Independent, EngineError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| EngineError::Weights(format!("{}: {error}", path.display())))
        };
        let config: Value = serde_json::from_slice(&read("config.json")?).map_err(wrong)?;
        let variables = VarBuilder::from_buffered_safetensors(read("model.safetensors")?, DType::F32, &Device::Cpu)?;
        let family = config["model_type"].as_str().and_then(family::find).ok_or_else(|| none(&config))?;
        let encoder = encoder(&config, &variables)?;
        let dense = |path: &str| -> Result<(Tensor, Tensor), EngineError> {
            let bias = variables.get_unchecked(&format!("{path}.bias"))?;
            Ok((variables.get_unchecked(&format!("{path}.weight"))?, bias))
        };
        let pooler = pooler_path(family, head).map(dense).transpose()?;
        Ok(Independent { encoder, head, pooler, output: dense(family.classifier(head))? })
    }

    /// Head outputs of one sequence: `[1, labels]`, or `[T, 2]` for spans.
    fn one(&self, input_ids: &[u32], token_type_ids: &[u32]) -> Result<Tensor, EngineError> {
        let ids = Tensor::new(input_ids, &Device::Cpu)?.unsqueeze(0)?; // [1, T]
        let segments = Tensor::new(token_type_ids, &Device::Cpu)?.unsqueeze(0)?;
        let hidden = match &self.encoder {
            Encoder::Bert(encoder) => encoder.forward(&ids, &segments, None)?,
            Encoder::Roberta(encoder) => encoder.forward(&ids, &ids.ones_like()?, &segments, None, None, None)?,
        };
        let hidden = hidden.squeeze(0)?; // [T, H]
        let dense = |x: &Tensor, layer: &(Tensor, Tensor)| x.matmul(&layer.0.t()?)?.broadcast_add(&layer.1);
        let states = match &self.pooler {
            Some(pooler) => dense(&hidden.i(..1)?, pooler)?.tanh()?,
            None => hidden,
        };
        Ok(dense(&states, &self.output)?)
    }
}

fn wrong(error: serde_json::Error) -> EngineError {
    EngineError::Weights(format!("config.json: {error}"))
}

fn none(config: &Value) -> EngineError {
    EngineError::Weights(format!("candle-transformers has nothing to compare a {} with", config["model_type"]))
}

/// Both families that are read here have a tanh after it.
fn pooler_path(family: &Family, head: Head) -> Option<&'static str> {
    family.pooler(head).filter(|pooler| pooler.activation == Activation::Tanh).and_then(|pooler| pooler.path)
}

fn encoder(config: &Value, variables: &VarBuilder) -> Result<Encoder, EngineError> {
    if config["is_decoder"] == true {
        return Err(EngineError::Weights("candle-transformers has no causal BERT to compare with".into()));
    }
    let tanh = matches!(config["hidden_act"].as_str(), Some("gelu_new" | "gelu_pytorch_tanh"));
    Ok(match config["model_type"].as_str() {
        Some("bert") => {
            let mut parsed: bert::Config = filled(config, tanh)?;
            if tanh {
                parsed.hidden_act = HiddenAct::GeluApproximate;
            }
            Encoder::Bert(BertModel::load(variables.clone(), &parsed)?)
        }
        Some("roberta" | "xlm-roberta") if !tanh => {
            let parsed: xlm_roberta::Config = filled(config, tanh)?;
            Encoder::Roberta(XLMRobertaModel::new(&parsed, variables.pp("roberta"))?)
        }
        _ => return Err(none(config)),
    })
}

/// candle-transformers has its own names for two activations, and wants fields that configs may leave out.
fn filled<T: DeserializeOwned>(config: &Value, tanh: bool) -> Result<T, EngineError> {
    let mut value = config.clone();
    if tanh {
        value["hidden_act"] = "gelu".into();
    }
    let padding = if config["model_type"] == "bert" { 0 } else { 1 };
    let usual = [
        ("pad_token_id", json!(padding)),
        ("initializer_range", json!(0.02)),
        ("position_embedding_type", json!("absolute")),
    ];
    for (field, usual) in usual {
        if value[field].is_null() {
            value[field] = usual;
        }
    }
    serde_json::from_value(value).map_err(wrong)
}

impl Predictor for Independent {
    fn predict(&self, batch: &Batch) -> Result<Prediction, EngineError> {
        let (mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for bounds in batch.cumulative_lengths.windows(2) {
            let own = bounds[0] as usize..bounds[1] as usize;
            let output = self.one(&batch.input_ids[own.clone()], &batch.token_type_ids[own])?;
            if self.head == Head::Span {
                starts.push(output.i((.., 0))?.contiguous()?.to_vec1()?);
                ends.push(output.i((.., 1))?.contiguous()?.to_vec1()?);
            } else {
                let own = if self.head == Head::Tokens { output.flatten_all()? } else { output.i(0)? };
                rows.push(own.to_vec1()?);
            }
        }
        let logits = match self.head {
            Head::Span => Logits::Span { start: starts, end: ends },
            Head::Tokens => Logits::Tokens(rows),
            _ => Logits::Sequence(rows),
        };
        Ok(Prediction { logits, loss_sum: None })
    }
}
