//! `repro bench`: training and evaluation tokens/s, peak memory, the share of this machine's matmul ceiling, and all of
//! it beside PyTorch.
//!
//! Tokens are real ones, padding is none. What is measured runs in child processes that take turns (`duel`), each of
//! which answers lines (`protocol`, `serve`, `scripts/bench_pytorch.py`). Figures are medians over rounds after the
//! first; the ceiling is the best square product of any library in the same run.

mod batching;
mod case;
mod describe;
mod duel;
mod protocol;
mod serve;
mod shape;
mod side;
mod statistics;
mod task_lengths;

use super::{CliError, Console};
use crate::exit::Exit;
use batching::Padding;
use case::{Case, Measured};
use describe::describe;
use std::path::PathBuf;

/// Arguments of `repro bench`.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// Encoder shape: `minilm-l6`, `bert-base`, `bert-large`, or a folder with `config.json`.
    #[arg(long, value_name = "SHAPE", default_value = "minilm-l6")]
    shape: String,
    /// Engine: `reference`.
    #[arg(long, value_name = "ENGINE", default_value = "reference")]
    engine: String,
    /// Sequences in a batch.
    #[arg(long, default_value_t = 32, value_parser = at_least_one)]
    batch: usize,
    /// Tokens in each sequence.
    #[arg(long, default_value_t = 128, value_parser = at_least_one)]
    length: usize,
    /// Real lengths instead: the training splits of these tasks, in batches of random order.
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    task: Vec<String>,
    /// Whose tokenizer makes the lengths of a task.
    #[arg(long, value_name = "CHECKPOINT", default_value = "sentence-transformers/all-MiniLM-L6-v2")]
    checkpoint: String,
    /// Where a task and the tokenizer come from: a folder in the hub's layout, or an endpoint.
    #[arg(long, value_name = "DIR|URL")]
    hub: Option<String>,
    /// Batches in a round: of a rectangle 2, of a task 10 that stand for its epoch.
    #[arg(long, value_parser = at_least_one)]
    steps: Option<usize>,
    /// Rounds counted, after one that is not.
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    rounds: usize,
    /// Threads of each side; all the machine has by default.
    #[arg(long, value_parser = at_least_one)]
    threads: Option<usize>,
    /// Seed of a task's order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Training only: leave evaluation out.
    #[arg(long)]
    train_only: bool,
    /// Count calls to the allocator in a steady training step.
    #[arg(long)]
    allocations: bool,
    /// Take turns with PyTorch, run by this Python, and say the ratio.
    #[arg(long, value_name = "PYTHON")]
    compare: Option<PathBuf>,
    /// PyTorch's configurations, the best of which counts: `sdpa`, `eager`, with `-compile`, `-spin`, `-heap`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "sdpa,eager,sdpa-spin,sdpa-compile")]
    configurations: Vec<String>,
    /// How PyTorch pads a task: to a number of tokens, `longest`, `grouped`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "128,longest,grouped")]
    padding: Vec<Padding>,
    /// Be the side that computes: answer lines from standard input.
    #[arg(long, hide = true)]
    serve: bool,
}

/// Runs the command.
pub fn run(args: &BenchArgs, console: &Console) -> Result<Exit, CliError> {
    if args.serve {
        return serve::serve(console);
    }
    let cases = Case::all(args)?;
    let mut measured: Vec<Measured> = Vec::new();
    for case in &cases {
        console.note(&case.title());
        measured.push(case.measure(args, console)?);
    }
    let text = if console.json {
        serde_json::to_string_pretty(&measured).map_err(|error| CliError::new(Exit::Bug, error))?
    } else {
        measured.iter().map(describe).collect::<Vec<_>>().join("\n\n")
    };
    console.result(&text);
    Ok(Exit::Fine)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "expected a whole number from 1".into())
}
