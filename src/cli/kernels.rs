//! `repro kernels`, for whoever works on them: the CUDA kernels checked and timed on a GPU, from the release binary,
//! where there is no Rust. `scripts/gpu-check.sh` calls it; it is not in `--help`.

use super::{CliError, Console, devices};
use crate::encode::{Batch, Targets};
use crate::engine::fast::cuda::checks::{self, Outcome};
use crate::engine::fast::cuda::shape::Shape;
use crate::engine::fast::cuda::speed::matmul_rate;
use crate::engine::fast::cuda::{Accelerated, Gpu, SharedGpu};
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{Engine, EngineError, Precision, Predictor, StepPart, Update};
use crate::estimate::{BatchShape, forward_operations};
use crate::exit::Exit;
use crate::family::{EncoderConfig, parameters};
use crate::random::{Purpose, Stream};
use crate::task::Head;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `repro kernels`.
#[derive(clap::Args)]
pub struct KernelsArgs {
    /// Number of the GPU.
    #[arg(long, default_value_t = 0)]
    device: usize,
    /// Hold every kernel to plain loops, and whole steps to the reference engine.
    #[arg(long)]
    check: bool,
    /// Time training and evaluation of every workload, and four runs at once.
    #[arg(long)]
    speed: bool,
    /// Print a workload as a job of `scripts/bench_pytorch.py`, without a GPU.
    #[arg(long, value_name = "WORKLOAD", value_parser = ["glue", "full-base", "full-large"])]
    job: Option<String>,
    /// The job's configuration: `sdpa`, `sdpa-compile`, ….
    #[arg(long, default_value = "sdpa")]
    configuration: String,
}

/// What is trained when time is taken: a model and its batches.
struct Workload {
    name: &'static str,
    about: &'static str,
    /// Hidden, layers, heads.
    widths: (usize, usize, usize),
    batches: Vec<Vec<usize>>,
}

const LABELS: usize = 2;

fn workloads() -> Vec<Workload> {
    let stream = Stream::new(1, Purpose::Synthetic);
    // Lengths between 9 and 69, 39 on average: MNLI's mean.
    let row = |batch: u32, row: u64| 9 + (stream.uniform(0, batch, row) * 61.0) as usize;
    let glue = (0..20).map(|batch| (0..32).map(|at| row(batch, at)).collect()).collect();
    let full = || vec![vec![128; 128]; 4];
    vec![
        Workload { name: "glue", about: "bert-base, 32 rows of 9 to 69 tokens", widths: (768, 12, 12), batches: glue },
        Workload { name: "full-base", about: "bert-base, 128 × 128", widths: (768, 12, 12), batches: full() },
        Workload { name: "full-large", about: "bert-large, 128 × 128", widths: (1024, 24, 16), batches: full() },
    ]
}

/// Runs the command.
pub fn run(args: &KernelsArgs, console: &Console) -> Result<Exit, CliError> {
    if let Some(name) = &args.job {
        let all = workloads();
        let workload = all.iter().find(|workload| workload.name == name).expect("clap allows these names only");
        console.result(&job(workload, &args.configuration).to_string());
        return Ok(Exit::Fine);
    }
    let gpu = devices::open(args.device)?;
    let failed = |error: EngineError| CliError::new(Exit::RunFailed, error);
    let mut agree = true;
    if args.check {
        let open = |shape: &Shape| Ok(gpu.machine(shape)?);
        let mut outcomes = checks::operations(&open, &[0, 1, 2]).map_err(failed)?;
        outcomes.extend(checks::steps(&open).map_err(failed)?);
        agree = outcomes.iter().all(Outcome::agrees);
        console.result(&table(&gpu.device.name, &outcomes));
    }
    if args.speed {
        console.result(&speed(&gpu).map_err(failed)?);
    }
    Ok(if agree { Exit::Fine } else { Exit::Bug })
}

fn table(device: &str, outcomes: &[Outcome]) -> String {
    let apart: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.agrees()).collect();
    let mut lines = vec![
        format!("{} of {} checks agree on {device}", outcomes.len() - apart.len(), outcomes.len()),
        String::new(),
        "| check | apart | may be | |".into(),
        "|---|---|---|---|".into(),
    ];
    let verdict = |outcome: &Outcome| if outcome.agrees() { "agrees" } else { "**DIFFERS**" };
    let line = |o: &Outcome| format!("| {} | {:.1e} | {:.1e} | {} |", o.name, o.apart, o.limit, verdict(o));
    lines.extend(outcomes.iter().map(line));
    lines.join("\n")
}

impl Workload {
    fn config(&self) -> EncoderConfig {
        EncoderConfig::parse(&self.config_json().to_string()).expect("the text is a config")
    }

    fn config_json(&self) -> serde_json::Value {
        let (hidden, layers, heads) = self.widths;
        json!({
            "model_type": "bert", "vocab_size": 30522, "hidden_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "intermediate_size": 4 * hidden, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512,
            "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        })
    }

    fn engine(&self, gpu: &Arc<SharedGpu>) -> Result<Accelerated<Gpu>, EngineError> {
        let (config, head) = (self.config(), Head::Classification);
        let how = Initialization { seed: 1, initializer_range: 0.02, truncated_normal: false };
        let values = starting_values(&parameters(&config, head, LABELS), BTreeMap::new(), &how);
        Accelerated::new(gpu, config, head, Precision::Bf16, LABELS, &values)
    }

    fn inputs(&self) -> Vec<Batch> {
        let stream = Stream::new(2, Purpose::Synthetic);
        let batch = |(which, lengths): (usize, &Vec<usize>)| {
            let tokens: usize = lengths.iter().sum();
            let ends = lengths.iter().scan(0, |end, length| {
                *end += *length as u32;
                Some(*end)
            });
            Batch {
                input_ids: (0..tokens as u64).map(|at| stream.bits(0, which as u32, at) % 30522).collect(),
                token_type_ids: vec![0; tokens],
                cumulative_lengths: [0].into_iter().chain(ends).collect(),
                together: 1,
                contexts: Vec::new(),
                targets: Targets::Classes((0..lengths.len() as u32).map(|row| row % LABELS as u32).collect()),
            }
        };
        self.batches.iter().enumerate().map(batch).collect()
    }

    fn tokens(&self) -> usize {
        self.batches.iter().flatten().sum()
    }
}

/// A job of `scripts/bench_pytorch.py`; rows are padded to their batch's longest.
fn job(workload: &Workload, configuration: &str) -> serde_json::Value {
    let batch = |lengths: &Vec<usize>| json!({"lengths": lengths, "width": lengths.iter().max()});
    json!({
        "config": workload.config_json(), "head": "classification", "num_labels": LABELS, "threads": 1,
        "configuration": configuration, "device": "cuda", "batches": workload.batches.iter().map(batch).collect::<Vec<_>>(),
    })
}

/// Seconds of each of `rounds` rounds over the batches, after three that are not counted, sorted.
fn timed(
    engine: &mut Accelerated<Gpu>,
    batches: &[Batch],
    train: bool,
    rounds: usize,
) -> Result<Vec<f64>, EngineError> {
    let mut seconds = Vec::new();
    for round in 0..rounds as u64 + 3 {
        let began = Instant::now();
        for (at, batch) in batches.iter().enumerate() {
            if train {
                step(engine, batch, round * batches.len() as u64 + at as u64)?;
            } else {
                engine.predict(batch)?;
            }
        }
        seconds.push(began.elapsed().as_secs_f64());
    }
    let mut counted = seconds.split_off(3);
    counted.sort_by(f64::total_cmp);
    Ok(counted)
}

fn step(engine: &mut Accelerated<Gpu>, batch: &Batch, step: u64) -> Result<(), EngineError> {
    engine.accumulate(batch, &StepPart::whole(1, step, batch))?;
    let (beta1, beta2, epsilon, weight_decay, max_grad_norm) = (0.9, 0.999, 1e-6, 0.01, 1.0);
    let (learning_rate, bias_correction) = (2e-5, true);
    engine
        .update(&Update { step, learning_rate, bias_correction, beta1, beta2, epsilon, weight_decay, max_grad_norm })
        .map(drop)
}

fn speed(gpu: &Arc<SharedGpu>) -> Result<String, EngineError> {
    let mut lines = vec![
        format!(
            "repro on {}, bf16, tokens of real rows only; medians of 7 rounds (fastest to slowest)",
            gpu.device.name
        ),
        String::new(),
        "| workload | what | tokens/s | share of matmul ceiling |".into(),
        "|---|---|---|---|".into(),
    ];
    let mut ceiling = None;
    for workload in workloads() {
        let (mut engine, batches) = (workload.engine(gpu)?, workload.inputs());
        let ceiling = match ceiling {
            Some(ceiling) => ceiling,
            None => *ceiling.insert(matmul_rate(engine.machine(), 8192)?),
        };
        for (what, train, passes) in [("training", true, 3.0), ("evaluation", false, 1.0)] {
            let seconds = timed(&mut engine, &batches, train, 7)?;
            let work: f64 = workload.batches.iter().map(|lengths| operations(&workload, lengths)).sum();
            let rate = |seconds: f64| workload.tokens() as f64 / seconds;
            let share = passes * work / seconds[3] / ceiling;
            let spread = (rate(seconds[0]), rate(seconds[6]));
            let (name, about, middle) = (workload.name, workload.about, rate(seconds[3]));
            lines.push(format!(
                "| {name}: {about} | {what} | {middle:.0} ({:.0} to {:.0}) | {:.0} % |",
                spread.0,
                spread.1,
                100.0 * share
            ));
        }
    }
    lines.push(at_once(gpu)?);
    lines.push(format!("\nmatmul ceiling, bf16, 8192³: {:.0} TFLOP/s", ceiling.unwrap_or_default() / 1e12));
    Ok(lines.join("\n"))
}

/// Arithmetic of a forward pass: dense layers over all tokens, attention over each sequence's own.
fn operations(workload: &Workload, lengths: &[usize]) -> f64 {
    let config = workload.config();
    lengths.iter().map(|length| forward_operations(&config, &BatchShape::rectangle(1, *length))).sum()
}

/// Four runs, each in a thread with an engine of its own, against one.
fn at_once(gpu: &Arc<SharedGpu>) -> Result<String, EngineError> {
    let rounds = |count: usize| -> Result<f64, EngineError> {
        let one = || -> Result<f64, EngineError> {
            let workload = &workloads()[0];
            let mut engine = workload.engine(gpu)?;
            let seconds = timed(&mut engine, &workload.inputs(), true, 7)?;
            Ok(workload.tokens() as f64 / seconds[3])
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().expect("the thread does not panic")).sum()
        })
    };
    let (alone, together) = (rounds(1)?, rounds(4)?);
    Ok(format!("| glue | four runs at once | {together:.0}, {:.1} × one | |", together / alone))
}
