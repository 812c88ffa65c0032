//! `repro score`: the metrics alone, on anyone's files.
//!
//! GLUE tasks and `conll2003` read CSV (`id,prediction` against `id,label`; label names or numbers, tags separated by
//! blanks); SQuAD reads the official JSON files. `--json` prints the official scripts' own keys: SQuAD in percent,
//! everything else as fractions. What can be wrong with such files ends with exit code 2 and names file, line or id.

use super::{CliError, Console};
use crate::exit::Exit;
use crate::score::entity::EntityCounts;
use crate::score::files::{self, FileError, Row};
use crate::score::interval::{self, Interval};
use crate::score::squad::{self, Question, SquadError};
use crate::score::{Metric, Scores, classification_scores, regression_scores};
use crate::task::{self, Head, Schema, Task};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Arguments of `repro score`.
#[derive(clap::Args)]
pub struct ScoreArgs {
    /// Task whose metrics are meant: `mrpc`, `squad_v2`, `conll2003`, …
    #[arg(long)]
    pub task: String,
    /// Predictions: CSV `id,prediction`, or for SQuAD a JSON object of texts by question id.
    #[arg(long, value_name = "FILE")]
    pub predictions: PathBuf,
    /// References: CSV `id,label`, or for SQuAD the data set as JSON.
    #[arg(long, value_name = "FILE")]
    pub references: PathBuf,
    /// SQuAD 2.0: a JSON object of no-answer probabilities by question id, in the order that decides ties.
    #[arg(long, value_name = "FILE")]
    pub na_probs: Option<PathBuf>,
    /// SQuAD 2.0: a question counts as unanswered where its probability is greater (default 1, as officially).
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub na_prob_thresh: Option<f64>,
}

/// Seed of the intervals that the text form shows.
const INTERVAL_SEED: u64 = 1;

/// What is printed: keys for `--json`, lines for people.
struct Outcome {
    keys: Map<String, Value>,
    lines: Vec<String>,
}

/// Runs the command.
pub fn run(args: &ScoreArgs, console: &Console) -> Result<Exit, CliError> {
    let scored = Scored::find(&args.task)?;
    check_threshold_flags(args, &scored)?;
    let outcome = match scored {
        Scored::Classification(task) => classification(args, task)?,
        Scored::Regression(task) => regression(args, task)?,
        Scored::Tagging(task) => tagging(args, task)?,
        Scored::Endings(task) => endings(args, task)?,
        Scored::SquadV1 => squad_v1(args, console)?,
        Scored::SquadV2 => squad_v2(args, console)?,
    };
    if console.json {
        console.result(&format!("{:#}", Value::Object(outcome.keys)));
    } else {
        console.result(&outcome.lines.join("\n"));
    }
    Ok(Exit::Fine)
}

/// A flag without effect would be believed to have one.
fn check_threshold_flags(args: &ScoreArgs, scored: &Scored) -> Result<(), CliError> {
    let given = [("--na-probs", args.na_probs.is_some()), ("--na-prob-thresh", args.na_prob_thresh.is_some())];
    match given.into_iter().find(|&(_, given)| given) {
        Some((flag, _)) if !matches!(scored, Scored::SquadV2) => {
            Err(usage(format!("`{flag}` is for `squad_v2`, found task `{}`", args.task)))
        }
        _ if args.na_prob_thresh.is_some_and(f64::is_nan) => Err(usage("`--na-prob-thresh` is not a number")),
        _ => Ok(()),
    }
}

/// How a task's files are read and scored.
enum Scored {
    Classification(&'static Task),
    Regression(&'static Task),
    Tagging(&'static Task),
    Endings(&'static Task),
    SquadV1,
    SquadV2,
}

impl Scored {
    fn find(name: &str) -> Result<Scored, CliError> {
        let task = task::find(name).ok_or_else(|| {
            let known: Vec<&str> = task::TASKS.iter().map(|task| task.name).collect();
            usage(format!("unknown task `{name}`, expected one of {}", known.join(", ")))
        })?;
        Ok(match (task.head, task.schema) {
            (Head::Span | Head::BeamSpan, Schema::Question { unanswerable: true }) => Scored::SquadV2,
            (Head::Span | Head::BeamSpan, _) => Scored::SquadV1,
            (Head::Regression, _) => Scored::Regression(task),
            (Head::Tokens | Head::FeatureBased(_), _) => Scored::Tagging(task),
            (Head::Choice, _) => Scored::Endings(task),
            _ => Scored::Classification(task),
        })
    }
}

fn usage(message: impl std::fmt::Display) -> CliError {
    CliError::new(Exit::Usage, message)
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        usage(error)
    }
}

/// Predictions and references, row by row, in the references' order.
fn read_rows(args: &ScoreArgs) -> Result<(Vec<Row>, Vec<Row>), CliError> {
    let references = files::read_csv(&args.references, "label")?;
    let predictions = files::read_csv(&args.predictions, "prediction")?;
    let predictions = files::align((&args.predictions, predictions), (&args.references, &references))?;
    Ok((predictions, references))
}

/// Reads every row's value, with the file and line in the error.
fn values<T>(path: &Path, rows: &[Row], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, CliError> {
    let value = |row: &Row| read(&row.value).map_err(|message| FileError::at(path, row.line, message).into());
    rows.iter().map(value).collect()
}

fn classification(args: &ScoreArgs, task: &Task) -> Result<Outcome, CliError> {
    let (predictions, references) = read_rows(args)?;
    let predictions = values(&args.predictions, &predictions, |text| class(task.labels, text))?;
    let labels = values(&args.references, &references, |text| class(task.labels, text))?;
    let intervals = interval::of_classification(task.metrics, &predictions, &labels, INTERVAL_SEED);
    Ok(fractions(task.name, labels.len(), &classification_scores(task.metrics, &predictions, &labels), &intervals))
}

fn regression(args: &ScoreArgs, task: &Task) -> Result<Outcome, CliError> {
    let (predictions, references) = read_rows(args)?;
    let predictions = values(&args.predictions, &predictions, number)?;
    let labels = values(&args.references, &references, number)?;
    let intervals = interval::of_regression(task.metrics, &predictions, &labels, INTERVAL_SEED);
    Ok(fractions(task.name, labels.len(), &regression_scores(task.metrics, &predictions, &labels), &intervals))
}

fn tagging(args: &ScoreArgs, task: &Task) -> Result<Outcome, CliError> {
    let (predictions, references) = read_rows(args)?;
    let tags = |text: &str| text.split_whitespace().map(|text| tag(task.labels, text)).collect::<Result<Vec<_>, _>>();
    let predicted = values(&args.predictions, &predictions, tags)?;
    let gold = values(&args.references, &references, tags)?;
    let mut sentences = Vec::with_capacity(gold.len());
    for ((row, predicted), gold) in predictions.iter().zip(&predicted).zip(&gold) {
        if predicted.len() != gold.len() {
            let message = format!("id `{}`: found {} tags, expected {}", row.id, predicted.len(), gold.len());
            return Err(FileError::at(&args.predictions, row.line, message).into());
        }
        sentences.push(EntityCounts::of_sentence(predicted, gold).map_err(usage)?);
    }
    let scores = vec![(Metric::EntityF1, Some(EntityCounts::total(&sentences).f1()))];
    let interval = interval::of_entities(&sentences, INTERVAL_SEED);
    Ok(fractions(task.name, sentences.len(), &scores, &[interval]))
}

/// The number of an ending.
fn endings(args: &ScoreArgs, task: &Task) -> Result<Outcome, CliError> {
    let count = if let Schema::Endings { endings, .. } = task.schema { endings.len() } else { 0 };
    let ending = |text: &str| {
        let known = text.parse().ok().filter(|&number: &u32| (number as usize) < count);
        known.ok_or_else(|| format!("found `{text}`, expected the number of an ending, 0 to {}", count - 1))
    };
    let (predictions, references) = read_rows(args)?;
    let predictions = values(&args.predictions, &predictions, ending)?;
    let labels = values(&args.references, &references, ending)?;
    let intervals = interval::of_classification(task.metrics, &predictions, &labels, INTERVAL_SEED);
    Ok(fractions(task.name, labels.len(), &classification_scores(task.metrics, &predictions, &labels), &intervals))
}

/// A label by its name or its number.
fn class(labels: &[&str], text: &str) -> Result<u32, String> {
    let by_name = labels.iter().position(|&label| label == text);
    let by_number = || text.parse().ok().filter(|&number: &usize| number < labels.len());
    by_name.or_else(by_number).map(|class| class as u32).ok_or_else(|| {
        let last = labels.len() - 1;
        format!("unknown label `{text}`, expected one of {} or a number from 0 to {last}", labels.join(", "))
    })
}

fn number(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite());
    value.ok_or_else(|| format!("found `{text}`, expected a finite number"))
}

/// A tag as written, or by its number on the hub.
fn tag(labels: &[&str], text: &str) -> Result<String, String> {
    let by_number = text.parse().ok().and_then(|number: usize| labels.get(number));
    let tag = by_number.map_or(text, |tag| tag).to_string();
    crate::score::entity::entities(&[&tag]).map_err(|error| error.to_string())?;
    Ok(tag)
}

fn fractions(task: &str, examples: usize, scores: &Scores, intervals: &[Option<Interval>]) -> Outcome {
    let keys = scores.iter().map(|(metric, value)| (metric.name().to_string(), Value::from(*value))).collect();
    let mut lines = vec![format!("{task}: {examples} examples; fractions, 95 % bootstrap over examples")];
    for ((metric, value), interval) in scores.iter().zip(intervals) {
        let value = value.map_or("undefined".to_string(), |value| format!("{value:.6}"));
        let interval = interval.map_or(String::new(), |(low, high)| format!("  [{low:.4}, {high:.4}]"));
        lines.push(format!("{:<12} {value}{interval}", metric.name()));
    }
    Outcome { keys, lines }
}

/// The questions to be answered, from SQuAD's JSON or the hub's parquet.
fn read_squad_references(path: &Path) -> Result<Vec<Question>, CliError> {
    if path.extension().is_some_and(|extension| extension == "parquet") {
        let rows = crate::dataset::squad_references(path).map_err(|error| CliError::new(Exit::Usage, error))?;
        return Ok(rows.into_iter().map(|(id, answers)| Question { id, answers }).collect());
    }
    Ok(squad::files::read_questions(path)?)
}

/// An error of scoring, with the file it is about.
fn squad_error(args: &ScoreArgs, error: &SquadError) -> CliError {
    let file = match error {
        SquadError::NoQuestions | SquadError::NoGoldAnswer(_) | SquadError::DuplicateQuestion(_) => &args.references,
        SquadError::MissingProbability(_)
        | SquadError::DuplicateProbability(_)
        | SquadError::ProbabilityNotFinite(_) => args.na_probs.as_ref().unwrap_or(&args.predictions),
        SquadError::MissingPrediction { .. } | SquadError::DuplicatePrediction(_) => &args.predictions,
    };
    FileError::of(file, error.to_string()).into()
}

fn squad_v1(args: &ScoreArgs, console: &Console) -> Result<Outcome, CliError> {
    let questions = read_squad_references(&args.references)?;
    let predictions = squad::files::read_predictions(&args.predictions)?;
    let scores = squad::evaluate_v1(&questions, &predictions).map_err(|error| squad_error(args, &error))?;
    note_extra(&questions, &predictions, console);
    if let Some(first) = scores.unanswered.first() {
        let count = scores.unanswered.len();
        note(
            console,
            &format!("{count} questions without a prediction score 0, as officially; the first is `{first}`"),
        );
    }
    Ok(percents("squad", scores.official(), scores.questions.len(), &[]))
}

fn squad_v2(args: &ScoreArgs, console: &Console) -> Result<Outcome, CliError> {
    let questions = read_squad_references(&args.references)?;
    let predictions = squad::files::read_predictions(&args.predictions)?;
    let probabilities = args.na_probs.as_deref().map(squad::files::read_probabilities).transpose()?;
    let threshold = args.na_prob_thresh.unwrap_or(squad::OFFICIAL_THRESHOLD);
    let scores = squad::evaluate_v2(&questions, &predictions, probabilities.as_deref(), threshold)
        .map_err(|error| squad_error(args, &error))?;
    note_extra(&questions, &predictions, console);
    let areas = scores.average_precision.map(|area| [area.exact, area.f1, area.oracle]);
    let areas = areas.into_iter().flatten().zip(["pr_exact_ap", "pr_f1_ap", "pr_oracle_ap"]);
    let areas: Vec<(&str, f64)> = areas.map(|(area, name)| (name, 100.0 * area)).collect();
    Ok(percents("squad_v2", scores.official(), scores.questions.len(), &areas))
}

/// Keys in percent. The areas are for people only: the script prints them with its images, not among these keys.
fn percents(task: &str, keys: Map<String, Value>, questions: usize, areas: &[(&str, f64)]) -> Outcome {
    let mut lines = vec![format!("{task}: {questions} questions; scores in percent")];
    lines.extend(keys.iter().map(|(key, value)| format!("{key:<18} {value}")));
    lines.extend(areas.iter().map(|(key, value)| format!("{key:<18} {value}")));
    Outcome { keys, lines }
}

/// The official scripts ignore predictions for questions that are not asked; so do we, but not in silence.
fn note_extra(questions: &[Question], predictions: &[(String, String)], console: &Console) {
    let asked: HashSet<&str> = questions.iter().map(|question| question.id.as_str()).collect();
    let extra: Vec<&str> = predictions.iter().map(|(id, _)| id.as_str()).filter(|id| !asked.contains(id)).collect();
    if let Some(first) = extra.first() {
        note(console, &format!("{} predictions for unknown questions ignored; the first is `{first}`", extra.len()));
    }
}

/// A remark on standard error, which leaves the result alone.
fn note(console: &Console, text: &str) {
    if !console.quiet {
        eprintln!("note: {text}");
    }
}
