//! Whether a run was trained as a source says it trained.
//!
//! A source states its recipes under `hyperparameters`: the one a row points to, else the one for the task by id
//! (`squad_v2`), else `glue`. What a paper leaves open is filled from its released code, where that is on file.

use super::comparison::Ours;
use crate::paper::{Claim, Hyperparameters, Paper, Published, Word};
use crate::spec::recipe::Recipe;
use crate::task::Head;

/// Papers whose released code is a file of its own.
const RELEASED_CODE: &[(&str, &str)] = &[("bert", "bert_repository")];

/// What differs between the selected run's recipe and the claim's, a sentence each.
pub(super) fn reasons(ours: &Ours, claim: &Claim, published: &Published) -> Vec<String> {
    let Some(record) = ours.choice.selected else {
        return Vec::new();
    };
    let stated = stated(ours, claim, published);
    if stated.is_empty() {
        return vec![format!("the recipe of {} is not on file", claim.table)];
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut reasons = Vec::new();
    for (source, name, there) in stated.iter().flat_map(entries) {
        let Some((name, here)) = ours_of(&record.recipe, name).filter(|(name, _)| !seen.contains(name)) else {
            continue;
        };
        seen.push(name);
        if !there.iter().any(|value| same(*value, here)) {
            let there: Vec<String> = there.iter().map(|value| number(*value)).collect();
            reasons.push(format!("{name} {} here, {} in {source}", number(here), there.join(" or ")));
        }
    }
    reasons
}

/// The recipes that apply, nearest first, each with the key of the file that states it.
fn stated<'a>(ours: &Ours, claim: &Claim, published: &'a Published) -> Vec<(&'a str, &'a Hyperparameters)> {
    let mut found = Vec::new();
    let Some(paper) = published.paper(&claim.paper) else {
        return found;
    };
    found.extend(claim.recipes.first().and_then(|id| recipe(paper, id)));
    if found.is_empty() {
        let glue = ours.group.task.head != Head::Span;
        found.extend(recipe(paper, &claim.task).or_else(|| recipe(paper, "glue").filter(|_| glue)));
    }
    let code = RELEASED_CODE.iter().find(|(key, _)| *key == claim.paper).and_then(|(_, code)| published.paper(code));
    if let Some(code) = code {
        let defaults =
            if ours.group.task.head == Head::Span { "code_defaults_squad" } else { "code_defaults_classifier" };
        found.extend([defaults, "code_optimizer"].into_iter().filter_map(|id| recipe(code, id)));
    }
    found
}

fn recipe<'a>(paper: &'a Paper, id: &str) -> Option<(&'a str, &'a Hyperparameters)> {
    let found = paper.hyperparameters.iter().find(|recipe| recipe.id == id)?;
    Some((paper.paper.key.as_str(), found))
}

/// Every number a recipe names, with the values it allows.
fn entries<'a>((source, recipe): &(&'a str, &'a Hyperparameters)) -> Vec<(&'a str, &'a str, Vec<f64>)> {
    let fixed = recipe.values.iter().filter_map(|(name, value)| Some((name, vec![as_number(value)?])));
    let searched = recipe.search.iter().map(|(name, values)| (name.as_str(), values.clone()));
    let source = *source;
    searched.chain(fixed).map(|(name, values)| (source, name, values)).collect()
}

fn as_number(value: &Word) -> Option<f64> {
    match value {
        Word::Flag(flag) => Some(f64::from(u8::from(*flag))),
        other => other.number(),
    }
}

/// Our name and value for a published recipe's name; `None` where the two have no common unit.
fn ours_of(recipe: &Recipe, name: &str) -> Option<(&'static str, f64)> {
    Some(match name {
        "batch_size" | "train_batch_size" => ("batch_size", recipe.batch_size as f64),
        "learning_rate" => ("learning_rate", recipe.learning_rate),
        "epochs" => ("epochs", recipe.epochs),
        "dropout" => ("dropout", recipe.dropout?),
        "max_seq_length" => ("max_seq_length", recipe.max_seq_length as f64),
        "doc_stride" => ("doc_stride", recipe.doc_stride as f64),
        "max_query_length" => ("max_query_length", recipe.max_query_length as f64),
        "max_answer_length" => ("max_answer_length", recipe.max_answer_length as f64),
        "n_best_size" => ("n_best_size", recipe.n_best_size as f64),
        "warmup_proportion" | "warmup_share" => ("warmup", recipe.warmup),
        "classifier_dropout" => ("classifier_dropout", recipe.classifier_dropout?),
        "aux_lm_weight" => ("auxiliary_lm", recipe.auxiliary_lm),
        "weight_decay" => ("weight_decay", recipe.weight_decay),
        "adam_beta1" => ("beta1", recipe.beta1),
        "adam_beta2" => ("beta2", recipe.beta2),
        "adam_epsilon" => ("epsilon", recipe.epsilon),
        "clip_global_norm" => ("max_grad_norm", recipe.max_grad_norm),
        "bias_correction" => ("bias_correction", f64::from(u8::from(recipe.bias_correction))),
        _ => return None,
    })
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Small rates as `5e-5`, everything else as it is.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:e}") } else { value.to_string() }
}
