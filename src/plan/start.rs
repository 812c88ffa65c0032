//! Runs that start from another task's model (`start_from`): which runs that may be, and that they come first.

use super::identity::run_id;
use super::{PlanError, Run};

/// Tells runs that start from another task whose models may be meant, and puts them behind all others.
///
/// The other task's runs are those of the same checkpoint, whatever their grid point and seed; the best on dev is taken when
/// its time comes. Their ids are part of the run's own.
pub fn link(runs: Vec<Run>) -> Result<Vec<Run>, PlanError> {
    let (mut later, first): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.recipe.start_from.is_some());
    for run in &mut later {
        let name = run.recipe.start_from.as_deref();
        // A model that reads every token may have no pooler, which a sequence's would miss.
        let alike = |other: &Run| other.head().pools() == run.head().pools();
        let meant = |other: &&Run| Some(other.task.name) == name && other.checkpoint == run.checkpoint && alike(other);
        run.start_from = first.iter().filter(meant).map(|other| other.id.clone()).collect();
        if run.start_from.is_empty() {
            let name = name.unwrap_or_default();
            let message = format!(
                "`start_from` is `{name}`, expected a task of this experiment, read as this one is, whose runs start from the checkpoint itself"
            );
            return Err(PlanError::Recipe { task: run.task.name, message });
        }
        run.id = run_id(run);
    }
    Ok([first, later].concat())
}
