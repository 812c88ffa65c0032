//! Events as JSON objects, for `--json`: the event's name first, then its fields, as they are called in `event`.
//!
//! A number that is not finite becomes `null`: JSON has no word for it.

use crate::event::{Event, Stage};
use crate::score::Scores;
use serde_json::{Map, Value, json};

/// One event.
pub fn object(event: &Event) -> Value {
    match event {
        Event::Progress { stage, what, done, total } => {
            json!({"event": "progress", "stage": stage_name(*stage), "what": what, "done": done, "total": total})
        }
        Event::RunStarted { run, label, index, count } => {
            json!({"event": "run_started", "run": run, "label": label, "index": index, "count": count})
        }
        Event::RunSkipped { run, label } => json!({"event": "run_skipped", "run": run, "label": label}),
        Event::RunResumed { run, step } => json!({"event": "run_resumed", "run": run, "step": step}),
        Event::Step { run, step } => json!({
            "event": "step", "run": run, "step": step.step, "total_steps": step.total_steps, "loss": step.loss,
            "learning_rate": step.learning_rate, "gradient_norm": step.gradient_norm, "tokens": step.tokens,
            "seconds": step.seconds,
        }),
        Event::Evaluated { run, step, epoch, split, loss, scores } => json!({
            "event": "evaluated", "run": run, "step": step, "epoch": epoch, "split": split, "loss": loss,
            "scores": metrics(scores),
        }),
        Event::RunFinished { run, label, scores, seconds } => {
            let splits: Map<String, Value> =
                scores.iter().map(|(split, values)| (split.clone(), metrics(values))).collect();
            json!({"event": "run_finished", "run": run, "label": label, "scores": splits, "seconds": seconds})
        }
        Event::RunFailed { run, label, error } => {
            json!({"event": "run_failed", "run": run, "label": label, "error": error})
        }
        Event::Note(message) => json!({"event": "note", "message": message}),
        Event::Warning(message) => json!({"event": "warning", "message": message}),
    }
}

fn metrics(scores: &Scores) -> Value {
    scores.iter().map(|(metric, value)| (metric.name().to_string(), json!(value))).collect::<Map<_, _>>().into()
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Fetch => "fetch",
        Stage::Dataset => "dataset",
        Stage::Encode => "encode",
        Stage::Train => "train",
        Stage::Evaluate => "evaluate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Metric;

    #[test]
    fn undefined_and_infinite_numbers_are_null() {
        let event = Event::Evaluated {
            run: "r".into(),
            step: 2,
            epoch: 0.5,
            split: "validation".into(),
            loss: f64::INFINITY,
            scores: vec![(Metric::Spearman, None), (Metric::Pearson, Some(0.5))],
        };
        let expected = r#"{"event":"evaluated","run":"r","step":2,"epoch":0.5,"split":"validation","loss":null,"scores":{"spearman":null,"pearson":0.5}}"#;
        assert_eq!(object(&event).to_string(), expected);
    }
}
