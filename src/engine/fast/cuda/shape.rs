//! What kernels are compiled for: the widths of a model, its activation, and the precision.

use crate::engine::EngineError;
use crate::engine::Precision;
use crate::family::{Activation, EncoderConfig};
use crate::task::Head;

/// Widths that are constants of the kernels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// H.
    pub hidden: usize,
    /// N.
    pub heads: usize,
    /// I.
    pub wide: usize,
    /// Longest sequence.
    pub positions: usize,
    /// Segments.
    pub segments: usize,
    /// Outputs of the head.
    pub labels: usize,
    /// Activation, as gelu.cu numbers it.
    pub activation: u32,
    /// Precision.
    pub precision: Precision,
}

/// Widest rows that the LayerNorm kernels hold in registers and shared memory.
const WIDEST: usize = 3072;

/// Longest sequences whose scores fit the shared memory of the plain attention kernels, 48 KB a block.
const LONGEST: usize = 1536;

fn refuse<T>(what: &str) -> Result<T, EngineError> {
    Err(EngineError::Device(format!("the CUDA engine wants {what}")))
}

impl Shape {
    /// The shape of a model.
    ///
    /// # Errors
    /// Widths that the kernels are not written for.
    pub fn new(config: &EncoderConfig, labels: usize, precision: Precision) -> Result<Shape, EngineError> {
        let shape = Shape {
            hidden: config.hidden_size,
            heads: config.num_attention_heads,
            wide: config.intermediate_size,
            positions: config.max_position_embeddings,
            segments: config.type_vocab_size,
            labels,
            activation: match config.hidden_act {
                Activation::Gelu => 0,
                Activation::GeluTanh => 1,
                Activation::Relu => 2,
                Activation::Tanh => return refuse("`gelu`, `gelu_new` or `relu`"),
            },
            precision,
        };
        shape.check().map(|()| shape)
    }

    fn check(&self) -> Result<(), EngineError> {
        match () {
            () if !self.hidden.is_multiple_of(8) || !self.wide.is_multiple_of(8) => {
                refuse("a hidden size and an intermediate size that are multiples of 8")
            }
            () if self.hidden > WIDEST => refuse(&format!("a hidden size of at most {WIDEST}")),
            () if !self.tensor_attention() && self.positions > LONGEST => {
                refuse(&format!("at most {LONGEST} positions with this head size or precision"))
            }
            () => Ok(()),
        }
    }

    /// D.
    pub fn head(&self) -> usize {
        self.hidden / self.heads
    }

    /// Whether attention runs on tensor cores: bfloat16, heads of 16, 32, 48 or 64, and masks that begin rows at a
    /// multiple of 4.
    pub fn tensor_attention(&self) -> bool {
        let fits = self.head().is_multiple_of(16) && self.head() <= 64;
        self.precision == Precision::Bf16 && fits && self.positions.is_multiple_of(4)
    }

    /// The compiler's options that say all this.
    pub fn options(&self) -> Vec<String> {
        let constants = [
            ("HIDDEN", self.hidden),
            ("HEADS", self.heads),
            ("HEAD", self.head()),
            ("WIDE", self.wide),
            ("POSITIONS", self.positions),
            ("LABELS", self.labels),
            ("ACTIVATION", self.activation as usize),
        ];
        let mut options: Vec<String> = constants.iter().map(|(name, value)| format!("-D{name}={value}")).collect();
        if self.precision == Precision::Bf16 {
            options.push("-DREPRO_BF16".into());
        }
        options
    }
}

/// Whether the last layer is computed for each sequence's first token only.
pub fn reads_first_tokens(head: Head) -> bool {
    head != Head::Span
}
