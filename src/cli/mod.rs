//! The command line: the only place that reads the environment, prints, and picks exit codes. One file per command.

mod bench;
mod check;
mod common;
mod console;
mod devices;
mod download;
mod fetch;
mod hub;
mod kernels;
mod list;
mod plan;
mod pretrain;
mod progress;
mod report;
mod run;
mod score;
mod submit;
mod verify;

pub use common::Common;
pub use console::Console;
pub use hub::{Patience, hub};

use crate::exit::Exit;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Reproduces published results of BERT-family encoders on GLUE and SQuAD.
#[derive(Parser)]
#[command(name = "repro", version, after_help = EXIT_CODES)]
struct Cli {
    /// Print nothing but errors and the final result.
    #[arg(long, global = true)]
    quiet: bool,
    /// Print machine-readable JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 fine · 1 a bug · 2 usage or spec · 3 fetch or digest mismatch · 4 a run failed · \
                          5 regression · 6 nothing to compare · 130 stopped by Ctrl-C";

#[derive(Subcommand)]
enum Command {
    /// Fetch, train, score and record every run of an experiment, then print its table.
    Run(run::RunArgs),
    /// Show the runs, every resolved value and where it came from, and what they will cost.
    Plan(plan::PlanArgs),
    /// Download and check the files an experiment needs, for machines that are offline later.
    Fetch(fetch::FetchArgs),
    /// Write tables beside the papers' numbers, the leaderboard, results.csv and plots, from records alone.
    Report(report::ReportArgs),
    /// Compare records with the baseline; exit 5 on a regression.
    Check(check::CheckArgs),
    /// Score anyone's prediction files with a task's official metrics.
    Score(score::ScoreArgs),
    /// Recompute a saved BERT's or RoBERTa's dev predictions with an independent implementation.
    Verify(verify::VerifyArgs),
    /// Write the files the GLUE server and the SQuAD scripts take.
    Submit(submit::SubmitArgs),
    /// Pre-train a checkpoint from plain text: masked words and the next sentence, or left to right.
    Pretrain(pretrain::PretrainArgs),
    /// Measure training and evaluation tokens/s against this machine's matmul ceiling.
    Bench(bench::BenchArgs),
    /// List tasks, families, presets, checkpoints, experiments and claims, or devices.
    List(list::ListArgs),
    /// Check and time the CUDA kernels.
    #[command(hide = true)]
    Kernels(kernels::KernelsArgs),
}

/// An error as the user sees it.
#[derive(Debug)]
pub struct CliError {
    /// Exit code of the process.
    pub exit: Exit,
    /// What went wrong, with place, found and expected; a lowercase fragment.
    pub message: String,
    /// A way out, on its own line.
    pub hint: Option<String>,
}

impl CliError {
    /// An error without a hint.
    pub fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        CliError { exit, message: message.to_string(), hint: None }
    }
}

/// Parses the command line, runs the command, prints its error if there is one.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new(cli.quiet, cli.json);
    match dispatch(&cli.command, &console) {
        Ok(exit) => exit.into(),
        Err(error) => {
            console.error(&error);
            error.exit.into()
        }
    }
}

fn dispatch(command: &Command, console: &Console) -> Result<Exit, CliError> {
    match command {
        Command::Run(args) => run::run(args, console),
        Command::Plan(args) => plan::run(args, console),
        Command::Fetch(args) => fetch::run(args, console),
        Command::Report(args) => report::run(args, console),
        Command::Check(args) => check::run(args, console),
        Command::Score(args) => score::run(args, console),
        Command::Verify(args) => verify::run(args, console),
        Command::Submit(args) => submit::run(args, console),
        Command::Pretrain(args) => pretrain::run(args, console),
        Command::Bench(args) => bench::run(args, console),
        Command::List(args) => list::run(args, console),
        Command::Kernels(args) => kernels::run(args, console),
    }
}
