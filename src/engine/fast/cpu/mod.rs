//! The fast engine on the CPU.
//!
//! A batch is cut into micro-batches of whole sequences (`micro_batch`). A worker takes one, runs it forward and
//! backward through all layers with sequential products while its activations stay in cache, and adds its gradients in
//! turn to the one gradient there is (`turns`). Activations lie in panels with one token a lane (`panel`). Results
//! depend on the number of workers (it decides the cut), not on their order.

mod activation;
mod add_norm;
mod attention;
mod bilstm;
mod buffer;
mod columns;
mod crew;
mod dense;
mod elmo;
mod embedding;
mod features;
mod head;
mod layer;
mod lstm;
mod mask;
mod micro_batch;
mod mix;
mod norm;
mod optimizer;
mod panel;
mod pass;
mod pre_norm;
mod product;
mod rotary;
mod shared;
mod simd;
mod transpose;
mod turns;
mod under_head;
mod workspace;

pub use micro_batch::{TEXTS as TEXTS_MICRO_BATCH, TOKENS as MICRO_BATCH};

use super::check;
use super::flat::FlatLayout;
use crate::encode::Batch;
use crate::engine::input::{check_batch, check_layers, check_names};
use crate::engine::{
    Engine, EngineError, EngineState, Logits, NamedArray, Precision, Prediction, Predictor, StepLoss, StepPart, Update,
};
use crate::family::{EncoderConfig, Parameter, parameters};
use crate::task::Head;
use buffer::Buffer;
use crew::Crew;
use optimizer::{Moments, Optimizer, State};
use pass::{Output, Workspace};
use simd::Isa;
use std::sync::{Mutex, PoisonError};
use workspace::Model;

/// What computes products of factors rounded to bfloat16 here, if anything; the tiles are made of AVX-512's panels.
pub fn bf16_unit() -> Option<&'static str> {
    product::bf16_unit().filter(|_| Isa::best().width == 32)
}

/// Whether there is anything.
pub fn bf16_available() -> bool {
    bf16_unit().is_some()
}

/// A BERT-like encoder with a head, its gradient and its moments, in 32-bit floats.
pub struct Cpu {
    network: Network,
    crew: Crew,
    parameters: Buffer,
    moments: Moments,
    optimizer: Optimizer,
    workspace: Mutex<Workspace>,
    loss: StepLoss,
}

/// What a model is, apart from its values.
struct Network {
    isa: Isa,
    config: EncoderConfig,
    head: Head,
    num_labels: usize,
    layout: FlatLayout,
}

impl Network {
    /// The model with these values; with a part of a step it trains.
    fn model<'a>(&'a self, parameters: &'a [f32], part: Option<&'a StepPart>) -> Model<'a> {
        let Network { isa, config, head, num_labels, layout } = self;
        let (isa, head, num_labels) = (*isa, *head, *num_labels);
        Model { isa, config, head, num_labels, layout, parameters, gradients: None, part }
    }
}

impl Cpu {
    /// An engine with so many workers, starting from `values` in the order of [`parameters`].
    ///
    /// # Errors
    /// Values that do not fit the config's parameters; bfloat16 where the CPU has none ([`bf16_available`]).
    pub fn new(
        config: EncoderConfig,
        head: Head,
        num_labels: usize,
        values: &[NamedArray],
        workers: usize,
        precision: Precision,
    ) -> Result<Cpu, EngineError> {
        if precision == Precision::Bf16 && !bf16_available() {
            return Err(EngineError::Device(
                "this CPU computes no bf16 products: they take AVX512-BF16 (AMD from Zen 4, Intel Xeon from Sapphire Rapids on)"
                    .into(),
            ));
        }
        Cpu::with(Isa::best().with(precision), config, head, num_labels, values, workers)
    }

    fn with(
        isa: Isa,
        config: EncoderConfig,
        head: Head,
        num_labels: usize,
        values: &[NamedArray],
        workers: usize,
    ) -> Result<Cpu, EngineError> {
        check_layers(&config, head)?;
        check(&config)?;
        check_names(&parameters(&config, head, num_labels), values)?;
        let layout = FlatLayout::new(&config, head, num_labels);
        let mut parameters = Buffer::zeros(layout.len);
        layout.scatter(values, &mut parameters);
        let optimizer = Optimizer::new(isa, &layout, config.embedding_size);
        let (crew, moments) = (Crew::new(workers), Moments::default());
        let workspace = Mutex::new(Workspace::new(crew.workers(), &layout));
        let network = Network { isa, config, head, num_labels, layout };
        let loss = StepLoss::default();
        Ok(Cpu { network, crew, parameters, moments, optimizer, workspace, loss })
    }

    /// Gradient and moments exist from the first training step on: an engine that only predicts needs neither.
    fn make_room(&mut self) {
        if self.moments.gradients.is_empty() {
            let zeros = || Buffer::zeros(self.network.layout.len);
            self.moments = Moments { gradients: zeros(), first: zeros(), second: zeros() };
        }
    }

    fn touch(&mut self, batch: &Batch) {
        if self.network.head.freezes_encoder() || self.network.layout.embeddings.words.is_empty() {
            return;
        }
        if self.network.head == Head::Pretraining || self.network.config.auxiliary_lm > 0.0 {
            self.optimizer.touch_all_words();
        }
        batch.input_ids.iter().for_each(|word| self.optimizer.touch_word(*word as usize));
        let first = self.network.config.first_position;
        self.optimizer.touch_positions(first..first + batch.lengths().max().unwrap_or(0));
    }

    /// A gradient or moments.
    fn named(&self, buffer: &[f32]) -> Vec<NamedArray> {
        if buffer.is_empty() { Vec::new() } else { self.network.layout.gather_trained(buffer) }
    }
}

impl Predictor for Cpu {
    fn predict(&self, batch: &Batch) -> Result<Prediction, EngineError> {
        check_batch(batch, &self.network.config, self.network.num_labels)?;
        let model = self.network.model(&self.parameters, None);
        // A workspace holds nothing from one pass to the next: one left by a panic is as good as new.
        let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        let (loss_sum, outputs) = model.predict(&self.crew, batch, &mut workspace);
        Ok(Prediction { logits: logits(self.network.head, self.network.num_labels, outputs), loss_sum })
    }
}

impl Engine for Cpu {
    fn accumulate(&mut self, batch: &Batch, part: &StepPart) -> Result<(), EngineError> {
        check_batch(batch, &self.network.config, self.network.num_labels)?;
        self.make_room();
        self.touch(batch);
        let model = self.network.model(&self.parameters, Some(part));
        let workspace = self.workspace.get_mut().unwrap_or_else(PoisonError::into_inner);
        let loss = model.accumulate(&self.crew, batch, workspace, &mut self.moments.gradients);
        self.loss.add(loss.ok_or_else(|| EngineError::Input("a training batch has hidden targets".into()))?);
        Ok(())
    }

    fn loss(&self) -> Result<f64, EngineError> {
        Ok(self.loss.sum)
    }

    fn update(&mut self, update: &Update) -> Result<f64, EngineError> {
        self.make_room();
        let Moments { gradients, first, second } = &mut self.moments;
        let state = State { parameters: &mut self.parameters, gradients, first, second };
        self.loss.updated = true;
        Ok(self.optimizer.update(&self.crew, state, update))
    }

    fn gradients(&self) -> Result<Vec<NamedArray>, EngineError> {
        Ok(self.named(&self.moments.gradients))
    }

    fn parameters(&self) -> Result<Vec<NamedArray>, EngineError> {
        Ok(self.network.layout.gather(&self.parameters))
    }

    fn save(&self) -> Result<EngineState, EngineError> {
        Ok(EngineState {
            parameters: self.network.layout.gather(&self.parameters),
            first_moments: self.named(&self.moments.first),
            second_moments: self.named(&self.moments.second),
        })
    }

    fn restore(&mut self, state: &EngineState) -> Result<(), EngineError> {
        let layout = &self.network.layout;
        let known: Vec<Parameter> = layout.entries().iter().map(|(parameter, _)| parameter.clone()).collect();
        check_names(&known, &state.parameters)?;
        if !(state.first_moments.is_empty() && state.second_moments.is_empty()) {
            let trained: Vec<Parameter> = layout.trained().map(|(parameter, _)| parameter.clone()).collect();
            check_names(&trained, &state.first_moments)?;
            check_names(&trained, &state.second_moments)?;
        }
        self.network.layout.scatter(&state.parameters, &mut self.parameters);
        self.moments = Moments::default();
        if !state.first_moments.is_empty() {
            self.make_room();
            self.network.layout.scatter_trained(&state.first_moments, &mut self.moments.first);
            self.network.layout.scatter_trained(&state.second_moments, &mut self.moments.second);
            self.optimizer.restored(&self.moments.first, &self.moments.second);
        }
        Ok(())
    }
}

/// The sequences' outputs in the form of a head.
fn logits(head: Head, labels: usize, outputs: Vec<Output>) -> Logits {
    let values = outputs.iter().map(|output| output.values.as_slice());
    match head {
        Head::Classification | Head::Regression | Head::Choice => {
            Logits::Sequence(values.map(<[f32]>::to_vec).collect())
        }
        Head::Span => {
            let (start, end) =
                values.map(|both| both.split_at(both.len() / 2)).map(|(s, e)| (s.to_vec(), e.to_vec())).unzip();
            Logits::Span { start, end }
        }
        Head::BeamSpan => Logits::Beams(outputs.into_iter().map(|output| output.beams).collect()),
        Head::Tokens | Head::FeatureBased(_) => {
            let tokens = |values: &[f32]| {
                let count = values.len() / labels;
                (0..count).flat_map(|token| (0..labels).map(move |label| values[label * count + token])).collect()
            };
            Logits::Tokens(values.map(tokens).collect())
        }
        Head::Pretraining => {
            let next = values.map(<[f32]>::to_vec).collect();
            Logits::Masked { words: outputs.into_iter().flat_map(|output| output.words).collect(), next }
        }
    }
}

#[cfg(test)]
mod tests;
