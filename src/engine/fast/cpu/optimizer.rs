//! Norm, clipping, Adam and clearing of the gradient: two passes over flat buffers, in chunks shared by the workers.
//!
//! A table's row (word or position embeddings) that no batch has touched has gradient and moments of zero. Adam then
//! only shrinks it by the weight decay, and nothing else of it is read or written; a row touched before but not in this
//! step has no gradient to read. Both give the bytes that the full formula gives.

use super::buffer::Buffer;
use super::crew::Crew;
use super::shared::Shared;
use super::simd::{Isa, vectors, vectors_mut};
use crate::engine::Update;
use crate::engine::adam::{Constants, clip_factor};
use crate::engine::fast::flat::FlatLayout;
use crate::family::Parameter;
use pulp::{Simd, WithSimd};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Values of a chunk, about.
const CHUNK: usize = 32_768;

/// What has happened to a row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// Nothing, ever.
    Untouched,
    /// It has moments, and no gradient now.
    Moving,
    /// It has a gradient.
    Touched,
}

/// Rows of a table, or values without rows.
#[derive(Clone, Debug)]
struct Chunk {
    range: Range<usize>,
    decays: bool,
    rate_share: f64,
    /// First of the table's rows in `rows`, and values of each.
    rows: Option<(usize, usize)>,
}

/// Parameters with their gradient and moments.
pub struct State<'a> {
    /// Values.
    pub parameters: &'a mut [f32],
    /// Gradient.
    pub gradients: &'a mut [f32],
    /// First moment.
    pub first: &'a mut [f32],
    /// Second moment.
    pub second: &'a mut [f32],
}

/// The optimizer's plan of a model, and which rows were touched.
pub struct Optimizer {
    isa: Isa,
    chunks: Vec<Chunk>,
    squares: Vec<AtomicU64>,
    rows: Vec<Row>,
    /// Row width, and the tables' ranges with their first entry in `rows`.
    width: usize,
    tables: [(Range<usize>, usize); 2],
}

impl Optimizer {
    /// The plan for a layout whose table rows have `width` values.
    pub fn new(isa: Isa, layout: &FlatLayout, width: usize) -> Optimizer {
        let (words, positions) = (layout.embeddings.words.clone(), layout.embeddings.positions.clone());
        let tables = [(words.clone(), 0), (positions.clone(), words.len() / width)];
        let mut optimizer = Optimizer {
            isa,
            chunks: Vec::new(),
            squares: Vec::new(),
            rows: vec![Row::Untouched; (words.len() + positions.len()) / width],
            width,
            tables,
        };
        for (parameter, range) in layout.trained() {
            optimizer.push(range.clone(), parameter);
        }
        optimizer.squares = optimizer.chunks.iter().map(|_| AtomicU64::new(0)).collect();
        optimizer
    }

    fn push(&mut self, range: Range<usize>, parameter: &Parameter) {
        let (decays, rate_share) = (parameter.decays(), parameter.rate_share);
        let table = self.tables.iter().find(|(table, _)| *table == range).cloned();
        let size = if table.is_some() { (CHUNK / self.width).max(1) * self.width } else { CHUNK };
        for start in range.clone().step_by(size) {
            let rows = table.as_ref().map(|(table, first)| (first + (start - table.start) / self.width, self.width));
            self.chunks.push(Chunk { range: start..range.end.min(start + size), decays, rate_share, rows });
        }
    }

    /// Notes that a batch reads a row of the word embeddings.
    pub fn touch_word(&mut self, word: usize) {
        self.rows[self.tables[0].1 + word] = Row::Touched;
    }

    /// Notes that a batch reads all of the word embeddings.
    pub fn touch_all_words(&mut self) {
        self.rows[self.tables[0].1..self.tables[1].1].fill(Row::Touched);
    }

    /// Notes that a batch reads these rows of the position embeddings, where there are any.
    pub fn touch_positions(&mut self, rows: Range<usize>) {
        if self.tables[1].0.is_empty() {
            return;
        }
        self.rows[self.tables[1].1..][rows].fill(Row::Touched);
    }

    /// After moments were set from outside: rows with any are moving, and no gradient is left. Tables that are not trained
    /// have none.
    pub fn restored(&mut self, first: &[f32], second: &[f32]) {
        if self.chunks.iter().all(|chunk| chunk.rows.is_none()) {
            return;
        }
        for (table, row) in &self.tables {
            let moments = first[table.clone()].chunks(self.width).zip(second[table.clone()].chunks(self.width));
            for ((first, second), row) in moments.zip(&mut self.rows[*row..]) {
                let moves = first.iter().chain(second).any(|value| *value != 0.0);
                *row = if moves { Row::Moving } else { Row::Untouched };
            }
        }
    }

    /// One update of all parameters; returns the gradient's norm before clipping.
    pub fn update(&mut self, crew: &Crew, state: State, update: &Update) -> f64 {
        let norm = self.norm(crew, state.gradients);
        let clip = clip_factor(norm, update.max_grad_norm);
        self.step(crew, state, update, clip);
        self.rows.iter_mut().filter(|row| **row == Row::Touched).for_each(|row| *row = Row::Moving);
        norm
    }

    /// `‖gradient‖₂`; chunks are summed in order, so that it does not depend on who computed them.
    fn norm(&self, crew: &Crew, gradients: &[f32]) -> f64 {
        self.each_chunk(crew, &|at, chunk| {
            let mut sum = 0.0;
            self.stretches(chunk, &mut |range, row| {
                if row == Row::Touched {
                    sum += self.isa.run(Squares { values: &gradients[range] });
                }
            });
            self.squares[at].store(sum.to_bits(), Ordering::Relaxed);
        });
        self.squares.iter().map(|sum| f64::from_bits(sum.load(Ordering::Relaxed))).sum::<f64>().sqrt()
    }

    fn step(&self, crew: &Crew, state: State, update: &Update, clip: f64) {
        let (parameters, gradients) = (Shared::new(state.parameters), Shared::new(state.gradients));
        let (first, second) = (Shared::new(state.first), Shared::new(state.second));
        self.each_chunk(crew, &|_, chunk| {
            let constants = Constants::new(&update.at(chunk.rate_share), clip, chunk.decays);
            self.stretches(chunk, &mut |range, row| {
                if row == Row::Untouched && constants.shrink == 1.0 {
                    return;
                }
                // SAFETY: chunks do not overlap, each is one worker's, and stretches lie within their chunk.
                let parameters = unsafe { parameters.range(range.clone()) };
                if row == Row::Untouched {
                    return parameters.iter_mut().for_each(|value| *value *= constants.shrink);
                }
                // SAFETY: as above.
                let (gradients, first, second) =
                    unsafe { (gradients.range(range.clone()), first.range(range.clone()), second.range(range)) };
                self.isa.run(Adam { constants, parameters, gradients, first, second, still: row == Row::Moving });
            });
        });
    }

    /// Calls `work` for every chunk, on all workers.
    fn each_chunk(&self, crew: &Crew, work: &(dyn Fn(usize, &Chunk) + Sync)) {
        let next = AtomicUsize::new(0);
        crew.run(&|_| {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = self.chunks.get(at) else { return };
                work(at, chunk);
            }
        });
    }

    /// A chunk's rows that fare alike, a stretch at a time; values without rows count as touched.
    fn stretches(&self, chunk: &Chunk, call: &mut dyn FnMut(Range<usize>, Row)) {
        let Some((first, width)) = chunk.rows else { return call(chunk.range.clone(), Row::Touched) };
        let rows = &self.rows[first..][..chunk.range.len() / width];
        let mut start = 0;
        for stretch in rows.chunk_by(|a, b| a == b) {
            let end = start + stretch.len();
            call(chunk.range.start + start * width..chunk.range.start + end * width, stretch[0]);
            start = end;
        }
    }
}

/// Moments and gradients, made when training begins. What lies in the ranges of parameters that are not trained is never
/// written, and so takes no memory.
#[derive(Default)]
pub struct Moments {
    /// Gradient.
    pub gradients: Buffer,
    /// First moment.
    pub first: Buffer,
    /// Second moment.
    pub second: Buffer,
}

/// `Σ v²`, in 32 bits over 2,048 values and in 64 over those.
struct Squares<'a> {
    values: &'a [f32],
}

impl WithSimd for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut total = 0.0;
        for block in self.values.chunks(2048) {
            let (vectors, rest) = S::as_simd_f32s(block);
            let mut sums = [simd.splat_f32s(0.0); 4];
            for four in vectors.chunks(4) {
                for (sum, vector) in sums.iter_mut().zip(four) {
                    *sum = simd.mul_add_f32s(*vector, *vector, *sum);
                }
            }
            total += sums.iter().map(|sum| f64::from(simd.reduce_sum_f32s(*sum))).sum::<f64>();
            total += rest.iter().map(|value| f64::from(value * value)).sum::<f64>();
        }
        total
    }
}

/// Adam of one stretch ([`Constants`]); the gradient is cleared.
struct Adam<'a> {
    constants: Constants,
    parameters: &'a mut [f32],
    gradients: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    /// Whether the gradient is zero and need not be read.
    still: bool,
}

impl WithSimd for Adam<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let whole = self.parameters.len() / S::F32_LANES * S::F32_LANES;
        let (parameters, parameters_rest) = self.parameters.split_at_mut(whole);
        let (gradients, gradients_rest) = self.gradients.split_at_mut(whole);
        let (first, first_rest) = self.first.split_at_mut(whole);
        let (second, second_rest) = self.second.split_at_mut(whole);
        let by = Splat::<S>::new(simd, &self.constants);
        let zero = simd.splat_f32s(0.0);
        let values = vectors_mut::<S>(parameters).iter_mut().zip(vectors::<S>(gradients));
        let moments = vectors_mut::<S>(first).iter_mut().zip(vectors_mut::<S>(second));
        for ((value, gradient), (first, second)) in values.zip(moments) {
            let gradient = if self.still { zero } else { *gradient };
            (*value, *first, *second) = by.moved(simd, *value, gradient, *first, *second);
        }
        if !parameters_rest.is_empty() {
            // The same operations: a value's bytes must not depend on where the stretch that it lies in ends.
            let gradient = if self.still { zero } else { simd.partial_load_f32s(gradients_rest) };
            let value = simd.partial_load_f32s(parameters_rest);
            let (first, second) = (simd.partial_load_f32s(first_rest), simd.partial_load_f32s(second_rest));
            let (value, first, second) = by.moved(simd, value, gradient, first, second);
            simd.partial_store_f32s(parameters_rest, value);
            simd.partial_store_f32s(first_rest, first);
            simd.partial_store_f32s(second_rest, second);
        }
        if !self.still {
            gradients.fill(0.0);
            gradients_rest.fill(0.0);
        }
    }
}

/// The scalars of an update, a vector each.
struct Splat<S: Simd> {
    clip: S::f32s,
    beta1: S::f32s,
    beta2: S::f32s,
    rest1: S::f32s,
    rest2: S::f32s,
    epsilon: S::f32s,
    rate: S::f32s,
    correction: S::f32s,
    shrink: S::f32s,
}

impl<S: Simd> Splat<S> {
    #[inline(always)]
    fn new(simd: S, constants: &Constants) -> Splat<S> {
        Splat {
            clip: simd.splat_f32s(constants.clip),
            beta1: simd.splat_f32s(constants.beta1),
            beta2: simd.splat_f32s(constants.beta2),
            rest1: simd.splat_f32s(constants.rest1),
            rest2: simd.splat_f32s(constants.rest2),
            epsilon: simd.splat_f32s(constants.epsilon),
            rate: simd.splat_f32s(constants.rate),
            correction: simd.splat_f32s(1.0 / constants.second_correction),
            shrink: simd.splat_f32s(constants.shrink),
        }
    }

    /// The moved parameters and their moments ([`Constants::moved`]). No closure: it would lose the instruction set.
    #[inline(always)]
    fn moved(
        &self,
        simd: S,
        value: S::f32s,
        gradient: S::f32s,
        first: S::f32s,
        second: S::f32s,
    ) -> (S::f32s, S::f32s, S::f32s) {
        let gradient = simd.mul_f32s(gradient, self.clip);
        let first = simd.mul_add_f32s(self.beta1, first, simd.mul_f32s(self.rest1, gradient));
        let square = simd.mul_f32s(gradient, gradient);
        let second = simd.mul_add_f32s(self.beta2, second, simd.mul_f32s(self.rest2, square));
        let root = simd.mul_add_f32s(simd.sqrt_f32s(second), self.correction, self.epsilon);
        let step = simd.div_f32s(simd.mul_f32s(self.rate, first), root);
        (simd.sub_f32s(simd.mul_f32s(value, self.shrink), step), first, second)
    }
}
