//! The weights of a run that starts from another task's model (RoBERTa, Section 5.1: RTE, STS-B and MRPC from MNLI).

use super::Pipeline;
use super::inputs::InputError;
use super::run::better;
use crate::plan::Run;
use crate::record::{Record, Status, Store};
use std::path::PathBuf;

/// Whose model it is, and the file.
pub struct Start {
    /// Id of its run.
    pub run: String,
    /// Its task.
    pub task: String,
    /// Its weights.
    pub weights: PathBuf,
}

/// The records of the runs that are meant; else what stands between a run and its start, which of them are not recorded: the
/// best of some of them would be another start under the same id.
pub fn recorded(run: &Run, store: &Store) -> Result<Vec<Record>, String> {
    let records: Vec<Record> = run.start_from.iter().filter_map(|id| store.find(&id.0).ok().flatten()).collect();
    let (task, wanted) = (run.recipe.start_from.as_deref().unwrap_or_default(), run.start_from.len());
    match wanted - records.len() {
        0 => Ok(records),
        missing => Err(format!("{missing} of its {wanted} runs of `{task}` to start from are not recorded")),
    }
}

/// The best on dev of the runs that are meant; `None` for a run that starts from its checkpoint.
pub fn best(pipeline: &Pipeline, run: &Run, records: &[Record]) -> Result<Option<Start>, InputError> {
    let Some(task) = &run.recipe.start_from else { return Ok(None) };
    let failed = |reason: String| InputError::Start { task: task.clone(), reason };
    let best = records.iter().filter(|record| record.status == Status::Finished).fold(None, better);
    let best = best.ok_or_else(|| failed(format!("none of its {} runs learned", run.start_from.len())))?;
    let weights = pipeline.output.runs.join(&best.id).join("model/model.safetensors");
    if !weights.exists() {
        let text =
            format!("run `{}` has no `{}`, expected one kept by `--keep best` or `all`", best.id, weights.display());
        return Err(failed(text));
    }
    Ok(Some(Start { run: best.id.clone(), task: task.clone(), weights }))
}
