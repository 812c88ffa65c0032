//! Presets: named recipes, each value with the text it was taken from.
//!
//! `bert-code` is what the released code does, `stable` the recipe of Mosbach et al. (2021) and Zhang et al. (2021)
//! against collapsed runs, `hf-default` what Hugging Face's example scripts do when nothing is asked, `roberta` that of
//! RoBERTa's Tables 9 and 10, `openai-gpt` that of GPT's Section 4.1, `glue-baselines` that of GLUE's Section 5. They differ
//! where scores do: bias correction, epsilon, decay, warm-up, where the decay of the rate begins, what `doc_stride` counts. A
//! row holds for every task unless it says otherwise; of the rows of a field that hold, the last wins.

use super::setting::Setting::{self, Checkpoint, Flag, Nothing, Real, Same, Whole, Word};
use crate::task::{Head, Task};

/// For which tasks a row holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// All of them.
    Always,
    /// Those with a span head (SQuAD).
    Spans,
    /// One.
    Task(&'static str),
}

/// One value of a preset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// For which tasks.
    pub when: When,
    /// Field of the recipe.
    pub field: &'static str,
    /// Its value.
    pub value: Setting,
    /// Where the value is from.
    pub source: &'static str,
}

/// A named recipe.
#[derive(Debug)]
pub struct Preset {
    /// Name in specs.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its values, beside those of [`SHARED`].
    own: &'static [Row],
}

impl Preset {
    /// The row that holds for a field and a task.
    pub fn row(&self, field: &str, task: &Task) -> Option<&'static Row> {
        let holds = |row: &&Row| row.field == field && row.when.holds(task);
        self.own.iter().rev().find(holds).or_else(|| SHARED.iter().find(holds))
    }

    /// Its rows, and before them those of `SHARED` that it does not say itself for every task.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> {
        let own = self.own;
        let said = move |field: &str| own.iter().any(|row| row.field == field && row.when == When::Always);
        SHARED.iter().filter(move |row| !said(row.field)).chain(own)
    }
}

impl When {
    fn holds(self, task: &Task) -> bool {
        match self {
            When::Always => true,
            When::Spans => task.head == Head::Span,
            When::Task(name) => task.name == name,
        }
    }
}

/// The preset of that name.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

const fn row(field: &'static str, value: Setting, source: &'static str) -> Row {
    Row { when: When::Always, field, value, source }
}

const fn spans(field: &'static str, value: Setting, source: &'static str) -> Row {
    Row { when: When::Spans, field, value, source }
}

const fn task(name: &'static str, field: &'static str, value: Setting, source: &'static str) -> Row {
    Row { when: When::Task(name), field, value, source }
}

const CLASSIFIER: &str = "run_classifier.py";
const SQUAD: &str = "run_squad.py";
const OPTIMIZATION: &str = "optimization.py";
const MOSBACH: &str = "Mosbach et al., configs of their repository";
const ARGUMENTS: &str = "Hugging Face TrainingArguments";
const RUN_GLUE: &str = "Hugging Face run_glue.py";
const RUN_QA: &str = "Hugging Face run_qa.py";
const TABLE_9: &str = "RoBERTa Table 9, carried over from pre-training";
const TABLE_10: &str = "RoBERTa Table 10";
const FAIRSEQ: &str = "fairseq examples/roberta/README.glue.md";
const GPT: &str = "GPT §4.1";
const GPT_SIMILARITY: &str = "GPT §3.3, similarity";
const TRAIN: &str = "finetune-transformer-lm train.py";
const GLUE: &str = "GLUE §5";
const GLUE_TRAINER: &str = "GLUE-baselines trainer.py";
const GLUE_SCRIPT: &str = "GLUE-baselines run_stuff.sh";
const OURS: &str = "this program";
const FEATURE_BASED: &str = "BERT §5.3, beside `features` only; in each direction";

/// Every preset.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "bert-code",
        about: "the released BERT code: Adam without bias correction, rate falling from step 0",
        own: BERT_CODE,
    },
    Preset {
        name: "stable",
        about: "corrected Adam and 20 epochs, after Mosbach et al. and Zhang et al., against collapsed runs",
        own: STABLE,
    },
    Preset {
        name: "hf-default",
        about: "Hugging Face's example scripts with nothing asked: no decay, no warm-up, batches of 8",
        own: HF_DEFAULT,
    },
    Preset {
        name: "roberta",
        about: "RoBERTa's Tables 9 and 10: warm-up 6 %, decay 0.1, 10 epochs of which the best on dev is kept",
        own: ROBERTA,
    },
    Preset {
        name: "openai-gpt",
        about: "GPT's Sections 3.3 and 4.1 and its released code: next tokens learned beside the head, pairs in both orders",
        own: OPENAI_GPT,
    },
    Preset {
        name: "glue-baselines",
        about: "GLUE's Section 5: Adam at 1e-4, a fifth of the rate after every epoch that is not better, the best on dev kept",
        own: GLUE_BASELINES,
    },
];

/// What no recipe that a preset stands for has a word on.
const SHARED: &[Row] = &[
    row("micro_batch_size", Same("batch_size"), OURS),
    row("context_sentences", Whole(0), OURS),
    row("features", Nothing, OURS),
    row("lstm_hidden_size", Whole(768), FEATURE_BASED),
    row("plateau_factor", Real(1.0), OURS),
    row("min_learning_rate", Real(0.0), OURS),
    row("metric_batch_size", Whole(0), OURS),
    row("start_from", Nothing, OURS),
    row("layerwise_lr_decay", Real(1.0), OURS),
    row("auxiliary_lm", Real(0.0), OURS),
    row("both_orders", Flag(false), OURS),
    row("classifier_dropout", Checkpoint, "its class in transformers"),
    row("span_head", Word("simple"), OURS),
    row("bilstm_layers", Whole(0), OURS),
];

const BERT_CODE: &[Row] = &[
    row("epochs", Real(3.0), "BERT §4.1; run_classifier.py"),
    spans("epochs", Real(3.0), "BERT §4.2; run_squad.py"),
    task("squad_v2", "epochs", Real(2.0), "BERT §4.3"),
    row("batch_size", Whole(32), "BERT §4.1; run_classifier.py"),
    spans("batch_size", Whole(32), "BERT §4.2; run_squad.py"),
    task("squad_v2", "batch_size", Whole(48), "BERT §4.3"),
    row("learning_rate", Real(5e-5), CLASSIFIER),
    spans("learning_rate", Real(5e-5), "BERT §4.2; run_squad.py"),
    task("squad_v2", "learning_rate", Real(5e-5), "BERT §4.3"),
    row("schedule", Word("linear-from-start"), OPTIMIZATION),
    row("warmup", Real(0.1), CLASSIFIER),
    spans("warmup", Real(0.1), SQUAD),
    row("rounding", Word("down"), CLASSIFIER),
    spans("rounding", Word("down"), SQUAD),
    row("bias_correction", Flag(false), OPTIMIZATION),
    row("beta1", Real(0.9), OPTIMIZATION),
    row("beta2", Real(0.999), OPTIMIZATION),
    row("epsilon", Real(1e-6), OPTIMIZATION),
    row("weight_decay", Real(0.01), OPTIMIZATION),
    row("max_grad_norm", Real(1.0), OPTIMIZATION),
    row("dropout", Checkpoint, "BERT §A.3 (0.1), as in the checkpoint's config"),
    row("initializer_range", Real(0.02), CLASSIFIER),
    spans("initializer_range", Real(0.02), SQUAD),
    row("truncated_normal", Flag(true), CLASSIFIER),
    spans("truncated_normal", Flag(true), SQUAD),
    row("max_seq_length", Whole(128), CLASSIFIER),
    spans("max_seq_length", Whole(384), SQUAD),
    row("truncation", Word("released-code"), CLASSIFIER),
    row("doc_stride", Whole(128), SQUAD),
    row("doc_stride_unit", Word("step"), SQUAD),
    row("max_query_length", Whole(64), SQUAD),
    row("max_answer_length", Whole(30), SQUAD),
    row("n_best_size", Whole(20), SQUAD),
    row("max_context", Flag(true), SQUAD),
    row("evaluate", Word("at-end"), CLASSIFIER),
    spans("evaluate", Word("at-end"), SQUAD),
    row("early_stopping", Whole(0), OURS),
    row("keep_weights", Word("last"), CLASSIFIER),
    spans("keep_weights", Word("last"), SQUAD),
    row("snapshot_steps", Whole(1000), "run_classifier.py (save_checkpoints_steps)"),
];

const STABLE: &[Row] = &[
    row("epochs", Real(20.0), MOSBACH),
    row("batch_size", Whole(16), MOSBACH),
    row("learning_rate", Real(2e-5), MOSBACH),
    row("schedule", Word("linear-from-warmup-end"), MOSBACH),
    row("warmup", Real(0.1), MOSBACH),
    row("rounding", Word("up"), OURS),
    row("bias_correction", Flag(true), "Mosbach et al.; Zhang et al."),
    row("beta1", Real(0.9), MOSBACH),
    row("beta2", Real(0.999), MOSBACH),
    row("epsilon", Real(1e-6), MOSBACH),
    row("weight_decay", Real(0.01), MOSBACH),
    row("max_grad_norm", Real(1.0), MOSBACH),
    row("dropout", Checkpoint, "Mosbach et al. (0.1), as in the checkpoint's config"),
    row("initializer_range", Real(0.02), "the checkpoint's initializer_range, as in Hugging Face"),
    row("truncated_normal", Flag(false), "Hugging Face _init_weights"),
    row("max_seq_length", Whole(128), MOSBACH),
    spans("max_seq_length", Whole(384), SQUAD),
    row("truncation", Word("longest-first"), RUN_GLUE),
    row("doc_stride", Whole(128), SQUAD),
    row("doc_stride_unit", Word("step"), SQUAD),
    row("max_query_length", Whole(64), SQUAD),
    row("max_answer_length", Whole(30), SQUAD),
    row("n_best_size", Whole(20), SQUAD),
    row("max_context", Flag(true), SQUAD),
    row("evaluate", Word("every-epoch"), "this program (the authors: three times an epoch)"),
    row("early_stopping", Whole(0), OURS),
    row("keep_weights", Word("last"), "this program (the authors keep the best on dev)"),
    row("snapshot_steps", Whole(500), OURS),
];

const HF_DEFAULT: &[Row] = &[
    row("epochs", Real(3.0), ARGUMENTS),
    row("batch_size", Whole(8), ARGUMENTS),
    row("learning_rate", Real(5e-5), ARGUMENTS),
    row("schedule", Word("linear-from-warmup-end"), ARGUMENTS),
    row("warmup", Real(0.0), ARGUMENTS),
    row("rounding", Word("up"), "Hugging Face Trainer"),
    row("bias_correction", Flag(true), "PyTorch AdamW"),
    row("beta1", Real(0.9), ARGUMENTS),
    row("beta2", Real(0.999), ARGUMENTS),
    row("epsilon", Real(1e-8), ARGUMENTS),
    row("weight_decay", Real(0.0), ARGUMENTS),
    row("max_grad_norm", Real(1.0), ARGUMENTS),
    row("dropout", Checkpoint, "Hugging Face, the checkpoint's config"),
    row("initializer_range", Real(0.02), "the checkpoint's initializer_range, as in Hugging Face"),
    row("truncated_normal", Flag(false), "Hugging Face _init_weights"),
    row("max_seq_length", Whole(128), RUN_GLUE),
    spans("max_seq_length", Whole(384), RUN_QA),
    row("truncation", Word("longest-first"), RUN_GLUE),
    row("doc_stride", Whole(128), RUN_QA),
    row("doc_stride_unit", Word("overlap"), RUN_QA),
    row("max_query_length", Whole(0), RUN_QA),
    row("max_answer_length", Whole(30), RUN_QA),
    row("n_best_size", Whole(20), RUN_QA),
    row("max_context", Flag(false), RUN_QA),
    row("evaluate", Word("at-end"), ARGUMENTS),
    row("early_stopping", Whole(0), OURS),
    row("keep_weights", Word("last"), ARGUMENTS),
    row("snapshot_steps", Whole(500), "Hugging Face TrainingArguments (save_steps)"),
];

/// GLUE trains 10 epochs and keeps the best on dev, which is what the paper calls early stopping: the released command says
/// `--best-checkpoint-metric` and no patience. RTE, STS-B and MRPC from an MNLI model: `start_from: mnli`.
const ROBERTA: &[Row] = &[
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

/// The released code clips each tensor's gradient by itself; here all are clipped together. It knows ROCStories alone: how
/// the paper's other tasks were run is in the paper.
const OPENAI_GPT: &[Row] = &[
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

/// Not here: 1e-5 of every parameter that the released code adds to its gradient, targets of STS-B divided by five, and that
/// rows with an empty text are left out. The paper's appendix B has an initial rate of 1e-3. The code stops after six
/// evaluations none of which was below the newest one, the paper after five without improvement; its last script stops at a
/// rate of 1e-6. At most 100 validations, about an epoch apart, are 100 epochs here. 84 are 40 words of either text with the
/// marks around them.
const GLUE_BASELINES: &[Row] = &[
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

#[cfg(test)]
mod tests {
    use super::super::setting::FIELDS;
    use super::*;
    use crate::task;

    #[test]
    fn every_preset_has_every_field_for_every_task_and_no_other() {
        for preset in PRESETS {
            for task in task::TASKS {
                for field in FIELDS {
                    assert!(preset.row(field.name, task).is_some(), "{} {} {}", preset.name, task.name, field.name);
                }
            }
            for row in preset.rows() {
                assert!(super::super::setting::find(row.field).is_some(), "{} {}", preset.name, row.field);
                assert!(!row.source.is_empty());
            }
        }
    }

    #[test]
    fn a_task_gets_its_own_value_where_the_paper_has_one() {
        // BERT §4.1 to §4.3, and the flags of run_classifier.py and run_squad.py.
        let value = |field, name| find("bert-code").unwrap().row(field, task::find(name).unwrap()).unwrap().value;
        assert_eq!(value("max_seq_length", "cola"), Whole(128));
        assert_eq!(value("max_seq_length", "squad"), Whole(384));
        assert_eq!(value("epochs", "squad"), Real(3.0));
        assert_eq!((value("epochs", "squad_v2"), value("batch_size", "squad_v2")), (Real(2.0), Whole(48)));
    }

    // data/published/openai_gpt.yaml, the row of the fine-tuning.
    #[test]
    fn gpts_recipe_is_that_of_its_paper() {
        let value = |field| find("openai-gpt").unwrap().row(field, task::find("mnli").unwrap()).unwrap().value;
        assert_eq!(["learning_rate", "epochs", "warmup"].map(value), [Real(6.25e-5), Real(3.0), Real(0.002)]);
        assert_eq!((value("batch_size"), value("auxiliary_lm")), (Whole(32), Real(0.5)));
        let both = |name| find("openai-gpt").unwrap().row("both_orders", task::find(name).unwrap()).unwrap().value;
        let tasks = ["mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "cola"];
        assert_eq!(tasks.map(both), [true, true, true, false, false, false, false].map(Flag));
    }

    // The value that holds is the last one shown, as the module says.
    #[test]
    fn a_presets_own_rows_come_after_those_it_shares() {
        for preset in PRESETS {
            for (task, field) in task::TASKS.iter().flat_map(|task| FIELDS.iter().map(move |field| (task, field.name)))
            {
                let last = preset.rows().filter(|row| row.field == field && row.when.holds(task)).last();
                assert_eq!(last, preset.row(field, task), "{} {field} {}", preset.name, task.name);
            }
        }
    }

    // data/published/roberta.yaml: t10_glue, t10_squad and the rows of fairseq_*.
    #[test]
    fn robertas_recipe_is_that_of_its_tables() {
        let value = |field, name| find("roberta").unwrap().row(field, task::find(name).unwrap()).unwrap().value;
        let of = |name| [value("epochs", name), value("learning_rate", name), value("weight_decay", name)];
        assert_eq!(of("mnli"), [Real(10.0), Real(1e-5), Real(0.1)]);
        assert_eq!(of("rte"), [Real(10.0), Real(2e-5), Real(0.1)]);
        assert_eq!(of("squad_v2"), [Real(2.0), Real(1.5e-5), Real(0.01)]);
        let (mnli, cola, squad) = ("mnli", "cola", "squad");
        assert_eq!([mnli, cola, squad].map(|name| value("batch_size", name)), [Whole(32), Whole(16), Whole(48)]);
        assert_eq!(
            ["warmup", "beta2", "max_grad_norm"].map(|field| value(field, "qqp")),
            [Real(0.06), Real(0.98), Real(0.0)]
        );
    }
}
