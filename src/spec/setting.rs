//! The values of a recipe as data: what each field of [`Recipe`](super::recipe::Recipe) takes, and one value of it.

use super::decode::{self, Read, invalid};
use super::yaml::{Node, Value};
use crate::task::{FeatureKind, TASKS};
use serde_json::json;
use std::fmt;

/// One value of a recipe field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// A number.
    Real(f64),
    /// A whole number.
    Whole(u64),
    /// True or false.
    Flag(bool),
    /// A word of the field's.
    Word(&'static str),
    /// `evaluate: {every-steps: N}`.
    EverySteps(u64),
    /// What the checkpoint's own config says.
    Checkpoint,
    /// What the field is for is not done.
    Nothing,
    /// The value of another field of the same recipe (`micro_batch_size` follows `batch_size`).
    Same(&'static str),
}

impl Setting {
    /// As the recipe's JSON has it.
    pub fn to_json(self) -> serde_json::Value {
        match self {
            Setting::Real(number) => json!(number),
            Setting::Whole(number) => json!(number),
            Setting::Flag(flag) => json!(flag),
            Setting::Word(word) => json!(word),
            Setting::EverySteps(steps) => json!({ "every-steps": steps }),
            Setting::Checkpoint | Setting::Nothing => serde_json::Value::Null,
            Setting::Same(field) => json!(field),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Real(number) if *number != 0.0 && number.abs() < 1e-3 => write!(f, "{number:e}"),
            Setting::Real(number) => write!(f, "{number}"),
            Setting::Whole(number) => write!(f, "{number}"),
            Setting::Flag(flag) => write!(f, "{flag}"),
            Setting::Word(word) => f.write_str(word),
            Setting::EverySteps(steps) => write!(f, "every {steps} steps"),
            Setting::Checkpoint => f.write_str("checkpoint"),
            Setting::Nothing => f.write_str(NONE),
            Setting::Same(field) => write!(f, "= {field}"),
        }
    }
}

/// What a field takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A number above (or, if `closed`, from) `min`, up to `max`.
    Real { min: f64, closed: bool, max: f64 },
    /// A whole number in a range, ends included.
    Whole(u64, u64),
    /// True or false.
    Flag,
    /// One of some words.
    Word(&'static [&'static str]),
    /// `every-epoch`, `at-end` or `{every-steps: N}`.
    Evaluate,
    /// A number from 0 to below 1, or `checkpoint`.
    Dropout,
    /// A [`FeatureKind`], or `none`.
    Features,
    /// A task, or `none`.
    Task,
}

/// A field of the recipe.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name, as in the recipe.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it takes, in words, for hints.
    pub takes: &'static str,
    /// Whether a list multiplies out into a grid.
    pub grid: bool,
}

const fn field(name: &'static str, kind: Kind, takes: &'static str) -> Field {
    Field { name, kind, takes, grid: false }
}

const fn above(min: f64, max: f64) -> Kind {
    Kind::Real { min, closed: false, max }
}

const fn from(min: f64, max: f64) -> Kind {
    Kind::Real { min, closed: true, max }
}

const NUMBER: &str = "a number";
const WHOLE: &str = "a whole number";
const FLAG: &str = "`true` or `false`";
const NONE: &str = "none";
const MOST_TOKENS: u64 = 65_536;

const TRUNCATION: &str = "`released-code`, `longest-first` or `halves`";
const FEATURES: &str = "`none` (fine-tuning) or what is read of a frozen encoder, one or a list";

/// Largest share below 1 for decays: at 1 a moment would never move.
const BELOW_ONE: f64 = 0.999_999_999;

/// Every field of the recipe but `preset`, in its order.
pub const FIELDS: &[Field] = &[
    Field { grid: true, ..field("epochs", above(0.0, 1000.0), "a number or a list of numbers") },
    Field { grid: true, ..field("batch_size", Kind::Whole(1, 65_536), "a whole number or a list of them") },
    field("micro_batch_size", Kind::Whole(1, 65_536), WHOLE),
    Field { grid: true, ..field("learning_rate", above(0.0, 1.0), "a number or a list of numbers") },
    field(
        "schedule",
        Kind::Word(&["linear-from-warmup-end", "linear-from-start", "constant"]),
        "`linear-from-warmup-end`, `linear-from-start` or `constant`",
    ),
    field("warmup", from(0.0, 1.0), "the share of steps that warm up, a number from 0 to 1"),
    field("rounding", Kind::Word(&["up", "down"]), "`up` or `down`"),
    field("bias_correction", Kind::Flag, FLAG),
    field("beta1", from(0.0, BELOW_ONE), NUMBER),
    field("beta2", from(0.0, BELOW_ONE), NUMBER),
    field("epsilon", above(0.0, 1.0), NUMBER),
    field("weight_decay", from(0.0, 1.0), NUMBER),
    field("max_grad_norm", from(0.0, 1e6), "a number; 0 switches clipping off"),
    field("dropout", Kind::Dropout, "a number, or `checkpoint` for what its config says"),
    field("initializer_range", above(0.0, 10.0), NUMBER),
    field("truncated_normal", Kind::Flag, FLAG),
    field("max_seq_length", Kind::Whole(8, MOST_TOKENS), WHOLE),
    field("truncation", Kind::Word(&["released-code", "longest-first", "halves"]), TRUNCATION),
    field("doc_stride", Kind::Whole(1, MOST_TOKENS), WHOLE),
    field("doc_stride_unit", Kind::Word(&["step", "overlap"]), "`step` or `overlap`"),
    field("max_query_length", Kind::Whole(0, MOST_TOKENS), "a whole number; 0 keeps all of a question"),
    field("max_answer_length", Kind::Whole(1, MOST_TOKENS), WHOLE),
    field("n_best_size", Kind::Whole(1, 10_000), WHOLE),
    field("max_context", Kind::Flag, FLAG),
    field("evaluate", Kind::Evaluate, "`every-epoch`, `at-end` or `{every-steps: N}`"),
    field("early_stopping", Kind::Whole(0, 1_000_000), "a whole number of evaluations; 0 never stops"),
    field("plateau_factor", above(0.0, 1.0), "a number up to 1, which leaves the rate as it is"),
    field(
        "min_learning_rate",
        from(0.0, 1.0),
        "a peak rate, lowered by `plateau_factor`, below which training stops; 0 never stops",
    ),
    field("keep_weights", Kind::Word(&["last", "best-on-dev"]), "`last` or `best-on-dev`"),
    field("metric_batch_size", Kind::Whole(0, 1_000_000), "a whole number of examples; 0 takes whole splits"),
    field("context_sentences", Kind::Whole(0, 1000), "a whole number of sentences on each side of a tagged one"),
    Field { grid: true, ..field("features", Kind::Features, FEATURES) },
    field("lstm_hidden_size", Kind::Whole(1, 65_536), "a whole number of units in each direction"),
    field("start_from", Kind::Task, "`none` (the checkpoint) or another task of the experiment"),
    field("layerwise_lr_decay", above(0.0, 1.0), "a number; 1 gives all layers one rate"),
    field("auxiliary_lm", from(0.0, 100.0), "the weight of the next tokens' loss beside the head's; 0 leaves it out"),
    field("both_orders", Kind::Flag, "`true` or `false`: whether pairs are read in both orders"),
    field("classifier_dropout", Kind::Dropout, "a number, or `checkpoint` for what its config says"),
    field("span_head", Kind::Word(&["simple", "beam"]), "`simple` or, for XLNet, `beam`"),
    field("bilstm_layers", Kind::Whole(0, 16), "a whole number of layers; 0 has the head read the encoder itself"),
    field("snapshot_steps", Kind::Whole(0, 1_000_000_000), "a whole number; 0 is at each epoch's end only"),
];

/// The field of that name.
pub fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

impl Field {
    /// Reads one value.
    pub fn read(&self, node: &Node, path: &str) -> Read<Setting> {
        match self.kind {
            Kind::Real { min, closed, max } => {
                let inside = |x: f64| (x > min || closed && x == min) && x <= max;
                let words =
                    format!("a number {} {min} {} {max}", edge(closed), if closed { "to" } else { "and at most" });
                decode::real(node, path, inside, &words).map(Setting::Real)
            }
            Kind::Whole(min, max) => decode::whole(node, path, min, max).map(Setting::Whole),
            Kind::Flag => decode::flag(node, path).map(Setting::Flag),
            Kind::Word(words) => decode::word(node, path, words).map(Setting::Word),
            Kind::Evaluate => evaluate(node, path),
            Kind::Dropout => match &node.value {
                Value::Text(text) if text == "checkpoint" => Ok(Setting::Checkpoint),
                _ => {
                    let words = "a number from 0 to below 1, or `checkpoint`";
                    decode::real(node, path, |x| (0.0..1.0).contains(&x), words).map(Setting::Real)
                }
            },
            Kind::Features => word_or_none(node, path, FeatureKind::ALL.map(FeatureKind::name).into_iter()),
            Kind::Task => word_or_none(node, path, TASKS.iter().map(|task| task.name)),
        }
    }
}

/// `none`, nothing at all, or one of some words.
fn word_or_none(node: &Node, path: &str, words: impl Iterator<Item = &'static str>) -> Read<Setting> {
    let names: Vec<&'static str> = std::iter::once(NONE).chain(words).collect();
    match &node.value {
        Value::Null => Ok(Setting::Nothing),
        _ => decode::word(node, path, &names)
            .map(|word| if word == NONE { Setting::Nothing } else { Setting::Word(word) }),
    }
}

fn edge(closed: bool) -> &'static str {
    if closed { "from" } else { "above" }
}

fn evaluate(node: &Node, path: &str) -> Read<Setting> {
    match &node.value {
        Value::Map(_) => {
            let fields = decode::Fields::read(node, path, &[("every-steps", "a whole number of steps")])?;
            let steps = fields.require("every-steps")?;
            decode::whole(steps, &decode::join(path, "every-steps"), 1, 1_000_000_000).map(Setting::EverySteps)
        }
        Value::Text(_) => decode::word(node, path, &["every-epoch", "at-end"]).map(Setting::Word),
        _ => Err(invalid(node, path, "`every-epoch`, `at-end` or `{every-steps: N}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse;
    use super::*;

    #[test]
    fn edges_of_ranges_are_in_or_out_as_they_should_be() {
        let read = |name: &str, source: &str| find(name).unwrap().read(&parse(source).unwrap(), name);
        assert!(read("epochs", "0").is_err());
        assert_eq!(read("epochs", "0.5"), Ok(Setting::Real(0.5)));
        assert_eq!(read("warmup", "0"), Ok(Setting::Real(0.0)));
        assert_eq!(read("dropout", "checkpoint"), Ok(Setting::Checkpoint));
        assert!(read("dropout", "1").is_err());
        assert_eq!(read("evaluate", "{every-steps: 500}"), Ok(Setting::EverySteps(500)));
        assert!(read("evaluate", "{every-steps: 0}").is_err());
        assert!(read("evaluate", "7").is_err());
    }

    #[test]
    fn features_are_a_row_of_table_7_or_none() {
        let read = |source: &str| find("features").unwrap().read(&parse(source).unwrap(), "train.features");
        assert_eq!((read("none"), read("~")), (Ok(Setting::Nothing), Ok(Setting::Nothing)));
        assert_eq!(read("last-hidden"), Ok(Setting::Word("last-hidden")));
        let refused = read("last-hiden").unwrap_err().message;
        assert_eq!(refused, "invalid `train.features`: found `last-hiden`, expected `last-hidden`");
    }

    #[test]
    fn settings_are_shown_as_people_write_them() {
        assert_eq!(Setting::Real(5e-5).to_string(), "5e-5");
        assert_eq!(Setting::Real(3.0).to_string(), "3");
        assert_eq!(Setting::Real(0.01).to_string(), "0.01");
        assert_eq!(Setting::Whole(32).to_string(), "32");
    }
}
