//! What is told of a pre-training: a JSON object, a model card, and a picture of its curves.

use crate::pipeline::now;
use crate::report::svg::{PALETTE, Scale, Svg};
use crate::score::Metric;
use crate::spec::pretraining::PretrainingSpec;
use crate::train::Outcome;
use serde_json::{Value, json};

/// Steps whose mean loss is one point of the curve.
const POINTS: usize = 200;

/// Settings, corpus, curve and evaluations.
pub fn json(spec: &PretrainingSpec, description: &Value, outcome: &Outcome, tokens_per_second: f64) -> Value {
    let progress = &outcome.progress;
    let each = progress.losses.len().div_ceil(POINTS).max(1);
    let curve = progress.losses.chunks(each).enumerate().map(|(at, losses)| {
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        json!([at * each + losses.len(), round(mean)])
    });
    let evaluations = progress.evaluations.iter().map(|evaluation| {
        let score = |metric: Metric| evaluation.scores.iter().find(|(m, _)| *m == metric).and_then(|(_, value)| *value);
        json!({
            "step": evaluation.step,
            "loss": round(evaluation.loss),
            "masked_accuracy": score(Metric::MaskedAccuracy).map(round),
            "next_sentence_accuracy": score(Metric::NextSentenceAccuracy).map(round),
        })
    });
    json!({
        "name": spec.name,
        "config": description["config"],
        "corpus": description["corpus"],
        "device": progress.computed_on,
        "steps": progress.step,
        "batch_size": spec.train.batch_size,
        "learning_rate": spec.train.learning_rate,
        "max_seq_length": spec.data.max_seq_length,
        "masked": if spec.data.left_to_right { Value::Null } else { spec.data.masked.into() },
        "next_sentence": spec.data.next_sentence,
        "seed": spec.seed,
        "start_from": start(spec),
        "tokens": progress.tokens,
        "seconds": progress.seconds.round(),
        "tokens_per_second": tokens_per_second.round(),
        "resumed_from_step": outcome.resumed_from_step,
        "finished_at": now(),
        "training_loss": curve.collect::<Vec<Value>>(),
        "held_out": evaluations.collect::<Vec<Value>>(),
    })
}

/// Name of the checkpoint that was gone on from: the folder is the user's own.
fn start(spec: &PretrainingSpec) -> Option<String> {
    spec.start_from.as_deref().map(|folder| folder.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The checkpoint's README.
pub fn card(spec: &PretrainingSpec, report: &Value, command: &str) -> String {
    let number = |path: &str| report.pointer(path).map_or_else(|| "—".into(), Value::to_string);
    let evaluations = report["held_out"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: String = evaluations
        .iter()
        .map(|row| {
            format!(
                "| {} | {} | {} | {} |\n",
                row["step"], row["loss"], row["masked_accuracy"], row["next_sentence_accuracy"]
            )
        })
        .collect();
    format!(
        "# {name}\n\nA BERT pre-trained from {start} by `repro pretrain`: {objective}, \
         {steps} steps of {batch} sequences of at most {length} tokens, {tokens} tokens in all.\n\n    {command}\n\n\
         | | |\n| --- | --- |\n\
         | layers, hidden size, heads | {layers}, {hidden}, {heads} |\n\
         | vocabulary | {vocabulary} |\n\
         | corpus | {documents} documents, {corpus} tokens, SHA-256 of the token ids `{digest}` |\n\
         | learning rate | {rate} |\n\
         | seed | {seed} |\n\
         | device | {device} |\n\
         | seconds of training steps | {seconds} ({speed} tokens/s) |\n\n\
         On documents that were held out:\n\n\
         | step | loss | masked words right | next sentences right |\n| ---: | ---: | ---: | ---: |\n{rows}",
        name = spec.name,
        start = start(spec).map_or_else(|| "nothing".into(), |name| format!("`{name}` on")),
        objective = objective(spec),
        steps = number("/steps"),
        batch = number("/batch_size"),
        length = number("/max_seq_length"),
        tokens = number("/tokens"),
        layers = number("/config/num_hidden_layers"),
        hidden = number("/config/hidden_size"),
        heads = number("/config/num_attention_heads"),
        vocabulary = number("/config/vocab_size"),
        documents = number("/corpus/documents"),
        corpus = number("/corpus/tokens"),
        digest = report["corpus"]["sha256"].as_str().unwrap_or_default(),
        rate = number("/learning_rate"),
        seed = number("/seed"),
        device = report["device"].as_str().unwrap_or_default(),
        seconds = number("/seconds"),
        speed = number("/tokens_per_second"),
    )
}

fn objective(spec: &PretrainingSpec) -> String {
    let words = if spec.data.left_to_right {
        "every next word from those before it".to_owned()
    } else {
        format!("masked words ({} %)", (100.0 * spec.data.masked).round())
    };
    if spec.data.next_sentence { format!("{words} and the next sentence") } else { words }
}

/// The curves: loss of the training steps and of held-out documents, and both accuracies.
pub fn curves(report: &Value) -> String {
    let name = report["name"].as_str().unwrap_or_default();
    let mut svg = Svg::new(820.0, 380.0, &format!("{name}: pre-training"));
    let training = report["training_loss"].as_array().map_or(&[][..], Vec::as_slice);
    let training = training.iter().filter_map(|point| Some((point[0].as_f64()?, point[1].as_f64()?))).collect();
    let held = |key: &str, times: f64| -> Vec<(f64, f64)> {
        let rows = report["held_out"].as_array().map_or(&[][..], Vec::as_slice);
        rows.iter().filter_map(|row| Some((row["step"].as_f64()?, times * row[key].as_f64()?))).collect()
    };
    panel(&mut svg, 20.0, "loss", &[("training", training), ("held out", held("loss", 1.0))]);
    let accuracies =
        [("masked words", held("masked_accuracy", 100.0)), ("next sentence", held("next_sentence_accuracy", 100.0))];
    panel(&mut svg, 420.0, "right on held-out documents, percent", &accuracies);
    svg.finish()
}

fn panel(svg: &mut Svg, left: f64, name: &str, curves: &[(&str, Vec<(f64, f64)>)]) {
    let all = || curves.iter().flat_map(|(_, points)| points);
    let steps: Vec<f64> = all().map(|(step, _)| *step).chain([0.0]).collect();
    let values: Vec<f64> = all().map(|(_, value)| *value).chain([0.0]).collect();
    let (start, end, bottom, top) = (left + 48.0, left + 360.0, 310.0, 62.0);
    let (x, y) = (Scale::new(&steps, start, end), Scale::new(&values, bottom, top));
    for (value, label) in y.ticks() {
        svg.grid((start, y.at(value)), (end, y.at(value)));
        svg.text((start - 8.0, y.at(value) + 4.0), "end", &label);
    }
    for (value, label) in x.ticks() {
        svg.text((x.at(value), bottom + 18.0), "middle", &label);
    }
    svg.text((start, top - 12.0), "start", name);
    for (at, (curve, points)) in curves.iter().enumerate() {
        let colour = PALETTE[at];
        let places: Vec<(f64, f64)> = points.iter().map(|(step, value)| (x.at(*step), y.at(*value))).collect();
        svg.path(&places, colour);
        svg.dot((start + 150.0 * at as f64 + 6.0, bottom + 42.0), colour);
        svg.text((start + 150.0 * at as f64 + 16.0, bottom + 46.0), "start", curve);
    }
}
