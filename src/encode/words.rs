//! Tagged sentences: each word by itself, its label on its first token, none on the others (BERT, Section 5.3).

use super::sequence::room;
use super::split::{One, kind, wrong_row};
use super::{EncodeError, EncodeSettings, Features, Target, Tokenizer, UNLABELLED};
use crate::dataset::{Example, Label};
use crate::task::Task;

/// Encodes a sentence; words whose first token does not fit are cut off, and a word of which nothing is left (the
/// tokenizer drops some characters) is one unknown token, so that it can be tagged. Neighbouring sentences, as many as are
/// asked for and fit, stand around it without labels, as near to equally many tokens on both sides as there are.
pub fn encode(
    tokenizer: &Tokenizer,
    task: &Task,
    examples: &[Example],
    index: usize,
    settings: &EncodeSettings,
) -> Result<One, EncodeError> {
    let (example, room) = (&examples[index], room(tokenizer, false, settings.max_seq_length)?);
    let tags = match &example.label {
        None => vec![0; example.parts.len()],
        Some(Label::Tags(tags)) => tags.clone(),
        Some(other) => return Err(wrong_row(task, example, "tags", kind(other))),
    };
    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    for (own, tag) in tokens(tokenizer, example)?.into_iter().zip(tags) {
        labels.push(tag);
        labels.resize(labels.len() + own.len() - 1, UNLABELLED);
        ids.extend(own);
    }
    let truncated = ids.len() > room;
    ids.truncate(room);
    labels.truncate(room);
    let context = settings.context_sentences;
    let (before, after) = (&examples[index.saturating_sub(context)..index], &examples[index + 1..]);
    let (before, after) = (before.iter().rev(), after.iter().take(context));
    let before = neighbours(tokenizer, before, room - ids.len())?;
    let after = neighbours(tokenizer, after, room - ids.len())?;
    let length = |sentences: &[Vec<u32>]| sentences.iter().map(Vec::len).sum::<usize>();
    let (left, right) = shares(length(&before), length(&after), room - ids.len());
    let before = before.into_iter().rev().collect::<Vec<_>>().concat();
    let all = [&before[before.len() - left..], &ids, &after.concat()[..right]].concat();
    let (input_ids, token_type_ids) = tokenizer.layout().assemble(&[&all]);
    // The frame around the sentence and its neighbours have no labels.
    let mut targets = vec![UNLABELLED; tokenizer.layout().first_start() + left];
    targets.extend(labels);
    targets.resize(input_ids.len(), UNLABELLED);
    let target = example.label.as_ref().map(|_| Target::Tokens(targets));
    let features = vec![Features { example: index, together: 1, input_ids, token_type_ids, target, window: None }];
    Ok(One { features, truncated, answer_lost: false })
}

/// Each word's tokens, at least one.
fn tokens(tokenizer: &Tokenizer, example: &Example) -> Result<Vec<Vec<u32>>, EncodeError> {
    let unknown = tokenizer.id("[UNK]").or_else(|| tokenizer.id("<unk>")).unwrap_or_default();
    let one = |word: &String| {
        let ids = tokenizer.word_ids(word).map_err(|reason| EncodeError::Text { id: example.id.clone(), reason })?;
        Ok(if ids.is_empty() { vec![unknown] } else { ids })
    };
    example.parts.iter().map(one).collect()
}

/// Sentences' tokens, the nearest first, until there is no room for more.
fn neighbours<'a>(
    tokenizer: &Tokenizer,
    nearest_first: impl Iterator<Item = &'a Example>,
    room: usize,
) -> Result<Vec<Vec<u32>>, EncodeError> {
    let (mut all, mut count) = (Vec::new(), 0);
    for example in nearest_first {
        if count >= room {
            break;
        }
        let ids = tokens(tokenizer, example)?.concat();
        count += ids.len();
        all.push(ids);
    }
    Ok(all)
}

/// How much of what stands before and after fits into `room`: half each, and what one side leaves the other.
fn shares(before: usize, after: usize, room: usize) -> (usize, usize) {
    let left = before.min(room / 2).max(before.min(room.saturating_sub(after)));
    (left, after.min(room - left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Example;
    use crate::encode::encode_split;
    use crate::event::Silent;
    use crate::spec::recipe::{DocStrideUnit, Truncation};
    use std::io::Write;

    fn settings(max_seq_length: usize, context_sentences: usize) -> EncodeSettings {
        EncodeSettings {
            max_seq_length,
            truncation: Truncation::LongestFirst,
            doc_stride: 128,
            doc_stride_unit: DocStrideUnit::Step,
            max_query_length: 0,
            context_first: false,
            context_sentences,
            both_orders: false,
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
                encode_split(&tokenizer, task, std::slice::from_ref(&example), &settings(length, 0), &Silent).unwrap();
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

    /// Sentences of one word each, of ids 5 to 9; of eleven places two are the frame's.
    #[test]
    fn neighbours_stand_around_without_labels() {
        let mut file = tempfile::Builder::new().suffix("vocab.txt").tempfile().unwrap();
        writeln!(file, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne").unwrap();
        let tokenizer = Tokenizer::from_files(None, Some(file.path()), None).unwrap();
        let sentence =
            |word: &str| Example { parts: vec![word.into()], label: Some(Label::Tags(vec![3])), ..Example::default() };
        let all: Vec<Example> = ["a", "b", "c", "d", "e"].map(sentence).to_vec();
        let task = crate::task::find("conll2003").unwrap();
        let ids = |context: usize, length: usize| {
            let encoded = encode_split(&tokenizer, task, &all, &settings(length, context), &Silent).unwrap();
            encoded.features.into_iter().map(|features| (features.input_ids, features.target)).collect::<Vec<_>>()
        };
        let target = |at: usize, len: usize| {
            Some(Target::Tokens((0..len).map(|place| if place == at { 3 } else { UNLABELLED }).collect()))
        };
        assert_eq!(ids(1, 16)[0], (vec![2, 5, 6, 3], target(1, 4)));
        assert_eq!(ids(1, 16)[2], (vec![2, 6, 7, 8, 3], target(2, 5)));
        assert_eq!(ids(9, 16)[4], (vec![2, 5, 6, 7, 8, 9, 3], target(5, 7)));
        // Room for two neighbours: one on each side, or both on the only one.
        assert_eq!(ids(9, 5)[2], (vec![2, 6, 7, 8, 3], target(2, 5)));
        assert_eq!(ids(9, 5)[0], (vec![2, 5, 6, 7, 3], target(1, 5)));
    }
}
