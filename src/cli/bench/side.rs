//! A process that computes when asked: ours (`repro bench --serve`) or the peer (`scripts/bench_pytorch.py`).

use super::protocol::{Job, Ready};
use crate::cli::CliError;
use crate::exit::Exit;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Where the peer's program lies, seen from the project folder.
pub const PEER_SCRIPT: &str = "scripts/bench_pytorch.py";

/// A running side.
pub struct Side {
    /// What it said of itself.
    pub ready: Ready,
    program: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Side {
    /// Our own program as a child.
    pub fn ours(job: &Job) -> Result<Side, CliError> {
        let program = std::env::current_exe().map_err(|error| CliError::new(Exit::Bug, error))?;
        let mut command = Command::new(program);
        command.args(["bench", "--serve"]).env("RAYON_NUM_THREADS", job.threads.to_string());
        Side::start(command, "repro bench --serve", job)
    }

    /// PyTorch, by a Python that has it.
    ///
    /// Its threads sleep as soon as they have nothing to do, unless the configuration says `spin`; with `heap` the C
    /// allocator keeps what it has instead of giving large arrays back to the kernel, with `huge` PyTorch asks for large
    /// pages.
    pub fn peer(python: &Path, job: &Job) -> Result<Side, CliError> {
        let mut command = Command::new(python);
        command.arg(PEER_SCRIPT).env("OMP_NUM_THREADS", job.threads.to_string());
        let extras: Vec<&str> = job.configuration.split('-').collect();
        if !extras.contains(&"spin") {
            command.env("OMP_WAIT_POLICY", "PASSIVE").env("KMP_BLOCKTIME", "0");
        }
        if extras.contains(&"heap") {
            command.env("MALLOC_MMAP_MAX_", "0").env("MALLOC_TRIM_THRESHOLD_", "68719476736");
        }
        if extras.contains(&"huge") {
            command.env("THP_MEM_ALLOC_ENABLE", "1");
        }
        Side::start(command, &format!("{} {PEER_SCRIPT}", python.display()), job)
    }

    fn start(mut command: Command, program: &str, job: &Job) -> Result<Side, CliError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let failed = |error| CliError::new(Exit::Usage, format!("could not start `{program}`: {error}"));
        let mut child = command.spawn().map_err(failed)?;
        let input = child.stdin.take().expect("standard input was piped above");
        let output = BufReader::new(child.stdout.take().expect("standard output was piped above"));
        let ready = Ready { ready: String::new(), configuration: String::new() };
        let mut side = Side { ready, program: program.into(), child, input, output };
        let job = serde_json::to_string(job).map_err(|error| CliError::new(Exit::Bug, error))?;
        side.ready = side.ask(&job)?;
        Ok(side)
    }

    /// Says a line and waits for the answer.
    ///
    /// # Errors
    /// The process ended, or its answer is not what was asked for.
    pub fn ask<T: DeserializeOwned>(&mut self, line: &str) -> Result<T, CliError> {
        let mut answer = String::new();
        // A process that has ended breaks the pipe; that it ended is found below, with its exit status.
        let _ = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        self.output.read_line(&mut answer).map_err(|error| self.failed(line, &error.to_string()))?;
        if answer.is_empty() {
            let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(self.failed(line, &format!("it ended with {status}")));
        }
        let wrong = |error: serde_json::Error| self.failed(line, &format!("found `{}`: {error}", answer.trim_end()));
        serde_json::from_str(&answer).map_err(wrong)
    }

    /// What the scheduler was told of the process, where the system tells (Linux): 0, or more for one that gives way.
    /// Somebody else may change it while it runs.
    pub fn niceness(&self) -> Option<i32> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // Fields are counted from behind the name, which may hold spaces: the state is the third, niceness the 19th.
        text.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
    }

    fn failed(&self, line: &str, what: &str) -> CliError {
        let asked: String = line.chars().take(40).collect();
        CliError::new(Exit::RunFailed, format!("`{}` did not answer `{asked}`: {what}", self.program))
    }
}

/// A side that is not needed any more computes no more.
impl Drop for Side {
    fn drop(&mut self) {
        // Already ended: nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
