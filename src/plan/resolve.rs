//! A complete recipe out of what the spec gives and what its preset fills in, each value with where it came from.
//!
//! Of a field's values the strongest wins: `--set` on the task, `--set` on `train`, the file on the task, the file on
//! `train`, the preset.

use super::PlanError;
use crate::spec::recipe::{Recipe, SpanHead};
use crate::spec::setting::{FIELDS, Setting};
use crate::spec::{Experiment, Given};
use crate::task::{Head, Schema, Task};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The values of every field for one task, in the order of the recipe; more than one where it is a grid.
pub type Resolution = Vec<(&'static str, Given)>;

/// Fills every field of the recipe for a task.
pub fn resolve(experiment: &Experiment, task: &Task) -> Resolution {
    FIELDS.iter().map(|field| (field.name, value(experiment, task, field.name))).collect()
}

fn value(experiment: &Experiment, task: &Task, field: &str) -> Given {
    let general = experiment.train.given.get(field);
    let special = experiment.task_overrides.get(task.name).and_then(|fields| fields.get(field));
    let given = match (general, special) {
        (Some(general), Some(special)) if general.by_argument && !special.by_argument => Some(general),
        (general, special) => special.or(general),
    };
    given.cloned().unwrap_or_else(|| {
        let preset = experiment.train.preset;
        let row = preset.row(field, task).expect("every preset has every field, by test");
        let source = format!("preset {}: {}", preset.name, row.source);
        Given { values: vec![row.value], source, by_argument: false }
    })
}

/// The fields of a grid, the one that runs fastest last.
const GRID: [&str; 4] = ["features", "batch_size", "epochs", "learning_rate"];

/// The recipes of a task: the grid multiplied out.
pub fn recipes(experiment: &Experiment, task: &Task) -> Result<Vec<Recipe>, PlanError> {
    let resolution: BTreeMap<&str, Given> = resolve(experiment, task).into_iter().collect();
    let mut points: Vec<Vec<(&str, Setting)>> = vec![Vec::new()];
    for name in GRID {
        let longer = |point: Vec<(&'static str, Setting)>| {
            resolution[name].values.iter().map(move |value| [point.as_slice(), &[(name, *value)]].concat())
        };
        points = points.into_iter().flat_map(longer).collect();
    }
    let recipes: Vec<Recipe> = points.iter().map(|point| recipe(experiment, &resolution, point)).collect();
    recipes.iter().try_for_each(|recipe| check(task, recipe))?;
    refuse_unread(experiment, task, &recipes)?;
    Ok(recipes)
}

/// Refuses a width for a BiLSTM that no recipe has.
fn refuse_unread(experiment: &Experiment, task: &Task, recipes: &[Recipe]) -> Result<(), PlanError> {
    let field = "lstm_hidden_size";
    let special = experiment.task_overrides.get(task.name).is_some_and(|fields| fields.contains_key(field));
    if (special || experiment.train.given.contains_key(field)) && recipes.iter().all(|r| r.features.is_none()) {
        let message = format!("`{field}` is given and `features` is not: it is the width of a BiLSTM over those");
        return Err(PlanError::Recipe { task: task.name, message });
    }
    Ok(())
}

fn recipe(experiment: &Experiment, resolution: &BTreeMap<&str, Given>, point: &[(&str, Setting)]) -> Recipe {
    let chosen = |field: &str| {
        let at_point = point.iter().find(|(name, _)| *name == field).map(|(_, value)| *value);
        at_point.unwrap_or(resolution[field].values[0])
    };
    let mut json = Map::from_iter([("preset".to_owned(), json!(experiment.train.preset.name))]);
    for field in FIELDS {
        let value = match chosen(field.name) {
            Setting::Same(other) => chosen(other),
            value => value,
        };
        json.insert(field.name.into(), value.to_json());
    }
    if json["features"].is_null() {
        json.shift_remove("lstm_hidden_size");
    }
    serde_json::from_value(Value::Object(json)).expect("the table of fields is the recipe's, by test")
}

/// Why a recipe goes without a BiLSTM under the head.
fn no_bilstm(recipe: &Recipe) -> Option<String> {
    if let Some(kind) = recipe.features {
        return Some(format!("`features` is `{kind}`, and has a BiLSTM over a frozen encoder"));
    }
    if recipe.auxiliary_lm > 0.0 {
        return Some("`auxiliary_lm` has next tokens learned of an encoder that the head reads itself".into());
    }
    if let Some(task) = &recipe.start_from {
        return Some(format!(
            "`start_from` is `{task}`, and what a BiLSTM has learned there would not be carried over"
        ));
    }
    (recipe.span_head == SpanHead::Beam).then(|| "nobody has tried one under `span_head: beam`".into())
}

/// What no single field can be blamed for.
fn check(task: &Task, recipe: &Recipe) -> Result<(), PlanError> {
    let impossible = |message: String| Err(PlanError::Recipe { task: task.name, message });
    if recipe.early_stopping > 0 && recipe.evaluate == crate::spec::recipe::Evaluate::AtEnd {
        return impossible("`early_stopping` needs evaluations before the end, found `evaluate: at-end`".into());
    }
    if recipe.plateau_factor < 1.0 && recipe.evaluate == crate::spec::recipe::Evaluate::AtEnd {
        return impossible("`plateau_factor` needs evaluations before the end, found `evaluate: at-end`".into());
    }
    if recipe.min_learning_rate > 0.0 && recipe.plateau_factor == 1.0 {
        return impossible(
            "`min_learning_rate` stops a rate that `plateau_factor` lowers, found `plateau_factor: 1`".into(),
        );
    }
    if recipe.min_learning_rate >= recipe.learning_rate {
        let (least, rate) = (recipe.min_learning_rate, recipe.learning_rate);
        return impossible(format!("`min_learning_rate` is {least:e}, expected less than `learning_rate` ({rate:e})"));
    }
    if let Some(name) = recipe.start_from.as_deref().filter(|name| *name == task.name) {
        return impossible(format!("`start_from` is `{name}`, expected another task than its own"));
    }
    if let Some(kind) = recipe.features.filter(|_| task.head != Head::Tokens) {
        return impossible(format!(
            "`features` is `{kind}`, expected `none`: only tagging has the feature-based approach"
        ));
    }
    if recipe.auxiliary_lm > 0.0 && recipe.head(task).reads_every_token() {
        return impossible(format!(
            "`auxiliary_lm` is {}, expected 0: next tokens are learned beside a head of whole sequences only",
            recipe.auxiliary_lm
        ));
    }
    if recipe.span_head == SpanHead::Beam && task.head != Head::Span {
        let text = "`span_head` is `beam`, expected `simple`: only questions have answers that are spans";
        return impossible(text.into());
    }
    if recipe.context_sentences > 0 && task.head != Head::Tokens {
        return impossible(format!(
            "`context_sentences` is {}, expected 0: the rows of {} have no neighbours",
            recipe.context_sentences, task.title
        ));
    }
    if let Some(reason) = no_bilstm(recipe).filter(|_| recipe.bilstm_layers > 0) {
        return impossible(format!("`bilstm_layers` is {}, expected 0: {reason}", recipe.bilstm_layers));
    }
    if recipe.both_orders && !matches!(task.schema, Schema::Pair(..)) {
        return impossible(format!(
            "`both_orders` is true, expected false: a row of {} is no pair of texts",
            task.title
        ));
    }
    if task.head == Head::Span && recipe.doc_stride >= recipe.max_seq_length {
        let (stride, length) = (recipe.doc_stride, recipe.max_seq_length);
        return impossible(format!("`doc_stride` is {stride}, expected less than `max_seq_length` ({length})"));
    }
    Ok(())
}
