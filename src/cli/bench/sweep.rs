//! How cost grows: one thing doubled from point to point, the rest kept; a CSV and a plot.
//!
//! | sweep | points | kept |
//! |---|---|---|
//! | `tokens` | 256 … 65,536 tokens a batch | `--shape`, `--length` |
//! | `length` | 16 … 512 tokens a sequence | `--shape`, 4,096 tokens a batch |
//! | `threads` | 1, 2, 4, … all | `--shape`, `--batch`, `--length` |
//! | `runs` | 1, 2, 4 runs at once, as `repro run --jobs` | `--shape`, `--batch`, `--length`, all threads |
//! | `size` | Google's BERT miniatures (Turc et al. 2019) to bert-base | `--batch`, `--length` |
//!
//! A point that would not fit into the memory that is free is left out, and said so.

use super::BenchArgs;
use super::case::{Case, Measured};
use super::duel::Figures;
use super::shape::Shape;
use super::statistics::Spread;
use crate::cli::{CliError, Console};
use crate::engine;
use crate::exit::Exit;
use crate::report::{Growth, scaling_plot};
use std::path::Path;

/// Tokens of a batch while lengths grow, and of a round at least.
const TOKENS: usize = 4096;

/// Layers and hidden sizes of the miniatures: tiny, mini, small, medium, base.
const SIZES: &[(usize, usize)] = &[(2, 128), (4, 256), (4, 512), (8, 512), (12, 768)];

/// Most runs at once.
const RUNS: usize = 4;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sweep {
    /// Tokens of a batch.
    Tokens,
    /// Tokens of a sequence.
    Length,
    /// Threads of each side.
    Threads,
    /// Runs of a plan at once.
    Runs,
    /// Parameters of the model.
    Size,
}

/// A point to measure.
struct Point {
    at: f64,
    case: Case,
    threads: Option<u16>,
}

/// Measures every point and writes `speed/<sweep>.csv` and `.svg` into the folder.
pub fn run(sweep: Sweep, args: &BenchArgs, folder: &Path, console: &Console) -> Result<Exit, CliError> {
    let mut measured = Vec::new();
    for point in sweep.points(args)? {
        console.note(&format!("{} {}: {}", sweep.name(), point.at, point.case.title()));
        if let Some(bytes) = point.case.too_large(args) {
            console.note(&format!("left out: it needs about {:.1} GB, and less is free", bytes as f64 / 1e9));
            continue;
        }
        measured.push((point.at, point.case.measure(&args.with_threads(point.threads), console)?));
    }
    let name = format!("speed/{}", sweep.name());
    let (csv, svg) = (csv(&measured)?, sweep.plot(args, &measured));
    for (ending, text) in [("csv", &csv), ("svg", &svg)] {
        super::write(&folder.join(format!("{name}.{ending}")), text)?;
    }
    console.result(csv.trim_end());
    Ok(Exit::Fine)
}

impl Sweep {
    fn name(self) -> &'static str {
        match self {
            Sweep::Tokens => "tokens",
            Sweep::Length => "length",
            Sweep::Threads => "threads",
            Sweep::Runs => "runs",
            Sweep::Size => "size",
        }
    }

    fn points(self, args: &BenchArgs) -> Result<Vec<Point>, CliError> {
        let shape = Shape::find(&args.shape)?;
        if self != Sweep::Length {
            shape.holds(args.length)?;
        }
        let longest = shape.config.max_position_embeddings.min(512);
        Ok(match self {
            Sweep::Tokens => doubled(256, 65_536)
                .map(|tokens| ((tokens / args.length).max(1), args.length.min(tokens)))
                .map(|(sequences, length)| Point::new((sequences * length) as f64, &shape, (sequences, length)))
                .collect(),
            Sweep::Length => doubled(16, longest)
                .map(|length| Point::new(length as f64, &shape, (TOKENS / length, length)))
                .collect(),
            Sweep::Threads => threads()
                .map(|count| Point::new(f64::from(count), &shape, (args.batch, args.length)).on(count))
                .collect(),
            Sweep::Runs => doubled(1, RUNS)
                .map(|count| Point::new(count as f64, &shape, (args.batch, args.length)).at_once(count))
                .collect(),
            Sweep::Size => SIZES.iter().map(|size| Point::of_size(*size, args)).collect::<Result<_, _>>()?,
        })
    }

    fn plot(self, args: &BenchArgs, measured: &[(f64, Measured)]) -> String {
        let (length, batch) = (args.length, args.batch);
        let (x, kept) = match self {
            Sweep::Tokens => ("tokens in a batch", format!("{}, sequences of {length}", args.shape)),
            Sweep::Length => ("tokens in a sequence", format!("{}, {TOKENS} tokens in a batch", args.shape)),
            Sweep::Threads => ("threads", format!("{}, {batch} × {length}", args.shape)),
            Sweep::Runs => ("runs at once", format!("{}, {batch} × {length}, all runs together", args.shape)),
            Sweep::Size => ("trainable values", format!("{batch} × {length}")),
        };
        // Larger models make fewer tokens of the same arithmetic: there, equal cost is equal arithmetic.
        let (y, per) = match self {
            Sweep::Size => ("GFLOP/s", Measured::gigaflops_per_token as fn(&Measured) -> f64),
            _ => ("tokens/s", (|_| 1.0) as fn(&Measured) -> f64),
        };
        scaling_plot(&format!("Training, {kept}"), x, y, &lines(measured, per))
    }
}

/// Ours, and each configuration of the peer's.
fn lines(measured: &[(f64, Measured)], per: fn(&Measured) -> f64) -> Vec<Growth> {
    let sides = |of: &Measured| -> Vec<Figures> {
        std::iter::once(&of.outcome.ours).chain(&of.outcome.peers).cloned().collect()
    };
    let names: Vec<String> =
        measured.first().map(|(_, of)| sides(of)).unwrap_or_default().iter().map(Figures::name).collect();
    let line = |index: usize, name: String| Growth {
        name,
        points: (measured.iter())
            .map(|(at, of)| (*at, sides(of)[index].train, per(of)))
            .map(|(at, Spread { median, least, most }, per)| (at, [median, least, most].map(|rate| rate * per)))
            .collect(),
    };
    names.into_iter().enumerate().map(|(index, name)| line(index, name)).collect()
}

fn doubled(from: usize, to: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(from), |at| Some(at * 2)).take_while(move |at| *at <= to)
}

fn threads() -> impl Iterator<Item = u16> {
    let all = engine::threads().min(1024);
    doubled(1, all - 1).chain([all]).map(|count| count as u16)
}

impl Point {
    fn new(at: f64, shape: &Shape, (sequences, length): (usize, usize)) -> Point {
        let steps = (TOKENS / (sequences * length)).max(1);
        Point { at, case: Case::rectangle(shape.clone(), sequences, length, steps), threads: None }
    }

    fn on(self, threads: u16) -> Point {
        Point { threads: Some(threads), ..self }
    }

    fn at_once(mut self, runs: usize) -> Point {
        self.case.runs = runs;
        self
    }

    fn of_size((layers, hidden): (usize, usize), args: &BenchArgs) -> Result<Point, CliError> {
        let point = Point::new(0.0, &Shape::sized(layers, hidden)?, (args.batch, args.length));
        Ok(Point { at: point.case.parameters() as f64, ..point })
    }
}

fn csv(measured: &[(f64, Measured)]) -> Result<String, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| CliError::new(Exit::Bug, error);
    let header = ["at", "case", "side", "train", "train_least", "train_most", "eval", "peak_memory"];
    writer.write_record(header).map_err(failed)?;
    for (at, of) in measured {
        for side in std::iter::once(&of.outcome.ours).chain(&of.outcome.peers) {
            writer.write_record(record(*at, of, side)).map_err(failed)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| CliError::new(Exit::Bug, error))?;
    String::from_utf8(bytes).map_err(|error| CliError::new(Exit::Bug, error))
}

fn record(at: f64, of: &Measured, side: &Figures) -> [String; 8] {
    let whole = |rate: f64| format!("{rate:.0}");
    let Spread { median, least, most } = side.train;
    [
        at.to_string(),
        of.title.clone(),
        side.name(),
        whole(median),
        whole(least),
        whole(most),
        side.evaluate.map(|rate| whole(rate.median)).unwrap_or_default(),
        side.peak_memory.map(|bytes| bytes.to_string()).unwrap_or_default(),
    ]
}
