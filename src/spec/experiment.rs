//! From the tree of a file to an [`Experiment`]: what each field takes, and the checks that need more than one field.

use super::decode::{self, Entry, Fields, Known, Read, distinct, entries, invalid, join, shortened, text};
use super::error::{Complaint, Origin};
use super::yaml::{Node, Place, Value};
use super::{CheckpointSpec, ClaimReference, DataSpec, Experiment, Given, Select, Train, preset, setting};
use crate::family::Baseline;
use crate::nearest::expected;
use crate::task::{self, SplitRole, Task};
use std::collections::BTreeMap;

/// The fields of an experiment.
pub const FIELDS: &[Known] = &[
    ("name", "a name, made of letters, digits, `-`, `_` and `.`"),
    ("checkpoints", "a list of `owner/name`, `./folder`, or `{name, revision, untrained, baseline}`"),
    ("tasks", "a list of tasks"),
    ("train", "a map with `preset` and whatever differs from it"),
    ("task_overrides", "a map from a task to what differs for it from `train`"),
    ("seeds", "a whole number or a list of them"),
    ("restarts", "a number of seeds (1 to N), or a map from a checkpoint to one"),
    ("select", "`best-on-dev` or `none`"),
    ("compare", "a list of claims, `<paper>/<table>[/<system>/<column>]`"),
    ("data", "a map with `repositories`, `revisions`, `files` or `folder`"),
    ("hub", "a folder in the hub's layout, or a URL"),
    ("out", "a folder"),
];

const CHECKPOINT_FIELDS: &[Known] = &[
    ("name", "`owner/name` or `./folder`"),
    ("revision", "a commit, branch or tag"),
    ("untrained", "`true` or `false`"),
    ("baseline", "`majority` or `bag-of-words`, instead of the model"),
];

const DATA_FIELDS: &[Known] = &[
    ("repositories", "a map from a repository to another one in its place"),
    ("revisions", "a map from a repository to a commit, branch or tag"),
    ("files", "a map from a task to a map from a split to a file"),
    ("folder", "a folder with the original GLUE TSV or SQuAD JSON files"),
];

/// Highest seed.
const MAX_SEED: u64 = u32::MAX as u64;

/// Most restarts.
pub const MAX_RESTARTS: u64 = 1000;

/// Reads the whole tree.
pub fn experiment(root: &Node, origin: &Origin) -> Read<Experiment> {
    let fields = Fields::read(root, "", FIELDS)?;
    let checkpoints = distinct(fields.require("checkpoints")?, "checkpoints", checkpoint)?;
    let sources = fields.entries().iter().map(|entry| (entry.key.to_owned(), origin.source(entry.node.place)));
    Ok(Experiment {
        name: name(fields.require("name")?)?,
        tasks: distinct(fields.require("tasks")?, "tasks", trainable_task)?,
        train: train(fields.require("train")?, origin)?,
        task_overrides: optional(&fields, "task_overrides", |node| overrides(node, origin))?,
        seeds: match fields.get("seeds") {
            Some(node) => distinct(node, "seeds", |node| decode::whole(node, "seeds", 0, MAX_SEED))?,
            None => vec![1],
        },
        restarts: optional(&fields, "restarts", |node| restarts(node, &checkpoints))?,
        select: fields.get("select").map_or(Ok(Select::None), select)?,
        compare: optional(&fields, "compare", |node| distinct(node, "compare", claim))?,
        data: optional(&fields, "data", data)?,
        hub: fields.get("hub").map(|node| owned(node, "hub", "a folder or a URL")).transpose()?,
        out: fields.get("out").map(|node| owned(node, "out", "a folder")).transpose()?.map(Into::into),
        sources: sources.collect(),
        checkpoints,
    })
}

fn optional<T: Default>(fields: &Fields<'_>, name: &str, read: impl FnOnce(&Node) -> Read<T>) -> Read<T> {
    fields.get(name).map_or_else(|| Ok(T::default()), read)
}

fn owned(node: &Node, path: &str, expected: &str) -> Read<String> {
    text(node, path, expected).map(str::to_owned)
}

/// Names become file names, so only what is one on every system passes.
pub(super) fn name(node: &Node) -> Read<String> {
    let words = "a name of at most 64 letters, digits, `-`, `_` and `.`, not beginning with `.`";
    let name = text(node, "name", words)?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if plain && name.len() <= 64 && !name.starts_with('.') {
        Ok(name.into())
    } else {
        Err(invalid(node, "name", words))
    }
}

/// `owner/name`, or a path that begins with `./`, `../` or `/`.
fn checkpoint(node: &Node) -> Read<CheckpointSpec> {
    let Value::Map(_) = node.value else {
        let name = checkpoint_name(node, "checkpoints")?;
        return Ok(CheckpointSpec { name, revision: None, untrained: false, baseline: None });
    };
    let fields = Fields::read(node, "checkpoints", CHECKPOINT_FIELDS)?;
    let revision = fields.get("revision").map(|node| owned(node, "checkpoints.revision", "a commit, branch or tag"));
    Ok(CheckpointSpec {
        name: checkpoint_name(fields.require("name")?, "checkpoints.name")?,
        revision: revision.transpose()?,
        untrained: fields.get("untrained").map_or(Ok(false), |node| decode::flag(node, "checkpoints.untrained"))?,
        baseline: fields.get("baseline").map(baseline).transpose()?,
    })
}

fn baseline(node: &Node) -> Read<Baseline> {
    let word = decode::word(node, "checkpoints.baseline", &Baseline::ALL.map(Baseline::name))?;
    Baseline::find(word).ok_or_else(|| invalid(node, "checkpoints.baseline", "the name of a baseline"))
}

fn checkpoint_name(node: &Node, path: &str) -> Read<String> {
    let words = "`owner/name` on the hub, or a folder beginning with `./`, `../` or `/`";
    let name = text(node, path, words)?;
    if is_folder(name) || is_repository(name) { Ok(name.into()) } else { Err(invalid(node, path, words)) }
}

fn is_folder(name: &str) -> bool {
    ["./", "../", "/"].iter().any(|start| name.starts_with(start))
}

fn is_repository(name: &str) -> bool {
    let part = |part: &str| {
        let plain = part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        plain && !part.is_empty() && !part.starts_with('.')
    };
    name.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

fn find_task(name: &str, place: Place) -> Read<&'static Task> {
    task::find(name).ok_or_else(|| {
        let expected = expected(name, task::TASKS.iter().map(|task| task.name));
        Complaint::new(place, format!("unknown task `{}`, {expected}", shortened(name))).underlining(name)
    })
}

fn trainable_task(node: &Node) -> Read<&'static Task> {
    let name = text(node, "tasks", "the name of a task")?;
    let task = find_task(name, node.place)?;
    if task.splits_with(SplitRole::Train).next().is_none() {
        let message = format!("task `{name}` has no train split, expected a task that can be fine-tuned");
        return Err(Complaint::new(node.place, message)
            .underlining(name)
            .hint(format!("`{name}` is a test set only; a model trained on another task predicts it")));
    }
    Ok(task)
}

fn train(node: &Node, origin: &Origin) -> Read<Train> {
    let mut known = vec![("preset", "the name of a preset")];
    known.extend(setting::FIELDS.iter().map(|field| (field.name, field.takes)));
    let fields = Fields::read(node, "train", &known)?;
    let preset = fields.require("preset").map_err(|complaint| {
        let names: Vec<String> = preset::PRESETS.iter().map(|preset| format!("`{}`", preset.name)).collect();
        complaint.hint(format!("`train.preset` is one of {}", names.join(", ")))
    })?;
    let name = text(preset, "train.preset", "the name of a preset")?;
    let found = preset::find(name).ok_or_else(|| {
        let expected = expected(name, preset::PRESETS.iter().map(|preset| preset.name));
        Complaint::new(preset.place, format!("unknown preset `{}`, {expected}", shortened(name))).underlining(name)
    })?;
    let given = fields.entries().iter().filter(|entry| entry.key != "preset");
    Ok(Train { preset: found, preset_source: origin.source(preset.place), given: settings(given, "train", origin)? })
}

fn overrides(node: &Node, origin: &Origin) -> Read<BTreeMap<&'static str, BTreeMap<&'static str, Given>>> {
    let known: Vec<Known> = setting::FIELDS.iter().map(|field| (field.name, field.takes)).collect();
    let mut overrides = BTreeMap::new();
    for entry in entries(node, "task_overrides", "a map from a task to fields of `train`")? {
        let task = find_task(entry.key, entry.place)?;
        let path = join("task_overrides", task.name);
        let fields = Fields::read(entry.node, &path, &known)?;
        overrides.insert(task.name, settings(fields.entries().iter(), &path, origin)?);
    }
    Ok(overrides)
}

fn settings<'a>(
    entries: impl Iterator<Item = &'a Entry<'a>>,
    path: &str,
    origin: &Origin,
) -> Read<BTreeMap<&'static str, Given>> {
    let mut given = BTreeMap::new();
    for entry in entries {
        let Some(field) = setting::find(entry.key) else { continue };
        let path = join(path, field.name);
        let values = if field.grid {
            distinct(entry.node, &path, |node| field.read(node, &path))?
        } else {
            vec![field.read(entry.node, &path)?]
        };
        let by_argument = matches!(entry.node.place, Place::Set(_));
        given.insert(field.name, Given { values, source: origin.source(entry.node.place), by_argument });
    }
    Ok(given)
}

/// A number for every checkpoint, or one by checkpoint.
fn restarts(node: &Node, checkpoints: &[CheckpointSpec]) -> Read<BTreeMap<String, u64>> {
    let names = || checkpoints.iter().map(|checkpoint| checkpoint.name.as_str());
    let Value::Map(_) = node.value else {
        let count = decode::whole(node, "restarts", 1, MAX_RESTARTS)?;
        return Ok(names().map(|name| (name.to_owned(), count)).collect());
    };
    let mut restarts = BTreeMap::new();
    for entry in entries(node, "restarts", "a map from a checkpoint to a number")? {
        if !names().any(|name| name == entry.key) {
            let message = format!("unknown checkpoint `{}`, {}", shortened(entry.key), expected(entry.key, names()));
            return Err(Complaint::new(entry.place, message).underlining(entry.key));
        }
        let path = join("restarts", entry.key);
        restarts.insert(entry.key.to_owned(), decode::whole(entry.node, &path, 1, MAX_RESTARTS)?);
    }
    Ok(restarts)
}

fn select(node: &Node) -> Read<Select> {
    let word = decode::word(node, "select", &["best-on-dev", "none"])?;
    Ok(if word == "none" { Select::None } else { Select::BestOnDev })
}

fn claim(node: &Node) -> Read<ClaimReference> {
    let words = "`<paper>/<table>` or `<paper>/<table>/<system>/<column>`";
    ClaimReference::parse(text(node, "compare", words)?).ok_or_else(|| invalid(node, "compare", words))
}

fn data(node: &Node) -> Read<DataSpec> {
    let fields = Fields::read(node, "data", DATA_FIELDS)?;
    let repository = |node: &Node, path: &str| {
        let name = text(node, path, "`owner/name`")?;
        if is_repository(name) { Ok(name.to_owned()) } else { Err(invalid(node, path, "`owner/name`")) }
    };
    let revision = |node: &Node, path: &str| owned(node, path, "a commit, branch or tag");
    Ok(DataSpec {
        repositories: optional(&fields, "repositories", |node| by_repository(node, "data.repositories", repository))?,
        revisions: optional(&fields, "revisions", |node| by_repository(node, "data.revisions", revision))?,
        files: optional(&fields, "files", files)?,
        folder: fields.get("folder").map(|node| owned(node, "data.folder", "a folder")).transpose()?.map(Into::into),
    })
}

fn by_repository(
    node: &Node,
    path: &str,
    read: impl Fn(&Node, &str) -> Read<String>,
) -> Read<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    for entry in entries(node, path, "a map from a repository")? {
        if !is_repository(entry.key) {
            let message = format!("invalid `{path}`: found `{}`, expected `owner/name`", shortened(entry.key));
            return Err(Complaint::new(entry.place, message).underlining(entry.key));
        }
        map.insert(entry.key.to_owned(), read(entry.node, &join(path, entry.key))?);
    }
    Ok(map)
}

fn files(node: &Node) -> Read<BTreeMap<&'static str, BTreeMap<&'static str, String>>> {
    let mut files = BTreeMap::new();
    for entry in entries(node, "data.files", "a map from a task to a map from a split to a file")? {
        let task = find_task(entry.key, entry.place)?;
        let path = join("data.files", task.name);
        let mut splits = BTreeMap::new();
        for split in entries(entry.node, &path, "a map from a split to a file")? {
            let name = split_name(task, &split)?;
            splits.insert(name, owned(split.node, &join(&path, name), "a file")?);
        }
        files.insert(task.name, splits);
    }
    Ok(files)
}

fn split_name(task: &'static Task, entry: &Entry<'_>) -> Read<&'static str> {
    let names = task.splits.iter().map(|split| split.name);
    names.clone().find(|name| *name == entry.key).ok_or_else(|| {
        let expected = expected(entry.key, names);
        let message = format!("unknown split `{}` of `{task}`, {expected}", shortened(entry.key));
        Complaint::new(entry.place, message).underlining(entry.key)
    })
}
