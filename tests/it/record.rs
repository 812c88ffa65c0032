//! Records as files: whole or absent, never edited, and one process per run.

use proptest::prelude::*;
use repro::fetch::{Fetched, Repository, RepositoryKind, Trust};
use repro::record::*;
use repro::score::Metric;
use repro::spec::Select;
use repro::spec::recipe::*;
use std::path::Path;
use std::process::Command;

/// The released BERT code's recipe, as `bert_repository.yaml` states it.
pub fn recipe() -> Recipe {
    Recipe {
        preset: "bert-code".into(),
        epochs: 3.0,
        batch_size: 32,
        micro_batch_size: 32,
        learning_rate: 2e-5,
        schedule: Schedule::LinearFromStart,
        warmup: 0.1,
        rounding: Rounding::Down,
        bias_correction: false,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-6,
        weight_decay: 0.01,
        max_grad_norm: 1.0,
        dropout: None,
        initializer_range: 0.02,
        truncated_normal: true,
        max_seq_length: 128,
        truncation: Truncation::ReleasedCode,
        doc_stride: 128,
        doc_stride_unit: DocStrideUnit::Step,
        max_query_length: 64,
        max_answer_length: 30,
        n_best_size: 20,
        max_context: true,
        evaluate: Evaluate::EveryEpoch,
        early_stopping: 0,
        plateau_factor: 1.0,
        min_learning_rate: 0.0,
        metric_batch_size: 0,
        keep_weights: KeepWeights::Last,
        snapshot_steps: 0,
        context_sentences: 0,
        features: None,
        lstm_hidden_size: 0,
        start_from: None,
        layerwise_lr_decay: 1.0,
        auxiliary_lm: 0.0,
        both_orders: false,
        classifier_dropout: None,
        span_head: SpanHead::Simple,
        bilstm_layers: 0,
    }
}

/// A finished run of bert-base-uncased with one dev split and these scores.
pub fn record(id: &str, task: &str, claim: &str, scores: &[(Metric, f64)]) -> Record {
    let task = repro::task::find(task).unwrap();
    let dev = task.splits.iter().find(|split| split.claim == claim && split.name.starts_with("validation")).unwrap();
    let score = |(metric, value): &(Metric, f64)| RecordedScore {
        split: dev.name.into(),
        claim: claim.into(),
        metric: *metric,
        value: Some(*value),
        interval: Some((value - 0.02, value + 0.02)),
        examples: dev.rows,
    };
    let release = |name: &str, rows| SplitReport { split: name.into(), rows, release: "official".into() };
    Record {
        format: FORMAT,
        id: id.into(),
        experiment: "glue".into(),
        select: Some(Select::BestOnDev),
        checkpoint: "google-bert/bert-base-uncased".into(),
        untrained: false,
        baseline: None,
        started_from: None,
        task: task.name.into(),
        task_version: 1,
        data: task.dataset.repository.into(),
        recipe: recipe(),
        seed: 1,
        limit: None,
        status: Status::Finished,
        scores: scores.iter().map(score).collect(),
        evaluations: (1..=3).map(|epoch| evaluation(epoch, dev.name, scores)).collect(),
        kept_step: 300,
        total_steps: 300,
        resumed_from_step: 0,
        splits: vec![release("train", task.splits[0].rows), release(dev.name, dev.rows)],
        encoding: vec![EncodingReport {
            split: "train".into(),
            examples: task.splits[0].rows,
            sequences: task.splits[0].rows,
            tokens: 195_000,
            truncated: 3,
            answers_lost: 0,
        }],
        files: vec![fetched("config.json"), fetched("model.safetensors"), fetched("tokenizer.json")],
        provenance: Provenance {
            version: "0.1.0".into(),
            commit: Some("0123456789abcdef".into()),
            dirty: Some(false),
            engine: "reference".into(),
            device: "cpu (2 threads)".into(),
            dtype: "f32".into(),
            libraries: vec![("candle-core".into(), "0.11.1".into())],
        },
        cost: Cost {
            train_seconds: 100.5,
            total_seconds: 120.25,
            tokens_per_second: 1950.0,
            peak_memory: 1 << 30,
            finished_at: "2026-01-02T03:04:05Z".into(),
        },
    }
}

fn evaluation(epoch: u64, split: &str, scores: &[(Metric, f64)]) -> Evaluation {
    let earlier = 0.05 * (3 - epoch) as f64;
    Evaluation {
        step: 100 * epoch,
        epoch: epoch as f64,
        split: split.into(),
        loss: 0.3 + earlier,
        scores: scores.iter().map(|(metric, value)| (*metric, Some(value - earlier))).collect(),
    }
}

fn fetched(name: &str) -> Fetched {
    let repository =
        Repository { kind: RepositoryKind::Model, name: "google-bert/bert-base-uncased".into(), revision: None };
    Fetched { repository, name: name.into(), path: "".into(), size: 10, sha256: "ab".repeat(32), trust: Trust::Pinned }
}

fn sample(id: &str) -> Record {
    record(id, "mrpc", "mrpc", &[(Metric::F1, 0.88), (Metric::Accuracy, 0.84)])
}

#[test]
fn a_record_is_found_again_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("not/yet/there"));
    assert!(store.find("0123").unwrap().is_none());
    let path = store.write(&sample("0123")).unwrap();
    assert_eq!(path, store.folder.join("0123.json"));
    assert_eq!(store.find("0123").unwrap(), Some(sample("0123")));
    let names: Vec<_> = std::fs::read_dir(&store.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["0123.json"], "no temporary file stays behind");
}

/// The largest usual record: MNLI with its two dev sets, evaluated twelve times on each.
#[test]
fn a_record_is_a_small_file_that_people_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = record("0123", "mnli", "mnli_m", &[(Metric::Accuracy, 0.843_210_987)]);
    record.evaluations = (0..24).map(|n| evaluation(n % 4, "validation_matched", &[(Metric::Accuracy, 0.8)])).collect();
    let text = std::fs::read_to_string(Store::new(folder.path()).write(&record).unwrap()).unwrap();
    assert!(text.len() < 20_000, "{} bytes", text.len());
    assert!(text.starts_with("{\n  \"format\": 1,\n  \"id\": \"0123\",\n  \"experiment\""), "{}", &text[..80]);
}

#[test]
fn a_corrupt_record_is_named_and_the_others_are_listed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    for id in ["cc", "aa"] {
        store.write(&sample(id)).unwrap();
    }
    std::fs::write(folder.path().join("bb.json"), "{\"format\": 1, \"id\": ").unwrap();
    std::fs::write(folder.path().join("dd.json"), "{\"format\": 2}").unwrap();
    std::fs::write(folder.path().join(".ee.json.1.tmp"), "half").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a record").unwrap();
    let Listing { records, problems } = store.all().unwrap();
    assert_eq!(records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["aa", "cc"]);
    let problems: Vec<String> =
        problems.iter().map(|e| e.to_string().replace(&folder.path().display().to_string(), "FOLDER")).collect();
    insta::assert_snapshot!(problems.join("\n"), @r"
    `FOLDER/bb.json` is not a record: EOF while parsing a value at line 1 column 20
    `FOLDER/dd.json` has format 2, expected 1
    ");
}

#[test]
fn an_unknown_field_of_a_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let path = store.write(&sample("aa")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap().replacen("\"id\"", "\"mood\": 1,\n  \"id\"", 1);
    std::fs::write(&path, text).unwrap();
    assert!(store.find("aa").unwrap_err().to_string().contains("unknown field `mood`"));
}

/// The records of before the rule was kept have no such line; they are read, and written again without one.
#[test]
fn a_record_without_its_selection_rule_stays_readable() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let path = store.write(&sample("aa")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\n  \"select\": \"best-on-dev\",\n"));
    let old = text.replace("  \"select\": \"best-on-dev\",\n", "");
    std::fs::write(&path, &old).unwrap();
    let record = store.find("aa").unwrap().unwrap();
    assert_eq!(record, Record { select: None, ..sample("aa") });
    store.write(&record).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), old);
}

#[test]
fn a_diverged_run_keeps_its_infinite_loss() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let mut record = sample("aa");
    record.status = Status::Diverged(17);
    record.evaluations[0].loss = f64::INFINITY;
    record.evaluations[1].loss = f64::NAN;
    store.write(&record).unwrap();
    let read = store.find("aa").unwrap().unwrap();
    assert_eq!((read.status, read.evaluations[0].loss), (Status::Diverged(17), f64::INFINITY));
    assert!(read.evaluations[1].loss.is_nan());
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    store.write(&sample("aa")).unwrap();
    let mut record = sample("aa");
    record.scores[0].interval = Some((f64::NAN, 1.0));
    assert!(store.write(&record).unwrap_err().to_string().contains("would not be readable"));
    assert_eq!(store.find("aa").unwrap(), Some(sample("aa")), "the earlier record is untouched");
}

/// Mounts a small file system for a test; `None`, with a line that says so, where that is not allowed.
pub fn mounted(options: &str, test: impl FnOnce(&Path)) -> Option<()> {
    let folder = tempfile::tempdir().unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("skipped: a tmpfs can't be mounted here");
        return None;
    }
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(folder.path())));
    Command::new("umount").arg(folder.path()).status().unwrap();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Some(())
}

#[test]
fn a_full_disk_is_an_error_and_damages_no_record() {
    mounted("size=32k", |folder| {
        let store = Store::new(folder);
        store.write(&sample("aa")).unwrap();
        // What is left of the disk is filled, so that the next record does not fit.
        let _ = std::fs::write(folder.join("ballast"), vec![0; 1 << 20]);
        let mut changed = sample("aa");
        changed.seed = 99;
        let message = store.write(&changed).unwrap_err().to_string();
        assert!(message.contains("cannot write record") && message.contains("No space left"), "{message}");
        assert_eq!(store.find("aa").unwrap(), Some(sample("aa")));
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2, "the temporary file is gone");
    });
}

#[test]
fn a_read_only_folder_is_an_error_that_names_it() {
    mounted("size=64k", |folder| {
        let store = Store::new(folder);
        store.write(&sample("aa")).unwrap();
        let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(folder).status();
        assert!(remount.unwrap().success());
        let message = store.write(&sample("bb")).unwrap_err().to_string();
        assert!(message.contains("bb.json") && message.contains("Read-only"), "{message}");
        assert!(lock(folder, "bb").is_err());
        assert_eq!(store.all().unwrap().records.len(), 1);
    });
}

#[test]
fn a_run_is_locked_by_one_holder_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let held = lock(folder.path(), "aa").unwrap();
    assert!(held.is_some());
    assert!(lock(folder.path(), "aa").unwrap().is_none());
    assert!(lock(folder.path(), "bb").unwrap().is_some(), "other runs are free");
    drop(held);
    assert!(lock(folder.path(), "aa").unwrap().is_some());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no lock file stays behind");
}

/// Eight threads take turns 50 times each; a lock that two held at once would lose an increment.
#[test]
fn contended_locks_exclude_each_other_while_files_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let counter = folder.path().join("counter");
    std::fs::write(&counter, "0").unwrap();
    let turn = || {
        let _held = loop {
            if let Some(held) = lock(folder.path(), "aa").unwrap() {
                break held;
            }
            std::thread::yield_now();
        };
        let count: u32 = std::fs::read_to_string(&counter).unwrap().parse().unwrap();
        std::fs::write(&counter, (count + 1).to_string()).unwrap();
    };
    std::thread::scope(|scope| {
        (0..8).for_each(|_| {
            scope.spawn(|| (0..50).for_each(|_| turn()));
        });
    });
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "400");
}

/// `flock` holds the lock in another process, as a second `repro` would; killing it frees the run.
#[test]
fn a_killed_process_frees_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let script = "exec 9>\"$0\"; flock 9; echo held; exec sleep 60";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(folder.path().join("aa.lock")).stdout(std::process::Stdio::piped());
    let Ok(mut other) = command.spawn() else {
        return println!("skipped: no shell");
    };
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(other.stdout.as_mut().unwrap()), &mut line).unwrap();
    if line != "held\n" {
        other.kill().unwrap();
        return println!("skipped: no flock");
    }
    assert!(lock(folder.path(), "aa").unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(lock(folder.path(), "aa").unwrap().is_some());
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Finished),
        ".{0,20}".prop_map(Status::Collapsed),
        any::<u64>().prop_map(Status::Diverged),
        ".{0,40}".prop_map(Status::Failed),
    ]
}

/// Twelve decimals: serde_json reads up to fifteen digits exactly.
fn fraction() -> impl Strategy<Value = f64> {
    (0u64..=1_000_000_000_000).prop_map(|n| n as f64 / 1e12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_record_survives_its_file(
        status in status(),
        value in proptest::option::of(fraction()),
        loss in fraction(),
        name in ".{0,30}",
        seed in any::<u64>(),
        limit in proptest::option::of(any::<u32>()),
        steps in 1u64..1000,
    ) {
        let mut record = sample("aa");
        record.status = status;
        record.scores[0].value = value;
        record.evaluations[0].loss = loss;
        record.experiment = name;
        record.seed = seed;
        record.limit = limit.map(|limit| limit as usize);
        record.recipe.evaluate = Evaluate::EverySteps(steps);
        let folder = tempfile::tempdir().unwrap();
        let path = Store::new(folder.path()).write(&record).unwrap();
        prop_assert_eq!(read(&path).unwrap(), record);
    }
}
