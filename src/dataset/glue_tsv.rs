//! GLUE rows from the folder that the original download leaves: `CoLA/train.tsv`, `MNLI/dev_matched.tsv`, ….
//!
//! Each task has its own column names, and CoLA no header outside its test file. MRPC can't be redistributed, so it is
//! also read from Microsoft's own `msr_paraphrase_train.txt`, of which GLUE's `dev_ids.tsv` tells the dev rows apart.
//! Ids are row numbers from 0, as on the hub.

use super::label;
use super::tsv::{Line, Tsv};
use super::{DatasetError, Example, Label, Loaded};
use crate::task::{Head, Split, SplitRole, Task};
use std::collections::BTreeSet;
use std::path::Path;

/// How a task's TSV files are laid out.
struct Layout {
    /// Name in the task table.
    task: &'static str,
    /// Folder of the download.
    folder: &'static str,
    /// Text columns in the order in which they are encoded.
    texts: &'static [&'static str],
    /// Label column.
    label: &'static str,
    /// Labels are the digits of the hub's order instead of names.
    digits: bool,
    /// QQP's published files have a few broken lines; the hub's conversion leaves them out, and so do we.
    skips_broken_lines: bool,
}

const SENTENCES: &[&str] = &["sentence1", "sentence2"];
const QUESTIONS: &[&str] = &["question1", "question2"];
const MRPC: &[&str] = &["#1 String", "#2 String"];

const fn layout(
    task: &'static str,
    folder: &'static str,
    texts: &'static [&'static str],
    label: &'static str,
    digits: bool,
) -> Layout {
    Layout { task, folder, texts, label, digits, skips_broken_lines: false }
}

const LAYOUTS: &[Layout] = &[
    layout("cola", "CoLA", &["sentence"], "label", true),
    layout("sst2", "SST-2", &["sentence"], "label", true),
    layout("mrpc", "MRPC", MRPC, "Quality", true),
    layout("stsb", "STS-B", SENTENCES, "score", false),
    Layout { skips_broken_lines: true, ..layout("qqp", "QQP", QUESTIONS, "is_duplicate", true) },
    layout("mnli", "MNLI", SENTENCES, "gold_label", false),
    layout("qnli", "QNLI", &["question", "sentence"], "label", false),
    layout("rte", "RTE", SENTENCES, "label", false),
    layout("wnli", "WNLI", SENTENCES, "label", true),
    layout("ax", "diagnostic", SENTENCES, "label", false),
];

/// Columns of CoLA's train and dev files, which have no header: source, label, the author's mark, sentence.
const COLA_COLUMNS: &[&str] = &["source", "label", "mark", "sentence"];
/// Microsoft's training file: GLUE's train and dev rows together.
const MRPC_TRAIN: &str = "MRPC/msr_paraphrase_train.txt";
/// Its dev rows, as pairs of sentence ids without a header.
const MRPC_DEV_IDS: &str = "MRPC/dev_ids.tsv";

/// The rows of a split, from the first of its possible files that exists.
pub(super) fn read_folder(folder: &Path, task: &Task, split: &Split) -> Result<Loaded, DatasetError> {
    let names = file_names(task, split);
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let path = found.ok_or_else(|| DatasetError::NoFile {
        folder: folder.to_owned(),
        task: task.name,
        split: split.name,
        names,
    })?;
    let loaded = read_file(&path, task, split)?;
    if path.ends_with(MRPC_TRAIN) { mrpc_part(folder, loaded, split) } else { Ok(loaded) }
}

/// The rows of one file.
pub(super) fn read_file(path: &Path, task: &Task, split: &Split) -> Result<Loaded, DatasetError> {
    let layout = LAYOUTS.iter().find(|layout| layout.task == task.name).expect("every GLUE task has a layout");
    let without_header = task.name == "cola" && split.role != SplitRole::Test;
    let tsv = Tsv::open(path, without_header.then_some(COLA_COLUMNS))?;
    let columns = Columns::find(&tsv, layout, split)?;
    let mut examples = Vec::new();
    let (mut broken, mut long) = (0, 0);
    for (row, line) in tsv.lines().enumerate() {
        if layout.skips_broken_lines && columns.broken(&tsv, &line) {
            broken += 1;
            continue;
        }
        long += usize::from(line.fields.len() > tsv.width());
        examples.push(columns.example(&tsv, task, split, row, &line)?);
    }
    let warnings = [
        (broken, "incomplete lines left out, as the hub's conversion leaves them out"),
        (long, "lines have more columns than the header"),
    ];
    let counted = warnings.into_iter().filter(|(count, _)| *count > 0);
    let warnings = counted.map(|(count, what)| format!("{}: {count} {what}", path.display())).collect();
    Ok(Loaded { path: path.to_owned(), examples, warnings })
}

/// Where a split may lie, the most usual place first.
fn file_names(task: &Task, split: &Split) -> Vec<String> {
    let folder = LAYOUTS.iter().find(|layout| layout.task == task.name).map_or("", |layout| layout.folder);
    let usual = format!("{folder}/{}.tsv", split.name.replace("validation", "dev"));
    match (task.name, split.role) {
        ("ax", _) => vec!["diagnostic/diagnostic.tsv".to_owned(), "AX/AX.tsv".to_owned()],
        ("mrpc", SplitRole::Test) => vec![usual, "MRPC/msr_paraphrase_test.txt".to_owned()],
        ("mrpc", _) => vec![usual, MRPC_TRAIN.to_owned()],
        _ => vec![usual],
    }
}

/// Where the texts and the label are in a line.
struct Columns {
    texts: Vec<usize>,
    /// `None` in test files, which have no label column at all.
    label: Option<usize>,
    digits: bool,
}

impl Columns {
    /// Finds them by name, since train, dev and test files of a task differ in their columns.
    fn find(tsv: &Tsv, layout: &Layout, split: &Split) -> Result<Self, DatasetError> {
        let texts: Result<Vec<usize>, _> = layout.texts.iter().map(|name| tsv.column(name)).collect();
        let label = match (tsv.column(layout.label), split.role) {
            (Ok(column), _) => Some(column),
            (Err(_), SplitRole::Test) => None,
            (Err(error), _) => return Err(error),
        };
        Ok(Columns { texts: texts?, label, digits: layout.digits })
    }

    /// A line that the hub's conversion drops: a column is absent, or the label is empty.
    fn broken(&self, tsv: &Tsv, line: &Line) -> bool {
        line.fields.len() < tsv.width() || self.label.is_some_and(|label| line.fields[label].is_empty())
    }

    fn example(&self, tsv: &Tsv, task: &Task, split: &Split, row: usize, line: &Line) -> Result<Example, DatasetError> {
        if line.fields.len() < tsv.width() {
            let (found, expected) = (line.fields.len(), tsv.width());
            return Err(tsv.at(line.number).wrong(format!("{found} columns"), format!("{expected}")));
        }
        let mut texts = self.texts.iter().map(|&column| line.fields[column].to_owned());
        Ok(Example {
            id: row.to_string(),
            first: texts.next().expect("every layout has a text column"),
            second: texts.next(),
            parts: Vec::new(),
            label: self.label(tsv, task, split, line)?,
        })
    }

    /// The label as this layout spells it.
    fn label(&self, tsv: &Tsv, task: &Task, split: &Split, line: &Line) -> Result<Option<Label>, DatasetError> {
        let Some(column) = self.label else { return Ok(None) };
        let (text, at) = (line.fields[column], tsv.at(line.number));
        if task.head == Head::Regression {
            let number = text.parse().map_err(|_| at.wrong(format!("score `{text}`"), "a number from 0 to 5"))?;
            return label::score(split, number, &at);
        }
        if !self.digits {
            return label::named(task, text, &at);
        }
        let number = text.parse().map_err(|_| at.wrong(format!("label `{text}`"), "a number"))?;
        label::class(task, split, number, &at)
    }
}

/// The train or the dev rows of `msr_paraphrase_train.txt`. Both keep its row numbers as ids.
fn mrpc_part(folder: &Path, loaded: Loaded, split: &Split) -> Result<Loaded, DatasetError> {
    let ids = Tsv::open(&folder.join(MRPC_DEV_IDS), Some(&["#1 ID", "#2 ID"]))?;
    let pairs: BTreeSet<Vec<String>> = ids.lines().map(|line| owned(&line.fields)).collect();
    let tsv = Tsv::open(&loaded.path, None)?;
    let (first, second) = (tsv.column("#1 ID")?, tsv.column("#2 ID")?);
    let in_dev = tsv.lines().map(|line| pairs.contains(&owned(&[line.fields[first], line.fields[second]])));
    let wanted =
        loaded.examples.into_iter().zip(in_dev).filter(|(_, in_dev)| *in_dev == (split.role == SplitRole::Dev));
    Ok(Loaded { examples: wanted.map(|(example, _)| example).collect(), ..loaded })
}

fn owned(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| field.to_string()).collect()
}
