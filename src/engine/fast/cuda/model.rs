//! A model in device memory: parameters, their copy for products, gradients and moments, and where each layer's are.

use super::adam::{FlatAt, MOVES_BYTES, NORM_BLOCKS};
use super::embedding::{EmbeddingsAt, Tables};
use super::head::HeadAt;
use super::layer_norm::NormAt;
use super::machine::{Address, Machine, Memory};
use super::operations::DenseAt;
use crate::engine::Precision;
use crate::engine::fast::flat::{ALIGNMENT, Dense, FlatLayout, Norm};
use crate::engine::{EngineError, NamedArray};
use crate::family::EncoderConfig;
use std::ops::Range;

/// One encoder layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerAt {
    /// Query, key and value as one.
    pub query_key_value: DenseAt,
    /// Attention's output projection.
    pub attention_output: DenseAt,
    /// Its LayerNorm.
    pub attention_norm: NormAt,
    /// First dense layer of the feed-forward block.
    pub intermediate: DenseAt,
    /// Second.
    pub output: DenseAt,
    /// Its LayerNorm.
    pub output_norm: NormAt,
}

/// Where everything is, as launch wrappers take it.
#[derive(Clone, Debug)]
pub struct ModelAt {
    /// Embeddings.
    pub embeddings: EmbeddingsAt,
    /// Layers.
    pub layers: Vec<LayerAt>,
    /// Pooler, if there is one.
    pub pooler: Option<DenseAt>,
    /// Head.
    pub head: HeadAt,
}

/// The buffers. Gradients and moments exist from the first training step on.
pub struct Model {
    /// Which range each parameter has.
    pub layout: FlatLayout,
    precision: Precision,
    parameters: Memory,
    copy: Option<Memory>,
    decays: Memory,
    training: Option<Training>,
}

struct Training {
    gradients: Memory,
    first: Memory,
    second: Memory,
    moves: Memory,
    norm: Memory,
}

impl Model {
    /// Parameters in device memory.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new<M: Machine>(
        machine: &M,
        layout: FlatLayout,
        precision: Precision,
        values: &[NamedArray],
    ) -> Result<Model, EngineError> {
        let len = layout.len;
        let copy = if precision == Precision::Bf16 { Some(machine.allocate(len * 2)?) } else { None };
        let decays = machine.allocate(len / ALIGNMENT)?;
        machine.upload(decays.address, &decay_bytes(&layout))?;
        let parameters = machine.allocate(len * 4)?;
        let model = Model { layout, precision, parameters, copy, decays, training: None };
        model.write(machine, values)?;
        Ok(model)
    }

    /// Bytes of a model with `len` values.
    pub fn bytes(len: usize, precision: Precision, training: bool) -> usize {
        let copy = if precision == Precision::Bf16 { 2 } else { 0 };
        len * (4 + copy + if training { 12 } else { 0 }) + len / ALIGNMENT
    }

    /// Replaces the parameters, and renews their copy.
    pub fn write<M: Machine>(&self, machine: &M, values: &[NamedArray]) -> Result<(), EngineError> {
        self.send(machine, self.parameters.address, values)?;
        if self.copy.is_some() { super::adam::cast(machine, &self.flat()) } else { Ok(()) }
    }

    /// The parameters.
    pub fn read<M: Machine>(&self, machine: &M) -> Result<Vec<NamedArray>, EngineError> {
        self.fetch(machine, self.parameters.address)
    }

    /// Gradients, first and second moments; none before the first training step.
    pub fn read_training<M: Machine>(&self, machine: &M) -> Result<Option<[Vec<NamedArray>; 3]>, EngineError> {
        let Some(training) = &self.training else { return Ok(None) };
        let read = |memory: &Memory| self.fetch(machine, memory.address);
        Ok(Some([read(&training.gradients)?, read(&training.first)?, read(&training.second)?]))
    }

    /// Replaces the moments, zeros where there are none, and clears the gradients.
    pub fn write_moments<M: Machine>(
        &mut self,
        machine: &M,
        first: &[NamedArray],
        second: &[NamedArray],
    ) -> Result<(), EngineError> {
        if first.is_empty() {
            self.training = None;
            return Ok(());
        }
        self.make_room(machine)?;
        let flat = self.flat();
        self.send(machine, flat.first, first)?;
        self.send(machine, flat.second, second)?;
        machine.clear(flat.gradients, self.layout.len * 4)
    }

    /// Makes gradients and moments, zeros, if there are none; says whether it did.
    pub fn make_room<M: Machine>(&mut self, machine: &M) -> Result<bool, EngineError> {
        if self.training.is_some() {
            return Ok(false);
        }
        let buffer = || machine.allocate(self.layout.len * 4);
        self.training = Some(Training {
            gradients: buffer()?,
            first: buffer()?,
            second: buffer()?,
            moves: machine.allocate(MOVES_BYTES)?,
            norm: machine.allocate(NORM_BLOCKS * 8 + 16)?,
        });
        Ok(true)
    }

    /// The buffers' addresses; those of training are none before it.
    pub fn flat(&self) -> FlatAt {
        let training = |pick: fn(&Training) -> &Memory| {
            self.training.as_ref().map_or(Address::NONE, |training| pick(training).address)
        };
        FlatAt {
            len: self.layout.len,
            parameters: self.parameters.address,
            copy: self.copy.as_ref().map_or(Address::NONE, |copy| copy.address),
            gradients: training(|t| &t.gradients),
            first: training(|t| &t.first),
            second: training(|t| &t.second),
            decays: self.decays.address,
            moves: training(|t| &t.moves),
            norm: training(|t| &t.norm),
        }
    }

    /// Where each part of the model is.
    pub fn at(&self, config: &EncoderConfig) -> ModelAt {
        Places { model: self, flat: self.flat(), config }.model()
    }

    fn send<M: Machine>(&self, machine: &M, to: Address, values: &[NamedArray]) -> Result<(), EngineError> {
        let mut flat = vec![0.0; self.layout.len];
        self.layout.scatter(values, &mut flat);
        machine.upload(to, bytemuck::cast_slice(&flat))
    }

    fn fetch<M: Machine>(&self, machine: &M, from: Address) -> Result<Vec<NamedArray>, EngineError> {
        let mut flat = vec![0.0f32; self.layout.len];
        machine.download(from, bytemuck::cast_slice_mut(&mut flat))?;
        Ok(self.layout.gather(&flat))
    }
}

/// One byte for each 16 values; groups begin at multiples of 16 and are of one kind.
fn decay_bytes(layout: &FlatLayout) -> Vec<u8> {
    let mut bytes = vec![0; layout.len / ALIGNMENT];
    for (range, decays) in layout.decay_ranges() {
        bytes[range.start / ALIGNMENT..range.end.div_ceil(ALIGNMENT)].fill(u8::from(decays));
    }
    bytes
}

/// Turns ranges into addresses.
struct Places<'a> {
    model: &'a Model,
    flat: FlatAt,
    config: &'a EncoderConfig,
}

impl Places<'_> {
    fn model(&self) -> ModelAt {
        let layout = &self.model.layout;
        let hidden = self.config.hidden_size;
        ModelAt {
            embeddings: self.embeddings(),
            layers: (0..layout.layers.len()).map(|layer| self.layer(layer)).collect(),
            pooler: layout.pooler.as_ref().map(|pooler| self.dense(pooler, hidden)),
            head: self.head(&layout.head),
        }
    }

    fn embeddings(&self) -> EmbeddingsAt {
        let at = &self.model.layout.embeddings;
        let tables = |place: &dyn Fn(&Range<usize>) -> Address| Tables {
            words: place(&at.words),
            positions: place(&at.positions),
            segments: place(&at.segments),
        };
        EmbeddingsAt {
            tables: tables(&|range| self.master(range)),
            gradients: tables(&|range| self.gradient(range)),
            norm: self.norm(at.norm.as_ref().expect("models without it were refused")),
        }
    }

    fn layer(&self, layer: usize) -> LayerAt {
        let at = &self.model.layout.layers[layer];
        let (hidden, wide) = (self.config.hidden_size, self.config.intermediate_size);
        LayerAt {
            query_key_value: self.dense(&at.query_key_value, hidden),
            attention_output: self.dense(&at.attention_output, hidden),
            attention_norm: self.norm(&at.attention_norm),
            intermediate: self.dense(&at.intermediate, hidden),
            output: self.dense(&at.output, wide),
            output_norm: self.norm(&at.output_norm),
        }
    }

    fn dense(&self, dense: &Dense, inputs: usize) -> DenseAt {
        DenseAt {
            weight: self.compute(&dense.weight),
            bias: self.compute(&dense.bias),
            wide_bias: self.master(&dense.bias),
            d_weight: self.gradient(&dense.weight),
            d_bias: self.gradient(&dense.bias),
            inputs,
            outputs: dense.bias.len(),
        }
    }

    fn norm(&self, norm: &Norm) -> NormAt {
        NormAt {
            gamma: self.master(&norm.weight),
            beta: self.master(&norm.bias),
            d_gamma: self.gradient(&norm.weight),
            d_beta: self.gradient(&norm.bias),
            epsilon: self.config.layer_norm_eps as f32,
        }
    }

    fn head(&self, head: &Dense) -> HeadAt {
        HeadAt {
            weight: self.master(&head.weight),
            bias: self.master(&head.bias),
            d_weight: self.gradient(&head.weight),
            d_bias: self.gradient(&head.bias),
        }
    }

    fn master(&self, range: &Range<usize>) -> Address {
        self.flat.parameters.after(range.start * 4)
    }

    /// In the compute precision: the copy where there is one.
    fn compute(&self, range: &Range<usize>) -> Address {
        match self.model.precision {
            Precision::F32 => self.master(range),
            Precision::Bf16 => self.flat.copy.after(range.start * 2),
        }
    }

    /// Meaningless, and unused, before the first training step.
    fn gradient(&self, range: &Range<usize>) -> Address {
        self.flat.gradients.after(range.start * 4)
    }
}
