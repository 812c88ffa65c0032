//! What a worker works with: the model, what the forward pass keeps, and scratch.
//!
//! T columns of the micro-batch, S sequences, M tokens at which a word is predicted, Q columns after the last layer's
//! attention (S under a sequence head, which reads one token only, S + M in pre-training; else T), H hidden size, I
//! intermediate size, E width of the embeddings, N heads.

use super::attention;
use super::buffer::Buffer;
use super::elmo;
use super::features;
use super::layer::relative::{DistanceGradients, Distances};
use super::mask::Dropout;
use super::micro_batch::{TEXTS, TOKENS};
use super::panel::panels_len;
use super::shared::Shared;
use super::simd::Isa;
use super::turns::Turns;
use super::under_head;
use crate::encode::Batch;
use crate::engine::StepPart;
use crate::engine::dropout::Site;
use crate::engine::fast::flat::FlatLayout;
use crate::family::{Encoder, EncoderConfig};
use crate::task::{FeatureBased, Head};
use std::ops::Range;

/// Units of a layer's gradient ([`Turns`]): output, intermediate, attention output, query-key-value, and each block's
/// LayerNorm where it does not stand beside a dense layer.
pub const LAYER_UNITS: usize = 6;

/// Where a pass adds gradients to.
#[derive(Clone, Copy)]
pub enum Gradients<'a> {
    /// The one gradient of all workers, by turns.
    Turns(&'a Turns<'a>),
    /// A worker's own copy of a stretch of it that begins there: layers that share their parameters add to one range
    /// several times a micro-batch, so that no turns could be taken.
    Own(&'a Shared<'a, f32>, usize),
}

/// The model as a pass sees it.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// Shape and constants.
    pub config: &'a EncoderConfig,
    /// Kind of head.
    pub head: Head,
    /// Outputs of the head.
    pub num_labels: usize,
    /// Where parameters lie.
    pub layout: &'a FlatLayout,
    /// Parameters.
    pub parameters: &'a [f32],
    /// Gradients, where a pass adds to them.
    pub gradients: Option<Gradients<'a>>,
    /// Where in the step, where it trains.
    pub part: Option<&'a StepPart>,
}

impl Model<'_> {
    /// D.
    pub fn head_size(&self) -> usize {
        self.config.hidden_size / self.config.num_attention_heads
    }

    /// Units of the gradient: of each layer, of the head, of the embeddings' projection or the last LayerNorm, of the masked
    /// words' head or of there being no answer, of the embeddings. Those of a BiLSTM and of a weighted sum come after them.
    pub fn units(&self) -> usize {
        units_before_lstm(self.layout)
    }

    /// How the encoder is read where it is frozen.
    pub fn feature_based(&self) -> Option<FeatureBased> {
        if let Head::FeatureBased(how) = self.head { Some(how) } else { None }
    }

    /// Whether a BiLSTM stands between an encoder that is trained and the head.
    pub fn has_bilstm(&self) -> bool {
        self.config.bilstm_layers > 0
    }

    /// The model as its encoder's passes see it: one that is frozen only predicts.
    pub fn encoder(&self) -> Self {
        if self.head.freezes_encoder() { Model { gradients: None, part: None, ..*self } } else { *self }
    }

    /// Sequences of an example whose pooled states are added; 1 where one of them is chosen.
    pub fn added(&self, batch: &Batch) -> usize {
        if self.head == Head::Choice { 1 } else { batch.together }
    }

    /// Whether words are predicted: masked ones, or next ones.
    pub fn predicts_words(&self) -> bool {
        self.head == Head::Pretraining || self.predicts_next()
    }

    /// Whether each token's next one is predicted beside the head: in training only.
    pub fn predicts_next(&self) -> bool {
        let beside = !self.head.reads_every_token() && self.head != Head::Pretraining;
        self.part.is_some() && self.config.auxiliary_lm > 0.0 && beside
    }

    /// Values of a token that the head reads: H, or both directions' of a BiLSTM; of texts what is read of a sequence.
    pub fn head_inputs(&self) -> usize {
        self.feature_based().map_or(self.config.pooler_shape()[1], FeatureBased::outputs)
    }

    /// Tokens of a micro-batch, about.
    pub fn micro_batch(&self) -> usize {
        if let Encoder::Elmo(_) = self.config.encoder { TEXTS } else { TOKENS }
    }

    /// Dropout of hidden states, where it trains.
    pub fn hidden_dropout(&self, site: Site) -> Option<Dropout> {
        self.dropout(site, self.config.hidden_dropout_prob)
    }

    /// Dropout at a site, where it trains.
    pub fn dropout(&self, site: Site, probability: f64) -> Option<Dropout> {
        self.part.and_then(|part| Dropout::new(part, site, probability))
    }

    /// Adds to ranges of the gradient when it is the micro-batch's turn at the unit that owns them.
    pub fn add<const N: usize>(
        &self,
        unit: usize,
        micro_batch: usize,
        ranges: [&Range<usize>; N],
        add: impl FnOnce([&mut [f32]; N]),
    ) {
        let apart = |at: usize| ranges[..at].iter().all(|r| r.end <= ranges[at].start || ranges[at].end <= r.start);
        assert!((1..N).all(apart), "a unit's ranges overlap");
        match self.gradients {
            None => {}
            // SAFETY: the ranges do not overlap, and each parameter is named with one unit only, of whose turn this is.
            Some(Gradients::Turns(turns)) => unsafe { turns.take(unit, micro_batch, ranges, add) },
            Some(Gradients::Own(own, first)) => {
                // SAFETY: the ranges do not overlap, and nobody else has this copy.
                add(ranges.map(|range| unsafe { own.range(range.start - first..range.end - first) }));
            }
        }
    }
}

/// Units of a model's gradient, with two for each layer of a BiLSTM and one for a weighted sum.
pub fn units(layout: &FlatLayout) -> usize {
    units_before_lstm(layout) + 2 * (layout.lstm.len() + layout.attended.len()) + 1
}

fn units_before_lstm(layout: &FlatLayout) -> usize {
    LAYER_UNITS * layout.layers.len() + 4
}

/// What the forward pass keeps of one layer.
#[derive(Default)]
pub struct LayerTape {
    /// The layer's input `[H, T]`.
    pub input: Buffer,
    /// Query, key, value `[3 H, T]`; in a layer with selected columns key and value `[2 H, T]`.
    pub projected: Buffer,
    /// Selected columns of the input `[H, Q]`, and their queries `[H, Q]`.
    pub selected: Buffer,
    /// Queries of the selected columns `[H, Q]`.
    pub query: Buffer,
    /// `log Σ exp` of the scores `[N, Q]`.
    pub log_sums: Buffer,
    /// XLNet's distances `[H, 2 T]`.
    pub distances: Buffer,
    /// Attention's context `[H, Q]`.
    pub context: Buffer,
    /// x̂ of the first LayerNorm `[H, Q]`.
    pub attended_hat: Buffer,
    /// Its `1 / √(variance + ε)` `[Q]`.
    pub attended_inverse: Buffer,
    /// Its output `[H, Q]`.
    pub attended: Buffer,
    /// Before the activation `[I, Q]`, `[2 I, Q]` where it is gated; in the backward pass its derivative.
    pub wide: Buffer,
    /// x̂ of the second LayerNorm `[H, Q]`.
    pub output_hat: Buffer,
    /// Its `1 / √(variance + ε)` `[Q]`.
    pub output_inverse: Buffer,
}

impl LayerTape {
    fn fit(&mut self, model: &Model, columns: usize, queries: usize) {
        let (isa, hidden) = (model.isa, model.config.hidden_size);
        let few = |rows: usize| panels_len(isa, rows, queries);
        self.input.fit(panels_len(isa, hidden, columns));
        self.projected.fit(panels_len(isa, 3 * hidden, columns));
        for buffer in [&mut self.selected, &mut self.query] {
            buffer.fit(few(hidden));
        }
        self.log_sums.fit(model.config.num_attention_heads * queries);
        if model.layout.layers[0].relative.is_some() {
            self.distances.fit(panels_len(isa, hidden, 2 * columns));
        }
        for buffer in [&mut self.context, &mut self.attended_hat, &mut self.attended, &mut self.output_hat] {
            buffer.fit(few(hidden));
        }
        self.wide.fit(few(model.layout.layers[0].intermediate.weight.len() / hidden));
        self.attended_inverse.fit(few(1));
        self.output_inverse.fit(few(1));
    }
}

/// What the forward pass keeps.
#[derive(Default)]
pub struct Tape {
    /// One a layer where it trains; else the first two, used in turn (more may be left from training).
    pub layers: Vec<LayerTape>,
    /// How many are in use.
    kept: usize,
    /// What the head reads `[H, Q]`: output of the last layer, or what is selected of it after the last LayerNorm.
    pub output: Buffer,
    /// Output of the last layer where a LayerNorm follows, then its x̂ `[H, T]`.
    pub final_hat: Buffer,
    /// Its `1 / √(variance + ε)` `[T]`.
    pub final_inverse: Buffer,
    /// x̂ of the embeddings' LayerNorm `[E, T]`.
    pub embedding_hat: Buffer,
    /// Its `1 / √(variance + ε)` `[T]`.
    pub embedding_inverse: Buffer,
    /// Of a frozen encoder, what is read of it and what is made of that.
    pub features: features::State,
    /// Of a BiLSTM over an encoder that is trained.
    pub under_head: under_head::State,
    /// What is made of texts, where words are their characters.
    pub texts: elmo::State,
    /// Embeddings before their projection `[E, T]`, where there is one.
    pub embedded: Buffer,
}

impl Tape {
    /// Which entry a layer uses.
    pub fn slot(&self, layer: usize) -> usize {
        layer % self.kept
    }

    /// Where the last layer writes; a LayerNorm may follow.
    pub fn last(&mut self, normalised: bool) -> &mut Buffer {
        if normalised { &mut self.final_hat } else { &mut self.output }
    }

    /// Room for a micro-batch of so many columns and sequences.
    pub fn fit(&mut self, model: &Model, columns: usize, sequences: usize) {
        let (isa, hidden) = (model.isa, model.config.hidden_size);
        let layers = model.layout.layers.len();
        self.kept = if model.gradients.is_some() { layers } else { 2 };
        if self.layers.len() < self.kept {
            self.layers.resize_with(self.kept, LayerTape::default);
        }
        let several = model.head.reads_every_token() || model.has_bilstm() || model.predicts_words();
        let queries = if several { columns } else { sequences };
        for (at, layer) in self.layers[..self.kept].iter_mut().enumerate() {
            let last = at + 1 == layers && model.gradients.is_some() && model.layout.final_norm.is_none();
            layer.fit(model, columns, if last { queries } else { columns });
        }
        self.output.fit(panels_len(isa, hidden.max(model.head_inputs()), queries));
        if model.layout.final_norm.is_some() {
            self.final_hat.fit(panels_len(isa, hidden, columns));
            self.final_inverse.fit(panels_len(isa, 1, columns));
        }
        self.embedding_hat.fit(panels_len(isa, model.config.embedding_size, columns));
        if model.layout.embeddings.projection.is_some() {
            self.embedded.fit(panels_len(isa, model.config.embedding_size, columns));
        }
        self.embedding_inverse.fit(panels_len(isa, 1, columns));
    }
}

/// Scratch of a worker.
#[derive(Default)]
pub struct Work {
    /// Gradient of the current layer's output, then of its input, `[H, T]`.
    pub gradient: Buffer,
    /// The same for selected columns, while both exist.
    pub other_gradient: Buffer,
    /// Gradient of a dense layer's output before the residual sum `[H, T]`; also a head's.
    pub dropped: Buffer,
    /// The activation's output `[I, T]`.
    pub activated: Buffer,
    /// Gradient of it `[I, T]`.
    pub wide_gradient: Buffer,
    /// Gradient of the context `[H, T]`.
    pub context_gradient: Buffer,
    /// Gradient of query, key and value `[3 H, T]`.
    pub projected_gradient: Buffer,
    /// Gradient of the selected queries `[H, Q]`.
    pub query_gradient: Buffer,
    /// A dense layer's input with features across.
    pub transposed: Buffer,
    /// Gradients of a LayerNorm's factor and summand `[2 H]`, or `[2 E]`.
    pub norm_gradient: Buffer,
    /// A panel of a dropout mask `[H, W]`.
    pub mask: Buffer,
    /// Tokens one a row `[W, E]`.
    pub token_rows: Buffer,
    /// Gradient of the layers' parameters, where they share them.
    pub shared_layer: Buffer,
    /// The head's: derivative of the pooler's activation, pooled output with its dropout applied, logits, their gradient.
    pub head: [Buffer; 4],
    /// x̂ of the pooler's LayerNorm `[H, S]`, where it has one; `[H, T]` of a head of every token.
    pub pooled_hat: Buffer,
    /// Its `1 / √(variance + ε)`.
    pub pooled_inverse: Buffer,
    /// The gate's value `[I, T]`, where the feed-forward block is gated; also the last LayerNorm's output `[H, T]`.
    pub gate: Buffer,
    /// XLNet's sinusoids, and the gradients of what distances have of parameters.
    pub distances: Distances,
    pub distance_gradients: DistanceGradients,
    /// Cosines and sines of rotary positions.
    pub angles: super::rotary::Angles,
    /// What the pooler reads, where it is no longer the last layer's output `[H, S]`.
    pub firsts: Buffer,
    /// Of the head that predicts words.
    pub masked: super::head::Masked,
    /// Of the span head with beams.
    pub beams: super::head::BeamSpans,
    /// Attention's.
    pub attention: attention::Scratch,
}

impl Work {
    /// Room for a micro-batch of so many columns, sequences of so many tokens.
    pub fn fit(&mut self, model: &Model, columns: usize, longest: usize) {
        let (isa, hidden, wide) = (model.isa, model.config.hidden_size, model.config.intermediate_size);
        let (labels, inputs) = (model.num_labels, model.head_inputs());
        let widest = hidden.max(model.config.embedding_size).max(inputs);
        let len = |rows: usize| panels_len(isa, rows, columns);
        self.activated.fit(len(wide));
        self.mask.fit(widest.max(wide) * isa.width);
        if let Encoder::ModernBert(own) = &model.config.encoder {
            self.angles.fit(own, model.head_size(), longest);
            self.gate.fit(len(wide.max(hidden)));
        }
        if model.layout.pooler_norm.is_some() {
            self.pooled_hat.fit(len(hidden));
            self.pooled_inverse.fit(len(1));
        }
        self.token_rows.fit(model.config.embedding_size * isa.width);
        let [pooled, pooler_inputs] = model.config.pooler_shape();
        for (buffer, rows) in self.head.iter_mut().zip([pooled, inputs.max(pooled), labels, labels]) {
            buffer.fit(len(rows));
        }
        let relative = matches!(model.config.encoder, Encoder::Xlnet(_));
        self.attention.fit(isa, model.head_size(), longest, relative);
        if relative {
            self.distances.fit(model, columns, longest);
        }
        let drops_input = model.config.family.pooler(model.head).is_some_and(|pooler| pooler.drops_input);
        if model.predicts_words() || model.has_bilstm() || drops_input {
            self.firsts.fit(len(hidden));
        }
        if model.gradients.is_none() {
            return;
        }
        if model.head.freezes_encoder() {
            self.gradient.fit(len(inputs));
            return self.transposed.fit(inputs.next_multiple_of(isa.width) * columns);
        }
        for buffer in [&mut self.gradient, &mut self.other_gradient, &mut self.dropped, &mut self.context_gradient] {
            buffer.fit(len(widest));
        }
        self.shared_layer.fit(model.layout.shared_layer.as_ref().map_or(0, ExactSizeIterator::len));
        if relative {
            self.distance_gradients.fit(isa, hidden, columns);
        }
        self.query_gradient.fit(len(hidden));
        self.wide_gradient.fit(len(wide));
        self.projected_gradient.fit(len(3 * hidden));
        let pooler = pooled.next_multiple_of(isa.width) + pooler_inputs.next_multiple_of(isa.width);
        self.transposed.fit(wide.max(widest).next_multiple_of(2 * isa.width).max(pooler) * columns);
        self.norm_gradient.fit(2 * widest);
    }
}
