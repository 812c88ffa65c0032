//! Every system of the founding document's tables has an experiment that runs it and stands it beside its row.

use super::paper::published;
use super::record::record;
use repro::plan::{Options, expand};
use repro::report::files;
use repro::spec::{Experiment, pretraining, read};
use std::process::Command;

fn experiments() -> Vec<Experiment> {
    let paths = std::fs::read_dir("experiments").unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| !pretraining::is_pretraining(path)).map(|path| read(&path, &[]).unwrap()).collect()
}

/// Whether an experiment runs a row's system on every task that it has a figure of, and compares with each of them: by the
/// table, where the row has a checkpoint of its own, else figure by figure.
fn covers(experiment: &Experiment, table: &str, system: &str) -> bool {
    let published = published();
    let whole = format!("founding_document/{table}");
    let claims = published.resolve(&format!("{whole}/{system}")).unwrap().claims();
    let runs = expand(experiment, &Options::default()).unwrap().runs;
    let references: Vec<String> = experiment.compare.iter().map(ToString::to_string).collect();
    claims.iter().all(|claim| {
        let its = |name: &str| claim.model_key.as_deref().is_none_or(|key| key == name);
        let of_task = |run: &repro::plan::Run| run.task.splits.iter().any(|split| split.claim == claim.task);
        let named = match &claim.model_key {
            Some(_) => references.contains(&whole),
            None => references.contains(&claim.reference),
        };
        named && runs.iter().any(|run| run.checkpoint.baseline.is_none() && its(&run.checkpoint.name) && of_task(run))
    })
}

#[test]
fn every_system_of_the_founding_tables_has_an_experiment() {
    let (experiments, published) = (experiments(), published());
    let paper = published.paper("founding_document").unwrap();
    let mut rows = 0;
    for table in &paper.tables {
        for row in table.rows.iter().filter(|row| row.not_run.is_none()) {
            let found = experiments.iter().find(|experiment| covers(experiment, &table.id, &row.system));
            println!("{}, {}: {:?}", table.id, row.system, found.map(|experiment| &experiment.name));
            assert!(found.is_some(), "no experiment runs {} of {}", row.system, table.id);
            rows += 1;
        }
    }
    // Four of the first table, six of the second.
    assert_eq!(rows, 10);
}

#[test]
fn coverage_says_that_the_best_of_several_systems_is_none() {
    let made = files(&[record("01", "mrpc", "mrpc", &[])], &published(), &Default::default()).unwrap();
    let part = |title: &str| made["coverage.md"].split("## ").find(|part| part.starts_with(title)).unwrap().to_owned();
    for table in ["founding_document/founding_glue_test", "bert/bert_t1"] {
        let text = part(table);
        let line = |system: &str| text.lines().find(|line| line.starts_with(&format!("| {system} |"))).unwrap();
        let note = text.lines().find(|line| line.contains("no system: the best of several before OpenAI GPT")).unwrap();
        let mark = note.split(':').next().unwrap();
        assert_eq!(line("Pre-OpenAI SOTA").matches(&format!("impossible {mark} |")).count(), 9, "{text}");
        assert!(!line("BiLSTM+ELMo+Attn").contains(&format!("impossible {mark} |")), "{text}");
        assert!(!text.contains("no download of this system's weights"), "{text}");
    }
}

/// Offline, with a hub that has none of the checkpoints: what there is to do is known all the same.
#[test]
fn the_founding_experiments_are_planned_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "glue",
        "glue-elmo",
        "openai-gpt",
        "bert-large",
        "roberta-large-books-wiki",
        "roberta-large-additional-data",
        "roberta-large-longer",
        "roberta-large",
        "xlnet-large",
    ];
    for name in names {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["plan", &format!("{name}.yaml"), "--no-calibration"]);
        let output = command.arg("--offline").arg("--hub").arg(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(" runs\n"), "{name}: {said}");
    }
}
