//! What computes: one training step, one update, one prediction, and the state between them.
//!
//! The trainer knows only [`Engine`]. Randomness is counter-based and keyed by (seed, step, site, index), with indices
//! that count within the whole step, so that micro-batches and engines draw the same masks.

pub mod adam;
pub mod ceiling;
pub mod dropout;
pub mod fast;
pub mod independent;
pub mod input;
mod precision;
pub mod processor;
pub mod reference;
pub mod weights;

use crate::encode::beams::Beams;
use crate::encode::{Batch, Targets};
use crate::family::EncoderConfig;
use crate::plan::EngineKind;
use crate::task::Head;
pub use precision::Precision;
pub use processor::{Processor, threads};

/// Where a batch stands in its step, and what its loss is divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepPart {
    /// Seed of the dropout stream.
    pub seed: u64,
    /// Step number, from 0.
    pub step: u64,
    /// Tokens of the step's earlier micro-batches: the index of this part's first token within the step.
    pub first_token: usize,
    /// Sequences of the step's earlier micro-batches.
    pub first_sequence: usize,
    /// Sequences of the whole step: the loss is their mean; with several to an example, the examples'.
    pub sequences: usize,
    /// Labelled tokens of the whole step: the loss of a head with labels for tokens is their mean.
    pub labelled: usize,
}

impl StepPart {
    /// A batch that is the whole step.
    pub fn whole(seed: u64, step: u64, batch: &Batch) -> StepPart {
        let labelled = batch.targets.labelled();
        StepPart { seed, step, first_token: 0, first_sequence: 0, sequences: batch.len(), labelled }
    }
}

/// Values of one update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Updates done before this one.
    pub step: u64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Adam with bias correction or without.
    pub bias_correction: bool,
    /// Adam's first decay.
    pub beta1: f64,
    /// Adam's second decay.
    pub beta2: f64,
    /// Adam's epsilon.
    pub epsilon: f64,
    /// Weight decay of the parameters that decay.
    pub weight_decay: f64,
    /// Global norm above which gradients are scaled down; 0 for never.
    pub max_grad_norm: f64,
}

impl Update {
    /// The same at a share of the learning rate.
    pub fn at(&self, share: f64) -> Update {
        Update { learning_rate: self.learning_rate * share, ..*self }
    }
}

/// Outputs of the head for a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Logits {
    /// `[B][labels]`, one row an example where its sequences are added; one column for a regression.
    Sequence(Vec<Vec<f32>>),
    /// Start and end logits of each sequence's own tokens, `[B][length]` each.
    Span { start: Vec<Vec<f32>>, end: Vec<Vec<f32>> },
    /// What a beam search finds in each sequence, `[B]`.
    Beams(Vec<Beams>),
    /// Labels of each sequence's own tokens, `[B][length · labels]`, token after token.
    Tokens(Vec<Vec<f32>>),
    /// The vocabulary at each masked token, `[M][V]`, and whether the next sentence follows, `[B][2]`.
    Masked { words: Vec<Vec<f32>>, next: Vec<Vec<f32>> },
}

/// A batch predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Head outputs.
    pub logits: Logits,
    /// Sum of the losses of the sequences, of the labelled tokens, or of the examples where those are several sequences;
    /// of pre-training the step's loss times the sequences. `None` where targets are hidden.
    pub loss_sum: Option<f64>,
}

/// What sums of losses are divided by.
#[derive(Clone, Copy, Debug)]
struct Divisors {
    /// Those of sequences, or of examples of several sequences.
    sequences: f64,
    /// Those of labelled tokens.
    labelled: f64,
}

impl Divisors {
    /// Of a part of a step: the whole step's.
    fn of_step(part: &StepPart, batch: &Batch) -> Divisors {
        let examples = part.sequences / batch.together;
        Divisors { sequences: examples as f64, labelled: part.labelled.max(1) as f64 }
    }

    /// Of a batch by itself, whose loss is a sum ([`Prediction::loss_sum`]).
    fn of_prediction(batch: &Batch) -> Divisors {
        let masked = matches!(batch.targets, Targets::Masked { .. });
        let labelled = if masked { batch.targets.labelled().max(1) as f64 / batch.len() as f64 } else { 1.0 };
        Divisors { sequences: 1.0, labelled }
    }
}

/// The loss of a step in parts.
#[derive(Clone, Copy, Debug, Default)]
struct StepLoss {
    sum: f64,
    updated: bool,
}

impl StepLoss {
    /// Adds a part's loss, the first one after an update to nothing.
    fn add(&mut self, loss: f64) {
        let before = if self.updated { 0.0 } else { self.sum };
        *self = StepLoss { sum: before + loss, updated: false };
    }
}

/// A named array of 32-bit floats.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedArray {
    /// Path in the checkpoint.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// Everything an engine must remember to go on as if never interrupted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineState {
    /// Parameters, in the engine's order.
    pub parameters: Vec<NamedArray>,
    /// Adam's first moments of those that are trained, same order.
    pub first_moments: Vec<NamedArray>,
    /// Adam's second moments, same order.
    pub second_moments: Vec<NamedArray>,
}

/// Why an engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The tensor library failed.
    #[error("{0}")]
    Tensor(#[from] candle_core::Error),
    /// A sequence, id or label does not fit the model.
    #[error("{0}")]
    Input(String),
    /// Weights do not fit the model.
    #[error("{0}")]
    Weights(String),
    /// A device is absent, lacks something, or failed.
    #[error("{0}")]
    Device(String),
}

/// An engine of a kind, starting from `values` in the order of [`crate::family::parameters`]. The reference engine
/// computes on the CPU, wherever it is told to.
///
/// # Errors
/// Values that do not fit the config's parameters; what a GPU cannot do.
pub fn create(
    kind: EngineKind,
    config: EncoderConfig,
    head: Head,
    num_labels: usize,
    values: Vec<NamedArray>,
    processor: &Processor,
) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match (kind, processor) {
        (EngineKind::Reference, _) => Box::new(reference::Reference::new(config, head, num_labels, values)?),
        (EngineKind::Fast, Processor::Cpu { threads, precision }) => {
            Box::new(fast::cpu::Cpu::new(config, head, num_labels, &values, *threads, *precision)?)
        }
        (EngineKind::Fast, Processor::Gpu { gpu, precision }) => {
            Box::new(fast::cuda::Accelerated::new(gpu, config, head, *precision, num_labels, &values)?)
        }
    })
}

/// A model that predicts.
pub trait Predictor {
    /// Head outputs without dropout, and the loss where targets are known and the model can say it: the head's, without that of
    /// next tokens beside it.
    fn predict(&self, batch: &Batch) -> Result<Prediction, EngineError>;
}

/// One model being trained or used.
pub trait Engine: Predictor {
    /// Adds the gradient of (sum of the batch's losses) / `part.sequences`. Dropout is on. A device may still be at work
    /// when this returns.
    fn accumulate(&mut self, batch: &Batch, part: &StepPart) -> Result<(), EngineError>;

    /// Loss of the newest step: of all that was accumulated since the update before, each part's as in `accumulate`.
    fn loss(&self) -> Result<f64, EngineError>;

    /// A batch that will be accumulated next: a device may begin to fetch it beside what it is doing.
    fn prepare(&mut self, _batch: &Batch, _part: &StepPart) -> Result<(), EngineError> {
        Ok(())
    }

    /// Clips by global norm, moves every parameter, clears the gradients; returns the norm before clipping.
    fn update(&mut self, update: &Update) -> Result<f64, EngineError>;

    /// The accumulated gradients of the parameters that are trained, in their order; zeros where nothing was accumulated.
    fn gradients(&self) -> Result<Vec<NamedArray>, EngineError>;

    /// The parameters, named as in a Hugging Face checkpoint.
    fn parameters(&self) -> Result<Vec<NamedArray>, EngineError>;

    /// Everything needed to go on.
    fn save(&self) -> Result<EngineState, EngineError>;

    /// Goes back to a saved state of the same model.
    fn restore(&mut self, state: &EngineState) -> Result<(), EngineError>;
}
