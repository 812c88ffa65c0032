//! What the keys of published recipes are called here, and what of a run they are compared with.

use crate::plan::steps::warmup_steps;
use crate::record::Record;
use crate::spec::recipe::Schedule;

/// What a published key is compared with.
pub enum Term {
    /// A number of ours, by our name; `None` where the checkpoint's config decides.
    Number(&'static str, fn(&Record) -> Option<f64>),
    /// A number of steps.
    Count(&'static str, fn(&Record) -> Option<f64>),
    /// A word of ours, with which theirs begins.
    Word(&'static str, fn(&Record) -> &'static str),
    /// Nothing.
    Aside,
}

impl Term {
    /// Our name of what is compared.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Term::Number(name, _) | Term::Count(name, _) | Term::Word(name, _) => Some(name),
            Term::Aside => None,
        }
    }
}

/// The term of a published key.
pub fn term(key: &str) -> Option<&'static Term> {
    TERMS.iter().find(|(keys, _)| keys.contains(&key)).map(|(_, term)| term)
}

/// Keys that mean one thing, and what that is here.
const TERMS: &[(&[&str], Term)] = &[
    (&["batch_size", "train_batch_size"], Term::Number("batch_size", |run| Some(run.recipe.batch_size as f64))),
    (&["learning_rate"], Term::Number("learning_rate", |run| Some(run.recipe.learning_rate))),
    (&["epochs", "max_epochs"], Term::Number("epochs", |run| Some(run.recipe.epochs))),
    (&["steps", "total_updates"], Term::Count("steps", |run| Some(run.total_steps as f64))),
    (&["decay"], Term::Word("schedule", schedule)),
    (&["warmup_proportion", "warmup_share", "warmup_ratio"], Term::Number("warmup", |run| Some(run.recipe.warmup))),
    (&["warmup_updates"], Term::Count("warm-up steps", |run| Some(warm_up(run)))),
    (&["dropout"], Term::Number("dropout", |run| run.recipe.dropout)),
    (&["attention_dropout"], Term::Number("attention dropout", |run| run.recipe.dropout)),
    (&["classifier_dropout"], Term::Number("classifier_dropout", |run| run.recipe.classifier_dropout)),
    (
        &["max_seq_length", "max_positions"],
        Term::Number("max_seq_length", |run| Some(run.recipe.max_seq_length as f64)),
    ),
    (&["doc_stride"], Term::Number("doc_stride", |run| Some(run.recipe.doc_stride as f64))),
    (&["max_query_length"], Term::Number("max_query_length", |run| Some(run.recipe.max_query_length as f64))),
    (&["max_answer_length"], Term::Number("max_answer_length", |run| Some(run.recipe.max_answer_length as f64))),
    (&["n_best_size"], Term::Number("n_best_size", |run| Some(run.recipe.n_best_size as f64))),
    (&["aux_lm_weight"], Term::Number("auxiliary_lm", |run| Some(run.recipe.auxiliary_lm))),
    (&["layerwise_lr_decay"], Term::Number("layerwise_lr_decay", |run| Some(run.recipe.layerwise_lr_decay))),
    (&["optimizer"], Term::Word("optimizer", |_| "Adam")),
    (&["weight_decay"], Term::Number("weight_decay", |run| Some(run.recipe.weight_decay))),
    (&["adam_beta1"], Term::Number("beta1", |run| Some(run.recipe.beta1))),
    (&["adam_beta2"], Term::Number("beta2", |run| Some(run.recipe.beta2))),
    (&["adam_epsilon"], Term::Number("epsilon", |run| Some(run.recipe.epsilon))),
    (
        &["clip_global_norm", "gradient_clipping", "clip_norm"],
        Term::Number("max_grad_norm", |run| Some(run.recipe.max_grad_norm)),
    ),
    (
        &["bias_correction"],
        Term::Number("bias_correction", |run| Some(f64::from(u8::from(run.recipe.bias_correction)))),
    ),
    // Biases and LayerNorms never decay here.
    (&["no_decay_on"], Term::Aside),
    // The task says it.
    (&["num_classes", "version_2_with_negative"], Term::Aside),
    // A comparison says how a threshold is chosen.
    (&["null_score_diff_threshold"], Term::Aside),
    // Arithmetic, which a record names and no recipe decides.
    (&["fp16"], Term::Aside),
];

/// Both of ours that fall do so linearly.
fn schedule(run: &Record) -> &'static str {
    match run.recipe.schedule {
        Schedule::LinearFromWarmupEnd | Schedule::LinearFromStart => "linear",
        Schedule::Constant => "constant",
    }
}

fn warm_up(run: &Record) -> f64 {
    warmup_steps(run.total_steps, run.recipe.warmup, run.recipe.rounding) as f64
}
