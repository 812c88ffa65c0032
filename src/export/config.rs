//! `config.json` of a fine-tuned model: the checkpoint's own, in its order, with what fine-tuning decided.
//!
//! Two traps. A checkpoint's config may carry labels of an earlier life, and `transformers` sizes a span head by them, so
//! labels are always written. And it may say `float16`, in which `transformers` 5 then loads our 32-bit weights.

use super::ExportError;
use crate::family::{self, FAMILIES, Family};
use crate::task::{Head, Task};
use serde_json::{Map, Value, json};

/// The family of a config.
pub fn family(config: &Map<String, Value>) -> Result<&'static Family, ExportError> {
    let found = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let expected = || FAMILIES.iter().map(|family| format!("`{}`", family.model_type)).collect::<Vec<_>>().join(", ");
    family::find(found).ok_or_else(|| ExportError::ModelType { found: found.to_string(), expected: expected() })
}

/// The class of `transformers` that has this head: `BertForSequenceClassification`. None has a BiLSTM, is ELMo or a baseline.
pub fn architecture(config: &Map<String, Value>, head: Head) -> Result<Option<String>, ExportError> {
    let family = family(config)?;
    let class = family.class;
    if class.is_empty() {
        return Ok(None);
    }
    let head = match head {
        Head::Classification | Head::Regression => "ForSequenceClassification",
        Head::Span => family.span_class,
        Head::BeamSpan => family.beam_class,
        Head::Tokens => "ForTokenClassification",
        Head::Choice => family.choice_class,
        Head::Pretraining => "ForPreTraining",
        Head::FeatureBased(_) => return Ok(None),
    };
    Ok(Some(format!("{class}{head}")))
}

/// The config of the fine-tuned model, which that class of `transformers` is.
pub fn finished(
    checkpoint: &Map<String, Value>,
    task: &Task,
    class: Option<String>,
) -> Result<Map<String, Value>, ExportError> {
    let names = label_names(task);
    let by_id = names.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name)));
    let by_name = names.iter().enumerate().map(|(id, name)| (name.clone(), json!(id)));
    let mut config = checkpoint.clone();
    config.shift_remove("dtype");
    let decided = [
        ("architectures", json!(class.into_iter().collect::<Vec<String>>())),
        ("num_labels", json!(task.num_labels())),
        ("id2label", Value::Object(by_id.collect())),
        ("label2id", Value::Object(by_name.collect())),
        ("finetuning_task", json!(task.name)),
        ("torch_dtype", json!("float32")),
    ];
    config.extend(decided.map(|(key, value)| (key.to_string(), value)));
    match problem_type(task.head) {
        Some(problem) => config.insert("problem_type".to_string(), json!(problem)),
        None => config.shift_remove("problem_type"),
    };
    Ok(config)
}

fn problem_type(head: Head) -> Option<&'static str> {
    match head {
        Head::Classification => Some("single_label_classification"),
        Head::Regression => Some("regression"),
        _ => None,
    }
}

/// The task's labels in the order of the logits; `transformers`' placeholders where outputs have no names.
fn label_names(task: &Task) -> Vec<String> {
    match task.head {
        Head::Classification | Head::Tokens | Head::FeatureBased(_) => {
            task.labels.iter().map(|label| label.to_string()).collect()
        }
        _ => (0..task.num_labels()).map(|id| format!("LABEL_{id}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::find;

    fn checkpoint(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn whole(own: &Map<String, Value>, task: &str, head: Head) -> Result<Map<String, Value>, ExportError> {
        finished(own, find(task).unwrap(), architecture(own, head)?)
    }

    #[test]
    fn a_classification_has_its_labels_by_name() {
        let own = checkpoint(json!({"model_type": "bert", "hidden_size": 8, "architectures": ["BertModel"]}));
        let config = Value::Object(whole(&own, "mnli", Head::Classification).unwrap());
        assert_eq!(config["architectures"], json!(["BertForSequenceClassification"]));
        assert_eq!(config["id2label"], json!({"0": "entailment", "1": "neutral", "2": "contradiction"}));
        assert_eq!(config["label2id"], json!({"entailment": 0, "neutral": 1, "contradiction": 2}));
        assert_eq!(config["problem_type"], "single_label_classification");
        assert_eq!(config["hidden_size"], 8);
    }

    #[test]
    fn labels_and_arithmetic_of_an_earlier_life_do_not_survive() {
        let own = checkpoint(json!({"model_type": "bert", "dtype": "float16", "problem_type": "regression",
            "id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}));
        let config = Value::Object(whole(&own, "squad", Head::Span).unwrap());
        assert_eq!(config["architectures"], json!(["BertForQuestionAnswering"]));
        assert_eq!(config["id2label"], json!({"0": "LABEL_0", "1": "LABEL_1"}));
        assert_eq!(
            (&config["torch_dtype"], config.get("dtype"), config.get("problem_type")),
            (&json!("float32"), None, None)
        );
    }

    #[test]
    fn a_regression_has_one_output() {
        let own = checkpoint(json!({"model_type": "bert"}));
        let config = Value::Object(whole(&own, "stsb", Head::Regression).unwrap());
        assert_eq!((&config["num_labels"], &config["problem_type"]), (&json!(1), &json!("regression")));
    }

    #[test]
    fn an_unknown_family_is_named() {
        let error = whole(&checkpoint(json!({"model_type": "llama"})), "rte", Head::Classification);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`model_type` is `llama`, expected one of `bert`, `roberta`, `xlm-roberta`, `distilbert`, `electra`, `albert`, \
             `openai-gpt`, `modernbert`, `xlnet`, `elmo`, `majority`, `bag-of-words`"
        );
    }
}
