//! A picture of a pre-training's report: losses on the left, accuracies on held-out documents on the right.

use crate::report::svg::{PALETTE, Scale, Svg};
use serde_json::Value;

/// Accuracies of a report's evaluations, by key, and what is right.
pub const ACCURACIES: [(&str, &str); 3] = [
    ("masked_accuracy", "masked words"),
    ("next_token_accuracy", "next tokens"),
    ("next_sentence_accuracy", "next sentences"),
];

/// Those that a report has.
pub fn accuracies(report: &Value) -> impl Iterator<Item = (&'static str, &'static str)> {
    let has = |key: &str| rows(report).iter().any(|row| row.get(key).is_some_and(|value| !value.is_null()));
    ACCURACIES.into_iter().filter(move |(key, _)| has(key))
}

/// A report's evaluations.
pub fn rows(report: &Value) -> &[Value] {
    report["held_out"].as_array().map_or(&[], Vec::as_slice)
}

/// The curves: loss of the training steps and of held-out documents, and the accuracies there, where there are any.
pub fn curves(report: &Value) -> String {
    let name = report["name"].as_str().unwrap_or_default();
    let mut svg = Svg::new(820.0, 380.0, &format!("{name}: pre-training"));
    let training = report["training_loss"].as_array().map_or(&[][..], Vec::as_slice);
    let training = training.iter().filter_map(|point| Some((point[0].as_f64()?, point[1].as_f64()?))).collect();
    let held = |key: &str, times: f64| -> Vec<(f64, f64)> {
        rows(report).iter().filter_map(|row| Some((row["step"].as_f64()?, times * row[key].as_f64()?))).collect()
    };
    let mut losses = vec![("training", training)];
    if !rows(report).is_empty() {
        losses.push(("held out", held("loss", 1.0)));
    }
    panel(&mut svg, 20.0, "loss", &losses);
    let accuracies: Vec<_> = accuracies(report).map(|(key, what)| (what, held(key, 100.0))).collect();
    if !accuracies.is_empty() {
        panel(&mut svg, 420.0, "right on held-out documents, percent", &accuracies);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Reports of the first format are committed beside their models.
    #[test]
    fn a_report_of_the_first_format_is_drawn() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/hub/models/repro/bert-mini/pretraining.json");
        let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let drawn = curves(&report);
        assert!(["held out", "masked words", "next sentences"].iter().all(|text| drawn.contains(text)), "{drawn}");
        assert!(!drawn.contains("next tokens"));
    }

    #[test]
    fn only_what_was_asked_for_is_drawn() {
        let rows = json!([{"step": 1, "loss": 2.0, "next_token_accuracy": 0.25}]);
        let drawn = curves(&json!({"name": "x", "training_loss": [[1, 2.5]], "held_out": rows}));
        assert!(drawn.contains("next tokens") && !drawn.contains("masked words") && !drawn.contains("next sentences"));
        let drawn = curves(&json!({"name": "x", "training_loss": [[1, 2.5]], "held_out": []}));
        assert!(drawn.contains("training") && !drawn.contains("held"), "{drawn}");
    }
}
