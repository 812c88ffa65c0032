//! One encoder layer over a micro-batch (Devlin et al. 2019, Section 3): attention, then the feed-forward block, each with
//! dropout, residual sum and LayerNorm after it.
//!
//! Of the last layer's output a sequence head reads one token each, and pre-training masked ones too. There, queries
//! are computed for the selected columns alone, and all after the attention runs on those Q columns; keys and values
//! are those of all T.

mod backward;
mod forward;
pub mod relative;

pub use backward::backward;
pub use forward::{drop_inner, forward};

use super::attention::{Attention, Inputs, Place, Source};
use super::columns::Columns;
use super::dense::Dense;
use super::micro_batch::Sequence;
use super::workspace::{LayerTape, Model};
use crate::engine::dropout::Site;
use crate::family::{Encoder, Rotary};

/// A layer at work on a micro-batch.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The model.
    pub model: &'a Model<'a>,
    /// Number of the layer.
    pub layer: usize,
    /// Columns of the micro-batch.
    pub columns: &'a Columns,
    /// Sequences of the micro-batch.
    pub sequences: &'a [Sequence],
}

impl<'a> Step<'a> {
    /// Whether only selected columns go on after the attention.
    fn selects(&self) -> bool {
        let last = self.layer + 1 == self.model.layout.layers.len();
        last && self.model.layout.final_norm.is_none() && !self.columns.selected.is_empty()
    }

    /// Q.
    fn queries(&self) -> usize {
        if self.selects() { self.columns.selected.len() } else { self.columns.count }
    }

    /// Token numbers of the Q columns.
    fn query_tokens(&self) -> &'a [u64] {
        if self.selects() { &self.columns.selected_tokens } else { &self.columns.tokens }
    }

    /// A dense layer's shape.
    pub fn dense(&self, inputs: usize, outputs: usize, columns: usize) -> Dense {
        Dense { isa: self.model.isa, inputs, outputs, columns }
    }

    /// H to H over the Q columns: attention's output projection.
    pub fn attention_output(&self) -> Dense {
        let hidden = self.model.config.hidden_size;
        self.dense(hidden, hidden, self.queries())
    }

    fn intermediate(&self) -> Dense {
        self.dense(self.model.config.hidden_size, self.model.config.intermediate_size, self.queries())
    }

    fn output(&self) -> Dense {
        self.dense(self.model.config.intermediate_size, self.model.config.hidden_size, self.queries())
    }

    /// The projections of all columns: 3 H rows, or 2 H where queries are apart.
    fn projection(&self) -> Dense {
        let hidden = self.model.config.hidden_size;
        self.dense(hidden, if self.selects() { 2 * hidden } else { 3 * hidden }, self.columns.count)
    }

    /// Values of the weight and of the bias of query, key and value that belong to the queries of a selecting layer.
    fn query_part(&self) -> (usize, usize) {
        let hidden = self.model.config.hidden_size;
        let bias = self.model.layout.layers[self.layer].query_key_value.bias.len();
        if self.selects() { (hidden * hidden, bias / 3) } else { (0, 0) }
    }

    /// What is the same for all sequences.
    pub fn attention(&self) -> Attention {
        let config = self.model.config;
        Attention {
            isa: self.model.isa,
            heads: config.num_attention_heads,
            size: self.model.head_size(),
            positions: config.max_position_embeddings,
            dropout: self.model.dropout(Site::AttentionProbabilities(self.layer), config.attention_probs_dropout_prob),
            causal: config.causal,
            window: self.rotary().and_then(|rotary| rotary.window),
        }
    }

    /// The layer's rotary positions, in families that have them.
    pub fn rotary(&self) -> Option<&'a Rotary> {
        if let Encoder::ModernBert(own) = &self.model.config.encoder { Some(&own.layers[self.layer]) } else { None }
    }

    /// Query, key and value.
    pub fn inputs<'t>(&self, tape: &'t LayerTape) -> Inputs<'t> {
        let hidden = self.model.config.hidden_size;
        let source = |rows: usize, first: usize| Source { values: &tape.projected, rows, first };
        if self.selects() {
            let query = Source { values: &tape.query, rows: hidden, first: 0 };
            return Inputs { query, key: source(2 * hidden, 0), value: source(2 * hidden, hidden) };
        }
        let rows = 3 * hidden;
        Inputs { query: source(rows, 0), key: source(rows, hidden), value: source(rows, 2 * hidden) }
    }

    /// Where the sequences' keys and queries are.
    pub fn places(&self) -> impl Iterator<Item = Place<'a>> + 'a {
        let (selects, tokens, bounds) = (self.selects(), self.query_tokens(), &self.columns.bounds);
        let step = *self;
        step.sequences.iter().zip(bounds.windows(2)).map(move |(sequence, bounds)| {
            let queries = if selects { bounds[0]..bounds[1] } else { sequence.columns() };
            let first_token = step.columns.tokens[sequence.start];
            Place { keys: sequence.columns(), first_token, tokens: &tokens[queries.clone()], queries, relative: None }
        })
    }
}
