//! Which files make a pretrained model, and where its weights are.
//!
//! Weights are `model.safetensors`, or `model.safetensors.index.json` with the shards it names. Other formats are looked
//! for only to say what to do about them. A checkpoint's name is a folder where it begins with `./`, `../` or `/`, or
//! where such a folder with a `config.json` exists (the rule of transformers); else it is a repository of the hub.

use super::{FetchError, Fetched, Folder, Hub, Repository, name};
use crate::event::Observer;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// What a model may have beside its config and weights.
pub(super) const OPTIONAL: [&str; 3] = ["tokenizer.json", "vocab.txt", "tokenizer_config.json"];

/// What makes a tokenizer of byte pairs; asked for only where a model has neither `tokenizer.json` nor `vocab.txt`.
pub(super) const BYTE_PAIRS: [&str; 2] = ["vocab.json", "merges.txt"];

/// Weights in formats that are not read, the likeliest first.
const OTHER_FORMATS: &[&str] = &[
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "tf_model.h5",
    "flax_model.msgpack",
    "bert_model.ckpt.index",
    "model.ckpt.index",
    "model.ckpt",
];

/// The files of a pretrained model.
#[derive(Clone, Debug)]
pub struct CheckpointFiles {
    /// `config.json`.
    pub config: Fetched,
    /// Safetensors files, shards in the order of their names; none where they were not asked for.
    pub weights: Vec<Fetched>,
    /// `tokenizer.json`.
    pub tokenizer_json: Option<Fetched>,
    /// `vocab.txt`.
    pub vocab: Option<Fetched>,
    /// `tokenizer_config.json`.
    pub tokenizer_config: Option<Fetched>,
    /// `vocab.json` and `merges.txt`, where the model has neither of the first two.
    pub byte_pairs: Option<[Fetched; 2]>,
    /// All of the above and the index of the shards, for the record.
    pub all: Vec<Fetched>,
}

/// Whether a checkpoint's name means a folder on this machine.
pub fn is_local_checkpoint(name: &str) -> bool {
    ["./", "../", "/"].iter().any(|prefix| name.starts_with(prefix)) || Path::new(name).join("config.json").is_file()
}

/// Fetches everything of a model. A local folder is read whatever the hub is.
///
/// The first file decides the commit, and the others are fetched at that one, so that a branch that moves meanwhile
/// does not mix two states.
pub fn checkpoint(
    hub: &dyn Hub,
    repository: &Repository,
    observer: &dyn Observer,
) -> Result<CheckpointFiles, FetchError> {
    in_its_place(hub, repository, observer, true)
}

/// The same without weights: all that a baseline reads of a model.
pub fn without_weights(
    hub: &dyn Hub,
    repository: &Repository,
    observer: &dyn Observer,
) -> Result<CheckpointFiles, FetchError> {
    in_its_place(hub, repository, observer, false)
}

fn in_its_place(
    hub: &dyn Hub,
    repository: &Repository,
    observer: &dyn Observer,
    whole: bool,
) -> Result<CheckpointFiles, FetchError> {
    if is_local_checkpoint(&repository.name) {
        return assemble(&Folder::of_checkpoint(&repository.name), repository, observer, whole);
    }
    assemble(hub, repository, observer, whole)
}

fn assemble(
    hub: &dyn Hub,
    repository: &Repository,
    observer: &dyn Observer,
    whole: bool,
) -> Result<CheckpointFiles, FetchError> {
    let config = hub.fetch(repository, "config.json", observer)?;
    let repository = &config.repository;
    let optional = |file| hub.fetch_optional(repository, file, observer);
    let [tokenizer_json, vocab, tokenizer_config] =
        [optional(OPTIONAL[0])?, optional(OPTIONAL[1])?, optional(OPTIONAL[2])?];
    let other = tokenizer_json.is_none() && vocab.is_none();
    let [vocab_json, merges] = if other { [optional(BYTE_PAIRS[0])?, optional(BYTE_PAIRS[1])?] } else { [None, None] };
    let byte_pairs = vocab_json.zip(merges).map(<[Fetched; 2]>::from);
    let (index, weights) = if whole { find_weights(hub, repository, observer)? } else { (None, Vec::new()) };
    let small = [&tokenizer_json, &vocab, &tokenizer_config, &index].into_iter().flatten();
    let small = small.chain(byte_pairs.iter().flatten());
    let all = std::iter::once(&config).chain(small).chain(&weights).cloned().collect();
    Ok(CheckpointFiles { config, weights, tokenizer_json, vocab, tokenizer_config, byte_pairs, all })
}

impl CheckpointFiles {
    /// Those that make the tokenizer.
    pub fn tokenizer(&self) -> impl Iterator<Item = &Fetched> {
        let usual = [&self.tokenizer_json, &self.vocab, &self.tokenizer_config].into_iter().flatten();
        usual.chain(self.byte_pairs.iter().flatten())
    }
}

/// Fetches the safetensors files of a model: one, or its shards in the order of their names.
pub fn weights(hub: &dyn Hub, repository: &Repository, observer: &dyn Observer) -> Result<Vec<Fetched>, FetchError> {
    Ok(find_weights(hub, repository, observer)?.1)
}

fn find_weights(
    hub: &dyn Hub,
    repository: &Repository,
    observer: &dyn Observer,
) -> Result<(Option<Fetched>, Vec<Fetched>), FetchError> {
    if let Some(file) = hub.fetch_optional(repository, WEIGHTS, observer)? {
        return Ok((None, vec![file]));
    }
    let Some(index) = hub.fetch_optional(repository, INDEX, observer)? else {
        return Err(other_format(hub, repository, observer)?);
    };
    let shards = shard_names(&index)?;
    let files = shards.iter().map(|shard| hub.fetch(&index.repository, shard, observer)).collect::<Result<_, _>>()?;
    Ok((Some(index), files))
}

/// The `weight_map` of an index: tensor name to the file it is in.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

pub(super) fn shard_names(index: &Fetched) -> Result<BTreeSet<String>, FetchError> {
    let invalid = |detail: String| FetchError::Index { path: index.path.clone(), detail };
    let text = std::fs::read(&index.path).map_err(|error| invalid(error.to_string()))?;
    let parsed: Index = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
    let shards: BTreeSet<String> = parsed.weight_map.into_values().collect();
    if shards.is_empty() {
        return Err(invalid("it names no file".to_string()));
    }
    match shards.iter().find(|shard| !shard.ends_with(".safetensors") || name::check_relative("file", shard).is_err()) {
        Some(shard) => Err(invalid(format!("`{shard}` is not a safetensors file of the repository"))),
        None => Ok(shards),
    }
}

/// The error for a repository without safetensors, which depends on what it has instead.
fn other_format(hub: &dyn Hub, repository: &Repository, observer: &dyn Observer) -> Result<FetchError, FetchError> {
    for file in OTHER_FORMATS {
        match hub.size(repository, file, observer) {
            Ok(Some(_)) | Err(FetchError::LfsPointer { .. }) => {
                return Ok(FetchError::NotSafetensors {
                    repository: Box::new(repository.clone()),
                    found: file.to_string(),
                });
            }
            // Offline, nobody can say; that there are no safetensors is known all the same.
            Ok(None) | Err(FetchError::Offline { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(FetchError::NoWeights { repository: Box::new(repository.clone()), place: hub.place(repository) })
}
