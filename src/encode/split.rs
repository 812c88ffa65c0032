//! A whole split, example by example, on all threads, in the split's order whatever the number of threads.
//!
//! The context of a SQuAD paragraph is tokenized once for all the questions about it that stand next to each other.

use super::sequence::Sequence;
use super::windows::Windows;
use super::{EncodeError, EncodeSettings, Encoded, Features, Target, Tokenizer, words};
use crate::dataset::{Example, Label};
use crate::event::{Event, Observer, Stage};
use crate::task::{Head, Schema, Task};
use rayon::prelude::*;

/// Examples between two progress events.
const BATCH: usize = 4096;

/// What one example became.
pub(super) struct One {
    pub features: Vec<Features>,
    pub truncated: bool,
    pub answer_lost: bool,
}

/// Neighbouring examples about one context, and the index of the first of them in the split.
struct Group<'a> {
    first: usize,
    examples: &'a [Example],
}

/// Encodes a split: one sequence an example, two where both orders of a pair are read, one a window for SQuAD, one an ending
/// where there are several.
///
/// The first failing example, in the split's order, is the one that is reported.
pub fn encode_split(
    tokenizer: &Tokenizer,
    task: &Task,
    examples: &[Example],
    settings: &EncodeSettings,
    observer: &dyn Observer,
) -> Result<Encoded, EncodeError> {
    let mut encoded = Encoded::default();
    for (index, batch) in examples.chunks(BATCH).enumerate() {
        let groups = groups(task, index * BATCH, batch);
        let one = |group| encode_group(tokenizer, task, examples, group, settings);
        let results: Vec<_> = groups.par_iter().map(one).collect();
        for result in results {
            result?.into_iter().for_each(|one| encoded.push(one));
        }
        let (done, total) = (encoded.report.examples as u64, Some(examples.len() as u64));
        observer.observe(&Event::Progress { stage: Stage::Encode, what: task.name.to_owned(), done, total });
    }
    Ok(encoded)
}

impl Encoded {
    fn push(&mut self, one: One) {
        let report = &mut self.report;
        report.examples += 1;
        report.sequences += one.features.len();
        report.tokens += one.features.iter().map(|features| features.input_ids.len() as u64).sum::<u64>();
        report.truncated += usize::from(one.truncated);
        report.answers_lost += usize::from(one.answer_lost);
        self.features.extend(one.features);
    }
}

fn groups<'a>(task: &Task, first: usize, examples: &'a [Example]) -> Vec<Group<'a>> {
    let shared = matches!(task.schema, Schema::Question { .. });
    let mut first = first;
    let group = |examples: &'a [Example]| {
        first += examples.len();
        Group { first: first - examples.len(), examples }
    };
    examples.chunk_by(|one, next| shared && one.second == next.second).map(group).collect()
}

fn encode_group(
    tokenizer: &Tokenizer,
    task: &Task,
    all: &[Example],
    group: &Group,
    settings: &EncodeSettings,
) -> Result<Vec<One>, EncodeError> {
    let indexed = group.examples.iter().enumerate().map(|(offset, example)| (group.first + offset, example));
    if let Schema::Question { .. } = task.schema {
        let leader = &group.examples[0];
        let context = tokenizer.tokens(second(task, leader)?);
        let context = context.map_err(|reason| EncodeError::Text { id: leader.id.clone(), reason })?;
        let question = |(index, example)| encode_question(tokenizer, task, index, example, &context, settings);
        return indexed.map(question).collect();
    }
    let one = |(index, example)| match task.schema {
        Schema::Tagged { .. } => words::encode(tokenizer, task, all, index, settings),
        Schema::Endings { .. } => encode_endings(tokenizer, task, index, example, settings),
        _ => encode_texts(tokenizer, task, index, example, settings),
    };
    indexed.map(one).collect()
}

/// A sequence for each ending, which says which one of them is right.
fn encode_endings(
    tokenizer: &Tokenizer,
    task: &Task,
    index: usize,
    example: &Example,
    settings: &EncodeSettings,
) -> Result<One, EncodeError> {
    let target = match &example.label {
        None => None,
        Some(Label::Class(right)) => Some(Target::Choice(*right)),
        Some(other) => return Err(wrong_row(task, example, "a choice", kind(other))),
    };
    let endings: Vec<Texts> =
        example.parts.iter().map(|ending| (example.first.as_str(), Some(ending.as_str()))).collect();
    encode_together(tokenizer, (index, example), &endings, target.as_ref(), settings)
}

/// A sequence of one text or of two; of two also the other way round, where that is asked for.
fn encode_texts(
    tokenizer: &Tokenizer,
    task: &Task,
    index: usize,
    example: &Example,
    settings: &EncodeSettings,
) -> Result<One, EncodeError> {
    let first = example.first.as_str();
    let orders: Vec<Texts> = match task.schema {
        Schema::Single(_) => vec![(first, None)],
        _ => {
            let second = second(task, example)?;
            let orders = [(first, Some(second)), (second, Some(first))];
            orders[..if settings.both_orders { 2 } else { 1 }].to_vec()
        }
    };
    encode_together(tokenizer, (index, example), &orders, target(task, example)?.as_ref(), settings)
}

/// The one or two texts of a sequence.
type Texts<'a> = (&'a str, Option<&'a str>);

/// The sequences of an example that are predicted together.
fn encode_together(
    tokenizer: &Tokenizer,
    (index, example): (usize, &Example),
    sequences: &[Texts],
    target: Option<&Target>,
    settings: &EncodeSettings,
) -> Result<One, EncodeError> {
    let mut one = One { features: Vec::new(), truncated: false, answer_lost: false };
    for texts in sequences {
        let cut = settings.truncation.into();
        let sequence = Sequence::encode(tokenizer, &example.id, *texts, settings.max_seq_length, cut)?;
        one.truncated |= sequence.truncated;
        one.features.push(Features {
            example: index,
            together: sequences.len(),
            input_ids: sequence.input_ids,
            token_type_ids: sequence.token_type_ids,
            target: target.cloned(),
            window: None,
        });
    }
    Ok(one)
}

fn encode_question(
    tokenizer: &Tokenizer,
    task: &Task,
    index: usize,
    example: &Example,
    context: &super::Tokens,
    settings: &EncodeSettings,
) -> Result<One, EncodeError> {
    let mut windows = Windows::cut(tokenizer, (index, &example.id), &example.first, context, settings)?;
    // Training takes the first answer, as the released code and run_qa.py do; dev has several, scored elsewhere.
    let answer_lost = match &example.label {
        None => false,
        Some(Label::Answers(answers)) => windows.set_targets(answers.first()),
        Some(other) => return Err(wrong_row(task, example, "answers", kind(other))),
    };
    Ok(One { features: windows.features, truncated: windows.question_cut, answer_lost })
}

fn target(task: &Task, example: &Example) -> Result<Option<Target>, EncodeError> {
    match (task.head, &example.label) {
        (_, None) => Ok(None),
        (Head::Classification, Some(Label::Class(class))) => Ok(Some(Target::Class(*class))),
        (Head::Regression, Some(Label::Value(value))) => Ok(Some(Target::Value(*value))),
        (Head::Classification, Some(other)) => Err(wrong_row(task, example, "a class", kind(other))),
        (_, Some(other)) => Err(wrong_row(task, example, "a number", kind(other))),
    }
}

fn second<'a>(task: &Task, example: &'a Example) -> Result<&'a str, EncodeError> {
    example.second.as_deref().ok_or_else(|| wrong_row(task, example, "two texts", "one text"))
}

pub(super) fn wrong_row(task: &Task, example: &Example, expected: &'static str, found: &'static str) -> EncodeError {
    EncodeError::Row { id: example.id.clone(), task: task.name, expected, found }
}

pub(super) fn kind(label: &Label) -> &'static str {
    match label {
        Label::Class(_) => "a class",
        Label::Value(_) => "a number",
        Label::Answers(_) => "answers",
        Label::Tags(_) => "tags",
    }
}
