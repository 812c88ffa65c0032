//! Every GLUE and SQuAD split of the hub, wherever a copy is found; those that are absent are listed, not passed.
//!
//! Expected counts are the published ones: rows by `nyu-mll/glue` and the SQuAD papers, labels by counting the
//! published files with another library (pyarrow) when the copy was made.

use super::{file, split_of};
use repro::dataset::{Label, Location, Origin, Rows, SplitFile, read, squad_references};
use repro::task::{Schema, SplitRole, TASKS};
use std::path::PathBuf;

/// Task, split, and how many rows have label 0, 1, 2.
const LABEL_COUNTS: &[(&str, &str, &[usize])] = &[
    ("cola", "train", &[2_528, 6_023]),
    ("cola", "validation", &[322, 721]),
    ("sst2", "validation", &[428, 444]),
    ("mrpc", "train", &[1_194, 2_474]),
    ("mrpc", "validation", &[129, 279]),
    ("mrpc", "test", &[578, 1_147]),
    ("rte", "train", &[1_249, 1_241]),
    ("rte", "validation", &[146, 131]),
    ("wnli", "train", &[323, 312]),
    ("wnli", "validation", &[40, 31]),
    ("qnli", "validation", &[2_702, 2_761]),
    ("mnli", "validation_matched", &[3_479, 3_123, 3_213]),
];

fn hub() -> PathBuf {
    std::env::var_os("REPRO_HUB").map_or_else(|| PathBuf::from("data/hub"), PathBuf::from)
}

/// The official file of a split, if there is a copy with the published number of rows' worth of bytes.
fn official(task: &str, split: &str) -> Option<PathBuf> {
    let (task, split) = split_of(task, split);
    let path = hub().join("datasets").join(task.dataset.repository).join(task.split_file(split.name));
    path.is_file().then_some(path)
}

fn read_official(task: &str, split: &str) -> Option<Rows> {
    let Some(path) = official(task, split) else {
        println!("{task} {split}: skipped, no copy here");
        return None;
    };
    let (task, split) = split_of(task, split);
    Some(read(task, split, &file(path, Origin::Official), None).unwrap())
}

#[test]
fn every_split_of_the_hub_has_its_published_rows() {
    for task in TASKS {
        for split in task.splits {
            let Some(rows) = read_official(task.name, split.name) else { continue };
            assert_eq!((rows.release.as_str(), rows.rows), ("official", split.rows));
            assert!(rows.warnings.is_empty(), "{:?}", rows.warnings);
            let labelled = rows.examples.iter().filter(|example| example.label.is_some()).count();
            assert_eq!(labelled, if split.hidden { 0 } else { split.rows }, "{task} {}", split.name);
            let pairs = matches!(task.schema, Schema::Pair(..) | Schema::Question { .. });
            assert!(rows.examples.iter().all(|example| example.second.is_some() == pairs));
            println!("{task} {}: passed", split.name);
        }
    }
}

#[test]
fn labels_have_their_published_counts() {
    for (task, split, expected) in LABEL_COUNTS {
        let Some(rows) = read_official(task, split) else { continue };
        let mut counts = vec![0; expected.len()];
        for example in &rows.examples {
            let Some(Label::Class(class)) = example.label else { panic!("{task} {split} has classes") };
            counts[class as usize] += 1;
        }
        assert_eq!(&counts, expected, "{task} {split}");
        println!("{task} {split}: passed");
    }
}

#[test]
fn similarities_have_their_published_means() {
    // 2.701 and 2.364, computed over the published files when the copy was made; three digits are given.
    for (split, expected) in [("train", 2.701), ("validation", 2.364)] {
        let Some(rows) = read_official("stsb", split) else { continue };
        let score = |label: &Option<Label>| match label {
            Some(Label::Value(value)) => f64::from(*value),
            other => panic!("found {other:?}"),
        };
        let mean = rows.examples.iter().map(|example| score(&example.label)).sum::<f64>() / rows.rows as f64;
        assert!((mean - expected).abs() < 5e-4, "{split}: {mean}");
    }
}

#[test]
fn test_rows_count_up_from_zero_as_the_server_expects() {
    for task in TASKS.iter().filter(|task| !task.server_files.is_empty()) {
        for split in task.splits_with(SplitRole::Test) {
            let Some(rows) = read_official(task.name, split.name) else { continue };
            let in_order = rows.examples.iter().enumerate().all(|(row, example)| example.id == row.to_string());
            assert!(in_order, "{task} {}", split.name);
        }
    }
}

#[test]
fn squad_dev_sets_have_their_published_answers() {
    // 34,726 answers in v1.1 dev; 5,945 of 11,873 questions of v2.0 dev have none, 20,302 answers in the others.
    for (task, answers, unanswerable) in [("squad", 34_726, 0), ("squad_v2", 20_302, 5_945)] {
        let Some(path) = official(task, "validation") else {
            println!("{task}: skipped, no copy here");
            continue;
        };
        let references = squad_references(&path).unwrap();
        assert_eq!(references.iter().map(|(_, texts)| texts.len()).sum::<usize>(), answers);
        assert_eq!(references.iter().filter(|(_, texts)| texts.is_empty()).count(), unanswerable);
        println!("{task}: passed");
    }
}

#[test]
fn partial_training_files_are_marked_when_the_spec_names_them() {
    let cases = [
        ("qqp", "nyu-mll/glue/qqp/partial/train-subset-23497-of-363846.parquet", 23_497),
        ("squad", "rajpurkar/squad/plain_text/partial/train-first-4373-of-87599.parquet", 4_373),
        ("squad_v2", "rajpurkar/squad_v2/squad_v2/partial/train-first-4719-of-130319.parquet", 4_719),
    ];
    for (task, name, expected) in cases {
        let path = hub().join("datasets").join(name);
        if !path.is_file() {
            println!("{task}: skipped, no partial file here");
            continue;
        }
        let (task, split) = split_of(task, "train");
        let named = read(task, split, &file(&path, Origin::NamedFile("partial.parquet".into())), None).unwrap();
        assert_eq!((named.rows, named.release.as_str()), (expected, "partial file partial.parquet"));
        assert!(named.warnings.is_empty(), "{:?}", named.warnings);
        let error = read(task, split, &file(&path, Origin::Official), None).unwrap_err();
        assert!(error.to_string().contains(&format!("has {expected} rows, expected {}", split.rows)), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_limit_takes_the_first_rows_and_says_so() {
    let Some(path) = official("rte", "validation") else { return println!("rte: skipped, no copy here") };
    let (task, split) = split_of("rte", "validation");
    let source = SplitFile { location: Location::File(path), origin: Origin::Official };
    let all = read(task, split, &source, None).unwrap();
    let limited = read(task, split, &source, Some(5)).unwrap();
    assert_eq!((limited.rows, limited.release.as_str()), (5, "limited to 5 rows"));
    assert_eq!(limited.examples, all.examples[..5]);
    assert_eq!(read(task, split, &source, Some(277)).unwrap().release, "official");
}
