//! What happens while a plan runs, as values: the one way in which the library speaks.
//!
//! Stages call an [`Observer`]; progress bars, plain lines, `--json` lines, log files and tests are observers. Nothing
//! outside `cli` prints.

use crate::score::Scores;

/// A part of a run's way, for progress display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Downloading or finding files.
    Fetch,
    /// Reading examples.
    Dataset,
    /// Turning examples into token ids.
    Encode,
    /// Fine-tuning.
    Train,
    /// Predicting an evaluation split.
    Evaluate,
}

/// One optimizer step, after the update.
#[derive(Clone, Debug)]
pub struct StepEvent {
    /// Steps finished, from 1.
    pub step: u64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Mean training loss of the step's batch, before the update.
    pub loss: f64,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Global gradient norm before clipping.
    pub gradient_norm: f64,
    /// Real (unpadded) tokens of the batch.
    pub tokens: u64,
    /// Seconds the step took.
    pub seconds: f64,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A countable piece of work moved: `done` of `total` units (bytes for fetch, examples otherwise).
    Progress { stage: Stage, what: String, done: u64, total: Option<u64> },
    /// A run begins: its id, a label for people, and its place in the plan.
    RunStarted { run: String, label: String, index: usize, count: usize },
    /// A run is already recorded and is passed over.
    RunSkipped { run: String, label: String },
    /// A run continues from a snapshot.
    RunResumed { run: String, step: u64 },
    /// An optimizer step ended.
    Step { run: String, step: StepEvent },
    /// An evaluation ended.
    Evaluated { run: String, step: u64, epoch: f64, split: String, loss: f64, scores: Scores },
    /// A run ended and is recorded.
    RunFinished { run: String, label: String, scores: Vec<(String, Scores)>, seconds: f64 },
    /// A run failed; the others go on.
    RunFailed { run: String, label: String, error: String },
    /// Something worth knowing that is as it should be.
    Note(String),
    /// Something the user should know that stops nothing.
    Warning(String),
}

/// Receives every [`Event`].
pub trait Observer: Send + Sync {
    /// Called in the order in which things happen to a run; runs that are at work at once call from threads of their own.
    fn observe(&self, event: &Event);
}

/// Discards every event.
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _event: &Event) {}
}
