//! A second opinion on the forward pass: candle-transformers' own BERT, which shares no line with the engines here.
//!
//! It predicts one sequence at a time, without padding and without dropout. The head is three lines of plain tensors, or
//! candle-nn's LSTM and one. A state before the last is the output of the same encoder with fewer layers.

use super::{EngineError, Logits, Prediction, Predictor};
use crate::encode::Batch;
use crate::task::{FeatureBased, Head, LSTM_LAYERS};
use candle_core::{DType, Device, IndexOp, Tensor};
use candle_nn::rnn::{Direction, LSTM, LSTMConfig, RNN};
use candle_nn::{VarBuilder, ops};
use candle_transformers::models::bert::{BertModel, Config, HiddenAct};
use std::path::Path;

/// A saved model, read by candle-transformers.
pub struct Independent {
    /// One for each state that is read.
    encoders: Vec<BertModel>,
    bilstm: Option<BiLstm>,
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
        let variables = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let (hidden, layers) = (config.hidden_size, config.num_hidden_layers);
        let (path, pooled) = (if head == Head::Span { "qa_outputs" } else { "classifier" }, head.pools());
        let bias = variables.get_unchecked(&format!("{path}.bias"))?;
        let (inputs, states) = match head {
            Head::FeatureBased(how) => (how.outputs(), how.kind.states(layers)),
            _ => (hidden, layers..layers + 1),
        };
        let weight = variables.get((bias.elem_count(), inputs), &format!("{path}.weight"))?;
        let bilstm = match head {
            Head::FeatureBased(how) => Some(BiLstm::read(how, &config, &variables)?),
            _ => None,
        };
        let encoder =
            |layers: usize| BertModel::load(variables.clone(), &Config { num_hidden_layers: layers, ..config.clone() });
        let encoders = states.map(encoder).collect::<Result<Vec<_>, _>>()?;
        let pooler = |name: &str, shape: &[usize]| variables.get(shape, &format!("bert.pooler.dense.{name}"));
        let pooler =
            if pooled { Some((pooler("weight", &[hidden, hidden])?, pooler("bias", &[hidden])?)) } else { None };
        Ok(Independent { encoders, bilstm, head, pooler, output: (weight, bias) })
    }

    /// Head outputs of one sequence: `[1, labels]`, or `[T, 2]` for spans.
    fn one(&self, input_ids: &[u32], token_type_ids: &[u32]) -> Result<Tensor, EngineError> {
        let ids = Tensor::new(input_ids, &Device::Cpu)?.unsqueeze(0)?; // [1, T]
        let segments = Tensor::new(token_type_ids, &Device::Cpu)?.unsqueeze(0)?;
        let state = |encoder: &BertModel| encoder.forward(&ids, &segments, None);
        let states = self.encoders.iter().map(state).collect::<Result<Vec<_>, _>>()?; // [1, T, H] each
        let hidden = match &self.bilstm {
            Some(bilstm) => bilstm.forward(&states)?.squeeze(0)?, // [T, 2 R]
            None => Tensor::cat(&states, 2)?.squeeze(0)?,         // [T, H]
        };
        let dense = |x: &Tensor, layer: &(Tensor, Tensor)| x.matmul(&layer.0.t()?)?.broadcast_add(&layer.1);
        let states = match &self.pooler {
            Some(pooler) => dense(&hidden.i(..1)?, pooler)?.tanh()?,
            None => hidden,
        };
        Ok(dense(&states, &self.output)?)
    }
}

/// candle-nn's LSTM in both directions, and what is read of the states.
struct BiLstm {
    mix: Option<(Tensor, Tensor)>,
    layers: Vec<[LSTM; 2]>,
}

impl BiLstm {
    fn read(how: FeatureBased, config: &Config, variables: &VarBuilder) -> Result<BiLstm, EngineError> {
        let (encoder_layers, hidden) = (config.num_hidden_layers, config.hidden_size);
        let direction = |layer: usize, direction: Direction| {
            let inputs = how.inputs(layer, encoder_layers, hidden);
            let config = LSTMConfig { layer_idx: layer, direction, ..LSTMConfig::default() };
            LSTM::new(inputs, how.lstm_hidden_size, config, variables.pp("lstm"))
        };
        let layer =
            |at: usize| Ok::<_, EngineError>([direction(at, Direction::Forward)?, direction(at, Direction::Backward)?]);
        let layers = (0..LSTM_LAYERS).map(layer).collect::<Result<Vec<_>, _>>()?;
        let states = how.kind.states(encoder_layers).len();
        let mix = || Ok::<_, EngineError>((variables.get(states, "mix.weights")?, variables.get(1, "mix.scale")?));
        Ok(BiLstm { mix: if how.kind.is_weighted() { Some(mix()?) } else { None }, layers })
    }

    /// `[1, T, H]` of each state to `[1, T, 2 R]`.
    fn forward(&self, states: &[Tensor]) -> Result<Tensor, EngineError> {
        let mut x = match &self.mix {
            None => Tensor::cat(states, 2)?,
            Some((weights, gamma)) => {
                let shares = ops::softmax(weights, 0)?.to_vec1::<f32>()?;
                let mut sum = states[0].zeros_like()?;
                for (state, share) in states.iter().zip(shares) {
                    sum = (sum + (state * f64::from(share))?)?;
                }
                sum.broadcast_mul(gamma)?
            }
        };
        for [forward, backward] in &self.layers {
            let ahead = forward.states_to_tensor(&forward.seq(&x)?)?;
            let back = backward.states_to_tensor(&backward.seq(&turned(&x)?)?)?;
            x = Tensor::cat(&[ahead, turned(&back)?], 2)?;
        }
        Ok(x)
    }
}

/// The same from the last token to the first.
fn turned(x: &Tensor) -> Result<Tensor, EngineError> {
    let count = x.dim(1)? as u32;
    Ok(x.index_select(&Tensor::from_iter((0..count).rev(), &Device::Cpu)?, 1)?)
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
                let own = if self.head.reads_every_token() { output.flatten_all()? } else { output.i(0)? };
                rows.push(own.to_vec1()?);
            }
        }
        let logits = match self.head {
            Head::Span => Logits::Span { start: starts, end: ends },
            Head::Tokens | Head::FeatureBased(_) => Logits::Tokens(rows),
            _ => Logits::Sequence(rows),
        };
        Ok(Prediction { logits, loss_sum: None })
    }
}
