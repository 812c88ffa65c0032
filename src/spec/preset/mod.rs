//! Presets: named recipes, each value with the text it was taken from.
//!
//! `bert-code` is what the released code does, `stable` the recipe of Mosbach et al. (2021) and Zhang et al. (2021)
//! against collapsed runs, `hf-default` what Hugging Face's example scripts do when nothing is asked, `roberta` that of
//! RoBERTa's Tables 9 and 10, `xlnet` that of XLNet's Table 8, `openai-gpt` that of GPT's Section 4.1, `glue-baselines` that
//! of GLUE's Section 5. They differ where scores do: bias correction, epsilon, decay, warm-up, where the decay of the rate
//! begins, what `doc_stride` counts. A row holds for every task unless it says otherwise; of the rows of a field that hold,
//! the last wins.

mod bert;
mod glue_baselines;
mod openai_gpt;
mod roberta;
mod xlnet;

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

const SQUAD: &str = "run_squad.py";
const RUN_QA: &str = "Hugging Face run_qa.py";
const GPT: &str = "GPT §4.1";
const GLUE: &str = "GLUE §5";
const OURS: &str = "this program";
const FEATURE_BASED: &str = "BERT §5.3, beside `features` only; in each direction";

/// Every preset.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "bert-code",
        about: "the released BERT code: Adam without bias correction, rate falling from step 0",
        own: bert::BERT_CODE,
    },
    Preset {
        name: "stable",
        about: "corrected Adam and 20 epochs, after Mosbach et al. and Zhang et al., against collapsed runs",
        own: bert::STABLE,
    },
    Preset {
        name: "hf-default",
        about: "Hugging Face's example scripts with nothing asked: no decay, no warm-up, batches of 8",
        own: bert::HF_DEFAULT,
    },
    Preset {
        name: "roberta",
        about: "RoBERTa's Tables 9 and 10: warm-up 6 %, decay 0.1, 10 epochs of which the best on dev is kept",
        own: roberta::ROBERTA,
    },
    Preset {
        name: "xlnet",
        about: "XLNet's Table 8 and its released code: no bias correction, SQuAD with beams and lower rates for lower layers",
        own: xlnet::XLNET,
    },
    Preset {
        name: "openai-gpt",
        about: "GPT's Sections 3.3 and 4.1 and its released code: next tokens learned beside the head, pairs in both orders",
        own: openai_gpt::OPENAI_GPT,
    },
    Preset {
        name: "glue-baselines",
        about: "GLUE's Section 5: Adam at 1e-4, a fifth of the rate after every epoch that is not better, the best on dev kept",
        own: glue_baselines::GLUE_BASELINES,
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
