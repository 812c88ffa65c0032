//! An experiment file, read strictly: unknown and duplicate keys, wrong types and values out of range are errors, with
//! the line shown and the nearest right name.
//!
//! ```text
//! bytes ─ source (size, encoding, depth) ─ yaml (a tree with places) ─ set (--set) ─ experiment ─ Experiment
//! ```
//!
//! Nothing is resolved here: a field the file leaves open stays open until `plan` fills it from the preset. Where a list
//! is expected, a single value is a list of one.

pub mod decode;
pub mod error;
pub mod experiment;
pub mod pins;
pub mod preset;
pub mod pretraining;
pub mod recipe;
mod set;
pub mod setting;
mod source;
mod yaml;

pub use error::SpecError;

use crate::family::Baseline;
use crate::task::Task;
use error::Origin;
use serde::{Deserialize, Serialize};
use setting::Setting;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What to run, as written; nothing resolved.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Name: of the tables and reports it makes.
    pub name: String,
    /// Pretrained models.
    pub checkpoints: Vec<CheckpointSpec>,
    /// Tasks, all of which can be fine-tuned.
    pub tasks: Vec<&'static Task>,
    /// The recipe's preset and what differs from it.
    pub train: Train,
    /// What differs from `train` for a task, by task name and field name.
    pub task_overrides: BTreeMap<&'static str, BTreeMap<&'static str, Given>>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Checkpoints run with seeds 1 to N instead of `seeds`.
    pub restarts: BTreeMap<String, u64>,
    /// How one run is chosen among a grid and its seeds.
    pub select: Select,
    /// Published numbers to put beside ours.
    pub compare: Vec<ClaimReference>,
    /// Where rows come from, if not from the tasks' own places.
    pub data: DataSpec,
    /// Hub to use instead of the default: a folder or a URL; `--hub` overrides it.
    pub hub: Option<String>,
    /// Output folder instead of the project's; `--out` overrides it.
    pub out: Option<PathBuf>,
    /// Where each top-level field was given (`glue.yaml:4`, `--set seeds=2`).
    pub sources: BTreeMap<String, String>,
}

/// A pretrained model as a spec names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointSpec {
    /// `owner/name`, or a folder beginning with `./`, `../` or `/`.
    pub name: String,
    /// Commit, branch or tag.
    pub revision: Option<String>,
    /// Random weights of its shape instead of its own.
    pub untrained: bool,
    /// A system without an encoder that reads with its tokenizer, instead of the model.
    pub baseline: Option<Baseline>,
}

/// The `train` section.
#[derive(Clone, Debug)]
pub struct Train {
    /// What fills the fields that are left open.
    pub preset: &'static preset::Preset,
    /// Where the preset was named.
    pub preset_source: String,
    /// The fields given, by name.
    pub given: BTreeMap<&'static str, Given>,
}

/// A recipe field as given: one value, or several where it is a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Its values, in order.
    pub values: Vec<Setting>,
    /// Where it was given.
    pub source: String,
    /// Whether by `--set`, which beats the file wherever the file says it.
    pub by_argument: bool,
}

/// How one run is chosen among those that differ in grid point and seed only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// The best primary metric on dev; tables say so beside every number.
    BestOnDev,
    /// None is: tables show the mean.
    None,
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Select::BestOnDev => "best-on-dev",
            Select::None => "none",
        })
    }
}

/// A reference into `data/published`: `<paper>/<table>[/<system>/<column>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimReference {
    /// Key of the paper.
    pub paper: String,
    /// Id of the table.
    pub table: String,
    /// System (row) and column id; `None` for the whole table.
    pub cell: Option<(String, String)>,
}

impl ClaimReference {
    /// Reads the form. A system's name may itself hold a slash (`Transformer w/ aux LM`), a column's may not.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (paper, table, cell) = match parts.as_slice() {
            [paper, table] => (paper, table, None),
            [paper, table, system @ .., column] if !system.is_empty() => {
                (paper, table, Some((system.join("/"), (*column).to_owned())))
            }
            _ => return None,
        };
        let key = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let full = cell.as_ref().is_none_or(|(system, column)| !system.trim().is_empty() && !column.trim().is_empty());
        (key(paper) && key(table) && full).then(|| ClaimReference {
            paper: (*paper).into(),
            table: (*table).into(),
            cell,
        })
    }
}

impl fmt::Display for ClaimReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.paper, self.table)?;
        self.cell.as_ref().map_or(Ok(()), |(system, column)| write!(f, "/{system}/{column}"))
    }
}

/// Where rows come from, as far as the spec says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSpec {
    /// A task's repository to the one used in its place.
    pub repositories: BTreeMap<String, String>,
    /// Repository to revision.
    pub revisions: BTreeMap<String, String>,
    /// Task name, split name, file.
    pub files: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
    /// Folder with the original files, instead of the hub.
    pub folder: Option<PathBuf>,
}

/// Reads an experiment file, with `--set` arguments laid over it.
pub fn read(path: &Path, sets: &[String]) -> Result<Experiment, SpecError> {
    let shown = path.display().to_string();
    let text = source::read(path).map_err(|refusal| SpecError::refused(&shown, refusal))?;
    parse(&shown, text, sets)
}

/// Reads an experiment from bytes, under the same checks; `path` is what messages call it.
pub fn read_bytes(path: &str, bytes: Vec<u8>, sets: &[String]) -> Result<Experiment, SpecError> {
    let text = source::text(bytes).map_err(|refusal| SpecError::refused(path, refusal))?;
    parse(path, text, sets)
}

fn parse(path: &str, text: String, sets: &[String]) -> Result<Experiment, SpecError> {
    parse_with(path, text, sets, experiment::experiment)
}

/// A file of any kind: `read` makes something of its tree.
fn parse_with<T>(
    path: &str,
    text: String,
    sets: &[String],
    read: impl FnOnce(&yaml::Node, &Origin) -> decode::Read<T>,
) -> Result<T, SpecError> {
    let origin = Origin { path: path.into(), text, sets: sets.to_vec() };
    let mut root = tree(&origin)?;
    for (index, argument) in sets.iter().enumerate() {
        set::apply(&mut root, argument, index).map_err(|message| SpecError::Mistake {
            place: format!("--set {}", decode::shortened(argument)),
            message,
            snippet: String::new(),
            hint: None,
        })?;
    }
    read(&root, &origin).map_err(|complaint| origin.error(complaint))
}

/// The tree of a text that has one.
fn tree(origin: &Origin) -> Result<yaml::Node, SpecError> {
    let empty = || SpecError::File {
        place: origin.path.clone(),
        message: "found nothing in it, expected a map of fields".into(),
        hint: Some("an experiment needs at least `name`, `checkpoints`, `tasks` and `train`".into()),
    };
    // A document of comments alone has no event for the parser, which would call it an unexpected end.
    let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if origin.text.lines().all(blank) {
        return Err(empty());
    }
    yaml::parse(&origin.text).map_err(|malformed| origin.malformed(malformed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_references_have_two_parts_or_four() {
        let parse = |text| ClaimReference::parse(text).map(|claim| claim.to_string());
        for good in
            ["bert/bert_t1", "bert/bert_t1/BERT_BASE/mrpc.f1", "gpt/t5/Transformer w/ aux LM (full)/cola.matthews"]
        {
            assert_eq!(parse(good).as_deref(), Some(good));
        }
        for bad in ["", "bert", "bert/", "bert/t1/", "bert/t1/BERT_BASE", "/t1", "bert/t1//mrpc.f1", "a b/c"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_a_file_leaves_open_stays_open() {
        let text = "name: x\ncheckpoints: ./here\ntasks: mrpc\ntrain: {preset: stable, epochs: 5}\n";
        let experiment = read_bytes("x.yaml", text.into(), &[]).unwrap();
        assert_eq!(experiment.seeds, [1]);
        assert_eq!(experiment.train.given.len(), 1);
        assert_eq!(experiment.train.given["epochs"].source, "x.yaml:4");
        assert_eq!(experiment.select, Select::None);
    }
}
