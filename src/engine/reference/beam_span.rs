//! XLNet's span head with beams (Yang et al. 2019; `get_qa_outputs` of the released code; XLNetForQuestionAnswering of
//! transformers).
//!
//! Token t starts an answer with score `a h_t + α`. Beside a start i it ends one with `c LayerNorm(tanh(D [h_t; h_i] + d)) + γ`;
//! i is the answer's own start where that is known, else each of the likeliest. That there is none has the score
//! `f tanh(G [Σ p_t h_t; h_class] + g)`, with p the softmax of the starts and dropout after tanh. Only tokens that may answer take
//! part in a softmax.
//!
//! transformers differs in training: it takes the answer's own start for `Σ p_t h_t`, which of a question without answer is the
//! class token itself, so that both halves give the answer away; and it has no dropout there. The released code is followed.
//!
//! B sequences, T tokens of all of them, H hidden size, L longest sequence.

use super::model::Forward;
use super::ops::softmax;
use super::outputs::Outputs;
use crate::encode::beams::Beams;
use crate::encode::{Batch, Targets};
use crate::engine::dropout::Site;
use crate::task::Head;
use candle_core::{Result, Tensor};

impl Forward<'_> {
    /// Scores of starts, of ends beside the right start, and of no answer; in a prediction also what a beam search finds.
    pub fn beam_span(&self, hidden: &Tensor, batch: &Batch) -> Result<Outputs> {
        let mask = self.impossible_places(batch)?;
        let start = (self.of_tokens("start_logits.dense", hidden)? + &mask)?; // [B, L]
        let impossible = self.no_answer(hidden, &start)?; // [B, 1]
        let ends = |spans: &[(u32, u32)]| self.ends_beside(hidden, &self.starts_of(spans))? + &mask;
        let end = if let Targets::Spans(spans) = &batch.targets { Some(ends(spans)?) } else { None };
        let found = if self.masks.is_none() { self.search(hidden, batch, &start, &impossible)? } else { Vec::new() };
        Ok(Outputs::Beams { start, end, impossible, found })
    }

    /// Minus infinity where no answer can begin or end, `[B, L]`.
    fn impossible_places(&self, batch: &Batch) -> Result<Tensor> {
        let (lengths, longest) = (&self.layout.lengths, self.layout.longest);
        let possible = |b: usize, at: usize| at < lengths[b] && batch.may_answer(b, at);
        let cell = |at: usize| if possible(at / longest, at % longest) { 0.0 } else { f32::NEG_INFINITY };
        let cells = (0..lengths.len() * longest).map(cell).collect();
        Tensor::from_vec(cells, (lengths.len(), longest), self.layout.to_rows.device())
    }

    /// A score of each token, `[T, …]` to `[B, L]`.
    fn of_tokens(&self, path: &str, states: &Tensor) -> Result<Tensor> {
        let scores = self.weights.linear(path, states)?; // [T, 1]
        self.layout.pad(&scores)?.reshape((self.layout.lengths.len(), self.layout.longest))
    }

    /// Of each token, the row of the first token of its sequence's answer, `[T]`.
    fn starts_of(&self, spans: &[(u32, u32)]) -> Vec<u32> {
        let firsts = self.starts(0);
        let each = self.layout.lengths.iter().enumerate();
        each.flat_map(|(b, length)| std::iter::repeat_n(firsts[b] as u32 + spans[b].0, *length)).collect()
    }

    fn ends_beside(&self, hidden: &Tensor, starts: &[u32]) -> Result<Tensor> {
        let beside = hidden.index_select(&Tensor::new(starts, hidden.device())?, 0)?; // [T, H]
        self.of_tokens("end_logits.dense_1", &self.end_states(hidden, &beside)?)
    }

    /// `LayerNorm(tanh(D [x; y] + d))` of `[rows, H]` each.
    fn end_states(&self, states: &Tensor, beside: &Tensor) -> Result<Tensor> {
        let pairs = Tensor::cat(&[states, beside], 1)?; // [rows, 2 H]
        let states = self.weights.linear("end_logits.dense_0", &pairs)?.tanh()?;
        self.weights.layer_norm("end_logits.LayerNorm", &states, self.config.layer_norm_eps)
    }

    fn no_answer(&self, hidden: &Tensor, start: &Tensor) -> Result<Tensor> {
        let (sequences, longest) = start.dims2()?;
        let cells = self.layout.pad(hidden)?.reshape((sequences, longest, hidden.dim(1)?))?; // [B, L, H]
        let started = softmax(start)?.unsqueeze(1)?.matmul(&cells)?.squeeze(1)?; // [B, H]
        let class = hidden.index_select(&self.layout.read_tokens, 0)?; // [B, H]
        let state = self.weights.linear("answer_class.dense_0", &Tensor::cat(&[started, class], 1)?)?.tanh()?;
        let state = self.sequence_dropout(&state, Site::Classifier, Head::BeamSpan)?;
        self.weights.linear("answer_class.dense_1", &state)
    }

    fn search(&self, hidden: &Tensor, batch: &Batch, start: &Tensor, impossible: &Tensor) -> Result<Vec<Beams>> {
        let (starts, impossible) = (start.to_vec2::<f32>()?, impossible.flatten_all()?.to_vec1::<f32>()?);
        let firsts = self.starts(0);
        let one = |(b, length): (usize, &usize)| {
            let own = hidden.narrow(0, firsts[b], *length)?; // [length, H]
            let ends = |start: usize| {
                let beside = own.narrow(0, start, 1)?.repeat((*length, 1))?;
                let scores = self.weights.linear("end_logits.dense_1", &self.end_states(&own, &beside)?)?;
                let scores = scores.flatten_all()?.to_vec1::<f32>()?;
                let possible = |at: usize| batch.may_answer(b, at);
                Ok(scores
                    .into_iter()
                    .enumerate()
                    .map(|(at, score)| if possible(at) { score } else { f32::NEG_INFINITY })
                    .collect())
            };
            Beams::search(&starts[b][..*length], self.config.beams(), impossible[b], ends)
        };
        self.layout.lengths.iter().enumerate().map(one).collect()
    }
}
