//! Our side of the comparison: a child process that does one round of work for each line it reads.
//!
//! A process for each configuration, because the highest resident memory is known of a process as a whole. Weights and
//! token ids are random: what a step costs does not depend on them.

use super::batching::Rectangle;
use super::protocol::{Allocations, Ceiling, Job, Ready, Round};
use super::runs::{Other, Run, Work};
use crate::allocations::during;
use crate::cli::{CliError, Console};
use crate::encode::{Batch, Features, Target};
use crate::engine::ceiling::matmul_ceiling;
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{self, Engine, EngineError, Precision, Processor};
use crate::exit::Exit;
use crate::family::{EncoderConfig, parameters};
use crate::pipeline::peak_memory;
use crate::plan::EngineKind;
use crate::random::{Purpose, Stream};
use crate::task::Head;
use std::collections::BTreeMap;
use std::io::{BufRead, stdin};
use std::sync::Arc;
use std::time::Instant;

/// The batches of a round and the models that are trained on them at once.
struct Server {
    run: Run,
    others: Vec<Other>,
    batches: Arc<Vec<Batch>>,
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
        let batches: Arc<Vec<Batch>> = Arc::new(batches);
        let processor = Processor::Cpu { threads: job.threads, precision }.share(job.runs);
        let engine = {
            let (name, num_labels) = (job.configuration.clone(), job.num_labels);
            move || self::engine(&name, &config, head, num_labels, &processor)
        };
        let run = Run::new(engine()?);
        let others = (1..job.runs).map(|_| Other::start(engine.clone(), batches.clone())).collect();
        Ok(Server { run, others, batches })
    }

    fn answer(&mut self, line: &str, console: &Console) -> Result<(), CliError> {
        match line.trim() {
            "train" => say(console, &self.timed(Run::train).map_err(failed)?),
            "eval" => say(console, &self.timed(Run::evaluate).map_err(failed)?),
            "matmul" => say(console, &Ceiling { flops_per_second: matmul_ceiling().map_err(failed)? }),
            "allocations" => {
                let (result, allocations) = during(|| self.run.train(&self.batches));
                result.map_err(failed)?;
                say(console, &Allocations { allocations, steps: self.batches.len() })
            }
            other => Err(wrong(other, "`train`, `eval`, `matmul` or `allocations`")),
        }
    }

    /// A round of every run, all at once.
    fn timed(&mut self, work: Work) -> Result<Round, EngineError> {
        let began = Instant::now();
        self.others.iter().for_each(|other| other.begin(work));
        work(&mut self.run, &self.batches)?;
        self.others.iter().try_for_each(Other::end)?;
        let seconds = began.elapsed().as_secs_f64();
        let tokens = (1 + self.others.len()) * self.batches.iter().map(Batch::tokens).sum::<usize>();
        Ok(Round { seconds, tokens, peak_memory: peak_memory() })
    }
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
            together: 1,
            input_ids: (0..length).map(|at| id(row, at)).collect(),
            token_type_ids: vec![0; length],
            target: Some(target(row)),
            window: None,
        })
        .collect();
    Batch::pack(&features)
}
