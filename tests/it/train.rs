//! The training loop on an engine of one number, whose every value is counted by hand.
//!
//! The model is w, a sequence's loss is its target, and the gradient is the loss: an update takes `rate · mean target`
//! from w. With targets of 1, w after some steps is minus the sum of their rates.

use crate::record::recipe;
use repro::encode::{Batch, Features, Target, Targets};
use repro::engine::{Engine, EngineError, EngineState, Logits, NamedArray, Prediction, Predictor, StepPart, Update};
use repro::event::{Event, Observer, Silent};
use repro::plan::steps::total_steps;
use repro::spec::recipe::{Evaluate, KeepWeights, Recipe, Rounding, Schedule};
use repro::train::{End, Evaluated, Examples, InMemory, Outcome, Snapshots, TrainError, Trainer};
use std::cell::Cell;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
struct OneNumber {
    weight: f32,
    gradient: f64,
    loss: f64,
    ahead: Option<(Batch, StepPart)>,
    prepared: usize,
    parts: Vec<StepPart>,
    updates: Vec<Update>,
    saves: Cell<usize>,
}

fn array(value: f32) -> NamedArray {
    NamedArray { name: "w".into(), shape: vec![1], values: vec![value] }
}

impl Predictor for OneNumber {
    fn predict(&self, _: &Batch) -> Result<Prediction, EngineError> {
        Ok(Prediction { logits: Logits::Sequence(Vec::new()), loss_sum: None })
    }
}

impl Engine for OneNumber {
    fn accumulate(&mut self, batch: &Batch, part: &StepPart) -> Result<(), EngineError> {
        let Targets::Values(values) = &batch.targets else { return Err(EngineError::Input("no values".into())) };
        let loss = values.iter().copied().map(f64::from).sum::<f64>() / part.sequences as f64;
        self.gradient += loss;
        self.loss = self.gradient;
        self.parts.push(*part);
        // As text, in which what is no number equals itself.
        let ahead = self.ahead.take().map(|ahead| format!("{ahead:?}"));
        assert!(ahead.is_none_or(|ahead| ahead == format!("{:?}", (batch, part))), "another batch was prepared");
        Ok(())
    }

    fn loss(&self) -> Result<f64, EngineError> {
        Ok(self.loss)
    }

    fn prepare(&mut self, batch: &Batch, part: &StepPart) -> Result<(), EngineError> {
        self.ahead = Some((batch.clone(), *part));
        self.prepared += 1;
        Ok(())
    }

    fn update(&mut self, update: &Update) -> Result<f64, EngineError> {
        let gradient = std::mem::take(&mut self.gradient);
        self.weight -= (update.learning_rate * gradient) as f32;
        self.updates.push(*update);
        Ok(gradient.abs())
    }

    fn gradients(&self) -> Result<Vec<NamedArray>, EngineError> {
        Ok(vec![array(self.gradient as f32)])
    }

    fn parameters(&self) -> Result<Vec<NamedArray>, EngineError> {
        Ok(vec![array(self.weight)])
    }

    fn save(&self) -> Result<EngineState, EngineError> {
        self.saves.set(self.saves.get() + 1);
        let zero = || vec![array(0.0)];
        Ok(EngineState { parameters: self.parameters()?, first_moments: zero(), second_moments: zero() })
    }

    fn restore(&mut self, state: &EngineState) -> Result<(), EngineError> {
        self.weight = state.parameters[0].values[0];
        Ok(())
    }
}

/// Sequences of one to three tokens with these targets.
fn features(targets: &[f32]) -> Vec<Features> {
    let feature = |(example, target): (usize, &f32)| {
        let input_ids = vec![1; 1 + example % 3];
        let (token_type_ids, target) = (vec![0; input_ids.len()], Some(Target::Value(*target)));
        Features { example, together: 1, input_ids, token_type_ids, target, window: None }
    };
    targets.iter().enumerate().map(feature).collect()
}

/// Forty sequences in batches of four, one epoch, at a rate of 1 throughout: ten steps.
fn ten_steps() -> Recipe {
    Recipe {
        epochs: 1.0,
        batch_size: 4,
        micro_batch_size: 4,
        learning_rate: 1.0,
        schedule: Schedule::Constant,
        warmup: 0.0,
        evaluate: Evaluate::AtEnd,
        snapshot_steps: 100,
        ..recipe()
    }
}

struct Run<'a> {
    recipe: &'a Recipe,
    features: &'a [Features],
    folder: &'a Path,
    stop: &'a AtomicBool,
    observer: &'a dyn Observer,
}

impl Run<'_> {
    fn train(
        &self,
        engine: &mut OneNumber,
        score: &mut dyn FnMut(u64, f64) -> Option<f64>,
    ) -> Result<Outcome, TrainError> {
        let (examples, recipe) = (InMemory::new(self.features), self.recipe);
        let trainer = Trainer {
            run: "r".into(),
            regime: self.recipe.into(),
            seed: 1,
            computes: "cpu".into(),
            total_steps: total_steps(examples.count(), recipe.batch_size, recipe.epochs, recipe.rounding),
            examples: &examples,
            snapshots: Snapshots::new(self.folder.join("snapshot")),
            stop: self.stop,
            observer: self.observer,
        };
        let mut evaluate = |_: &dyn Engine, step: u64, epoch: f64| {
            Ok(Evaluated { evaluations: Vec::new(), primary: score(step, epoch) })
        };
        trainer.run(engine, &mut evaluate)
    }
}

/// Trains from nothing and says where it evaluated, and on which epoch.
fn trained(recipe: &Recipe, features: &[Features]) -> (OneNumber, Outcome, Vec<(u64, f64)>) {
    let (folder, stop, mut seen) = (tempfile::tempdir().unwrap(), AtomicBool::new(false), Vec::new());
    let run = Run { recipe, features, folder: folder.path(), stop: &stop, observer: &Silent };
    let mut engine = OneNumber::default();
    let outcome = run.train(&mut engine, &mut |step, epoch| {
        seen.push((step, epoch));
        Some(0.5)
    });
    (engine, outcome.unwrap(), seen)
}

#[test]
fn micro_batches_count_within_their_step_and_change_nothing() {
    let features = features(&[1.0; 40]);
    let (whole, outcome, _) = trained(&ten_steps(), &features);
    assert_eq!((outcome.total_steps, outcome.end, whole.weight), (10, End::Finished, -10.0));
    let (parts, ..) = trained(&Recipe { micro_batch_size: 3, ..ten_steps() }, &features);
    assert_eq!(parts.weight, -10.0);
    // Three sequences, then the fourth; the step of 4 is what both losses are divided by.
    for (step, pair) in parts.parts.chunks(2).enumerate() {
        assert_eq!((pair[0].step, pair[1].step), (step as u64, step as u64));
        assert_eq!((pair[0].first_sequence, pair[1].first_sequence), (0, 3));
        assert_eq!((pair[0].sequences, pair[1].sequences), (4, 4));
        assert!(pair[0].first_token == 0 && (3..=9).contains(&pair[1].first_token));
    }
    assert_eq!(parts.parts.len(), 20);
    assert_eq!(parts.prepared, 19, "every part but the first is on its way before its turn");
    // 40 sequences of 1, 2, 3, 1, … tokens: 13 threes of 6 and one more.
    assert_eq!(outcome.progress.tokens, 79);
}

#[test]
fn rates_follow_the_schedule_step_by_step() {
    let recipe = Recipe { schedule: Schedule::LinearFromStart, warmup: 0.2, learning_rate: 2.0, ..ten_steps() };
    let (engine, outcome, _) = trained(&recipe, &features(&[1.0; 40]));
    // Two of ten steps warm up from 0; then the released code's decay, 1 − step/10, of the peak 2.
    let expected = [0.0, 1.0, 1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.4, 0.2];
    for (update, rate) in engine.updates.iter().zip(expected) {
        assert!((update.learning_rate - rate).abs() < 1e-12, "{update:?}");
    }
    let steps: Vec<u64> = engine.updates.iter().map(|update| update.step).collect();
    assert_eq!(steps, (0..10).collect::<Vec<_>>());
    assert_eq!(outcome.progress.learning_rates.len(), 10);
    // Their sum is 8.2.
    assert!((engine.weight + 8.2).abs() < 1e-6);
}

#[test]
fn evaluations_come_every_so_many_steps_and_at_the_end() {
    let (features, steps) =
        (features(&[1.0; 40]), |seen: Vec<(u64, f64)>| seen.into_iter().unzip::<_, _, Vec<_>, Vec<_>>());
    let every_third = Recipe { evaluate: Evaluate::EverySteps(3), ..ten_steps() };
    assert_eq!(steps(trained(&every_third, &features).2), (vec![3, 6, 9, 10], vec![0.3, 0.6, 0.9, 1.0]));
    let epochs = Recipe { evaluate: Evaluate::EveryEpoch, epochs: 2.0, rounding: Rounding::Up, ..ten_steps() };
    // 38 sequences: ten steps an epoch, the last of two.
    assert_eq!(steps(trained(&epochs, &features[..38]).2), (vec![10, 20], vec![1.0, 2.0]));
    assert_eq!(steps(trained(&ten_steps(), &features).2), (vec![10], vec![1.0]));
}

#[test]
fn early_stopping_waits_for_so_many_evaluations_without_improvement() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let recipe = Recipe {
        evaluate: Evaluate::EverySteps(1),
        early_stopping: 2,
        keep_weights: KeepWeights::BestOnDev,
        ..ten_steps()
    };
    let features = features(&[1.0; 40]);
    let run = Run { recipe: &recipe, features: &features, folder: folder.path(), stop: &stop, observer: &Silent };
    let scores = [Some(0.4), Some(0.6), None, Some(0.6), Some(0.9)];
    let mut engine = OneNumber::default();
    let outcome = run.train(&mut engine, &mut |step, _| scores[step as usize - 1]).unwrap();
    // The best is step 2; step 3 has no score and step 4 only equals it. Nothing of step 5 is seen.
    assert_eq!((outcome.progress.step, outcome.kept_step, outcome.end), (4, 2, End::Finished));
    assert_eq!(engine.weight, -2.0, "the weights of step 2");
}

/// By hand: halved after steps 2 and 4, which are not better; after step 5 a quarter, halved, is below a fifth.
#[test]
fn the_rate_falls_after_each_evaluation_that_is_not_better_until_it_is_too_low() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let every = Evaluate::EverySteps(1);
    let recipe = Recipe { evaluate: every, plateau_factor: 0.5, min_learning_rate: 0.2, ..ten_steps() };
    let features = features(&[1.0; 40]);
    let run = Run { recipe: &recipe, features: &features, folder: folder.path(), stop: &stop, observer: &Silent };
    let scores = [Some(0.4), Some(0.4), Some(0.6), None, Some(0.5)];
    let outcome = run.train(&mut OneNumber::default(), &mut |step, _| scores[step as usize - 1]).unwrap();
    assert_eq!(outcome.progress.learning_rates, [1.0, 1.0, 0.5, 0.5, 0.25]);
    assert_eq!((outcome.end, outcome.progress.plateaus), (End::Finished, 3));
}

#[test]
fn the_last_weights_are_kept_where_the_recipe_says_so() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let recipe = Recipe { evaluate: Evaluate::EverySteps(1), keep_weights: KeepWeights::Last, ..ten_steps() };
    let features = features(&[1.0; 40]);
    let run = Run { recipe: &recipe, features: &features, folder: folder.path(), stop: &stop, observer: &Silent };
    let mut engine = OneNumber::default();
    let outcome = run.train(&mut engine, &mut |step, _| Some(1.0 / step as f64)).unwrap();
    assert_eq!((outcome.kept_step, engine.weight), (10, -10.0));
}

/// Remembers the resumptions it is told of.
#[derive(Default)]
struct Resumptions(Mutex<Vec<u64>>);

impl Observer for Resumptions {
    fn observe(&self, event: &Event) {
        if let Event::RunResumed { step, .. } = event {
            self.0.lock().unwrap().push(*step);
        }
    }
}

#[test]
fn a_stopped_training_goes_on_as_if_it_had_not_been() {
    // Targets differ, so that another order of batches would give another weight.
    let targets: Vec<f32> = (0..40).map(|at| at as f32).collect();
    let (recipe, features) = (Recipe { evaluate: Evaluate::EverySteps(3), ..ten_steps() }, features(&targets));
    let (whole, expected, _) = trained(&recipe, &features);
    let (folder, stop, told) = (tempfile::tempdir().unwrap(), AtomicBool::new(false), Resumptions::default());
    let run = Run { recipe: &recipe, features: &features, folder: folder.path(), stop: &stop, observer: &told };
    let first = run.train(&mut OneNumber::default(), &mut |step, _| {
        stop.store(step == 6, Ordering::Relaxed);
        Some(0.5)
    });
    assert_eq!(first.unwrap().end, End::Interrupted);
    stop.store(false, Ordering::Relaxed);
    let mut engine = OneNumber::default();
    let outcome = run.train(&mut engine, &mut |_, _| Some(0.5)).unwrap();
    assert_eq!((outcome.resumed_from_step, told.0.lock().unwrap().clone()), (6, vec![6]));
    assert_eq!(engine.weight, whole.weight);
    assert_eq!(outcome.progress.losses, expected.progress.losses);
    assert_eq!(engine.updates.len(), 4, "steps that were done are not done again");
}

#[test]
fn snapshots_are_made_every_so_many_steps_and_not_at_the_end() {
    let saves = |snapshot_steps, epochs| {
        let recipe = Recipe { snapshot_steps, epochs, ..ten_steps() };
        trained(&recipe, &features(&[1.0; 40])).0.saves.get()
    };
    assert_eq!(saves(4, 1.0), 2, "steps 4 and 8");
    assert_eq!(saves(5, 1.0), 1, "step 5; what step 10 leaves is recorded");
    // 0: after every epoch; of three, the last one needs none.
    assert_eq!(saves(0, 3.0), 2);
}

#[test]
fn a_loss_that_is_no_number_ends_the_training_where_it_came() {
    let mut targets = vec![1.0; 40];
    targets[17] = f32::NAN;
    let (_, outcome, seen) = trained(&ten_steps(), &features(&targets));
    let End::Diverged(step) = outcome.end else { panic!("{:?}", outcome.end) };
    assert!((1..=10).contains(&step) && outcome.progress.losses.len() as u64 == step);
    assert!(outcome.progress.losses.last().unwrap().is_nan());
    assert_eq!(seen, [], "nothing is evaluated after that");
}

#[test]
fn too_few_sequences_for_a_step_are_an_error() {
    let (folder, stop, recipe, features) =
        (tempfile::tempdir().unwrap(), AtomicBool::new(false), ten_steps(), features(&[1.0; 3]));
    let run = Run { recipe: &recipe, features: &features, folder: folder.path(), stop: &stop, observer: &Silent };
    let error = run.train(&mut OneNumber::default(), &mut |_, _| None).err().unwrap();
    assert_eq!(error.to_string(), "3 training sequences in batches of 4 make no step");
}
