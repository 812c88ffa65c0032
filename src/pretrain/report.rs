//! What is told of a pre-training: a JSON object, complete, of which the card and the curves are made.
//!
//! The first format, without a number, said less of the settings, in fields beside `config`, and called what computed it
//! `device`; its curves are drawn as ever.

use super::claim::FORMAT;
use crate::pipeline::now;
use crate::record::{Evaluation, Provenance};
use crate::spec::pretraining::PretrainingSpec;
use crate::train::Outcome;
use serde_json::{Map, Value, json};

/// Steps whose mean loss is one point of the curve.
const POINTS: usize = 200;

/// Settings, what was read, what computed it, curve and evaluations.
pub fn json(spec: &PretrainingSpec, description: &Value, computed_by: &Provenance, outcome: &Outcome) -> Value {
    let progress = &outcome.progress;
    let each = progress.losses.len().div_ceil(POINTS).max(1);
    let curve = progress.losses.chunks(each).enumerate().map(|(at, losses)| {
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        json!([at * each + losses.len(), round(mean)])
    });
    let mut report = json!({"format": FORMAT, "name": spec.name, "settings": spec.settings()});
    let told = json!({
        "computed_by": computed_by,
        "steps": progress.step,
        "tokens": progress.tokens,
        "seconds": progress.seconds.round(),
        "tokens_per_second": (progress.tokens as f64 / progress.seconds.max(1e-9)).round(),
        "resumed_from_step": outcome.resumed_from_step,
        "finished_at": now(),
        "training_loss": curve.collect::<Vec<Value>>(),
        "held_out": progress.evaluations.iter().map(evaluation).collect::<Vec<Value>>(),
    });
    for (name, value) in [description, &told].into_iter().filter_map(Value::as_object).flatten() {
        report[name] = value.clone();
    }
    report
}

/// Step, loss, and each accuracy that was asked for under its metric's name.
fn evaluation(evaluation: &Evaluation) -> Value {
    let scores = evaluation.scores.iter().map(|(metric, value)| (metric.name().to_owned(), value.map(round).into()));
    let first = [("step".to_owned(), evaluation.step.into()), ("loss".to_owned(), round(evaluation.loss).into())];
    first.into_iter().chain(scores).collect::<Map<String, Value>>().into()
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
