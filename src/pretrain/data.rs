//! What a pre-training is trained and evaluated on: vocabulary, token ids and pairs, made in the run's folder.

use super::PretrainError;
use super::corpus::{files, read_documents};
use super::error::{unread, unwritten};
use super::masking::Masking;
use super::pairs::{Cut, Masked, held_out};
use super::segments::Segmentation;
use super::store::{Numbers, Store, Writer};
use super::vocabulary::{self, Vocabulary};
use crate::event::{Event, Observer, Stage};
use crate::export::atomic;
use crate::spec::pretraining::{PretrainingSpec, VocabularySource};
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A corpus as it is trained on.
pub struct Corpus {
    /// Its vocabulary.
    pub vocabulary: Vocabulary,
    store: Store,
    trained: Pairs,
    held: Pairs,
    digest: String,
}

/// Pairs in a file.
struct Pairs {
    path: PathBuf,
    count: usize,
}

impl Corpus {
    /// Makes it from the spec's texts and a vocabulary that is given, or trained on them.
    ///
    /// # Errors
    /// Texts or a vocabulary that do not do, too few sequences, files.
    pub fn make(
        spec: &PretrainingSpec,
        given: Option<Vocabulary>,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<Corpus, PretrainError> {
        let paths = files(&spec.corpus)?;
        let vocabulary = match (given, &spec.vocabulary) {
            (Some(given), _) => given,
            (None, VocabularySource::File(path)) => Vocabulary::read(path)?,
            (None, VocabularySource::Train { size, lower_case }) => {
                trained_vocabulary((*size, *lower_case), &paths, folder, observer)?
            }
        };
        let folder = folder.join("corpus");
        let (store, digest) = store(&paths, &vocabulary, &folder, observer)?;
        let (trained, held) = documents(spec, &store, paths.len())?;
        let cut = |documents: &[usize], rounds: u64, name: &str| {
            let path = folder.join(name);
            let cut = Cut { store: &store, documents, how: segmentation(spec), rounds, seed: spec.seed };
            let count = if documents.is_empty() { 0 } else { cut.write(&path)? };
            Ok::<_, PretrainError>(Pairs { path, count })
        };
        let (trained, held) = (cut(&trained, spec.data.duplicates, "pairs.bin")?, cut(&held, 1, "held-out.bin")?);
        if trained.count < spec.train.batch_size {
            let (found, wanted) = (trained.count, spec.train.batch_size);
            let message = format!("{found} sequences to train on, expected at least one batch, {wanted}");
            return Err(PretrainError::Corpus(message));
        }
        Ok(Corpus { vocabulary, store, trained, held, digest })
    }

    /// What it is, for reports and to tell it from another.
    pub fn describe(&self) -> Value {
        json!({
            "documents": self.store.documents(),
            "sentences": self.store.sentences(),
            "tokens": self.store.len(),
            "sequences": self.trained.count,
            "held_out_sequences": self.held.count,
            "sha256": self.digest,
            "vocabulary_sha256": self.vocabulary.tokenizer.digest(),
        })
    }

    /// What is trained on.
    ///
    /// # Errors
    /// A file that is gone.
    pub fn trained(&self, spec: &PretrainingSpec) -> Result<Masked<'_>, PretrainError> {
        self.masked(spec, &self.trained)
    }

    /// What is evaluated on; `None` where nothing is held out.
    ///
    /// # Errors
    /// A file that is gone.
    pub fn held_out(&self, spec: &PretrainingSpec) -> Result<Option<Masked<'_>>, PretrainError> {
        if self.held.count > 0 { self.masked(spec, &self.held).map(Some) } else { Ok(None) }
    }

    fn masked(&self, spec: &PretrainingSpec, pairs: &Pairs) -> Result<Masked<'_>, PretrainError> {
        let data = &spec.data;
        Ok(Masked {
            store: &self.store,
            file: Numbers::open(pairs.path.clone())?,
            count: pairs.count,
            vocabulary: &self.vocabulary,
            masking: Masking::of(data),
            dynamic: data.dynamic,
            next_sentence: data.next_sentence,
            left_to_right: data.left_to_right,
            seed: spec.seed,
        })
    }
}

fn segmentation(spec: &PretrainingSpec) -> Segmentation {
    let data = &spec.data;
    Segmentation {
        max_seq_length: data.max_seq_length,
        short_sequences: data.short_sequences,
        next_sentence: data.next_sentence,
    }
}

/// Documents to train on, and those held out.
fn documents(spec: &PretrainingSpec, store: &Store, files: usize) -> Result<(Vec<usize>, Vec<usize>), PretrainError> {
    let all = store.documents();
    if all == 0 {
        return Err(PretrainError::Corpus(format!("{files} files and no sentence in them")));
    }
    let (trained, held) = held_out(all, spec.held_out, spec.seed);
    let (least, of_next) = if spec.data.next_sentence { (2, " for next-sentence prediction") } else { (1, "") };
    if trained.len() < least {
        let held = if held.is_empty() { String::new() } else { format!(", {} of them held out", held.len()) };
        return Err(PretrainError::Corpus(format!(
            "{all} documents{held}, expected at least {least} to train on{of_next}; `held_out: 0` keeps all"
        )));
    }
    Ok((trained, held))
}

/// The vocabulary that is trained. It is kept with a digest of what it was made of, since a snapshot belongs to it.
fn trained_vocabulary(
    (size, lower_case): (usize, bool),
    paths: &[PathBuf],
    folder: &Path,
    observer: &dyn Observer,
) -> Result<Vocabulary, PretrainError> {
    let (path, made_of) = (folder.join("vocab.txt"), folder.join("vocabulary.json"));
    let wanted = format!("{:#}\n", json!({"size": size, "lower_case": lower_case, "corpus": bytes_of(paths)?}));
    let known = std::fs::read_to_string(&made_of).is_ok_and(|known| known == wanted);
    if !(known && path.exists()) {
        tell(observer, "vocabulary", 0, None);
        // The files to come are this run's, should it be killed between them.
        atomic::write(&made_of, b"{}\n").map_err(unwritten(&made_of))?;
        vocabulary::train(paths, size, lower_case, folder)?;
        atomic::write(&made_of, wanted.as_bytes()).map_err(unwritten(&made_of))?;
    }
    Vocabulary::read(&path)
}

/// SHA-256 of some files' bytes, one after another.
///
/// # Errors
/// A file that cannot be read.
pub fn bytes_of(paths: &[PathBuf]) -> Result<String, PretrainError> {
    let mut digest = Sha256::new();
    for path in paths {
        let mut file = File::open(path).map_err(unread(path))?;
        std::io::copy(&mut file, &mut digest).map_err(unread(path))?;
    }
    Ok(hexadecimal(digest))
}

fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tell(observer: &dyn Observer, what: &str, done: u64, total: Option<u64>) {
    observer.observe(&Event::Progress { stage: Stage::Encode, what: what.into(), done, total });
}

/// The corpus as token ids, and its digest, sentence bounds included.
fn store(
    paths: &[PathBuf],
    vocabulary: &Vocabulary,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<(Store, String), PretrainError> {
    let mut writer = Writer::new(folder)?;
    let mut digest = Sha256::new();
    for (at, path) in paths.iter().enumerate() {
        read_documents(path, |sentences| {
            let ids = |sentence: &String| vocabulary.tokenizer.ids(sentence);
            let document: Result<Vec<Vec<u32>>, String> = sentences.par_iter().map(ids).collect();
            let document = document
                .map_err(|reason| PretrainError::Corpus(format!("{}: not tokenized: {reason}", path.display())))?;
            digest.update((document.len() as u64).to_le_bytes());
            for sentence in &document {
                digest.update((sentence.len() as u64).to_le_bytes());
                digest.update(bytemuck::cast_slice::<u32, u8>(sentence));
            }
            writer.push(&document)
        })?;
        tell(observer, "corpus", at as u64 + 1, Some(paths.len() as u64));
    }
    Ok((writer.finish()?, hexadecimal(digest)))
}
