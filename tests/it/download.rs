//! What `repro plan` says of files that are not here, and a whole experiment over the hub's protocol.

use crate::hub_server::{Fault, HubServer};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const SPEC: &str = "name: far
checkpoints: [repro/bert-tiny]
tasks: [sst2]
data: {repositories: {nyu-mll/glue: repro/mini-glue}}
train: {preset: hf-default, batch_size: 8, learning_rate: 2e-3, epochs: 1}
";

/// The files of [`SPEC`] in `data/hub`: the model's, and its two splits.
const FILES: [&str; 6] = [
    "datasets/repro/mini-glue/sst2/train-00000-of-00001.parquet",
    "datasets/repro/mini-glue/sst2/validation-00000-of-00001.parquet",
    "models/repro/bert-tiny/config.json",
    "models/repro/bert-tiny/model.safetensors",
    "models/repro/bert-tiny/tokenizer_config.json",
    "models/repro/bert-tiny/vocab.txt",
];

fn hub() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/hub"))
}

fn repro(folder: &Path, command: &str, endpoint: &str, more: &[&str]) -> Output {
    std::fs::write(folder.join("far.yaml"), SPEC).unwrap();
    let mut repro = Command::new(env!("CARGO_BIN_EXE_repro"));
    repro.current_dir(folder).args([command, "far.yaml", "--out", "out", "--quiet", "--hub", endpoint]).args(more);
    repro
        .env("HF_HOME", folder.join("home"))
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_HUB_OFFLINE")
        .env_remove("HF_TOKEN");
    repro.output().unwrap()
}

fn plan(folder: &Path, endpoint: &str, more: &[&str]) -> Value {
    let output = repro(folder, "plan", endpoint, &[&["--json"], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `repository/file` and size of each file to download.
fn downloads(plan: &Value) -> Vec<(String, Option<u64>)> {
    let name = |file: &Value| format!("{}/{}", file["repository"].as_str().unwrap(), file["file"].as_str().unwrap());
    plan["downloads"].as_array().unwrap().iter().map(|file| (name(file), file["size"].as_u64())).collect()
}

#[test]
fn plan_asks_for_sizes_and_downloads_nothing() {
    let (folder, server) = (tempfile::tempdir().unwrap(), HubServer::start(hub()));
    let mut found = downloads(&plan(folder.path(), &server.endpoint(), &[]));
    found.sort();
    let expected: Vec<(String, Option<u64>)> =
        FILES.iter().map(|file| (file.to_string(), Some(hub().join(file).metadata().unwrap().len()))).collect();
    assert_eq!(found, expected);
    assert!(server.hub_requests().iter().all(|seen| seen.method == "HEAD"));
    assert_eq!(server.storage_requests(), []);
}

#[test]
fn plan_asks_nothing_offline_and_says_that_sizes_are_unknown() {
    let (folder, server) = (tempfile::tempdir().unwrap(), HubServer::start(hub()));
    let plan = plan(folder.path(), &server.endpoint(), &["--offline"]);
    // Whether the hub has the optional files of a model is not known.
    let names: Vec<String> = downloads(&plan).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(plan["downloads"].as_array().unwrap().iter().all(|file| file["unknown"] == "offline"));
    assert_eq!(server.hub_requests(), []);
}

#[test]
fn plan_needs_no_server_to_answer() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    // Port 9 of this machine (discard) refuses connections.
    let output = repro(folder.path(), "plan", "http://127.0.0.1:9", &[]);
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("to download: 4 files, 0.0 kB; 4 of unknown size ("), "{text}");
}

#[test]
fn plan_says_which_size_a_refusing_server_kept_to_itself() {
    let (folder, server) = (tempfile::tempdir().unwrap(), HubServer::start(hub()));
    // Whichever question comes first is refused; the others are answered.
    server.fault(Fault::Head(403, vec![]));
    let found = downloads(&plan(folder.path(), &server.endpoint(), &[]));
    assert!(found.iter().filter(|(_, size)| size.is_some()).count() >= 5, "{found:?}");
    // An optional file that may not be seen is not listed, any other is, without a size.
    assert!(found.iter().filter(|(_, size)| size.is_none()).count() <= 1, "{found:?}");
}

#[test]
fn a_model_in_shards_is_known_by_its_index() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = HubServer::start(hub.path());
    server.put("models/repro/bert-tiny/config.json", b"{}");
    server.put("models/repro/bert-tiny/model.safetensors.index.json", b"{}");
    let found = plan(folder.path(), &server.endpoint(), &[]);
    assert_eq!(
        downloads(&found),
        [
            ("models/repro/bert-tiny/*.safetensors".to_string(), None),
            ("models/repro/bert-tiny/config.json".into(), Some(2))
        ]
    );
    assert_eq!(found["downloads"][0]["unknown"], "in shards, which `model.safetensors.index.json` names");
}

/// The embedded experiment, every byte of it over HTTP; the server of large files is another port.
#[test]
fn a_whole_experiment_runs_over_the_hubs_protocol() {
    let (folder, server) = (tempfile::tempdir().unwrap(), HubServer::start(hub()));
    server.fault(Fault::CutAfter(1000));
    let output = repro(folder.path(), "run", &server.endpoint(), &["--limit", "64"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("sst2.accuracy"));
    let gets =
        |requests: Vec<crate::hub_server::Seen>| requests.into_iter().filter(|seen| seen.method == "GET").count();
    assert!(gets(server.storage_requests()) > 3, "large files, one of them in two pieces");

    let record = std::fs::read_dir(folder.path().join("out/records")).unwrap().next().unwrap().unwrap().path();
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    for file in record["files"].as_array().unwrap() {
        let bytes = std::fs::read(hub().join(format!(
            "{}s/{}/{}",
            file["repository"]["kind"].as_str().unwrap(),
            file["repository"]["name"].as_str().unwrap(),
            file["name"].as_str().unwrap()
        )));
        assert_eq!(file["sha256"], crate::hub_server::sha256(&bytes.unwrap()));
        assert_eq!(file["repository"]["revision"], crate::hub_server::COMMIT);
    }

    // What was fetched is enough: nothing is left to download, and offline the same run is done from the cache.
    assert_eq!(plan(folder.path(), &server.endpoint(), &["--limit", "64"])["downloads"], serde_json::json!([]));
    let asked = server.hub_requests().len();
    std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    let again = repro(folder.path(), "run", &server.endpoint(), &["--limit", "64", "--offline"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(again.stdout, output.stdout);
    assert_eq!(server.hub_requests().len(), asked);
}
