//! Every resolved value of a plan and where it came from: what `repro plan` shows, so that no default is hidden.

use super::resolve::resolve;
use super::{Options, Resolved, Run};
use crate::spec::Experiment;
use crate::task::Task;
use std::collections::BTreeSet;

/// Source of what nobody said.
const DEFAULT: &str = "this program's default";

/// The values of a plan with these runs, in reading order.
pub fn resolved(experiment: &Experiment, options: &Options, runs: &[Run]) -> Vec<Resolved> {
    let mut rows = vec![Resolved::new("train.preset", experiment.train.preset.name, &experiment.train.preset_source)];
    rows.extend(recipe(experiment, runs));
    rows.extend(baselines(runs));
    rows.extend(seeds(experiment, options, runs));
    rows.push(Resolved::new("select", experiment.select.to_string(), source(experiment, "select")));
    rows.extend(inputs(experiment, runs));
    let flag = |given: bool, name: &str| if given { format!("--{name}") } else { DEFAULT.to_owned() };
    let limit = options.limit.map_or("none".into(), |limit| format!("first {limit} rows of every split"));
    rows.push(Resolved::new("limit", limit, &flag(options.limit.is_some(), "limit")));
    rows.push(Resolved::new("engine", options.engine.name(), &flag(options.engine_given, "engine")));
    rows.push(Resolved::new("device", &options.device, &flag(options.device_given, "device")));
    rows.push(Resolved::new("dtype", &options.dtype, &flag(options.dtype_given, "dtype")));
    rows
}

fn source<'a>(experiment: &'a Experiment, field: &str) -> &'a str {
    experiment.sources.get(field).map_or(DEFAULT, String::as_str)
}

/// The recipe's fields; one that differs between tasks has a row for each of its values.
fn recipe(experiment: &Experiment, runs: &[Run]) -> Vec<Resolved> {
    let mut tasks: Vec<&'static Task> = Vec::new();
    for run in runs {
        if !tasks.contains(&run.task) {
            tasks.push(run.task);
        }
    }
    let resolutions: Vec<_> = tasks.iter().map(|task| (task.name, resolve(experiment, task))).collect();
    let fields = resolutions.first().map_or(0, |(_, resolution)| resolution.len());
    (0..fields).flat_map(|field| of_field(&resolutions, field)).collect()
}

fn of_field(resolutions: &[(&'static str, super::resolve::Resolution)], field: usize) -> Vec<Resolved> {
    let mut rows: Vec<Resolved> = Vec::new();
    for (task, resolution) in resolutions {
        let (name, given) = &resolution[field];
        let value: Vec<String> = given.values.iter().map(ToString::to_string).collect();
        let row = Resolved::new(&format!("train.{name}"), value.join(", "), &given.source);
        match rows.iter_mut().find(|known| known.value == row.value && known.source == row.source) {
            Some(known) => known.tasks.push(task),
            None => rows.push(Resolved { tasks: vec![task], ..row }),
        }
    }
    if let [only] = rows.as_mut_slice() {
        only.tasks.clear();
    }
    rows
}

/// What baselines do not take from the recipe.
fn baselines(runs: &[Run]) -> Vec<Resolved> {
    let mut rows: Vec<Resolved> = Vec::new();
    for (run, baseline) in runs.iter().filter_map(|run| Some((run, run.checkpoint.baseline?))) {
        let value = match baseline.learning_rate() {
            Some(rate) => format!("learning_rate {rate:e}, engine {}", run.engine.name()),
            None => format!("nothing is trained, engine {}", run.engine.name()),
        };
        let row = Resolved::new(&format!("{baseline}"), value, "a baseline's own");
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

fn seeds(experiment: &Experiment, options: &Options, runs: &[Run]) -> Vec<Resolved> {
    if let Some(count) = options.seeds {
        return vec![Resolved::new("seeds", format!("1 to {count}"), "--seeds")];
    }
    let list: Vec<String> = experiment.seeds.iter().map(u64::to_string).collect();
    let mut rows = vec![Resolved::new("seeds", list.join(", "), source(experiment, "seeds"))];
    let used = |name: &str| runs.iter().any(|run| run.checkpoint.name == name);
    for (checkpoint, count) in experiment.restarts.iter().filter(|(checkpoint, _)| used(checkpoint)) {
        let value = format!("1 to {count}");
        rows.push(Resolved::new(&format!("seeds of {checkpoint}"), value, source(experiment, "restarts")));
    }
    rows
}

/// Revisions of checkpoints and data sets, and files that are not at their usual place.
fn inputs(experiment: &Experiment, runs: &[Run]) -> Vec<Resolved> {
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    for run in runs {
        let (name, revision) = (&run.checkpoint.name, &run.checkpoint.revision);
        if seen.insert(("checkpoint", name)) {
            let specs = || experiment.checkpoints.iter().filter(|spec| spec.name == *name);
            let given = specs().any(|spec| spec.revision.is_some()).then(|| source(experiment, "checkpoints"));
            rows.push(revision_row(&format!("revision of {name}"), revision.as_deref(), given));
        }
        let (name, revision) = (&run.data.repository, &run.data.revision);
        if run.data.folder.is_none() && seen.insert(("data", name)) {
            let given = experiment.data.revisions.contains_key(name).then(|| source(experiment, "data"));
            rows.push(revision_row(&format!("revision of {name}"), revision.as_deref(), given));
        }
    }
    rows.extend(places(experiment, runs));
    rows
}

fn revision_row(key: &str, revision: Option<&str>, given: Option<&str>) -> Resolved {
    let pinned = if revision.is_some() { "data/pins.yaml" } else { "neither the spec nor data/pins.yaml names one" };
    Resolved::new(key, revision.unwrap_or("main"), given.unwrap_or(pinned))
}

fn places(experiment: &Experiment, runs: &[Run]) -> Vec<Resolved> {
    let from = source(experiment, "data");
    let mut rows = Vec::new();
    for (repository, other) in &experiment.data.repositories {
        rows.push(Resolved::new(&format!("data.repositories.{repository}"), other, from));
    }
    if let Some(folder) = &experiment.data.folder {
        rows.push(Resolved::new("data.folder", folder.display().to_string(), from));
    }
    for (task, files) in experiment.data.files.iter().filter(|(task, _)| runs.iter().any(|run| run.task.name == **task))
    {
        let of_split =
            |(split, file): (&&str, &String)| Resolved::new(&format!("data.files.{task}.{split}"), file, from);
        rows.extend(files.iter().map(of_split));
    }
    rows
}
