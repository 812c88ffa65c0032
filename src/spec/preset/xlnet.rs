//! XLNet's recipe (Yang et al. 2019, Table 8) and its released code, where the table has no word.

use super::{OURS, Row, row, spans, task};
use crate::spec::setting::Setting::{Checkpoint, Flag, Real, Whole, Word};

const TABLE_8: &str = "XLNet Table 8";
const CLASSIFIER: &str = "XLNet run_classifier.py";
const SQUAD: &str = "XLNet run_squad.py";
const MODEL_UTILS: &str = "XLNet model_utils.py";

/// The table has MNLI, of GLUE's tasks, and SQuAD; its steps are epochs here: 10,000 of 128 rows of MNLI, 8,000 of 48 windows
/// of SQuAD. Not here: the decay of attention's three biases, which the released optimizer has and transformers has not; and
/// that its code shrinks the gradients of lower layers, not their rates, and not at all those of the embeddings.
pub const XLNET: &[Row] = &[
    row("epochs", Real(3.26), "XLNet Table 8, MNLI (10,000 steps)"),
    task("squad", "epochs", Real(4.3), "XLNet Table 8 (8,000 steps)"),
    task("squad_v2", "epochs", Real(2.9), "XLNet Table 8 (8,000 steps)"),
    row("batch_size", Whole(128), TABLE_8),
    spans("batch_size", Whole(48), TABLE_8),
    row("learning_rate", Real(2e-5), TABLE_8),
    spans("learning_rate", Real(3e-5), TABLE_8),
    row("layerwise_lr_decay", Real(1.0), TABLE_8),
    spans("layerwise_lr_decay", Real(0.75), TABLE_8),
    row("schedule", Word("linear-from-warmup-end"), MODEL_UTILS),
    row("warmup", Real(0.0), CLASSIFIER),
    spans("warmup", Real(0.125), "XLNet tpu_squad_large.sh (1,000 of 8,000 steps)"),
    row("rounding", Word("up"), OURS),
    row("bias_correction", Flag(false), MODEL_UTILS),
    row("beta1", Real(0.9), MODEL_UTILS),
    row("beta2", Real(0.999), MODEL_UTILS),
    row("epsilon", Real(1e-6), TABLE_8),
    row("weight_decay", Real(0.01), TABLE_8),
    row("max_grad_norm", Real(1.0), CLASSIFIER),
    row("dropout", Checkpoint, "XLNet Table 8 (0.1), as in the checkpoint's config"),
    row("initializer_range", Real(0.02), CLASSIFIER),
    row("truncated_normal", Flag(false), CLASSIFIER),
    row("max_seq_length", Whole(128), TABLE_8),
    spans("max_seq_length", Whole(512), TABLE_8),
    row("truncation", Word("released-code"), "XLNet classifier_utils.py"),
    spans("span_head", Word("beam"), SQUAD),
    row("doc_stride", Whole(128), SQUAD),
    row("doc_stride_unit", Word("step"), SQUAD),
    row("max_query_length", Whole(64), SQUAD),
    row("max_answer_length", Whole(64), SQUAD),
    row("n_best_size", Whole(5), SQUAD),
    row("max_context", Flag(true), SQUAD),
    row("evaluate", Word("at-end"), CLASSIFIER),
    row("early_stopping", Whole(0), CLASSIFIER),
    row("keep_weights", Word("last"), CLASSIFIER),
    row("snapshot_steps", Whole(500), OURS),
];
