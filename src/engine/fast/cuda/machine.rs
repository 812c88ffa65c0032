//! What the engine asks of a device: memory, launches, matrix products, and recording them to be replayed.
//!
//! Two things answer: a GPU ([`super::gpu`]), and, in tests, the emulator, which runs the same kernels block by block on
//! the CPU. So the passes and launch wrappers here are checked on machines without a GPU, and only `gpu`, `products` and
//! `compiler` are not.

use crate::engine::EngineError;
use std::any::Any;

/// A place in device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(pub u64);

impl Address {
    /// No memory: for arguments a kernel does not read.
    pub const NONE: Address = Address(0);

    /// The place some bytes further on.
    pub fn after(self, bytes: usize) -> Address {
        Address(self.0 + bytes as u64)
    }
}

/// Device memory, freed when dropped.
pub struct Memory {
    /// Where it begins; a multiple of 256.
    pub address: Address,
    /// How much there is.
    pub bytes: usize,
    /// What frees it.
    pub owner: Box<dyn Any + Send>,
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A pointer.
    Address(Address),
    /// `u32`.
    U32(u32),
    /// `float`.
    F32(f32),
}

impl From<Address> for Argument {
    fn from(address: Address) -> Self {
        Argument::Address(address)
    }
}

impl From<u32> for Argument {
    fn from(value: u32) -> Self {
        Argument::U32(value)
    }
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Argument::F32(value)
    }
}

/// Most arguments a kernel of ours has.
pub const MOST_ARGUMENTS: usize = 24;

/// A kernel to run.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Its name.
    pub kernel: &'static str,
    /// Blocks in x and y.
    pub grid: (u32, u32),
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of shared memory of a block.
    pub shared: u32,
    /// In the order of its parameters.
    pub arguments: &'a [Argument],
}

/// `out [m, n] (+)= left [m, k] · right [k, n] (+ bias [n])`, all row-major and without gaps. Operands are in the compute
/// precision, sums in 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Product {
    /// First operand; `[k, m]` in memory where it is transposed.
    pub left: (Address, bool),
    /// Second operand; `[n, k]` in memory where it is transposed.
    pub right: (Address, bool),
    /// Outcome.
    pub out: Address,
    /// Rows of the outcome.
    pub m: usize,
    /// Columns of the outcome.
    pub n: usize,
    /// What is summed over.
    pub k: usize,
    /// Added to every row, in the compute precision.
    pub bias: Option<Address>,
    /// Whether the outcome is added to what is there.
    pub accumulate: bool,
    /// Whether the outcome is in 32-bit floats, whatever the operands are.
    pub wide: bool,
}

/// A device, or the emulator of one. Work happens in the order in which it is asked for.
pub trait Machine {
    /// Memory filled with zeros.
    fn allocate(&self, bytes: usize) -> Result<Memory, EngineError>;

    /// Copies from the host.
    fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), EngineError>;

    /// Copies to the host, after everything asked for before.
    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), EngineError>;

    /// Fills with zero bytes.
    fn clear(&self, at: Address, bytes: usize) -> Result<(), EngineError>;

    /// Begins to copy to one of two slots, beside whatever runs.
    fn send(&self, slot: usize, bytes: &[u8]) -> Result<(), EngineError>;

    /// Copies what was sent to a slot to its place, once it has arrived.
    fn take(&self, slot: usize, to: Address, bytes: usize) -> Result<(), EngineError>;

    /// Runs a kernel.
    fn launch(&self, launch: &Launch) -> Result<(), EngineError>;

    /// Multiplies matrices.
    fn product(&self, product: &Product) -> Result<(), EngineError>;

    /// Does `work`, which asks for launches, products and clearing only and always for the same under one key; may record
    /// it the first time and replay the record afterwards.
    fn replay(&self, key: GraphKey, work: &mut dyn FnMut() -> Result<(), EngineError>) -> Result<(), EngineError>;

    /// Forgets all records: memory they speak of is about to go.
    fn forget(&self);
}

/// What two steps must have in common for one record to serve both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GraphKey {
    /// Rounded tokens.
    pub tokens: usize,
    /// Rounded sequences.
    pub sequences: usize,
    /// Whether there is a backward pass.
    pub training: bool,
    /// Kind of targets, as head.cu numbers them.
    pub targets: u32,
}
