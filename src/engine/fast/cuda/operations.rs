//! What every launch wrapper needs to know, and the vocabulary they share. The wrappers themselves stand beside their
//! kernels: `layer_norm.rs` beside `layer_norm.cu`, and so on.

use super::batch::{Room, Staged};
use super::machine::{Address, Argument, Launch, Machine, Product};
use super::shape::Shape;
use crate::engine::EngineError;
use crate::engine::Precision;
use crate::engine::dropout::{self, Site};

/// Threads of a warp.
pub const WARP: u32 = 32;

/// Most blocks that sum rows side by side; their partial sums are added in order afterwards.
pub const PARTIALS: u32 = 128;

/// Launches and products on one machine, for one staged batch.
pub struct Operations<'a, M: Machine> {
    /// Where they run.
    pub machine: &'a M,
    /// What kernels were compiled for.
    pub shape: &'a Shape,
    /// The batch.
    pub staged: Staged,
    /// Its rounded sizes.
    pub room: Room,
    /// Room for partial sums.
    pub partials: Address,
}

/// What the rows of an activation are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// One for each token.
    Tokens,
    /// One for each sequence, its first token's; the residual is read from, and its gradient written to, token rows.
    Gathered,
    /// One for each sequence, residual too.
    Sequences,
}

impl Rows {
    /// As layer_norm.cu numbers them.
    pub fn number(self) -> u32 {
        match self {
            Rows::Tokens => 0,
            Rows::Gathered => 1,
            Rows::Sequences => 2,
        }
    }

    /// Rounded number of rows.
    pub fn count(self, room: Room) -> usize {
        if self == Rows::Tokens { room.tokens } else { room.sequences }
    }
}

/// A site of dropout as kernels take it; a threshold of 0 keeps everything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Number of the site.
    pub site: u32,
    /// Bits below it are dropped.
    pub threshold: u32,
    /// Factor of what is kept.
    pub keep: f32,
}

impl Dropout {
    /// Dropout at a site, or none where the probability is 0 or nothing is trained.
    pub fn new(site: Site, probability: f64, training: bool) -> Dropout {
        let probability = if training { probability } else { 0.0 };
        Dropout { site: site.number(), threshold: dropout::threshold(probability), keep: dropout::keep(probability) }
    }

    /// Its three arguments.
    pub fn arguments(self) -> [Argument; 3] {
        [self.site.into(), self.threshold.into(), self.keep.into()]
    }
}

/// A dense layer in device memory: weight `[out, in]` and bias in the compute precision, and where gradients gather.
#[derive(Clone, Copy, Debug)]
pub struct DenseAt {
    /// Weight.
    pub weight: Address,
    /// Bias in the compute precision.
    pub bias: Address,
    /// Bias in 32 bits.
    pub wide_bias: Address,
    /// Gradient of the weight.
    pub d_weight: Address,
    /// Gradient of the bias.
    pub d_bias: Address,
    /// Columns of the input.
    pub inputs: usize,
    /// Columns of the output.
    pub outputs: usize,
}

impl<M: Machine> Operations<'_, M> {
    /// Runs a kernel.
    pub fn launch(
        &self,
        kernel: &'static str,
        grid: (u32, u32),
        threads: u32,
        shared: usize,
        arguments: &[Argument],
    ) -> Result<(), EngineError> {
        self.machine.launch(&Launch { kernel, grid, threads, shared: shared as u32, arguments })
    }

    /// `y = x Wᵀ`, with the bias or without.
    pub fn dense(&self, layer: &DenseAt, x: Address, y: Address, rows: usize, bias: bool) -> Result<(), EngineError> {
        self.machine.product(&Product {
            left: (x, false),
            right: (layer.weight, true),
            out: y,
            m: rows,
            n: layer.outputs,
            k: layer.inputs,
            bias: bias.then_some(layer.bias),
            accumulate: false,
            wide: false,
        })
    }

    /// `dx (+)= dy W`.
    pub fn dense_input(
        &self,
        layer: &DenseAt,
        dy: Address,
        dx: Address,
        rows: usize,
        accumulate: bool,
    ) -> Result<(), EngineError> {
        self.machine.product(&Product {
            left: (dy, false),
            right: (layer.weight, false),
            out: dx,
            m: rows,
            n: layer.inputs,
            k: layer.outputs,
            bias: None,
            accumulate,
            wide: false,
        })
    }

    /// `dW += dyᵀ x`, in 32 bits.
    pub fn dense_weight(&self, layer: &DenseAt, dy: Address, x: Address, rows: usize) -> Result<(), EngineError> {
        self.machine.product(&Product {
            left: (dy, true),
            right: (x, false),
            out: layer.d_weight,
            m: layer.outputs,
            n: layer.inputs,
            k: rows,
            bias: None,
            accumulate: true,
            wide: true,
        })
    }

    /// Bytes of `[rows, columns]` activations.
    pub fn bytes(&self, rows: usize, columns: usize) -> usize {
        rows * columns * self.shape.precision.bytes()
    }

    /// Whether parameters have a copy in the compute precision.
    pub fn has_copy(&self) -> bool {
        self.shape.precision == Precision::Bf16
    }
}

/// A size as an argument.
pub fn number(size: usize) -> u32 {
    u32::try_from(size).expect("sizes of a batch and a model fit 32 bits")
}
