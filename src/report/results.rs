//! `results.csv`: one line per run and score, for people with tools of their own. Scores are fractions.
//!
//! A run without scores has one line with the score's fields empty, so that no run is missing from the file.

use crate::record::{Record, RecordedScore, Status};

const HEADER: &[&str] = &[
    "run",
    "experiment",
    "select",
    "checkpoint",
    "untrained",
    "baseline",
    "started_from",
    "task",
    "task_version",
    "status",
    "detail",
    "split",
    "claim",
    "metric",
    "value",
    "interval_low",
    "interval_high",
    "examples",
    "seed",
    "preset",
    "learning_rate",
    "batch_size",
    "epochs",
    "limit",
    "metric_batch_size",
    "data",
    "releases",
    "kept_step",
    "total_steps",
    "engine",
    "dtype",
    "device",
    "commit",
    "dirty",
    "train_seconds",
    "tokens_per_second",
    "peak_memory",
];

/// The file's text.
pub fn results(records: &[Record]) -> Result<String, csv::Error> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for record in records {
        for score in &record.scores {
            writer.write_record(line(record, Some(score)))?;
        }
        if record.scores.is_empty() {
            writer.write_record(line(record, None))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8(bytes).expect("fields are UTF-8"))
}

fn line(record: &Record, score: Option<&RecordedScore>) -> Vec<String> {
    let mut fields = run_fields(record);
    fields.extend(score_fields(score));
    fields.extend(recipe_fields(record));
    fields.extend(cost_fields(record));
    fields
}

fn run_fields(record: &Record) -> Vec<String> {
    let (status, detail) = match &record.status {
        Status::Finished => ("finished", String::new()),
        Status::Collapsed(reason) => ("collapsed", reason.clone()),
        Status::Diverged(step) => ("diverged", format!("step {step}")),
        Status::Failed(message) => ("failed", message.clone()),
    };
    vec![
        record.id.clone(),
        record.experiment.clone(),
        or_empty(record.select),
        record.checkpoint.clone(),
        record.untrained.to_string(),
        record.baseline.map_or_else(String::new, |baseline| baseline.name().into()),
        or_empty(record.started_from.as_ref()),
        record.task.clone(),
        record.task_version.to_string(),
        status.to_string(),
        detail,
    ]
}

fn score_fields(score: Option<&RecordedScore>) -> Vec<String> {
    let Some(score) = score else {
        return vec![String::new(); 7];
    };
    let interval = score.interval;
    vec![
        score.split.clone(),
        score.claim.clone(),
        score.metric.name().to_string(),
        or_empty(score.value),
        or_empty(interval.map(|(low, _)| low)),
        or_empty(interval.map(|(_, high)| high)),
        score.examples.to_string(),
    ]
}

fn recipe_fields(record: &Record) -> Vec<String> {
    let releases: Vec<String> =
        record.splits.iter().map(|split| format!("{}: {}", split.split, split.release)).collect();
    vec![
        record.seed.to_string(),
        record.recipe.preset.clone(),
        format!("{:e}", record.recipe.learning_rate),
        record.recipe.batch_size.to_string(),
        record.recipe.epochs.to_string(),
        or_empty(record.limit),
        or_empty(Some(record.recipe.metric_batch_size).filter(|size| *size > 0)),
        record.data.clone(),
        releases.join("; "),
    ]
}

fn cost_fields(record: &Record) -> Vec<String> {
    let provenance = &record.provenance;
    vec![
        record.kept_step.to_string(),
        record.total_steps.to_string(),
        provenance.engine.clone(),
        provenance.dtype.clone(),
        provenance.device.clone(),
        or_empty(provenance.commit.as_ref()),
        or_empty(provenance.dirty),
        format!("{:.1}", record.cost.train_seconds),
        format!("{:.0}", record.cost.tokens_per_second),
        record.cost.peak_memory.to_string(),
    ]
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
