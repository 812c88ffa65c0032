//! A batch through the model: forward alone, or forward and backward.

use super::crew::Crew;
use super::embedding;
use super::head::{self, Logits};
use super::layer::{self, Step};
use super::micro_batch::{Cut, Sequence};
use super::turns::Turns;
use super::workspace::{Columns, Model, Tape, Work, units};
use crate::encode::{Batch, Targets};
use crate::engine::fast::flat::FlatLayout;
use crate::task::Head;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Everything a pass writes to; used again by the next.
pub struct Workspace {
    cut: Cut,
    workers: Vec<Mutex<Worker>>,
    turns: Vec<AtomicUsize>,
    broken: AtomicBool,
    losses: Vec<AtomicU64>,
}

#[derive(Default)]
struct Worker {
    columns: Columns,
    tape: Tape,
    work: Work,
}

impl Workspace {
    /// Room for so many workers, taken as batches need it.
    pub fn new(workers: usize, layout: &FlatLayout) -> Workspace {
        Workspace {
            cut: Cut::default(),
            workers: (0..workers).map(|_| Mutex::default()).collect(),
            turns: (0..units(layout)).map(|_| AtomicUsize::new(0)).collect(),
            broken: AtomicBool::new(false),
            losses: Vec::new(),
        }
    }
}

impl Model<'_> {
    /// Adds the gradient of the batch's mean loss to `gradients`; returns the loss, `None` where targets are hidden.
    pub fn accumulate(
        &self,
        crew: &Crew,
        batch: &Batch,
        workspace: &mut Workspace,
        gradients: &mut [f32],
    ) -> Option<f64> {
        if batch.targets == Targets::Hidden {
            return None;
        }
        let Workspace { cut, workers, turns, broken, losses } = workspace;
        let handed = Turns::new(gradients, turns, broken);
        let model = Model { gradients: Some(&handed), ..*self };
        let sequences = self.part.map_or(1, |part| part.sequences) as f64;
        let loss = each(&model, crew, batch, (cut, workers, losses), &|worker, own| {
            worker.forward(&model, own);
            let loss = worker.loss(&model, batch, own, 1.0 / sequences);
            worker.backward(&model, own);
            loss
        });
        loss.map(|sum| sum / sequences)
    }

    /// Sum of the losses where targets are known, and the head's outputs, label after label.
    pub fn predict(&self, crew: &Crew, batch: &Batch, workspace: &mut Workspace) -> (Option<f64>, Vec<Vec<f32>>) {
        let outputs = Mutex::new(vec![Vec::new(); batch.len()]);
        let Workspace { cut, workers, losses, .. } = workspace;
        let loss = each(self, crew, batch, (cut, workers, losses), &|worker, own| {
            worker.forward(self, own);
            let logits = Logits::new(self, &worker.work);
            let loss = head::loss(self.head, &batch.targets, own, &logits, |_, _, _| {});
            let mut outputs = outputs.lock().unwrap_or_else(PoisonError::into_inner);
            for (column, sequence) in own.iter().enumerate() {
                outputs[sequence.index] = output(self, &logits, column, sequence);
            }
            loss
        });
        (loss, outputs.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Cuts the batch and hands the micro-batches to the workers, in order; returns the sum of their losses, in order.
fn each(
    model: &Model,
    crew: &Crew,
    batch: &Batch,
    (cut, workers, losses): (&mut Cut, &[Mutex<Worker>], &mut Vec<AtomicU64>),
    pass: &(dyn Fn(&mut Worker, &[Sequence]) -> Option<f64> + Sync),
) -> Option<f64> {
    cut.cut(batch.lengths(), model.config.hidden_size, crew.workers());
    if losses.len() < cut.len() {
        losses.resize_with(cut.len(), AtomicU64::default);
    }
    let (cut, losses) = (&*cut, &losses[..cut.len()]);
    let (next, known) = (AtomicUsize::new(0), AtomicBool::new(true));
    crew.run(&|worker| {
        let _guard = model.gradients.map(Turns::guard);
        let mut worker = workers[worker].lock().unwrap_or_else(PoisonError::into_inner);
        worker.fit(model, cut);
        loop {
            let micro_batch = next.fetch_add(1, Ordering::Relaxed);
            let Some(loss) = losses.get(micro_batch) else { return };
            let own = cut.sequences(micro_batch);
            worker.columns.set(micro_batch, batch, own, model);
            match pass(&mut worker, own) {
                Some(sum) => loss.store(sum.to_bits(), Ordering::Relaxed),
                None => known.store(false, Ordering::Relaxed),
            }
        }
    });
    let sum = || losses.iter().map(|loss| f64::from_bits(loss.load(Ordering::Relaxed))).sum();
    known.load(Ordering::Relaxed).then(sum)
}

/// The head's outputs of one sequence, label after label.
fn output(model: &Model, logits: &Logits, column: usize, sequence: &Sequence) -> Vec<f32> {
    if model.head != Head::Span {
        return (0..model.num_labels).map(|label| logits.get(column, label)).collect();
    }
    let tokens = |label: usize| sequence.columns().map(move |column| (column, label));
    (0..model.num_labels).flat_map(tokens).map(|(column, label)| logits.get(column, label)).collect()
}

/// Start logits, and end logits behind them.
pub fn halves(mut both: Vec<f32>) -> (Vec<f32>, Vec<f32>) {
    let end = both.split_off(both.len() / 2);
    (both, end)
}

impl Worker {
    fn fit(&mut self, model: &Model, cut: &Cut) {
        let (columns, longest) = cut.largest();
        let sequences = (0..cut.len()).map(|at| cut.sequences(at).len()).max().unwrap_or(0);
        self.tape.fit(model, columns, sequences);
        self.work.fit(model, columns, longest);
    }

    fn forward(&mut self, model: &Model, sequences: &[Sequence]) {
        embedding::forward(model, &self.columns, &mut self.tape, &mut self.work);
        let layers = model.layout.layers.len();
        for layer in 0..layers {
            let step = Step { model, layer, columns: &self.columns, sequences };
            let last = layer + 1 == layers;
            let next = self.tape.slot(layer + 1);
            let place = if last { &mut self.tape.output } else { &mut self.tape.layers[next].input };
            let mut output = std::mem::take(place);
            let own = self.tape.slot(layer);
            layer::forward(&step, &mut self.tape.layers[own], &mut output, &mut self.work);
            let place = if last { &mut self.tape.output } else { &mut self.tape.layers[next].input };
            *place = output;
        }
        head::forward(model, &self.columns, &self.tape, &mut self.work);
    }

    /// Sum of the losses; `work.head[3]` becomes their gradient times `scale`.
    fn loss(&mut self, model: &Model, batch: &Batch, sequences: &[Sequence], scale: f64) -> Option<f64> {
        let mut gradient = std::mem::take(&mut self.work.head[3]);
        gradient.fill(0.0);
        let logits = Logits::new(model, &self.work);
        let (isa, labels) = (model.isa, model.num_labels);
        let set = |column: usize, label: usize, value: f64| {
            gradient[super::panel::place(isa, labels, column) + label * isa.width] = (value * scale) as f32;
        };
        let loss = head::loss(model.head, &batch.targets, sequences, &logits, set);
        self.work.head[3] = gradient;
        loss
    }

    fn backward(&mut self, model: &Model, sequences: &[Sequence]) {
        head::backward(model, &self.columns, &self.tape, &mut self.work);
        for layer in (0..model.layout.layers.len()).rev() {
            let step = Step { model, layer, columns: &self.columns, sequences };
            layer::backward(&step, &mut self.tape.layers[layer], &mut self.work);
        }
        embedding::backward(model, &self.columns, &self.tape, &mut self.work);
    }
}
