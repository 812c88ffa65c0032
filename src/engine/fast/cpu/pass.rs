//! A batch through the model: forward alone, or forward and backward.

use super::columns::Columns;
use super::crew::Crew;
use super::elmo::Texts;
use super::embedding::{self, add};
use super::features::Features;
use super::head::{self, Logits};
use super::layer::{self, Step};
use super::micro_batch::{Cut, Sequence};
use super::panel::panels_len;
use super::pre_norm;
use super::shared::Shared;
use super::turns::Turns;
use super::under_head::UnderHead;
use super::workspace::{Gradients, Model, Tape, Work, units};
use crate::encode::beams::Beams;
use crate::encode::{Batch, Targets};
use crate::engine::Divisors;
use crate::engine::fast::flat::FlatLayout;
use crate::family::Encoder;
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
    /// Adds the gradient of the batch's share of the step's loss to `gradients`; returns the share, `None` where targets are
    /// hidden.
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
        let model = Model { gradients: Some(Gradients::Turns(&handed)), ..*self };
        let by = self.part.map_or_else(|| Divisors::of_prediction(batch), |part| Divisors::of_step(part, batch));
        each(&model, crew, batch, (cut, workers, losses), &|worker, own| {
            worker.forward(&model, batch, own);
            let loss = worker.loss(&model, batch, own, by);
            worker.backward(&model, own);
            loss
        })
    }

    /// The loss where targets are known, and the head's outputs of each sequence, of an example whose states are added of all.
    pub fn predict(&self, crew: &Crew, batch: &Batch, workspace: &mut Workspace) -> (Option<f64>, Vec<Output>) {
        let added = self.added(batch);
        let outputs = Mutex::new(vec![Output::default(); batch.len() / added]);
        let Workspace { cut, workers, losses, .. } = workspace;
        let loss = each(self, crew, batch, (cut, workers, losses), &|worker, own| {
            worker.forward(self, batch, own);
            let examples = || own.iter().step_by(added);
            let found = examples().enumerate().map(|(column, sequence)| worker.output(self, column, sequence));
            let found: Vec<Output> = found.collect();
            let mut outputs = outputs.lock().unwrap_or_else(PoisonError::into_inner);
            examples().zip(found).for_each(|(sequence, found)| outputs[sequence.index / added] = found);
            drop(outputs);
            worker.loss(self, batch, own, Divisors::of_prediction(batch))
        });
        (loss, outputs.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the head says of one sequence.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Label after label; of heads that read every token, tokens one after another within a label.
    pub values: Vec<f32>,
    /// What a beam search finds.
    pub beams: Beams,
    /// The vocabulary at each masked token.
    pub words: Vec<Vec<f32>>,
}

/// Cuts the batch and hands the micro-batches to the workers, in order; returns the sum of their losses, in order.
fn each(
    model: &Model,
    crew: &Crew,
    batch: &Batch,
    (cut, workers, losses): (&mut Cut, &[Mutex<Worker>], &mut Vec<AtomicU64>),
    pass: &(dyn Fn(&mut Worker, &[Sequence]) -> Option<f64> + Sync),
) -> Option<f64> {
    cut.cut(batch.lengths(), batch.together, (model.micro_batch(), model.config.hidden_size), crew.workers());
    if losses.len() < cut.len() {
        losses.resize_with(cut.len(), AtomicU64::default);
    }
    let (cut, losses) = (&*cut, &losses[..cut.len()]);
    let (next, known) = (AtomicUsize::new(0), AtomicBool::new(true));
    crew.run(&|worker| {
        let _guard = if let Some(Gradients::Turns(turns)) = model.gradients { Some(turns.guard()) } else { None };
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

impl Worker {
    fn fit(&mut self, model: &Model, cut: &Cut) {
        let (columns, longest) = cut.largest();
        let sequences = (0..cut.len()).map(|at| cut.sequences(at).len()).max().unwrap_or(0);
        if Texts::of(model).is_some() {
            // Tokens are no columns here, and what is made of them has room of its own.
            self.tape.output.fit(panels_len(model.isa, model.head_inputs(), sequences));
            return self.work.fit(model, sequences, 1);
        }
        self.tape.fit(&model.encoder(), columns, sequences);
        self.work.fit(model, columns, longest);
    }

    fn forward(&mut self, model: &Model, batch: &Batch, sequences: &[Sequence]) {
        match Texts::of(model) {
            Some(texts) => texts.forward(batch, sequences, &mut self.tape.output, &mut self.tape.texts),
            None => self.encode(&model.encoder(), sequences),
        }
        if let Some(features) = Features::of(model, &self.columns) {
            features.forward(&mut self.tape);
        }
        if let Some(bilstm) = UnderHead::of(model, &self.columns) {
            bilstm.forward(&mut self.tape);
        }
        head::forward(model, &self.columns, &self.tape, &mut self.work);
    }

    /// The encoder's layers, as far as anything is read of them.
    fn encode(&mut self, model: &Model, sequences: &[Sequence]) {
        let features = Features::of(model, &self.columns);
        let layers = features.map_or(model.layout.layers.len(), |features| features.layers());
        // Of a frozen encoder perhaps not the last layer is read, after which the LayerNorm stands.
        let norm = model.layout.final_norm.as_ref().filter(|_| layers == model.layout.layers.len());
        let keep = |state: usize, tape: &mut Tape| {
            features.iter().for_each(|features| features.keep(state, layers, tape));
        };
        embedding::forward(model, &self.columns, &mut self.tape, &mut self.work);
        keep(0, &mut self.tape);
        if let Encoder::Xlnet(_) = model.config.encoder {
            self.work.distances.set(model, &self.columns, sequences);
        }
        for layer in 0..layers {
            let step = Step { model, layer, columns: &self.columns, sequences };
            let last = layer + 1 == layers;
            let next = self.tape.slot(layer + 1);
            let place = if last { self.tape.last(norm.is_some()) } else { &mut self.tape.layers[next].input };
            let mut output = std::mem::take(place);
            let own = self.tape.slot(layer);
            match model.config.encoder {
                Encoder::ModernBert(_) => {
                    pre_norm::forward(&step, &mut self.tape.layers[own], &mut output, &mut self.work);
                }
                _ => layer::forward(&step, &mut self.tape.layers[own], &mut output, &mut self.work),
            }
            let place = if last { self.tape.last(norm.is_some()) } else { &mut self.tape.layers[next].input };
            *place = output;
            if let Some(norm) = norm.filter(|_| last) {
                pre_norm::read(model, norm, &self.columns, sequences, (&mut self.tape, &mut self.work));
            }
            keep(layer + 1, &mut self.tape);
        }
        head::drop_output(model, &self.columns, &mut self.tape.output, &mut self.work.mask);
    }

    fn loss(&mut self, model: &Model, batch: &Batch, sequences: &[Sequence], by: Divisors) -> Option<f64> {
        head::loss(model, &batch.targets, sequences, &self.columns, &mut self.work, by)
    }

    fn output(&mut self, model: &Model, column: usize, sequence: &Sequence) -> Output {
        if model.head == Head::BeamSpan {
            let beams = head::search(model, &self.columns, &self.tape, &mut self.work, column);
            return Output { beams, ..Output::default() };
        }
        let logits = Logits::new(model, &self.work);
        let columns = if model.head.reads_every_token() { sequence.columns() } else { column..column + 1 };
        let label = |label: usize| columns.clone().map(move |column| (column, label));
        let values = (0..model.num_labels).flat_map(label).map(|(column, label)| logits.get(column, label)).collect();
        let own = &self.columns.bounds[column..column + 2];
        let masked = self.columns.masked.iter().enumerate().filter(|(_, place)| (own[0]..own[1]).contains(place));
        Output {
            values,
            beams: Beams::default(),
            words: masked.map(|(at, _)| self.work.masked.words(model, at)).collect(),
        }
    }

    fn backward(&mut self, model: &Model, sequences: &[Sequence]) {
        head::backward(model, &self.columns, &self.tape, &mut self.work);
        if let Some(texts) = Texts::of(model) {
            return texts.backward(self.columns.micro_batch, &self.work.gradient, &mut self.tape.texts);
        }
        if let Some(features) = Features::of(model, &self.columns) {
            return features.backward(&self.work.gradient, &mut self.tape);
        }
        if let Some(bilstm) = UnderHead::of(model, &self.columns) {
            bilstm.backward(&mut self.work.gradient, &mut self.tape);
        }
        head::drop_output(model, &self.columns, &mut self.work.gradient, &mut self.work.mask);
        if let Some(norm) = &model.layout.final_norm {
            pre_norm::spread(model, norm, &self.columns, sequences, (&self.tape, &mut self.work));
        }
        match &model.layout.shared_layer {
            None => self.layers_backward(model, sequences),
            Some(range) => {
                let mut sum = std::mem::take(&mut self.work.shared_layer);
                sum.fill(0.0);
                let own = Shared::new(&mut sum);
                let gradients = Some(Gradients::Own(&own, range.start));
                self.layers_backward(&Model { gradients, ..*model }, sequences);
                // The first unit of the first layer: with shared parameters no layer's are in use.
                model.add(0, self.columns.micro_batch, [range], |[all]| add(all, &sum));
                self.work.shared_layer = sum;
            }
        }
        embedding::backward(model, &self.columns, &self.tape, &mut self.work);
    }

    fn layers_backward(&mut self, model: &Model, sequences: &[Sequence]) {
        for layer in (0..model.layout.layers.len()).rev() {
            let step = Step { model, layer, columns: &self.columns, sequences };
            match model.config.encoder {
                Encoder::ModernBert(_) => pre_norm::backward(&step, &mut self.tape.layers[layer], &mut self.work),
                _ => layer::backward(&step, &mut self.tape.layers[layer], &mut self.work),
            }
        }
    }
}
