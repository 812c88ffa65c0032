//! The model: its `config.json`, and whether a step of it has room in this machine's memory.

use super::PretrainError;
use super::masking::Masking;
use super::start;
use super::vocabulary::{self, Vocabulary};
use crate::engine::Processor;
use crate::engine::fast::cpu::MICRO_BATCH;
use crate::estimate::{BatchShape, memory_of, parameter_count, snapshot_memory};
use crate::family::EncoderConfig;
use crate::plan::EngineKind;
use crate::spec::pretraining::{PretrainingSpec, VocabularySource};
use crate::task::Head;
use serde_json::{Value, json};

/// Outputs of the next-sentence head.
pub const LABELS: usize = 2;

/// `config.json` of the model, whose dropout is that of fine-tunings; of one whose vocabulary is yet to be trained if
/// there is none.
pub fn config(spec: &PretrainingSpec, vocabulary: Option<&Vocabulary>) -> Value {
    let model = &spec.model;
    let size = match (vocabulary, &spec.vocabulary) {
        (None, VocabularySource::Train { size, .. }) => vocabulary::rounded(*size),
        // Released checkpoints have as many rows as tokens.
        (Some(vocabulary), _) => {
            let theirs = spec.start_from.as_deref().and_then(start::vocab_size).filter(|size| *size >= vocabulary.len);
            theirs.unwrap_or_else(|| vocabulary::rounded(vocabulary.len))
        }
        (None, VocabularySource::File(_)) => 0,
    };
    json!({
        "model_type": "bert",
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.num_hidden_layers,
        "num_attention_heads": model.num_attention_heads,
        "intermediate_size": model.intermediate_size,
        "hidden_act": model.hidden_act,
        "hidden_dropout_prob": model.dropout,
        "attention_probs_dropout_prob": model.dropout,
        "max_position_embeddings": model.max_position_embeddings,
        "type_vocab_size": 2,
        "initializer_range": model.initializer_range,
        "layer_norm_eps": 1e-12,
        "pad_token_id": vocabulary.map_or(0, |vocabulary| vocabulary.pad),
        "is_decoder": spec.data.left_to_right,
        "vocab_size": size,
    })
}

/// The encoder as it is pre-trained.
///
/// # Errors
/// A config that makes no sense.
pub fn encoder(spec: &PretrainingSpec, config: &Value) -> Result<EncoderConfig, PretrainError> {
    let mut encoder = EncoderConfig::parse(&config.to_string())?;
    (encoder.hidden_dropout_prob, encoder.attention_probs_dropout_prob) = (spec.train.dropout, spec.train.dropout);
    Ok(encoder)
}

/// Bytes of a step, about, with a snapshot and the words' logits, of which only those of masked words are computed.
pub fn memory(spec: &PretrainingSpec, encoder: &EncoderConfig, engine: EngineKind, processor: &Processor) -> u64 {
    let (batch, longest) = (spec.train.batch_size, spec.data.max_seq_length);
    let threads = if let Processor::Cpu { threads, .. } = processor { *threads } else { 1 };
    let shape = BatchShape::rectangle(batch, longest);
    let step = memory_of(engine, encoder, Head::Pretraining, LABELS, &shape, threads);
    let predicted = if spec.data.left_to_right { longest } else { Masking::of(&spec.data).wanted(longest) };
    let (sequences, arrays) = match engine {
        EngineKind::Fast => (threads * MICRO_BATCH.div_ceil(longest).min(batch), 1),
        EngineKind::Reference => (batch, 5),
    };
    let logits = 4 * (sequences * predicted * arrays) as u64 * encoder.vocab_size as u64;
    step + logits + snapshot_memory(encoder, Head::Pretraining, LABELS)
}

/// The part of it that no shape of the sequences changes: parameters, their gradient and two moments.
pub fn least_memory(encoder: &EncoderConfig) -> u64 {
    16 * parameter_count(encoder, Head::Pretraining, LABELS)
}

/// Fails where a step takes more memory than this process can ever have.
///
/// # Errors
/// What it takes and what there is.
pub fn check_room(needed: u64, most: Option<u64>) -> Result<(), PretrainError> {
    match most {
        Some(most) if needed > most => Err(PretrainError::Memory { needed, most }),
        _ => Ok(()),
    }
}

/// The most bytes that this process can have, where the system tells (Linux): what the machine has with its swap, or less
/// where a limit is set.
pub fn room() -> Option<u64> {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (machine, limits, group) =
        (file("/proc/meminfo"), file("/proc/self/limits"), file("/sys/fs/cgroup/memory.max"));
    let kilobytes = |name: &str| {
        let line = machine.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB"));
        line.and_then(|number| number.trim().parse::<u64>().ok())
    };
    let all = kilobytes("MemTotal:").map(|memory| 1024 * (memory + kilobytes("SwapTotal:").unwrap_or(0)));
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space")?.split_whitespace().next());
    let limit = limit.and_then(|bytes| bytes.parse().ok());
    [all, limit, group.trim().parse().ok()].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bert-base-uncased has a row for each of its 30,522 tokens; what begins from nothing has a multiple of eight.
    #[test]
    fn a_start_keeps_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let own = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c", "."];
        std::fs::write(folder.path().join("vocab.txt"), own.join("\n")).unwrap();
        std::fs::write(folder.path().join("config.json"), "{\"vocab_size\": 9}").unwrap();
        let path = folder.path().join("small.yaml");
        let text = format!(
            "name: small\ncorpus: a.txt\nvocabulary: {}\nmodel: {{hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 1}}\n\
             train: {{batch_size: 1, steps: 1, learning_rate: 1e-3}}\n",
            folder.path().join("vocab.txt").display()
        );
        let size = |more: String| {
            std::fs::write(&path, format!("{text}{more}")).unwrap();
            let spec = crate::spec::pretraining::read(&path, &[]).unwrap();
            let vocabulary = Vocabulary::read(&folder.path().join("vocab.txt")).unwrap();
            config(&spec, Some(&vocabulary))["vocab_size"].clone()
        };
        assert_eq!(size(String::new()), 16);
        assert_eq!(size(format!("start_from: {}\n", folder.path().display())), 9);
    }

    #[test]
    fn what_has_no_room_is_refused_and_an_unknown_limit_refuses_nothing() {
        let refused = check_room(3_000_000_000, Some(2_000_000_000)).unwrap_err().to_string();
        assert_eq!(refused, "a step takes about 3.0 GB of memory, found 2.0 GB at most");
        assert!(check_room(1, Some(1)).is_ok() && check_room(u64::MAX, None).is_ok());
        assert!(!cfg!(target_os = "linux") || room().is_some_and(|bytes| bytes > 1 << 20));
    }
}
