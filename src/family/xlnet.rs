//! XLNet (Yang et al. 2019): post-norm layers whose attention knows distances instead of positions, and whether two tokens
//! are of one segment instead of which.
//!
//! A sequence is read by its last token, where its tokenizer puts `<cls>`. Sequences have no longest length. The vector of
//! masked tokens (`mask_emb`) belongs to pre-training and is carried along as it is.
//!
//! Spans are found by a head like BERT's, or by the released code's with beams (function_builder.py, `get_qa_outputs`): a score of
//! each start, one of each end beside a start, and one of there being no answer. In the released code the last is dropped out
//! like everything else (`FLAGS.dropout`), as a summary is; transformers drops nothing of it. Under this head the
//! context stands before its question, as there; under BERT's behind it, as BERT's does.

use super::bert::BERT;
use super::fields::Fields;
use super::parameters::List;
use super::{ByHead, Computation, ConfigError, DropoutField, EncoderConfig, Family, Initial, Pooler, Vocabulary};

/// XLNet.
pub const XLNET: Family = Family {
    model_type: "xlnet",
    title: "XLNet",
    about: "relative positions and segments, sequences read by their last token, spans by beams too",
    class: "XLNet",
    span_class: "ForQuestionAnsweringSimple",
    beam_class: "ForQuestionAnswering",
    defaults: &[],
    prefix: "transformer.",
    computation: Computation::Xlnet,
    fields: &[
        ("hidden_size", "d_model"),
        ("num_hidden_layers", "n_layer"),
        ("num_attention_heads", "n_head"),
        ("intermediate_size", "d_inner"),
        ("hidden_act", "ff_activation"),
        ("hidden_dropout_prob", "dropout"),
        ("attention_probs_dropout_prob", "dropout"),
    ],
    fixed: &[
        ("attn_type", "\"bi\""),
        ("bi_data", "false"),
        ("clamp_len", "-1"),
        ("is_decoder", "false"),
        ("same_length", "false"),
        ("summary_activation", "\"tanh\""),
        ("summary_type", "\"last\""),
        ("summary_use_proj", "true"),
        ("untie_r", "true"),
    ],
    // Memory of earlier segments.
    descriptive: &["mem_len", "reuse_len", "use_mems_eval", "use_mems_train"],
    tensors: &[
        ("embeddings.word_embeddings", "word_embedding"),
        ("encoder.layer", "layer"),
        ("attention.self.query.weight", "rel_attn.q"),
        ("attention.self.key.weight", "rel_attn.k"),
        ("attention.self.value.weight", "rel_attn.v"),
        ("attention.self.relative.weight", "rel_attn.r"),
        ("attention.self.", "rel_attn."),
        ("attention.output.dense.weight", "rel_attn.o"),
        ("attention.output.LayerNorm", "rel_attn.layer_norm"),
        ("intermediate.dense", "ff.layer_1"),
        ("output.dense", "ff.layer_2"),
        ("output.LayerNorm", "ff.layer_norm"),
    ],
    unused: &[
        "lm_loss.",
        "sequence_summary.",
        "logits_proj.",
        "classifier.",
        "qa_outputs.",
        "start_logits.",
        "end_logits.",
        "answer_class.",
    ],
    pooler: POOLER,
    choice_pooler: POOLER,
    dropouts: ByHead { sequence: DROPOUT, choice: DROPOUT, tokens: None, span: None },
    vocabulary: Vocabulary::None,
    ..BERT
};

const POOLER: Pooler =
    Pooler { path: Some("sequence_summary.summary"), pretrained: false, classifier: "logits_proj", ..BERT.pooler };

const DROPOUT: Option<DropoutField> = Some(DropoutField { field: "summary_last_dropout", otherwise: Some(0.1) });

/// What its config says beside BERT's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xlnet {
    /// Starts that a beam search of spans goes on from, and ends of each (`start_n_top`, `end_n_top`).
    pub beams: [usize; 2],
}

/// Where the config does not say.
const BEAMS: usize = 5;

impl Fields<'_> {
    /// XLNet's own fields. `d_head` says again what the hidden size and the heads say.
    pub fn xlnet(&mut self, head_size: usize) -> Result<Xlnet, ConfigError> {
        if self.get("d_head").is_some() && self.count("d_head")? != head_size {
            return Err(self.wrong("d_head", "`d_model` / `n_head`"));
        }
        Ok(Xlnet { beams: [self.beams("start_n_top")?, self.beams("end_n_top")?] })
    }

    fn beams(&mut self, field: &'static str) -> Result<usize, ConfigError> {
        if self.get(field).is_some() { self.count(field) } else { Ok(BEAMS) }
    }
}

impl List {
    /// The span head with beams. Scores of starts and ends have a bias, that of no answer has none.
    pub fn beam_span(&mut self, hidden: usize) {
        self.affine("start_logits.dense", 1, hidden, true);
        self.affine("end_logits.dense_0", hidden, 2 * hidden, true);
        self.norm("end_logits.LayerNorm", hidden, true);
        self.affine("end_logits.dense_1", 1, hidden, true);
        self.affine("answer_class.dense_0", hidden, 2 * hidden, true);
        self.affine("answer_class.dense_1", 1, hidden, false);
    }

    /// The encoder's parameters. Query, key, value and relative weights are `[H, N, D]`, that of the output too: the first
    /// four lie `[in, out]`, the last `[out, in]`.
    pub fn xlnet(&mut self, config: &EncoderConfig) {
        let (hidden, heads, wide) = (config.hidden_size, config.num_attention_heads, config.intermediate_size);
        let size = hidden / heads;
        self.push("mask_emb", &[1, 1, hidden], Initial::Normal);
        self.all.last_mut().expect("pushed above").frozen = true;
        self.table("embeddings.word_embeddings", config.vocab_size, hidden);
        for layer in 0..config.num_hidden_layers {
            let path = config.layer_path(layer);
            for which in ["query", "key", "value", "relative"] {
                self.push(&format!("{path}.attention.self.{which}.weight"), &[hidden, heads, size], Initial::Normal);
                self.all.last_mut().expect("pushed above").transposed = true;
            }
            self.push(&format!("{path}.attention.output.dense.weight"), &[hidden, heads, size], Initial::Normal);
            for bias in ["r_r_bias", "r_s_bias", "r_w_bias"] {
                self.push(&format!("{path}.attention.self.{bias}"), &[heads, size], Initial::Normal);
            }
            self.push(&format!("{path}.attention.self.seg_embed"), &[2, heads, size], Initial::Normal);
            self.norm(&format!("{path}.attention.output.LayerNorm"), hidden, true);
            self.norm(&format!("{path}.output.LayerNorm"), hidden, true);
            self.affine(&format!("{path}.intermediate.dense"), wide, hidden, true);
            self.affine(&format!("{path}.output.dense"), hidden, wide, true);
        }
    }
}
