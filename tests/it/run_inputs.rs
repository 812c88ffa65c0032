//! Bad input, as `repro run` meets it: specs, checkpoints and data that are wrong in every way people get them wrong. Each
//! has its message; none is a panic, and none keeps the program for longer than it takes to say so.

use crate::dataset::bad_parquet::{column, features, write};
use crate::run::{SPEC, record};
use polars::prelude::{Column, ParquetCompression};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub")
}

/// A hub of one's own, to be damaged.
struct Hub(tempfile::TempDir);

const MODEL: &str = "models/repro/bert-tiny";
const SST2: &str = "datasets/repro/mini-glue/sst2";

impl Hub {
    fn new() -> Hub {
        let hub = Hub(tempfile::tempdir().unwrap());
        for folder in [MODEL, SST2] {
            std::fs::create_dir_all(hub.path(folder)).unwrap();
            for entry in std::fs::read_dir(embedded().join(folder)).unwrap() {
                let path = entry.unwrap().path();
                std::fs::copy(&path, hub.path(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
        hub
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join("hub").join(file)
    }

    /// The message of the failed run of [`SPEC`] on it.
    fn failure(&self) -> String {
        let (spec, out) = (self.0.path().join("small.yaml"), self.0.path().join("out"));
        std::fs::write(&spec, SPEC).unwrap();
        let _ = std::fs::remove_dir_all(&out);
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.arg("run").arg(spec).args(["--quiet", "--limit", "64", "--out"]).arg(&out);
        let output = command.arg("--hub").arg(self.0.path().join("hub")).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
        let message = record(&out)["status"]["failed"].as_str().unwrap().to_string();
        message.replace(&self.0.path().join("hub").display().to_string(), "HUB")
    }

    fn rewrite(&self, file: &str, change: impl FnOnce(&[u8]) -> Vec<u8>) {
        let path = self.path(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(path, change(&bytes)).unwrap();
    }
}

/// Length of the header, then the header as JSON, then the data.
fn with_header(bytes: &[u8], change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    change(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes(), header.as_slice(), &bytes[8 + length..]].concat()
}

const QUERY: &str = "encoder.layer.0.attention.self.query.weight";

#[test]
fn weights_of_another_shape_name_or_type_are_named() {
    let weights = format!("{MODEL}/model.safetensors");
    let said = |change: fn(&mut serde_json::Map<String, Value>)| {
        let hub = Hub::new();
        hub.rewrite(&weights, |bytes| with_header(bytes, change));
        hub.failure().replace(&format!("checkpoint `repro/bert-tiny`: HUB/{weights}: "), "")
    };
    // The model's hidden size is 64.
    let shape = said(|header| header[QUERY]["shape"] = json!([128, 32]));
    assert_eq!(shape, format!("tensor `{QUERY}` has shape [128, 32], the config expects [64, 64]"));
    let name = said(|header| {
        let query = header.remove(QUERY).unwrap();
        header.insert(QUERY.replace("query", "qury"), query);
    });
    assert_eq!(name, format!("unexpected tensor `{}`", QUERY.replace("query", "qury")));
    let dtype = said(|header| header[QUERY]["dtype"] = json!("I16"));
    assert_eq!(dtype, format!("tensor `{QUERY}` is I16, expected F32, F16 or BF16"));
    let offset = said(|header| header[QUERY]["data_offsets"] = json!([0, 1_000_000_000_000_u64]));
    assert!(offset.starts_with("not a readable safetensors file: "), "{offset}");
}

#[test]
fn weights_that_are_cut_or_no_safetensors_are_refused() {
    let weights = format!("{MODEL}/model.safetensors");
    let whole = std::fs::read(embedded().join(&weights)).unwrap();
    for (bytes, expected) in [
        (
            whole[..whole.len() / 2].to_vec(),
            format!("it should have {} bytes and has {}", whole.len(), whole.len() / 2),
        ),
        // `<!DOCTYP` read as a length: 0x50594F_54434F4421_3C is far beyond the file.
        (b"<!DOCTYPE html><html>not found</html>".to_vec(), "and the file has 37".into()),
        (Vec::new(), "not a readable safetensors file".into()),
    ] {
        let hub = Hub::new();
        std::fs::write(hub.path(&weights), bytes).unwrap();
        let message = hub.failure();
        assert!(message.contains("not a readable safetensors file") && message.contains(&expected), "{message}");
    }
}

#[test]
fn a_pickle_alone_says_how_to_convert_it() {
    let hub = Hub::new();
    std::fs::rename(hub.path(MODEL).join("model.safetensors"), hub.path(MODEL).join("pytorch_model.bin")).unwrap();
    let message = hub.failure();
    let (what, hint) = message.split_once("\nhint: ").unwrap();
    assert_eq!(
        what,
        "model `repro/bert-tiny` has `pytorch_model.bin` but no safetensors; only safetensors are read, because a pickle \
         can run code"
    );
    assert!(hint.contains("save_pretrained('converted', safe_serialization=True)"), "{hint}");
}

#[test]
fn a_config_that_does_not_fit_is_named_by_its_field() {
    for (field, value, expected) in [
        (
            "num_hidden_layers",
            json!(3),
            "the checkpoint lacks 16 of 55 tensors, the first being `bert.encoder.layer.2.",
        ),
        ("num_hidden_layers", json!(1), "unexpected tensor `encoder.layer.1."),
        ("num_hidden_layers", json!(-1), "`num_hidden_layers` is -1, expected a positive integer below 2^12"),
        ("hidden_size", json!(1_099_511_627_776_u64), "`hidden_size` is 1099511627776, expected a positive integer"),
        ("num_attention_heads", json!(7), "`num_attention_heads` is 7 with hidden_size 64, expected a divisor"),
        ("hidden_act", json!("swish"), "`hidden_act` is \"swish\", expected `gelu`, `gelu_new`"),
        ("model_type", json!("gpt2"), "unknown model_type `gpt2`, expected one of: bert"),
        ("vocab_size", json!(100), "token ids up to 1560, but the model has embeddings for 100 ids only"),
        ("max_position_embeddings", json!(64), "`max_seq_length` is 128, but the model has only 64 positions"),
    ] {
        let hub = Hub::new();
        hub.rewrite(&format!("{MODEL}/config.json"), |bytes| {
            let mut config: Value = serde_json::from_slice(bytes).unwrap();
            config[field] = value.clone();
            serde_json::to_vec(&config).unwrap()
        });
        let message = hub.failure();
        assert!(message.contains(expected), "{field} = {value}: {message}");
    }
}

/// Three rows of SST-2.
fn rows(labels: &[i64]) -> Vec<Column> {
    let count = labels.len();
    let ids: Vec<i32> = (0..count as i32).collect();
    vec![column("sentence", vec!["a word"; count]), column("label", labels), column("idx", ids)]
}

#[test]
fn rows_that_cannot_be_learned_from_are_named_by_file_and_row() {
    let names = || features(r#"["negative", "positive"]"#);
    let train = "train-00000-of-00001.parquet";
    let said = |file: &str, columns: Vec<Column>| {
        let hub = Hub::new();
        write(&hub.path(SST2).join(file), columns, names(), ParquetCompression::Snappy);
        hub.failure().replace(&format!("HUB/{SST2}/"), "")
    };
    assert_eq!(
        said(train, rows(&[0, 1, 7])),
        format!("{train}: row 2: found label 7, expected 0 to 1 or, where it is hidden, -1")
    );
    assert_eq!(
        said(train, rows(&[0, -1, 1])),
        format!("{train}: row 1: found a hidden label (-1), expected a label, since split `train` is trained on")
    );
    assert_eq!(said(train, rows(&[])), format!("{train}: split `train` is empty"));
    let dev = "validation-00000-of-00001.parquet";
    assert_eq!(said(dev, rows(&[])), format!("{dev}: split `validation` is empty"));
    let without = said(train, rows(&[0, 1]).into_iter().filter(|column| column.name() != "label").collect());
    assert_eq!(without, format!("{train}: no column `label`, found `sentence`, `idx`"));
}

#[test]
fn parquet_that_is_cut_or_overwritten_is_named() {
    let train = format!("{SST2}/train-00000-of-00001.parquet");
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 5] = [
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        |bytes| bytes[bytes.len() / 2..].to_vec(),
        |_| Vec::new(),
        |_| b"PAR1".repeat(10),
        |bytes| bytes.iter().enumerate().map(|(at, byte)| if at / 200 == 10 { !byte } else { *byte }).collect(),
    ];
    for damage in damages {
        let hub = Hub::new();
        hub.rewrite(&train, damage);
        let message = hub.failure();
        assert!(message.starts_with(&format!("HUB/{train}: not a whole parquet file: ")), "{message}");
    }
}

/// What the program says of a spec, and that it says it soon: within a second on an idle machine, three where it is busy.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yaml"), bytes).unwrap();
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    let output = command.current_dir(folder.path()).args(["run", "x.yaml", "--out", "out"]).output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("out").exists(), "nothing is written for a spec that is refused");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn hostile_specs_are_refused_at_once() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(SPEC.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let latin1 = [SPEC.as_bytes(), b"# caf\xe9\n"].concat();
    for (bytes, expected) in [
        (bomb.into_bytes(), "not valid YAML: "),
        ("[".repeat(100_000).into_bytes(), "error: x.yaml:1:65: nested deeper than 64 levels\n"),
        ("{a: ".repeat(100_000).into_bytes(), "nested deeper than 64 levels\n"),
        ("- ".repeat(100_000).into_bytes(), "nested deeper than 64 levels\n"),
        (
            vec![b'#'; 10_000_000],
            "error: x.yaml: larger than 1000000 bytes, expected an experiment of a few kilobytes\n",
        ),
        (utf16, "error: x.yaml: found UTF-16, expected UTF-8\nhint: save the file as UTF-8\n"),
        (latin1, "error: x.yaml:7:6: found byte 0xe9, which is not UTF-8, expected UTF-8\n"),
        (b"name: x\0".to_vec(), "error: x.yaml:1:8: found a NUL byte, expected text\n"),
        (Vec::new(), "error: x.yaml: found nothing in it, expected a map of fields\n"),
        (b"name: &a *a\n".to_vec(), "not valid YAML: "),
        (b"name: x\nname: y\n".to_vec(), "duplicate field"),
    ] {
        let said = refused(&bytes);
        assert!(said.contains(expected), "{said}");
    }
}
