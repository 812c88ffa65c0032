//! The recipe of GLUE's baselines (Wang et al. 2019, Section 5) and their released code.

use super::{GLUE, OURS, Row, row, task};
use crate::spec::setting::Setting::{Checkpoint, Flag, Real, Whole, Word};

const GLUE_TRAINER: &str = "GLUE-baselines trainer.py";
const GLUE_SCRIPT: &str = "GLUE-baselines run_stuff.sh";

/// Not here: 1e-5 of every parameter that the released code adds to its gradient, targets of STS-B divided by five, and that
/// rows with an empty text are left out. The paper's appendix B has an initial rate of 1e-3. The code stops after six
/// evaluations none of which was below the newest one, the paper after five without improvement; its last script stops at a
/// rate of 1e-6. At most 100 validations, about an epoch apart, are 100 epochs here. 84 are 40 words of either text with the
/// marks around them.
pub const GLUE_BASELINES: &[Row] = &[
    row("epochs", Real(100.0), GLUE_SCRIPT),
    row("batch_size", Whole(128), GLUE),
    row("learning_rate", Real(1e-4), GLUE),
    row("schedule", Word("constant"), GLUE_TRAINER),
    row("warmup", Real(0.0), GLUE_TRAINER),
    row("rounding", Word("up"), OURS),
    row("bias_correction", Flag(true), "PyTorch Adam"),
    row("beta1", Real(0.9), "PyTorch Adam"),
    row("beta2", Real(0.999), "PyTorch Adam"),
    row("epsilon", Real(1e-8), "PyTorch Adam"),
    row("weight_decay", Real(0.0), GLUE),
    row("max_grad_norm", Real(5.0), "GLUE-baselines main.py"),
    row("dropout", Checkpoint, "GLUE §5 (0.2), as in the checkpoint's config"),
    row("initializer_range", Real(0.02), "this program; BiLSTM and classifier begin as PyTorch's"),
    row("truncated_normal", Flag(false), OURS),
    row("max_seq_length", Whole(84), "GLUE-baselines main.py (40 words a text)"),
    task("cola", "max_seq_length", Whole(42), "GLUE-baselines main.py (40 words a text)"),
    task("sst2", "max_seq_length", Whole(42), "GLUE-baselines main.py (40 words a text)"),
    row("truncation", Word("halves"), "GLUE-baselines tasks.py"),
    row("doc_stride", Whole(32), OURS),
    row("doc_stride_unit", Word("overlap"), OURS),
    row("max_query_length", Whole(0), OURS),
    row("max_answer_length", Whole(30), OURS),
    row("n_best_size", Whole(20), OURS),
    row("max_context", Flag(false), OURS),
    row("evaluate", Word("every-epoch"), "GLUE-baselines submit_single.py"),
    row("early_stopping", Whole(5), GLUE),
    row("plateau_factor", Real(0.2), "GLUE §5; run_stuff.sh"),
    row("min_learning_rate", Real(1e-5), "GLUE §5 (run_stuff.sh: 1e-6)"),
    row("metric_batch_size", Whole(0), "this program (the released code on dev: 128)"),
    row("keep_weights", Word("best-on-dev"), GLUE_TRAINER),
    row("snapshot_steps", Whole(500), OURS),
];
