//! The files of a run's folder: `curve.csv`, TensorBoard events, predictions.
//!
//! | file | what |
//! |---|---|
//! | `curve.csv` | `step,loss,learning_rate,gradient_norm`, a line a step, as it happens |
//! | `events.out.tfevents.*` | the same and dev scores, for TensorBoard |
//! | `predictions.<split>.csv` | `id,prediction,label,logit_…` of every example |
//! | `predictions.json`, `null_odds.json`, `nbest_predictions.json`, `logits.safetensors` | the same for SQuAD; no logits of a beam search |
//! | `snapshot/`, `model/` | see `train::snapshot` and `export` |

use super::RunError;
use super::inputs::PreparedSplit;
use super::scoring::{Answers, SplitPredictions};
use crate::dataset::{Example, Label};
use crate::encode::answers::AnswerPrediction;
use crate::event::{Event, Observer};
use crate::export::atomic;
use crate::task::{Head, Task};
use crate::tensorboard::{self, TensorBoard, Writer};
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

const CURVE_HEADER: &str = "step,loss,learning_rate,gradient_norm\n";

/// Writes a run's curve and its TensorBoard events while it is trained, and hands every event on.
pub struct Live<'a> {
    run: String,
    folder: PathBuf,
    next: &'a dyn Observer,
    warned: AtomicBool,
    files: Mutex<Option<(File, TensorBoard)>>,
}

impl<'a> Live<'a> {
    /// Files in `folder`, begun by the first event.
    pub fn new(run: &str, folder: &Path, next: &'a dyn Observer) -> Live<'a> {
        Live {
            run: run.to_string(),
            folder: folder.to_path_buf(),
            next,
            warned: AtomicBool::new(false),
            files: Mutex::new(None),
        }
    }

    /// Keeps what an interrupted run wrote up to the step it goes on from; later steps happen again.
    fn open(&self, resumed: u64) -> std::io::Result<(File, TensorBoard)> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join("curve.csv");
        let old = if resumed > 0 { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        let kept: String = old.lines().skip(1).take(resumed as usize).map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, format!("{CURVE_HEADER}{kept}"))?;
        let curve = OpenOptions::new().append(true).open(&path)?;
        let (events, started) = (self.folder.join(tensorboard::file_name(&self.run)), super::provenance::seconds());
        let writer = match resumed {
            0 => Writer::create(&events, started)?,
            step => Writer::resume(&events, step, started)?,
        };
        Ok((curve, TensorBoard::new(&self.run, writer, started)))
    }

    fn write(&self, event: &Event) -> std::io::Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let resumed = if let Event::RunResumed { step, .. } = event { *step } else { 0 };
        if files.is_none() || resumed > 0 {
            *files = Some(self.open(resumed)?);
        }
        let Some((curve, events)) = files.as_mut() else { return Ok(()) };
        events.observe(event);
        if let Event::Step { step, .. } = event {
            writeln!(curve, "{},{},{},{}", step.step, step.loss, step.learning_rate, step.gradient_norm)?;
        }
        events.take_error().map_or(Ok(()), Err)
    }
}

impl Observer for Live<'_> {
    /// A curve that cannot be written costs a warning, one, never the run.
    fn observe(&self, event: &Event) {
        let written = matches!(event, Event::Step { .. } | Event::Evaluated { .. } | Event::RunResumed { .. });
        if written
            && let Err(error) = self.write(event)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            let text = format!("curve in `{}` is not complete: {error}", self.folder.display());
            self.next.observe(&Event::Warning(text));
        }
        self.next.observe(event);
    }
}

/// Writes a split's predictions with their logits, as `predictions.<name>.csv`.
///
/// # Errors
/// A file that cannot be written.
pub fn write_predictions(
    folder: &Path,
    task: &Task,
    name: &str,
    split: &PreparedSplit,
    predictions: &SplitPredictions,
    answers: &Answers,
) -> Result<(), RunError> {
    if let Answers::Texts(texts) = answers {
        return write_texts(folder, texts, predictions);
    }
    let mut text = header(task, predictions);
    for (index, example) in split.rows.examples.iter().enumerate() {
        let found = match answers {
            Answers::Classes(classes) => task.label_name(classes[index]),
            Answers::Tags(tags) => tag_names(task, &tags[index]),
            Answers::Values(values) => values[index].to_string(),
            Answers::Texts(_) => String::new(),
        };
        let logits = logits_of(predictions, index, example.parts.len());
        text += &format!("{},{found},{}{logits}\n", example.id, gold(task, example));
    }
    write(&folder.join(format!("predictions.{name}.csv")), text.as_bytes())
}

/// A sequence's logits, a column each; an example's of several sequences; none of tagged sentences, which are long.
fn logits_of(predictions: &SplitPredictions, index: usize, parts: usize) -> String {
    let own = match predictions.per_example {
        1 if parts > 0 => &[][..],
        several => &predictions.logits[index * several..][..several],
    };
    own.iter().flatten().map(|logit| format!(",{logit}")).collect()
}

fn tag_names(task: &Task, tags: &[u32]) -> String {
    tags.iter().map(|tag| task.label_name(*tag)).collect::<Vec<_>>().join(" ")
}

fn header(task: &Task, predictions: &SplitPredictions) -> String {
    if task.head == Head::Tokens {
        return "id,prediction,label\n".into();
    }
    let columns = predictions.logits.first().map_or(0, Vec::len) * predictions.per_example;
    let name = |column: usize| task.labels.get(column).map_or("logit".to_string(), |label| format!("logit_{label}"));
    let logits: Vec<String> = (0..columns).map(name).collect();
    format!("id,prediction,label,{}\n", logits.join(","))
}

fn gold(task: &Task, example: &Example) -> String {
    match &example.label {
        Some(Label::Class(class)) => task.label_name(*class),
        Some(Label::Tags(tags)) => tag_names(task, tags),
        Some(Label::Value(value)) => value.to_string(),
        _ => String::new(),
    }
}

fn write_texts(folder: &Path, texts: &[AnswerPrediction], predictions: &SplitPredictions) -> Result<(), RunError> {
    let pairs = |value: &dyn Fn(&AnswerPrediction) -> Value| -> Value {
        Value::Object(texts.iter().map(|text| (text.id.clone(), value(text))).collect::<Map<_, _>>())
    };
    write_json(&folder.join("predictions.json"), &pairs(&|answer| json!(answer.text)))?;
    if texts.iter().any(|answer| answer.null_odds.is_some()) {
        write_json(&folder.join("null_odds.json"), &pairs(&|answer| json!(answer.null_odds)))?;
    }
    let candidates = |answer: &AnswerPrediction| -> Value {
        let one = |c: &crate::encode::answers::Candidate| json!({ "text": c.text, "probability": c.probability, "start_logit": c.start_logit, "end_logit": c.end_logit });
        answer.n_best.iter().map(one).collect()
    };
    write_json(&folder.join("nbest_predictions.json"), &pairs(&candidates))?;
    if !predictions.beams.is_empty() {
        return Ok(());
    }
    write_logits(&folder.join("logits.safetensors"), predictions)
}

/// `start_logits` and `end_logits` of all windows end to end, and `lengths` to cut them by.
fn write_logits(path: &Path, predictions: &SplitPredictions) -> Result<(), RunError> {
    use safetensors::tensor::{Dtype, TensorView};
    let lengths: Vec<i64> = predictions.logits.iter().map(|row| row.len() as i64).collect();
    let (starts, ends) = (predictions.logits.concat(), predictions.ends.concat());
    let bytes: [(&str, Dtype, usize, &[u8]); 3] = [
        ("start_logits", Dtype::F32, starts.len(), bytemuck::cast_slice(&starts)),
        ("end_logits", Dtype::F32, ends.len(), bytemuck::cast_slice(&ends)),
        ("lengths", Dtype::I64, lengths.len(), bytemuck::cast_slice(&lengths)),
    ];
    let views =
        bytes.into_iter().map(|(name, dtype, count, data)| Ok((name, TensorView::new(dtype, vec![count], data)?)));
    let views: Result<Vec<_>, safetensors::SafeTensorError> = views.collect();
    let text = views.and_then(|views| safetensors::serialize(views, None));
    let failed = |error: safetensors::SafeTensorError| artifact(path, std::io::Error::other(error));
    write(path, &text.map_err(failed)?)
}

fn write_json(path: &Path, value: &Value) -> Result<(), RunError> {
    write(path, format!("{value:#}\n").as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    atomic::write(path, bytes).map_err(|source| artifact(path, source))
}

fn artifact(path: &Path, source: std::io::Error) -> RunError {
    RunError::Artifact { path: path.to_path_buf(), source }
}
