//! What the loop is told of a training, whatever it is of: batches, the rate, Adam, and when to look.

use crate::engine::Update;
use crate::plan::steps::{learning_rate_factor, warmup_steps};
use crate::spec::recipe::{Evaluate, KeepWeights, Recipe, Rounding, Schedule};

/// Batches, optimizer, evaluations and snapshots; each as of [`Recipe`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regime {
    /// Examples of a step.
    pub batch_size: usize,
    /// Examples that are accumulated at once.
    pub micro_batch_size: usize,
    /// Peak rate.
    pub learning_rate: f64,
    /// How it moves after warm-up.
    pub schedule: Schedule,
    /// Share of the steps that warm up.
    pub warmup: f64,
    /// Rounding of step counts.
    pub rounding: Rounding,
    /// Adam with bias correction or without.
    pub bias_correction: bool,
    /// Adam's first decay.
    pub beta1: f64,
    /// Adam's second decay.
    pub beta2: f64,
    /// Adam's epsilon.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Gradient norm above which gradients are scaled down; 0 never.
    pub max_grad_norm: f64,
    /// When dev is evaluated.
    pub evaluate: Evaluate,
    /// Evaluations without a better one after which training stops; 0 never.
    pub early_stopping: usize,
    /// What the rate is multiplied by after each of them.
    pub plateau_factor: f64,
    /// Peak below which training stops; 0 never.
    pub min_learning_rate: f64,
    /// Which weights are kept.
    pub keep_weights: KeepWeights,
    /// Steps between snapshots; 0 writes one at each epoch's end.
    pub snapshot_steps: u64,
}

impl From<&Recipe> for Regime {
    fn from(recipe: &Recipe) -> Regime {
        Regime {
            batch_size: recipe.batch_size,
            micro_batch_size: recipe.micro_batch_size,
            learning_rate: recipe.learning_rate,
            schedule: recipe.schedule,
            warmup: recipe.warmup,
            rounding: recipe.rounding,
            bias_correction: recipe.bias_correction,
            beta1: recipe.beta1,
            beta2: recipe.beta2,
            epsilon: recipe.epsilon,
            weight_decay: recipe.weight_decay,
            max_grad_norm: recipe.max_grad_norm,
            evaluate: recipe.evaluate,
            early_stopping: recipe.early_stopping,
            plateau_factor: recipe.plateau_factor,
            min_learning_rate: recipe.min_learning_rate,
            keep_weights: recipe.keep_weights,
            snapshot_steps: recipe.snapshot_steps,
        }
    }
}

impl Regime {
    /// The peak after so many plateaus (`ReduceLROnPlateau` of PyTorch without patience).
    pub fn peak(&self, plateaus: u32) -> f64 {
        self.learning_rate * self.plateau_factor.powi(plateaus as i32)
    }

    /// The update of a step, counted from 0, of so many.
    pub fn update(&self, step: u64, total: u64, plateaus: u32) -> Update {
        let warmup = warmup_steps(total, self.warmup, self.rounding);
        self.update_at(step, self.peak(plateaus) * learning_rate_factor(self.schedule, step, total, warmup))
    }

    /// The update of a step at a rate.
    pub fn update_at(&self, step: u64, learning_rate: f64) -> Update {
        Update {
            step,
            learning_rate,
            bias_correction: self.bias_correction,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            max_grad_norm: self.max_grad_norm,
        }
    }
}
