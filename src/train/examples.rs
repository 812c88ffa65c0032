//! What a training draws from.

use super::TrainError;
use crate::encode::{Features, sequences_of_an_example};
use std::borrow::Cow;

/// Examples by number. An example is one sequence, or several that are predicted together.
pub trait Examples: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// An example's sequences in a pass over all of them; masks may differ from one pass to the next.
    ///
    /// # Errors
    /// It cannot be read.
    fn sequences(&self, example: usize, epoch: u64) -> Result<Cow<'_, [Features]>, TrainError>;
}

/// Sequences in memory.
pub struct InMemory<'a> {
    features: &'a [Features],
    together: usize,
}

impl<'a> InMemory<'a> {
    /// Sequences in the order of their examples.
    pub fn new(features: &'a [Features]) -> InMemory<'a> {
        InMemory { features, together: sequences_of_an_example(features) }
    }
}

impl Examples for InMemory<'_> {
    fn count(&self) -> usize {
        self.features.len() / self.together
    }

    fn sequences(&self, example: usize, _: u64) -> Result<Cow<'_, [Features]>, TrainError> {
        Ok(Cow::Borrowed(&self.features[example * self.together..][..self.together]))
    }
}
