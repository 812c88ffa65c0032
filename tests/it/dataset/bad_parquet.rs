//! Parquet that is damaged, foreign, or says something else than the task's table: an error, never a panic.

use super::{message, read_file};
use polars::prelude::{Column, DataFrame, KeyValueMetadata, NamedFrom, ParquetCompression, ParquetWriter, Series};
use repro::dataset::Label;
use std::path::{Path, PathBuf};

const RTE_NAMES: &str = r#"["entailment", "not_entailment"]"#;

/// The metadata as the hub writes it.
pub fn features(names: &str) -> Option<KeyValueMetadata> {
    let json = format!(r#"{{"info": {{"features": {{"label": {{"names": {names}, "_type": "ClassLabel"}}}}}}}}"#);
    Some(KeyValueMetadata::from_static(vec![("huggingface".to_owned(), json)]))
}

pub fn write(path: &Path, columns: Vec<Column>, metadata: Option<KeyValueMetadata>, compression: ParquetCompression) {
    let mut frame = DataFrame::new_infer_height(columns).unwrap();
    let writer = ParquetWriter::new(std::fs::File::create(path).unwrap());
    writer.with_compression(compression).with_key_value_metadata(metadata).finish(&mut frame).unwrap();
}

pub fn column<T, V: AsRef<[T]>>(name: &str, values: V) -> Column
where
    Series: NamedFrom<V, [T]>,
{
    Series::new(name.into(), values).into()
}

/// Three rows of RTE with these labels.
fn rte(labels: Column) -> Vec<Column> {
    vec![
        column("sentence1", ["a", "b", "c"]),
        column("sentence2", ["d", "e", "f"]),
        labels,
        column("idx", [0_i32, 1, 2]),
    ]
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("f.parquet")
    }

    fn written(&self, columns: Vec<Column>, names: &str) -> PathBuf {
        write(&self.file(), columns, features(names), ParquetCompression::Snappy);
        self.file()
    }

    /// The error of reading it as the RTE training split.
    fn error(&self) -> String {
        message(read_file("rte", "train", &self.file()).unwrap_err(), self.0.path())
    }
}

#[test]
fn snappy_and_zstd_read_the_same() {
    let folder = Folder::new();
    let mut read = Vec::new();
    for compression in [ParquetCompression::Snappy, ParquetCompression::Zstd(None)] {
        write(&folder.file(), rte(column("label", [0_i64, 1, 1])), features(RTE_NAMES), compression);
        read.push(read_file("rte", "train", &folder.file()).unwrap());
    }
    assert_eq!(read[0], read[1]);
    assert_eq!(read[0].release, "other data me/mini");
    let first = &read[0].examples[0];
    assert_eq!((first.id.as_str(), first.first.as_str(), first.second.as_deref()), ("0", "a", Some("d")));
    assert_eq!(first.label, Some(Label::Class(0)));
}

#[test]
fn label_names_in_another_order_are_refused() {
    let folder = Folder::new();
    folder.written(rte(column("label", [0_i64, 1, 1])), r#"["not_entailment", "entailment"]"#);
    let expected = "f.parquet: label names are `not_entailment`, `entailment`, expected `entailment`, `not_entailment` \
                    in this order";
    assert_eq!(folder.error(), expected);
}

#[test]
fn label_numbers_without_names_prove_nothing() {
    let folder = Folder::new();
    write(&folder.file(), rte(column("label", [0_i64, 1, 1])), None, ParquetCompression::Snappy);
    assert!(folder.error().starts_with("f.parquet: label names are not in the file, expected"), "{}", folder.error());
}

#[test]
fn labels_spelt_out_need_no_numbers() {
    let folder = Folder::new();
    let labels = column("label", ["entailment", "not_entailment", "entailment"]);
    write(&folder.file(), rte(labels), None, ParquetCompression::Snappy);
    let rows = read_file("rte", "train", &folder.file()).unwrap();
    assert_eq!(rows.examples[1].label, Some(Label::Class(1)));
}

#[test]
fn wrong_values_name_their_row() {
    let folder = Folder::new();
    folder.written(rte(column("label", [0_i64, 1, 2])), RTE_NAMES);
    assert_eq!(folder.error(), "f.parquet: row 2: found label 2, expected 0 to 1 or, where it is hidden, -1");
    folder.written(rte(column("label", [0_i64, -1, 1])), RTE_NAMES);
    let expected = "f.parquet: row 1: found a hidden label (-1), expected a label, since split `train` is trained on";
    assert_eq!(folder.error(), expected);
    folder.written(rte(column("label", [Some(0_i64), None, Some(1)])), RTE_NAMES);
    assert_eq!(folder.error(), "f.parquet: row 1: found null in column `label`, expected a value");
}

#[test]
fn wrong_scores_name_their_row() {
    let folder = Folder::new();
    for (score, shown) in [(f32::NAN, "NaN"), (5.5, "5.5"), (f32::INFINITY, "inf")] {
        folder.written(rte(column("label", [1.0_f32, score, 2.0])), "[]");
        let error = message(read_file("stsb", "train", &folder.file()).unwrap_err(), folder.0.path());
        assert_eq!(error, format!("f.parquet: row 1: found score {shown}, expected a number from 0 to 5"));
    }
}

#[test]
fn columns_must_be_there_with_their_type() {
    let folder = Folder::new();
    let mut columns = rte(column("label", [0_i64, 1, 1]));
    columns.remove(1);
    folder.written(columns, RTE_NAMES);
    assert_eq!(folder.error(), "f.parquet: no column `sentence2`, found `sentence1`, `label`, `idx`");
    folder.written(rte(column("label", [0.0_f64, 1.0, 1.0])), RTE_NAMES);
    assert_eq!(folder.error(), "f.parquet: column `label` has type `f64`, expected an integer");
}

#[test]
fn an_empty_split_is_an_error() {
    let folder = Folder::new();
    let columns = rte(column("label", [0_i64, 1, 1])).into_iter().map(|column| column.slice(0, 0));
    folder.written(columns.collect(), RTE_NAMES);
    assert_eq!(folder.error(), "f.parquet: split `train` is empty");
}

#[test]
fn an_absent_file_is_named() {
    assert!(Folder::new().error().starts_with("f.parquet: No such file"));
}

#[test]
fn files_that_are_not_parquet_say_why() {
    let folder = Folder::new();
    let whole = std::fs::read(folder.written(rte(column("label", [0_i64, 1, 1])), RTE_NAMES)).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    let mut footer = whole.clone();
    let end = footer.len() - 8;
    footer[end..end + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let cases = [
        (Vec::new(), "found 0 bytes, expected at least 12"),
        (b"version https://git-lfs.github.com/spec/v1".to_vec(), "it does not begin with `PAR1`"),
        (cut, "it does not end with `PAR1`"),
        (footer, "its footer claims 4294967295 bytes"),
    ];
    for (bytes, reason) in cases {
        std::fs::write(folder.file(), bytes).unwrap();
        let error = folder.error();
        assert!(error.starts_with(&format!("f.parquet: not a whole parquet file: {reason}")), "{error}");
    }
}

#[test]
fn no_damaged_byte_and_no_cut_makes_a_panic() {
    let folder = Folder::new();
    let whole = std::fs::read(folder.written(rte(column("label", [0_i64, 1, 1])), RTE_NAMES)).unwrap();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        std::fs::write(folder.file(), bytes).unwrap();
        // Some bytes (statistics, padding) decide nothing: what is asked is that an answer comes.
        let _ = read_file("rte", "train", &folder.file());
        std::fs::write(folder.file(), &whole[..place]).unwrap();
        assert!(folder.error().starts_with("f.parquet: not a whole parquet file"));
    }
}
