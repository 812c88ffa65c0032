//! Families of encoders: what differs between them, as data.
//!
//! Most of them are one computation: embeddings, post-norm layers, and a head; two have layers of their own, one has none of
//! attention, baselines have none at all. A family says how its config fields and tensors are called, what its embeddings
//! are made of, whether its layers share their parameters, and what stands between the encoder and the classifier. Everything
//! is said against `bert::BERT`: parts that agree with it are taken over from there. How the numbers are computed is the
//! engines' business.
//!
//! A family is a file here and its line in [`FAMILIES`].

mod albert;
mod baseline;
mod bert;
mod by_head;
mod completed;
mod config;
mod distilbert;
mod electra;
mod elmo;
mod fields;
mod gpt;
mod modernbert;
mod parameters;
mod roberta;
mod xlm_roberta;
mod xlnet;

use crate::task::Head;
pub use baseline::Baseline;
pub use by_head::ByHead;
pub use completed::Completed;
pub use config::{Activation, ConfigError, Encoder, EncoderConfig, Read};
pub use elmo::{BEGINS_TEXT, ENDS_TEXT, ENDS_WORD, Elmo, PADDING_CHARACTER, Texts, language_model_cell};
pub use modernbert::{ModernBert, Rotary};
pub use parameters::{DIRECTIONS, Initial, Parameter, last_layer, parameters};
pub use xlnet::Xlnet;

/// Every family.
pub const FAMILIES: &[Family] = &[
    bert::BERT,
    roberta::ROBERTA,
    xlm_roberta::XLM_ROBERTA,
    distilbert::DISTILBERT,
    electra::ELECTRA,
    albert::ALBERT,
    gpt::OPENAI_GPT,
    modernbert::MODERNBERT,
    xlnet::XLNET,
    elmo::ELMO,
    baseline::MAJORITY,
    baseline::BAG_OF_WORDS,
];

/// A family of encoders.
#[derive(Debug, PartialEq)]
pub struct Family {
    /// `model_type` of `config.json`.
    pub model_type: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// What it is beside BERT, in a few words.
    pub about: &'static str,
    /// Beginning of its classes' names in transformers: `Bert` of `BertForSequenceClassification`; empty where it has none.
    pub class: &'static str,
    /// Prefix of the encoder's tensors in a model with a head; bare in a model without one.
    pub prefix: &'static str,
    /// What its layers compute.
    pub computation: Computation,
    /// End of the name of its class that finds answers' spans.
    pub span_class: &'static str,
    /// The same of the one that finds them by a beam search; empty where it has none.
    pub beam_class: &'static str,
    /// The same of the one that chooses a sequence.
    pub choice_class: &'static str,
    /// Fields of `config.json` that are spelt otherwise: BERT's name, the family's.
    pub fields: &'static [(&'static str, &'static str)],
    /// Fields that a checkpoint's config may leave out, by the family's names, and what its class in transformers takes then,
    /// as JSON.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Fields that must have one value, as JSON, because the other ones compute something else.
    pub fixed: &'static [(&'static str, &'static str)],
    /// Fields of its own that change nothing that is computed here.
    pub descriptive: &'static [&'static str],
    /// Parts of tensors' paths that are spelt otherwise: BERT's name, the family's, replaced one after another.
    pub tensors: &'static [(&'static str, &'static str)],
    /// Beginnings of the names (without prefix) of tensors that a checkpoint may have and we do not use.
    pub unused: &'static [&'static str],
    /// Whether tokens of a second text have another segment embedding; else there are no segments at all.
    pub segments: bool,
    /// Whether a sequence's first position is the row after that of padding, and padding's id where the config has none.
    pub positions_after_padding: Option<u64>,
    /// Whether embeddings have a width of their own (`embedding_size`).
    pub projection: Projection,
    /// Whether LayerNorm follows the embeddings' sum.
    pub embedding_norm: bool,
    /// The field of the embeddings' dropout; none where it is that of hidden states.
    pub embedding_dropout: Option<&'static str>,
    /// Names of activations in configs.
    pub activations: Activations,
    /// How often the hidden size goes into the feed-forward block's, where that is no field.
    pub wide_factor: Option<usize>,
    /// Whether tokens see those before them only, whatever the config says.
    pub causal: bool,
    /// Whether query, key and value are one tensor.
    pub fused_projections: bool,
    /// Whether the layers' dense weights lie `[in, out]` in files.
    pub transposed: bool,
    /// Epsilon of LayerNorm where it is a constant and no field.
    pub layer_norm_eps: Option<f64>,
    /// Whether all layers have the same parameters.
    pub shared_layers: bool,
    /// Between encoder and classifier of a sequence.
    pub pooler: Pooler,
    /// The same where one of several sequences is chosen.
    pub choice_pooler: Pooler,
    /// Whether a head that predicts a number has the pooler; one of classes always does.
    pub regression_is_pooled: bool,
    /// Whether heads of every token have the pooler too.
    pub tokens_are_pooled: bool,
    /// Dropout before each head's last layer; none, no dropout.
    pub dropouts: ByHead<Option<DropoutField>>,
    /// Tokens around texts that fine-tuning adds to the vocabulary: so many rows of the word embeddings may be new.
    pub new_tokens: usize,
    /// Heads that no class of transformers has.
    pub lacks: &'static [Head],
    /// The tokenizer that is built where a checkpoint has no `tokenizer.json`.
    pub vocabulary: Vocabulary,
}

/// What the layers of a family compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Computation {
    /// BERT's: LayerNorm after each block's residual sum, positions and segments in the embeddings.
    PostNorm,
    /// ModernBERT's: LayerNorm before each block, rotary positions, gated feed-forward.
    ModernBert,
    /// XLNet's: BERT's blocks with relative attention.
    Xlnet,
    /// ELMo's: convolutions over characters and LSTMs, all frozen, and BiLSTMs over them.
    Elmo,
    /// No layers: a head over the word embeddings.
    Words,
    /// Nothing of a sequence: an answer that is always the same.
    Constant,
}

/// Embeddings of a width of their own, projected to the hidden size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// They have the hidden size.
    Never,
    /// Where the two widths differ.
    WhereWidthsDiffer,
    /// Always.
    Always,
}

/// What activations are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activations {
    /// Name and meaning.
    pub known: &'static [(&'static str, Activation)],
    /// The names, for people.
    pub expected: &'static str,
}

/// What stands over the state that is read of a sequence: `activation(W x + b)`, maybe LayerNorm, then dropout and the
/// classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooler {
    /// The dense layer's path, complete; none where the classifier reads the token itself.
    pub path: Option<&'static str>,
    /// The path of a LayerNorm after the activation, complete.
    pub norm: Option<&'static str>,
    /// Whether it was trained with the encoder, so that checkpoints have it; else it is new.
    pub pretrained: bool,
    /// Its activation.
    pub activation: Activation,
    /// Whether its input is dropped out as well as its output.
    pub drops_input: bool,
    /// The classifier's path.
    pub classifier: &'static str,
    /// Whether the classifier has a bias.
    pub classifier_bias: bool,
    /// Whether an example's sequences, of which one is chosen, share the classifier's dropout mask.
    pub shares_dropout: bool,
}

/// A field of `config.json` that says a dropout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutField {
    /// Its name.
    pub field: &'static str,
    /// What transformers takes where it is absent or null; `None` for the dropout of hidden states.
    pub otherwise: Option<f64>,
}

/// What a tokenizer is built from where there is no `tokenizer.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// `vocab.txt`: WordPiece as BERT has it.
    WordPiece,
    /// `vocab.json` and `merges.txt`: byte-level byte pairs as RoBERTa has them.
    BytePairs,
    /// `vocab.json` and `merges.txt`: pairs of letters that end in `</w>`, as GPT has them.
    LetterPairs,
    /// Nothing, and nothing is read: words are their characters.
    Characters,
    /// Nothing: only `tokenizer.json` will do.
    None,
}

impl Family {
    /// The family's own name of a config field.
    pub fn field(&self, name: &'static str) -> &'static str {
        self.fields.iter().find(|(berts, _)| *berts == name).map_or(name, |(_, own)| own)
    }

    /// The family's own name of an encoder's tensor, prefix included.
    pub fn tensor(&self, path: &str) -> String {
        let renamed = |path: String, (berts, own): &(&str, &str)| path.replacen(berts, own, 1);
        format!("{}{}", self.prefix, self.tensors.iter().fold(path.to_owned(), renamed))
    }

    /// What stands between encoder and classifier; of heads that read every token most families have nothing.
    pub fn pooler(&self, head: Head) -> Option<&Pooler> {
        match head {
            Head::Choice => Some(&self.choice_pooler),
            Head::FeatureBased(_) => None,
            Head::Regression if !self.regression_is_pooled => None,
            head => (head.pools() || self.tokens_are_pooled).then_some(&self.pooler),
        }
    }

    /// Whether a model of it has this head: with a class of transformers, or as a BiLSTM of ours over its states.
    pub fn has(&self, head: Head) -> bool {
        match head {
            Head::FeatureBased(_) => self.computation != Computation::Elmo,
            Head::BeamSpan => !self.beam_class.is_empty(),
            head => !self.lacks.contains(&head),
        }
    }

    /// Whether a head's last layer has a bias.
    pub fn classifier_bias(&self, head: Head) -> bool {
        let by_pooler = |pooler: &Pooler| head == Head::Pretraining || pooler.classifier_bias;
        head != Head::BeamSpan && self.pooler(head).is_none_or(by_pooler)
    }

    /// The tensors' path of a head's last layer.
    pub fn classifier(&self, head: Head) -> &'static str {
        match (head, self.pooler(head)) {
            (Head::Pretraining, _) | (_, None) => last_layer(head),
            (_, Some(pooler)) => pooler.classifier,
        }
    }
}

/// The family of a `model_type`.
pub fn find(model_type: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.model_type == model_type)
}

#[cfg(test)]
mod tests;
