//! Whether a score of ours may stand beside a published figure, and what must be said if it may not.
//!
//! Anything that differs is a reason: split, metric, statistic, data, recipe, weights. With a reason a difference is
//! indicative at best; where the rows themselves are others (limited, partial, made up) or the weights are random, none
//! is given at all.

use super::choice::Choice;
use super::group::Group;
use super::recipe;
use crate::paper::{Claim, ClaimSplit, Published, Statistic};
use crate::score::Metric;
use crate::task::{Head, is_synthetic};

/// Ours beside a published figure; differences are ours minus theirs, in points of percent.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// Same split, metric, statistic, data and recipe.
    Comparable(f64),
    /// Something differs.
    Indicative {
        /// `None` where a difference would mean nothing.
        difference: Option<f64>,
        /// What differs, a sentence each.
        reasons: Vec<String>,
    },
    /// There is no score of ours.
    Missing,
}

/// A group's score in one metric of one dev split.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    /// The runs.
    pub group: &'a Group<'a>,
    /// What selection found among them.
    pub choice: &'a Choice<'a>,
    /// Task key of published tables.
    pub claim: &'static str,
    /// Metric.
    pub metric: Metric,
}

/// Compares with one claim.
pub fn compare(ours: &Ours, claim: &Claim, published: &Published) -> Comparison {
    let Some((value, statistic)) = value(ours, &claim.statistic) else {
        return Comparison::Missing;
    };
    let (metric, same_metric) = metric_reasons(ours, claim);
    let (rows, same_rows) = rows_beside(ours.group, claim);
    let mut reasons: Vec<String> = split_reason(claim).into_iter().collect();
    reasons.extend(metric);
    reasons.extend(statistic);
    reasons.extend(lost_reason(ours.choice));
    reasons.extend(rows);
    reasons.extend(weight_reasons(ours, claim));
    reasons.extend(recipe::reasons(ours, claim, published));
    if !claim.confirmed {
        reasons.push("the published figure was not checked against a copy of its source".into());
    }
    let difference = 100.0 * value - claim.value;
    match reasons.is_empty() {
        true => Comparison::Comparable(difference),
        false => Comparison::Indicative { difference: (same_metric && same_rows).then_some(difference), reasons },
    }
}

/// Our figure by the statistic of the claim as far as there are seeds for it, and what differs all the same.
fn value(ours: &Ours, theirs: &Statistic) -> Option<(f64, Option<String>)> {
    let summary = ours.choice.summary(ours.claim, ours.metric)?;
    let best = ours.choice.best(ours.claim, ours.metric)?;
    let (chose, several) = (ours.choice.chose(), summary.n > 1);
    let (tried, n) = (Some(ours.choice.tried as u32), Some(summary.n as u32));
    let (value, here) = match theirs {
        Statistic::Mean(_) if several => (summary.mean, Statistic::Mean(n)),
        Statistic::Median(_) if several => (summary.median, Statistic::Median(n)),
        Statistic::SelectedOnDev if chose => (best, Statistic::SelectedOnDev),
        _ if chose => (best, Statistic::Best(tried)),
        _ if several => (summary.mean, Statistic::Mean(n)),
        _ => (best, Statistic::OneRun),
    };
    let reason = (here != *theirs).then(|| format!("{here} here, {theirs} there"));
    Some((value, reason))
}

/// Runs that learned nothing are left out of every figure of ours; a paper may not have done so.
fn lost_reason(choice: &Choice) -> Option<String> {
    let lost = choice.collapsed + choice.diverged;
    (lost > 0).then(|| format!("{lost} of {} runs collapsed or diverged here and stand in no figure", choice.tried))
}

fn split_reason(claim: &Claim) -> Option<String> {
    match claim.split {
        ClaimSplit::Dev => None,
        ClaimSplit::Test => Some("dev here, test there".into()),
        ClaimSplit::Custom => Some("dev here, a split of the authors' own there".into()),
    }
}

/// What differs in the metric, and whether it is the same one.
fn metric_reasons(ours: &Ours, claim: &Claim) -> (Vec<String>, bool) {
    let mut reasons = Vec::new();
    let same = matches_metric(ours.metric, claim);
    if !same {
        reasons.push(format!("{} here, {} there", ours.metric.name(), claim.metric));
    }
    if !claim.metric_stated {
        reasons.push(format!("the source does not name its metric; {} is the usual one", claim.metric));
    }
    if ours.claim == "mnli_m" && claim.column.contains("mnli.") {
        let stated = claim.notes.iter().find(|note| note.contains("matched")).map(|note| format!("there: {note}"));
        let there = stated.unwrap_or_else(|| "the source does not say which half of MNLI".into());
        reasons.push(format!("matched dev set here; {there}"));
    }
    reasons.extend(threshold_reason(ours.metric, claim));
    reasons.extend(context_reason(ours, claim));
    reasons.extend(features_reason(ours, claim));
    reasons.extend(bilstm_reason(ours));
    reasons.extend(span_head_reason(ours, claim));
    reasons.extend(orders_reason(ours, claim));
    (reasons, same)
}

/// Tagged sentences: what the model read beside the sentence.
fn context_reason(ours: &Ours, claim: &Claim) -> Option<String> {
    let there = claim.context.as_ref().filter(|_| ours.group.task.head == Head::Tokens)?;
    let here = match ours.group.records.first()?.recipe.context_sentences {
        0 => "each sentence alone".into(),
        count => format!("up to {count} sentences on each side, whatever document they are of,"),
    };
    Some(format!("{here} here; there: {there}"))
}

/// A frozen encoder: what this program chose where the paper says nothing.
fn features_reason(ours: &Ours, claim: &Claim) -> Option<String> {
    let how = ours.group.system.features?;
    let there = claim.reader.as_ref()?;
    let units = how.lstm_hidden_size;
    let sum = if how.kind.is_weighted() { ", and weights of the sum that are learned, after a softmax," } else { "" };
    Some(format!(
        "a two-layer BiLSTM of {units} units in each direction over every token, word pieces and special ones too{sum} here; \
         there: {there}"
    ))
}

/// A BiLSTM under the head, of which no source gives the size.
fn bilstm_reason(ours: &Ours) -> Option<String> {
    let layers = ours.group.system.bilstm_layers;
    (layers > 0).then(|| {
        format!(
            "a BiLSTM of {layers} layers under the head, each direction half as wide as the encoder, here; sizes of one are \
             published nowhere"
        )
    })
}

/// Answers' spans: by the released code's beam search (XLNet), or by BERT's two scores of each token.
fn span_head_reason(ours: &Ours, claim: &Claim) -> Option<String> {
    let said = |beams: bool| if beams { "a beam search" } else { "the simple head" };
    let (here, there) = (ours.group.system.searches_beams(), claim.beam_search);
    let differs = ours.group.task.head == Head::Span && here != there;
    differs.then(|| format!("answers found by {} here, by {} there", said(here), said(there)))
}

/// Pairs whose texts have no order (GPT, Section 3.3).
fn orders_reason(ours: &Ours, claim: &Claim) -> Option<String> {
    let said = |both: bool| if both { "both orders" } else { "one order" };
    let (here, there) = (ours.group.records.first()?.recipe.both_orders, claim.both_orders);
    (here != there).then(|| format!("pairs read in {} here, in {} there", said(here), said(there)))
}

/// SQuAD 2.0: scores at threshold 0 and at the dev-best threshold are two metrics here, one name in papers.
fn threshold_reason(metric: Metric, claim: &Claim) -> Option<String> {
    if claim.task != "squad_v2" {
        return None;
    }
    let here = match metric {
        Metric::BestExact => "no-answer threshold with the best exact match on dev here",
        Metric::BestF1 => "no-answer threshold with the best F1 on dev here",
        _ => "no-answer threshold 0 here",
    };
    match &claim.threshold {
        Some(_) if metric == Metric::BestF1 => None,
        Some(threshold) => Some(format!("{here}; there: {threshold}")),
        None => Some(format!("{here}; the source does not state its own")),
    }
}

/// Whether a claim is in that metric; the two thresholds of SQuAD 2.0 share the published names, and F1 over entities is
/// called F1.
pub fn matches_metric(metric: Metric, claim: &Claim) -> bool {
    let name = match metric {
        Metric::BestExact => "exact_match",
        Metric::BestF1 | Metric::EntityF1 => "f1",
        other => other.name(),
    };
    name == claim.metric
}

/// What is odd about the rows of a group, and whether its scores may be subtracted from a paper's.
pub fn row_reasons(group: &Group) -> (Vec<String>, bool) {
    let (mut reasons, subtractable) = of_rows(group);
    reasons.extend(group.system.start_from.as_ref().map(|task| format!("fine-tuned on `{task}` before")));
    reasons.extend(group.system.baseline.map(|baseline| format!("no encoder: {baseline}")));
    (reasons, subtractable && group.system.baseline.is_none())
}

/// The same beside a claim: what its system did too is nothing odd there.
pub fn rows_beside(group: &Group, claim: &Claim) -> (Vec<String>, bool) {
    let (mut reasons, subtractable) = of_rows(group);
    let start = group.system.start_from.as_deref();
    reasons.extend(match (start, claim.from_mnli) {
        (Some("mnli"), true) | (None, false) => None,
        (None, true) => Some("fine-tuned on `mnli` before there, not here".into()),
        (Some(task), _) => Some(format!("fine-tuned on `{task}` before")),
    });
    let odd = group.system.baseline.filter(|_| claim.baseline != group.system.baseline);
    reasons.extend(odd.map(|baseline| format!("no encoder: {baseline}")));
    (reasons, subtractable && odd.is_none())
}

/// What is odd whatever the system is.
fn of_rows(group: &Group) -> (Vec<String>, bool) {
    let mut reasons = Vec::new();
    let mut subtractable = true;
    if let Some(rows) = group.system.limit {
        reasons.push(format!("first {rows} rows of every split only"));
        subtractable = false;
    }
    for (split, release) in &group.data.releases {
        // `--limit` is said once above; its splits say it again.
        if group.system.limit.is_none() || !release.starts_with("limited") {
            reasons.push(format!("{split} split: {release}"));
        }
        subtractable &= group.task.releases.iter().any(|known| known.name == release);
    }
    if !group.has_own_rows() {
        let repository = &group.data.repository;
        let kind = if is_synthetic(repository) { ", synthetic" } else { "" };
        reasons.push(format!("rows from `{repository}`{kind}"));
    }
    let size = group.system.metric_batch_size;
    if size > 0 && group.task.metrics.iter().any(|metric| metric.is_coefficient()) {
        // Nothing that a split has, whoever else averaged so.
        reasons.push(format!("coefficients are means over batches of {size} examples"));
    }
    if group.system.untrained {
        reasons.push("random weights, nothing pretrained".into());
        subtractable = false;
    }
    (reasons, subtractable)
}

/// Other weights; of a baseline beside its own claim, in what else the two differ.
fn weight_reasons(ours: &Ours, claim: &Claim) -> Vec<String> {
    let system = &ours.group.system;
    if let Some(baseline) = claim.baseline.filter(|_| system.baseline == claim.baseline) {
        let dropout = ours.group.records.first().and_then(|record| record.recipe.dropout);
        return baseline.differences(dropout);
    }
    let here = &system.checkpoint;
    let other = claim.model_key.as_ref() != Some(here);
    other.then(|| format!("other weights: `{here}` here, {} there", claim.system)).into_iter().collect()
}
