//! Tagged sentences: each word by itself, its label on its first token, none on the others (BERT, Section 5.3).

use super::sequence::room;
use super::split::{One, kind, wrong_row};
use super::{EncodeError, EncodeSettings, Features, Target, Tokenizer, UNLABELLED};
use crate::dataset::{Example, Label};
use crate::task::Task;

/// Encodes a sentence; words whose first token does not fit are cut off, and a word of which nothing is left (the
/// tokenizer drops some characters) is one unknown token, so that it can be tagged.
pub fn encode(
    tokenizer: &Tokenizer,
    task: &Task,
    index: usize,
    example: &Example,
    settings: &EncodeSettings,
) -> Result<One, EncodeError> {
    let room = room(tokenizer, false, settings.max_seq_length)?;
    let tags = match &example.label {
        None => vec![0; example.parts.len()],
        Some(Label::Tags(tags)) => tags.clone(),
        Some(other) => return Err(wrong_row(task, example, "tags", kind(other))),
    };
    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    for (word, tag) in example.parts.iter().zip(tags) {
        let mut own = tokenizer.ids(word).map_err(|reason| EncodeError::Text { id: example.id.clone(), reason })?;
        if own.is_empty() {
            own.push(tokenizer.id("[UNK]").or_else(|| tokenizer.id("<unk>")).unwrap_or_default());
        }
        labels.push(tag);
        labels.resize(labels.len() + own.len() - 1, UNLABELLED);
        ids.extend(own);
    }
    let truncated = ids.len() > room;
    ids.truncate(room);
    labels.truncate(room);
    let (input_ids, token_type_ids) = tokenizer.layout().assemble(&[&ids]);
    // The frame around the sentence has no labels.
    let before = tokenizer.layout().first_start();
    let mut all = vec![UNLABELLED; before];
    all.extend(labels);
    all.resize(input_ids.len(), UNLABELLED);
    let target = example.label.as_ref().map(|_| Target::Tokens(all));
    let features = vec![Features { example: index, input_ids, token_type_ids, target, window: None }];
    Ok(One { features, truncated, answer_lost: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Example;
    use crate::encode::encode_split;
    use crate::event::Silent;
    use crate::spec::recipe::{DocStrideUnit, Truncation};
    use std::io::Write;

    fn settings(max_seq_length: usize) -> EncodeSettings {
        EncodeSettings {
            max_seq_length,
            truncation: Truncation::LongestFirst,
            doc_stride: 128,
            doc_stride_unit: DocStrideUnit::Step,
            max_query_length: 0,
        }
    }

    /// `un` `##seen` are two tokens of one word; U+200B is dropped by the normaliser.
    #[test]
    fn the_first_token_of_a_word_has_its_label() {
        let mut file = tempfile::Builder::new().suffix("vocab.txt").tempfile().unwrap();
        writeln!(file, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##seen\nrome").unwrap();
        let tokenizer = Tokenizer::from_files(None, Some(file.path()), None).unwrap();
        let parts: Vec<String> = ["unseen", "\u{200b}", "Rome"].map(String::from).to_vec();
        let example = Example { parts, label: Some(Label::Tags(vec![0, 7, 5])), ..Example::default() };
        let task = crate::task::find("conll2003").unwrap();
        let encoded = |length: usize| {
            let mut all =
                encode_split(&tokenizer, task, std::slice::from_ref(&example), &settings(length), &Silent).unwrap();
            (all.features.remove(0), all.report.truncated)
        };
        let (features, truncated) = encoded(16);
        assert_eq!((features.input_ids, truncated), (vec![2, 5, 6, 1, 7, 3], 0));
        let none = UNLABELLED;
        assert_eq!(features.target, Some(Target::Tokens(vec![none, 0, none, 7, 5, none])));
        let (features, truncated) = encoded(5);
        assert_eq!((features.input_ids, truncated), (vec![2, 5, 6, 1, 3], 1));
        assert_eq!(features.target, Some(Target::Tokens(vec![none, 0, none, 7, none])));
    }
}
