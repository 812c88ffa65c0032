//! `repro bench`: training and evaluation tokens/s, peak memory, and the share of this machine's matmul ceiling.
//!
//! Weights and token ids are random: what a step costs does not depend on them. Figures are medians over the steps
//! after the first; the ceiling is the best of several square products by the same library in the same process.

use super::{CliError, Console};
use crate::encode::{Batch, Features, Target};
use crate::engine::ceiling::matmul_ceiling;
use crate::engine::reference::Reference;
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{Engine, EngineError, Predictor, StepPart, Update};
use crate::estimate::{BatchShape, forward_operations, parameter_count, reference_memory};
use crate::exit::Exit;
use crate::family::{EncoderConfig, parameters};
use crate::pipeline::peak_memory;
use crate::random::{Purpose, Stream};
use crate::task::Head;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `repro bench`.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// Encoder shape: `minilm-l6`, `bert-base`, `bert-large`, or a folder with `config.json`.
    #[arg(long, value_name = "SHAPE", default_value = "minilm-l6")]
    shape: String,
    /// Sequences in a batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Tokens in each sequence.
    #[arg(long, default_value_t = 128)]
    length: usize,
    /// Steps counted, after one that is not.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Training only: leave evaluation out.
    #[arg(long)]
    train_only: bool,
}

/// What was measured.
#[derive(serde::Serialize)]
struct Measured {
    shape: String,
    parameters: u64,
    batch: usize,
    length: usize,
    train_tokens_per_second: f64,
    train_spread: (f64, f64),
    eval_tokens_per_second: Option<f64>,
    gflops: f64,
    ceiling_gflops: f64,
    share_of_ceiling: f64,
    peak_memory: Option<u64>,
    estimated_memory: u64,
}

/// Runs the command.
pub fn run(args: &BenchArgs, console: &Console) -> Result<Exit, CliError> {
    let config = shape(&args.shape)?;
    let measured = measure(args, &config).map_err(|error| CliError::new(Exit::Bug, error))?;
    let text = if console.json {
        serde_json::to_string_pretty(&measured).map_err(|error| CliError::new(Exit::Bug, error))?
    } else {
        describe(&measured)
    };
    console.result(&text);
    Ok(Exit::Fine)
}

fn describe(measured: &Measured) -> String {
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let evaluation =
        measured.eval_tokens_per_second.map_or("not measured".into(), |rate| format!("{rate:.0} tokens/s"));
    let peak = measured.peak_memory.map_or("unknown".into(), megabytes);
    format!(
        "{} ({:.1} M parameters), {} × {} tokens, reference engine, f32, cpu\n\
         training     {:.0} tokens/s ({:.0} to {:.0})\n\
         evaluation   {evaluation}\n\
         arithmetic   {:.1} GFLOP/s, {:.0} % of this machine's {:.0} GFLOP/s in matrix products\n\
         peak memory  {peak} (estimated {})",
        measured.shape,
        measured.parameters as f64 / 1e6,
        measured.batch,
        measured.length,
        measured.train_tokens_per_second,
        measured.train_spread.0,
        measured.train_spread.1,
        measured.gflops,
        100.0 * measured.share_of_ceiling,
        measured.ceiling_gflops,
        megabytes(measured.estimated_memory),
    )
}

fn shape(name: &str) -> Result<EncoderConfig, CliError> {
    let (layers, hidden, heads) = match name {
        "minilm-l6" => (6, 384, 12),
        "bert-base" => (12, 768, 12),
        "bert-large" => (24, 1024, 16),
        folder => return shape_of_folder(folder),
    };
    let text = format!(
        r#"{{"model_type": "bert", "vocab_size": 30522, "hidden_size": {hidden}, "num_hidden_layers": {layers},
            "num_attention_heads": {heads}, "intermediate_size": {}, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512, "type_vocab_size": 2,
            "layer_norm_eps": 1e-12}}"#,
        4 * hidden
    );
    EncoderConfig::parse(&text).map_err(|error| CliError::new(Exit::Bug, error))
}

fn shape_of_folder(folder: &str) -> Result<EncoderConfig, CliError> {
    let path = PathBuf::from(folder).join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let place = path.display();
        let known = "`minilm-l6`, `bert-base`, `bert-large` or a folder with `config.json`";
        CliError::new(Exit::Usage, format!("{place}: {error}; expected {known}"))
    })?;
    EncoderConfig::parse(&text).map_err(|error| CliError::new(Exit::Usage, format!("{}: {error}", path.display())))
}

fn measure(args: &BenchArgs, config: &EncoderConfig) -> Result<Measured, EngineError> {
    let head = Head::Classification;
    let batch = synthetic(config, args.batch, args.length);
    let how = Initialization { seed: 1, initializer_range: 0.02, truncated_normal: false };
    let values = starting_values(&parameters(config, head, 2), BTreeMap::new(), &how);
    let mut engine = Reference::new(config.clone(), head, 2, values)?;
    let train = timed(args.steps, |step| train_step(&mut engine, &batch, step))?;
    let peak_memory = peak_memory();
    let evaluation =
        if args.train_only { None } else { Some(timed(args.steps, |_| engine.predict(&batch).map(drop))?) };
    let ceiling = matmul_ceiling()? / 1e9;
    let shape = BatchShape::rectangle(args.batch, args.length);
    let rate = |seconds: f64| shape.tokens as f64 / seconds;
    let gflops = 3.0 * forward_operations(config, &shape) / median(&train) / 1e9;
    Ok(Measured {
        shape: args.shape.clone(),
        parameters: parameter_count(config, head, 2),
        batch: args.batch,
        length: args.length,
        train_tokens_per_second: rate(median(&train)),
        train_spread: (rate(train[train.len() - 1]), rate(train[0])),
        eval_tokens_per_second: evaluation.map(|seconds| rate(median(&seconds))),
        gflops,
        ceiling_gflops: ceiling,
        share_of_ceiling: gflops / ceiling,
        peak_memory,
        estimated_memory: reference_memory(config, head, 2, &shape),
    })
}

fn synthetic(config: &EncoderConfig, sequences: usize, length: usize) -> Batch {
    let stream = Stream::new(1, Purpose::Synthetic);
    let id = |row: usize, at: usize| stream.bits(0, row as u32, at as u64) % config.vocab_size as u32;
    let features: Vec<Features> = (0..sequences)
        .map(|row| Features {
            example: row,
            input_ids: (0..length).map(|at| id(row, at)).collect(),
            token_type_ids: vec![0; length],
            target: Some(Target::Class((row % 2) as u32)),
            window: None,
        })
        .collect();
    Batch::pack(&features)
}

fn train_step(engine: &mut Reference, batch: &Batch, step: u64) -> Result<(), EngineError> {
    let sequences = batch.len();
    engine.accumulate(batch, &StepPart { seed: 1, step, first_token: 0, first_sequence: 0, sequences })?;
    let update = Update {
        step,
        learning_rate: 2e-5,
        bias_correction: true,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-6,
        weight_decay: 0.01,
        max_grad_norm: 1.0,
    };
    engine.update(&update).map(drop)
}

/// Seconds of each step but the first, sorted.
fn timed(steps: usize, mut work: impl FnMut(u64) -> Result<(), EngineError>) -> Result<Vec<f64>, EngineError> {
    let mut seconds = Vec::new();
    for step in 0..=steps.max(1) as u64 {
        let began = Instant::now();
        work(step)?;
        if step > 0 {
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds)
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
