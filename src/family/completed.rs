//! A checkpoint's `config.json` with what it leaves to transformers, a note for each.
//!
//! The miniatures of March 2020 name neither `model_type` nor `layer_norm_eps` (their later revisions do). transformers then
//! takes the longest `model_type` that the checkpoint's name holds (`AutoConfig`), and of a field what its class declares.
//! Sizes have such defaults too; a file without them is taken for broken.

use super::{ConfigError, EncoderConfig, FAMILIES, Family};
use serde_json::{Map, Value, json};

/// A config that says everything.
#[derive(Debug)]
pub struct Completed {
    /// The config.
    pub config: EncoderConfig,
    /// Its text: the checkpoint's own, unless something was filled in.
    pub text: String,
    /// What was filled in, a sentence each.
    pub notes: Vec<String>,
}

impl Completed {
    /// Reads the `config.json` of a checkpoint of that name.
    ///
    /// # Errors
    /// As [`EncoderConfig::parse`].
    pub fn read(text: &str, name: &str) -> Result<Completed, ConfigError> {
        let Ok(Value::Object(mut object)) = serde_json::from_str(text) else {
            return Completed::as_it_is(text);
        };
        let mut notes = Vec::new();
        if !object.contains_key("model_type")
            && let Some(family) = named(name)
        {
            let model_type = family.model_type;
            notes.push(format!("config.json has no `model_type`: `{model_type}`, by the checkpoint's name, is taken"));
            object.insert("model_type".into(), json!(model_type));
        }
        fill(&mut object, &mut notes);
        if notes.is_empty() {
            return Completed::as_it_is(text);
        }
        let text = format!("{:#}\n", Value::Object(object));
        Ok(Completed { notes, ..Completed::as_it_is(&text)? })
    }

    fn as_it_is(text: &str) -> Result<Completed, ConfigError> {
        Ok(Completed { config: EncoderConfig::parse(text)?, text: text.to_owned(), notes: Vec::new() })
    }
}

/// The family whose `model_type` is the longest in a checkpoint's name, as a word's beginning: transformers knows others that end
/// in one of these (`camembert`, `mobilebert`).
fn named(name: &str) -> Option<&'static Family> {
    let begins = |at: usize| name[..at].chars().next_back().is_none_or(|before| "/-_".contains(before));
    let holds = |family: &&Family| name.match_indices(family.model_type).any(|(at, _)| begins(at));
    FAMILIES.iter().filter(|family| !family.class.is_empty()).filter(holds).max_by_key(|family| family.model_type.len())
}

/// Adds the defaults of the family's class for what is absent.
fn fill(object: &mut Map<String, Value>, notes: &mut Vec<String>) {
    let family = object.get("model_type").and_then(Value::as_str).and_then(super::find);
    for (field, value) in family.map_or(&[][..], |family| family.defaults) {
        if !object.contains_key(*field) {
            notes.push(format!("config.json has no `{field}`: {value}, the default of transformers, is taken"));
            object.insert((*field).into(), serde_json::from_str(value).expect("defaults are JSON, by test"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Activation;
    use super::*;

    /// As google/bert_uncased_L-2_H-128_A-2 had it in March 2020.
    const MINIATURE: &str = r#"{"hidden_size": 128, "hidden_act": "gelu", "initializer_range": 0.02, "vocab_size": 30522,
        "hidden_dropout_prob": 0.1, "num_attention_heads": 2, "type_vocab_size": 2, "max_position_embeddings": 512,
        "num_hidden_layers": 2, "intermediate_size": 512, "attention_probs_dropout_prob": 0.1}"#;
    const NAME: &str = "google/bert_uncased_L-2_H-128_A-2";

    #[test]
    fn a_miniature_of_the_first_revision_is_read_as_transformers_reads_it() {
        let read = Completed::read(MINIATURE, NAME).unwrap();
        assert_eq!((read.config.family.model_type, read.config.layer_norm_eps), ("bert", 1e-12));
        assert_eq!(
            read.notes,
            [
                "config.json has no `model_type`: `bert`, by the checkpoint's name, is taken",
                "config.json has no `layer_norm_eps`: 1e-12, the default of transformers, is taken",
            ]
        );
        // What is saved after fine-tuning says it all.
        let again = Completed::read(&read.text, "./a/folder").unwrap();
        assert_eq!((again.config, again.notes), (read.config, Vec::new()));
    }

    /// `BertConfig.__init__` of transformers.
    #[test]
    fn constants_are_filled_in_and_sizes_are_not() {
        let without = |field: &str| {
            let mut object: Map<String, Value> = serde_json::from_str(MINIATURE).unwrap();
            object.shift_remove(field).unwrap();
            Completed::read(&Value::Object(object).to_string(), NAME)
        };
        assert_eq!(without("hidden_act").unwrap().config.hidden_act, Activation::Gelu);
        assert_eq!(without("hidden_dropout_prob").unwrap().config.hidden_dropout_prob, 0.1);
        assert_eq!(without("max_position_embeddings").unwrap().config.max_position_embeddings, 512);
        for size in ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"] {
            let error = without(size).unwrap_err().to_string();
            assert!(error.starts_with(&format!("config.json: `{size}` is missing")), "{error}");
        }
    }

    #[test]
    fn the_longest_name_wins_and_without_one_nothing_is_taken() {
        let found = |name: &str| named(name).map(|family| family.model_type);
        assert_eq!(found("FacebookAI/xlm-roberta-base"), Some("xlm-roberta"));
        assert_eq!(found("distilbert/distilbert-base-uncased"), Some("distilbert"));
        assert_eq!((found("almanach/camembert-base"), found("./deberta-m")), (None, None));
        let error = Completed::read(MINIATURE, "a/miniature").unwrap_err().to_string();
        assert!(error.starts_with("unknown model_type `(none)`, expected one of: bert"), "{error}");
    }

    #[test]
    fn a_config_that_says_everything_stays_as_it_is() {
        for family in FAMILIES {
            for (field, value) in family.defaults {
                assert!(serde_json::from_str::<Value>(value).is_ok(), "{} {field}", family.title);
            }
        }
        let text = MINIATURE.replace("{\"", "{\"model_type\": \"bert\", \"layer_norm_eps\": 1e-5, \"");
        let read = Completed::read(&text, NAME).unwrap();
        assert_eq!((read.text, read.notes, read.config.layer_norm_eps), (text, Vec::new(), 1e-5));
    }
}
