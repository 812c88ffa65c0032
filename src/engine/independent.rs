//! A second opinion on the forward pass: candle-transformers' own BERT and XLM-RoBERTa, which share no line with the engines
//! here. (Its DistilBERT has another GELU, and ELECTRA and ALBERT it has none.)
//!
//! It predicts one sequence at a time, without padding and without dropout. The head is three lines of plain tensors, or
//! candle-nn's LSTM and one. A state before the last is the output of the same encoder with fewer layers.

use super::{EngineError, Logits, Prediction, Predictor};
use crate::encode::Batch;
use crate::family::{self, Activation, Family};
use crate::task::{FeatureBased, Head, LSTM_LAYERS};
use candle_core::{DType, Device, IndexOp, Tensor};
use candle_nn::rnn::{Direction, LSTM, LSTMConfig, RNN};
use candle_nn::{VarBuilder, ops};
use candle_transformers::models::bert::{self, BertModel, HiddenAct};
use candle_transformers::models::xlm_roberta::{self, XLMRobertaModel};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

/// A saved model, read by candle-transformers.
pub struct Independent {
    /// One for each state that is read.
    encoders: Vec<Encoder>,
    bilstm: Option<BiLstm>,
    head: Head,
    pooler: Option<(Tensor, Tensor)>,
    output: (Tensor, Tensor),
}

enum Encoder {
    Bert(BertModel),
    Roberta(XLMRobertaModel),
}

impl Encoder {
    /// `[1, T]` to `[1, T, H]`.
    fn forward(&self, ids: &Tensor, segments: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Encoder::Bert(encoder) => encoder.forward(ids, segments, None),
            Encoder::Roberta(encoder) => encoder.forward(ids, &ids.ones_like()?, segments, None, None, None),
        }
    }
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
        let size = |field: &'static str| config[family.field(field)].as_u64().unwrap_or_default() as usize;
        let (layers, hidden) = (size("num_hidden_layers"), size("hidden_size"));
        let how = if let Head::FeatureBased(how) = head { Some(how) } else { None };
        let states = how.map_or(layers..layers + 1, |how| how.kind.states(layers));
        let encoders = states.map(|layers| encoder(&config, layers, &variables)).collect::<Result<_, _>>()?;
        let bilstm = match how {
            Some(how) => Some(BiLstm::over_features(how, (layers, hidden), &variables)?),
            None => BiLstm::under_the_head(hidden, &variables)?,
        };
        let dense = |path: &str| -> Result<(Tensor, Tensor), EngineError> {
            let bias = variables.get_unchecked(&format!("{path}.bias"))?;
            Ok((variables.get_unchecked(&format!("{path}.weight"))?, bias))
        };
        let pooler = pooler_path(family, head).map(dense).transpose()?;
        Ok(Independent { encoders, bilstm, head, pooler, output: dense(family.classifier(head))? })
    }

    /// Head outputs of one sequence: `[1, labels]`, or `[T, 2]` for spans.
    fn one(&self, input_ids: &[u32], token_type_ids: &[u32]) -> Result<Tensor, EngineError> {
        let ids = Tensor::new(input_ids, &Device::Cpu)?.unsqueeze(0)?; // [1, T]
        let segments = Tensor::new(token_type_ids, &Device::Cpu)?.unsqueeze(0)?;
        let state = |encoder: &Encoder| encoder.forward(&ids, &segments);
        let states = self.encoders.iter().map(state).collect::<Result<Vec<_>, _>>()?; // [1, T, H] each
        let hidden = match &self.bilstm {
            Some(bilstm) => bilstm.forward(&states)?.squeeze(0)?, // [T, 2 R]
            None => Tensor::cat(&states, 2)?.squeeze(0)?,         // [T, H]
        };
        let dense = |x: &Tensor, layer: &(Tensor, Tensor)| x.matmul(&layer.0.t()?)?.broadcast_add(&layer.1);
        let states = match &self.pooler {
            Some(pooler) => dense(&self.whole_sequence(&hidden)?, pooler)?.tanh()?,
            None => hidden,
        };
        Ok(dense(&states, &self.output)?)
    }

    /// What a pooler reads of `[T, H]`: the first token, or of a BiLSTM both directions' states at their ends, `[1, H]`.
    fn whole_sequence(&self, hidden: &Tensor) -> Result<Tensor, EngineError> {
        if self.bilstm.is_none() {
            return Ok(hidden.i(..1)?);
        }
        let (tokens, width) = hidden.dims2()?;
        let (ahead, back) = (hidden.i((tokens - 1.., ..width / 2))?, hidden.i((..1, width / 2..))?);
        Ok(Tensor::cat(&[ahead, back], 1)?)
    }
}

/// candle-nn's LSTM in both directions, and what is read of the states.
struct BiLstm {
    mix: Option<(Tensor, Tensor)>,
    layers: Vec<[LSTM; 2]>,
}

impl BiLstm {
    fn over_features(
        how: FeatureBased,
        (encoder_layers, hidden): (usize, usize),
        variables: &VarBuilder,
    ) -> Result<BiLstm, EngineError> {
        let inputs = |layer: usize| (how.inputs(layer, encoder_layers, hidden), how.lstm_hidden_size);
        let layers = (0..LSTM_LAYERS).map(|at| layer(at, inputs(at), variables)).collect::<Result<_, _>>()?;
        let states = how.kind.states(encoder_layers).len();
        let mix = || Ok::<_, EngineError>((variables.get(states, "mix.weights")?, variables.get(1, "mix.scale")?));
        Ok(BiLstm { mix: if how.kind.is_weighted() { Some(mix()?) } else { None }, layers })
    }

    /// That of a fine-tuned encoder, where its file has one.
    fn under_the_head(hidden: usize, variables: &VarBuilder) -> Result<Option<BiLstm>, EngineError> {
        let there = |at: &usize| variables.contains_tensor(&format!("lstm.weight_ih_l{at}"));
        let layers = (0..).take_while(there).map(|at| layer(at, (hidden, hidden / 2), variables));
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        Ok(if layers.is_empty() { None } else { Some(BiLstm { mix: None, layers }) })
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

/// Both directions of a layer.
fn layer(at: usize, (inputs, units): (usize, usize), variables: &VarBuilder) -> Result<[LSTM; 2], candle_core::Error> {
    let one = |direction: Direction| {
        let config = LSTMConfig { layer_idx: at, direction, ..LSTMConfig::default() };
        LSTM::new(inputs, units, config, variables.pp("lstm"))
    };
    Ok([one(Direction::Forward)?, one(Direction::Backward)?])
}

/// The same from the last token to the first.
fn turned(x: &Tensor) -> Result<Tensor, EngineError> {
    let count = x.dim(1)? as u32;
    Ok(x.index_select(&Tensor::from_iter((0..count).rev(), &Device::Cpu)?, 1)?)
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

/// The encoder with its first so many layers.
fn encoder(config: &Value, layers: usize, variables: &VarBuilder) -> Result<Encoder, EngineError> {
    let config = &with_layers(config, layers);
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

fn with_layers(config: &Value, layers: usize) -> Value {
    let mut config = config.clone();
    config["num_hidden_layers"] = layers.into();
    config
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
