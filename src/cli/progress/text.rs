//! Events as lines for people. Pure: the same event is the same line.
//!
//! Scores stay fractions with four digits, as in records; an undefined one is said to be.

use super::pace::Pace;
use crate::event::{Event, Stage, StepEvent};
use crate::score::Scores;

/// The line of an event; `None` for steps, which need a [`Pace`].
pub fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Progress { stage, what, done, .. } => format!("  {} {what}: {}", past(*stage), amount(*stage, *done)),
        Event::RunStarted { label, index, count, .. } => format!("run {} of {count}: {label}", index + 1),
        Event::RunSkipped { run, label } => format!("skipped {label}: already recorded as {run}"),
        Event::RunResumed { step, .. } => format!("  resumed after step {step}"),
        Event::Step { .. } => return None,
        Event::Evaluated { step, epoch, split, loss, scores, .. } => {
            format!("  {split} after step {step} (epoch {epoch:.2}): {} · loss {loss:.4}", self::scores(scores))
        }
        Event::RunFinished { run, label, scores, seconds } => finished(run, label, scores, *seconds),
        Event::RunFailed { run, label, error } => format!("failed {label} ({run}): {error}"),
        Event::Note(message) => format!("  {message}"),
        Event::Warning(message) => format!("warning: {message}"),
    })
}

/// A step: `step 10 of 100 · loss 0.5000 · 250 tokens/s · 3 min 00 s left`, indented.
pub fn step(step: &StepEvent, pace: &Pace) -> String {
    format!("  step {} of {} · {}", step.step, step.total_steps, speed(step, pace))
}

/// What stands beside a bar: loss, speed and rest, as far as they are known.
pub fn speed(step: &StepEvent, pace: &Pace) -> String {
    let mut parts = vec![format!("loss {:.4}", step.loss)];
    parts.extend(pace.tokens_per_second().map(|rate| format!("{} tokens/s", thousands(rate.round() as u64))));
    parts.extend(pace.remaining(step).map(|seconds| format!("{} left", duration(seconds))));
    parts.join(" · ")
}

fn finished(run: &str, label: &str, splits: &[(String, Scores)], seconds: f64) -> String {
    let splits: Vec<String> = splits.iter().map(|(split, values)| format!("{split} {}", scores(values))).collect();
    format!("finished {label} ({run}) in {}: {}", duration(seconds), splits.join(" · "))
}

fn scores(scores: &Scores) -> String {
    let one = |(metric, value): &(crate::score::Metric, Option<f64>)| match value {
        Some(value) => format!("{} {value:.4}", metric.name()),
        None => format!("{} undefined", metric.name()),
    };
    scores.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What is being done in a stage, beside a bar.
pub fn present(stage: Stage) -> &'static str {
    match stage {
        Stage::Fetch => "fetching",
        Stage::Dataset => "reading",
        Stage::Encode => "encoding",
        Stage::Train => "training",
        Stage::Evaluate => "evaluating",
    }
}

fn past(stage: Stage) -> &'static str {
    match stage {
        Stage::Fetch => "fetched",
        Stage::Dataset => "read",
        Stage::Encode => "encoded",
        Stage::Train => "trained",
        Stage::Evaluate => "evaluated",
    }
}

fn amount(stage: Stage, done: u64) -> String {
    if stage == Stage::Fetch { bytes(done) } else { thousands(done) }
}

/// `640 B`, `12.3 kB`, `90.9 MB`, `1.3 GB`: powers of 1000.
fn bytes(count: u64) -> String {
    let scaled = |unit: f64| count as f64 / unit;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", scaled(1e3)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", scaled(1e6)),
        _ => format!("{:.1} GB", scaled(1e9)),
    }
}

/// `42 s`, `3 min 05 s`, `1 h 02 min`, whole seconds rounded up, so that nothing ends in "0 s left" too early.
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits are ASCII")).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Metric;

    #[test]
    fn amounts_carry_their_unit() {
        let lines =
            [(Stage::Fetch, 999), (Stage::Fetch, 90_868_376), (Stage::Fetch, 1_340_000_000), (Stage::Encode, 87_599)]
                .map(|(stage, done)| amount(stage, done));
        assert_eq!(lines, ["999 B", "90.9 MB", "1.3 GB", "87,599"]);
    }

    #[test]
    fn durations_round_up_to_seconds() {
        let texts = [0.0, 0.2, 59.0, 59.5, 185.0, 3599.9, 3720.0, f64::NAN].map(duration);
        assert_eq!(texts, ["0 s", "1 s", "59 s", "1 min 00 s", "3 min 05 s", "1 h 00 min", "1 h 02 min", "0 s"]);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 12, 123, 1_234, 1_234_567].map(thousands), ["0", "12", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn evaluation_names_every_metric_and_what_is_undefined() {
        let event = Event::Evaluated {
            run: "r".into(),
            step: 180,
            epoch: 1.0,
            split: "validation".into(),
            loss: 1.25,
            scores: vec![(Metric::Spearman, None), (Metric::Pearson, Some(0.87654))],
        };
        let expected = "  validation after step 180 (epoch 1.00): spearman undefined, pearson 0.8765 · loss 1.2500";
        assert_eq!(line(&event).as_deref(), Some(expected));
    }

    #[test]
    fn ends_of_runs_name_the_record() {
        let finished = Event::RunFinished {
            run: "0123456789abcdef".into(),
            label: "mrpc · seed 1".into(),
            scores: vec![("validation".into(), vec![(Metric::F1, Some(0.9)), (Metric::Accuracy, Some(0.86))])],
            seconds: 61.2,
        };
        let expected = "finished mrpc · seed 1 (0123456789abcdef) in 1 min 02 s: validation f1 0.9000, accuracy 0.8600";
        assert_eq!(line(&finished).as_deref(), Some(expected));
        let failed = Event::RunFailed { run: "ab".into(), label: "mnli".into(), error: "no train split".into() };
        assert_eq!(line(&failed).as_deref(), Some("failed mnli (ab): no train split"));
    }
}
