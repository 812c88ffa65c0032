//! What a run will cost on this machine: tokens from its own rows, memory from its shape, time from a short calibration.

use super::inputs::{InputError, Inputs, Prepared, PreparedSplit};
use super::scoring::BATCH as PREDICTED_AT_ONCE;
use crate::encode::{Batch, Features, sequences_of_an_example};
use crate::engine::fast::cuda::engine::{memory as gpu_memory, prediction_memory};
use crate::engine::fast::cuda::shape::Shape;
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{self, EngineError, Precision, Processor, StepPart, threads};
use crate::estimate::{BatchShape, memory_of, snapshot_memory};
use crate::family::parameters;
use crate::plan::steps::total_steps;
use crate::plan::{CPU, EngineKind, Run};
use crate::spec::recipe::Evaluate;
use crate::train::Regime;
use std::collections::BTreeMap;
use std::time::Instant;

/// The cost of one run.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// Optimizer steps.
    pub steps: u64,
    /// Real tokens trained on in all epochs.
    pub train_tokens: u64,
    /// Real tokens of one evaluation.
    pub dev_tokens: u64,
    /// Bytes of the files it reads; all of them are here already.
    pub files: u64,
    /// Peak memory in bytes, for micro-batches as long as the longest sequence.
    pub memory: u64,
    /// Seconds, where a calibration was made.
    pub seconds: Option<f64>,
}

/// Speed of one encoder shape on this machine.
#[derive(Clone, Copy, Debug)]
struct Speed {
    seconds_per_token: f64,
    seconds_per_update: f64,
}

/// An evaluation does the forward third of a step's arithmetic, without its dropout and bookkeeping; of a frozen encoder a
/// step, too, has the forward part only, and the BiLSTM behind it the rest.
fn forward_share(run: &Run) -> f64 {
    if run.head().freezes_encoder() { 0.5 } else { 0.25 }
}

/// Sequences of a calibration batch.
const CALIBRATION: usize = 8;

/// Forecasts runs; each encoder shape is calibrated once.
pub struct Forecasts {
    calibrate: Option<Processor>,
    speeds: BTreeMap<String, Speed>,
}

impl Forecasts {
    /// With a calibration of the processor, or without.
    pub fn new(calibrate: Option<Processor>) -> Forecasts {
        Forecasts { calibrate, speeds: BTreeMap::new() }
    }

    /// The cost of a run whose files are here.
    ///
    /// # Errors
    /// A file that is not here or cannot be used.
    pub fn of(&mut self, run: &Run, inputs: &mut Inputs) -> Result<Forecast, InputError> {
        let prepared = inputs.prepare(run)?;
        let tokens = |split: &PreparedSplit| split.encoded.report.tokens;
        let (train, dev): (u64, u64) = (prepared.train().map(tokens).sum(), prepared.dev().map(tokens).sum());
        let examples =
            |split: &PreparedSplit| split.encoded.features.len() / sequences_of_an_example(&split.encoded.features);
        let sequences: usize = prepared.train().map(examples).sum();
        let steps = total_steps(sequences, run.recipe.batch_size, run.recipe.epochs, run.recipe.rounding);
        let train_tokens = (train as f64 * run.recipe.epochs) as u64;
        let speed = self.speed(run, &prepared)?;
        let evaluations = evaluations(run, steps);
        let seconds = speed.map(|speed| {
            let work = train_tokens as f64 + forward_share(run) * (evaluations * dev) as f64;
            work * speed.seconds_per_token + steps as f64 * speed.seconds_per_update
        });
        let files = prepared.files.iter().map(|file| file.size).sum();
        Ok(Forecast { steps, train_tokens, dev_tokens: dev, files, memory: memory(run, &prepared), seconds })
    }

    fn speed(&mut self, run: &Run, prepared: &Prepared) -> Result<Option<Speed>, InputError> {
        let Some(processor) = &self.calibrate else { return Ok(None) };
        let key = format!("{:?} {:?}", prepared.config, run.head());
        if !self.speeds.contains_key(&key) {
            let name = run.checkpoint.name.clone();
            let speed = calibrate(run, prepared, processor).map_err(|source| InputError::Weights { name, source })?;
            self.speeds.insert(key.clone(), speed);
        }
        Ok(self.speeds.get(&key).copied())
    }
}

/// Evaluations on the way and the final scoring.
fn evaluations(run: &Run, steps: u64) -> u64 {
    1 + match run.recipe.evaluate {
        Evaluate::EveryEpoch => run.recipe.epochs.ceil() as u64,
        Evaluate::EverySteps(every) => steps / every.max(1) + 1,
        Evaluate::AtEnd => 1,
    }
}

fn memory(run: &Run, prepared: &Prepared) -> u64 {
    let lengths = || prepared.train().flat_map(|split| split.encoded.features.iter().map(|f| f.input_ids.len()));
    let longest = lengths().max().unwrap_or(0);
    let sequences = run.recipe.micro_batch_size.min(run.recipe.batch_size);
    let shape = BatchShape { sequences, longest, tokens: sequences * longest };
    let (config, head, labels) = (&prepared.config, run.head(), run.task.num_labels());
    let on_gpu = Precision::of(&run.dtype).filter(|_| run.device != CPU);
    match on_gpu.and_then(|precision| Shape::new(config, labels, precision).ok()) {
        Some(kernels) => {
            let training = gpu_memory(config, head, &kernels, shape.tokens, sequences, true);
            let lengths = prepared.dev().flat_map(|split| split.encoded.features.iter().map(|f| f.input_ids.len()));
            let longest = lengths.max().unwrap_or(0);
            let prediction = prediction_memory(config, &kernels, PREDICTED_AT_ONCE * longest, PREDICTED_AT_ONCE);
            (training + prediction) as u64
        }
        None => {
            let step = memory_of(run.engine, config, head, labels, &shape, threads());
            // The reference engine's step holds more than its snapshot does.
            let snapshot = if run.engine == EngineKind::Fast { snapshot_memory(config, head, labels) } else { 0 };
            step + snapshot
        }
    }
}

/// Three small batches of the run's own first sequences on random weights; the last one counts: a GPU loads its kernels in
/// the first and records the second.
fn calibrate(run: &Run, prepared: &Prepared, processor: &Processor) -> Result<Speed, EngineError> {
    let (head, labels) = (run.head(), run.task.num_labels());
    let how = Initialization { seed: 1, initializer_range: 0.02, truncated_normal: false };
    let values = starting_values(&parameters(&prepared.config, head, labels), BTreeMap::new(), &how);
    let mut engine = engine::create(run.engine, prepared.config.clone(), head, labels, values, processor)?;
    let sample: Vec<&Features> =
        prepared.train().flat_map(|split| split.encoded.features.iter()).take(CALIBRATION).collect();
    let batch = Batch::pack(sample);
    let part = StepPart::whole(1, 0, &batch);
    engine.accumulate(&batch, &part)?;
    engine.accumulate(&batch, &part)?;
    engine.loss()?; // waits, here and below
    let began = Instant::now();
    engine.accumulate(&batch, &part)?;
    engine.loss()?;
    let accumulated = began.elapsed().as_secs_f64();
    let began = Instant::now();
    // At the full rate: at none, rows that no batch touched would be passed over.
    engine.update(&Regime::from(&run.recipe).update_at(0, run.recipe.learning_rate))?;
    let updated = began.elapsed().as_secs_f64();
    Ok(Speed { seconds_per_token: accumulated / batch.tokens().max(1) as f64, seconds_per_update: updated })
}
