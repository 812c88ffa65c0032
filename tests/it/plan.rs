//! Plans as users get them: ids, grids, seeds, filters, sources, and every shipped experiment.

use repro::plan::{EngineKind, Options, Plan, PlanError, expand};
use repro::spec::pins::Pins;
use repro::spec::{read, read_bytes};
use repro::task::Head;
use std::collections::BTreeSet;
use std::path::Path;

const GRID: &str = "name: x\ncheckpoints: [a/small, a/large]\ntasks: [mrpc, rte]\n\
                    train: {preset: bert-code, learning_rate: [5e-5, 2e-5], batch_size: [16, 32]}\n\
                    seeds: [1, 7]\nrestarts: {a/large: 3}\n";

fn plan(text: &str, sets: &[&str], options: &Options) -> Result<Plan, PlanError> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    expand(&read_bytes("x.yaml", text.as_bytes().to_vec(), &sets).unwrap(), options)
}

fn only(arguments: &[&str]) -> Options {
    Options { only: arguments.iter().map(|argument| (*argument).to_owned()).collect(), ..Options::default() }
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.runs.iter().map(|run| run.id.to_string()).collect()
}

#[test]
fn grid_seeds_and_restarts_multiply_in_a_fixed_order() {
    let plan = plan(GRID, &[], &Options::default()).unwrap();
    // small: 2 tasks × 4 points × 2 seeds; large: 2 × 4 × 3 restarts.
    assert_eq!(plan.runs.len(), 16 + 24);
    let labels: Vec<String> = plan.runs.iter().take(3).map(|run| run.label()).collect();
    assert_eq!(
        labels,
        [
            "mrpc · a/small · lr 5e-5 · batch 16 · 3 epochs · seed 1",
            "mrpc · a/small · lr 5e-5 · batch 16 · 3 epochs · seed 7",
            "mrpc · a/small · lr 2e-5 · batch 16 · 3 epochs · seed 1",
        ]
    );
    assert_eq!(ids(&plan).into_iter().collect::<BTreeSet<_>>().len(), 40);
}

/// Computed by Python too: `sha256(json.dumps(run, sort_keys=True, separators=(",", ":")))`, fractions as `"5e-5"`, `"3e0"`.
/// Changes only with a `format` raised in `plan::identity`: records are found by these ids.
#[test]
fn an_id_stays_what_it_is() {
    let text = "name: x\ncheckpoints: [a/b]\ntasks: [mrpc]\ntrain: {preset: bert-code}\n";
    let id = |text: &str, sets: &[&str], options: &Options| ids(&plan(text, sets, options).unwrap())[0].clone();
    let same = id(text, &[], &Options::default());
    insta::assert_snapshot!(same, @"91abbee0db22916b");
    let reference = Options { engine: EngineKind::Reference, ..Options::default() };
    insta::assert_snapshot!(id(text, &[], &reference), @"0d30037df8d8985b");
    // What cannot move a score is not part of it.
    for set in ["name=y", "train.snapshot_steps=7", "train.micro_batch_size=4", "compare=bert/bert_t1", "out=elsewhere"]
    {
        assert_eq!(id(text, &[set], &Options::default()), same, "{set}");
    }
    // What can is.
    let moving = [
        "seeds=2",
        "train.epochs=2",
        "train.truncation=longest-first",
        "checkpoints={name: a/b, untrained: true}",
        "checkpoints={name: a/b, revision: abc}",
        "data.files.mrpc.train=x.parquet",
        "data.folder=glue_data",
        "data.revisions.nyu-mll/glue=abc",
        "data.repositories.nyu-mll/glue=other/glue",
    ];
    for set in moving {
        assert_ne!(id(text, &[set], &Options::default()), same, "{set}");
    }
    assert_ne!(id(text, &[], &Options { limit: Some(100), ..Options::default() }), same);
}

#[test]
fn only_narrows_and_a_value_that_matches_nothing_is_a_mistake() {
    let narrowed = plan(GRID, &[], &only(&["task=rte", "checkpoint=a/large", "seed=2,3"])).unwrap();
    assert_eq!(narrowed.runs.len(), 8);
    assert!(narrowed.runs.iter().all(|run| run.task.name == "rte" && run.seed > 1));
    let refused = |argument: &str| plan(GRID, &[], &only(&[argument])).unwrap_err().to_string();
    assert_eq!(refused("task=mrcp"), "--only task=mrcp: no run with task `mrcp`, expected `mrpc`");
    assert_eq!(refused("tsk=rte"), "--only tsk=rte: unknown key `tsk`, expected `task`");
    assert!(refused("task").contains("expected `task=mrpc,rte`"));
}

#[test]
fn seeds_of_the_command_line_replace_seeds_and_restarts() {
    let plan = plan(GRID, &[], &Options { seeds: Some(2), ..only(&["task=rte"]) }).unwrap();
    assert_eq!(plan.runs.len(), 2 * 4 * 2);
    assert!(plan.runs.iter().all(|run| run.seed == 1 || run.seed == 2));
}

#[test]
fn every_value_says_where_it_came_from() {
    let text = "name: x\ncheckpoints: [a/b]\ntasks: [mrpc, squad]\ntrain:\n  preset: bert-code\n  epochs: 2\n\
                task_overrides:\n  squad: {epochs: 4}\n";
    let plan = plan(text, &["train.weight_decay=0"], &Options { limit: Some(64), ..Options::default() }).unwrap();
    let rows = |key: &str| -> Vec<String> {
        let of_key = plan.values.iter().filter(|value| value.key == key);
        of_key.map(|value| format!("{} | {} | {}", value.value, value.tasks.join(","), value.source)).collect()
    };
    assert_eq!(rows("train.epochs"), ["2 | mrpc | x.yaml:6", "4 | squad | x.yaml:8"]);
    assert_eq!(rows("train.weight_decay"), ["0 |  | --set train.weight_decay=0"]);
    assert_eq!(
        rows("train.max_seq_length"),
        ["128 | mrpc | preset bert-code: run_classifier.py", "384 | squad | preset bert-code: run_squad.py"]
    );
    assert_eq!(rows("limit"), ["first 64 rows of every split |  | --limit"]);
    // The recipe's 42 fields beside its preset are all there.
    let fields: BTreeSet<&str> = plan.values.iter().filter_map(|value| value.key.strip_prefix("train.")).collect();
    assert_eq!(fields.len(), 42);
}

#[test]
fn set_on_train_beats_a_task_override_of_the_file() {
    let text =
        "name: x\ncheckpoints: [a/b]\ntasks: [mrpc]\ntrain: {preset: stable}\ntask_overrides: {mrpc: {epochs: 4}}\n";
    let epochs = |sets: &[&str]| plan(text, sets, &Options::default()).unwrap().runs[0].recipe.epochs;
    assert_eq!(epochs(&[]), 4.0);
    assert_eq!(epochs(&["train.epochs=1"]), 1.0);
    assert_eq!(epochs(&["train.epochs=1", "task_overrides.mrpc.epochs=2"]), 2.0);
}

#[test]
fn revisions_come_from_the_spec_else_from_the_pins() {
    let pins = "models/a/b: {revision: pinned}\ndatasets/nyu-mll/glue: {revision: data}\n";
    let options = Options { pins: Pins::parse("pins.yaml", pins.into()).unwrap(), ..Options::default() };
    let text = "name: x\ncheckpoints: [a/b]\ntasks: [mrpc]\ntrain: {preset: stable}\n";
    let run = &plan(text, &[], &options).unwrap().runs[0];
    assert_eq!((run.checkpoint.revision.as_deref(), run.data.revision.as_deref()), (Some("pinned"), Some("data")));
    let run = &plan(text, &["checkpoints={name: a/b, revision: mine}"], &options).unwrap().runs[0];
    assert_eq!(run.checkpoint.revision.as_deref(), Some("mine"));
}

#[test]
fn impossible_recipes_are_refused_before_anything_is_fetched() {
    let text = "name: x\ncheckpoints: [a/b]\ntasks: [squad]\ntrain: {preset: bert-code}\n";
    let refused = |text: &str, sets: &[&str], limit| {
        plan(text, sets, &Options { limit, ..Options::default() }).unwrap_err().to_string()
    };
    assert_eq!(
        refused(text, &["train.doc_stride=384"], None),
        "the recipe for `squad` is impossible: `doc_stride` is 384, expected less than `max_seq_length` (384)"
    );
    assert!(refused(text, &["train.early_stopping=2"], None).contains("`evaluate: at-end`"));
    assert_eq!(
        refused(text, &["train.auxiliary_lm=0.5"], None),
        "the recipe for `squad` is impossible: `auxiliary_lm` is 0.5, expected 0: next tokens are learned beside a head of \
         whole sequences only"
    );
    assert_eq!(
        refused(&text.replace("squad", "sst2"), &["train.both_orders=true"], None),
        "the recipe for `sst2` is impossible: `both_orders` is true, expected false: a row of SST-2 is no pair of texts"
    );
    assert_eq!(
        refused(text, &["train.context_sentences=2"], None),
        "the recipe for `squad` is impossible: `context_sentences` is 2, expected 0: the rows of SQuAD 1.1 have no neighbours"
    );
    assert_eq!(
        refused(&text.replace("squad", "mrpc"), &["train.bilstm_layers=2", "train.start_from=mnli"], None),
        "the recipe for `mrpc` is impossible: `bilstm_layers` is 2, expected 0: `start_from` is `mnli`, and what a BiLSTM has \
         learned there would not be carried over"
    );
    // int(4 / 32 * 3) = 0 steps under the released code's rounding.
    assert!(refused(&text.replace("squad", "mrpc"), &[], Some(4)).contains("would take 0 steps"));
    // 1000 seeds × 101 rates.
    let list = |numbers: Vec<String>| format!("[{}]", numbers.join(", "));
    let seeds = format!("seeds={}", list((0..1000).map(|seed| seed.to_string()).collect()));
    let rates = format!("train.learning_rate={}", list((1..=101).map(|rate| format!("{rate}e-6")).collect()));
    assert!(refused(text, &[&seeds, &rates], None).starts_with("more than 100000 runs"));
}

/// What is left out of a recipe's JSON is left out of its id.
#[test]
fn gpts_values_are_part_of_an_id_where_they_are_anything() {
    let text = "name: x\ncheckpoints: [a/b]\ntasks: [mrpc]\ntrain: {preset: bert-code}\n";
    let id = |sets: &[&str]| ids(&plan(text, sets, &Options::default()).unwrap()).remove(0);
    let run = &plan(text, &[], &Options::default()).unwrap().runs[0];
    let json = serde_json::to_value(&run.recipe).unwrap();
    assert!(["auxiliary_lm", "both_orders", "classifier_dropout"].iter().all(|field| json.get(field).is_none()));
    let others = ["train.both_orders=true", "train.classifier_dropout=0.1", "train.auxiliary_lm=0.5"];
    assert_eq!(others.map(|set| id(&[set])).into_iter().chain([id(&[])]).collect::<BTreeSet<_>>().len(), 4);
    let same = ["train.both_orders=false", "train.classifier_dropout=checkpoint", "train.auxiliary_lm=0"];
    assert!(same.iter().all(|set| id(&[set]) == id(&[])));
}

#[test]
fn a_span_head_is_part_of_an_id_where_it_is_not_the_simple_one() {
    let text = "name: x\ncheckpoints: [a/b]\ntasks: [squad]\ntrain: {preset: bert-code}\n";
    let runs = |sets: &[&str]| plan(text, sets, &Options::default()).unwrap().runs;
    let (plain, beam) = (&runs(&[])[0], &runs(&["train.span_head=beam"])[0]);
    assert_eq!((plain.head(), beam.head()), (Head::Span, Head::BeamSpan));
    assert!(serde_json::to_value(&plain.recipe).unwrap().get("span_head").is_none());
    assert!(beam.label().contains(" · span head beam · lr ") && !plain.label().contains("head"), "{}", beam.label());
    assert!(plain.id != beam.id && plain.id == runs(&["train.span_head=simple"])[0].id);
}

#[test]
fn gpts_preset_has_its_papers_values_where_they_can_be() {
    let text =
        "name: x\ncheckpoints: [a/b]\ntasks: [mrpc, mnli, sst2, squad, conll2003]\ntrain: {preset: openai-gpt}\n";
    let whole = plan(text, &[], &Options::default()).unwrap();
    let found = whole.runs.iter().map(|run| (run.task.name, run.recipe.auxiliary_lm, run.recipe.both_orders));
    let expected = [
        ("mrpc", 0.5, true),
        ("mnli", 0.5, false),
        ("sst2", 0.5, false),
        ("squad", 0.0, false),
        ("conll2003", 0.0, false),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let shown = whole.values.iter().find(|value| value.key == "train.classifier_dropout").unwrap();
    assert_eq!(shown.value, "0.1");
    let baseline = text.replace("[a/b]", "[{name: a/b, baseline: bag-of-words}]");
    let run = &plan(&baseline, &[], &Options::default()).unwrap().runs[0];
    assert_eq!((run.recipe.auxiliary_lm, run.recipe.both_orders), (0.0, false));
}

/// A new experiment file is tested by being there.
#[test]
fn every_shipped_experiment_reads_and_expands() {
    let pins = Pins::read(Path::new("data/pins.yaml")).unwrap();
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir("experiments").unwrap() {
        let path = entry.unwrap().path();
        if repro::spec::pretraining::is_pretraining(&path) {
            let spec = repro::spec::pretraining::read(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(path.file_stem().unwrap().to_string_lossy(), spec.name);
            continue;
        }
        let experiment = read(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
        let plan = expand(&experiment, &Options { pins: pins.clone(), ..Options::default() }).unwrap();
        println!("{}: {} runs", path.display(), plan.runs.len());
        assert!(names.insert(experiment.name.clone()), "two experiments are named {}", experiment.name);
        assert_eq!(path.file_stem().unwrap().to_string_lossy(), experiment.name);
        let without_claims = ["quickstart", "xlm-roberta-base"].contains(&experiment.name.as_str());
        assert!(!experiment.compare.is_empty() || without_claims);
    }
    assert!(names.contains("glue") && names.contains("squad-v2"));
}

/// golden/minilm/finetune_reference.json: total and warm-up steps of each task, 10 % "rounded up", STS-B 55.
#[test]
fn the_minilm_recipe_takes_the_steps_of_its_reference() {
    let plan = expand(&read(Path::new("experiments/glue-minilm.yaml"), &[]).unwrap(), &Options::default()).unwrap();
    for (task, total, warmup) in [("cola", 804, 81), ("rte", 234, 24), ("mrpc", 345, 35), ("stsb", 540, 55)] {
        let run = plan.runs.iter().find(|run| run.task.name == task).unwrap();
        assert_eq!(repro::plan::steps(run), Some(total), "{task}");
        let (share, rounding) = (run.recipe.warmup, run.recipe.rounding);
        assert_eq!(repro::plan::steps::warmup_steps(total, share, rounding), warmup, "{task}");
    }
}
