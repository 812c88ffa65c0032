//! Whether a run was trained as a source says it trained.
//!
//! A source states its recipes under `hyperparameters`: those that a row points to, for all its tasks or for each, else the
//! one for the task by id (`squad_v2`), else `glue`. What a paper leaves open is filled from its released code, where that
//! is on file. What [`terms`] have no word for is said to be not compared; what a recipe leaves to the checkpoint, its dropout,
//! counts as the paper's.

mod terms;

use super::comparison::Ours;
use super::group::task_of_claim;
use crate::paper::{Claim, Hyperparameters, Published, Word};
use crate::record::Record;
use crate::task::Head;
use terms::{Term, term};

/// Papers whose released code is a file of its own.
const RELEASED_CODE: &[(&str, &str)] = &[("bert", "bert_repository")];

/// What differs between the selected run's recipe and the claim's, a sentence each.
pub(super) fn reasons(ours: &Ours, claim: &Claim, published: &Published) -> Vec<String> {
    let Some(record) = ours.choice.selected else {
        return Vec::new();
    };
    let stated = stated(claim, published);
    if stated.is_empty() {
        return vec![format!("the recipe of {} is not on file", claim.table)];
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut reasons = Vec::new();
    for entry in stated.iter().flat_map(|(source, recipe)| entries(source, recipe, ours.group.task.name)) {
        let name = term(entry.key).and_then(Term::name).unwrap_or(entry.key);
        if !seen.contains(&name) {
            seen.push(name);
            reasons.extend(entry.difference(record));
        }
    }
    reasons
}

/// The recipes that apply, nearest first, each with the key of the file that states it.
fn stated<'a>(claim: &Claim, published: &'a Published) -> Vec<(&'a str, &'a Hyperparameters)> {
    let spans = task_of_claim(&claim.task).is_some_and(|task| task.head == Head::Span);
    let of = |id: &str| published.recipe(&claim.paper, id);
    let mut found: Vec<_> = claim.recipes.iter().filter_map(|id| of(id)).collect();
    if found.is_empty() {
        found.extend(of(&claim.task).or_else(|| of("glue").filter(|_| !spans)));
    }
    let released = |paper: &str| RELEASED_CODE.iter().find(|(key, _)| *key == paper).map(|(_, code)| *code);
    if let Some(code) = found.first().and_then(|(paper, _)| released(paper)) {
        let defaults = if spans { "code_defaults_squad" } else { "code_defaults_classifier" };
        found.extend([defaults, "code_optimizer"].into_iter().filter_map(|id| published.recipe(code, id)));
    }
    found
}

/// What a recipe says under a key.
struct Entry<'a> {
    source: &'a str,
    key: &'a str,
    there: There<'a>,
}

/// A published value, or several of which one was chosen.
enum There<'a> {
    Numbers(Vec<f64>),
    Word(&'a str),
    Other,
}

/// Every entry of a recipe for a task: values tried, then fixed ones, those by task in place of the task.
fn entries<'a>(source: &'a str, recipe: &'a Hyperparameters, task: &str) -> Vec<Entry<'a>> {
    let entry = |key: &'a str, there| Entry { source, key, there };
    let mut entries: Vec<Entry> =
        recipe.search.iter().map(|(key, values)| entry(key, There::Numbers(values.clone()))).collect();
    for (key, value) in recipe.values.iter() {
        match value {
            Word::List(values) if !recipe.order.is_empty() => {
                let by_place = recipe.order.iter().zip(values).filter(|_| key == task);
                entries.extend(by_place.map(|(key, value)| entry(key, there(value))));
            }
            _ => entries.push(entry(key, there(value))),
        }
    }
    entries
}

fn there(value: &Word) -> There<'_> {
    match value {
        Word::Number(number) => There::Numbers(vec![*number]),
        Word::Flag(flag) => There::Numbers(vec![f64::from(u8::from(*flag))]),
        Word::Text(text) => There::Word(text),
        Word::Dash | Word::List(_) => There::Other,
    }
}

impl Entry<'_> {
    /// What differs in a run, or that nothing can be said of it.
    fn difference(&self, record: &Record) -> Option<String> {
        let differs = |name: &str, here: f64, there: &[f64], same: fn(f64, f64) -> bool| {
            let words: Vec<String> = there.iter().map(|value| number(*value)).collect();
            let text = || format!("{name} {} here, {} in {}", number(here), words.join(" or "), self.source);
            (!there.iter().any(|value| same(*value, here))).then(text)
        };
        match (term(self.key), &self.there) {
            (Some(Term::Aside), _) => None,
            (Some(Term::Number(name, ours)), There::Numbers(there)) => differs(name, ours(record)?, there, same),
            (Some(Term::Count(name, ours)), There::Numbers(there)) => differs(name, ours(record)?, there, about_same),
            (Some(Term::Word(name, ours)), There::Word(there)) => {
                let here = ours(record);
                (!there.starts_with(here)).then(|| format!("{name} {here} here, {there} in {}", self.source))
            }
            _ => Some(format!("`{}` of {} is not compared", self.key, self.source)),
        }
    }
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Within a fiftieth: steps are counted from rows, which others leave out some of, and rounded in more ways than one.
fn about_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 0.02 * a.abs().max(b.abs())
}

/// Small rates as `5e-5`, everything else as it is.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:e}") } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::Selection;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Whether a key's values are of the kind that its term compares.
    fn is_known(entry: &Entry) -> bool {
        match term(entry.key) {
            Some(Term::Number(..) | Term::Count(..)) => matches!(entry.there, There::Numbers(_)),
            Some(Term::Word(..)) => matches!(entry.there, There::Word(_)),
            Some(Term::Aside) => true,
            None => false,
        }
    }

    /// Every key of every recipe that a published figure was trained by is compared, or said to be nothing to compare.
    #[test]
    fn no_key_of_a_recipe_is_dropped_silently() {
        let published = Published::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/published")).unwrap();
        let tables = published.papers().iter().flat_map(|paper| paper.tables.iter().map(move |table| (paper, table)));
        let claims = tables.flat_map(|(paper, table)| Selection { paper, table, row: None, column: None }.claims());
        let mut recipes = BTreeSet::new();
        for claim in claims {
            let Some(task) = task_of_claim(&claim.task) else { continue };
            for (source, recipe) in stated(&claim, &published) {
                recipes.insert(format!("{source}/{}", recipe.id));
                for entry in entries(source, recipe, task.name) {
                    assert!(is_known(&entry), "{}: `{}` of {source}/{}", claim.reference, entry.key, recipe.id);
                }
            }
        }
        for expected in
            ["roberta/t10_glue", "roberta/t10_squad", "roberta/fairseq_mnli", "xlnet/t8_squad", "glue/baselines"]
        {
            assert!(recipes.contains(expected), "{expected} is no figure's recipe: {recipes:?}");
        }
    }

    #[test]
    fn a_key_without_a_term_is_named() {
        let entry = Entry { source: "p", key: "weight_standardisation", there: There::Numbers(vec![1.0]) };
        assert!(!is_known(&entry) && term(entry.key).is_none());
        // A term that compares numbers says nothing of `8k`.
        assert!(!is_known(&Entry { source: "p", key: "batch_size", there: There::Word("8k") }));
    }
}
