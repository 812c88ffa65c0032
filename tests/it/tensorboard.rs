//! The event file of a run: equal runs give equal bytes, resumed or not.

use repro::event::{Event, Observer, StepEvent};
use repro::score::Metric;
use repro::tensorboard::{TensorBoard, Writer, file_name};
use std::path::Path;
use std::process::Command;

fn step(step: u64) -> Event {
    let (loss, learning_rate) = (1.0 / step as f64, 1e-5 * step as f64);
    let step = StepEvent { step, total_steps: 6, loss, learning_rate, gradient_norm: 2.0, tokens: 100, seconds: 0.0 };
    Event::Step { run: "run".into(), step }
}

fn evaluation(step: u64) -> Event {
    let scores = vec![(Metric::F1, Some(0.75)), (Metric::Pearson, None)];
    Event::Evaluated { run: "run".into(), step, epoch: 1.0, split: "validation".into(), loss: 0.5, scores }
}

/// Steps of the range, dev after the third.
fn train(writer: Writer, steps: std::ops::RangeInclusive<u64>) {
    let observer = TensorBoard::new("run", writer, 0.0);
    for number in steps {
        observer.observe(&step(number));
        if number == 3 {
            observer.observe(&evaluation(number));
        }
        observer.observe(&Event::Step { run: "another".into(), step: StepEvent { loss: 9.0, ..step_values(number) } });
    }
    assert!(observer.take_error().is_none());
}

fn step_values(number: u64) -> StepEvent {
    let Event::Step { step, .. } = step(number) else { unreachable!("`step` makes steps") };
    step
}

fn whole(path: &Path) -> Vec<u8> {
    train(Writer::create(path, 0.0).unwrap(), 1..=6);
    std::fs::read(path).unwrap()
}

#[test]
fn a_resumed_file_is_the_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join(file_name("one")), folder.path().join(file_name("two")));
    let expected = whole(&one);
    train(Writer::create(&two, 0.0).unwrap(), 1..=5);
    // A kill in the middle of the fifth step's frame; the snapshot is of step 4.
    let bytes = std::fs::read(&two).unwrap();
    std::fs::write(&two, &bytes[..bytes.len() - 7]).unwrap();
    train(Writer::resume(&two, 4, 0.0).unwrap(), 5..=6);
    assert_eq!(std::fs::read(&two).unwrap(), expected);
}

#[test]
fn a_file_that_is_missing_or_none_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let expected = whole(&folder.path().join("b"));
    train(Writer::resume(&path, 4, 0.0).unwrap(), 1..=6);
    assert_eq!(std::fs::read(&path).unwrap(), expected);
    std::fs::write(&path, "no events").unwrap();
    train(Writer::resume(&path, 4, 0.0).unwrap(), 1..=6);
    assert_eq!(std::fs::read(&path).unwrap(), expected);
}

/// `REPRO_PYTHON=python cargo test --test it -- --ignored`
#[test]
#[ignore = "needs REPRO_PYTHON, a Python with tensorboard"]
fn tensorboard_reads_the_file() {
    const READ: &str =
        "import sys; from tensorboard.backend.event_processing.event_accumulator import EventAccumulator as E
e = E(sys.argv[1]); e.Reload()
for t in sorted(e.Tags()['scalars']): print(t, [(s.step, round(s.value, 7)) for s in e.Scalars(t)])";
    let python = std::env::var("REPRO_PYTHON").expect("REPRO_PYTHON names an interpreter");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file_name("run"));
    whole(&path);
    let output = Command::new(python).args(["-c", READ]).arg(&path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    let found: Vec<&str> = text.lines().collect();
    assert_eq!(
        found,
        [
            "train/grad_norm [(1, 2.0), (2, 2.0), (3, 2.0), (4, 2.0), (5, 2.0), (6, 2.0)]",
            "train/learning_rate [(1, 1e-05), (2, 2e-05), (3, 3e-05), (4, 4e-05), (5, 5e-05), (6, 6e-05)]",
            "train/loss [(1, 1.0), (2, 0.5), (3, 0.3333333), (4, 0.25), (5, 0.2), (6, 0.1666667)]",
            "validation/f1 [(3, 0.75)]",
            "validation/loss [(3, 0.5)]",
        ]
    );
}
