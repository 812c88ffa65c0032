//! A second opinion on the forward pass: candle-transformers' own BERT, which shares no line with the engines here.
//!
//! It predicts one sequence at a time, without padding and without dropout. The head is three lines of plain tensors.

use super::{EngineError, Logits, Prediction, Predictor};
use crate::encode::Batch;
use crate::task::Head;
use candle_core::{DType, Device, IndexOp, Tensor};
use candle_transformers::models::bert::{BertModel, Config, HiddenAct};
use std::path::Path;

/// A saved model, read by candle-transformers.
pub struct Independent {
    encoder: BertModel,
    head: Head,
    pooler: Option<(Tensor, Tensor)>,
    output: (Tensor, Tensor),
}

impl Independent {
    /// Reads a model folder: `config.json` and `model.safetensors` with Hugging Face's names.
    ///
    /// # Errors
    /// Files that are absent, or not of a BERT with that head.
    pub fn read(folder: &Path, head: Head) -> Result<Independent, EngineError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| EngineError::Weights(format!("{}: {error}", path.display())))
        };
        let config = config(&read("config.json")?)?;
        let weights = read("model.safetensors")?;
        let variables = candle_nn::VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let hidden = config.hidden_size;
        let (path, pooled) = (if head == Head::Span { "qa_outputs" } else { "classifier" }, head.pools());
        let bias = variables.get_unchecked(&format!("{path}.bias"))?;
        let weight = variables.get((bias.elem_count(), hidden), &format!("{path}.weight"))?;
        let pooler = |name: &str, shape: &[usize]| variables.get(shape, &format!("bert.pooler.dense.{name}"));
        let pooler =
            if pooled { Some((pooler("weight", &[hidden, hidden])?, pooler("bias", &[hidden])?)) } else { None };
        Ok(Independent { encoder: BertModel::load(variables, &config)?, head, pooler, output: (weight, bias) })
    }

    /// Head outputs of one sequence: `[1, labels]`, or `[T, 2]` for spans.
    fn one(&self, input_ids: &[u32], token_type_ids: &[u32]) -> Result<Tensor, EngineError> {
        let ids = Tensor::new(input_ids, &Device::Cpu)?.unsqueeze(0)?; // [1, T]
        let segments = Tensor::new(token_type_ids, &Device::Cpu)?.unsqueeze(0)?;
        let hidden = self.encoder.forward(&ids, &segments, None)?.squeeze(0)?; // [T, H]
        let dense = |x: &Tensor, layer: &(Tensor, Tensor)| x.matmul(&layer.0.t()?)?.broadcast_add(&layer.1);
        let states = match &self.pooler {
            Some(pooler) => dense(&hidden.i(..1)?, pooler)?.tanh()?,
            None => hidden,
        };
        Ok(dense(&states, &self.output)?)
    }
}

/// candle-transformers has its own names for two activations, and wants a padding id.
fn config(text: &[u8]) -> Result<Config, EngineError> {
    let wrong = |error: serde_json::Error| EngineError::Weights(format!("config.json: {error}"));
    let mut value: serde_json::Value = serde_json::from_slice(text).map_err(wrong)?;
    let tanh = matches!(value["hidden_act"].as_str(), Some("gelu_new" | "gelu_pytorch_tanh"));
    if tanh {
        value["hidden_act"] = "gelu".into();
    }
    for (field, usual) in [("pad_token_id", serde_json::json!(0)), ("initializer_range", serde_json::json!(0.02))] {
        if value[field].is_null() {
            value[field] = usual;
        }
    }
    if value["is_decoder"] == true {
        return Err(EngineError::Weights("candle-transformers has no causal BERT to compare with".into()));
    }
    let mut config: Config = serde_json::from_value(value).map_err(wrong)?;
    if tanh {
        config.hidden_act = HiddenAct::GeluApproximate;
    }
    Ok(config)
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
