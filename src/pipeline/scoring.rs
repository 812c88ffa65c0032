//! Predicting a split, and scoring it whole: no metric is averaged over batches, unless a recipe asks for what a paper did
//! (`metric_batch_size`).

use crate::dataset::{Example, Label};
use crate::encode::answers::{self, AnswerPrediction, AnswerSettings};
use crate::encode::beams::{self, Beams};
use crate::encode::{Batch, Encoded, Features, Target, Targets, UNLABELLED, sequences_of_an_example};
use crate::engine::{EngineError, Logits, Predictor};
use crate::pipeline::inputs::PreparedSplit;
use crate::score::entity::EntityCounts;
use crate::score::squad::{Question, evaluate_v1, evaluate_v2};
use crate::score::{Metric, Scores, classification_scores, interval, regression_scores};
use crate::spec::recipe::Recipe;
use crate::task::{Head, Schema, Task};
use crate::train::TrainError;
use std::ops::Range;

/// Sequences predicted at once. They are taken in order of length, so that little is padded; a sequence's result does
/// not depend on its neighbours.
pub const BATCH: usize = 32;

/// The head's outputs for a whole split, in the order of its sequences.
pub struct SplitPredictions {
    /// `[examples][labels]`, of choices `[sequences][1]`, of tagged sentences `[sequences][tokens · labels]`, or start logits.
    pub logits: Vec<Vec<f32>>,
    /// End logits; empty but for spans.
    pub ends: Vec<Vec<f32>>,
    /// What a beam search found in each window, instead of logits; empty but for spans by beams.
    pub beams: Vec<Beams>,
    /// Mean loss over the sequences, labelled tokens or examples; `None` where labels are hidden.
    pub loss: Option<f64>,
    /// Rows of `logits` of an example.
    pub per_example: usize,
}

/// Predicts every sequence of a split.
///
/// # Errors
/// The engine's.
pub fn predict_split(engine: &dyn Predictor, encoded: &Encoded) -> Result<SplitPredictions, EngineError> {
    let (count, together) = (encoded.features.len(), sequences_of_an_example(&encoded.features));
    let mut examples: Vec<usize> = (0..count / together).collect();
    let length = |example: &usize| {
        encoded.features[example * together..][..together].iter().map(|features| features.input_ids.len()).max()
    };
    let mut per_example = 1;
    examples.sort_by_key(length);
    let (mut logits, mut ends, mut beams) = (vec![Vec::new(); count], Vec::new(), Vec::new());
    let (mut loss, mut terms) = (Some(0.0), 0);
    for own in examples.chunks((BATCH / together).max(1)) {
        let chosen: Vec<usize> = own.iter().flat_map(|example| example * together..(example + 1) * together).collect();
        let chosen = chosen.as_slice();
        let batch = Batch::pack(chosen.iter().map(|index| &encoded.features[*index]));
        let prediction = engine.predict(&batch)?;
        loss = loss.zip(prediction.loss_sum).map(|(sum, part)| sum + part);
        terms += losses(&batch);
        match prediction.logits {
            Logits::Sequence(rows) | Logits::Tokens(rows) => {
                per_example = rows.len() / own.len();
                scatter(&mut logits, if per_example == 1 { own } else { chosen }, rows);
            }
            Logits::Masked { next, .. } => scatter(&mut logits, chosen, next),
            Logits::Span { start, end } => {
                ends.resize(count, Vec::new());
                scatter(&mut logits, chosen, start);
                scatter(&mut ends, chosen, end);
            }
            Logits::Beams(found) => {
                beams.resize(count, Beams::default());
                scatter(&mut beams, chosen, found);
            }
        }
    }
    logits.truncate(count / together * per_example);
    Ok(SplitPredictions { logits, ends, beams, loss: loss.map(|sum| sum / terms as f64), per_example })
}

/// Losses that a batch's sum is of.
fn losses(batch: &Batch) -> usize {
    match &batch.targets {
        Targets::Tokens(_) => batch.targets.labelled(),
        _ => batch.examples(),
    }
}

fn scatter<T>(all: &mut [T], chosen: &[usize], rows: Vec<T>) {
    chosen.iter().zip(rows).for_each(|(index, row)| all[*index] = row);
}

/// A split's predictions in the terms of its task.
pub enum Answers {
    /// Label indices.
    Classes(Vec<u32>),
    /// Numbers.
    Values(Vec<f64>),
    /// Of each example's words, label indices.
    Tags(Vec<Vec<u32>>),
    /// Answers to questions.
    Texts(Vec<AnswerPrediction>),
}

/// What a split's predictions are worth.
pub struct SplitScores {
    /// Metrics in the task's order.
    pub scores: Scores,
    /// 95 % bootstrap intervals, in the same order; empty unless asked for.
    pub intervals: Vec<Option<(f64, f64)>>,
    /// The predictions.
    pub answers: Answers,
}

/// Scores a split with its task's metrics.
///
/// # Errors
/// Answers that cannot be scored.
pub fn score_split(
    task: &Task,
    recipe: &Recipe,
    split: &PreparedSplit,
    predictions: &SplitPredictions,
    intervals: bool,
) -> Result<SplitScores, TrainError> {
    let examples = &split.rows.examples;
    match task.head {
        Head::Tokens | Head::FeatureBased(_) => tagging(task, split, predictions, intervals),
        Head::Classification | Head::Choice | Head::Pretraining => {
            Ok(classification((task, recipe), examples, predictions, intervals))
        }
        Head::Regression => Ok(regression((task, recipe), examples, predictions, intervals)),
        Head::Span | Head::BeamSpan => spans(task, recipe, split, predictions, intervals),
    }
}

/// Seed of the resamples: the same examples are drawn for every run, so that runs can be compared.
const BOOTSTRAP_SEED: u64 = 1;

/// The scores of a whole split of so many examples; where the recipe says so, coefficients are means over batches in the
/// split's order, undefined where one batch's is.
fn over_batches(recipe: &Recipe, count: usize, of: impl Fn(Range<usize>) -> Scores) -> Scores {
    let whole = of(0..count);
    let size = recipe.metric_batch_size;
    if size == 0 {
        return whole;
    }
    let batches: Vec<Scores> = (0..count).step_by(size).map(|start| of(start..(start + size).min(count))).collect();
    let mean = |at: usize| {
        let sum: Option<f64> = batches.iter().map(|scores| scores[at].1).sum();
        sum.map(|sum| sum / batches.len() as f64)
    };
    let one = |(at, (metric, value)): (usize, (Metric, Option<f64>))| {
        (metric, if metric.is_coefficient() { mean(at) } else { value })
    };
    whole.into_iter().enumerate().map(one).collect()
}

/// Of a mean over batches there is no interval over examples.
fn intervals_of(
    (task, recipe): (&Task, &Recipe),
    wanted: bool,
    of: impl Fn() -> Vec<Option<(f64, f64)>>,
) -> Vec<Option<(f64, f64)>> {
    if !wanted {
        return Vec::new();
    }
    let whole = |metric: &Metric| recipe.metric_batch_size == 0 || !metric.is_coefficient();
    of().into_iter().zip(task.metrics).map(|(interval, metric)| interval.filter(|_| whole(metric))).collect()
}

fn classification(
    (task, recipe): (&Task, &Recipe),
    examples: &[Example],
    predictions: &SplitPredictions,
    wanted: bool,
) -> SplitScores {
    let classes = classes(predictions);
    let labels: Vec<u32> = examples.iter().filter_map(class_of).collect();
    let of = |range: Range<usize>| classification_scores(task.metrics, &classes[range.clone()], &labels[range]);
    let scores = over_batches(recipe, labels.len(), of);
    let of = || interval::of_classification(task.metrics, &classes, &labels, BOOTSTRAP_SEED);
    let intervals = intervals_of((task, recipe), wanted, of);
    SplitScores { scores, intervals, answers: Answers::Classes(classes) }
}

/// The class, or the ending, with the highest logit of each example.
pub fn classes(predictions: &SplitPredictions) -> Vec<u32> {
    predictions.logits.chunks(predictions.per_example).map(|rows| argmax(&rows.concat())).collect()
}

fn tagging(
    task: &Task,
    split: &PreparedSplit,
    predictions: &SplitPredictions,
    wanted: bool,
) -> Result<SplitScores, TrainError> {
    let examples = &split.rows.examples;
    let tags = tags(task, &split.encoded, examples, predictions);
    let names = |tags: &[u32]| tags.iter().map(|tag| task.label_name(*tag)).collect::<Vec<String>>();
    let sentences = examples.iter().zip(&tags).map(|(example, tags)| {
        let gold = if let Some(Label::Tags(gold)) = &example.label { names(gold) } else { Vec::new() };
        EntityCounts::of_sentence(&names(tags), &gold)
    });
    let sentences: Vec<EntityCounts> =
        sentences.collect::<Result<_, _>>().map_err(|error| TrainError::Evaluation(error.to_string()))?;
    let f1 = Some(EntityCounts::total(&sentences).f1());
    let intervals = if wanted { vec![interval::of_entities(&sentences, BOOTSTRAP_SEED)] } else { Vec::new() };
    Ok(SplitScores { scores: vec![(Metric::EntityF1, f1)], intervals, answers: Answers::Tags(tags) })
}

/// The tag of each word, from its first token; of words that were cut off, the first label, `O`.
fn tags(task: &Task, encoded: &Encoded, examples: &[Example], predictions: &SplitPredictions) -> Vec<Vec<u32>> {
    let labels = task.num_labels();
    let one = |(features, logits): (&Features, &Vec<f32>)| {
        let Some(Target::Tokens(targets)) = &features.target else { return Vec::new() };
        let tokens = targets.iter().zip(logits.chunks(labels)).filter(|(target, _)| **target != UNLABELLED);
        let mut tags: Vec<u32> = tokens.map(|(_, logits)| argmax(logits)).collect();
        tags.resize(examples[features.example].parts.len(), 0);
        tags
    };
    encoded.features.iter().zip(&predictions.logits).map(one).collect()
}

fn regression(
    (task, recipe): (&Task, &Recipe),
    examples: &[Example],
    predictions: &SplitPredictions,
    wanted: bool,
) -> SplitScores {
    let values: Vec<f64> = predictions.logits.iter().map(|row| f64::from(row[0])).collect();
    let labels: Vec<f64> = examples.iter().filter_map(value_of).collect();
    let of = |range: Range<usize>| regression_scores(task.metrics, &values[range.clone()], &labels[range]);
    let scores = over_batches(recipe, labels.len(), of);
    let of = || interval::of_regression(task.metrics, &values, &labels, BOOTSTRAP_SEED);
    let intervals = intervals_of((task, recipe), wanted, of);
    SplitScores { scores, intervals, answers: Answers::Values(values) }
}

fn spans(
    task: &Task,
    recipe: &Recipe,
    split: &PreparedSplit,
    predictions: &SplitPredictions,
    wanted: bool,
) -> Result<SplitScores, TrainError> {
    let failed = |error: &dyn std::fmt::Display| TrainError::Evaluation(error.to_string());
    let unanswerable = task.schema == Schema::Question { unanswerable: true };
    let settings = answer_settings(recipe, unanswerable);
    let (examples, features) = (&split.rows.examples, &split.encoded.features);
    let answers = match predictions.beams.as_slice() {
        [] => answers::predict(examples, features, &predictions.logits, &predictions.ends, &settings),
        found => beams::predict(examples, features, found, &settings),
    };
    let answers = answers.map_err(|error| failed(&error))?;
    let questions: Vec<Question> = examples.iter().map(question).collect();
    let intervals = |of: &dyn Fn(Metric) -> Option<(f64, f64)>| {
        if wanted { task.metrics.iter().map(|metric| of(*metric)).collect() } else { Vec::new() }
    };
    if unanswerable {
        // Every threshold is searched over the best answers that are not empty; the score at threshold 0 is among them.
        let odds: Vec<(String, f64)> = answers.iter().map(|a| (a.id.clone(), a.null_odds.unwrap_or(0.0))).collect();
        let scored =
            evaluate_v2(&questions, &best_texts(&answers), Some(&odds), 0.0).map_err(|error| failed(&error))?;
        let scores = task.metrics.iter().map(|metric| (*metric, scored.score(*metric))).collect();
        let intervals = intervals(&|metric| scored.interval(metric, BOOTSTRAP_SEED));
        return Ok(SplitScores { scores, intervals, answers: Answers::Texts(answers) });
    }
    let texts: Vec<(String, String)> = answers.iter().map(|a| (a.id.clone(), a.text.clone())).collect();
    let scored = evaluate_v1(&questions, &texts).map_err(|error| failed(&error))?;
    let scores = task.metrics.iter().map(|metric| (*metric, scored.score(*metric))).collect();
    let intervals = intervals(&|metric| scored.interval(metric, BOOTSTRAP_SEED));
    Ok(SplitScores { scores, intervals, answers: Answers::Texts(answers) })
}

fn answer_settings(recipe: &Recipe, unanswerable: bool) -> AnswerSettings {
    AnswerSettings {
        n_best_size: recipe.n_best_size,
        max_answer_length: recipe.max_answer_length,
        unanswerable,
        null_threshold: 0.0,
        max_context: recipe.max_context,
    }
}

fn best_texts(answers: &[AnswerPrediction]) -> Vec<(String, String)> {
    let best = |answer: &AnswerPrediction| {
        let spoken = answer.n_best.iter().find(|candidate| !candidate.text.is_empty());
        spoken.map_or(String::new(), |candidate| candidate.text.clone())
    };
    answers.iter().map(|answer| (answer.id.clone(), best(answer))).collect()
}

fn question(example: &Example) -> Question {
    let answers = match &example.label {
        Some(Label::Answers(answers)) => answers.iter().map(|answer| answer.text.clone()).collect(),
        _ => Vec::new(),
    };
    Question { id: example.id.clone(), answers }
}

/// The index of the highest logit, the first one on a tie.
pub fn argmax(row: &[f32]) -> u32 {
    let better = |best: usize, at: usize| if row[at] > row[best] { at } else { best };
    (0..row.len()).fold(0, better) as u32
}

fn class_of(example: &Example) -> Option<u32> {
    if let Some(Label::Class(class)) = example.label { Some(class) } else { None }
}

fn value_of(example: &Example) -> Option<f64> {
    if let Some(Label::Value(value)) = example.label { Some(f64::from(value)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::sample::recipe;

    // By hand: of the whole, 3 of 4 right; coefficients 0.2 and 0.6 of the halves, 0.9 of the whole.
    #[test]
    fn only_coefficients_are_averaged_over_batches_and_only_where_asked() {
        let of = |range: Range<usize>| {
            let matthews = if range.len() == 4 { 0.9 } else { 0.2 + 0.2 * range.start as f64 };
            vec![(Metric::Matthews, Some(matthews)), (Metric::Accuracy, Some(0.75))]
        };
        assert_eq!(over_batches(&recipe(), 4, of), of(0..4));
        let batched = over_batches(&Recipe { metric_batch_size: 2, ..recipe() }, 4, of);
        assert!((batched[0].1.unwrap() - 0.4).abs() < 1e-12 && batched[1] == (Metric::Accuracy, Some(0.75)));
        let undefined = |_: Range<usize>| vec![(Metric::Pearson, None)];
        assert_eq!(over_batches(&Recipe { metric_batch_size: 2, ..recipe() }, 4, undefined)[0].1, None);
    }
}
