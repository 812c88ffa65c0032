//! A record as it stands on disk, for tests that need one with a score of their choice.

use repro::record::Record;
use serde_json::{Value, json};

/// The released code's recipe at rate 2e-5.
fn recipe() -> Value {
    json!({"preset": "bert-code", "epochs": 3.0, "batch_size": 32, "micro_batch_size": 32, "learning_rate": 2e-5,
        "schedule": "linear-from-start", "warmup": 0.1, "rounding": "down", "bias_correction": false, "beta1": 0.9,
        "beta2": 0.999, "epsilon": 1e-6, "weight_decay": 0.01, "max_grad_norm": 1.0, "dropout": null,
        "initializer_range": 0.02, "truncated_normal": true, "max_seq_length": 128, "truncation": "released-code",
        "doc_stride": 128, "doc_stride_unit": "step", "max_query_length": 64, "max_answer_length": 30,
        "n_best_size": 20, "max_context": true, "evaluate": "at-end", "early_stopping": 0, "keep_weights": "last",
        "snapshot_steps": 0})
}

/// A finished MRPC run with this F1; `code` stands for the program's version, which moves the RunId.
pub fn record(code: &str, seed: u64, f1: f64) -> Record {
    let score = json!({"split": "validation", "claim": "mrpc", "metric": "f1", "value": f1, "interval": null,
        "examples": 408});
    let provenance = json!({"version": "0.1.0", "commit": code, "dirty": false, "engine": "reference",
        "device": "cpu (2 threads)", "dtype": "f32", "libraries": []});
    let cost = json!({"train_seconds": 1.0, "total_seconds": 2.0, "tokens_per_second": 3.0, "peak_memory": 4,
        "finished_at": "2026-01-01T00:00:00Z"});
    let value = json!({"format": 1, "id": format!("{code}{seed:08x}"), "experiment": "glue",
        "checkpoint": "owner/tiny", "untrained": false, "task": "mrpc", "task_version": 1, "data": "nyu-mll/glue",
        "recipe": recipe(), "seed": seed, "limit": null, "status": "finished", "scores": [score], "evaluations": [],
        "kept_step": 342, "total_steps": 342, "resumed_from_step": 0, "splits": [], "encoding": [], "files": [],
        "provenance": provenance, "cost": cost});
    serde_json::from_value(value).expect("the record above is one")
}
