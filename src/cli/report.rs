//! `repro report`: writes tables, leaderboard, coverage, results.csv and plots from records alone.
//!
//! With a SPEC only the files of that experiment are written (the leaderboard is about all of them) and its table is
//! printed. `--check` writes nothing and exits 2 where a file on disk is not what the records give.

use super::common::{experiments, find, read_experiment};
use super::{CliError, Console};
use crate::exit::Exit;
use crate::export::atomic;
use crate::paper::Published;
use crate::record::{Listing, Record, Store};
use crate::report::{Compare, Files, experiment_table, files, terminal_table};
use crate::spec::Experiment;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `repro report`.
#[derive(clap::Args)]
pub struct ReportArgs {
    /// Experiment file; a bare name is looked for here, then in `experiments/`. Without one, everything is reported.
    pub spec: Option<PathBuf>,
    /// Folder of records (default: `records` in the output folder).
    #[arg(long, value_name = "DIR")]
    pub records: Option<PathBuf>,
    /// Folder of published numbers.
    #[arg(long, value_name = "DIR", default_value = "data/published")]
    pub published: PathBuf,
    /// Output folder (default: the experiment's own, else `reports`).
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write nothing; exit 2 where the files are not what the records give.
    #[arg(long)]
    pub check: bool,
}

/// Runs the command.
pub fn run(args: &ReportArgs, console: &Console) -> Result<Exit, CliError> {
    let experiment = args.spec.as_deref().map(|spec| read_spec(&find(spec)?)).transpose()?;
    let own = experiment.as_ref().and_then(|experiment| experiment.out.clone());
    let out = args.out.clone().or(own).unwrap_or_else(|| PathBuf::from("reports"));
    let store = Store::new(args.records.clone().unwrap_or_else(|| out.join("records")));
    let published = Published::read(&args.published).map_err(usage)?;
    let compare = compare_lists(experiment.as_ref())?;
    let Listing { records, problems } = store.all().map_err(usage)?;
    let made = made(&records, &published, &compare, experiment.as_ref())?;
    if args.check {
        check(&made, &out, experiment.as_ref())?;
    } else {
        write(&made, &out, console)?;
    }
    if let Some(experiment) = &experiment {
        print_table(experiment, &records, &published, &compare, console);
    }
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if problems.is_empty() { Ok(Exit::Fine) } else { Err(usage(problems.join("\n"))) }
}

fn usage(message: impl std::fmt::Display) -> CliError {
    CliError::new(Exit::Usage, message)
}

fn read_spec(path: &Path) -> Result<Experiment, CliError> {
    read_experiment(path, &[])
}

/// What each experiment compares with: from the experiments folder, and from the one that was named.
fn compare_lists(named: Option<&Experiment>) -> Result<Compare, CliError> {
    let mut compare = Compare::new();
    for path in experiments() {
        let experiment = read_spec(&path)?;
        compare.insert(experiment.name.clone(), references(&experiment));
    }
    compare.extend(named.map(|experiment| (experiment.name.clone(), references(experiment))));
    Ok(compare)
}

fn references(experiment: &Experiment) -> Vec<String> {
    experiment.compare.iter().map(ToString::to_string).collect()
}

/// The files to be on disk: all, or those of one experiment.
fn made(
    records: &[Record],
    published: &Published,
    compare: &Compare,
    only: Option<&Experiment>,
) -> Result<Files, CliError> {
    let mine = |record: &&Record| only.is_none_or(|only| record.experiment == only.name);
    let records: Vec<Record> = records.iter().filter(mine).cloned().collect();
    let mut files = files(&records, published, compare).map_err(|error| CliError::new(Exit::Bug, error))?;
    if only.is_some() {
        files.retain(|path, _| path.contains('/'));
    }
    Ok(files)
}

/// After a run, what `repro report SPEC` writes; says where the table is.
///
/// # Errors
/// Records that cannot be listed, files that cannot be written.
pub(super) fn after_run(
    experiment: &Experiment,
    published: &Published,
    out: &Path,
    console: &Console,
) -> Result<(), CliError> {
    let Listing { records, .. } = Store::new(out.join("records")).all().map_err(usage)?;
    let compare = Compare::from([(experiment.name.clone(), references(experiment))]);
    let made = made(&records, published, &compare, Some(experiment))?;
    put(&made, out)?;
    let table = made.keys().find(|name| name.ends_with(".md")).map(|name| out.join(name).display().to_string());
    let plots = made.keys().filter(|name| name.ends_with(".svg")).count();
    if let Some(table) = table {
        let plots = if plots == 1 { "1 plot".to_owned() } else { format!("{plots} plots") };
        console.note(&format!("table      {table}, {plots} beside `tables`"));
    }
    Ok(())
}

fn write(files: &Files, out: &Path, console: &Console) -> Result<(), CliError> {
    let written = put(files, out)?;
    if console.json {
        let unchanged = files.len() - written.len();
        console.result(&serde_json::json!({ "written": written, "unchanged": unchanged }).to_string());
    } else if !console.quiet {
        written.iter().for_each(|path| console.result(&format!("wrote {path}")));
        console.result(&format!("{} written, {} unchanged", written.len(), files.len() - written.len()));
    }
    Ok(())
}

/// Writes what differs from the files on disk; their paths.
fn put(files: &Files, out: &Path) -> Result<Vec<String>, CliError> {
    let mut written = Vec::new();
    for (name, text) in files {
        let path = out.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        let folder = path.parent().unwrap_or(out);
        fs::create_dir_all(folder)
            .and_then(|()| atomic::write(&path, text.as_bytes()))
            .map_err(|error| usage(format!("cannot write `{}`: {error}", path.display())))?;
        written.push(path.display().to_string());
    }
    Ok(written)
}

/// Compares with what is on disk; a file that no record accounts for is as stale as one that differs.
fn check(files: &Files, out: &Path, only: Option<&Experiment>) -> Result<(), CliError> {
    let differs =
        |(name, text): &(&String, &String)| fs::read_to_string(out.join(name)).map_or(true, |there| there != **text);
    let mut stale: Vec<String> = files.iter().filter(differs).map(|(name, _)| name.clone()).collect();
    if only.is_none() {
        stale.extend(left_over(files, out).into_iter().map(|name| format!("{name} (no record accounts for it)")));
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(CliError {
        exit: Exit::Usage,
        message: format!("reports in `{}` are not what the records give: {}", out.display(), stale.join(", ")),
        hint: Some("run `repro report`, remove what no record accounts for, and commit the result".into()),
    })
}

fn left_over(files: &Files, out: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["plots", "tables"] {
        let entries = fs::read_dir(out.join(folder)).into_iter().flatten().flatten();
        names.extend(entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())));
    }
    names.retain(|name| !files.contains_key(name));
    names.sort();
    names
}

fn print_table(
    experiment: &Experiment,
    records: &[Record],
    published: &Published,
    compare: &Compare,
    console: &Console,
) {
    let mine: Vec<Record> = records.iter().filter(|record| record.experiment == experiment.name).cloned().collect();
    if !mine.is_empty() && !console.json {
        let references = compare.get(&experiment.name).map_or(&[][..], Vec::as_slice);
        console.result(&terminal_table(&experiment_table(&mine, published, references)));
    }
}
