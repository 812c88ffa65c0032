//! ALBERT against plain loops in double precision: no golden case exists for it. The forward pass below shares nothing with
//! the engines and follows Lan et al. 2020 (Section 3.1) and modeling_albert.py of transformers; the gradients are central
//! differences of its loss.
//!
//! Differences with a step of 1e-5 are good to about 1e-9 in double precision. The engines compute in 32 bits: 1e-5 of the
//! largest logit, and 1e-4 of a gradient's norm, are the limits of the golden data.

use repro::encode::{Batch, Targets};
use repro::engine::weights::{Initialization, starting_values};
use repro::engine::{self, Logits, NamedArray, Precision, Processor, StepPart};
use repro::family::{EncoderConfig, parameters};
use repro::plan::EngineKind;
use repro::task::Head;
use std::collections::BTreeMap;

const EMBEDDING: usize = 5;
const HIDDEN: usize = 8;
const HEADS: usize = 2;
const WIDE: usize = 12;
const LAYERS: usize = 3;
const LABELS: usize = 3;
const EPSILON: f64 = 1e-12;

/// Ids, segments and class of a sequence.
type Row = (&'static [usize], &'static [usize], usize);

const ROWS: [Row; 2] = [(&[2, 7, 3], &[0, 0, 0], 1), (&[2, 4, 9, 3, 6], &[0, 0, 0, 1, 1], 2)];

const LAYER: &str = "albert.encoder.albert_layer_groups.0.albert_layers.0";

fn config() -> EncoderConfig {
    let text = format!(
        r#"{{"model_type": "albert", "vocab_size": 11, "embedding_size": {EMBEDDING}, "hidden_size": {HIDDEN},
            "num_hidden_layers": {LAYERS}, "num_attention_heads": {HEADS}, "intermediate_size": {WIDE},
            "hidden_act": "gelu_new", "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0,
            "classifier_dropout_prob": 0, "max_position_embeddings": 9, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
            "num_hidden_groups": 1, "inner_group_num": 1, "net_structure_type": 0, "gap_size": 0}}"#
    );
    EncoderConfig::parse(&text).unwrap()
}

/// Weights large enough that every part of the model matters.
fn start(config: &EncoderConfig) -> Vec<NamedArray> {
    let how = Initialization { seed: 5, initializer_range: 0.4, truncated_normal: false };
    let mut values = starting_values(&parameters(config, Head::Classification, LABELS), BTreeMap::new(), &how);
    for (site, array) in values.iter_mut().enumerate() {
        let noise = |at: usize| 0.1 * ((site * 31 + at * 17) as f32).sin();
        array.values.iter_mut().enumerate().for_each(|(at, value)| *value += noise(at));
    }
    values
}

fn batch() -> Batch {
    Batch {
        input_ids: ROWS.iter().flat_map(|row| row.0).map(|id| *id as u32).collect(),
        token_type_ids: ROWS.iter().flat_map(|row| row.1).map(|id| *id as u32).collect(),
        cumulative_lengths: vec![0, 3, 8],
        together: 1,
        contexts: Vec::new(),
        targets: Targets::Classes(ROWS.iter().map(|row| row.2 as u32).collect()),
    }
}

pub type Weights = BTreeMap<String, Vec<f64>>;
type Rows = Vec<Vec<f64>>;

/// The model, one sequence at a time.
struct Plain<'a>(&'a Weights);

impl Plain<'_> {
    fn row(&self, name: &str, row: usize, width: usize) -> Vec<f64> {
        self.0[name][row * width..][..width].to_vec()
    }

    fn dense(&self, path: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (&self.0[&format!("{path}.weight")], &self.0[&format!("{path}.bias")]);
        let dot = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        weight.chunks(x.len()).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
    }

    fn norm(&self, path: &str, x: &[f64]) -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let (weight, bias) = (&self.0[&format!("{path}.weight")], &self.0[&format!("{path}.bias")]);
        let one = |((x, w), b): ((&f64, &f64), &f64)| (x - mean) / (variance + EPSILON).sqrt() * w + b;
        x.iter().zip(weight).zip(bias).map(one).collect()
    }

    fn embed(&self, id: usize, position: usize, segment: usize) -> Vec<f64> {
        let path = "albert.embeddings";
        let words = self.row(&format!("{path}.word_embeddings.weight"), id, EMBEDDING);
        let positions = self.row(&format!("{path}.position_embeddings.weight"), position, EMBEDDING);
        let segments = self.row(&format!("{path}.token_type_embeddings.weight"), segment, EMBEDDING);
        let sum: Vec<f64> = (0..EMBEDDING).map(|at| words[at] + positions[at] + segments[at]).collect();
        self.dense("albert.encoder.embedding_hidden_mapping_in", &self.norm(&format!("{path}.LayerNorm"), &sum))
    }

    fn attend(&self, x: &Rows) -> Rows {
        let size = HIDDEN / HEADS;
        let projected = |name: &str| -> Rows {
            x.iter().map(|row| self.dense(&format!("{LAYER}.attention.{name}"), row)).collect()
        };
        let (query, key, value) = (projected("query"), projected("key"), projected("value"));
        let mut context = vec![vec![0.0; HIDDEN]; x.len()];
        for head in 0..HEADS {
            let own = head * size..(head + 1) * size;
            for (i, context) in context.iter_mut().enumerate() {
                let dot = |key: &Vec<f64>| own.clone().map(|d| query[i][d] * key[d]).sum::<f64>();
                let exponentials: Vec<f64> = key.iter().map(|key| (dot(key) / (size as f64).sqrt()).exp()).collect();
                let sum: f64 = exponentials.iter().sum();
                for (exponential, value) in exponentials.iter().zip(&value) {
                    own.clone().for_each(|d| context[d] += exponential / sum * value[d]);
                }
            }
        }
        context
    }

    fn layer(&self, x: &Rows) -> Rows {
        let add = |a: Vec<f64>, b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
        let one = |(context, x): (&Vec<f64>, &Vec<f64>)| {
            let output = add(self.dense(&format!("{LAYER}.attention.dense"), context), x);
            let attended = self.norm(&format!("{LAYER}.attention.LayerNorm"), &output);
            let wide: Vec<f64> = self.dense(&format!("{LAYER}.ffn"), &attended).into_iter().map(gelu_new).collect();
            let output = add(self.dense(&format!("{LAYER}.ffn_output"), &wide), &attended);
            self.norm(&format!("{LAYER}.full_layer_layer_norm"), &output)
        };
        self.attend(x).iter().zip(x).map(one).collect()
    }

    fn logits(&self, (ids, segments, _): &Row) -> Vec<f64> {
        let embed = |(position, (id, segment)): (usize, (&usize, &usize))| self.embed(*id, position, *segment);
        let mut x: Rows = ids.iter().zip(*segments).enumerate().map(embed).collect();
        for _ in 0..LAYERS {
            x = self.layer(&x);
        }
        let pooled: Vec<f64> = self.dense("albert.pooler", &x[0]).into_iter().map(f64::tanh).collect();
        self.dense("classifier", &pooled)
    }

    /// Mean cross entropy.
    fn loss(&self) -> f64 {
        let one = |row| {
            let logits = self.logits(row);
            logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[row.2]
        };
        ROWS.iter().map(one).sum::<f64>() / ROWS.len() as f64
    }
}

fn gelu_new(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
}

/// The central difference of a loss by one value.
pub fn difference(weights: &mut Weights, name: &str, at: usize, loss: impl Fn(&Weights) -> f64) -> f64 {
    let own = weights[name][at];
    let mut loss_at = |value: f64| {
        weights.get_mut(name).unwrap()[at] = value;
        loss(weights)
    };
    let difference = (loss_at(own + 1e-5) - loss_at(own - 1e-5)) / 2e-5;
    weights.get_mut(name).unwrap()[at] = own;
    difference
}

pub fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn both_engines_follow_plain_loops() {
    let (config, batch) = (config(), batch());
    let values = start(&config);
    let wide = |array: &NamedArray| (array.name.clone(), array.values.iter().map(|v| f64::from(*v)).collect());
    let mut weights: Weights = values.iter().map(wide).collect();
    let processor = Processor::Cpu { threads: 2, precision: Precision::F32 };
    for kind in EngineKind::ALL {
        let create =
            || engine::create(kind, config.clone(), Head::Classification, LABELS, values.clone(), &processor).unwrap();
        let Logits::Sequence(logits) = create().predict(&batch).unwrap().logits else { unreachable!() };
        for (row, found) in ROWS.iter().zip(&logits) {
            let expected = Plain(&weights).logits(row);
            let largest = expected.iter().fold(0.0f64, |largest, logit| largest.max(logit.abs()));
            let near = |(found, expected): (&f32, &f64)| (f64::from(*found) - expected).abs() < 1e-5 * largest;
            assert!(found.iter().zip(&expected).all(near), "{kind:?}: {found:?}, expected {expected:?}");
        }
        let mut engine = create();
        engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
        assert!((engine.loss().unwrap() - Plain(&weights).loss()).abs() < 1e-5);
        for gradient in engine.gradients().unwrap() {
            let name = &gradient.name;
            let expected: Vec<f64> = (0..gradient.values.len())
                .map(|at| difference(&mut weights, name, at, |weights| Plain(weights).loss()))
                .collect();
            let off = norm(gradient.values.iter().zip(&expected).map(|(found, e)| f64::from(*found) - e));
            // A key's bias never changes the loss: its gradient is rounding noise.
            let limit = if name.ends_with("key.bias") { 1e-5 } else { 1e-4 * norm(expected.into_iter()) };
            assert!(off < limit, "{kind:?}: gradient of {name} off by {off:e}, limit {limit:e}");
        }
    }
}
