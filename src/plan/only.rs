//! `--only task=mrpc,rte`: narrows a plan without editing the spec. Several are met together.

use super::{PlanError, Run};
use crate::nearest::expected;

/// What a run can be narrowed by.
const KEYS: [&str; 3] = ["task", "checkpoint", "seed"];

/// One `--only`: a key and the values that stay.
#[derive(Debug)]
pub struct Only {
    argument: String,
    key: &'static str,
    values: Vec<String>,
}

impl Only {
    /// Reads `key=value,value`.
    pub fn parse(argument: &str) -> Result<Self, PlanError> {
        let wrong = |message: String| PlanError::Only { argument: argument.into(), message };
        let form = || wrong("expected `task=mrpc,rte`, `checkpoint=owner/name` or `seed=1`".into());
        let (key, values) = argument.split_once('=').ok_or_else(form)?;
        let unknown = || wrong(format!("unknown key `{key}`, {}", expected(key, KEYS)));
        let key = KEYS.into_iter().find(|known| *known == key).ok_or_else(unknown)?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            Err(form())
        } else {
            Ok(Only { argument: argument.into(), key, values })
        }
    }

    /// The runs that stay. A value that no run has is a mistake, not an empty plan.
    pub fn narrow(&self, runs: Vec<Run>) -> Result<Vec<Run>, PlanError> {
        for value in &self.values {
            if !runs.iter().any(|run| self.of(run) == *value) {
                return Err(self.absent(value, &runs));
            }
        }
        Ok(runs.into_iter().filter(|run| self.values.contains(&self.of(run))).collect())
    }

    fn of(&self, run: &Run) -> String {
        match self.key {
            "task" => run.task.name.into(),
            "checkpoint" => run.checkpoint.name.clone(),
            _ => run.seed.to_string(),
        }
    }

    fn absent(&self, value: &str, runs: &[Run]) -> PlanError {
        let mut present: Vec<String> = runs.iter().map(|run| self.of(run)).collect();
        present.sort();
        present.dedup();
        let expected = expected(value, present.iter().map(String::as_str));
        let message = format!("no run with {} `{value}`, {expected}", self.key);
        PlanError::Only { argument: self.argument.clone(), message }
    }
}
