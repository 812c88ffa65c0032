//! Next tokens beside a sequence head (GPT, Section 3.2): `logits = E x` with E the table of word embeddings and x the last
//! layer's output; the cross entropy of the token that follows, its mean over a sequence's tokens but the last, and that
//! one's mean over the sequences (finetune-transformer-lm, train.py: `lm_losses`).
//!
//! The released code has positions in the same table, so that they are in the softmax and never right, and multiplies by
//! the table that `embd_pdrop` has dropped out. Here the softmax is over words, and dropout is where transformers has it:
//! behind the sum of a token's embeddings.
//!
//! T tokens, P of them that are followed by another one, H hidden size, V words.

use super::model::Forward;
use super::ops::log_softmax;
use crate::encode::Batch;
use crate::engine::Divisors;
use candle_core::{Result, Tensor};

impl Forward<'_> {
    /// The next tokens' loss with its weight, from the last layer's output `[T, H]`; `None` where it is not trained.
    pub fn auxiliary_loss(&self, hidden: &Tensor, batch: &Batch, by: Divisors) -> Result<Option<Tensor>> {
        let weight = self.config.auxiliary_lm;
        if weight == 0.0 || self.masks.is_none() {
            return Ok(None);
        }
        let sequences = by.sequences * batch.together as f64;
        (self.next_tokens(hidden, batch)? * (weight / sequences)).map(Some)
    }

    /// The sum over sequences of the mean loss of their tokens but the last.
    fn next_tokens(&self, hidden: &Tensor, batch: &Batch) -> Result<Tensor> {
        let device = hidden.device();
        let (mut tokens, mut next, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for bounds in batch.cumulative_lengths.windows(2) {
            let followed = bounds[0]..bounds[1] - 1;
            shares.resize(shares.len() + followed.len(), 1.0 / followed.len() as f32);
            next.extend(followed.clone().map(|token| batch.input_ids[token as usize + 1]));
            tokens.extend(followed);
        }
        if tokens.is_empty() {
            return hidden.sum_all()? * 0.0;
        }
        let states = hidden.index_select(&Tensor::new(tokens, device)?, 0)?; // [P, H]
        let table = self.weights.get("embeddings.word_embeddings.weight")?; // [V, H]
        let next = Tensor::new(next, device)?.unsqueeze(1)?; // [P, 1]
        let losses = log_softmax(&states.matmul(&table.t()?)?)?.gather(&next, 1)?.squeeze(1)?.neg()?; // [P]
        (losses * Tensor::new(shares, device)?)?.sum_all()
    }
}

#[cfg(test)]
mod tests {
    use crate::encode::{Batch, Targets};
    use crate::engine::reference::Reference;
    use crate::engine::weights::{Initialization, starting_values};
    use crate::engine::{Engine, NamedArray, StepPart};
    use crate::family::{EncoderConfig, parameters};
    use crate::task::Head;
    use std::collections::BTreeMap;

    const HEAD: Head = Head::Classification;

    /// Without dropout, so that a loss can be said again.
    fn config(auxiliary_lm: f64) -> EncoderConfig {
        let text = r#"{"model_type": "openai-gpt", "vocab_size": 11, "n_embd": 6, "n_layer": 2, "n_head": 2,
            "n_positions": 8, "afn": "gelu", "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
            "layer_norm_epsilon": 1e-5}"#;
        EncoderConfig { auxiliary_lm, ..EncoderConfig::parse(text).unwrap() }
    }

    /// Four sequences; of one token, none follows.
    fn batch(together: usize) -> Batch {
        Batch {
            input_ids: vec![1, 4, 2, 9, 3, 5, 7, 10, 8, 8, 0, 6],
            token_type_ids: vec![0; 12],
            cumulative_lengths: vec![0, 5, 7, 8, 12],
            together,
            contexts: Vec::new(),
            targets: Targets::Classes([2, 0, 1, 1][..4 / together].to_vec()),
        }
    }

    fn start() -> Vec<NamedArray> {
        let how = Initialization { seed: 2, initializer_range: 0.4, truncated_normal: false };
        starting_values(&parameters(&config(0.0), HEAD, 3), BTreeMap::new(), &how)
    }

    fn trained(auxiliary_lm: f64, values: Vec<NamedArray>, batch: &Batch) -> Reference {
        let mut engine = Reference::new(config(auxiliary_lm), HEAD, 3, values).unwrap();
        engine.accumulate(batch, &StepPart::whole(1, 0, batch)).unwrap();
        engine
    }

    fn loss(auxiliary_lm: f64, values: Vec<NamedArray>, batch: &Batch) -> f64 {
        trained(auxiliary_lm, values, batch).loss().unwrap()
    }

    /// The mean over sequences of the mean over their tokens but the last, in plain loops of 64 bits.
    fn expected(batch: &Batch) -> f64 {
        let engine = Reference::new(config(0.0), HEAD, 3, start()).unwrap();
        let states = engine.hidden_states(batch).unwrap().pop().unwrap();
        let table = start()[0].values.clone();
        let logit = |token: usize, word: usize| {
            let row = &table[word * 6..][..6];
            row.iter().zip(&states[token]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
        };
        let of_token = |token: usize| {
            let log_sum = (0..11).map(|word| logit(token, word).exp()).sum::<f64>().ln();
            log_sum - logit(token, batch.input_ids[token + 1] as usize)
        };
        let of_sequence = |bounds: &[u32]| {
            let followed = bounds[0] as usize..bounds[1] as usize - 1;
            let count = followed.len().max(1) as f64;
            followed.map(of_token).sum::<f64>() / count
        };
        batch.cumulative_lengths.windows(2).map(of_sequence).sum::<f64>() / batch.len() as f64
    }

    #[test]
    fn next_tokens_are_a_mean_over_sequences_of_means_over_their_tokens() {
        for batch in [batch(1), batch(2)] {
            let (with, without) = (loss(0.5, start(), &batch), loss(0.0, start(), &batch));
            let found = (with - without) / 0.5;
            assert!((found - expected(&batch)).abs() < 1e-5, "{found}, expected {}", expected(&batch));
        }
    }

    /// A prediction's loss is the head's alone, as `clf_loss` of the released code.
    #[test]
    fn what_is_predicted_knows_no_next_tokens() {
        use crate::engine::Predictor;
        let predicted = |auxiliary_lm: f64| {
            let engine = Reference::new(config(auxiliary_lm), HEAD, 3, start()).unwrap();
            engine.predict(&batch(1)).unwrap()
        };
        assert_eq!(predicted(0.5), predicted(0.0));
    }

    /// Each parameter is moved along its own gradient g, by h g either way with |h g| = 0.02: the loss changes by 2 h |g|² but
    /// for terms of third order and rounding of a loss near 2, which are a hundredth of it here.
    #[test]
    fn gradients_match_differences_of_the_loss() {
        for batch in [batch(1), batch(2)] {
            for (at, gradient) in trained(0.5, start(), &batch).gradients().unwrap().iter().enumerate() {
                let square = gradient.values.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
                assert!(square > 0.0, "{} has no gradient", gradient.name);
                let step = 0.02 / square.sqrt();
                let moved = |by: f64| {
                    let mut values = start();
                    let own = values[at].values.iter_mut().zip(&gradient.values);
                    own.for_each(|(value, g)| *value += (by * f64::from(*g)) as f32);
                    loss(0.5, values, &batch)
                };
                let difference = (moved(step) - moved(-step)) / (2.0 * step);
                assert!((difference / square - 1.0).abs() < 0.01, "{}: {difference} for {square}", gradient.name);
            }
        }
    }
}
