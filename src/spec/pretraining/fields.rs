//! The fields of a pre-training file, what they take, and what stands in for those that are left out.

use super::{MASKING_FIELDS, ModelSpec, OptimizerSpec, PretrainingSpec, SequenceSpec, VocabularySource};
use crate::spec::decode::{self, Fields, Known, Read, distinct, invalid, join, text};
use crate::spec::error::Complaint;
use crate::spec::experiment;
use crate::spec::yaml::{Node, Place, Value};
use std::path::PathBuf;

const FIELDS: &[Known] = &[
    ("name", "a name, made of letters, digits, `-`, `_` and `.`"),
    ("corpus", "a list of text files and folders of them"),
    ("held_out", "the share of documents that are only evaluated on, a number from 0 to 0.5"),
    ("vocabulary", "a `vocab.txt` or `tokenizer.json`, or `{size, lower_case}` to train one"),
    ("model", "a map of the encoder's shape"),
    ("start_from", "a folder with `config.json`, `model.safetensors` and the vocabulary of a pre-trained model"),
    ("data", "a map of how text becomes sequences"),
    ("train", "a map with `steps`, `batch_size`, `learning_rate` and more"),
    ("seed", "a whole number"),
    ("storage", "`f32` or `f16`"),
    ("out", "a folder"),
];

const VOCABULARY_FIELDS: &[Known] =
    &[("size", "a whole number of tokens, from 100"), ("lower_case", "`true` or `false`")];

const MODEL_FIELDS: &[Known] = &[
    ("hidden_size", WHOLE),
    ("num_hidden_layers", WHOLE),
    ("num_attention_heads", WHOLE),
    ("intermediate_size", "a whole number; four times `hidden_size` if left out"),
    ("hidden_act", "`gelu`, `gelu_new` or `relu`"),
    ("dropout", SHARE),
    ("max_position_embeddings", "a whole number; `max_seq_length` if left out"),
    ("initializer_range", "a number"),
];

const DATA_FIELDS: &[Known] = &[
    ("max_seq_length", WHOLE),
    ("short_sequences", SHARE),
    ("masked", "a number above 0 and at most 1"),
    ("max_predictions", "a whole number; 0 for any number"),
    ("mask", SHARE),
    ("random", SHARE),
    ("whole_words", FLAG),
    ("next_sentence", FLAG),
    ("dynamic", FLAG),
    ("left_to_right", FLAG),
    ("duplicates", WHOLE),
];

const TRAIN_FIELDS: &[Known] = &[
    ("batch_size", WHOLE),
    ("steps", WHOLE),
    ("learning_rate", "a number"),
    ("dropout", "a number from 0 to below 1; the model's if left out"),
    ("warmup", "the share of steps that warm up, a number from 0 to 1"),
    ("weight_decay", "a number"),
    ("beta2", "a number below 1"),
    ("epsilon", "a number"),
    ("max_grad_norm", "a number; 0 switches clipping off"),
    ("evaluate_steps", WHOLE),
    ("evaluate_sequences", WHOLE),
    ("snapshot_steps", WHOLE),
];

/// Highest width and number of positions: several times what the widest models have.
const WIDEST: u64 = 65_536;
/// The same of layers.
const DEEPEST: u64 = 1000;

const WHOLE: &str = "a whole number";
const FLAG: &str = "`true` or `false`";
const SHARE: &str = "a number from 0 to 1";

/// Reads the root of a file.
pub(super) fn pretraining(root: &Node) -> Read<PretrainingSpec> {
    let fields = Fields::read(root, "", FIELDS)?;
    let data = data(&fields)?;
    let start_from = fields.get("start_from").map(start_from).transpose()?;
    let vocabulary = vocabulary(fields.require("vocabulary")?)?;
    if let (Some(folder), VocabularySource::Train { .. }) = (&start_from, &vocabulary) {
        let file = folder.join("vocab.txt");
        let message =
            format!("`start_from` goes with the vocabulary of its model, expected `vocabulary: {}`", file.display());
        return Err(Complaint::new(fields.require("vocabulary")?.place, message));
    }
    let model = model(fields.require("model")?, &data)?;
    Ok(PretrainingSpec {
        name: experiment::name(fields.require("name")?)?,
        corpus: distinct(fields.require("corpus")?, "corpus", |node| {
            text(node, "corpus", "a text file or a folder").map(PathBuf::from)
        })?,
        held_out: part(&fields, "", "held_out", 0.02, |x| (0.0..=0.5).contains(&x), "a number from 0 to 0.5")?,
        vocabulary,
        start_from,
        train: train(fields.require("train")?, model.dropout)?,
        model,
        seed: fields.get("seed").map_or(Ok(1), |node| decode::whole(node, "seed", 0, u64::from(u32::MAX)))?,
        half: fields.get("storage").map_or(Ok("f32"), |node| decode::word(node, "storage", &["f32", "f16"]))? == "f16",
        out: fields.get("out").map(|node| text(node, "out", "a folder").map(PathBuf::from)).transpose()?,
        data,
    })
}

fn start_from(node: &Node) -> Read<PathBuf> {
    text(node, "start_from", "a folder of a pre-trained model").map(PathBuf::from)
}

fn vocabulary(node: &Node) -> Read<VocabularySource> {
    match &node.value {
        Value::Text(path) if !path.trim().is_empty() => Ok(VocabularySource::File(path.into())),
        Value::Map(_) => {
            let fields = Fields::read(node, "vocabulary", VOCABULARY_FIELDS)?;
            let size = decode::whole(fields.require("size")?, "vocabulary.size", 100, 1_000_000)? as usize;
            let lower_case =
                fields.get("lower_case").map_or(Ok(true), |node| decode::flag(node, "vocabulary.lower_case"))?;
            Ok(VocabularySource::Train { size, lower_case })
        }
        _ => Err(invalid(node, "vocabulary", "a `vocab.txt`, a `tokenizer.json`, or `{size, lower_case}`")),
    }
}

fn data(root: &Fields) -> Read<SequenceSpec> {
    let empty = Node { value: Value::Map(Vec::new()), place: Place::File(0) };
    let node = root.get("data").unwrap_or(&empty);
    let fields = Fields::read(node, "data", DATA_FIELDS)?;
    let share = |name: &str, default: f64| part(&fields, "data", name, default, |x| (0.0..=1.0).contains(&x), SHARE);
    let flag = |name: &str, default: bool| {
        fields.get(name).map_or(Ok(default), |node| decode::flag(node, &join("data", name)))
    };
    let spec = SequenceSpec {
        max_seq_length: count(&fields, "data", "max_seq_length", Some(128), 8, 65_536)? as usize,
        short_sequences: share("short_sequences", 0.1)?,
        masked: part(&fields, "data", "masked", 0.15, |x| x > 0.0 && x <= 1.0, "a number above 0 and at most 1")?,
        max_predictions: count(&fields, "data", "max_predictions", Some(20), 0, 65_536)? as usize,
        mask: share("mask", 0.8)?,
        random: share("random", 0.1)?,
        whole_words: flag("whole_words", false)?,
        next_sentence: flag("next_sentence", true)?,
        dynamic: flag("dynamic", false)?,
        left_to_right: flag("left_to_right", false)?,
        duplicates: count(&fields, "data", "duplicates", Some(10), 1, 10_000)?,
    };
    if spec.mask + spec.random > 1.0 {
        let message = format!("`data.mask` {} and `data.random` {} are more than 1 together", spec.mask, spec.random);
        return Err(Complaint::new(node.place, message));
    }
    if spec.left_to_right && spec.next_sentence {
        let message = "`data.left_to_right` goes without next sentences, expected `next_sentence: false`";
        return Err(Complaint::new(node.place, message.to_owned()));
    }
    let masking = MASKING_FIELDS.iter().find_map(|name| Some((name, fields.get(name)?)));
    if let (true, Some((name, given))) = (spec.left_to_right, masking) {
        let message = format!("`data.{name}` says how words are masked, and `data.left_to_right` masks none");
        return Err(Complaint::new(given.place, message).hint(format!("leave `data.{name}` out")));
    }
    Ok(spec)
}

fn model(node: &Node, data: &SequenceSpec) -> Read<ModelSpec> {
    let fields = Fields::read(node, "model", MODEL_FIELDS)?;
    let number = |name: &str, default: Option<u64>| count(&fields, "model", name, default, 1, WIDEST);
    let hidden_size = number("hidden_size", None)?;
    let positions = number("max_position_embeddings", Some(data.max_seq_length as u64))? as usize;
    if positions < data.max_seq_length {
        let message = format!(
            "`model.max_position_embeddings` is {positions}, expected at least `data.max_seq_length`, {}",
            data.max_seq_length
        );
        return Err(Complaint::new(node.place, message));
    }
    let heads = number("num_attention_heads", None)?;
    if !hidden_size.is_multiple_of(heads) {
        let message =
            format!("`model.hidden_size` {hidden_size} is no multiple of `model.num_attention_heads` {heads}");
        return Err(Complaint::new(node.place, message));
    }
    let acts = ["gelu", "gelu_new", "relu"];
    Ok(ModelSpec {
        hidden_size: hidden_size as usize,
        num_hidden_layers: count(&fields, "model", "num_hidden_layers", None, 1, DEEPEST)? as usize,
        num_attention_heads: heads as usize,
        intermediate_size: count(&fields, "model", "intermediate_size", Some(4 * hidden_size), 1, 4 * WIDEST)? as usize,
        hidden_act: fields
            .get("hidden_act")
            .map_or(Ok("gelu"), |node| decode::word(node, "model.hidden_act", &acts))?,
        dropout: part(&fields, "model", "dropout", 0.1, |x| (0.0..1.0).contains(&x), "a number from 0 to below 1")?,
        max_position_embeddings: positions,
        initializer_range: part(&fields, "model", "initializer_range", 0.02, |x| x > 0.0, "a number above 0")?,
    })
}

fn train(node: &Node, dropout: f64) -> Read<OptimizerSpec> {
    let fields = Fields::read(node, "train", TRAIN_FIELDS)?;
    let number = |name: &str, default: Option<u64>| count(&fields, "train", name, default, 1, 1_000_000_000);
    let above = |name: &str, default: f64| part(&fields, "train", name, default, |x| x > 0.0, "a number above 0");
    let from = |name: &str, default: f64| part(&fields, "train", name, default, |x| x >= 0.0, "a number from 0");
    let below = |name: &str, default: f64, words: &str| {
        part(&fields, "train", name, default, |x| (0.0..1.0).contains(&x), words)
    };
    let rate = fields.require("learning_rate")?;
    decode::real(rate, "train.learning_rate", |x| x > 0.0 && x <= 1.0, "a number above 0 and at most 1")?;
    Ok(OptimizerSpec {
        batch_size: number("batch_size", None)? as usize,
        steps: number("steps", None)?,
        learning_rate: above("learning_rate", 1e-4)?,
        dropout: below("dropout", dropout, "a number from 0 to below 1")?,
        warmup: part(&fields, "train", "warmup", 0.01, |x| (0.0..=1.0).contains(&x), SHARE)?,
        weight_decay: from("weight_decay", 0.01)?,
        beta2: below("beta2", 0.999, "a number from 0 to below 1")?,
        epsilon: above("epsilon", 1e-6)?,
        max_grad_norm: from("max_grad_norm", 1.0)?,
        evaluate_steps: number("evaluate_steps", Some(1000))?,
        evaluate_sequences: number("evaluate_sequences", Some(512))? as usize,
        snapshot_steps: number("snapshot_steps", Some(1000))?,
    })
}

/// A whole number of a map; one without a default must be there.
fn count(fields: &Fields, path: &str, name: &str, default: Option<u64>, min: u64, max: u64) -> Read<u64> {
    match (fields.get(name), default) {
        (None, Some(default)) => Ok(default),
        (None, None) => fields.require(name).map(|_| 0),
        (Some(node), _) => decode::whole(node, &join(path, name), min, max),
    }
}

fn part(fields: &Fields, path: &str, name: &str, default: f64, inside: impl Fn(f64) -> bool, words: &str) -> Read<f64> {
    fields.get(name).map_or(Ok(default), |node| decode::real(node, &join(path, name), inside, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name: x\ncorpus: text\nvocabulary: {size: 1000}\n\
                         model: {hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 2}\n\
                         train: {batch_size: 8, steps: 10, learning_rate: 1e-3}\n";

    fn read(text: &str) -> Result<PretrainingSpec, String> {
        let parsed = crate::spec::parse_with("x.yaml", text.into(), &[], |root, _| pretraining(root));
        parsed.map_err(|error| error.to_string())
    }

    /// Appendix A.2 of the paper and the released code's defaults.
    #[test]
    fn what_is_left_out_is_the_papers() {
        let spec = read(LEAST).unwrap();
        assert_eq!((spec.data.masked, spec.data.mask, spec.data.random), (0.15, 0.8, 0.1));
        assert_eq!((spec.data.short_sequences, spec.data.next_sentence, spec.data.duplicates), (0.1, true, 10));
        assert_eq!((spec.model.intermediate_size, spec.model.max_position_embeddings), (256, 128));
        assert_eq!((spec.train.epsilon, spec.train.weight_decay, spec.train.max_grad_norm), (1e-6, 0.01, 1.0));
    }

    /// What records keep reads back as the spec it was made of, but for folders: nothing is left out, nothing renamed.
    #[test]
    fn settings_are_complete_and_spelt_as_in_the_file() {
        let spec = read(&LEAST.replace("corpus: text", "corpus: [some/where/text]\nout: runs/x")).unwrap();
        assert_eq!(spec.settings()["corpus"], serde_json::json!(["text"]));
        assert_eq!((spec.settings().get("out"), &spec.to_json()["out"]), (None, &"runs/x".into()));
        assert_eq!(spec.settings()["train"]["dropout"], 0.1);
        for (section, fields) in [("model", MODEL_FIELDS), ("data", DATA_FIELDS), ("train", TRAIN_FIELDS), ("", FIELDS)]
        {
            let json = spec.to_json();
            let told = if section.is_empty() { &json } else { &json[section] };
            let told: Vec<&String> = told.as_object().unwrap().keys().collect();
            let known: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
            assert_eq!(told, known, "{section}");
        }
        // YAML reads JSON.
        let mut again = spec.to_json();
        again.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(read(&again.to_string()).unwrap(), spec);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let first = |text: &str| read(text).unwrap_err().lines().next().unwrap_or_default().to_string();
        let found = first(&LEAST.replace("steps: 10, ", ""));
        assert_eq!(found, "x.yaml:5:8: missing field `train.steps`");
        let found = first(&format!("{LEAST}data: {{mask: 0.9, random: 0.2}}\n"));
        assert!(found.contains("`data.mask` 0.9 and `data.random` 0.2 are more than 1 together"), "{found}");
        let found = first(&format!("{LEAST}data: {{masked: 0}}\n"));
        assert!(found.contains("`data.masked`: found `0`, expected a number above 0 and at most 1"), "{found}");
        for name in MASKING_FIELDS {
            let value = match *name {
                "whole_words" | "dynamic" => "true",
                "max_predictions" => "1",
                _ => "0.1",
            };
            let data = format!("{{left_to_right: true, next_sentence: false, {name}: {value}}}");
            let found = first(&format!("{LEAST}data: {data}\n"));
            assert!(found.contains("says how words are masked"), "{name}: {found}");
        }
        let found = first(&format!("{LEAST}data: {{max_seq_length: 4}}\n"));
        assert!(found.contains("invalid `data.max_seq_length`: found `4`, expected a whole number from 8"), "{found}");
        let found = first(&format!("{LEAST}start_from: other\n"));
        assert_eq!(
            found,
            "x.yaml:3:13: `start_from` goes with the vocabulary of its model, expected `vocabulary: other/vocab.txt`"
        );
        let found = first(&LEAST.replace("hidden_size: 64", "hidden_size: 64, max_position_embeddings: 64"));
        assert!(found.contains("is 64, expected at least `data.max_seq_length`, 128"), "{found}");
    }
}
