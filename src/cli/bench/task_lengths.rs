//! Token counts of a task's training rows, made by a checkpoint's own tokenizer.

use super::BenchArgs;
use crate::cli::{CliError, Patience, hub};
use crate::dataset::{self, Location, Origin, SplitFile};
use crate::encode::{EncodeSettings, Tokenizer, encode_split};
use crate::event::Silent;
use crate::exit::Exit;
use crate::fetch::{Fetched, Repository, checkpoint};
use crate::spec::pins::Pins;
use crate::spec::recipe::{DocStrideUnit, Truncation};
use crate::task::{self, Head, SplitRole, Task};

/// As `run_glue` has them; the rest is for SQuAD only.
const SETTINGS: EncodeSettings = EncodeSettings {
    max_seq_length: 128,
    truncation: Truncation::LongestFirst,
    doc_stride: 128,
    doc_stride_unit: DocStrideUnit::Step,
    max_query_length: 64,
    context_first: false,
    context_sentences: 0,
    both_orders: false,
};

/// The task of a name that is one sequence a row.
pub fn find(name: &str) -> Result<&'static Task, CliError> {
    let known: Vec<&str> = task::TASKS.iter().filter(|task| is_usable(task)).map(|task| task.name).collect();
    task::find(name).filter(|task| is_usable(task)).ok_or_else(|| {
        CliError::new(Exit::Usage, format!("--task: unknown task `{name}`, expected one of {}", known.join(", ")))
    })
}

fn is_usable(task: &Task) -> bool {
    matches!(task.head, Head::Classification | Head::Regression) && task.splits_with(SplitRole::Train).next().is_some()
}

/// Tokens of each training row, special ones included.
pub fn lengths(task: &'static Task, args: &BenchArgs) -> Result<Vec<usize>, CliError> {
    let hub = hub(args.hub.as_deref(), false, Pins::default(), Patience::Usual)?;
    let split = task.splits_with(SplitRole::Train).next().expect("`find` lets no other task through");
    let repository = Repository::dataset(task.dataset.repository, None);
    let file = hub.fetch(&repository, &task.split_file(split.name), &Silent)?;
    let file = SplitFile { location: Location::File(file.path), origin: Origin::Official };
    let rows = dataset::read(task, split, &file, None).map_err(|error| CliError::new(Exit::Fetch, error))?;
    let files = checkpoint(hub.as_ref(), &Repository::model(&args.checkpoint, None), &Silent)?;
    let path = |file: &Option<Fetched>| file.as_ref().map(|file| file.path.clone());
    let [json, vocab, config] = [&files.tokenizer_json, &files.vocab, &files.tokenizer_config].map(path);
    let unusable = |error| CliError::new(Exit::Fetch, format!("checkpoint `{}`: {error}", args.checkpoint));
    let tokenizer = Tokenizer::from_files(json.as_deref(), vocab.as_deref(), config.as_deref()).map_err(unusable)?;
    let encoded = encode_split(&tokenizer, task, &rows.examples, &SETTINGS, &Silent).map_err(unusable)?;
    Ok(encoded.features.iter().map(|row| row.input_ids.len()).collect())
}
