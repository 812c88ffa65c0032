//! RoBERTa's recipe (Liu et al. 2019, Tables 9 and 10) and the commands released with it.

use super::{OURS, RUN_QA, Row, SQUAD, row, spans, task};
use crate::spec::setting::Setting::{Checkpoint, Flag, Real, Whole, Word};

const TABLE_9: &str = "RoBERTa Table 9, carried over from pre-training";
const TABLE_10: &str = "RoBERTa Table 10";
const FAIRSEQ: &str = "fairseq examples/roberta/README.glue.md";

/// GLUE trains 10 epochs and keeps the best on dev, which is what the paper calls early stopping: the released command says
/// `--best-checkpoint-metric` and no patience. RTE, STS-B and MRPC from an MNLI model: `start_from: mnli`. Not here: that fairseq's Adam
/// decays every parameter, biases and LayerNorm's too; that its targets of STS-B are divided by five; and that its command for
/// STS-B keeps the epoch of the smallest loss.
pub const ROBERTA: &[Row] = &[
    row("epochs", Real(10.0), TABLE_10),
    spans("epochs", Real(2.0), TABLE_10),
    row("batch_size", Whole(32), "RoBERTa Table 10 (16 or 32)"),
    spans("batch_size", Whole(48), TABLE_10),
    task("rte", "batch_size", Whole(16), FAIRSEQ),
    task("mrpc", "batch_size", Whole(16), FAIRSEQ),
    task("cola", "batch_size", Whole(16), FAIRSEQ),
    task("stsb", "batch_size", Whole(16), FAIRSEQ),
    row("learning_rate", Real(1e-5), "RoBERTa Table 10 (1e-5, 2e-5 or 3e-5)"),
    spans("learning_rate", Real(1.5e-5), TABLE_10),
    task("rte", "learning_rate", Real(2e-5), FAIRSEQ),
    task("stsb", "learning_rate", Real(2e-5), FAIRSEQ),
    row("schedule", Word("linear-from-warmup-end"), "fairseq polynomial_decay"),
    row("warmup", Real(0.06), TABLE_10),
    row("rounding", Word("up"), OURS),
    row("bias_correction", Flag(true), "fairseq Adam"),
    row("beta1", Real(0.9), TABLE_9),
    row("beta2", Real(0.98), TABLE_9),
    row("epsilon", Real(1e-6), TABLE_9),
    row("weight_decay", Real(0.1), TABLE_10),
    spans("weight_decay", Real(0.01), TABLE_10),
    row("max_grad_norm", Real(0.0), TABLE_9),
    row("dropout", Checkpoint, "RoBERTa Table 9 (0.1), as in the checkpoint's config"),
    row("initializer_range", Real(0.02), "fairseq init_bert_params"),
    row("truncated_normal", Flag(false), "fairseq init_bert_params"),
    row("max_seq_length", Whole(512), FAIRSEQ),
    spans("max_seq_length", Whole(512), "this program (the paper's code for SQuAD was not released)"),
    row("truncation", Word("longest-first"), OURS),
    row("doc_stride", Whole(128), RUN_QA),
    row("doc_stride_unit", Word("overlap"), RUN_QA),
    row("max_query_length", Whole(64), SQUAD),
    row("max_answer_length", Whole(30), RUN_QA),
    row("n_best_size", Whole(20), RUN_QA),
    row("max_context", Flag(false), RUN_QA),
    row("evaluate", Word("every-epoch"), "RoBERTa §5.1"),
    spans("evaluate", Word("at-end"), OURS),
    row("early_stopping", Whole(0), FAIRSEQ),
    row("keep_weights", Word("best-on-dev"), "RoBERTa §5.1"),
    spans("keep_weights", Word("last"), OURS),
    row("snapshot_steps", Whole(500), OURS),
];
