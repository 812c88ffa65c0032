//! `models/`: tiny random models against transformers: hidden states, logits, loss, every gradient, and five optimizer
//! steps of three kinds; both engines (hidden states on the reference engine alone). Tolerances are those of the golden
//! data's README; the reference itself is within a tenth of them of double precision.

use crate::golden;
use repro::encode::{Batch, Targets, UNLABELLED};
use repro::engine::reference::Reference;
use repro::engine::weights::{HeadSource, load};
use repro::engine::{self, Engine, Logits, NamedArray, Precision, Processor, StepPart, Update};
use repro::family::{EncoderConfig, Parameter, parameters};
use repro::plan::EngineKind;
use repro::task::Head;
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn models_match_transformers() {
    let mut folders: Vec<_> = match std::fs::read_dir(golden().join("models")) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => return println!("models: skipped, no such folder"),
    };
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().to_string();
        Case::open(&folder).check();
        println!("models/{name}: passed");
    }
}

struct Case {
    name: String,
    config: EncoderConfig,
    head: Head,
    num_labels: usize,
    start: Vec<NamedArray>,
    arrays: BTreeMap<String, Arrays>,
    expected: Value,
}

type Arrays = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

/// Every tensor of a file as doubles (exact for the types used here).
fn read_arrays(path: &Path) -> Arrays {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |view: &safetensors::tensor::TensorView| -> Vec<f64> {
        match view.dtype() {
            safetensors::Dtype::F32 => {
                view.data().chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            safetensors::Dtype::I64 => {
                view.data().chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    file.tensors().iter().map(|(name, view)| (name.clone(), (view.shape().to_vec(), values(view)))).collect()
}

impl Case {
    fn open(folder: &Path) -> Case {
        let expected: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
        let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let labels = serde_json::from_str::<Value>(&text).unwrap()["num_labels"].as_u64().unwrap() as usize;
        let head = match expected["class"].as_str().unwrap().split_once("For").unwrap().1 {
            "SequenceClassification" if labels == 1 => Head::Regression,
            "SequenceClassification" => Head::Classification,
            "QuestionAnswering" | "QuestionAnsweringSimple" => Head::Span,
            "TokenClassification" => Head::Tokens,
            "PreTraining" => Head::Pretraining,
            other => panic!("{}: a class for {other}", folder.display()),
        };
        let config = EncoderConfig::parse(&text).unwrap();
        let parameters = parameters(&config, head, labels);
        let weights = [folder.join("model.safetensors")];
        let loaded = load(&weights, config.family, &parameters, HeadSource::Checkpoint).unwrap();
        let start = parameters.iter().map(|parameter| loaded.arrays[&parameter.name].clone()).collect();
        let files = ["batches", "forward", "grads", "final_adamw", "final_bertadam"];
        let read = |file: &&str| (file.to_string(), read_arrays(&folder.join(format!("{file}.safetensors"))));
        let arrays = files.iter().map(read).collect();
        let name = folder.file_name().unwrap().to_string_lossy().to_string();
        Case { name, config, head, num_labels: labels, start, arrays, expected }
    }

    fn engine(&self, kind: EngineKind) -> Box<dyn Engine> {
        engine::create(
            kind,
            self.config.clone(),
            self.head,
            self.num_labels,
            self.start.clone(),
            &Processor::Cpu { threads: 2, precision: Precision::F32 },
        )
        .unwrap()
    }

    fn check(&self) {
        self.decay();
        self.hidden_states();
        for engine in EngineKind::ALL {
            self.forward(engine);
            self.gradients(engine);
            for optimizer in ["adamw", "bertadam", "adamw_loose_clip"] {
                self.training(engine, optimizer);
            }
            self.extra_losses(engine);
        }
    }

    /// README: torch optimizers do not decay what gets no gradient.
    fn decay(&self) {
        let without = names(&self.expected["parameters_without_gradient"]);
        let mut expected = names(&self.expected["decay"]);
        expected.retain(|name| !without.contains(name));
        let decaying = parameters(&self.config, self.head, self.num_labels).into_iter().filter(Parameter::decays);
        let mut found: Vec<String> = decaying.map(|parameter| parameter.name).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{}: parameters that decay", self.name);
    }

    /// The rows of a step, packed: padding is left out.
    fn batch(&self, step: usize) -> Batch {
        let batches = &self.arrays["batches"];
        let column = |name: &str| &batches[&format!("step{step}.{name}")];
        let (shape, mask) = column("attention_mask");
        let keep = |name: &str| -> Vec<u32> {
            column(name).1.iter().zip(mask).filter(|(_, kept)| **kept == 1.0).map(|(id, _)| *id as u32).collect()
        };
        let mut cumulative_lengths = vec![0];
        for row in mask.chunks(shape[1]) {
            cumulative_lengths.push(cumulative_lengths.last().unwrap() + row.iter().sum::<f64>() as u32);
        }
        let whole = |name: &str| column(name).1.iter().map(|value| *value as u32).collect::<Vec<u32>>();
        let targets = match self.head {
            Head::Classification => Targets::Classes(whole("labels")),
            Head::Regression => Targets::Values(column("labels").1.iter().map(|value| *value as f32).collect()),
            Head::Span => {
                let place = |name: &str| self.places(step, &column(name).1);
                Targets::Spans(place("start_positions").into_iter().zip(place("end_positions")).collect())
            }
            Head::Tokens => Targets::Tokens(self.labels(step).into_iter().map(|l| l.unwrap_or(UNLABELLED)).collect()),
            Head::Pretraining => {
                let words = (0..).zip(self.labels(step)).filter_map(|(token, word)| Some((token, word?))).collect();
                Targets::Masked { words, next: whole("next_sentence_label") }
            }
            Head::BeamSpan | Head::Choice | Head::FeatureBased(_) => unreachable!("no case has this head"),
        };
        let input_ids = keep("input_ids");
        let segments = batches.contains_key(&format!("step{step}.token_type_ids"));
        let token_type_ids = if segments { keep("token_type_ids") } else { vec![0; input_ids.len()] };
        Batch { input_ids, token_type_ids, cumulative_lengths, together: 1, contexts: Vec::new(), targets }
    }

    /// Positions that count from the beginning of a row, as those of its sequence: XLNet's rows are padded on the left.
    fn places(&self, step: usize, positions: &[f64]) -> Vec<u32> {
        let (shape, mask) = &self.arrays["batches"][&format!("step{step}.attention_mask")];
        let padding = |row: &[f64]| row.iter().take_while(|kept| **kept == 0.0).count();
        positions.iter().zip(mask.chunks(shape[1])).map(|(at, row)| *at as u32 - padding(row) as u32).collect()
    }

    /// The labels of a step's tokens, without padding; -100 is none.
    fn labels(&self, step: usize) -> Vec<Option<u32>> {
        let batches = &self.arrays["batches"];
        let column = |name: &str| &batches[&format!("step{step}.{name}")].1;
        let real = column("labels").iter().zip(column("attention_mask")).filter(|(_, kept)| **kept == 1.0);
        real.map(|(label, _)| (*label >= 0.0).then_some(*label as u32)).collect()
    }

    fn hidden_states(&self) {
        let (config, start) = (self.config.clone(), self.start.clone());
        let engine = Reference::new(config, self.head, self.num_labels, start).unwrap();
        let batch = self.batch(0);
        let forward = &self.arrays["forward"];
        let mask = &self.arrays["batches"]["step0.attention_mask"].1;
        for (layer, states) in engine.hidden_states(&batch).unwrap().iter().enumerate() {
            let (shape, expected) = &forward[&format!("hidden_states.{layer}")];
            let expected: Vec<&[f64]> =
                expected.chunks(shape[2]).zip(mask).filter(|(_, kept)| **kept == 1.0).map(|(row, _)| row).collect();
            self.near(&format!("hidden state {layer}"), &flat(states), &expected.concat());
        }
    }

    fn forward(&self, kind: EngineKind) {
        let (batch, forward) = (self.batch(0), &self.arrays["forward"]);
        let prediction = self.engine(kind).predict(&batch).unwrap();
        match prediction.logits {
            Logits::Sequence(logits) => self.near("logits", &flat(&logits), &forward["logits"].1),
            Logits::Span { start, end } => {
                self.near("start", &flat(&start), &self.real(&forward["start_logits"].1));
                self.near("end", &flat(&end), &self.real(&forward["end_logits"].1));
            }
            Logits::Beams(_) => unreachable!("no case has this head"),
            Logits::Tokens(logits) => self.near("logits", &flat(&logits), &self.rows(&forward["logits"], |_| true)),
            Logits::Masked { words, next } => {
                let labels = self.labels(0);
                let expected = self.rows(&forward["prediction_logits"], |token| labels[token].is_some());
                self.near("words", &flat(&words), &expected);
                self.near("next sentence", &flat(&next), &forward["seq_relationship_logits"].1);
            }
        }
        let terms = if self.head == Head::Tokens { batch.targets.labelled() } else { batch.len() };
        let loss = prediction.loss_sum.unwrap() / terms as f64;
        self.close("loss", loss, self.expected["loss"].as_f64().unwrap(), 1e-5);
    }

    /// The rows of real tokens, by their number among those.
    fn rows(&self, (shape, cells): &(Vec<usize>, Vec<f64>), wanted: impl Fn(usize) -> bool) -> Vec<f64> {
        let mask = &self.arrays["batches"]["step0.attention_mask"].1;
        let real = cells.chunks(shape[2]).zip(mask).filter(|(_, kept)| **kept == 1.0).map(|(row, _)| row);
        real.enumerate().filter(|(token, _)| wanted(*token)).flat_map(|(_, row)| row.to_vec()).collect()
    }

    fn real(&self, cells: &[f64]) -> Vec<f64> {
        let mask = &self.arrays["batches"]["step0.attention_mask"].1;
        cells.iter().zip(mask).filter(|(_, kept)| **kept == 1.0).map(|(value, _)| *value).collect()
    }

    fn gradients(&self, kind: EngineKind) {
        let (mut engine, batch) = (self.engine(kind), self.batch(0));
        engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
        let zero = names(&self.expected["gradients_zero_in_exact_arithmetic"]);
        let found = engine.gradients().unwrap();
        let without = names(&self.expected["parameters_without_gradient"]);
        // What is carried along and never trained has none here, and none there.
        let parameters = parameters(&self.config, self.head, self.num_labels);
        let frozen: Vec<String> = parameters.iter().filter(|one| one.frozen).map(|one| one.name.clone()).collect();
        assert!(frozen.iter().all(|name| without.contains(name)), "{}: {frozen:?}", self.name);
        let mut expected: Vec<String> = names(&self.expected["parameters"]);
        expected.retain(|name| !frozen.contains(name));
        assert_eq!(found.len(), expected.len(), "{}: number of parameters", self.name);
        assert!(found.iter().all(|gradient| expected.contains(&gradient.name)), "{}", self.name);
        for gradient in found {
            if without.contains(&gradient.name) {
                assert!(gradient.values.iter().all(|value| *value == 0.0), "{}: {}", self.name, gradient.name);
                continue;
            }
            let expected = &self.arrays["grads"][&gradient.name].1;
            let found: Vec<f64> = gradient.values.iter().map(|value| f64::from(*value)).collect();
            if zero.contains(&gradient.name) {
                assert!(found.iter().all(|value| value.abs() < 1e-5), "{}: {}", self.name, gradient.name);
                continue;
            }
            let difference: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
            let relative = norm(&difference) / norm(expected);
            assert!(norm(&found) > 0.0, "{}: {} has no gradient", self.name, gradient.name);
            assert!(relative < 1e-4, "{}: gradient of {}: {relative:e}", self.name, gradient.name);
        }
    }

    fn training(&self, engine: EngineKind, kind: &str) {
        let mut engine = self.engine(engine);
        let (hyper, training) = (&self.expected["hyperparameters"], &self.expected["training"][kind]);
        let value = |name: &str| hyper[name].as_f64().unwrap();
        let max_grad_norm = training["max_grad_norm"].as_f64().unwrap_or(value("max_grad_norm"));
        for (step, expected) in training["steps"].as_array().unwrap().iter().enumerate() {
            let batch = self.batch(step);
            engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
            let loss = engine.loss().unwrap();
            let update = Update {
                step: step as u64,
                learning_rate: expected["lr"].as_f64().unwrap(),
                bias_correction: kind != "bertadam",
                beta1: hyper["betas"][0].as_f64().unwrap(),
                beta2: hyper["betas"][1].as_f64().unwrap(),
                epsilon: value("eps"),
                weight_decay: value("weight_decay"),
                max_grad_norm,
            };
            let grad_norm = engine.update(&update).unwrap();
            let place = format!("{kind}, step {step}");
            self.close(&format!("{place}: loss"), loss, expected["loss"].as_f64().unwrap(), 1e-4);
            self.close(&format!("{place}: norm"), grad_norm, expected["grad_norm"].as_f64().unwrap(), 1e-4);
            self.checksums(&place, engine.as_ref(), &expected["params"]);
        }
        self.final_weights(kind, engine.as_ref());
    }

    fn checksums(&self, place: &str, engine: &dyn Engine, expected: &Value) {
        for array in engine.parameters().unwrap() {
            let values: Vec<f64> = array.values.iter().map(|value| f64::from(*value)).collect();
            let (sum, l2) = (&expected[&array.name][0], &expected[&array.name][1]);
            let l2 = l2.as_f64().unwrap();
            let difference = (values.iter().sum::<f64>() - sum.as_f64().unwrap()).abs();
            // A parameter whose exact gradient is zero moves by Adam's quotient of rounding noise: README's limit for
            // its final weights is ten times the others', and so it is for its sum.
            let limit = if self.holds_zeros(&array.name) { 1e-3 } else { 1e-4 };
            assert!(difference < limit * l2.max(1.0), "{}: {place}: sum of {}", self.name, array.name);
            // A zero-initialised bias whose exact gradient is zero stays at rounding noise: nothing to be relative to.
            if l2 > 1e-3 {
                let limit = if self.holds_zeros(&array.name) { 1e-3 } else { 1e-5 };
                self.close(&format!("{place}: norm of {}", array.name), norm(&values), l2, limit);
            }
        }
    }

    fn is_zero(&self, name: &String) -> bool {
        names(&self.expected["gradients_zero_in_exact_arithmetic"]).contains(name)
    }

    /// Whether the gradient of some values is exactly zero: a third of a fused bias is the keys', which never changes the
    /// loss. Where they are a parameter of their own, the golden data list it among those of gradient zero.
    fn holds_zeros(&self, name: &String) -> bool {
        self.is_zero(name) || is_fused_bias(name)
    }

    fn final_weights(&self, kind: &str, engine: &dyn Engine) {
        let Some(expected) = self.arrays.get(&format!("final_{kind}")) else { return };
        for array in engine.parameters().unwrap() {
            let third = array.values.len() / 3;
            for (at, (value, expected)) in array.values.iter().zip(&expected[&array.name].1).enumerate() {
                let of_keys = is_fused_bias(&array.name) && (third..2 * third).contains(&at);
                let limit = if self.is_zero(&array.name) || of_keys { 1e-3 } else { 1e-4 };
                let difference = (f64::from(*value) - expected).abs();
                assert!(difference < limit, "{}: {kind}: {}: {difference:e}", self.name, array.name);
            }
        }
    }

    /// Losses with positions outside the sequence: past the end they are left out of the mean, negative ones are the
    /// first token. `encode` never makes such targets; the rule is applied here, on the engine's own losses.
    fn extra_losses(&self, engine: EngineKind) {
        let Some(cases) = self.expected["extra_losses"].as_array() else { return };
        for case in cases {
            let mean = (self.mean_position_loss(engine, case, "start_positions", 0)
                + self.mean_position_loss(engine, case, "end_positions", 1))
                / 2.0;
            self.close("extra loss", mean, case["loss"].as_f64().unwrap(), 1e-5);
        }
    }

    fn mean_position_loss(&self, engine: EngineKind, case: &Value, side: &str, column: usize) -> f64 {
        let prediction = self.engine(engine).predict(&self.batch(0)).unwrap();
        let Logits::Span { start, end } = prediction.logits else { unreachable!() };
        let rows = if column == 0 { start } else { end };
        let (shape, mask) = &self.arrays["batches"]["step0.attention_mask"];
        let padding = mask.chunks(shape[1]).map(|row| row.iter().take_while(|kept| **kept == 0.0).count());
        let positions = case[side].as_array().unwrap().iter().map(|at| at.as_i64().unwrap().max(0) as usize);
        let places = positions.zip(padding).map(|(at, padding)| at.saturating_sub(padding));
        let losses: Vec<f64> = rows.iter().zip(places).filter_map(|(row, at)| position_loss(row, at)).collect();
        losses.iter().sum::<f64>() / losses.len() as f64
    }

    /// Largest difference below 1e-5 of the largest absolute value.
    fn near(&self, what: &str, found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len(), "{}: {what}", self.name);
        let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(difference <= 1e-5 * largest, "{}: {what}: {difference:e} of {largest}", self.name);
    }

    fn close(&self, what: &str, found: f64, expected: f64, relative: f64) {
        let difference = (found - expected).abs() / expected.abs();
        assert!(difference <= relative, "{}: {what}: {found} for {expected}", self.name);
    }
}

fn is_fused_bias(name: &str) -> bool {
    name.ends_with("c_attn.bias")
}

fn position_loss(row: &[f32], at: usize) -> Option<f64> {
    let log_sum = row.iter().map(|value| f64::from(*value).exp()).sum::<f64>().ln();
    row.get(at).map(|value| log_sum - f64::from(*value))
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_string()).collect()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn flat(rows: &[Vec<f32>]) -> Vec<f64> {
    rows.iter().flatten().map(|value| f64::from(*value)).collect()
}
