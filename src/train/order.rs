//! Which examples a step sees: a pure function of (seed, step), so that a resumed run needs no iterator state.
//!
//! Hugging Face shuffles each epoch and ends it with a partial batch. The released BERT code repeats the shuffled data
//! set without end and takes only full batches, so that a batch may span two epochs.

use crate::random::{Purpose, Stream};
use crate::spec::recipe::Rounding;

/// The order of the training examples of one run.
pub struct Order {
    stream: Stream,
    examples: usize,
    batch_size: usize,
    rounding: Rounding,
    /// The epoch drawn last, and its order.
    drawn: Option<(u64, Vec<u32>)>,
}

impl Order {
    /// The order of `examples` in batches of `batch_size`, both at least 1.
    pub fn new(seed: u64, examples: usize, batch_size: usize, rounding: Rounding) -> Order {
        Order { stream: Stream::new(seed, Purpose::Order), examples, batch_size, rounding, drawn: None }
    }

    /// The examples of a step, from 0: the pass over all of them that each belongs to, and its number.
    pub fn batch(&mut self, step: u64) -> Vec<(u64, usize)> {
        match self.rounding {
            Rounding::Up => {
                let per_epoch = self.examples.div_ceil(self.batch_size) as u64;
                let first = (step % per_epoch) as usize * self.batch_size;
                let last = (first + self.batch_size).min(self.examples);
                (first..last).map(|at| (step / per_epoch, self.example(step / per_epoch, at))).collect()
            }
            Rounding::Down => {
                let first = step * self.batch_size as u64;
                let examples = self.examples as u64;
                let positions = first..first + self.batch_size as u64;
                positions.map(|at| (at / examples, self.example(at / examples, (at % examples) as usize))).collect()
            }
        }
    }

    /// Epochs done after `steps` steps.
    pub fn epochs(&self, steps: u64) -> f64 {
        match self.rounding {
            Rounding::Up => steps as f64 / self.examples.div_ceil(self.batch_size) as f64,
            Rounding::Down => (steps * self.batch_size as u64) as f64 / self.examples as f64,
        }
    }

    /// Whether an epoch ends with step number `steps` (counted from 1).
    pub fn ends_epoch(&self, steps: u64) -> bool {
        self.epochs(steps).floor() > self.epochs(steps - 1).floor()
    }

    fn example(&mut self, epoch: u64, at: usize) -> usize {
        if self.drawn.as_ref().is_none_or(|(drawn, _)| *drawn != epoch) {
            self.drawn = Some((epoch, self.stream.permutation(epoch, self.examples)));
        }
        let (_, order) = self.drawn.as_ref().expect("drawn just above");
        order[at] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(batch: Vec<(u64, usize)>) -> Vec<usize> {
        batch.into_iter().map(|(_, example)| example).collect()
    }

    #[test]
    fn an_epoch_sees_every_example_once_and_ends_with_a_partial_batch() {
        let mut order = Order::new(1, 10, 4, Rounding::Up);
        let batches: Vec<Vec<usize>> = (0..3).map(|step| numbers(order.batch(step))).collect();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        let mut seen = batches.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert!(!order.ends_epoch(2) && order.ends_epoch(3));
        assert_ne!(numbers(order.batch(3)), numbers(order.batch(0)));
    }

    #[test]
    fn the_released_codes_batches_are_full_and_span_epochs() {
        let mut order = Order::new(1, 10, 4, Rounding::Down);
        let spanning: Vec<u64> = order.batch(2).into_iter().map(|(epoch, _)| epoch).collect();
        assert_eq!(spanning, [0, 0, 1, 1]);
        let batches: Vec<Vec<usize>> = (0..5).map(|step| numbers(order.batch(step))).collect();
        assert!(batches.iter().all(|batch| batch.len() == 4));
        let mut twice = batches.concat();
        twice.sort_unstable();
        assert_eq!(twice, (0..10).flat_map(|at| [at, at]).collect::<Vec<_>>());
        assert_eq!((1..=5).filter(|step| order.ends_epoch(*step)).collect::<Vec<_>>(), [3, 5]);
    }

    #[test]
    fn a_step_can_be_asked_for_without_those_before() {
        let (mut one, mut other) = (Order::new(3, 100, 7, Rounding::Down), Order::new(3, 100, 7, Rounding::Down));
        (0..40).for_each(|step| drop(one.batch(step)));
        assert_eq!(one.batch(40), other.batch(40));
    }
}
