//! The flags that `run`, `plan` and `fetch` share.

use std::path::PathBuf;

/// Which experiment, and what is narrowed or overridden of it.
#[derive(clap::Args, Clone, Debug)]
pub struct Common {
    /// Experiment file; a bare name is looked for here, then in `experiments/`.
    pub spec: PathBuf,
    /// Only some runs: `task=mrpc,rte`, `checkpoint=owner/name`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub only: Vec<String>,
    /// Override a value of the file: `train.epochs=1`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seeds 1 to N instead of the file's.
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// First N rows of every split; the scores are never put beside a paper's.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// A folder in the hub's layout, or another endpoint (default: `HF_ENDPOINT`, else the hub).
    #[arg(long, value_name = "DIR|URL")]
    pub hub: Option<String>,
    /// Never touch the network.
    #[arg(long)]
    pub offline: bool,
    /// Device: `cpu`.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Engine: `reference`.
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<String>,
    /// Which model folders stay: `best` (the run that selection chose), `all` or `none`.
    #[arg(long, value_name = "WHICH", default_value = "best")]
    pub keep: String,
    /// Where everything goes, instead of `reports/` and `runs/`.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
