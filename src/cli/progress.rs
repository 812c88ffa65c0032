//! Observers that show progress: bars on a terminal, plain lines in a log, JSON lines for programs.
//!
//! What they say is made by pure functions ([`text`], [`json`]), when they say it by [`Pace`], which knows only the
//! events: no clock is read, so that a log of the same events is the same log.

mod at_work;
mod bars;
mod json;
mod pace;
mod text;

pub use bars::Bars;

use crate::event::{Event, Observer};
use at_work::AtWork;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// One line for each start and end of a run, evaluation and stage; a step only when it is due.
pub struct Plain<W: Write + Send> {
    inner: Mutex<(W, AtWork)>,
}

impl<W: Write + Send> Plain<W> {
    /// Lines go to `output`.
    pub fn new(output: W) -> Self {
        Plain { inner: Mutex::new((output, AtWork::default())) }
    }
}

impl<W: Write + Send> Observer for Plain<W> {
    fn observe(&self, event: &Event) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (output, at_work) = &mut *inner;
        at_work.see(event);
        let pace = at_work.pace(event);
        let line = match event {
            Event::Step { step, .. } if pace.step_is_due(step) => Some(text::step(step, pace)),
            Event::Progress { .. } if !pace.stage_ended(event) => None,
            other => text::line(other),
        };
        if let Some(line) = line.map(|line| at_work.named(event, line)) {
            // A closed log must not stop a run.
            let _ = writeln!(output, "{line}");
        }
    }
}

/// Every event as one JSON object on its own line.
pub struct JsonLines<W: Write + Send>(Mutex<W>);

impl<W: Write + Send> JsonLines<W> {
    /// Lines go to `output`.
    pub fn new(output: W) -> Self {
        JsonLines(Mutex::new(output))
    }
}

impl<W: Write + Send> Observer for JsonLines<W> {
    fn observe(&self, event: &Event) {
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(output, "{}", json::object(event)).and_then(|()| output.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Stage, StepEvent};

    /// What `Plain` writes for these events.
    fn log(events: &[Event]) -> String {
        let plain = Plain::new(Vec::new());
        events.iter().for_each(|event| plain.observe(event));
        String::from_utf8(plain.inner.into_inner().expect("not poisoned").0).expect("UTF-8")
    }

    fn step(step: u64, seconds: f64) -> Event {
        let step = StepEvent {
            step,
            total_steps: 100,
            loss: 0.5,
            learning_rate: 2e-5,
            gradient_norm: 1.0,
            tokens: 500,
            seconds,
        };
        Event::Step { run: "r".into(), step }
    }

    fn started() -> Event {
        Event::RunStarted { run: "r".into(), label: "mrpc · seed 1".into(), index: 0, count: 2 }
    }

    #[test]
    fn quick_run_shows_no_step_line() {
        let events: Vec<Event> = [started()].into_iter().chain((1..=100).map(|n| step(n, 0.05))).collect();
        assert_eq!(log(&events), "run 1 of 2: mrpc · seed 1\n");
    }

    #[test]
    fn slow_run_shows_a_step_at_each_tenth() {
        // 100 steps of 2 s: every tenth is 20 s apart, which is over the 10 s between lines. 500 tokens / 2 s = 250.
        let events: Vec<Event> = [started()].into_iter().chain((1..=30).map(|n| step(n, 2.0))).collect();
        let expected = "run 1 of 2: mrpc · seed 1\n\
                        \x20 step 10 of 100 · loss 0.5000 · 250 tokens/s · 3 min 00 s left\n\
                        \x20 step 20 of 100 · loss 0.5000 · 250 tokens/s · 2 min 40 s left\n\
                        \x20 step 30 of 100 · loss 0.5000 · 250 tokens/s · 2 min 20 s left\n";
        assert_eq!(log(&events), expected);
    }

    #[test]
    fn runs_at_work_at_once_have_paces_of_their_own_and_are_named() {
        let of = |run: &str, event: Event| match event {
            Event::RunStarted { index, count, .. } => {
                let index = index + usize::from(run == "s");
                Event::RunStarted { run: run.into(), label: format!("mrpc · {run}"), index, count }
            }
            Event::Step { step, .. } => Event::Step { run: run.into(), step },
            other => other,
        };
        let mut events = vec![of("r", started()), of("s", started())];
        events.extend((1..=10).flat_map(|n| [of("r", step(n, 2.0)), of("s", step(n, 1.0))]));
        events.push(Event::RunFailed { run: "s".into(), label: "mrpc · s".into(), error: "e".into() });
        events.extend((11..=20).map(|n| of("r", step(n, 2.0))));
        let expected = "run 1 of 2: mrpc · r\n\
                        run 2 of 2: mrpc · s\n\
                        \x20 run 1 · step 10 of 100 · loss 0.5000 · 250 tokens/s · 3 min 00 s left\n\
                        \x20 run 2 · step 10 of 100 · loss 0.5000 · 500 tokens/s · 1 min 30 s left\n\
                        failed mrpc · s (s): e\n\
                        \x20 step 20 of 100 · loss 0.5000 · 250 tokens/s · 2 min 40 s left\n";
        assert_eq!(log(&events), expected);
    }

    #[test]
    fn very_slow_run_shows_a_step_every_minute() {
        let events: Vec<Event> = [started()].into_iter().chain((1..=4).map(|n| step(n, 30.0))).collect();
        let text = log(&events);
        let shown: Vec<&str> = text.lines().skip(1).map(|line| &line[..8]).collect();
        assert_eq!(shown, ["  step 2", "  step 4"]);
    }

    #[test]
    fn stage_is_one_line_at_its_end() {
        let progress =
            |done| Event::Progress { stage: Stage::Encode, what: "mrpc train".into(), done, total: Some(3_668) };
        assert_eq!(
            log(&[progress(0), progress(2_000), progress(3_668), progress(3_668)]),
            "  encoded mrpc train: 3,668\n"
        );
    }

    #[test]
    fn json_is_one_object_a_line() {
        let lines = JsonLines::new(Vec::new());
        lines.observe(&started());
        lines.observe(&Event::Warning("two\nlines".into()));
        let bytes = lines.0.into_inner().expect("not poisoned");
        let text = String::from_utf8(bytes).expect("UTF-8");
        let expected = "{\"event\":\"run_started\",\"run\":\"r\",\"label\":\"mrpc · seed 1\",\"index\":0,\"count\":2}\n\
                        {\"event\":\"warning\",\"message\":\"two\\nlines\"}\n";
        assert_eq!(text, expected);
    }
}
