//! Multiplies an experiment out: checkpoint, then task, then grid point, then seed, each in the order of the file.

use super::identity::run_id;
use super::only::Only;
use super::resolve::recipes;
use super::start::link;
use super::steps::total_steps;
use super::values::resolved;
use super::{CPU, Checkpoint, DataSource, EngineKind, Options, Plan, PlanError, Run, RunId};
use crate::family::Baseline;
use crate::spec::recipe::{Evaluate, Recipe};
use crate::spec::{CheckpointSpec, Experiment};
use crate::task::{Head, SplitRole, Task};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most runs of one plan; a grid with more is a slip of the pen.
pub const MAX_RUNS: usize = 100_000;

/// The runs of an experiment under the options of the command line.
pub fn expand(experiment: &Experiment, options: &Options) -> Result<Plan, PlanError> {
    let mut runs = link(all_runs(experiment, options)?)?;
    for argument in &options.only {
        runs = Only::parse(argument)?.narrow(runs)?;
    }
    if runs.is_empty() {
        return Err(PlanError::Empty);
    }
    for run in &runs {
        if steps(run) == Some(0) {
            return Err(PlanError::NoSteps { label: run.label() });
        }
    }
    refuse_duplicates(&runs)?;
    let values = resolved(experiment, options, &runs);
    Ok(Plan { experiment: experiment.name.clone(), runs, values })
}

/// Optimizer steps of a run, as far as the task's published row counts tell: unknown for SQuAD, whose windows are counted
/// when it is encoded, and for rows that are not the task's own.
pub fn steps(run: &Run) -> Option<u64> {
    let train = run.task.splits_with(SplitRole::Train).next()?;
    let repository = run.data.repository == run.task.dataset.repository && run.data.folder.is_none();
    if run.task.head == Head::Span || !repository || run.data.files.contains_key(train.name) {
        return None;
    }
    let rows = run.limit.map_or(train.rows, |limit| limit.min(train.rows));
    Some(total_steps(rows, run.recipe.batch_size, run.recipe.epochs, run.recipe.rounding))
}

fn all_runs(experiment: &Experiment, options: &Options) -> Result<Vec<Run>, PlanError> {
    let mut grids = Vec::new();
    for &task in &experiment.tasks {
        grids.push((task, recipes(experiment, task)?));
    }
    let mut runs = Vec::new();
    for checkpoint in &experiment.checkpoints {
        let seeds = seeds(experiment, options, checkpoint);
        let points: usize = grids.iter().map(|(_, recipes)| recipes.len()).sum();
        if runs.len().saturating_add(points.saturating_mul(seeds.len())) > MAX_RUNS {
            return Err(PlanError::TooMany);
        }
        for (task, recipes) in &grids {
            for recipe in &*of_baseline(checkpoint.baseline, task, recipes) {
                runs.extend(seeds.iter().map(|&seed| run(experiment, options, checkpoint, task, recipe, seed)));
            }
        }
    }
    Ok(runs)
}

/// What a baseline takes of a task's recipes: the first, at a rate of its own; one epoch where nothing is trained. None of
/// a task that it cannot answer.
fn of_baseline<'a>(baseline: Option<Baseline>, task: &Task, recipes: &'a [Recipe]) -> Cow<'a, [Recipe]> {
    let (Some(baseline), Some(first)) = (baseline, recipes.first()) else { return recipes.into() };
    if !baseline.has(task.head) {
        return Cow::Borrowed(&[]);
    }
    // What only an encoder has.
    let plain = Recipe {
        auxiliary_lm: 0.0,
        both_orders: false,
        start_from: None,
        classifier_dropout: None,
        bilstm_layers: 0,
        layerwise_lr_decay: 1.0,
        ..first.clone()
    };
    let recipe = match baseline.learning_rate() {
        Some(learning_rate) => Recipe { learning_rate, ..plain },
        None => Recipe { epochs: 1.0, evaluate: Evaluate::AtEnd, early_stopping: 0, ..plain },
    };
    vec![recipe].into()
}

/// `--seeds N`, else the checkpoint's restarts, else the file's seeds.
fn seeds(experiment: &Experiment, options: &Options, checkpoint: &CheckpointSpec) -> Vec<u64> {
    match options.seeds.or_else(|| experiment.restarts.get(&checkpoint.name).copied()) {
        Some(count) => (1..=count).collect(),
        None => experiment.seeds.clone(),
    }
}

fn run(
    experiment: &Experiment,
    options: &Options,
    checkpoint: &CheckpointSpec,
    task: &'static Task,
    recipe: &Recipe,
    seed: u64,
) -> Run {
    let pinned = options.pins.revision(&format!("models/{}", checkpoint.name)).map(str::to_owned);
    let mut run = Run {
        id: RunId(String::new()),
        experiment: experiment.name.clone(),
        select: experiment.select,
        checkpoint: Checkpoint {
            name: checkpoint.name.clone(),
            revision: checkpoint.revision.clone().or(pinned),
            untrained: checkpoint.untrained,
            baseline: checkpoint.baseline,
        },
        task,
        data: data(experiment, options, task),
        recipe: recipe.clone(),
        seed,
        limit: options.limit,
        start_from: Vec::new(),
        engine: options.engine,
        device: options.device.clone(),
        dtype: options.dtype.clone(),
    };
    if checkpoint.baseline.is_some() {
        // Nothing there is worth a fast engine or a GPU.
        (run.engine, run.device, run.dtype) = (EngineKind::Reference, CPU.into(), "f32".into());
    }
    run.id = run_id(&run);
    run
}

fn data(experiment: &Experiment, options: &Options, task: &'static Task) -> DataSource {
    let own = task.dataset.repository;
    let repository = experiment.data.repositories.get(own).map_or(own, String::as_str).to_owned();
    let given = experiment.data.revisions.get(&repository).cloned();
    let pinned = options.pins.revision(&format!("datasets/{repository}")).map(str::to_owned);
    let files = experiment.data.files.get(task.name).into_iter().flatten();
    DataSource {
        revision: given.or(pinned),
        files: files.map(|(split, file)| ((*split).to_owned(), file.clone())).collect(),
        folder: experiment.data.folder.clone(),
        repository,
    }
}

fn refuse_duplicates(runs: &[Run]) -> Result<(), PlanError> {
    let mut seen: BTreeMap<&RunId, &Run> = BTreeMap::new();
    for run in runs {
        if let Some(earlier) = seen.insert(&run.id, run) {
            return Err(PlanError::Duplicate { first: earlier.label(), second: run.label() });
        }
    }
    Ok(())
}
