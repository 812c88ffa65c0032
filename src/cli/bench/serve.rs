//! Our side of the comparison: a child process that does one round of work for each line it reads.
//!
//! A process for each configuration, because the highest resident memory is known of a process as a whole. Weights and
//! token ids are random: what a step costs does not depend on them.

use super::batching::Rectangle;
use super::protocol::{Allocations, Ceiling, Job, Ready, Round};
use crate::allocations::during;
use crate::cli::{CliError, Console};
use crate::encode::{Batch, Features, Target};
use crate::engine::ceiling::matmul_ceiling;
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{self, Engine, EngineError, Precision, Processor, StepPart, Update};
use crate::exit::Exit;
use crate::family::{EncoderConfig, parameters};
use crate::pipeline::peak_memory;
use crate::plan::EngineKind;
use crate::random::{Purpose, Stream};
use crate::task::Head;
use std::collections::BTreeMap;
use std::io::{BufRead, stdin};
use std::time::Instant;

/// An engine and the batches of a round.
struct Server {
    engine: Box<dyn Engine>,
    batches: Vec<Batch>,
    step: u64,
}

/// Answers lines until they end.
pub fn serve(console: &Console) -> Result<Exit, CliError> {
    let mut lines = stdin().lock().lines();
    let mut next = || lines.next().transpose().map_err(|error| CliError::new(Exit::Usage, error));
    let Some(line) = next()? else { return Ok(Exit::Fine) };
    let job: Job = serde_json::from_str(&line).map_err(|error| wrong(&line, &format!("a job: {error}")))?;
    let mut server = Server::new(&job)?;
    let ready = format!("repro {}", env!("CARGO_PKG_VERSION"));
    say(console, &Ready { ready, configuration: job.configuration.clone() })?;
    while let Some(line) = next()? {
        server.answer(&line, console)?;
    }
    Ok(Exit::Fine)
}

fn wrong(line: &str, expected: &str) -> CliError {
    let line: String = line.chars().take(80).collect();
    CliError::new(Exit::Usage, format!("standard input: found `{line}`, expected {expected}"))
}

fn failed(error: EngineError) -> CliError {
    CliError::new(Exit::Bug, error)
}

fn say(console: &Console, answer: &impl serde::Serialize) -> Result<(), CliError> {
    let line = serde_json::to_string(answer).map_err(|error| CliError::new(Exit::Bug, error))?;
    console.result(&line);
    Ok(())
}

impl Server {
    fn new(job: &Job) -> Result<Server, CliError> {
        let config = EncoderConfig::parse(&job.config.to_string()).map_err(|e| CliError::new(Exit::Usage, e))?;
        let head = job.head().ok_or_else(|| wrong(&job.head, "`classification` or `regression`"))?;
        let batches = job.batches.iter().map(|batch| synthetic(&config, head, batch)).collect();
        let precision = Precision::of(&job.dtype).ok_or_else(|| wrong(&job.dtype, "`f32` or `bf16`"))?;
        let processor = Processor::Cpu { threads: job.threads, precision };
        let engine = self::engine(&job.configuration, &config, head, job.num_labels, &processor)?;
        Ok(Server { engine, batches, step: 0 })
    }

    fn answer(&mut self, line: &str, console: &Console) -> Result<(), CliError> {
        match line.trim() {
            "train" => say(console, &self.timed(Server::train).map_err(failed)?),
            "eval" => say(console, &self.timed(Server::evaluate).map_err(failed)?),
            "matmul" => say(console, &Ceiling { flops_per_second: matmul_ceiling().map_err(failed)? }),
            "allocations" => {
                let (result, allocations) = during(|| self.train());
                result.map_err(failed)?;
                say(console, &Allocations { allocations, steps: self.batches.len() })
            }
            other => Err(wrong(other, "`train`, `eval`, `matmul` or `allocations`")),
        }
    }

    fn timed(&mut self, work: fn(&mut Server) -> Result<(), EngineError>) -> Result<Round, EngineError> {
        let began = Instant::now();
        work(self)?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(Round { seconds, tokens: self.batches.iter().map(Batch::tokens).sum(), peak_memory: peak_memory() })
    }

    fn train(&mut self) -> Result<(), EngineError> {
        for (at, batch) in self.batches.iter().enumerate() {
            self.engine.accumulate(batch, &part(batch, self.step))?;
            if let Some(next) = self.batches.get(at + 1) {
                self.engine.prepare(next, &part(next, self.step + 1))?;
            }
            self.engine.update(&update(self.step))?;
            self.step += 1;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<(), EngineError> {
        self.batches.iter().try_for_each(|batch| self.engine.predict(batch).map(drop))
    }
}

/// A whole step.
fn part(batch: &Batch, step: u64) -> StepPart {
    StepPart::whole(1, step, batch)
}

/// The engine of a name, with random weights.
fn engine(
    name: &str,
    config: &EncoderConfig,
    head: Head,
    num_labels: usize,
    processor: &Processor,
) -> Result<Box<dyn Engine>, CliError> {
    let how = Initialization { seed: 1, initializer_range: 0.02, truncated_normal: false };
    let values = starting_values(&parameters(config, head, num_labels), BTreeMap::new(), &how);
    let kind = EngineKind::of(name).ok_or_else(|| wrong(name, "an engine: `fast` or `reference`"))?;
    engine::create(kind, config.clone(), head, num_labels, values, processor).map_err(failed)
}

fn synthetic(config: &EncoderConfig, head: Head, batch: &Rectangle) -> Batch {
    let stream = Stream::new(1, Purpose::Synthetic);
    let id = |row: usize, at: usize| stream.bits(0, row as u32, at as u64) % config.vocab_size as u32;
    let target = |row: usize| match head {
        Head::Regression => Target::Value(row as f32),
        _ => Target::Class((row % 2) as u32),
    };
    let features: Vec<Features> = (batch.lengths.iter().enumerate())
        .map(|(row, &length)| Features {
            example: row,
            input_ids: (0..length).map(|at| id(row, at)).collect(),
            token_type_ids: vec![0; length],
            target: Some(target(row)),
            window: None,
        })
        .collect();
    Batch::pack(&features)
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
