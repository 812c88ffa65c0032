//! Published claims: the tables of papers and READMEs in `data/published/*.yaml`, one file a source.
//!
//! A claim is one printed figure with everything needed to compare with it honestly: task, metric, split, the statistic
//! behind it (one run, median of 5, …), where it was read and whether a second pair of eyes confirmed it. It is named
//! `<paper key>/<table id>/<system>/<column id>`, as in `bert/bert_t1/BERT_BASE/mrpc.f1`; leaving parts off at the end
//! names a row or a whole table. No published figure stands in code: what is compared is always named this way.
//!
//! Values are as printed: percent, correlations times 100.

mod claim;
mod file;
mod read;
mod resolve;
mod statistic;
mod value;

pub use claim::{Claim, ClaimSplit, printed};
pub use file::{Average, Column, Hyperparameters, ModelMatch, Paper, Row, Table};
pub use resolve::Selection;
pub use statistic::Statistic;
pub use value::{Values, Word};

use std::path::{Path, PathBuf};

/// Every published file of a folder, by paper key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Published {
    papers: Vec<Paper>,
}

/// Why published numbers could not be read or found.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// The folder or a file of it cannot be read.
    #[error("published numbers in `{}` cannot be read: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not have the schema; the parser's message carries line and column.
    #[error("{}: {message}", path.display())]
    Format {
        /// File.
        path: PathBuf,
        /// Message with position.
        message: String,
    },
    /// Two files have one key, or a row has a value for a column that is not there.
    #[error("{}: {message}", path.display())]
    Content {
        /// File.
        path: PathBuf,
        /// What contradicts what.
        message: String,
    },
    /// A part of a reference names nothing.
    #[error("unknown {part} `{found}` in `{reference}`{}", did_you_mean(suggestion))]
    Unknown {
        /// `paper`, `table`, `system` or `column`.
        part: &'static str,
        /// What was written.
        found: String,
        /// The whole reference.
        reference: String,
        /// The nearest right name.
        suggestion: Option<String>,
    },
}

/// `, did you mean …` or nothing.
fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(", did you mean `{name}`")).unwrap_or_default()
}

impl Published {
    /// Reads every `*.yaml` of a folder.
    pub fn read(folder: &Path) -> Result<Published, PaperError> {
        let mut papers = Vec::new();
        for path in yaml_files(folder)? {
            papers.push(read::read(&path)?);
        }
        papers.sort_by(|a: &Paper, b: &Paper| a.paper.key.cmp(&b.paper.key));
        let doubled = papers.windows(2).find(|pair| pair[0].paper.key == pair[1].paper.key);
        let doubled = doubled.map(|pair| format!("two files have the key `{}`", pair[0].paper.key));
        let published = Published { papers };
        match doubled.or_else(|| published.dangling()) {
            Some(message) => Err(PaperError::Content { path: folder.to_path_buf(), message }),
            None => Ok(published),
        }
    }

    /// What is said of a row that points to a recipe that is in no file.
    fn dangling(&self) -> Option<String> {
        let of_table = |paper: &Paper, table: &Table| {
            let mut pointers = table.rows.iter().flat_map(|row| row.pointers().map(move |id| (row, id)));
            let (row, id) = pointers.find(|(_, id)| self.recipe(&paper.paper.key, id).is_none())?;
            Some(format!("`{}/{}`, row `{}`: no recipe `{id}`", paper.paper.key, table.id, row.system))
        };
        self.papers.iter().find_map(|paper| paper.tables.iter().find_map(|table| of_table(paper, table)))
    }

    /// The recipe that a row of a paper points to, and the key of the file that it is in: the paper's own, or another's as
    /// `paper/id`.
    pub fn recipe(&self, paper: &str, id: &str) -> Option<(&str, &Hyperparameters)> {
        let (paper, id) = id.split_once('/').unwrap_or((paper, id));
        let paper = self.paper(paper)?;
        let found = paper.hyperparameters.iter().find(|recipe| recipe.id == id)?;
        Some((paper.paper.key.as_str(), found))
    }

    /// The papers, by key.
    pub fn papers(&self) -> &[Paper] {
        &self.papers
    }

    /// The paper of that key.
    pub fn paper(&self, key: &str) -> Option<&Paper> {
        self.papers.iter().find(|paper| paper.paper.key == key)
    }
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, PaperError> {
    let failed = |source| PaperError::Io { path: folder.to_path_buf(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
