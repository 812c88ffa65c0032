//! What a row of every mini-GLUE task is, and which function makes those of which task.

use crate::dice::Dice;
use crate::{acceptability, duplicates, entailment, inference, paraphrase, relevance, sentiment};

/// One row: its sentences and its label (a class index, or a similarity from 0 to 5).
pub struct Row {
    pub sentences: Vec<String>,
    pub label: f64,
}

impl Row {
    /// A row whose label is an index of the task's label names.
    pub fn of_class(sentences: Vec<String>, class: usize) -> Self {
        Row { sentences, label: class as f64 }
    }
}

/// A task of the mini-GLUE: its name, the rows of each split in the order of the task's table, and how a row is made.
pub struct Recipe {
    pub task: &'static str,
    pub rows: &'static [usize],
    pub make: fn(&mut Dice) -> Row,
}

/// Every task, in the order of BERT's tables.
pub const RECIPES: &[Recipe] = &[
    Recipe { task: "mnli", rows: &[2_000, 300, 300, 100, 100], make: entailment::mnli },
    Recipe { task: "qqp", rows: &[1_500, 400, 100], make: duplicates::qqp },
    Recipe { task: "qnli", rows: &[1_500, 400, 100], make: relevance::qnli },
    Recipe { task: "sst2", rows: &[1_500, 400, 100], make: sentiment::sst2 },
    Recipe { task: "cola", rows: &[1_500, 400, 100], make: acceptability::cola },
    Recipe { task: "stsb", rows: &[1_200, 300, 100], make: paraphrase::stsb },
    Recipe { task: "mrpc", rows: &[1_200, 300, 100], make: paraphrase::mrpc },
    Recipe { task: "rte", rows: &[1_000, 300, 100], make: inference::rte },
];
