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
mod page;
mod protocol;
mod runs;
mod serve;
mod shape;
mod side;
mod statistics;
mod sweep;
mod task_lengths;

use super::common::{at_least_one, engine_of};
use super::{CliError, Console};
use crate::engine::{Precision, Processor};
use crate::exit::Exit;
use crate::pipeline::now;
use crate::plan::EngineKind;
use batching::Padding;
use case::{Case, Measured};
use describe::describe;
use page::Circumstances;
use std::path::{Path, PathBuf};
use sweep::Sweep;

/// Arguments of `repro bench`.
#[derive(clap::Args, Clone)]
pub struct BenchArgs {
    /// Encoder shape: `minilm-l6`, `bert-base`, `bert-large`, or a folder with `config.json`.
    #[arg(long, value_name = "SHAPE", default_value = "minilm-l6")]
    shape: String,
    /// Engine: `fast` or `reference`.
    #[arg(long, value_name = "ENGINE", default_value = "fast")]
    engine: String,
    /// What products are computed in, on both sides: `f32`, or `bf16` (fast engine, a CPU with AVX512-BF16 or AMX).
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    dtype: String,
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
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
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
    /// PyTorch's configurations, the best of which counts: `sdpa` or `eager`, with `-compile`, `-spin`, `-heap`, `-huge`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "sdpa,sdpa-heap,eager-heap")]
    configurations: Vec<String>,
    /// How PyTorch pads a task: to a number of tokens, `longest`, `grouped`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "128,longest,grouped")]
    padding: Vec<Padding>,
    /// Write the rows of what was measured into the table of this page.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// How cost grows, as CSV and plot in `speed/` of the output folder.
    #[arg(long, value_name = "WHAT")]
    sweep: Option<Sweep>,
    /// Output folder of a sweep.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    out: PathBuf,
    /// Be the side that computes: answer lines from standard input.
    #[arg(long, hide = true)]
    serve: bool,
}

impl BenchArgs {
    fn with_threads(&self, threads: Option<u16>) -> BenchArgs {
        BenchArgs { threads: threads.or(self.threads), ..self.clone() }
    }

    fn precision(&self) -> Option<Precision> {
        Precision::of(&self.dtype)
    }
}

/// Runs the command.
pub fn run(args: &BenchArgs, console: &Console) -> Result<Exit, CliError> {
    engine_of(&args.engine)?;
    if args.precision().is_none() {
        return Err(CliError::new(Exit::Usage, format!("unknown --dtype `{}`, expected `f32` or `bf16`", args.dtype)));
    }
    match args.sweep {
        _ if args.serve => serve::serve(console),
        Some(sweep) => sweep::run(sweep, args, &args.out, console),
        None => measure(args, console),
    }
}

fn measure(args: &BenchArgs, console: &Console) -> Result<Exit, CliError> {
    let mut measured: Vec<Measured> = Vec::new();
    for case in Case::all(args)? {
        console.note(&case.title());
        measured.push(case.measure(args, console)?);
    }
    let text = if console.json {
        serde_json::to_string_pretty(&measured).map_err(|error| CliError::new(Exit::Bug, error))?
    } else {
        measured.iter().map(describe).collect::<Vec<_>>().join("\n\n")
    };
    console.result(&text);
    args.markdown.as_ref().map_or(Ok(()), |page| renew(page, &measured))?;
    Ok(Exit::Fine)
}

fn renew(path: &Path, measured: &[Measured]) -> Result<(), CliError> {
    let page = std::fs::read_to_string(path).unwrap_or_default();
    let rows: Vec<page::Row> = measured.iter().flat_map(page::rows).collect();
    let date = now().chars().take_while(|c| *c != 'T').collect();
    let circumstances = Circumstances {
        command: command(std::env::args().skip(1)),
        date,
        device: Processor::cpu().describe(EngineKind::Fast),
    };
    write(path, &page::renewed(&page, &rows, &circumstances))
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, text));
    written.map_err(|error| CliError::new(Exit::Usage, format!("cannot write `{}`: {error}", path.display())))
}

/// The command line as others can type it: what is a place on this machine gives way to its name.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["repro".to_string()];
    let parts = arguments.flat_map(|argument| match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => vec![flag.to_owned(), value.to_owned()],
        _ => vec![argument],
    });
    for argument in parts {
        let placeholder = match words.last().map(String::as_str) {
            Some("--compare") => Some("PYTHON"),
            Some("--hub") => Some("HUB"),
            Some("--checkpoint" | "--shape") if argument.contains("./") || argument.starts_with('/') => Some("DIR"),
            Some("--markdown") => Some("reports/speed.md"),
            _ => None,
        };
        words.push(placeholder.map_or(argument, str::to_string));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_no_place_of_this_machine() {
        let arguments =
            ["bench", "--compare", "/opt/python", "--hub", "/data", "--shape", "bert-base", "--rounds", "3"];
        let command = command(arguments.into_iter().map(String::from));
        assert_eq!(command, "repro bench --compare PYTHON --hub HUB --shape bert-base --rounds 3");
    }
}
