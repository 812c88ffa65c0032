//! One line of work to measure: a rectangle, or a task's real lengths beside one way of padding them.

use super::batching::{Padding, Rectangle, epoch, sample};
use super::duel::{Duel, Outcome};
use super::protocol::Job;
use super::shape::Shape;
use super::{BenchArgs, task_lengths};
use crate::cli::{CliError, Console};
use crate::engine::threads;
use crate::estimate::{BatchShape, forward_operations_of, memory_of, parameter_count};
use crate::plan::EngineKind;
use crate::task::{Head, Task};
use serde::Serialize;

/// Batches of a round, by default: of a rectangle, whose batches are all alike, and of a task.
const RECTANGLE_STEPS: usize = 2;
const TASK_STEPS: usize = 10;

/// What is computed.
pub struct Case {
    shape: Shape,
    what: What,
    /// Models trained at once.
    pub runs: usize,
    ours: Vec<Rectangle>,
    theirs: Vec<Rectangle>,
}

/// Where the lengths come from.
enum What {
    Rectangle { sequences: usize, length: usize },
    Task { task: &'static Task, padding: Padding, epoch_tokens: usize },
}

/// What was measured of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What was computed.
    pub title: String,
    /// What products were computed in.
    pub dtype: String,
    /// Encoder shape.
    pub shape: String,
    /// Trainable values.
    pub parameters: u64,
    /// Real tokens of a round.
    pub tokens: usize,
    /// Cells of the peer's rectangles over real tokens.
    pub padded_cells_per_token: f64,
    /// Real tokens of an epoch, of a task.
    pub epoch_tokens: Option<usize>,
    /// Figures of the sides.
    pub outcome: Outcome,
    /// Our training step's arithmetic, floating-point operations per second.
    pub flops_per_second: f64,
    /// Best square product of any library in this run.
    pub ceiling: f64,
    /// The one over the other.
    pub share_of_ceiling: f64,
    /// What `repro plan` would say of the engine's memory, for rectangles.
    pub estimated_memory: Option<u64>,
}

impl Measured {
    /// Arithmetic of a training step for each real token, without padding.
    pub fn gigaflops_per_token(&self) -> f64 {
        self.flops_per_second / self.outcome.ours.train.median / 1e9
    }
}

impl Case {
    /// Every case that the arguments ask for.
    pub fn all(args: &BenchArgs) -> Result<Vec<Case>, CliError> {
        let shape = Shape::find(&args.shape)?;
        if args.task.is_empty() {
            shape.holds(args.length)?;
            return Ok(vec![Case::rectangle(shape, args.batch, args.length, args.steps.unwrap_or(RECTANGLE_STEPS))]);
        }
        let tasks = args.task.iter().map(|name| task_lengths::find(name)).collect::<Result<Vec<_>, _>>()?;
        let mut cases = Vec::new();
        for task in tasks {
            let lengths = task_lengths::lengths(task, args)?;
            cases.extend(args.paddings().iter().map(|&padding| Case::task(&shape, task, &lengths, padding, args)));
        }
        Ok(cases)
    }

    /// Equal sequences.
    pub fn rectangle(shape: Shape, sequences: usize, length: usize, steps: usize) -> Case {
        let batch = Rectangle::new(vec![length; sequences], Padding::Longest);
        let batches = vec![batch; steps];
        Case { shape, what: What::Rectangle { sequences, length }, runs: 1, ours: batches.clone(), theirs: batches }
    }

    fn task(shape: &Shape, task: &'static Task, lengths: &[usize], padding: Padding, args: &BenchArgs) -> Case {
        let steps = args.steps.unwrap_or(TASK_STEPS);
        let batches = |padding| sample(epoch(lengths, args.batch, args.seed, padding), steps);
        let ours = match padding {
            Padding::Grouped => batches(Padding::Longest),
            other => batches(other),
        };
        let what = What::Task { task, padding, epoch_tokens: lengths.iter().sum() };
        Case { shape: shape.clone(), what, runs: 1, ours, theirs: batches(padding) }
    }

    /// What it is called in tables.
    pub fn title(&self) -> String {
        let shape = self.shape.title();
        match &self.what {
            What::Rectangle { sequences, length } => format!("{shape}, rectangular {sequences}×{length}"),
            What::Task { task, padding, .. } => format!("{shape}, {}, {}", task.title, padding.describe()),
        }
    }

    /// Trainable values.
    pub fn parameters(&self) -> u64 {
        let (head, labels) = self.head();
        parameter_count(&self.shape.config, head, labels)
    }

    /// The bytes that the sides need, where it is more than is free. Known of rectangles; PyTorch needs about
    /// half as much as the reference engine for each configuration.
    pub fn too_large(&self, args: &BenchArgs) -> Option<u64> {
        let (ours, reference) = (
            self.estimated_memory(EngineKind::of(&args.engine)?, args)?,
            self.estimated_memory(EngineKind::Reference, args)?,
        );
        let theirs = if args.compare.is_some() { reference / 2 * args.configurations.len() as u64 } else { 0 };
        free_memory().filter(|free| ours + theirs > *free).map(|_| ours + theirs)
    }

    /// Measures it.
    ///
    /// # Errors
    /// A side that fails.
    pub fn measure(&self, args: &BenchArgs, console: &Console) -> Result<Measured, CliError> {
        let job = |configuration: &str, batches: &[Rectangle]| self.job(args, configuration, batches);
        let theirs = || args.configurations.iter().map(|name| job(name, &self.theirs)).collect();
        let duel = Duel {
            job: job(&args.engine, &self.ours),
            peers: args.compare.clone().map(|python| (python, theirs())),
            rounds: args.rounds,
            evaluate: !args.train_only,
            allocations: args.allocations,
        };
        Ok(self.measured(args, duel.fight(console)?))
    }

    fn job(&self, args: &BenchArgs, configuration: &str, batches: &[Rectangle]) -> Job {
        let (head, num_labels) = self.head();
        Job {
            config: self.shape.json.clone(),
            head: if head == Head::Regression { "regression" } else { "classification" }.into(),
            num_labels,
            configuration: configuration.into(),
            dtype: args.dtype.clone(),
            threads: args.all_threads(),
            runs: self.runs,
            device: "cpu".into(),
            batches: batches.to_vec(),
        }
    }

    fn head(&self) -> (Head, usize) {
        match &self.what {
            What::Rectangle { .. } => (Head::Classification, 2),
            What::Task { task, .. } => (task.head, task.num_labels()),
        }
    }

    fn measured(&self, args: &BenchArgs, outcome: Outcome) -> Measured {
        let count = |batches: &[Rectangle], of: fn(&Rectangle) -> usize| batches.iter().map(of).sum::<usize>();
        let (tokens, theirs) = (count(&self.ours, Rectangle::tokens), count(&self.theirs, Rectangle::tokens));
        let engine = EngineKind::of(&args.engine).unwrap_or(EngineKind::Fast);
        let flops_per_second = self.operations_per_token(engine) * outcome.ours.train.median;
        let ceiling = outcome.ceiling();
        Measured {
            title: self.title(),
            dtype: args.dtype.clone(),
            shape: self.shape.name.clone(),
            parameters: self.parameters(),
            tokens,
            padded_cells_per_token: count(&self.theirs, Rectangle::cells) as f64 / theirs as f64,
            epoch_tokens: self.epoch_tokens(),
            flops_per_second,
            ceiling,
            share_of_ceiling: flops_per_second / ceiling,
            estimated_memory: self.estimated_memory(engine, args),
            outcome,
        }
    }

    /// Of a training step of an engine, per real token: what it does, not what a plain step would.
    fn operations_per_token(&self, engine: EngineKind) -> f64 {
        let rows = || self.ours.iter().flat_map(|batch| &batch.lengths);
        let head = self.head().0;
        let of = |shape: &BatchShape| forward_operations_of(engine, &self.shape.config, head, shape);
        let forward = |&length: &usize| of(&BatchShape::rectangle(1, length));
        3.0 * rows().map(forward).sum::<f64>() / rows().sum::<usize>() as f64
    }

    fn epoch_tokens(&self) -> Option<usize> {
        if let What::Task { epoch_tokens, .. } = self.what { Some(epoch_tokens) } else { None }
    }

    fn estimated_memory(&self, engine: EngineKind, args: &BenchArgs) -> Option<u64> {
        let What::Rectangle { sequences, length } = self.what else { return None };
        let (head, labels) = self.head();
        let rectangle = BatchShape::rectangle(sequences, length);
        let one = memory_of(engine, &self.shape.config, head, labels, &rectangle, args.all_threads());
        Some(one * self.runs as u64)
    }
}

/// Memory that can still be had without swapping, in bytes, where the system tells (Linux).
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

impl BenchArgs {
    /// Threads of each side.
    fn all_threads(&self) -> usize {
        self.threads.map_or_else(threads, usize::from)
    }

    /// Without a peer nobody pads, and one case a task is enough.
    fn paddings(&self) -> &[Padding] {
        if self.compare.is_some() { &self.padding } else { &[Padding::Longest] }
    }
}
