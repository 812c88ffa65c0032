//! A staged batch, random arrays in device memory, and plain arithmetic on what comes back.

use super::{BF16, F32, Outcome};
use crate::encode::{Batch, Targets};
use crate::engine::Precision;
use crate::engine::dropout::{Masks, Site};
use crate::engine::fast::cuda::batch::{self, Room, Staged};
use crate::engine::fast::cuda::machine::{Address, Machine, Memory};
use crate::engine::fast::cuda::operations::{Dropout, Operations};
use crate::engine::fast::cuda::shape::Shape;
use crate::engine::{EngineError, StepPart};
use crate::random::{Purpose, Stream};
use half::bf16;
use std::cell::{Cell, RefCell};

/// Dropout everywhere in the checks.
pub const DROPOUT: f64 = 0.25;

/// Two heads of 32, room for sequences of two tiles.
pub fn shape(precision: Precision) -> Shape {
    Shape { hidden: 64, heads: 2, wide: 72, positions: 80, segments: 2, labels: 3, activation: 0, precision }
}

/// A part of a step that begins in its middle.
pub const PART: StepPart =
    StepPart { seed: 7, step: 3, first_token: 1001, first_sequence: 17, sequences: 8, labelled: 0 };

/// The batch of all checks: sequences of one token, of one tile, of more.
pub fn batch(targets: Targets) -> Batch {
    let lengths = [7, 1, 20, 64, 71];
    let stream = Stream::new(5, Purpose::Synthetic);
    let tokens: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    Batch {
        input_ids: (0..tokens).map(|at| stream.bits(0, 0, at) % 30).collect(),
        token_type_ids: (0..tokens).map(|at| stream.bits(0, 1, at) % 2).collect(),
        cumulative_lengths: [0].into_iter().chain(ends).collect(),
        together: 1,
        contexts: Vec::new(),
        targets,
    }
}

/// A machine with a batch on it.
pub struct Lab<'a, M: Machine> {
    /// The machine.
    pub machine: &'a M,
    /// Its shape.
    pub shape: &'a Shape,
    /// The batch.
    pub batch: Batch,
    /// Its rounded sizes.
    pub room: Room,
    staged: Staged,
    partials: Address,
    kept: RefCell<Vec<Memory>>,
    drawn: Cell<u32>,
}

impl<'a, M: Machine> Lab<'a, M> {
    /// Stages the batch with targets.
    pub fn new(machine: &'a M, shape: &'a Shape, targets: Targets) -> Result<Lab<'a, M>, EngineError> {
        let batch = batch(targets);
        let mut words = Vec::new();
        let room = batch::write(&batch, &PART, &mut words);
        let (memory, partials) = (machine.allocate(room.bytes())?, machine.allocate(1 << 20)?);
        machine.upload(memory.address, bytemuck::cast_slice(&words))?;
        let (staged, partials_at) = (Staged::at(memory.address, room), partials.address);
        let kept = RefCell::new(vec![memory, partials]);
        Ok(Lab { machine, shape, batch, room, staged, partials: partials_at, kept, drawn: Cell::new(0) })
    }

    /// Its launches.
    pub fn on(&self) -> Operations<'_, M> {
        let Lab { machine, shape, staged, room, partials, .. } = self;
        Operations { machine: *machine, shape, staged: *staged, room: *room, partials: *partials }
    }

    /// Dropout at a site, and its masks for `rows` rows of `columns`, row r beginning at index `first(r)`.
    pub fn mask(&self, site: Site, rows: usize, columns: usize, first: impl Fn(usize) -> usize) -> (Dropout, Vec<f64>) {
        let mut mask = vec![0.0; rows * columns];
        let fill =
            |(row, values): (usize, &mut [f32])| Masks::new(&PART).fill(site, DROPOUT, first(row) as u64, values);
        mask.chunks_mut(columns).enumerate().for_each(fill);
        (Dropout::new(site, DROPOUT, true), mask.into_iter().map(f64::from).collect())
    }

    /// Random numbers between -1 and 1, as activations or in 32 bits, `count` of them and zeros behind up to `room`.
    pub fn random(&self, count: usize, room: usize, wide: bool) -> Result<(Address, Vec<f64>), EngineError> {
        self.drawn.set(self.drawn.get() + 1);
        let stream = Stream::new(9, Purpose::Synthetic);
        let draw = |at: u64| (2.0 * stream.uniform(0, self.drawn.get(), at) - 1.0) as f32;
        let mut values: Vec<f32> = (0..count as u64).map(draw).collect();
        values.resize(room, 0.0);
        if !wide && self.shape.precision == Precision::Bf16 {
            values.iter_mut().for_each(|value| *value = bf16::from_f32(*value).to_f32());
        }
        let address = self.put(&values, wide)?;
        values.truncate(count);
        Ok((address, values.into_iter().map(f64::from).collect()))
    }

    /// Memory filled with NaN, so that what is not written shows.
    pub fn poisoned(&self, count: usize, wide: bool) -> Result<Address, EngineError> {
        self.put(&vec![f32::NAN; count], wide)
    }

    /// Copies values to new memory.
    pub fn put(&self, values: &[f32], wide: bool) -> Result<Address, EngineError> {
        let halves: Vec<u16>;
        let bytes: &[u8] = if wide || self.shape.precision == Precision::F32 {
            bytemuck::cast_slice(values)
        } else {
            halves = values.iter().map(|value| bf16::from_f32(*value).to_bits()).collect();
            bytemuck::cast_slice(&halves)
        };
        let memory = self.machine.allocate(bytes.len())?;
        self.machine.upload(memory.address, bytes)?;
        let address = memory.address;
        self.kept.borrow_mut().push(memory);
        Ok(address)
    }

    /// Copies values back.
    pub fn get(&self, from: Address, count: usize, wide: bool) -> Result<Vec<f64>, EngineError> {
        if wide || self.shape.precision == Precision::F32 {
            let mut values = vec![0f32; count];
            self.machine.download(from, bytemuck::cast_slice_mut(&mut values))?;
            return Ok(values.into_iter().map(f64::from).collect());
        }
        let mut halves = vec![0u16; count];
        self.machine.download(from, bytemuck::cast_slice_mut(&mut halves))?;
        Ok(halves.into_iter().map(|bits| bf16::from_bits(bits).to_f64()).collect())
    }

    /// Compares; the limit is the precision's, or that of 32 bits where the outcome and all its inputs are.
    pub fn compare(&self, name: &str, ours: &[f64], theirs: &[f64]) -> Outcome {
        let limit = if self.shape.precision == Precision::Bf16 { BF16 } else { F32 };
        let name = format!("{name}, {}", self.shape.precision.name());
        Outcome { name, apart: apart(ours, theirs), limit }
    }
}

/// `‖ours - theirs‖ / ‖theirs‖`.
pub fn apart(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b)) / norm(&mut theirs.iter().copied()).max(1e-30)
}

/// Sums over the rows of `[rows, columns]`.
pub fn column_sums(x: &[f64], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    x.chunks(columns).for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
    sums
}

/// `left [m, k] · right [k, n]`, each as it lies if not transposed.
pub fn product(left: (&[f64], bool), right: (&[f64], bool), [m, n, k]: [usize; 3]) -> Vec<f64> {
    let of_left = |i: usize, x: usize| if left.1 { left.0[x * m + i] } else { left.0[i * k + x] };
    let of_right = |x: usize, j: usize| if right.1 { right.0[j * k + x] } else { right.0[x * n + j] };
    let cell = |at: usize| (0..k).map(|x| of_left(at / n, x) * of_right(x, at % n)).sum();
    (0..m * n).map(cell).collect()
}

/// LayerNorm of rows, with x̂ and the factor of each row.
pub fn layer_norm(x: &[f64], gamma: &[f64], beta: &[f64], epsilon: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let width = gamma.len();
    let (mut y, mut normalised, mut scales) = (Vec::new(), Vec::new(), Vec::new());
    for row in x.chunks(width) {
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + epsilon).sqrt();
        scales.push(scale);
        for (at, value) in row.iter().enumerate() {
            normalised.push((value - mean) * scale);
            y.push((value - mean) * scale * gamma[at] + beta[at]);
        }
    }
    (y, normalised, scales)
}

/// Gradient of what a LayerNorm normalised: `scale (g - mean g - x̂ mean(g x̂))`, g = dy γ.
pub fn layer_norm_backward(dy: &[f64], normalised: &[f64], scales: &[f64], gamma: &[f64]) -> Vec<f64> {
    let width = gamma.len();
    let mut dx = Vec::new();
    for ((dy, x), scale) in dy.chunks(width).zip(normalised.chunks(width)).zip(scales) {
        let g: Vec<f64> = dy.iter().zip(gamma).map(|(dy, gamma)| dy * gamma).collect();
        let plain = g.iter().sum::<f64>() / width as f64;
        let along = g.iter().zip(x).map(|(g, x)| g * x).sum::<f64>() / width as f64;
        dx.extend(g.iter().zip(x).map(|(g, x)| scale * (g - plain - x * along)));
    }
    dx
}
