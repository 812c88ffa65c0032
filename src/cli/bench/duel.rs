//! Sides that take turns: a round of ours, a round of each of the peer's configurations, and again.

use super::protocol::{Allocations, Ceiling, Job, Round};
use super::side::Side;
use super::statistics::Spread;
use crate::cli::{CliError, Console};
use crate::exit::Exit;
use serde::Serialize;
use std::path::PathBuf;

/// What is measured, and against whom.
pub struct Duel {
    /// Ours.
    pub job: Job,
    /// A Python with PyTorch, and its jobs: one a configuration.
    pub peers: Option<(PathBuf, Vec<Job>)>,
    /// Rounds counted, after one that is not.
    pub rounds: usize,
    /// Also predictions without dropout.
    pub evaluate: bool,
    /// Also the calls to the allocator.
    pub allocations: bool,
}

/// One side's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Program and versions.
    pub program: String,
    /// Engine or configuration.
    pub configuration: String,
    /// Real tokens per second, training.
    pub train: Spread,
    /// Real tokens per second, predicting.
    pub evaluate: Option<Spread>,
    /// Highest resident memory in training, bytes.
    pub peak_memory: Option<u64>,
    /// Best square product, floating-point operations per second.
    pub matmul: f64,
    #[serde(skip)]
    train_rounds: Vec<f64>,
    #[serde(skip)]
    evaluate_rounds: Vec<f64>,
}

/// Ours over a configuration of the peer's.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// The configuration, the peer's fastest here.
    pub configuration: String,
    /// Tokens per second over tokens per second, round by round.
    pub ratio: Spread,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Our figures.
    pub ours: Figures,
    /// The peer's, a configuration each.
    pub peers: Vec<Figures>,
    /// Training, over the configuration that trains fastest.
    pub train_ratio: Option<Ratio>,
    /// Predicting, over the configuration that predicts fastest.
    pub evaluate_ratio: Option<Ratio>,
    /// Our peak memory over that of the configuration that trains fastest.
    pub memory_ratio: Option<f64>,
    /// Calls to the allocator in a steady training step.
    pub allocations_per_step: Option<f64>,
}

impl Duel {
    /// Starts the sides, lets them take turns, and ends them.
    ///
    /// # Errors
    /// A side that cannot be started or fails.
    pub fn fight(&self, console: &Console) -> Result<Outcome, CliError> {
        let mut sides = self.start(console)?;
        let train = self.turns(&mut sides, "train", console)?;
        let evaluate = if self.evaluate { self.turns(&mut sides, "eval", console)? } else { vec![vec![]; sides.len()] };
        let mut figures = Vec::new();
        for ((side, train), evaluate) in sides.iter_mut().zip(&train).zip(&evaluate) {
            figures.push(Figures::new(side, train, evaluate)?);
        }
        let allocations = if self.allocations { Some(sides[0].ask::<Allocations>("allocations")?) } else { None };
        let mut outcome = Outcome::new(figures.remove(0), figures);
        outcome.allocations_per_step = allocations.map(|found| found.allocations as f64 / found.steps as f64);
        Ok(outcome)
    }

    fn start(&self, console: &Console) -> Result<Vec<Side>, CliError> {
        let mut sides = vec![Side::ours(&self.job)?];
        let (python, jobs) = self.peers.as_ref().map_or((None, &[][..]), |(python, jobs)| (Some(python), jobs));
        for (python, job) in python.into_iter().cycle().zip(jobs) {
            let side = Side::peer(python, job)?;
            console.note(&format!("started {}, {}", side.ready.ready, side.ready.configuration));
            sides.push(side);
        }
        Ok(sides)
    }

    /// Rounds of each side, in turns; the first, in which allocators, caches and compilers warm up, is not counted.
    fn turns(&self, sides: &mut [Side], command: &str, console: &Console) -> Result<Vec<Vec<Round>>, CliError> {
        let mut rounds = vec![Vec::new(); sides.len()];
        for round in 0..=self.rounds {
            for (side, rounds) in sides.iter_mut().zip(&mut rounds) {
                let done: Round = side.ask(command)?;
                let (number, rate) = (round, done.rate());
                console.note(&format!("{command} {number}: {} {rate:.0} tokens/s", side.ready.configuration));
                if round > 0 {
                    rounds.push(done);
                }
            }
            equal_priority(sides)?;
        }
        Ok(rounds)
    }
}

/// Fails where the scheduler favours one of the sides: their ratio would say nothing.
fn equal_priority(sides: &[Side]) -> Result<(), CliError> {
    let found: Vec<i32> = sides.iter().filter_map(Side::niceness).collect();
    let unequal = found.windows(2).any(|pair| pair[0] != pair[1]);
    let message = || format!("the sides run at unequal priorities, niceness {found:?}; expected all the same");
    if unequal { Err(CliError::new(Exit::RunFailed, message())) } else { Ok(()) }
}

impl Figures {
    /// Name in tables and legends.
    pub fn name(&self) -> String {
        let program = self.program.split([' ', ',']).next().unwrap_or_default();
        format!("{program} {}", self.configuration)
    }

    fn new(side: &mut Side, train: &[Round], evaluate: &[Round]) -> Result<Figures, CliError> {
        let rates = |rounds: &[Round]| rounds.iter().map(Round::rate).collect::<Vec<f64>>();
        let (train_rounds, evaluate_rounds) = (rates(train), rates(evaluate));
        Ok(Figures {
            program: side.ready.ready.clone(),
            configuration: side.ready.configuration.clone(),
            train: Spread::of(&train_rounds),
            evaluate: (!evaluate_rounds.is_empty()).then(|| Spread::of(&evaluate_rounds)),
            peak_memory: train.iter().filter_map(|round| round.peak_memory).max(),
            matmul: side.ask::<Ceiling>("matmul")?.flops_per_second,
            train_rounds,
            evaluate_rounds,
        })
    }
}

impl Outcome {
    fn new(ours: Figures, peers: Vec<Figures>) -> Outcome {
        let best = fastest(&peers, |figures| Some(figures.train.median));
        let ratio = |best: &Figures, ours: &[f64], theirs: &[f64]| Ratio {
            configuration: best.configuration.clone(),
            ratio: Spread::of_ratios(ours, theirs),
        };
        let train_ratio = best.map(|best| ratio(best, &ours.train_rounds, &best.train_rounds));
        let evaluate_ratio = fastest(&peers, |figures| figures.evaluate.map(|rate| rate.median))
            .map(|best| ratio(best, &ours.evaluate_rounds, &best.evaluate_rounds));
        let memory = |figures: &Figures| figures.peak_memory.map(|bytes| bytes as f64);
        let memory_ratio = memory(&ours).zip(best.and_then(memory)).map(|(ours, theirs)| ours / theirs);
        Outcome { ours, peers, train_ratio, evaluate_ratio, memory_ratio, allocations_per_step: None }
    }

    /// The best square product of any library that ran.
    pub fn ceiling(&self) -> f64 {
        self.peers.iter().map(|peer| peer.matmul).fold(self.ours.matmul, f64::max)
    }
}

fn fastest(peers: &[Figures], rate: impl Fn(&Figures) -> Option<f64>) -> Option<&Figures> {
    peers
        .iter()
        .filter(|peer| rate(peer).is_some())
        .max_by(|one, other| rate(one).partial_cmp(&rate(other)).expect("rates are numbers"))
}
