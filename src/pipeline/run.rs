//! One run: prepared, trained, scored, written down.

use super::artifacts::{Live, write_predictions};
use super::inputs::{InputError, Inputs, Prepared, PreparedSplit};
use super::scoring::{Answers, SplitPredictions, SplitScores, predict_split, score_split};
use super::start::{self, Start};
use super::{Keep, Pipeline, RunError, collapse, majority, peak_memory, provenance};
use crate::encode::EncodingCounts;
use crate::engine::weights::{HeadSource, Initialization, Loaded, load, starting_values};
use crate::engine::{self, Engine, NamedArray, Processor};
use crate::event::{Event, Observer};
use crate::export::{self, ExportError, ExportInput, TokenizerFile};
use crate::family::{Encoder, EncoderConfig, Parameter, parameters};
use crate::fetch::Fetched;
use crate::plan::steps::total_steps;
use crate::plan::{Plan, Run};
use crate::record::{Cost, EncodingReport, Evaluation, FORMAT, Record, RecordedScore, SplitReport, Status, Store};
use crate::score::Scores;
use crate::train::{End, Evaluated, Examples, InMemory, Outcome, Progress, Snapshots, TrainError, Trainer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Runs one run, which may start from the best of `starts`, to its record; `None` if the user stopped it, with a snapshot to go
/// on from.
pub fn execute(
    pipeline: &Pipeline,
    run: &Run,
    inputs: &mut Inputs,
    starts: &[Record],
) -> Result<Option<Record>, RunError> {
    let began = Instant::now();
    let prepared = prepare(pipeline, run, inputs)?;
    let start = start::best(pipeline, run, starts)?;
    let mut engine = engine(pipeline, run, &prepared, start.as_ref())?;
    let folder = pipeline.output.runs.join(&run.id.0);
    let outcome = train(pipeline, run, &prepared, engine.as_mut(), &folder)?;
    if outcome.end == End::Interrupted {
        return Ok(None);
    }
    let mut record = empty_record(run, &pipeline.processor, Status::Finished);
    describe(&mut record, &prepared, &outcome);
    record.started_from = start.map(|start| start.run);
    if let End::Diverged(step) = outcome.end {
        record.status = Status::Diverged(step);
    } else {
        score(&mut record, run, &prepared, engine.as_ref(), &outcome, &folder)?;
    }
    record.cost.total_seconds = began.elapsed().as_secs_f64();
    let scored = !record.scores.is_empty();
    if pipeline.keep == Keep::All && scored || pipeline.keep == Keep::Best && record.status == Status::Finished {
        write_model(&folder.join("model"), run, &prepared, engine.as_ref(), &record)?;
    }
    Ok(Some(record))
}

/// Everything before the first step; a download may be long, and the user need not wait for its end to stop it.
fn prepare(pipeline: &Pipeline, run: &Run, inputs: &mut Inputs) -> Result<Rc<Prepared>, InputError> {
    pipeline.idle.store(pipeline.jobs <= 1, Ordering::SeqCst);
    let prepared = inputs.prepare(run);
    pipeline.idle.store(false, Ordering::SeqCst);
    prepared
}

/// The engine with a new head at the checkpoint's weights, or another task's model's; at random ones where the spec asks for it.
fn engine(
    pipeline: &Pipeline,
    run: &Run,
    prepared: &Prepared,
    start: Option<&Start>,
) -> Result<Box<dyn Engine>, RunError> {
    let (config, recipe, head, labels) = (&prepared.config, &run.recipe, run.head(), run.task.num_labels());
    let parameters = parameters(config, head, labels);
    let arrays = match (&config.encoder, run.checkpoint.baseline) {
        (Encoder::Constant, _) => majority::starting_values(&parameters, prepared.train()),
        (_, Some(_)) => BTreeMap::new(),
        (_, None) => pretrained(pipeline, run, prepared, start, &parameters)?,
    };
    let (initializer_range, truncated_normal) = (recipe.initializer_range, recipe.truncated_normal);
    let how = Initialization { seed: run.seed, initializer_range, truncated_normal };
    let values = starting_values(&parameters, arrays, &how);
    let created = engine::create(run.engine, config.clone(), head, labels, values, &pipeline.processor);
    Ok(created.map_err(|source| InputError::Weights { name: run.checkpoint.name.clone(), source })?)
}

/// The arrays of the model that it starts from, another task's or the checkpoint's; of an untrained twin's checkpoint none,
/// though they must be there.
fn pretrained(
    pipeline: &Pipeline,
    run: &Run,
    prepared: &Prepared,
    start: Option<&Start>,
    parameters: &[Parameter],
) -> Result<BTreeMap<String, NamedArray>, InputError> {
    let own = || prepared.checkpoint.weights.iter().map(|file| file.path.clone()).collect();
    let files: Vec<PathBuf> = start.map_or_else(own, |start| vec![start.weights.clone()]);
    let loaded = load(&files, prepared.config.family, parameters, HeadSource::New);
    let loaded = loaded.map_err(|source| match start {
        Some(start) => InputError::Start { task: start.task.clone(), reason: source.to_string() },
        None => InputError::Weights { name: run.checkpoint.name.clone(), source },
    })?;
    if start.is_some() {
        return Ok(loaded.arrays);
    }
    tell_unused_head(&loaded, &run.checkpoint.name, pipeline.observer);
    tell_other_beginning(run, &prepared.config, pipeline.observer);
    Ok(if run.checkpoint.untrained { BTreeMap::new() } else { loaded.arrays })
}

/// How heads' tensors begin, of whichever family.
const HEADS: [&str; 9] = [
    "multiple_choice_head",
    "classifier",
    "qa_outputs",
    "pre_classifier",
    "score.",
    "logits_proj.",
    "start_logits.",
    "end_logits.",
    "answer_class.",
];

/// A new head begins as the recipe says; transformers would ask the checkpoint.
fn tell_other_beginning(run: &Run, config: &EncoderConfig, observer: &dyn Observer) {
    let (recipes, name) = (run.recipe.initializer_range, &run.checkpoint.name);
    if let Some(own) = config.initializer_range.filter(|own| *own != recipes) {
        let text = format!(
            "`initializer_range` of `{name}` is {own}; the new head begins with the recipe's {recipes} \
             (`train.initializer_range`)"
        );
        observer.observe(&Event::Warning(text));
    }
}

fn tell_unused_head(loaded: &Loaded, name: &str, observer: &dyn Observer) {
    let of_a_head = |tensor: &&String| HEADS.iter().any(|beginning| tensor.starts_with(beginning));
    let head = loaded.unused.iter().find(of_a_head);
    if let Some(tensor) = head {
        let text =
            format!("`{name}` is fine-tuned already: its head (`{tensor}`, …) is not used, a new one is trained");
        observer.observe(&Event::Warning(text));
    }
}

fn train(
    pipeline: &Pipeline,
    run: &Run,
    prepared: &Prepared,
    engine: &mut dyn Engine,
    folder: &Path,
) -> Result<Outcome, RunError> {
    let live = Live::new(&run.id.0, folder, pipeline.observer);
    let features: Vec<_> = prepared.train().flat_map(|split| split.encoded.features.iter().cloned()).collect();
    let (examples, recipe) = (InMemory::new(&features), &run.recipe);
    let trainer = Trainer {
        run: run.id.0.clone(),
        regime: recipe.into(),
        seed: run.seed,
        computes: pipeline.processor.describe(run.engine),
        total_steps: total_steps(examples.count(), recipe.batch_size, recipe.epochs, recipe.rounding),
        examples: &examples,
        snapshots: Snapshots::new(folder.join("snapshot")),
        stop: pipeline.stop,
        observer: &live,
    };
    let mut evaluate = |engine: &dyn Engine, step: u64, epoch: f64| evaluate(run, prepared, engine, step, epoch, &live);
    Ok(trainer.run(engine, &mut evaluate)?)
}

/// Scores every dev split as the engine is now; the selecting number is the mean of their primary metrics.
fn evaluate(
    run: &Run,
    prepared: &Prepared,
    engine: &dyn Engine,
    step: u64,
    epoch: f64,
    observer: &dyn Observer,
) -> Result<Evaluated, TrainError> {
    let mut evaluations = Vec::new();
    for split in prepared.dev() {
        let predictions = predict_split(engine, &split.encoded)?;
        let scores = score_split(run.task, &run.recipe, split, &predictions, false)?.scores;
        let (name, loss) = (split.split.name.to_string(), predictions.loss.unwrap_or(f64::NAN));
        let (id, split) = (run.id.0.clone(), name.clone());
        observer.observe(&Event::Evaluated { run: id, step, epoch, split, loss, scores: scores.clone() });
        evaluations.push(Evaluation { step, epoch, split: name, loss, scores });
    }
    let values: Option<Vec<f64>> = evaluations.iter().map(|evaluation| evaluation.scores[0].1).collect();
    let primary = values.map(|values| values.iter().sum::<f64>() / values.len() as f64);
    Ok(Evaluated { evaluations, primary })
}

/// Final scores of the weights that are kept, their intervals, and every prediction on disk.
fn score(
    record: &mut Record,
    run: &Run,
    prepared: &Prepared,
    engine: &dyn Engine,
    outcome: &Outcome,
    folder: &Path,
) -> Result<(), RunError> {
    let mut answers: Vec<Answers> = Vec::new();
    for split in prepared.dev() {
        let predictions = predict_split(engine, &split.encoded).map_err(TrainError::from)?;
        let scored = score_split(run.task, &run.recipe, split, &predictions, true)?;
        write_predictions(folder, run.task, split.split.name, split, &predictions, &scored.answers)?;
        record.scores.extend(recorded_scores(split, &predictions, &scored));
        answers.push(scored.answers);
    }
    // A loss that is not the head's alone does not tell whether the head guesses.
    let untold = Progress::default();
    let progress = if run.recipe.auxiliary_lm > 0.0 { &untold } else { &outcome.progress };
    let constant = prepared.config.encoder == Encoder::Constant;
    if let Some(reason) = collapse::reason(run.task, &answers, progress).filter(|_| !constant) {
        record.status = Status::Collapsed(reason);
    }
    Ok(())
}

fn recorded_scores(split: &PreparedSplit, _: &SplitPredictions, scored: &SplitScores) -> Vec<RecordedScore> {
    let score = |(metric, value): &(_, Option<f64>), interval: Option<(f64, f64)>| RecordedScore {
        split: split.split.name.to_string(),
        claim: split.split.claim.to_string(),
        metric: *metric,
        value: *value,
        interval,
        examples: split.rows.examples.len(),
    };
    let intervals = scored.intervals.iter().copied().chain(std::iter::repeat(None));
    scored.scores.iter().zip(intervals).map(|(pair, interval)| score(pair, interval)).collect()
}

fn write_model(
    folder: &Path,
    run: &Run,
    prepared: &Prepared,
    engine: &dyn Engine,
    record: &Record,
) -> Result<(), RunError> {
    let mut config: Map<String, Value> =
        serde_json::from_str(&prepared.config_text).expect("the config was read before");
    if let Some(text) = &prepared.own_tokenizer {
        config.insert("vocab_size".into(), prepared.config.vocab_size.into());
        write_tokenizer(folder, text)?;
    }
    let kept = |file: &&Fetched| prepared.own_tokenizer.is_none() || file.name == "tokenizer_config.json";
    let files = prepared.checkpoint.tokenizer().filter(kept);
    let tokenizer: Vec<TokenizerFile> =
        files.map(|file| TokenizerFile { name: file.name.clone(), path: file.path.clone() }).collect();
    let parameters = engine.parameters().map_err(TrainError::from)?;
    let input = ExportInput { config: &config, task: run.task, parameters: &parameters, tokenizer: &tokenizer, record };
    Ok(export::write(folder, &input)?)
}

fn write_tokenizer(folder: &Path, text: &str) -> Result<(), ExportError> {
    let path = folder.join("tokenizer.json");
    let written = std::fs::create_dir_all(folder).and_then(|()| export::atomic::write(&path, text.as_bytes()));
    written.map_err(|error| ExportError::File { path, error })
}

/// Removes what a recorded run does not need: its snapshot, and the model folder of whichever run selection did not
/// choose. A folder that cannot be removed costs a warning.
pub fn tidy(pipeline: &Pipeline, run: &Run, record: &Record, plan: &Plan, store: &Store) {
    let folder = |id: &str| pipeline.output.runs.join(id);
    let snapshots = Snapshots::new(folder(&run.id.0).join("snapshot"));
    if matches!(record.status, Status::Failed(_)) {
        return;
    }
    if let Err(error) = snapshots.remove() {
        pipeline.observer.observe(&Event::Warning(error.to_string()));
    }
    if pipeline.keep != Keep::Best {
        return;
    }
    let of = |run: &Run| (run.task.name, run.checkpoint.clone(), run.recipe.feature_based());
    let rivals = plan.runs.iter().filter(|other| of(other) == of(run));
    let records: Vec<Record> = rivals.filter_map(|other| store.find(&other.id.0).ok().flatten()).collect();
    let best = records.iter().filter(|record| record.status == Status::Finished).fold(None, better);
    for other in records.iter().filter(|other| best.is_some_and(|best| best.id != other.id)) {
        // Absent is as good as removed.
        let _ = std::fs::remove_dir_all(folder(&other.id).join("model"));
    }
}

pub fn better<'a>(best: Option<&'a Record>, record: &'a Record) -> Option<&'a Record> {
    let value = |record: &Record| primary(record).unwrap_or(f64::MIN);
    if best.is_none_or(|best| value(record) > value(best)) { Some(record) } else { best }
}

/// Mean over the dev splits of the task's primary metric; the first score of each split is that metric's.
fn primary(record: &Record) -> Option<f64> {
    let by_split = scores_by_split(record);
    let values: Option<Vec<f64>> =
        by_split.iter().map(|(_, scores)| scores.first().and_then(|score| score.1)).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
}

/// A record's scores, split by split.
pub fn scores_by_split(record: &Record) -> Vec<(String, Scores)> {
    let mut splits: Vec<(String, Scores)> = Vec::new();
    for score in &record.scores {
        match splits.iter_mut().find(|(split, _)| *split == score.split) {
            Some((_, scores)) => scores.push((score.metric, score.value)),
            None => splits.push((score.split.clone(), vec![(score.metric, score.value)])),
        }
    }
    splits
}

fn describe(record: &mut Record, prepared: &Prepared, outcome: &Outcome) {
    let progress = &outcome.progress;
    record.evaluations = progress.evaluations.clone();
    record.kept_step = outcome.kept_step;
    record.total_steps = outcome.total_steps;
    record.resumed_from_step = outcome.resumed_from_step;
    record.splits = prepared.splits.iter().map(split_report).collect();
    record.encoding = prepared.splits.iter().map(|split| encoding_report(split, &split.encoded.report)).collect();
    record.files = prepared.files.clone();
    record.cost.train_seconds = progress.seconds;
    record.cost.tokens_per_second = progress.tokens as f64 / progress.seconds.max(1e-9);
}

fn split_report(split: &PreparedSplit) -> SplitReport {
    SplitReport { split: split.split.name.to_string(), rows: split.rows.rows, release: split.rows.release.clone() }
}

fn encoding_report(split: &PreparedSplit, counts: &EncodingCounts) -> EncodingReport {
    EncodingReport {
        split: split.split.name.to_string(),
        examples: counts.examples,
        sequences: counts.sequences,
        tokens: counts.tokens,
        truncated: counts.truncated,
        answers_lost: counts.answers_lost,
    }
}

/// A record of what the run is, with nothing that came out.
pub fn empty_record(run: &Run, processor: &Processor, status: Status) -> Record {
    Record {
        format: FORMAT,
        id: run.id.0.clone(),
        experiment: run.experiment.clone(),
        select: Some(run.select),
        checkpoint: run.checkpoint.name.clone(),
        untrained: run.checkpoint.untrained,
        baseline: run.checkpoint.baseline,
        task: run.task.name.to_string(),
        task_version: run.task.version,
        data: if run.data.folder.is_some() { "folder".into() } else { run.data.repository.clone() },
        recipe: run.recipe.clone(),
        seed: run.seed,
        limit: run.limit,
        started_from: None,
        status,
        scores: Vec::new(),
        evaluations: Vec::new(),
        kept_step: 0,
        total_steps: 0,
        resumed_from_step: 0,
        splits: Vec::new(),
        encoding: Vec::new(),
        files: Vec::new(),
        provenance: provenance(run, processor),
        cost: Cost {
            train_seconds: 0.0,
            total_seconds: 0.0,
            tokens_per_second: 0.0,
            peak_memory: peak_memory().unwrap_or(0),
            finished_at: super::provenance::now(),
        },
    }
}
