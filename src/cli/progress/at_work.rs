//! The runs at work: each has a pace of its own, and is named in its lines where there are several.

use super::pace::Pace;
use crate::event::Event;

/// The runs that have started and not ended.
#[derive(Default)]
pub struct AtWork {
    runs: Vec<Run>,
    /// Of what belongs to no run that is known.
    other: Pace,
}

struct Run {
    id: String,
    /// Its place in the plan, from 1.
    number: usize,
    pace: Pace,
}

impl AtWork {
    /// Takes an event into account.
    pub fn see(&mut self, event: &Event) {
        match event {
            Event::RunStarted { run, index, .. } => {
                self.other = Pace::default();
                self.runs.push(Run { id: run.clone(), number: index + 1, pace: Pace::default() });
            }
            Event::RunFinished { run, .. } | Event::RunFailed { run, .. } => self.runs.retain(|known| known.id != *run),
            other => self.pace(other).see(other),
        }
    }

    /// The pace of the run that an event is of.
    pub fn pace(&mut self, event: &Event) -> &mut Pace {
        let run = of(event);
        match self.runs.iter_mut().find(|known| run == Some(known.id.as_str())) {
            Some(known) => &mut known.pace,
            None => &mut self.other,
        }
    }

    /// An event's line, with the number of its run where several are at work.
    pub fn named(&self, event: &Event, line: String) -> String {
        let run = self.runs.iter().find(|known| of(event) == Some(known.id.as_str()));
        match (run, line.strip_prefix("  ")) {
            (Some(run), Some(rest)) if self.runs.len() > 1 => format!("  run {} · {rest}", run.number),
            _ => line,
        }
    }
}

/// The run that an event says it is of.
fn of(event: &Event) -> Option<&str> {
    match event {
        Event::RunStarted { run, .. }
        | Event::RunSkipped { run, .. }
        | Event::RunResumed { run, .. }
        | Event::Step { run, .. }
        | Event::Evaluated { run, .. }
        | Event::RunFinished { run, .. }
        | Event::RunFailed { run, .. } => Some(run),
        Event::Progress { .. } | Event::Note(_) | Event::Warning(_) => None,
    }
}
