//! `repro verify RUN`: a saved model's dev predictions, computed by candle-transformers' own encoder.

use super::{CliError, Console, Patience, hub};
use crate::event::Silent;
use crate::exit::Exit;
use crate::pipeline::{Agreement, Inputs, Output, Saved, SavedError};
use crate::record::Store;
use crate::spec::pins::Pins;
use std::path::PathBuf;

/// Arguments of `repro verify`.
#[derive(clap::Args)]
pub struct VerifyArgs {
    /// Id of a recorded run whose model folder was kept.
    run: String,
    /// The `--out` of `repro run`, if it had one.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A folder in the hub's layout, or another endpoint, for the dev split.
    #[arg(long, value_name = "DIR|URL")]
    hub: Option<String>,
    /// Never touch the network.
    #[arg(long)]
    offline: bool,
}

/// Logits further apart than this share of the largest one are no rounding: 12 layers of f32 stay below a tenth of it.
const LIMIT: f64 = 1e-4;

/// Runs the command; exit 4 where the two disagree.
pub fn run(args: &VerifyArgs, console: &Console) -> Result<Exit, CliError> {
    let output = args.out.as_deref().map_or_else(Output::project, Output::under);
    let usage = |error: &dyn std::fmt::Display| CliError::new(Exit::Usage, error);
    let found = Store::new(&output.records).find(&args.run).map_err(|error| usage(&error))?;
    let record = found.ok_or_else(|| {
        let place = output.records.display();
        usage(&format!("no record `{}` in `{place}`", args.run))
    })?;
    let hub = hub(args.hub.as_deref(), args.offline, Pins::default(), Patience::Usual)?;
    let saved = Saved::open(&record, &output)?;
    let agreements = saved.verify(&Inputs::new(hub.as_ref(), output.cache.clone(), &Silent))?;
    console.result(&if console.json { json(&agreements) } else { text(&agreements) });
    let agree = |one: &Agreement| one.largest_difference <= LIMIT * one.largest_logit.max(1.0);
    Ok(if agreements.iter().all(agree) { Exit::Fine } else { Exit::RunFailed })
}

impl From<SavedError> for CliError {
    fn from(error: SavedError) -> Self {
        let hint = match &error {
            SavedError::NoModel { .. } => Some("`repro run --keep all` keeps every model folder".to_string()),
            _ => None,
        };
        CliError { hint, ..CliError::new(Exit::Usage, error) }
    }
}

fn text(agreements: &[Agreement]) -> String {
    let line = |one: &Agreement| {
        let scores: Vec<String> = one
            .scores
            .iter()
            .map(|(metric, value)| {
                format!("{} {}", metric.name(), value.map_or("—".into(), |v| format!("{:.2}", 100.0 * v)))
            })
            .collect();
        format!(
            "{}: {} of {} predictions agree, logits differ by at most {:.1e} (largest {:.1}); score by the independent \
             encoder: {}",
            one.split,
            one.same,
            one.sequences,
            one.largest_difference,
            one.largest_logit,
            scores.join(", ")
        )
    };
    agreements.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn json(agreements: &[Agreement]) -> String {
    let object = |one: &Agreement| {
        let scores: serde_json::Map<_, _> =
            one.scores.iter().map(|(metric, value)| (metric.name().to_string(), serde_json::json!(value))).collect();
        serde_json::json!({
            "split": one.split, "sequences": one.sequences, "same": one.same,
            "largest_difference": one.largest_difference, "largest_logit": one.largest_logit, "scores": scores,
        })
    };
    serde_json::Value::from_iter(agreements.iter().map(object)).to_string()
}
