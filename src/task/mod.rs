//! Tasks as data: where a task's rows come from, what its columns and labels are called, and how it is scored.
//!
//! Row counts and label order are those of the hub's files; `dataset` proves them when a split is read.

mod features;
mod table;

pub use features::{FeatureBased, FeatureKind, LSTM_LAYERS};
pub use table::{TASKS, find};

use crate::score::Metric;
use std::fmt;

/// Whether a repository's rows are made by this project (`data/hub`) and say nothing of any published result.
pub fn is_synthetic(repository: &str) -> bool {
    repository.starts_with("repro/")
}

/// What the model predicts for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// One of the task's labels, from the pooled output.
    Classification,
    /// A number, from the pooled output (mean squared error).
    Regression,
    /// An answer span, from every token's state.
    Span,
    /// An answer span whose end is predicted from its start, and whether there is one (XLNet); never a task's own, but what a
    /// recipe makes of [`Head::Span`].
    BeamSpan,
    /// A label for every token (BERT, Section 5.3).
    Tokens,
    /// The same from a BiLSTM over what a frozen encoder says; never a task's own, but what a recipe makes of
    /// [`Head::Tokens`].
    FeatureBased(FeatureBased),
    /// One of an example's sequences (BERT, Section 4.4): a score for each from the pooled output, softmax over them.
    Choice,
    /// Masked words from their tokens' states, and the next sentence from the pooled output (BERT, Section 3.1).
    Pretraining,
}

impl Head {
    /// Whether it reads the pooled state of each sequence's first token.
    pub fn pools(self) -> bool {
        !self.reads_every_token()
    }

    /// Whether it reads the state of every token.
    pub fn reads_every_token(self) -> bool {
        matches!(self, Head::Span | Head::BeamSpan | Head::Tokens | Head::FeatureBased(_))
    }

    /// Whether the encoder's parameters stay what they are.
    pub fn freezes_encoder(self) -> bool {
        matches!(self, Head::FeatureBased(_))
    }
}

/// What an input row looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// One text column.
    Single(&'static str),
    /// Two text columns.
    Pair(&'static str, &'static str),
    /// SQuAD: question, context and a list of answers; `unanswerable` questions have none.
    Question { unanswerable: bool },
    /// Lists of words and of their tags.
    Tagged { words: &'static str, tags: &'static str },
    /// A text, the beginning of what follows it, and several endings of that, one of which is right.
    Endings { text: &'static str, beginning: &'static str, endings: &'static [&'static str] },
}

impl Schema {
    /// The text columns of a GLUE row in the order in which they are encoded; none for rows of another form.
    pub fn text_columns(self) -> Vec<&'static str> {
        match self {
            Schema::Single(first) => vec![first],
            Schema::Pair(first, second) => vec![first, second],
            Schema::Question { .. } | Schema::Tagged { .. } | Schema::Endings { .. } => Vec::new(),
        }
    }
}

/// The data set repository of a task on the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubDataset {
    /// `owner/name` of the repository.
    pub repository: &'static str,
    /// Folder (config) inside it.
    pub config: &'static str,
}

/// What a split is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitRole {
    /// Fine-tuned on.
    Train,
    /// Scored after training.
    Dev,
    /// Hidden or public labels; predicted for the GLUE server only.
    Test,
}

/// One split of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Name on the hub (`validation_matched`).
    pub name: &'static str,
    /// What it is for.
    pub role: SplitRole,
    /// Task key of `data/published` (`mnli_m`), which tells the two MNLI sets apart.
    pub claim: &'static str,
    /// Published number of rows of the official release.
    pub rows: usize,
    /// Whether the labels are hidden (-1 on the hub).
    pub hidden: bool,
}

/// A release of a data set that differs from the one a paper used, recognised by its row count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Split it is recognised by.
    pub split: &'static str,
    /// Its number of rows.
    pub rows: usize,
    /// What to call it in records and tables.
    pub name: &'static str,
}

/// Everything that differs between tasks.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Name on the hub and in specs: `mrpc`.
    pub name: &'static str,
    /// Name for people: `MRPC`.
    pub title: &'static str,
    /// Raised by anything that could move a score; part of every RunId.
    pub version: u32,
    /// Where the rows are.
    pub dataset: HubDataset,
    /// Their columns.
    pub schema: Schema,
    /// What is predicted.
    pub head: Head,
    /// Label names in the hub's order; empty unless `head` classifies sequences or tokens.
    pub labels: &'static [&'static str],
    /// Metrics in the order in which they are shown; the first one selects.
    pub metrics: &'static [Metric],
    /// The splits, train first. A task without a train split (`ax`) cannot be fine-tuned.
    pub splits: &'static [Split],
    /// Releases of the data to be told apart by name.
    pub releases: &'static [Release],
    /// File name in the GLUE server's zip per test split, in the order of `splits`; empty if the server has none.
    pub server_files: &'static [&'static str],
}

impl Task {
    /// Whether rows are the task's own: of its repository, or its original files in a folder.
    pub fn has_own_rows(&self, data: &str) -> bool {
        [self.dataset.repository, "folder"].contains(&data)
    }

    /// The metric that selection and the headline use.
    pub fn primary_metric(&self) -> Metric {
        self.metrics[0]
    }

    /// The splits with a role, in order.
    pub fn splits_with(&self, role: SplitRole) -> impl Iterator<Item = &'static Split> + use<> {
        self.splits.iter().filter(move |split| split.role == role)
    }

    /// Outputs of the head: number of labels, 1 for regression and for choices, 2 (start and end) for spans.
    pub fn num_labels(&self) -> usize {
        match self.head {
            Head::Classification | Head::Tokens | Head::FeatureBased(_) => self.labels.len(),
            Head::Regression | Head::Choice => 1,
            Head::Span | Head::BeamSpan | Head::Pretraining => 2,
        }
    }

    /// What a class is called; endings have numbers only.
    pub fn label_name(&self, class: u32) -> String {
        self.labels.get(class as usize).map_or_else(|| class.to_string(), |label| label.to_string())
    }

    /// The path of a split's first parquet file in the repository, as the hub names it.
    pub fn split_file(&self, split: &str) -> String {
        format!("{}/{split}-00000-of-00001.parquet", self.dataset.config)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
