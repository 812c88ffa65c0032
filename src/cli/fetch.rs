//! `repro fetch`: everything an experiment needs, downloaded and checked, for machines that are offline later.
//!
//! A file that cannot be had does not keep the others from being fetched; it is listed, and the command exits with 3.
//! Nothing is pinned by itself. `--write-pins FILE` writes the digests seen in the form of `data/pins.yaml`, for a person
//! to look at and to adopt.

use super::{CliError, Common, Console};
use crate::event::Observer;
use crate::exit::Exit;
use crate::fetch::{FetchError, Fetched, Hub, Repository, checkpoint, without_weights};
use crate::plan::{DataSource, Run};
use crate::task::{SplitRole, Task};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `repro fetch`.
#[derive(clap::Args)]
pub struct FetchArgs {
    #[command(flatten)]
    common: Common,
    /// Write the digests seen to FILE, in the form of `data/pins.yaml`.
    #[arg(long, value_name = "FILE")]
    write_pins: Option<PathBuf>,
}

/// Something to fetch; in order, and each once however many runs share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    /// Every file of a model.
    Checkpoint(Repository),
    /// Those without its weights, where only baselines read it.
    WithoutWeights(Repository),
    /// A split that some run trains on or is scored on.
    Split(Repository, String),
    /// A test split, for `repro submit`; the hub need not have it.
    TestSplit(Repository, String),
}

/// What came, and what did not.
#[derive(Default)]
struct Outcome {
    files: BTreeMap<(String, String), Fetched>,
    failures: Vec<FetchError>,
}

/// Runs the command.
pub fn run(args: &FetchArgs, console: &Console) -> Result<Exit, CliError> {
    let (experiment, plan) = args.common.plan()?;
    let hub = args.common.open_hub(&experiment)?;
    let outcome = fetch_all(hub.as_ref(), &wanted(&plan.runs), console.observer().as_ref());
    console.result(&if console.json { outcome.json() } else { outcome.text() });
    if let Some(path) = &args.write_pins {
        let failed = |error| CliError::new(Exit::Usage, format!("could not write `{}`: {error}", path.display()));
        std::fs::write(path, outcome.pins()).map_err(failed)?;
    }
    // The same way out would stand below each of many files: it stands below the last of them.
    let mut failures = outcome.failures;
    let hints: Vec<Option<String>> = failures.iter().map(FetchError::hint).collect();
    let last = failures.pop();
    for (failure, hints) in failures.iter().zip(hints.windows(2)) {
        let hint = hints[0].clone().filter(|_| hints[0] != hints[1]);
        console.error(&CliError { exit: Exit::Fetch, message: failure.to_string(), hint });
    }
    last.map_or(Ok(Exit::Fine), |failure| Err(failure.into()))
}

/// Everything that some run needs.
pub(super) fn wanted(runs: &[Run]) -> BTreeSet<Wanted> {
    let model = |run: &Run| Repository::model(&run.checkpoint.name, run.checkpoint.revision.as_deref());
    let (baselines, others): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(|run| run.checkpoint.baseline.is_some());
    let whole: BTreeSet<Repository> = others.into_iter().map(model).collect();
    let read = baselines.into_iter().map(model).filter(|repository| !whole.contains(repository));
    let read: BTreeSet<Wanted> = read.map(Wanted::WithoutWeights).collect();
    let splits = runs.iter().flat_map(|run| wanted_splits(run.task, &run.data));
    whole.into_iter().map(Wanted::Checkpoint).chain(read).chain(splits).collect()
}

fn wanted_splits(task: &Task, data: &DataSource) -> Vec<Wanted> {
    if data.folder.is_some() {
        return Vec::new();
    }
    let repository = Repository::dataset(&data.repository, data.revision.as_deref());
    let file = |split: &str| data.files.get(split).cloned().unwrap_or_else(|| task.split_file(split));
    let splits = task.splits.iter().map(|split| (split.role, file(split.name)));
    // A file named by a local path is the user's own.
    let remote = splits.filter(|(_, file)| !["./", "../", "/"].iter().any(|prefix| file.starts_with(prefix)));
    remote
        .map(|(role, file)| match role {
            SplitRole::Test => Wanted::TestSplit(repository.clone(), file),
            SplitRole::Train | SplitRole::Dev => Wanted::Split(repository.clone(), file),
        })
        .collect()
}

fn fetch_all(hub: &dyn Hub, wanted: &BTreeSet<Wanted>, observer: &dyn Observer) -> Outcome {
    let mut outcome = Outcome::default();
    for wanted in wanted {
        match fetch_one(hub, wanted, observer) {
            Ok(files) => {
                outcome.files.extend(files.into_iter().map(|file| ((file.repository.path(), file.name.clone()), file)))
            }
            Err(error) => outcome.failures.push(error),
        }
    }
    outcome
}

fn fetch_one(hub: &dyn Hub, wanted: &Wanted, observer: &dyn Observer) -> Result<Vec<Fetched>, FetchError> {
    match wanted {
        Wanted::Checkpoint(repository) => Ok(checkpoint(hub, repository, observer)?.all),
        Wanted::WithoutWeights(repository) => Ok(without_weights(hub, repository, observer)?.all),
        Wanted::Split(repository, file) => Ok(vec![hub.fetch(repository, file, observer)?]),
        Wanted::TestSplit(repository, file) => {
            Ok(hub.fetch_optional(repository, file, observer)?.into_iter().collect())
        }
    }
}

impl Outcome {
    fn text(&self) -> String {
        let mut text = String::new();
        for ((repository, name), file) in &self.files {
            let trust = match file.trust {
                crate::fetch::Trust::Pinned => "pinned",
                crate::fetch::Trust::FirstUse => "first use",
            };
            _ = writeln!(text, "{}  {:>12}  {trust:<9}  {repository}/{name}", &file.sha256[..16], file.size);
        }
        let bytes: u64 = self.files.values().map(|file| file.size).sum();
        _ = write!(text, "{} files, {bytes} bytes; {} missing", self.files.len(), self.failures.len());
        text
    }

    fn json(&self) -> String {
        let files: Vec<&Fetched> = self.files.values().collect();
        let failures: Vec<String> = self.failures.iter().map(FetchError::to_string).collect();
        serde_json::json!({ "files": files, "failures": failures }).to_string()
    }

    /// The document for `--write-pins`; names are quoted as in JSON, which is YAML too.
    fn pins(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for ((repository, name), file) in &self.files {
            if last.replace(repository) != Some(repository) {
                _ = writeln!(text, "{repository:?}:");
                if let Some(revision) = &file.repository.revision {
                    _ = writeln!(text, "  revision: {revision:?}");
                }
                text.push_str("  files:\n");
            }
            _ = writeln!(text, "    {name:?}: {:?}", file.sha256);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;
    use crate::fetch::Folder;
    use crate::spec::pins::Pins;

    fn data(repository: &str) -> DataSource {
        DataSource { repository: repository.into(), revision: None, files: BTreeMap::new(), folder: None }
    }

    fn put(root: &std::path::Path, path: &str) {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), "abc").unwrap();
    }

    #[test]
    fn splits_come_from_the_hub_unless_the_spec_says_otherwise() {
        let task = crate::task::find("rte").unwrap();
        let mut source = data("nyu-mll/glue");
        source.files.insert("train".into(), "rte/partial/train.parquet".into());
        source.files.insert("validation".into(), "./mine.parquet".into());
        let glue = Repository::dataset("nyu-mll/glue", None);
        let expected = vec![
            Wanted::Split(glue.clone(), "rte/partial/train.parquet".into()),
            Wanted::TestSplit(glue, "rte/test-00000-of-00001.parquet".into()),
        ];
        assert_eq!(wanted_splits(task, &source), expected);
        source.folder = Some("glue_data".into());
        assert_eq!(wanted_splits(task, &source), []);
    }

    #[test]
    fn absent_file_is_listed_and_the_others_come() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "datasets/nyu-mll/glue/rte/validation-00000-of-00001.parquet");
        let task = crate::task::find("rte").unwrap();
        let wanted = wanted_splits(task, &data("nyu-mll/glue")).into_iter().collect();
        let outcome = fetch_all(&Folder::new(root.path(), Pins::default()), &wanted, &Silent);
        // The train split is missing; so is the test split, which nobody needs.
        assert_eq!((outcome.files.len(), outcome.failures.len()), (1, 1));
        assert!(outcome.failures[0].to_string().contains("rte/train-00000-of-00001.parquet"));
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let pins = format!(
            "\"datasets/nyu-mll/glue\":\n  files:\n    \"rte/validation-00000-of-00001.parquet\": \"{digest}\"\n"
        );
        assert_eq!(outcome.pins(), pins);
        assert!(outcome.text().ends_with("1 files, 3 bytes; 1 missing"));
    }
}
