//! The forward and the backward pass, as the launches and products of each layer in order.
//!
//! T tokens, B sequences, H hidden size, I intermediate size; R rows: T, or B in the last layer of a model that reads only
//! each sequence's first token, where everything after the keys and values is computed for those rows alone.

use super::arena::{Arena, GradientRoom, LayerRoom};
use super::attention::AttentionAt;
use super::layer_norm::{NormAt, NormKept, ResidualNorm};
use super::machine::{Address, Machine};
use super::model::{LayerAt, ModelAt};
use super::operations::{Dropout, Operations, Rows};
use crate::engine::EngineError;
use crate::engine::dropout::Site;
use crate::family::EncoderConfig;

/// Launches, products and clears of a layer that is not the last: 8 of them forward.
pub const FORWARD_LAUNCHES: usize = 8;

/// And backward.
pub const BACKWARD_LAUNCHES: usize = 18;

/// Both passes over one batch.
pub struct Passes<'a, M: Machine> {
    /// Launches.
    pub on: Operations<'a, M>,
    /// Probabilities.
    pub config: &'a EncoderConfig,
    /// The model.
    pub model: &'a ModelAt,
    /// Activations.
    pub arena: &'a Arena,
    /// Dropout, and everything kept.
    pub training: bool,
    /// Kind of targets, as head.cu numbers them.
    pub targets: u32,
}

/// Which of a layer's two LayerNorms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Attention,
    Output,
}

impl<M: Machine> Passes<'_, M> {
    /// From the staged batch to logits and losses.
    pub fn forward(&self) -> Result<(), EngineError> {
        let site = self.hidden_dropout(Site::Embeddings);
        self.on.embed(&self.model.embeddings, &self.arena.embedding_norm, self.arena.embedded, site)?;
        for layer in 0..self.model.layers.len() {
            self.layer_forward(layer)?;
        }
        self.head_forward()
    }

    /// From the losses to every parameter's gradient.
    pub fn backward(&self) -> Result<(), EngineError> {
        let gradients = &self.arena.gradients;
        self.head_backward()?;
        self.on.machine.clear(gradients.qkv, self.on.bytes(self.on.room.tokens, 3 * self.on.shape.hidden))?;
        for layer in (0..self.model.layers.len()).rev() {
            self.layer_backward(layer)?;
        }
        let site = self.hidden_dropout(Site::Embeddings);
        let kept = &self.arena.embedding_norm;
        self.on.embed_backward(&self.model.embeddings, kept, gradients.hidden, gradients.projected, site)
    }

    fn layer_forward(&self, layer: usize) -> Result<(), EngineError> {
        let (at, room, on) = (&self.model.layers[layer], self.layer_room(layer), &self.on);
        let (input, projected) = (self.input(layer), self.arena.projected);
        let rows = self.rows(layer).count(on.room);
        on.dense(&at.query_key_value, input, room.qkv, on.room.tokens, true)?; // [T, 3 H]
        on.attention(&self.attention(layer))?; // [R, H]
        on.dense(&at.attention_output, room.context, projected, rows, false)?; // [R, H]
        let norm = self.norm(layer, Half::Attention);
        on.residual_norm(&norm, projected, at.attention_output.wide_bias, input, room.attended)?;

        on.dense(&at.intermediate, room.attended, room.wide, rows, false)?; // [R, I]
        on.activation(&at.intermediate, room.wide, room.activated, rows)?;
        on.dense(&at.output, room.activated, projected, rows, false)?; // [R, H]
        let norm = self.norm(layer, Half::Output);
        on.residual_norm(&norm, projected, at.output.wide_bias, room.attended, room.output)
    }

    /// `gradients.hidden` is the gradient of the layer's output before, of its input afterwards.
    fn layer_backward(&self, layer: usize) -> Result<(), EngineError> {
        let (at, room, gradients) = (&self.model.layers[layer], self.layer_room(layer), &self.arena.gradients);
        self.feed_forward_backward(layer, at, room, gradients)?;
        self.attention_backward(layer, at, room, gradients)
    }

    /// From `gradients.hidden` to `gradients.attended`.
    fn feed_forward_backward(
        &self,
        layer: usize,
        at: &LayerAt,
        room: &LayerRoom,
        gradients: &GradientRoom,
    ) -> Result<(), EngineError> {
        let (on, rows) = (&self.on, self.rows(layer).count(self.on.room));
        let norm = self.norm(layer, Half::Output);
        on.residual_norm_backward(&norm, gradients.hidden, gradients.projected, gradients.attended, at.output.d_bias)?;
        on.dense_weight(&at.output, gradients.projected, room.activated, rows)?;
        on.dense_input(&at.output, gradients.projected, gradients.wide, rows, false)?; // [R, I]
        on.activation_backward(&at.intermediate, gradients.wide, room.wide, rows)?;
        on.dense_weight(&at.intermediate, gradients.wide, room.attended, rows)?;
        on.dense_input(&at.intermediate, gradients.wide, gradients.attended, rows, true) // [R, H]
    }

    /// From `gradients.attended` to `gradients.hidden`.
    fn attention_backward(
        &self,
        layer: usize,
        at: &LayerAt,
        room: &LayerRoom,
        gradients: &GradientRoom,
    ) -> Result<(), EngineError> {
        let (on, tokens) = (&self.on, self.on.room.tokens);
        let (rows, hidden) = (self.rows(layer), on.shape.hidden);
        if rows == Rows::Gathered {
            on.machine.clear(gradients.hidden, on.bytes(tokens, hidden))?; // most tokens get no residual gradient
        }
        let (norm, bias) = (self.norm(layer, Half::Attention), at.attention_output.d_bias);
        on.residual_norm_backward(&norm, gradients.attended, gradients.projected, gradients.hidden, bias)?;
        let count = rows.count(on.room);
        on.dense_weight(&at.attention_output, gradients.projected, room.context, count)?;
        on.dense_input(&at.attention_output, gradients.projected, gradients.context, count, false)?; // [R, H]
        on.attention_backward(&self.attention(layer), gradients.context, gradients.delta, gradients.qkv)?; // [T, 3 H]
        on.column_sums(gradients.qkv, tokens, 3 * hidden, at.query_key_value.d_bias)?;
        on.dense_weight(&at.query_key_value, gradients.qkv, self.input(layer), tokens)?;
        on.dense_input(&at.query_key_value, gradients.qkv, gradients.hidden, tokens, true) // [T, H]
    }

    fn head_forward(&self) -> Result<(), EngineError> {
        let (room, last) = (&self.arena.head, self.last_output());
        match &self.model.pooler {
            Some(pooler) => {
                self.on.dense(pooler, last, room.z, self.on.room.sequences, true)?; // [B, H]
                self.on.classify(&self.model.head, room, self.classifier_dropout(), self.targets)
            }
            None => self.on.spans(&self.model.head, room, last, self.targets > 0),
        }
    }

    fn head_backward(&self) -> Result<(), EngineError> {
        let (room, last, on) = (&self.arena.head, self.last_output(), &self.on);
        let (hidden, sequences) = (self.arena.gradients.hidden, on.room.sequences);
        let Some(pooler) = &self.model.pooler else {
            return on.spans_backward(&self.model.head, room, last, hidden);
        };
        on.classify_backward(&self.model.head, room, self.classifier_dropout())?;
        on.column_sums(room.d_z, sequences, on.shape.hidden, pooler.d_bias)?;
        on.dense_weight(pooler, room.d_z, last, sequences)?;
        on.dense_input(pooler, room.d_z, hidden, sequences, false)
    }

    fn layer_room(&self, layer: usize) -> &LayerRoom {
        &self.arena.layers[layer % self.arena.layers.len()]
    }

    fn input(&self, layer: usize) -> Address {
        if layer == 0 { self.arena.embedded } else { self.layer_room(layer - 1).output }
    }

    fn last_output(&self) -> Address {
        self.input(self.model.layers.len())
    }

    fn rows(&self, layer: usize) -> Rows {
        let last = layer + 1 == self.model.layers.len();
        if last && self.model.pooler.is_some() { Rows::Gathered } else { Rows::Tokens }
    }

    fn attention(&self, layer: usize) -> AttentionAt {
        let room = self.layer_room(layer);
        let (site, probability) = (Site::AttentionProbabilities(layer), self.config.attention_probs_dropout_prob);
        let dropout = Dropout::new(site, probability, self.training);
        AttentionAt { qkv: room.qkv, context: room.context, lse: room.lse, rows: self.rows(layer), dropout }
    }

    fn norm(&self, layer: usize, half: Half) -> ResidualNorm {
        let (at, room, rows) = (&self.model.layers[layer], self.layer_room(layer), self.rows(layer));
        let made = |norm: NormAt, kept: NormKept, rows, site| ResidualNorm {
            norm,
            kept,
            rows,
            dropout: self.hidden_dropout(site),
        };
        let later = if rows == Rows::Gathered { Rows::Sequences } else { rows };
        match half {
            Half::Attention => made(at.attention_norm, room.attention_norm, rows, Site::AttentionOutput(layer)),
            Half::Output => made(at.output_norm, room.output_norm, later, Site::FeedForwardOutput(layer)),
        }
    }

    fn hidden_dropout(&self, site: Site) -> Dropout {
        Dropout::new(site, self.config.hidden_dropout_prob, self.training)
    }

    fn classifier_dropout(&self) -> Dropout {
        Dropout::new(Site::Classifier, self.config.head_dropouts.sequence, self.training)
    }
}
