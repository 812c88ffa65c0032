//! TensorBoard event files: one a run, with the scalars of its steps and evaluations.
//!
//! The file is a sequence of TFRecord frames: length (u64, little endian), masked CRC-32C of the length, the bytes, masked
//! CRC-32C of the bytes. Each frame is a protobuf `Event` (tensorflow/core/util/event.proto), written by hand here, since
//! five fields need no code generator: `wall_time` = 1 (double), `step` = 2 (varint), `file_version` = 3 (string, first
//! frame only), `summary` = 5, in it `value` = 1, in it `tag` = 1 (string) and `simple_value` = 2 (float).
//!
//! Wall times are `started` plus the seconds the steps took, so that no clock is read here. A resumed run first drops the
//! frames after its snapshot (and a frame that a crash cut short), so that no step stands in the file twice.

mod crc32c;
mod frame;

use crate::event::{Event, Observer, StepEvent};
use frame::{event, varint_field};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

/// File name for a run. Readers ask only that it contain `tfevents`; TensorFlow puts the time and the host after it,
/// which would make two equal runs differ.
pub fn file_name(run: &str) -> String {
    format!("events.out.tfevents.0.{run}")
}

/// An open event file.
pub struct Writer {
    file: File,
}

impl Writer {
    /// Begins a new file, replacing an older one.
    pub fn create(path: &Path, started: f64) -> io::Result<Self> {
        let mut writer = Writer { file: File::create(path)? };
        writer.write(&frame::version(started))?;
        Ok(writer)
    }

    /// Goes on with a file after `step`: later frames and a torn last one are cut off. A missing file is begun, and so is
    /// one that is no event file from its first frame on.
    pub fn resume(path: &Path, step: u64, started: f64) -> io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let keep = frame::length_until(&bytes, step);
        if keep == 0 {
            return Writer::create(path, started);
        }
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(keep as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Writer { file })
    }

    /// Adds scalars of one step, in the order given, as one event.
    pub fn scalars(&mut self, step: u64, wall_time: f64, scalars: &[(&str, f64)]) -> io::Result<()> {
        let mut body = varint_field(2, step);
        body.extend(frame::summary(scalars));
        self.write(&event(wall_time, &body))
    }

    /// One frame is one write: a kill between two leaves whole frames.
    fn write(&mut self, event: &[u8]) -> io::Result<()> {
        self.file.write_all(&frame::framed(event))
    }
}

/// Writes the events of one run; a file that can't be written stops the file, not the run.
pub struct TensorBoard {
    run: String,
    state: Mutex<State>,
}

struct State {
    writer: Writer,
    wall_time: f64,
    error: Option<io::Error>,
}

impl TensorBoard {
    /// Observes `run`; `started` is its beginning in seconds since 1970, or 0 for files that do not vary.
    pub fn new(run: &str, writer: Writer, started: f64) -> Self {
        TensorBoard { run: run.to_string(), state: Mutex::new(State { writer, wall_time: started, error: None }) }
    }

    /// The first error of writing, once; events after it were dropped.
    pub fn take_error(&self) -> Option<io::Error> {
        self.lock().error.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere while the lock was held leaves a file of whole frames, which is all that is promised.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Observer for TensorBoard {
    fn observe(&self, event: &Event) {
        let mut state = self.lock();
        match event {
            Event::Step { run, step } if *run == self.run => state.step(step),
            Event::Evaluated { run, step, split, loss, scores, .. } if *run == self.run => {
                let scores = scores.iter().filter_map(|(metric, value)| Some((metric.name(), (*value)?)));
                state.evaluated(*step, split, std::iter::once(("loss", *loss)).chain(scores));
            }
            _ => {}
        }
    }
}

impl State {
    fn step(&mut self, step: &StepEvent) {
        self.wall_time += step.seconds;
        let scalars = [
            ("train/loss", step.loss),
            ("train/learning_rate", step.learning_rate),
            ("train/grad_norm", step.gradient_norm),
        ];
        self.scalars(step.step, &scalars);
    }

    fn evaluated<'a>(&mut self, step: u64, split: &str, values: impl Iterator<Item = (&'a str, f64)>) {
        let named: Vec<(String, f64)> = values.map(|(name, value)| (format!("{split}/{name}"), value)).collect();
        let scalars: Vec<(&str, f64)> = named.iter().map(|(tag, value)| (tag.as_str(), *value)).collect();
        self.scalars(step, &scalars);
    }

    fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) {
        if self.error.is_none() {
            self.error = self.writer.scalars(step, self.wall_time, scalars).err();
        }
    }
}
