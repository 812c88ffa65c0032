//! Models at work: one that this thread trains, and others beside it, a thread each, as `repro run --jobs` has them.

use crate::cli::CliError;
use crate::encode::Batch;
use crate::engine::{Engine, EngineError, StepPart, Update};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A round of a model's over batches.
pub type Work = fn(&mut Run, &[Batch]) -> Result<(), EngineError>;

/// A model, and how many steps it has been trained.
pub struct Run {
    engine: Box<dyn Engine>,
    step: u64,
}

impl Run {
    /// An untrained one.
    pub fn new(engine: Box<dyn Engine>) -> Run {
        Run { engine, step: 0 }
    }

    /// A step a batch.
    ///
    /// # Errors
    /// The engine's.
    pub fn train(&mut self, batches: &[Batch]) -> Result<(), EngineError> {
        for (at, batch) in batches.iter().enumerate() {
            self.engine.accumulate(batch, &StepPart::whole(1, self.step, batch))?;
            if let Some(next) = batches.get(at + 1) {
                self.engine.prepare(next, &StepPart::whole(1, self.step + 1, next))?;
            }
            self.engine.update(&update(self.step))?;
            self.step += 1;
        }
        Ok(())
    }

    /// A prediction a batch.
    ///
    /// # Errors
    /// The engine's.
    pub fn evaluate(&mut self, batches: &[Batch]) -> Result<(), EngineError> {
        batches.iter().try_for_each(|batch| self.engine.predict(batch).map(drop))
    }
}

/// A model on a thread of its own, which ends with it. An engine stays on the thread that made it.
pub struct Other {
    orders: Sender<Work>,
    done: Receiver<Result<(), EngineError>>,
}

impl Other {
    /// Starts the thread.
    pub fn start(
        engine: impl FnOnce() -> Result<Box<dyn Engine>, CliError> + Send + 'static,
        batches: Arc<Vec<Batch>>,
    ) -> Other {
        let (orders, received) = channel::<Work>();
        let (finished, done) = channel();
        std::thread::spawn(move || {
            // The first model was made of the same values: a second one that cannot be made ends the thread, and so the
            // first round.
            let Ok(engine) = engine() else { return Ok(()) };
            let mut run = Run::new(engine);
            received.iter().map(|work| work(&mut run, &batches)).try_for_each(|result| finished.send(result))
        });
        Other { orders, done }
    }

    /// Begins a round.
    pub fn begin(&self, work: Work) {
        // A thread that has ended is found by `end`.
        let _ = self.orders.send(work);
    }

    /// Waits for the round.
    ///
    /// # Errors
    /// The engine's, or a thread that has ended.
    pub fn end(&self) -> Result<(), EngineError> {
        self.done.recv().unwrap_or_else(|_| Err(EngineError::Device("a run beside the first one has ended".into())))
    }
}

/// The update that `scripts/bench_pytorch.py` makes too.
fn update(step: u64) -> Update {
    Update {
        step,
        learning_rate: 2e-5,
        bias_correction: true,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-6,
        weight_decay: 0.01,
        max_grad_norm: 1.0,
    }
}
