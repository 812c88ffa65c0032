//! How fast a run goes, how long it still takes, and which of its events deserve a line.
//!
//! Speed and rest are means over the steps since the run started or was resumed, from the seconds that the steps
//! themselves report. The rest covers training steps only: evaluations come on top.

use crate::event::{Event, Stage, StepEvent};

/// Seconds of training between two step lines, at least.
const SHORTEST: f64 = 10.0;
/// Seconds of training after which a line is due even between two tenths of the run.
const LONGEST: f64 = 60.0;

/// Sums over the steps of a run.
#[derive(Debug, Default)]
pub struct Pace {
    steps: u64,
    tokens: u64,
    seconds: f64,
    /// `seconds` and the tenth of the run at the last step line.
    shown: (f64, u64),
    stage: Option<(Stage, String)>,
}

impl Pace {
    /// Takes an event of the run into account.
    pub fn see(&mut self, event: &Event) {
        if let Event::Step { step, .. } = event {
            self.steps += 1;
            self.tokens += step.tokens;
            self.seconds += step.seconds;
        }
    }

    /// Real tokens per second, once a step has taken time.
    pub fn tokens_per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.tokens as f64 / self.seconds)
    }

    /// Seconds of training that remain, by the mean step so far.
    pub fn remaining(&self, step: &StepEvent) -> Option<f64> {
        let left = step.total_steps.saturating_sub(step.step) as f64;
        (self.steps > 0).then(|| left * self.seconds / self.steps as f64)
    }

    /// Whether a log shall show this step: at each tenth of the run, but ten seconds apart, and once a minute.
    pub fn step_is_due(&mut self, step: &StepEvent) -> bool {
        let tenth = 10 * step.step / step.total_steps.max(1);
        let since = self.seconds - self.shown.0;
        let due = since >= LONGEST || (since >= SHORTEST && tenth > self.shown.1);
        if due {
            self.shown = (self.seconds, tenth);
        }
        due
    }

    /// Whether this progress event ends its stage, for the first time. Where no total is known, the first event is all
    /// a log will say. Training and evaluation have lines of their own.
    pub fn stage_ended(&mut self, event: &Event) -> bool {
        let Event::Progress { stage, what, done, total } = event else { return false };
        let own_lines = matches!(stage, Stage::Train | Stage::Evaluate);
        let key = Some((*stage, what.clone()));
        if own_lines || total.is_some_and(|total| *done < total) || self.stage == key {
            return false;
        }
        self.stage = key;
        true
    }
}
