//! Families of encoders: what differs between them, as data.
//!
//! A family says which `model_type` it is, how its tensors are called, and which tensors a checkpoint may carry that a
//! fine-tuned model does not use. How the numbers are computed is the engines' business.

mod config;
mod parameters;

pub use config::{Activation, ConfigError, EncoderConfig};
pub use parameters::{DIRECTIONS, Initial, Parameter, parameters};

/// A family of encoders.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// `model_type` of `config.json`.
    pub model_type: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Prefix of the encoder's tensors in a model with a head; bare in a model without one.
    pub prefix: &'static str,
    /// Beginnings of the names (without prefix) of tensors that a checkpoint may have and we do not use.
    pub unused: &'static [&'static str],
    /// Class name in `config.json` per head: sequence classification, question answering.
    pub architectures: [&'static str; 2],
}

/// Every family.
pub const FAMILIES: &[Family] = &[BERT];

/// BERT (Devlin et al. 2019): learned positions, segments, post-norm layers, tanh pooler.
pub const BERT: Family = Family {
    model_type: "bert",
    title: "BERT",
    prefix: "bert.",
    unused: &["embeddings.position_ids", "cls.", "pooler.", "classifier.", "qa_outputs."],
    architectures: ["BertForSequenceClassification", "BertForQuestionAnswering"],
};

/// The family of a `model_type`.
pub fn find(model_type: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.model_type == model_type)
}
