//! Room for activations and their gradients: one piece of memory, sized once for the largest batch.
//!
//! Training keeps a layer's results for its backward pass; prediction uses two layers' room in turn. Everything begins
//! as zeros and stays finite, because rounded rows take part in products with a factor of 0.

use super::batch::Room;
use super::head::{HeadRoom, SPAN_STRETCHES};
use super::layer_norm::NormKept;
use super::machine::{Address, Machine, Memory};
use super::operations::PARTIALS;
use super::shape::Shape;
use crate::engine::EngineError;

/// Alignment of every array.
const ALIGNMENT: usize = 256;

/// Most stretches of rows in gelu.cu, columns.cu and embedding.cu.
const STRETCHES: usize = 128;

/// What one layer keeps.
#[derive(Clone, Copy, Debug)]
pub struct LayerRoom {
    /// Query, key and value, `[T, 3 H]`.
    pub qkv: Address,
    /// Attention's outcome, `[T, H]`.
    pub context: Address,
    /// `[N, T]`, in 32 bits.
    pub lse: Address,
    /// Of the attention's LayerNorm.
    pub attention_norm: NormKept,
    /// Its output, `[T, H]`.
    pub attended: Address,
    /// First dense layer without bias, `[T, I]`.
    pub wide: Address,
    /// After the activation, `[T, I]`.
    pub activated: Address,
    /// Of the output's LayerNorm.
    pub output_norm: NormKept,
    /// The layer's output, `[T, H]`.
    pub output: Address,
}

/// Room of the backward pass.
#[derive(Clone, Copy, Debug)]
pub struct GradientRoom {
    /// Gradient of a layer's output, then of its input, `[T, H]`.
    pub hidden: Address,
    /// Gradient of the attention's output after its LayerNorm, `[T, H]`.
    pub attended: Address,
    /// Gradient of what a LayerNorm's residual is added to, `[T, H]`.
    pub projected: Address,
    /// Gradient of the attention's outcome, `[T, H]`.
    pub context: Address,
    /// `[T, I]`.
    pub wide: Address,
    /// `[T, 3 H]`.
    pub qkv: Address,
    /// `[N, T]`, in 32 bits.
    pub delta: Address,
}

/// All addresses.
pub struct Arena {
    /// What they are in.
    memory: Memory,
    /// Largest batch that fits.
    pub room: Room,
    /// Of the embeddings' LayerNorm.
    pub embedding_norm: NormKept,
    /// Embeddings' output, `[T, H]`.
    pub embedded: Address,
    /// One for each layer, or two.
    pub layers: Vec<LayerRoom>,
    /// A product before its LayerNorm, `[T, H]`.
    pub projected: Address,
    /// The head's.
    pub head: HeadRoom,
    /// Partial sums.
    pub partials: Address,
    /// The backward pass's; only to be used where the arena was made for training.
    pub gradients: GradientRoom,
    /// The batch as staged.
    pub staged: Address,
}

/// Hands out addresses one behind another.
struct Carver {
    base: Address,
    used: usize,
}

impl Carver {
    fn take(&mut self, bytes: usize) -> Address {
        let at = self.base.after(self.used);
        self.used = (self.used + bytes).next_multiple_of(ALIGNMENT);
        at
    }
}

impl Arena {
    /// Room for batches up to `room`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new<M: Machine>(
        machine: &M,
        shape: &Shape,
        layers: usize,
        room: Room,
        training: bool,
    ) -> Result<Arena, EngineError> {
        let memory = machine.allocate(Self::bytes(shape, layers, room, training))?;
        Ok(Self::carve(memory, shape, layers, room, training).0)
    }

    /// Bytes of an arena.
    pub fn bytes(shape: &Shape, layers: usize, room: Room, training: bool) -> usize {
        let nowhere = Memory { address: Address::NONE, bytes: 0, owner: Box::new(()) };
        Self::carve(nowhere, shape, layers, room, training).1
    }

    /// Sets everything back to zeros: numbers that are not finite must not outlive a restored state.
    pub fn clear<M: Machine>(&self, machine: &M) -> Result<(), EngineError> {
        machine.clear(self.memory.address, self.memory.bytes)
    }

    fn carve(memory: Memory, shape: &Shape, layers: usize, room: Room, training: bool) -> (Arena, usize) {
        let mut carver = Carver { base: memory.address, used: 0 };
        let kept = if training { layers } else { layers.min(2) };
        let embedding_norm = norm_kept(&mut carver, shape, room);
        let embedded = rows(&mut carver, shape, room.tokens, shape.hidden);
        let layers = (0..kept).map(|_| layer_room(&mut carver, shape, room)).collect();
        let projected = rows(&mut carver, shape, room.tokens, shape.hidden);
        let head = head_room(&mut carver, shape, room);
        let partials = carver.take(partial_values(shape) * 4);
        let staged = carver.take(room.bytes());
        let mut unused = Carver { base: Address::NONE, used: 0 };
        let gradients = gradient_room(if training { &mut carver } else { &mut unused }, shape, room);
        let arena =
            Arena { memory, room, embedding_norm, embedded, layers, projected, head, partials, gradients, staged };
        (arena, carver.used)
    }
}

fn rows(carver: &mut Carver, shape: &Shape, rows: usize, columns: usize) -> Address {
    carver.take(rows * columns * shape.precision.bytes())
}

fn norm_kept(carver: &mut Carver, shape: &Shape, room: Room) -> NormKept {
    NormKept {
        sum: rows(carver, shape, room.tokens, shape.hidden),
        mean: carver.take(room.tokens * 4),
        scale: carver.take(room.tokens * 4),
    }
}

fn layer_room(carver: &mut Carver, shape: &Shape, room: Room) -> LayerRoom {
    let (tokens, hidden) = (room.tokens, shape.hidden);
    LayerRoom {
        qkv: rows(carver, shape, tokens, 3 * hidden),
        context: rows(carver, shape, tokens, hidden),
        lse: carver.take(shape.heads * tokens * 4),
        attention_norm: norm_kept(carver, shape, room),
        attended: rows(carver, shape, tokens, hidden),
        wide: rows(carver, shape, tokens, shape.wide),
        activated: rows(carver, shape, tokens, shape.wide),
        output_norm: norm_kept(carver, shape, room),
        output: rows(carver, shape, tokens, hidden),
    }
}

fn head_room(carver: &mut Carver, shape: &Shape, room: Room) -> HeadRoom {
    let logits = 4 * (room.sequences * shape.labels).max(2 * room.tokens);
    HeadRoom {
        z: rows(carver, shape, room.sequences, shape.hidden),
        d_z: rows(carver, shape, room.sequences, shape.hidden),
        pooled: carver.take(room.sequences * shape.hidden * 4),
        logits: carver.take(logits),
        d_logits: carver.take(logits),
        losses: carver.take(room.sequences * 4),
        total: carver.take(8),
    }
}

fn gradient_room(carver: &mut Carver, shape: &Shape, room: Room) -> GradientRoom {
    let (tokens, hidden) = (room.tokens, shape.hidden);
    GradientRoom {
        hidden: rows(carver, shape, tokens, hidden),
        attended: rows(carver, shape, tokens, hidden),
        projected: rows(carver, shape, tokens, hidden),
        context: rows(carver, shape, tokens, hidden),
        wide: rows(carver, shape, tokens, shape.wide),
        qkv: rows(carver, shape, tokens, 3 * hidden),
        delta: carver.take(shape.heads * tokens * 4),
    }
}

/// The most partial sums that a kernel leaves.
fn partial_values(shape: &Shape) -> usize {
    let hidden = shape.hidden;
    let of_rows = PARTIALS as usize * 3 * hidden;
    let of_columns = STRETCHES * shape.wide.max(3 * hidden).max(shape.segments * hidden);
    of_rows.max(of_columns).max(SPAN_STRETCHES * (2 * hidden + 2))
}
