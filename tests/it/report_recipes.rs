//! What a table says of recipes beside the figures of RoBERTa, XLNet and ModernBERT, whose files state them task by task.

use super::paper::published;
use super::record::record;
use repro::plan::{Options, Run, expand, steps};
use repro::record::Record;
use repro::report::experiment_table;
use repro::spec::read;
use repro::task::SplitRole;
use std::path::Path;

/// Steps of SQuAD's runs that xlnet-large.yaml says its epochs are; the windows are counted when it is encoded.
const SQUAD_STEPS: u64 = 8000;

/// A record of a run as it is planned, with a score of each metric of its first dev split.
fn planned(run: &Run) -> Record {
    let dev = run.task.splits_with(SplitRole::Dev).next().unwrap();
    let scores: Vec<_> = run.task.metrics.iter().map(|metric| (*metric, 0.5)).collect();
    let mut record = record(&run.id.0, run.task.name, dev.claim, &scores);
    record.checkpoint = run.checkpoint.name.clone();
    record.recipe = run.recipe.clone();
    record.select = Some(run.select);
    record.total_steps = steps(run).unwrap_or(SQUAD_STEPS);
    record
}

/// Footnotes of each task's first run of an experiment, after a change.
fn notes(name: &str, change: &dyn Fn(&mut Record)) -> Vec<(&'static str, String)> {
    let experiment = read(&Path::new("experiments").join(format!("{name}.yaml")), &[]).unwrap();
    let compare: Vec<String> = experiment.compare.iter().map(ToString::to_string).collect();
    let runs = expand(&experiment, &Options::default()).unwrap().runs;
    let of_task = |task: &&'static repro::task::Task| runs.iter().find(|run| run.task == *task).unwrap();
    let mut notes = Vec::new();
    for task in &experiment.tasks {
        let mut record = planned(of_task(task));
        change(&mut record);
        let table = experiment_table(&[record], &published(), &compare);
        let claims = table.rows.iter().filter(|row| row[9].contains('/')).count();
        assert!(claims > 0, "{name}: nothing stands beside {}", task.name);
        notes.push((task.name, table.footnotes.join("\n")));
    }
    notes
}

#[test]
fn robertas_recipes_are_on_file_for_every_task() {
    for name in ["roberta-base", "roberta-large", "roberta-large-longer"] {
        for (task, notes) in notes(name, &|_| {}) {
            assert!(!notes.contains("not on file") && !notes.contains("not compared"), "{name}, {task}: {notes}");
            for field in [
                "epochs",
                "warmup",
                "learning_rate",
                "batch_size",
                "max_grad_norm",
                "weight_decay",
                "beta1",
                "beta2",
                "schedule",
            ] {
                assert!(!notes.contains(&format!("{field} ")), "{name}, {task}: {notes}");
            }
        }
    }
    // 6 % of its steps warm up here, as the paper says; in the released command a quarter does.
    let large = notes("roberta-large", &|_| {});
    let of = |name: &str| &large.iter().find(|(task, _)| *task == name).unwrap().1;
    assert!(of("qqp").contains("warm-up steps 6823 here, 28318 in roberta"), "{}", of("qqp"));
    // 2,490 rows in batches of 16, ten times; the released command has more.
    assert!(of("rte").contains("steps 1560 here, 2036 in roberta"), "{}", of("rte"));
    assert!(!of("mnli").contains("steps"), "{}", of("mnli"));
}

#[test]
fn what_differs_from_robertas_recipe_is_named() {
    let changed = notes("roberta-large", &|record| {
        let recipe = &mut record.recipe;
        (recipe.epochs, recipe.warmup, recipe.max_grad_norm) = (3.0, 0.1, 1.0);
        recipe.schedule = repro::spec::recipe::Schedule::Constant;
    });
    let of = |name: &str| &changed.iter().find(|(task, _)| *task == name).unwrap().1;
    for note in [
        "epochs 3 here, 10 in roberta",
        "warmup 0.1 here, 0.06 in roberta",
        "max_grad_norm 1 here, 0 in roberta",
        "schedule constant here, linear to 0 in roberta",
    ] {
        assert!(of("mnli").contains(note), "{note}: {}", of("mnli"));
    }
    assert!(of("squad").contains("epochs 3 here, 2 in roberta"), "{}", of("squad"));
}

#[test]
fn xlnets_recipes_are_on_file_where_its_table_8_has_them() {
    for (task, notes) in notes("xlnet-large", &|_| {}) {
        // Table 8 has nothing of SST-2.
        assert_eq!(notes.contains("not on file"), task == "sst2", "{task}: {notes}");
        assert!(!notes.contains("not compared") && !notes.contains("layerwise"), "{task}: {notes}");
        assert!(!notes.contains("steps "), "{task}: {notes}");
    }
    let changed = notes("xlnet-large", &|record| {
        record.recipe.layerwise_lr_decay = 0.9;
        record.total_steps /= 2;
    });
    let of = |name: &str| &changed.iter().find(|(task, _)| *task == name).unwrap().1;
    assert!(of("squad").contains("layerwise_lr_decay 0.9 here, 0.75 in xlnet"), "{}", of("squad"));
    assert!(of("squad").contains("steps 4000 here, 8000 in xlnet"), "{}", of("squad"));
    assert!(of("mnli").contains("layerwise_lr_decay 0.9 here, 1 in xlnet"), "{}", of("mnli"));
}

/// Its Table 6 is read by task, and three tasks that start from MNLI do so there too.
#[test]
fn modernberts_recipe_is_that_of_the_task() {
    for (task, notes) in notes("modernbert-base", &|_| {}) {
        for word in ["not on file", "not compared", "learning_rate", "weight_decay", "epochs", "before there"] {
            assert!(!notes.contains(word), "{task}: {notes}");
        }
        // MRPC's F1 and STS-B's Spearman stand beside nothing, with what sets them apart.
        assert_eq!(notes.contains("fine-tuned on"), ["mrpc", "stsb"].contains(&task), "{task}: {notes}");
    }
    let changed = notes("modernbert-base", &|record| {
        (record.recipe.epochs, record.recipe.weight_decay, record.recipe.start_from) = (4.0, 0.0, None);
    });
    let of = |name: &str| &changed.iter().find(|(task, _)| *task == name).unwrap().1;
    assert!(of("cola").contains("epochs 4 here, 5 in modernbert"), "{}", of("cola"));
    assert!(of("rte").contains("weight_decay 0 here, 1e-5 in modernbert"), "{}", of("rte"));
    assert!(of("rte").contains("fine-tuned on `mnli` before there, not here"), "{}", of("rte"));
    assert!(!of("cola").contains("fine-tuned on"), "{}", of("cola"));
}

#[test]
fn a_miniatures_grid_is_that_of_its_source() {
    for (task, notes) in notes("bert-miniatures", &|_| {}) {
        assert!(!notes.contains("not on file") && !notes.contains("in well_read_students"), "{task}: {notes}");
    }
    let rate = notes("bert-miniatures", &|record| record.recipe.learning_rate = 2e-5);
    assert!(
        rate[0].1.contains("learning_rate 2e-5 here, 3e-4 or 1e-4 or 5e-5 or 3e-5 in well_read_students"),
        "{rate:?}"
    );
}
