//! The training loop: one for every task, head and engine.
//!
//! A step draws its batch ([`Order`]), accumulates it in micro-batches, and updates once. What the run remembers is the
//! engine's state and its [`Progress`]; both go into a snapshot, and nothing else decides what happens next, so a
//! run resumed on the same processor, with as many threads, ends with the bytes of an uninterrupted one.

mod examples;
mod order;
mod progress;
mod regime;
pub mod snapshot;

pub use examples::{Examples, InMemory};
pub use order::Order;
pub use progress::{Best, Progress};
pub use regime::Regime;
pub use snapshot::Snapshots;

use crate::encode::{Batch, Features, Target};
use crate::engine::{Engine, EngineError, NamedArray, StepPart};
use crate::event::{Event, Observer, StepEvent};
use crate::record::Evaluation;
use crate::spec::recipe::{Evaluate, KeepWeights};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Why training stopped short.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A snapshot could not be read or made.
    #[error("snapshot in {}: {reason}", folder.display())]
    Snapshot { folder: PathBuf, reason: String },
    /// A snapshot could not be written; the one before it stays.
    #[error("could not write a snapshot in {}: {source}", folder.display())]
    Unwritten { folder: PathBuf, source: std::io::Error },
    /// An example could not be read.
    #[error("{0}")]
    Examples(String),
    /// There is nothing to train on.
    #[error("{examples} training sequences in batches of {batch_size} make no step")]
    NoSteps { examples: usize, batch_size: usize },
    /// An evaluation on the way failed.
    #[error("evaluation: {0}")]
    Evaluation(String),
}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps are done, or early stopping ended it.
    Finished,
    /// The user asked to stop; a snapshot is written.
    Interrupted,
    /// The loss was no number or exploded at this step.
    Diverged(u64),
}

/// A dev evaluation's results, and the number that selects among evaluations.
pub struct Evaluated {
    /// One entry a dev split.
    pub evaluations: Vec<Evaluation>,
    /// Primary metric, meaned over the dev splits; `None` where undefined.
    pub primary: Option<f64>,
}

/// Evaluates the engine as it is, after so many steps and epochs.
pub type Evaluator<'a> = dyn FnMut(&dyn Engine, u64, f64) -> Result<Evaluated, TrainError> + 'a;

/// What a training needs from outside.
pub struct Trainer<'a> {
    /// Id for events.
    pub run: String,
    /// Batches, optimizer, evaluations and snapshots.
    pub regime: Regime,
    /// Seed.
    pub seed: u64,
    /// What computes: the bytes of a step depend on it.
    pub computes: String,
    /// What is trained on.
    pub examples: &'a dyn Examples,
    /// Optimizer steps of the whole run.
    pub total_steps: u64,
    /// Where snapshots go.
    pub snapshots: Snapshots,
    /// Set when the user wants to stop.
    pub stop: &'a AtomicBool,
    /// Receives steps and evaluations.
    pub observer: &'a dyn Observer,
}

/// A finished or interrupted training.
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it remembers.
    pub progress: Progress,
    /// Optimizer steps of the whole run.
    pub total_steps: u64,
    /// Step of the snapshot it went on from; 0 for a fresh start.
    pub resumed_from_step: u64,
    /// Step of the weights that the engine holds now.
    pub kept_step: u64,
}

impl Trainer<'_> {
    /// Trains `engine` to the end, from its snapshot if there is one; it then holds the weights that are kept.
    ///
    /// # Errors
    /// The engine, an evaluation or a snapshot failed; the newest snapshot stays.
    pub fn run(&self, engine: &mut dyn Engine, evaluate: &mut Evaluator) -> Result<Outcome, TrainError> {
        let total = self.total_steps;
        if total == 0 {
            let (examples, batch_size) = (self.examples.count(), self.regime.batch_size);
            return Err(TrainError::NoSteps { examples, batch_size });
        }
        let mut progress = self.resume(engine)?;
        let resumed_from_step = progress.step;
        let end = self.steps(engine, evaluate, &mut progress, total)?;
        let kept_step = if end == End::Finished { self.keep(engine, &progress)? } else { progress.step };
        Ok(Outcome { end, progress, total_steps: total, resumed_from_step, kept_step })
    }

    fn resume(&self, engine: &mut dyn Engine) -> Result<Progress, TrainError> {
        let Some((mut state, progress)) = self.snapshots.read()? else {
            return Ok(Progress { computed_on: self.computes.clone(), ..Progress::default() });
        };
        let order: Vec<String> = engine.parameters()?.into_iter().map(|array| array.name).collect();
        for group in [&mut state.parameters, &mut state.first_moments, &mut state.second_moments] {
            *group = in_order(&order, std::mem::take(group));
        }
        engine.restore(&state)?;
        self.observer.observe(&Event::RunResumed { run: self.run.clone(), step: progress.step });
        if !progress.computed_on.is_empty() && progress.computed_on != self.computes {
            self.observer.observe(&Event::Warning(format!(
                "run {}: its snapshot was made on `{}`; it goes on on `{}`, and will differ in the last digits from one \
                 that was not interrupted",
                self.run, progress.computed_on, self.computes
            )));
        }
        Ok(Progress { computed_on: self.computes.clone(), ..progress })
    }

    fn steps(
        &self,
        engine: &mut dyn Engine,
        evaluate: &mut Evaluator,
        progress: &mut Progress,
        total: u64,
    ) -> Result<End, TrainError> {
        let mut order = self.order();
        let mut parts = self.parts(&order.batch(progress.step), progress.step)?;
        while progress.step < total {
            parts = self.step(engine, (&mut order, parts), progress, total)?;
            if progress.diverged() {
                return Ok(End::Diverged(progress.step));
            }
            if self.evaluates(&order, progress.step, total) && self.evaluate(engine, evaluate, &order, progress)? {
                return Ok(End::Finished);
            }
            let stopped = self.stop.load(Ordering::Relaxed);
            if progress.step < total && (stopped || self.snapshots_at(&order, progress.step)) {
                self.snapshots.write(&engine.save()?, progress)?;
            }
            if stopped && progress.step < total {
                return Ok(End::Interrupted);
            }
        }
        Ok(End::Finished)
    }

    fn order(&self) -> Order {
        Order::new(self.seed, self.examples.count(), self.regime.batch_size, self.regime.rounding)
    }

    /// One step with its micro-batches; returns those of the next one.
    fn step(
        &self,
        engine: &mut dyn Engine,
        (order, parts): (&mut Order, Parts),
        progress: &mut Progress,
        total: u64,
    ) -> Result<Parts, TrainError> {
        let began = Instant::now();
        let tokens = accumulate(engine, &parts)?;
        let following = progress.step + 1;
        let next = if following < total { self.parts(&order.batch(following), following)? } else { Parts::new() };
        if let Some((batch, part)) = next.first() {
            engine.prepare(batch, part)?;
        }
        let update = self.regime.update(progress.step, total, progress.plateaus);
        let gradient_norm = engine.update(&update)?;
        let loss = engine.loss()?;
        progress.step += 1;
        progress.losses.push(loss);
        progress.gradient_norms.push(gradient_norm);
        progress.learning_rates.push(update.learning_rate);
        progress.tokens += tokens;
        let seconds = began.elapsed().as_secs_f64();
        progress.seconds += seconds;
        let (step, learning_rate) = (progress.step, update.learning_rate);
        let step = StepEvent { step, total_steps: total, loss, learning_rate, gradient_norm, tokens, seconds };
        self.observer.observe(&Event::Step { run: self.run.clone(), step });
        Ok(next)
    }

    /// The micro-batches of a step's examples.
    fn parts(&self, chosen: &[(u64, usize)], step: u64) -> Result<Parts, TrainError> {
        let own = chosen.iter().map(|(epoch, example)| self.examples.sequences(*example, *epoch));
        let own: Vec<Cow<[Features]>> = own.collect::<Result<_, _>>()?;
        let all = || own.iter().flat_map(|sequences| sequences.iter());
        let labelled = all().filter_map(|features| features.target.as_ref()).map(Target::labelled).sum();
        let (seed, sequences) = (self.seed, all().count());
        let mut next = StepPart { seed, step, first_token: 0, first_sequence: 0, sequences, labelled };
        let pack = |micro: &[Cow<[Features]>]| {
            let (batch, part) = (Batch::pack(micro.iter().flat_map(|sequences| sequences.iter())), next);
            next.first_token += batch.tokens();
            next.first_sequence += batch.len();
            (batch, part)
        };
        Ok(own.chunks(self.regime.micro_batch_size.max(1)).map(pack).collect())
    }

    fn evaluates(&self, order: &Order, step: u64, total: u64) -> bool {
        step == total
            || match self.regime.evaluate {
                Evaluate::EveryEpoch => order.ends_epoch(step),
                Evaluate::EverySteps(every) => step.is_multiple_of(every.max(1)),
                Evaluate::AtEnd => false,
            }
    }

    fn snapshots_at(&self, order: &Order, step: u64) -> bool {
        match self.regime.snapshot_steps {
            0 => order.ends_epoch(step),
            every => step.is_multiple_of(every),
        }
    }

    /// Evaluates, keeps the weights if they are the best so far; true if training should stop early.
    fn evaluate(
        &self,
        engine: &mut dyn Engine,
        evaluate: &mut Evaluator,
        order: &Order,
        progress: &mut Progress,
    ) -> Result<bool, TrainError> {
        let evaluated = evaluate(engine, progress.step, order.epochs(progress.step))?;
        progress.evaluations.extend(evaluated.evaluations);
        let better = progress.note(evaluated.primary);
        if better && self.regime.keep_weights == KeepWeights::BestOnDev {
            self.snapshots.write_best(&engine.parameters()?, progress.step)?;
        }
        let patience = self.regime.early_stopping;
        let spent = patience > 0 && progress.without_improvement >= patience;
        Ok(spent || self.regime.peak(progress.plateaus) < self.regime.min_learning_rate)
    }

    /// Puts the weights that are kept into the engine; returns their step.
    fn keep(&self, engine: &mut dyn Engine, progress: &Progress) -> Result<u64, TrainError> {
        let best = progress.best.as_ref().map_or(progress.step, |best| best.step);
        if self.regime.keep_weights == KeepWeights::Last || best == progress.step {
            return Ok(progress.step);
        }
        let mut state = engine.save()?;
        let order: Vec<String> = state.parameters.into_iter().map(|array| array.name).collect();
        state.parameters = in_order(&order, self.snapshots.read_best(best)?);
        engine.restore(&state)?;
        Ok(best)
    }
}

/// The micro-batches of a step.
type Parts = Vec<(Batch, StepPart)>;

/// Accumulates micro-batches, the next one on its way while one is computed; returns their tokens.
fn accumulate(engine: &mut dyn Engine, parts: &[(Batch, StepPart)]) -> Result<u64, TrainError> {
    for (at, (batch, part)) in parts.iter().enumerate() {
        engine.accumulate(batch, part)?;
        if let Some((batch, part)) = parts.get(at + 1) {
            engine.prepare(batch, part)?;
        }
    }
    Ok(parts.iter().map(|(batch, _)| batch.tokens() as u64).sum())
}

/// Arrays in the order of `names`; files hold them in another one.
fn in_order(names: &[String], mut arrays: Vec<NamedArray>) -> Vec<NamedArray> {
    let place = |array: &NamedArray| names.iter().position(|name| *name == array.name);
    arrays.sort_by_cached_key(place);
    arrays
}
