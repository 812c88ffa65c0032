//! A weighted sum of states (Peters et al. 2018, equation 1): `x = γ Σ s_j h_j` with `s = softmax(w)`, and with
//! `d_j = Σ dx h_j`: `dγ = Σ s_j d_j`, `dw_j = γ s_j (d_j - Σ s_k d_k)`. The states are constants.
//!
//! n states `[H, T]`, which lie under one another, `[n H, T]`. Sums over columns are in double precision.

use super::simd::Isa;

/// A sum at work.
#[derive(Clone, Copy)]
pub struct Mix<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// H.
    pub rows: usize,
    /// w `[n]`.
    pub weights: &'a [f32],
    /// γ.
    pub gamma: f32,
}

/// s and d, used again.
#[derive(Default)]
pub struct Scratch {
    shares: Vec<f64>,
    dots: Vec<f64>,
}

impl Mix<'_> {
    /// Fills x `[H, T]`.
    pub fn forward(&self, states: &[f32], x: &mut [f32], scratch: &mut Scratch) {
        self.share(&mut scratch.shares);
        let size = self.rows * self.isa.width;
        x.fill(0.0);
        for (states, x) in states.chunks(self.weights.len() * size).zip(x.chunks_mut(size)) {
            for (state, share) in states.chunks(size).zip(&scratch.shares) {
                let factor = self.gamma * *share as f32;
                x.iter_mut().zip(state).for_each(|(x, state)| *x += factor * state);
            }
        }
    }

    /// From dx, whose columns past T are zero, to d.
    pub fn backward(&self, states: &[f32], gradient: &[f32], scratch: &mut Scratch) {
        self.share(&mut scratch.shares);
        scratch.dots.clear();
        scratch.dots.resize(self.weights.len(), 0.0);
        let size = self.rows * self.isa.width;
        for (states, gradient) in states.chunks(self.weights.len() * size).zip(gradient.chunks(size)) {
            for (state, dot) in states.chunks(size).zip(&mut scratch.dots) {
                *dot += state.iter().zip(gradient).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            }
        }
    }

    /// Adds to the gradients of w and γ.
    pub fn add_gradients(&self, scratch: &Scratch, weights: &mut [f32], gamma: &mut [f32]) {
        let pairs = || scratch.shares.iter().zip(&scratch.dots);
        let mean: f64 = pairs().map(|(share, dot)| share * dot).sum();
        gamma[0] += mean as f32;
        for (weight, (share, dot)) in weights.iter_mut().zip(pairs()) {
            *weight += (f64::from(self.gamma) * share * (dot - mean)) as f32;
        }
    }

    fn share(&self, shares: &mut Vec<f64>) {
        let largest = self.weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        shares.clear();
        shares.extend(self.weights.iter().map(|weight| f64::from(weight - largest).exp()));
        let sum: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fast::cpu::panel::{from_panels, panels_len, to_panels};

    // w = (ln 3, 0) and γ = 2: s = (3/4, 1/4), x = 1.5 h_0 + 0.5 h_1. Of two rows and three columns h_0 is 1 and h_1 is 2
    // everywhere, so x = 2.5; with dx = 1, d = (6, 12), dγ = 7.5, dw = 2 · 3/4 · (6 - 7.5) = -2.25 and 2 · 1/4 · 4.5.
    #[test]
    fn a_sum_of_two_states_by_hand() {
        for isa in Isa::all() {
            let states = to_panels(isa, 4, &[1.0, 1.0, 2.0, 2.0].repeat(3));
            let mix = Mix { isa, rows: 2, weights: &[3f32.ln(), 0.0], gamma: 2.0 };
            let (mut x, mut scratch) = (vec![9.0; panels_len(isa, 2, 3)], Scratch::default());
            mix.forward(&states, &mut x, &mut scratch);
            assert!(from_panels(isa, 2, 3, &x).iter().all(|x| (x - 2.5).abs() < 1e-6));
            let (mut weights, mut gamma) = ([1.0; 2], [1.0]);
            mix.backward(&states, &to_panels(isa, 2, &[1.0; 6]), &mut scratch);
            mix.add_gradients(&scratch, &mut weights, &mut gamma);
            assert!((gamma[0] - 8.5).abs() < 1e-5, "{gamma:?}");
            assert!((weights[0] + 1.25).abs() < 1e-5 && (weights[1] - 3.25).abs() < 1e-5, "{weights:?}");
        }
    }
}
