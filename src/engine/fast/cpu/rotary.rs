//! Rotary positions (Su et al. 2021): of each head's values a and b, half a head apart, `(a cos - b sin, b cos + a sin)`, with
//! the angle `position / theta^(2 d / D)` for pair d. Backward is the turn the other way.

use super::simd::{Isa, vectors, vectors_mut};
use crate::family::{ModernBert, Rotary};
use pulp::{Simd, WithSimd};

/// Cosines and sines of the positions met so far, and those of a panel.
#[derive(Default)]
pub struct Angles {
    /// By base: `[positions, D/2]` pairs.
    tables: Vec<(f64, Vec<[f32; 2]>)>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Angles {
    /// Tables for sequences of `longest` tokens.
    pub fn fit(&mut self, own: &ModernBert, size: usize, longest: usize) {
        let half = size / 2;
        for rotary in &own.layers {
            if !self.tables.iter().any(|(theta, _)| *theta == rotary.theta) {
                self.tables.push((rotary.theta, Vec::new()));
            }
        }
        for (theta, table) in &mut self.tables {
            for at in table.len()..longest * half {
                let frequency = (1.0 / theta.powf(2.0 * (at % half) as f64 / size as f64)) as f32;
                let angle = (at / half) as f32 * frequency;
                table.push([angle.cos(), angle.sin()]);
            }
        }
    }

    /// Turns the first `turned` heads of a panel `[rows, W]` whose lanes have these positions; back with `back`.
    pub fn turn(
        &mut self,
        (isa, rotary, size): (Isa, &Rotary, usize),
        positions: impl Iterator<Item = usize>,
        panel: &mut [f32],
        turned: usize,
        back: bool,
    ) {
        let half = size / 2;
        let (_, table) =
            self.tables.iter().find(|(theta, _)| *theta == rotary.theta).expect("tables were made for every layer");
        self.cos.clear();
        self.cos.resize(half * isa.width, 1.0);
        self.sin.clear();
        self.sin.resize(half * isa.width, 0.0);
        for (lane, position) in positions.enumerate() {
            for (d, [cos, sin]) in table[position * half..][..half].iter().enumerate() {
                self.cos[d * isa.width + lane] = *cos;
                self.sin[d * isa.width + lane] = if back { -sin } else { *sin };
            }
        }
        isa.run(Turn { panel: &mut panel[..turned * size * isa.width], cos: &self.cos, sin: &self.sin });
    }
}

struct Turn<'a> {
    panel: &'a mut [f32],
    cos: &'a [f32],
    sin: &'a [f32],
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (cos, sin) = (vectors::<S>(self.cos), vectors::<S>(self.sin));
        for head in vectors_mut::<S>(self.panel).chunks_exact_mut(2 * cos.len()) {
            let (a, b) = head.split_at_mut(cos.len());
            for ((a, b), (cos, sin)) in a.iter_mut().zip(b).zip(cos.iter().zip(sin)) {
                let first = simd.sub_f32s(simd.mul_f32s(*a, *cos), simd.mul_f32s(*b, *sin));
                *b = simd.mul_add_f32s(*a, *sin, simd.mul_f32s(*b, *cos));
                *a = first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fast::cpu::panel::{from_panels, to_panels};
    use crate::family::{Encoder, EncoderConfig};

    fn own() -> ModernBert {
        let text = r#"{"model_type": "modernbert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 4, "hidden_activation": "gelu", "attention_dropout": 0.0,
            "embedding_dropout": 0.0, "mlp_dropout": 0.0, "max_position_embeddings": 99, "norm_eps": 1e-5,
            "local_attention": 8, "classifier_pooling": "cls"}"#;
        let Encoder::ModernBert(own) = EncoderConfig::parse(text).unwrap().encoder else { unreachable!() };
        own
    }

    // By hand, D = 4, theta 160,000 and so frequencies 1 and 1/400: position 2 turns (1, ., 3, .) by 2 and (., 2, ., 4) by
    // 0.005. The third head is a value's, not turned.
    #[test]
    fn pairs_are_turned_by_their_angle_and_back() {
        let own = own();
        for isa in Isa::all() {
            let mut angles = Angles::default();
            angles.fit(&own, 4, 3);
            let token = [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 1.0, 0.0, 5.0, 6.0, 7.0, 8.0];
            let mut panel = to_panels(isa, 12, &[token, token].concat());
            angles.turn((isa, &own.layers[0], 4), [0, 2].into_iter(), &mut panel, 2, false);
            let found = from_panels(isa, 12, 2, &panel);
            assert_eq!(found[..12], token);
            let (c, s, c2, s2) = (2f32.cos(), 2f32.sin(), 0.005f32.cos(), 0.005f32.sin());
            let first = [c - 3.0 * s, 2.0 * c2 - 4.0 * s2, 3.0 * c + s, 4.0 * c2 + 2.0 * s2];
            let expected = [&first[..], &[-s, 0.0, c, 0.0], &token[8..]].concat();
            assert!(found[12..].iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
            angles.turn((isa, &own.layers[0], 4), [0, 2].into_iter(), &mut panel, 2, true);
            let back = from_panels(isa, 12, 2, &panel);
            assert!(back[12..].iter().zip(token).all(|(a, b)| (a - b).abs() < 1e-6), "{back:?}");
        }
    }
}
