//! What makes a run the same run: the first 16 hexadecimal digits of the SHA-256 of a canonical JSON (keys sorted, no
//! white space, fractions as text) of everything that could move its score.
//!
//! Left out are the preset's name (its values count), `snapshot_steps` and `micro_batch_size` (they change nothing
//! beyond rounding), the number of a GPU, and the experiment's name, so that experiments share runs. `format` is raised
//! if what stands in the JSON ever changes its meaning.

use super::{Run, RunId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Fields of the recipe that cannot move a score.
const WITHOUT: [&str; 3] = ["preset", "snapshot_steps", "micro_batch_size"];

/// Format of the canonical JSON.
const FORMAT: u32 = 1;

/// The id of a run; its own `id` field is not looked at.
pub fn run_id(run: &Run) -> RunId {
    let digest = Sha256::digest(canonical(run).as_bytes());
    RunId(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// The canonical JSON of a run.
pub fn canonical(run: &Run) -> String {
    let mut recipe = serde_json::to_value(&run.recipe).expect("a recipe is numbers and words");
    if let Value::Object(fields) = &mut recipe {
        fields.retain(|name, _| !WITHOUT.contains(&name.as_str()));
    }
    let mut identity = json!({
        "format": FORMAT,
        "task": {"name": run.task.name, "version": run.task.version},
        "checkpoint": {
            "name": run.checkpoint.name,
            "revision": run.checkpoint.revision,
            "untrained": run.checkpoint.untrained,
        },
        "data": {
            "repository": run.data.repository,
            "revision": run.data.revision,
            "files": run.data.files,
            "folder": run.data.folder.as_ref().map(|folder| folder.display().to_string()),
        },
        "recipe": recipe,
        "seed": run.seed,
        "limit": run.limit,
        "engine": run.engine.name(),
        "device": run.device.split(':').next(),
        "dtype": run.dtype,
    });
    // Left out where there is none, so that ids stay what they were before these came.
    if let Some(baseline) = run.checkpoint.baseline {
        identity["checkpoint"]["baseline"] = baseline.name().into();
    }
    if !run.start_from.is_empty() {
        identity["start_from"] = run.start_from.iter().map(|id| Value::from(id.0.as_str())).collect();
    }
    sorted(&identity).to_string()
}

/// The same value with the keys of every object in order, and fractions as text (`5e-5`, `3e0`): how a JSON library
/// writes a float may change with its version, Rust's shortest exponent form does not.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let ordered: BTreeMap<&String, Value> = fields.iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(ordered.into_iter().map(|(key, value)| (key.clone(), value)).collect())
        }
        Value::Array(elements) => Value::Array(elements.iter().map(sorted).collect()),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or(Value::Null, |number| Value::String(format!("{number:e}")))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_level_and_fractions_are_text() {
        let value = json!({"b": [{"d": 1, "c": 5e-5}], "a": null});
        assert_eq!(sorted(&value).to_string(), r#"{"a":null,"b":[{"c":"5e-5","d":1}]}"#);
    }
}
