//! XLM-RoBERTa (Conneau et al. 2020): RoBERTa with a SentencePiece vocabulary of a hundred languages.

use super::roberta::ROBERTA;
use super::{Family, Vocabulary};

/// XLM-RoBERTa; its tensors have RoBERTa's prefix.
pub const XLM_ROBERTA: Family = Family {
    model_type: "xlm-roberta",
    title: "XLM-RoBERTa",
    about: "RoBERTa with a multilingual SentencePiece vocabulary",
    class: "XLMRoberta",
    vocabulary: Vocabulary::None,
    ..ROBERTA
};
