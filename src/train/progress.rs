//! What a training remembers beside the engine's state; it is stored in every snapshot.

use crate::record::Evaluation;
use serde::{Deserialize, Serialize};

/// The evaluation whose weights are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps done at that evaluation.
    pub step: u64,
    /// Its primary metric; an undefined metric counts as lowest.
    pub value: f64,
}

/// Where a training stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Optimizer steps done.
    pub step: u64,
    /// Mean training loss of each step.
    pub losses: Vec<f64>,
    /// Gradient norm of each step, before clipping.
    pub gradient_norms: Vec<f64>,
    /// Learning rate of each step.
    pub learning_rates: Vec<f64>,
    /// Dev evaluations.
    pub evaluations: Vec<Evaluation>,
    /// Best evaluation so far, where weights are kept by dev score.
    pub best: Option<Best>,
    /// Evaluations since the best one.
    pub without_improvement: usize,
    /// Evaluations without improvement so far, each of which may lower the learning rate; absent in older snapshots.
    #[serde(default)]
    pub plateaus: u32,
    /// Tokens trained on.
    pub tokens: u64,
    /// Processor of the newest steps; empty in snapshots of before it was kept.
    #[serde(default)]
    pub computed_on: String,
    /// Seconds of training steps, of every process that worked on the run.
    pub seconds: f64,
}

/// A loss this many times the largest of the first ten steps before it has exploded.
const EXPLOSION: f64 = 100.0;

impl Progress {
    /// Whether the last step's loss or gradient is no number, or has exploded.
    pub fn diverged(&self) -> bool {
        let (Some(loss), Some(norm)) = (self.losses.last(), self.gradient_norms.last()) else { return false };
        let earlier = &self.losses[..self.losses.len() - 1];
        let start = earlier.iter().take(10).copied().fold(0.0, f64::max);
        !loss.is_finite() || !norm.is_finite() || !earlier.is_empty() && *loss > EXPLOSION * start.max(1.0)
    }

    /// Takes an evaluation's primary metric into account; true if it is the best so far.
    pub fn note(&mut self, value: Option<f64>) -> bool {
        let value = value.unwrap_or(f64::MIN);
        let better = self.best.as_ref().is_none_or(|best| value > best.value);
        if better {
            self.best = Some(Best { step: self.step, value });
        }
        self.without_improvement = if better { 0 } else { self.without_improvement + 1 };
        self.plateaus += u32::from(!better);
        better
    }

    /// Mean loss of the last tenth of the steps.
    pub fn final_loss(&self) -> Option<f64> {
        let tail = &self.losses[self.losses.len() - self.losses.len().div_ceil(10)..];
        (!tail.is_empty()).then(|| tail.iter().sum::<f64>() / tail.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(losses: &[f64]) -> Progress {
        let norms = vec![1.0; losses.len()];
        Progress { losses: losses.to_vec(), gradient_norms: norms, ..Progress::default() }
    }

    #[test]
    fn a_loss_that_is_no_number_or_explodes_is_divergence() {
        assert!(after(&[0.7, f64::NAN]).diverged());
        assert!(after(&[0.7, f64::INFINITY]).diverged());
        assert!(after(&[0.7, 101.0]).diverged());
        assert!(!after(&[15.0, 90.0]).diverged());
        assert!(!Progress::default().diverged());
    }

    #[test]
    fn the_first_best_stays_and_a_tie_is_no_improvement() {
        let mut progress = Progress { step: 3, ..Progress::default() };
        assert!(progress.note(None));
        assert!(progress.note(Some(0.5)));
        assert!(!progress.note(Some(0.5)));
        assert_eq!((&progress.best, progress.without_improvement), (&Some(Best { step: 3, value: 0.5 }), 1));
        assert!(progress.note(Some(0.6)));
        assert_eq!((progress.without_improvement, progress.plateaus), (0, 1));
    }

    // Twenty steps: the last tenth is the last two, (0.2 + 0.4) / 2.
    #[test]
    fn the_final_loss_is_the_mean_of_the_last_tenth() {
        let mut losses = vec![1.0; 18];
        losses.extend([0.2, 0.4]);
        assert!((after(&losses).final_loss().unwrap() - 0.3).abs() < 1e-12);
        assert_eq!(Progress::default().final_loss(), None);
    }
}
