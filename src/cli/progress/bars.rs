//! Progress on a terminal: a bar for the steps of each run at work, one for the stage, and lines that scroll by above them.

use super::at_work::AtWork;
use super::text;
use crate::event::{Event, Observer, Stage, StepEvent};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

const STEPS: &str = "{prefix} {wide_bar} {pos}/{len} · {msg}";
const COUNTED: &str = "{prefix} {wide_bar} {human_pos}/{human_len}";
const BYTES: &str = "{prefix} {wide_bar} {bytes}/{total_bytes} · {bytes_per_sec}";
const UNCOUNTED: &str = "{prefix} {spinner} {human_pos}";

/// Draws on standard error; wiped when dropped, so that the table after it stands alone.
pub struct Bars {
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    at_work: AtWork,
    /// Bars of steps, by run.
    steps: BTreeMap<String, ProgressBar>,
    /// The stage's bar, and what it is about.
    stage: Option<(ProgressBar, Stage, String)>,
}

impl Bars {
    /// An empty screen.
    pub fn new() -> Self {
        Bars { screen: MultiProgress::new(), state: Mutex::default() }
    }

    fn add(&self, length: Option<u64>, template: &str, prefix: String) -> ProgressBar {
        let style = ProgressStyle::with_template(template).expect("the templates above are valid");
        let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
        self.screen.add(bar.with_style(style).with_prefix(prefix))
    }

    fn step(&self, state: &mut State, event: &Event, run: &str, step: &StepEvent) {
        if !state.steps.contains_key(run) {
            let prefix = state.at_work.named(event, "  training".into());
            state.steps.insert(run.to_owned(), self.add(Some(step.total_steps), STEPS, prefix));
        }
        let Some(bar) = state.steps.get(run) else { return };
        bar.set_message(text::speed(step, state.at_work.pace(event)));
        bar.set_position(step.step);
    }

    fn stage(&self, state: &mut State, stage: Stage, what: &str, done: u64, total: Option<u64>) {
        if !state.stage.as_ref().is_some_and(|(_, shown, about)| *shown == stage && about == what) {
            state.end_stage();
            let template = match (total, stage) {
                (None, _) => UNCOUNTED,
                (_, Stage::Fetch) => BYTES,
                _ => COUNTED,
            };
            let bar = self.add(total, template, format!("  {} {what}", text::present(stage)));
            state.stage = Some((bar, stage, what.to_string()));
        }
        if let Some((bar, ..)) = &state.stage {
            bar.set_position(done);
        }
        if total.is_some_and(|total| done >= total) {
            state.end_stage();
        }
    }
}

impl State {
    fn end_stage(&mut self) {
        if let Some((bar, ..)) = self.stage.take() {
            bar.finish_and_clear();
        }
    }

    fn end_run(&mut self, run: &str) {
        self.end_stage();
        if let Some(bar) = self.steps.remove(run) {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Bars {
    fn observe(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.at_work.see(event);
        match event {
            Event::Progress { stage: Stage::Train, .. } => {}
            Event::Progress { stage, what, done, total } => self.stage(&mut state, *stage, what, *done, *total),
            Event::Step { run, step } => self.step(&mut state, event, run, step),
            Event::RunFinished { run, .. } | Event::RunFailed { run, .. } => state.end_run(run),
            _ => state.end_stage(),
        }
        if let (false, Some(line)) = (matches!(event, Event::Progress { .. }), text::line(event)) {
            let _ = self.screen.println(state.at_work.named(event, line));
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.end_stage();
        std::mem::take(&mut state.steps).into_values().for_each(|bar| bar.finish_and_clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for template in [STEPS, COUNTED, BYTES, UNCOUNTED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn bars_follow_a_run_and_end_with_it() {
        let bars = Bars::new();
        let step = StepEvent {
            step: 3,
            total_steps: 10,
            loss: 0.25,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
            tokens: 100,
            seconds: 0.5,
        };
        bars.observe(&Event::Step { run: "r".into(), step });
        let steps = bars.state.lock().expect("not poisoned").steps["r"].clone();
        assert_eq!((steps.position(), steps.length()), (3, Some(10)));
        // 100 tokens in 0.5 s; 7 steps of 0.5 s remain, rounded up.
        assert_eq!(steps.message(), "loss 0.2500 · 200 tokens/s · 4 s left");
        bars.observe(&Event::RunFailed { run: "r".into(), label: "l".into(), error: "e".into() });
        assert!(steps.is_finished());
    }
}
