//! OpenAI GPT's recipe (Radford et al. 2018, Sections 3.3 and 4.1) and its released code.

use super::{GPT, OURS, Row, row, spans, task};
use crate::spec::setting::Setting::{Checkpoint, Flag, Real, Whole, Word};

const GPT_SIMILARITY: &str = "GPT §3.3, similarity";
const TRAIN: &str = "finetune-transformer-lm train.py";

/// The released code clips each tensor's gradient by itself; here all are clipped together. It knows ROCStories alone: how
/// the paper's other tasks were run is in the paper.
pub const OPENAI_GPT: &[Row] = &[
    row("epochs", Real(3.0), GPT),
    row("batch_size", Whole(32), GPT),
    row("learning_rate", Real(6.25e-5), GPT),
    row("schedule", Word("linear-from-start"), "finetune-transformer-lm opt.py (warmup_linear)"),
    row("warmup", Real(0.002), GPT),
    row("rounding", Word("up"), OURS),
    row("bias_correction", Flag(true), "finetune-transformer-lm opt.py"),
    row("beta1", Real(0.9), TRAIN),
    row("beta2", Real(0.999), TRAIN),
    row("epsilon", Real(1e-8), TRAIN),
    row("weight_decay", Real(0.01), TRAIN),
    row("max_grad_norm", Real(1.0), "finetune-transformer-lm train.py (of each tensor there)"),
    row("dropout", Checkpoint, "GPT §4.1 (0.1), as in the checkpoint's config"),
    row("initializer_range", Real(0.02), TRAIN),
    row("truncated_normal", Flag(false), TRAIN),
    row("max_seq_length", Whole(512), TRAIN),
    row("truncation", Word("longest-first"), OURS),
    row("doc_stride", Whole(128), OURS),
    row("doc_stride_unit", Word("overlap"), OURS),
    row("max_query_length", Whole(64), OURS),
    row("max_answer_length", Whole(30), OURS),
    row("n_best_size", Whole(20), OURS),
    row("max_context", Flag(false), OURS),
    row("auxiliary_lm", Real(0.5), "GPT §4.1 (λ); finetune-transformer-lm train.py (lm_coef)"),
    spans("auxiliary_lm", Real(0.0), OURS),
    task("conll2003", "auxiliary_lm", Real(0.0), OURS),
    task("mrpc", "both_orders", Flag(true), GPT_SIMILARITY),
    task("qqp", "both_orders", Flag(true), GPT_SIMILARITY),
    task("stsb", "both_orders", Flag(true), GPT_SIMILARITY),
    row("classifier_dropout", Real(0.1), "GPT §4.1; finetune-transformer-lm train.py (clf_pdrop)"),
    row("evaluate", Word("every-epoch"), TRAIN),
    spans("evaluate", Word("at-end"), OURS),
    row("early_stopping", Whole(0), TRAIN),
    row("keep_weights", Word("best-on-dev"), TRAIN),
    spans("keep_weights", Word("last"), OURS),
    row("snapshot_steps", Whole(500), OURS),
];
