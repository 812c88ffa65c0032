//! A model folder, loaded by Hugging Face transformers: the golden models go out and give their golden logits again.

use crate::sample::record;
use repro::engine::NamedArray;
use repro::export::{ExportInput, TokenizerFile, write};
use repro::task::find;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A golden model and a task with its head.
const CASES: [(&str, &str); 8] = [
    ("bert_cls2", "rte"),
    ("bert_cls3", "mnli"),
    ("bert_regression", "stsb"),
    ("bert_qa", "squad"),
    ("roberta_cls2", "rte"),
    ("roberta_qa", "squad"),
    ("distilbert_cls2", "rte"),
    ("electra_cls3", "mnli"),
];

fn from_environment(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or(PathBuf::from(default), PathBuf::from)
}

fn arrays(path: &Path) -> Vec<NamedArray> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort();
    names.into_iter().map(|name| array(&file, name)).collect()
}

/// Values as 32-bit floats; ids and masks are small whole numbers.
fn array(file: &SafeTensors, name: &str) -> NamedArray {
    let view = file.tensor(name).unwrap();
    let values = match view.dtype() {
        Dtype::F32 => view.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect(),
        Dtype::I64 => view.data().chunks(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as f32).collect(),
        other => panic!("{name}: {other:?}"),
    };
    NamedArray { name: name.to_string(), shape: view.shape().to_vec(), values }
}

fn rows(array: &NamedArray, whole: bool) -> Value {
    let value = |value: &f32| if whole { json!(*value as i64) } else { json!(value) };
    let rows = array.values.chunks(*array.shape.last().unwrap());
    rows.map(|row| row.iter().map(value).collect::<Value>()).collect()
}

fn config(path: &Path) -> Map<String, Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The golden model as a folder, and its first batch with the reference's logits as cases.
fn export(golden: &Path, task: &str, folder: &Path) -> PathBuf {
    let record = record("a", 1, 0.85);
    let hub = from_environment("REPRO_HUB", "data/hub").join("models/sentence-transformers/all-MiniLM-L6-v2");
    let names = ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"];
    let files = names.map(|name| TokenizerFile { name: name.into(), path: hub.join(name) });
    // WordPiece for all but RoBERTa, which transformers would look up in another way.
    let config = config(&golden.join("config.json"));
    let has = |file: &TokenizerFile| file.path.exists() && config["model_type"] != "roberta";
    let tokenizer: Vec<_> = files.into_iter().filter(has).collect();
    let input = ExportInput {
        config: &config,
        task: find(task).unwrap(),
        parameters: &arrays(&golden.join("model.safetensors")),
        tokenizer: &tokenizer,
        record: &record,
    };
    write(folder, &input).unwrap();
    let batch = arrays(&golden.join("batches.safetensors"));
    let inputs = ["input_ids", "attention_mask", "token_type_ids"].into_iter().filter_map(|name| {
        let array = batch.iter().find(|array| array.name == format!("step0.{name}"))?;
        Some((name.to_string(), rows(array, true)))
    });
    let mut cases = Map::from_iter([("inputs".to_string(), Value::Object(inputs.collect()))]);
    let forward = arrays(&golden.join("forward.safetensors"));
    let logits = forward.iter().filter(|array| array.name.ends_with("logits"));
    cases.extend(logits.map(|array| (array.name.clone(), rows(array, false))));
    let path = folder.join("cases.json");
    std::fs::write(&path, Value::Object(cases).to_string()).unwrap();
    path
}

/// `REPRO_PYTHON=python REPRO_GOLDEN=… REPRO_HUB=… cargo test --test it -- --ignored --nocapture`
#[test]
#[ignore = "needs REPRO_PYTHON, a Python with torch and transformers, and REPRO_GOLDEN"]
fn transformers_loads_the_folder_and_gives_the_same_logits() {
    let python = std::env::var("REPRO_PYTHON").expect("REPRO_PYTHON names an interpreter");
    let golden = from_environment("REPRO_GOLDEN", "tests/golden").join("models");
    for (model, task) in CASES {
        let folder = tempfile::tempdir().unwrap();
        let cases = export(&golden.join(model), task, folder.path());
        let mut command = Command::new(&python);
        command.arg("scripts/check_export.py").arg(folder.path()).arg(cases);
        let output = command.output().unwrap();
        println!("{model}\n{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{model}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_folder_is_the_same_every_time_and_has_no_partial_files() {
    let config = json!({"model_type": "bert", "hidden_size": 2, "vocab_size": 3});
    let array = |name: &str, shape: &[usize]| {
        let values = vec![0.25; shape.iter().product()];
        NamedArray { name: name.to_string(), shape: shape.to_vec(), values }
    };
    let parameters = [
        array("embeddings.word_embeddings.weight", &[3, 2]),
        array("classifier.weight", &[2, 2]),
        array("classifier.bias", &[2]),
    ];
    let record = record("a", 1, 0.85);
    let config = config.as_object().unwrap();
    let task = find("mrpc").unwrap();
    let contents = || {
        let folder = tempfile::tempdir().unwrap();
        let input = ExportInput { config, task, parameters: &parameters, tokenizer: &[], record: &record };
        write(folder.path(), &input).unwrap();
        write(folder.path(), &input).unwrap();
        let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.map(|path| (path.file_name().unwrap().to_owned(), std::fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let one = contents();
    assert_eq!(one, contents());
    let names: Vec<_> = one.iter().map(|(name, _)| name.to_str().unwrap()).collect();
    assert_eq!(names, ["README.md", "config.json", "model.safetensors"]);
}
