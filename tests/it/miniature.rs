//! A BERT miniature as the hub had it first: `config.json` without `model_type` and `layer_norm_eps`, a `vocab.txt`, and no
//! tokenizer's config.

use super::families::{checkpoint, records, run_folder};
use repro::family::EncoderConfig;
use repro::record::Status;
use serde_json::{Map, Value};
use std::path::Path;
use std::process::Command;

#[test]
fn a_miniature_without_model_type_is_fine_tuned_with_a_note_and_saved_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("bert_uncased_L-2_H-128_A-2"), folder.path().join("out"));
    checkpoint::write(&model, "bert");
    let path = model.join("config.json");
    let mut config: Map<String, Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for field in ["model_type", "layer_norm_eps", "architectures"] {
        config.shift_remove(field);
    }
    std::fs::write(&path, Value::Object(config).to_string()).unwrap();

    let spec = folder.path().join("spec.yaml");
    let text = format!(
        "name: x\ncheckpoints: [{}]\ntasks: [rte]\nhub: data/hub\ntrain: {{preset: hf-default, epochs: 1, max_seq_length: 96}}\n\
         data: {{repositories: {{nyu-mll/glue: repro/mini-glue}}}}\n",
        model.display()
    );
    std::fs::write(&spec, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).arg("run").arg(&spec).arg("--out").arg(&out);
    let output = command.args(["--limit", "24", "--keep", "all"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for note in
        ["config.json has no `model_type`: `bert`, by", "config.json has no `layer_norm_eps`: 1e-12, the default"]
    {
        assert_eq!(said.matches(note).count(), 1, "{note}: {said}");
    }
    let records = records(&out);
    assert!(!matches!(records[0].status, Status::Failed(_)), "{:?}", records[0].status);
    let saved = run_folder(&out, &records[0]).join("model/config.json");
    let saved = EncoderConfig::parse(&std::fs::read_to_string(saved).unwrap()).unwrap();
    assert_eq!((saved.family.model_type, saved.layer_norm_eps), ("bert", 1e-12));
}
