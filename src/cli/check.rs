//! `repro check`: the regression gate, for people, for CI jobs, for GitHub.

use super::common::{find, read_experiment};
use super::{CliError, Console};
use crate::check::{
    Baseline, Check, CheckError, UpdateRule, Updated, Verdict, baseline, github, junit, records, table,
};
use crate::exit::Exit;
use crate::record::Record;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `repro check`.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// Only this experiment's records and baseline cells; a bare name is looked for here, then in `experiments/`.
    pub spec: Option<PathBuf>,
    /// Folder with the records.
    #[arg(long, value_name = "DIR", default_value = "reports/records")]
    pub records: PathBuf,
    /// What they are held against.
    #[arg(long, value_name = "FILE", default_value = "reports/baseline.csv")]
    pub baseline: PathBuf,
    /// Also write the result as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Standard deviation over seeds, a fraction, to assume where the baseline has one seed.
    #[arg(long, value_name = "S", value_parser = fraction)]
    pub seed_std: Option<f64>,
    /// Make the records the baseline; asks for a reason.
    #[arg(long)]
    pub update: bool,
    /// Why the baseline is rewritten; stands in the file.
    #[arg(long, value_name = "TEXT", requires = "update")]
    pub reason: Option<String>,
    /// Smallest change that matters, a fraction, for cells new in the baseline.
    #[arg(long, value_name = "T", default_value = "0.01", requires = "update", value_parser = fraction)]
    pub tolerance: f64,
    /// Also drop baseline cells that no record has any more.
    #[arg(long, requires = "update")]
    pub prune: bool,
}

fn fraction(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "expected a fraction from 0 to 1".to_string())
}

/// Runs the command.
pub fn run(args: &CheckArgs, console: &Console) -> Result<Exit, CliError> {
    let name = |spec: &Path| -> Result<String, CliError> { Ok(read_experiment(&find(spec)?, &[])?.name) };
    let experiment = args.spec.as_deref().map(name).transpose()?;
    let of_experiment = |name: &String| experiment.as_ref().is_none_or(|wanted| wanted == name);
    let mut records = records::read(&args.records)?;
    records.retain(|record| of_experiment(&record.experiment));
    let mut all = baseline::read(&args.baseline)?;
    if args.update {
        return update(args, &mut all, &records, console);
    }
    let mut wanted = all;
    wanted.rows.retain(|key, _| of_experiment(&key.slot.experiment));
    let check = crate::check::check(&records, &wanted, args.seed_std);
    show(args, &check, console)?;
    exit(args, &check)
}

fn show(args: &CheckArgs, check: &Check, console: &Console) -> Result<(), CliError> {
    if let Some(path) = &args.junit {
        junit::write(path, check)?;
    }
    if console.json {
        console.result(&format!("{:#}", table::json(check)));
    } else {
        console.result(&table::text(check));
    }
    // Workflow commands would break JSON on the same stream; the summary does not.
    if !console.json && std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        let lines = github::annotations(check, &args.baseline.display().to_string());
        lines.iter().for_each(|line| console.result(line));
    }
    match std::env::var_os("GITHUB_STEP_SUMMARY") {
        Some(path) if !path.is_empty() => append(Path::new(&path), &github::summary(check)),
        _ => Ok(()),
    }
}

fn append(path: &Path, text: &str) -> Result<(), CliError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| CliError::new(Exit::Usage, format!("`{}`: {error}", path.display())))
}

fn exit(args: &CheckArgs, check: &Check) -> Result<Exit, CliError> {
    if check.with(Verdict::Regressed).next().is_some() {
        return Ok(Exit::Regression);
    }
    if check.compared() > 0 {
        return Ok(Exit::Fine);
    }
    let (records, baseline) = (args.records.display(), args.baseline.display());
    let hint = "`repro check --update --reason \"…\"` makes the records the baseline".to_string();
    let message = format!("nothing to compare: no cell is both in `{records}` and in `{baseline}`");
    Err(CliError { exit: Exit::NothingToCompare, message, hint: Some(hint) })
}

fn update(args: &CheckArgs, all: &mut Baseline, records: &[Record], console: &Console) -> Result<Exit, CliError> {
    let Some(reason) = args.reason.as_deref().filter(|reason| !reason.trim().is_empty()) else {
        let hint = Some("`--reason \"what moved the numbers, and why that is right\"`".to_string());
        return Err(CliError { exit: Exit::Usage, message: "`--update` asks for a reason".to_string(), hint });
    };
    let rule = UpdateRule { reason, tolerance: args.tolerance, prune: args.prune };
    let updated = crate::check::update(all, records, &rule);
    if all.rows.is_empty() {
        let message = format!("nothing to compare: no scored record in `{}`", args.records.display());
        return Err(CliError::new(Exit::NothingToCompare, message));
    }
    if updated != Updated::default() {
        baseline::write(&args.baseline, all)?;
    }
    let Updated { added, changed, dropped } = updated;
    let counts = format!("{}: {added} added, {changed} changed, {dropped} dropped", args.baseline.display());
    console.result(&if console.json {
        serde_json::json!({"added": added, "changed": changed, "dropped": dropped}).to_string()
    } else {
        counts
    });
    Ok(Exit::Fine)
}

impl From<CheckError> for CliError {
    fn from(error: CheckError) -> Self {
        CliError::new(Exit::Usage, error)
    }
}
