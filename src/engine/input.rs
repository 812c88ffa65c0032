//! What every engine refuses before it computes: ids, lengths and targets that do not fit the model.

use super::{EngineError, NamedArray};
use crate::encode::{Batch, Targets, UNLABELLED};
use crate::family::{BEGINS_TEXT, ENDS_TEXT, ENDS_WORD, Encoder, EncoderConfig, Parameter};
use crate::task::Head;

/// Refuses a batch that does not fit the model.
///
/// # Errors
/// A token, segment or label past the model's (a model without segments reads none), a sequence without tokens or
/// longer than its positions; of a model that reads characters, texts that are not whole.
pub fn check_batch(batch: &Batch, config: &EncoderConfig, num_labels: usize) -> Result<(), EngineError> {
    check_ids("token", &batch.input_ids, config.vocab_size)?;
    if config.type_vocab_size > 0 {
        check_ids("segment", &batch.token_type_ids, config.type_vocab_size)?;
    }
    if batch.lengths().any(|length| length == 0) {
        return Err(EngineError::Input("a sequence has no tokens, expected at least one".into()));
    }
    let (longest, limit) = (batch.lengths().max().unwrap_or(0), config.longest_sequence());
    if longest > limit {
        return Err(EngineError::Input(format!("a sequence has {longest} tokens, the model's limit is {limit}")));
    }
    if let Encoder::Elmo(own) = &config.encoder {
        check_texts(batch, own.texts.count)?;
    }
    if batch.together == 0 || !batch.len().is_multiple_of(batch.together) {
        let (found, expected) = (batch.len(), batch.together);
        return Err(EngineError::Input(format!("{found} sequences, expected whole examples of {expected}")));
    }
    check_targets(batch, config.vocab_size, num_labels)
}

/// Each sequence must be so many texts of whole words.
fn check_texts(batch: &Batch, count: usize) -> Result<(), EngineError> {
    for bounds in batch.cumulative_lengths.windows(2) {
        let ids = &batch.input_ids[bounds[0] as usize..bounds[1] as usize];
        let follows = |pair: &[u32]| match pair[0] {
            ENDS_TEXT => pair[1] == BEGINS_TEXT,
            id if id < ENDS_WORD => pair[1] < BEGINS_TEXT,
            _ => pair[1] != BEGINS_TEXT,
        };
        let whole = ids.first() == Some(&BEGINS_TEXT) && ids.last() == Some(&ENDS_TEXT) && ids.windows(2).all(follows);
        let found = ids.iter().filter(|id| **id == BEGINS_TEXT).count();
        if !(whole && found == count) {
            return Err(EngineError::Input(format!("a sequence is not {count} texts of whole words")));
        }
    }
    Ok(())
}

/// Refuses a head that reads more layers than the encoder has, and a BiLSTM that has nothing to stand on.
///
/// # Errors
/// What was found and expected.
pub fn check_layers(config: &EncoderConfig, head: Head) -> Result<(), EngineError> {
    config.check_bilstm().map_err(EngineError::Input)?;
    match head {
        Head::FeatureBased(how) => how.check(config.num_hidden_layers).map_err(EngineError::Input),
        _ => Ok(()),
    }
}

/// Refuses arrays that are not those of a model, in order.
///
/// # Errors
/// Another name, shape or number of values.
pub fn check_names(parameters: &[Parameter], values: &[NamedArray]) -> Result<(), EngineError> {
    let same = |(parameter, array): (&Parameter, &NamedArray)| {
        parameter.name == array.name && parameter.shape == array.shape && array.values.len() == parameter.len()
    };
    if parameters.len() == values.len() && parameters.iter().zip(values).all(same) {
        return Ok(());
    }
    Err(EngineError::Weights("the arrays given are not those of this model".into()))
}

fn check_ids(what: &str, ids: &[u32], limit: usize) -> Result<(), EngineError> {
    match ids.iter().find(|id| **id as usize >= limit) {
        Some(id) => Err(EngineError::Input(format!("{what} id {id} is past the model's {limit}"))),
        None => Ok(()),
    }
}

fn check_targets(batch: &Batch, vocab_size: usize, num_labels: usize) -> Result<(), EngineError> {
    let mut lengths = batch.lengths();
    match &batch.targets {
        Targets::Classes(classes) => {
            check_count("labels", classes.len(), batch.examples())?;
            check_ids("label", classes, num_labels)
        }
        Targets::Spans(spans) => spans.iter().try_for_each(|span| {
            let length = lengths.next().unwrap_or(0);
            check_ids("answer token", &[span.0, span.1], length)
        }),
        Targets::Tokens(labels) => {
            check_count("labels", labels.len(), batch.tokens())?;
            labels.iter().filter(|label| **label != UNLABELLED).try_for_each(|l| check_ids("label", &[*l], num_labels))
        }
        Targets::Choices(right) => {
            check_count("choices", right.len(), batch.examples())?;
            check_ids("choice", right, batch.together)
        }
        Targets::Masked { words, next } => {
            check_ids("next-sentence label", next, 2)?;
            let ascending = words.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let inside = words.last().is_none_or(|(token, _)| (*token as usize) < batch.tokens());
            if !(ascending && inside) {
                return Err(EngineError::Input("masked tokens are not in order inside the batch".into()));
            }
            words.iter().try_for_each(|(_, word)| check_ids("masked word", &[*word], vocab_size))
        }
        Targets::Values(values) => check_count("numbers", values.len(), batch.examples()),
        Targets::Hidden => Ok(()),
    }
}

fn check_count(what: &str, found: usize, expected: usize) -> Result<(), EngineError> {
    if found == expected { Ok(()) } else { Err(EngineError::Input(format!("{found} {what}, expected {expected}"))) }
}
