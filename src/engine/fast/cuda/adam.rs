//! Launches of norm.cu, adam.cu and cast.cu: the global norm, one pass of Adam, the copy for products.

use super::machine::{Address, Argument, Launch, Machine};
use super::operations::number;
use crate::engine::adam::Constants;
use crate::engine::{EngineError, Update};

/// Blocks that sum squares side by side.
pub const NORM_BLOCKS: usize = 512;

/// Bytes of the `Moves` of adam.cu: two sets of eight scalars and a limit of 64 bits.
pub const MOVES_BYTES: usize = 72;

/// The flat buffers, and what one update needs beside them.
#[derive(Clone, Copy, Debug)]
pub struct FlatAt {
    /// Values of each buffer, a multiple of 16.
    pub len: usize,
    /// Parameters.
    pub parameters: Address,
    /// Their copy in bfloat16, if there is one.
    pub copy: Address,
    /// Gradients.
    pub gradients: Address,
    /// First moments.
    pub first: Address,
    /// Second moments.
    pub second: Address,
    /// One byte for 16 values: whether they decay.
    pub decays: Address,
    /// The `Moves` of adam.cu.
    pub moves: Address,
    /// `[NORM_BLOCKS]` partial sums, the norm, both in 64 bits, and the clip factor.
    pub norm: Address,
}

impl FlatAt {
    /// Where the norm is.
    pub fn norm_at(&self) -> Address {
        self.norm.after(NORM_BLOCKS * 8)
    }

    /// Groups of four values.
    fn quads(&self) -> u32 {
        number(self.len / 4)
    }
}

/// The `Moves` of adam.cu. The factor that clips is not here: the device works it out.
pub fn moves(update: &Update) -> [u8; MOVES_BYTES] {
    let mut bytes = [0; MOVES_BYTES];
    let sets = [false, true].map(|decays| {
        let c = Constants::new(update, 1.0, decays);
        [c.beta1, c.beta2, c.rest1, c.rest2, c.epsilon, c.rate, c.second_correction, c.shrink]
    });
    for (to, value) in bytes.chunks_exact_mut(4).zip(sets.iter().flatten()) {
        to.copy_from_slice(&value.to_le_bytes());
    }
    bytes[64..].copy_from_slice(&update.max_grad_norm.to_le_bytes());
    bytes
}

/// Norm, clip factor and the pass over all parameters; gradients are 0 afterwards.
pub fn update<M: Machine>(machine: &M, at: &FlatAt) -> Result<(), EngineError> {
    let blocks = (number(at.len / 4)).div_ceil(256).clamp(1, NORM_BLOCKS as u32);
    let launch = |kernel, blocks, shared, arguments: &[Argument]| {
        machine.launch(&Launch { kernel, grid: (blocks, 1), threads: 256, shared, arguments })
    };
    let clip = at.norm_at().after(8);
    launch("squares", blocks, 256 * 8, &[at.gradients.into(), at.norm.into(), at.quads().into()])?;
    let limit = at.moves.after(64);
    let arguments = [at.norm.into(), blocks.into(), limit.into(), at.norm_at().into(), clip.into()];
    launch("clip_factor", 1, 256 * 8, &arguments)?;
    let arguments = [
        at.parameters.into(),
        at.gradients.into(),
        at.first.into(),
        at.second.into(),
        at.copy.into(),
        at.decays.into(),
        at.moves.into(),
        clip.into(),
        at.quads().into(),
    ];
    launch("adam", at.quads().div_ceil(256), 0, &arguments)
}

/// Renews the copy in bfloat16 from the parameters.
pub fn cast<M: Machine>(machine: &M, at: &FlatAt) -> Result<(), EngineError> {
    let arguments = [at.parameters.into(), at.copy.into(), at.quads().into()];
    let grid = (at.quads().div_ceil(256), 1);
    machine.launch(&Launch { kernel: "cast", grid, threads: 256, shared: 0, arguments: &arguments })
}
