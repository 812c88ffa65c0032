//! The embedded hub is what its README says: schemas, sizes, disjoint splits, answers where they should be.

use polars::prelude::{DataFrame, DataType, ExplodeOptions, ParquetReader, SerReader};
use repro::dataset::{Label, Location, Origin, SplitFile};
use repro::task::{self, Head, Schema, Task};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Every list has one entry, so nothing is left out or filled in.
const WHOLE: ExplodeOptions = ExplodeOptions { empty_as_null: true, keep_nulls: true };

const GLUE: [&str; 8] = ["mnli", "qqp", "qnli", "sst2", "cola", "stsb", "mrpc", "rte"];

fn hub() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub")
}

fn read(repository: &str, task: &Task, split: &str) -> DataFrame {
    let path = hub().join("datasets").join(repository).join(task.split_file(split));
    let file = File::open(&path).unwrap_or_else(|error| panic!("could not open {}: {error}", path.display()));
    ParquetReader::new(file).finish().expect("the file is parquet")
}

fn texts(frame: &DataFrame, column: &str) -> Vec<String> {
    let column = frame.column(column).expect("the column is there").str().expect("it is text");
    column.iter().map(|text| text.expect("no text is missing").to_string()).collect()
}

fn text_columns(task: &Task) -> Vec<&'static str> {
    match task.schema {
        Schema::Single(text) => vec![text],
        Schema::Pair(first, second) => vec![first, second],
        _ => vec!["context"],
    }
}

#[test]
fn columns_are_those_of_glue() {
    for task in GLUE.map(|name| task::find(name).expect("a task")) {
        let frame = read("repro/mini-glue", task, "train");
        let mut expected = text_columns(task);
        expected.extend(["label", "idx"]);
        assert_eq!(frame.get_column_names(), expected, "{task}");
        let label = if task.head == Head::Regression { DataType::Float32 } else { DataType::Int64 };
        assert_eq!(frame.column("label").expect("a label").dtype(), &label, "{task}");
        assert_eq!(frame.column("idx").expect("an index").dtype(), &DataType::Int32, "{task}");
    }
}

#[test]
fn labels_are_in_range_and_hidden_where_the_hub_hides_them() {
    for task in GLUE.map(|name| task::find(name).expect("a task")) {
        for split in task.splits {
            let frame = read("repro/mini-glue", task, split.name);
            let labels = frame.column("label").expect("a label").cast(&DataType::Float64).expect("a number");
            let labels: BTreeSet<i64> = labels.f64().expect("f64").iter().map(|v| v.expect("a value") as i64).collect();
            let highest = if task.head == Head::Regression { 5 } else { task.labels.len() as i64 - 1 };
            let expected = if split.hidden { BTreeSet::from([-1]) } else { (0..=highest).collect() };
            assert_eq!(labels, expected, "{task} {}", split.name);
        }
    }
}

#[test]
fn no_sentence_stands_in_two_splits() {
    let squad = task::find("squad").expect("a task");
    let tasks = GLUE.map(|name| ("repro/mini-glue", task::find(name).expect("a task")));
    for (repository, task) in tasks.into_iter().chain([("repro/mini-squad", squad)]) {
        let mut earlier = BTreeSet::new();
        for split in task.splits {
            let frame = read(repository, task, split.name);
            let here: BTreeSet<String> = text_columns(task).iter().flat_map(|column| texts(&frame, column)).collect();
            assert!(earlier.is_disjoint(&here), "{task} {} repeats a sentence of an earlier split", split.name);
            earlier.extend(here);
        }
    }
}

#[test]
fn answers_stand_where_they_start() {
    let frame = read("repro/mini-squad", task::find("squad").expect("a task"), "validation");
    let answers = frame.column("answers").expect("answers").struct_().expect("a struct").clone();
    let first = |field: &str| answers.field_by_name(field).expect("a field").explode(WHOLE).expect("a list");
    let (texts_of, starts) = (first("text"), first("answer_start"));
    let (texts_of, starts) = (texts_of.str().expect("text"), starts.i32().expect("32-bit starts"));
    let contexts = texts(&frame, "context");
    assert_eq!((texts_of.len(), starts.len()), (contexts.len(), contexts.len()), "one answer a question");
    for ((context, text), start) in contexts.iter().zip(texts_of.iter()).zip(starts.iter()) {
        let (text, start) = (text.expect("a text"), start.expect("a start") as usize);
        assert_eq!(&context[start..start + text.len()], text);
    }
}

#[test]
fn a_third_of_the_second_squads_questions_have_no_answer() {
    let frame = read("repro/mini-squad", task::find("squad_v2").expect("a task"), "validation");
    let answers = frame.column("answers").expect("answers").struct_().expect("a struct").clone();
    let texts = answers.field_by_name("text").expect("a field");
    let none = texts.list().expect("lists").iter().filter(|list| list.as_ref().is_some_and(|l| l.is_empty())).count();
    let share = none as f64 / frame.height() as f64;
    assert!((0.2..0.45).contains(&share), "{share}");
}

#[test]
fn tagged_sentences_have_a_tag_a_word_and_all_types() {
    let conll = task::find("conll2003").expect("a task");
    for split in conll.splits {
        let path = SplitFile {
            location: Location::File(hub().join("datasets/repro/mini-ner").join(conll.split_file(split.name))),
            origin: Origin::OtherRepository("repro/mini-ner".into()),
        };
        let rows = repro::dataset::read(conll, split, &path, None).expect("the rows are as the task says");
        let mut seen = BTreeSet::new();
        for example in rows.examples {
            let Some(Label::Tags(tags)) = example.label else { panic!("a sentence without tags") };
            assert_eq!(tags.len(), example.parts.len());
            seen.extend(tags);
        }
        assert_eq!(seen, (0..9).collect(), "{}", split.name);
    }
}

#[test]
fn label_names_stand_in_the_metadata() {
    // As the hub's own files have it; read as text, since the footer is not compressed.
    let path = hub().join("datasets/repro/mini-glue/mrpc/train-00000-of-00001.parquet");
    let bytes = fs::read(path).expect("the file is there");
    let expected = br#""label":{"names":["not_equivalent","equivalent"],"_type":"ClassLabel"}"#;
    assert!(bytes.windows(expected.len()).any(|window| window == expected));
}

#[test]
fn checkpoint_has_the_shapes_its_config_says() {
    let folder = hub().join("models/repro/bert-tiny");
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("config.json")).expect("a config")).expect("JSON");
    let words = fs::read_to_string(folder.join("vocab.txt")).expect("a vocabulary").lines().count();
    assert_eq!(config["vocab_size"], words);
    let bytes = fs::read(folder.join("model.safetensors")).expect("weights");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    // A BertModel of two layers: 5 embedding tensors, 16 a layer, 2 of the pooler.
    assert_eq!(tensors.len(), 5 + 2 * 16 + 2);
    let embedding = tensors.tensor("embeddings.word_embeddings.weight").expect("word embeddings");
    assert_eq!(embedding.shape(), [words, 64]);
    assert!(bytes.len() < 1_000_000);
}

#[test]
fn hub_is_small_enough_for_git() {
    fn size(path: &Path) -> u64 {
        let metadata = fs::metadata(path).expect("it is there");
        if metadata.is_file() {
            return metadata.len();
        }
        fs::read_dir(path).expect("a folder").map(|entry| size(&entry.expect("an entry").path())).sum()
    }
    // Twelve mebibytes as files; compressed, as git keeps them, a tenth less.
    assert!(size(&hub()) < 12 << 20);
}
