//! Makes `data/hub`, the embedded hub: small made-up data in GLUE's and SQuAD's own schemas, and a tiny random BERT.
//!
//! `cargo run --release --example embedded_hub` writes it, `… -- --check` compares what it would write with what is
//! there, byte by byte. Grammar, words and weights are this project's own; nothing is taken from a published data set,
//! and a score on it says nothing about one.

mod acceptability;
mod acceptability_forms;
mod acceptability_words;
mod checkpoint;
mod dice;
mod duplicate_words;
mod duplicates;
mod entailment;
mod entities;
mod entity_words;
mod facts;
mod frames;
mod glue;
mod inference;
mod names;
mod ner;
mod paraphrase;
mod parquet;
mod quantities;
mod questions;
mod relevance;
mod sentiment;
mod sentiment_words;
mod splits;
mod state;
mod story;
mod story_words;
mod village;
mod words;

use dice::Dice;
use glue::{RECIPES, Recipe, Row};
use ner::Tagged;
use questions::Question;
use repro::task::{self, Task};
use splits::{Sentences, deal};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Rows of train and dev.
const SQUAD_ROWS: [usize; 2] = [1_000, 250];
const NER_ROWS: [usize; 3] = [1_500, 300, 100];

impl Sentences for Row {
    fn sentences(&self) -> &[String] {
        &self.sentences
    }

    fn identity(&self) -> String {
        self.sentences.join("\n")
    }
}

impl Sentences for Question {
    fn sentences(&self) -> &[String] {
        &self.sentences
    }

    fn identity(&self) -> String {
        format!("{}\n{}", self.context, self.question)
    }
}

impl Sentences for Tagged {
    fn sentences(&self) -> &[String] {
        &self.sentences
    }

    fn identity(&self) -> String {
        self.sentences.join("\n")
    }
}

/// Path below the hub, and bytes.
type Files = Vec<(PathBuf, Vec<u8>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let check = std::env::args().any(|argument| argument == "--check");
    let hub = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub");
    let files = make()?;
    for (path, bytes) in &files {
        let path = hub.join(path);
        if check {
            compare(&path, bytes)?;
        } else {
            std::fs::create_dir_all(path.parent().expect("every file is in a folder"))?;
            std::fs::write(&path, bytes)?;
        }
    }
    let size: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    println!("{} files, {size} bytes: {}", files.len(), if check { "as committed" } else { "written" });
    Ok(())
}

fn compare(path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let there = std::fs::read(path).map_err(|error| format!("could not read {}: {error}", path.display()))?;
    if there == bytes { Ok(()) } else { Err(format!("{} is not what the generator writes", path.display()).into()) }
}

fn make() -> Result<Files, Box<dyn Error>> {
    let mut files = Files::new();
    let mut texts = Vec::new();
    for recipe in RECIPES {
        make_glue(recipe, &mut files, &mut texts)?;
    }
    make_squad("squad", questions::squad, &mut files, &mut texts)?;
    make_squad("squad_v2", questions::squad_v2, &mut files, &mut texts)?;
    make_ner(&mut files, &mut texts)?;
    let model = Path::new("models/repro/bert-tiny");
    files.extend(checkpoint::files(texts.iter()).into_iter().map(|(name, bytes)| (model.join(name), bytes)));
    Ok(files)
}

fn make_glue(recipe: &Recipe, files: &mut Files, texts: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    let task = known(recipe.task);
    let splits = deal(&mut Dice::named(task.name), recipe.rows, recipe.make);
    for (split, rows) in task.splits.iter().zip(&splits) {
        let path = Path::new("datasets/repro/mini-glue").join(task.split_file(split.name));
        files.push((path, parquet::glue(task, rows, split.hidden)?));
        texts.extend(rows.iter().flat_map(|row| row.sentences.clone()));
    }
    Ok(())
}

fn make_squad(
    name: &'static str,
    make: fn(&mut Dice) -> Question,
    files: &mut Files,
    texts: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    let task = known(name);
    let splits = deal(&mut Dice::named(task.name), &SQUAD_ROWS, make);
    for (split, rows) in task.splits.iter().zip(&splits) {
        let path = Path::new("datasets/repro/mini-squad").join(task.split_file(split.name));
        files.push((path, parquet::squad(rows, split.name)?));
        texts.extend(rows.iter().flat_map(|row| [row.context.clone(), row.question.clone()]));
    }
    Ok(())
}

fn make_ner(files: &mut Files, texts: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    let task = known("conll2003");
    if task.labels != ner::TAGS {
        return Err("the generator's tags are not those of the task".into());
    }
    let splits = deal(&mut Dice::named("ner"), &NER_ROWS, ner::ner);
    for (split, rows) in task.splits.iter().zip(&splits) {
        let path = Path::new("datasets/repro/mini-ner").join(task.split_file(split.name));
        files.push((path, parquet::tagged(task, rows)?));
        texts.extend(rows.iter().flat_map(|row| row.sentences.clone()));
    }
    Ok(())
}

fn known(name: &str) -> &'static Task {
    task::find(name).expect("the tasks made here are in the table")
}
