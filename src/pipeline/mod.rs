//! Runs a plan end to end: each run goes through fetch, dataset, encode, train and score, and ends as one record.
//!
//! Several runs may be at work at once, each in a thread of its own, on a device that one of them does not fill.
//!
//! A recorded run is passed over; a run that fails is recorded as failed and the others go on; two processes never work
//! the same run. Only what would stop every run (an output folder that cannot be written, a full disk) ends the plan.

mod artifacts;
mod collapse;
mod error;
mod forecast;
mod inputs;
mod majority;
mod provenance;
mod run;
mod saved;
mod scoring;
mod start;

pub use artifacts::Live;
pub use error::{PipelineError, RunError};
pub use forecast::{Forecast, Forecasts};
pub use inputs::{InputError, Inputs, Prepared};
pub use provenance::{computed_by, now, peak_memory, provenance};
pub use saved::{Agreement, Saved, SavedError};
pub use scoring::{SplitPredictions, predict_split, score_split};

use crate::engine::Processor;
use crate::event::{Event, Observer};
use crate::fetch::Hub;
use crate::plan::{Plan, Run};
use crate::record::{Record, Status, Store, lock};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Which model folders stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// That of the run which selection chose, per checkpoint and task.
    Best,
    /// All.
    All,
    /// None.
    None,
}

/// Where everything goes.
#[derive(Clone, Debug)]
pub struct Output {
    /// Records: `<RunId>.json`.
    pub records: PathBuf,
    /// Big outputs: a folder a run.
    pub runs: PathBuf,
    /// Encoded splits.
    pub cache: PathBuf,
}

impl Output {
    /// `DIR/records`, `DIR/runs` and `DIR/cache`, as `--out` lays them out.
    pub fn under(folder: &Path) -> Output {
        Output { records: folder.join("records"), runs: folder.join("runs"), cache: folder.join("cache") }
    }

    /// The project's own folders: `reports/records` and `runs`.
    pub fn project() -> Output {
        Output { records: "reports/records".into(), runs: "runs".into(), cache: "runs/cache".into() }
    }

    /// Proves that records and runs can be written, before any work.
    ///
    /// # Errors
    /// The folder that cannot, and why.
    pub fn prove_writable(&self) -> Result<(), PipelineError> {
        for folder in [&self.records, &self.runs] {
            let failed = |source| PipelineError::Output { folder: folder.clone(), source };
            std::fs::create_dir_all(folder).map_err(failed)?;
            let probe = folder.join(format!(".write-probe-{}", std::process::id()));
            std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe)).map_err(failed)?;
        }
        Ok(())
    }
}

/// Everything a plan needs from outside.
pub struct Pipeline<'a> {
    /// Where files come from.
    pub hub: &'a dyn Hub,
    /// What computes.
    pub processor: Processor,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// Where everything goes.
    pub output: Output,
    /// Which model folders stay.
    pub keep: Keep,
    /// Runs at work at once.
    pub jobs: usize,
    /// Whether recorded failures are tried again.
    pub retry_failed: bool,
    /// Set when the user wants to stop.
    pub stop: &'a AtomicBool,
    /// Set, at the start by the caller and then by the pipeline, while the process may end at once and lose nothing:
    /// half a download is continued, half an encoded split was not written yet. Never with several jobs, some of which
    /// may be training.
    pub idle: &'a AtomicBool,
}

/// How the runs of a plan ended.
#[derive(Debug, Default)]
pub struct PlanOutcome {
    /// Records of the plan's runs, in its order, whether made now or before.
    pub records: Vec<Record>,
    /// Labels of the runs that another process is working on.
    pub elsewhere: Vec<String>,
    /// Runs that wait for others' models, and what they lack.
    pub waiting: Vec<String>,
    /// Whether the user stopped it.
    pub interrupted: bool,
}

impl PlanOutcome {
    /// The runs that could not be run or diverged.
    pub fn failures(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| matches!(record.status, Status::Failed(_) | Status::Diverged(_)))
    }
}

/// How one run ended.
enum Step {
    Recorded(Box<Record>),
    Elsewhere,
    Waiting(String),
    Interrupted,
}

/// The runs of a plan between threads: which is next, and how those that were taken ended.
#[derive(Default)]
struct Queue {
    next: AtomicUsize,
    ended: Mutex<Vec<(usize, Result<Step, PipelineError>)>>,
}

impl Queue {
    /// How the plan ended, in its order.
    fn outcome(self, stopped: bool, plan: &Plan) -> Result<PlanOutcome, PipelineError> {
        let mut ended = self.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        ended.sort_by_key(|(index, _)| *index);
        let interrupted = stopped && ended.len() < plan.runs.len();
        let mut outcome = PlanOutcome { interrupted, ..PlanOutcome::default() };
        for (index, step) in ended {
            match step? {
                Step::Recorded(record) => outcome.records.push(*record),
                Step::Elsewhere => outcome.elsewhere.push(plan.runs[index].label()),
                Step::Waiting(lacks) => outcome.waiting.push(format!("{}: {lacks}", plan.runs[index].label())),
                Step::Interrupted => outcome.interrupted = true,
            }
        }
        Ok(outcome)
    }
}

impl Pipeline<'_> {
    /// Runs every run that is not recorded yet.
    ///
    /// # Errors
    /// Output that cannot be written. A run's own error is in its record.
    pub fn run(&self, plan: &Plan) -> Result<PlanOutcome, PipelineError> {
        self.output.prove_writable()?;
        let queue = Queue::default();
        if self.jobs <= 1 {
            self.work(plan, &queue);
        } else {
            std::thread::scope(|scope| (0..self.jobs).for_each(|_| drop(scope.spawn(|| self.work(plan, &queue)))));
        }
        queue.outcome(self.stop.load(Ordering::Relaxed), plan)
    }

    /// Takes runs from the queue until it is empty, the user stops, or output cannot be written.
    fn work(&self, plan: &Plan, queue: &Queue) {
        let mut inputs = Inputs::new(self.hub, self.output.cache.clone(), self.observer);
        while !self.stop.load(Ordering::Relaxed) {
            let index = queue.next.fetch_add(1, Ordering::Relaxed);
            let Some(run) = plan.runs.get(index) else { return };
            self.wait_for_starts(run, plan, queue);
            let ended = self.one(run, index, plan, &mut inputs);
            if ended.is_err() {
                queue.next.store(plan.runs.len(), Ordering::Relaxed);
            }
            queue.ended.lock().unwrap_or_else(PoisonError::into_inner).push((index, ended));
        }
    }

    /// Until the runs whose model it starts from have ended; they stand before it and were taken.
    fn wait_for_starts(&self, run: &Run, plan: &Plan, queue: &Queue) {
        let awaited = |other: &Run| run.start_from.contains(&other.id);
        while !self.stop.load(Ordering::Relaxed) {
            let ended = queue.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let has_ended = |at: usize| ended.iter().any(|(index, _)| *index == at);
            if plan.runs.iter().enumerate().all(|(at, other)| !awaited(other) || has_ended(at)) {
                return;
            }
            drop(ended);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn one(&self, run: &Run, index: usize, plan: &Plan, inputs: &mut Inputs) -> Result<Step, PipelineError> {
        let store = Store::new(&self.output.records);
        if let Some(record) = self.recorded(&store, run)? {
            return Ok(Step::Recorded(Box::new(record)));
        }
        let starts = match start::recorded(run, &store) {
            Ok(records) => records,
            Err(_) if self.stop.load(Ordering::Relaxed) => return Ok(Step::Interrupted),
            Err(lacks) => return Ok(Step::Waiting(lacks)),
        };
        let Some(_lock) = lock(&self.output.records, &run.id.0)? else {
            let text = format!("another process is working on {}; it is passed over", run.label());
            self.observer.observe(&Event::Warning(text));
            return Ok(Step::Elsewhere);
        };
        // The process that held the lock may have just recorded it.
        if let Some(record) = self.recorded(&store, run)? {
            return Ok(Step::Recorded(Box::new(record)));
        }
        self.started(run, index, plan.runs.len());
        let record = match run::execute(self, run, inputs, &starts) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(Step::Interrupted),
            Err(error) if error.is_of_the_disk() => return Err(PipelineError::Disk(Box::new(error))),
            Err(error) => self.failed(run, &error),
        };
        store.write(&record)?;
        self.finished(run, &record);
        run::tidy(self, run, &record, plan, &store);
        Ok(Step::Recorded(Box::new(record)))
    }

    fn recorded(&self, store: &Store, run: &Run) -> Result<Option<Record>, PipelineError> {
        let record = store.find(&run.id.0)?;
        let again = |record: &Record| self.retry_failed && matches!(record.status, Status::Failed(_));
        let record = record.filter(|record| !again(record));
        if record.is_some() {
            self.observer.observe(&Event::RunSkipped { run: run.id.0.clone(), label: run.label() });
        }
        Ok(record)
    }

    fn started(&self, run: &Run, index: usize, count: usize) {
        let (run, label) = (run.id.0.clone(), run.label());
        self.observer.observe(&Event::RunStarted { run, label, index, count });
    }

    fn failed(&self, run: &Run, error: &RunError) -> Record {
        let error = error.told();
        let (id, label) = (run.id.0.clone(), run.label());
        self.observer.observe(&Event::RunFailed { run: id, label, error: error.clone() });
        run::empty_record(run, &self.processor, Status::Failed(error))
    }

    fn finished(&self, run: &Run, record: &Record) {
        if matches!(record.status, Status::Failed(_)) {
            return;
        }
        let scores = run::scores_by_split(record);
        let (id, label, seconds) = (run.id.0.clone(), run.label(), record.cost.total_seconds);
        self.observer.observe(&Event::RunFinished { run: id, label, scores, seconds });
    }
}
