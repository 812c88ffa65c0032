//! What a pre-training is trained and evaluated on: vocabulary, token ids and pairs, made in the run's folder.

use super::PretrainError;
use super::corpus::{files, read_documents};
use super::error::{unread, unwritten};
use super::masking::Masking;
use super::pairs::{Counts, Cut, Masked, held_out};
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
    counts: Counts,
}

impl Pairs {
    /// Share of the tokens that were cut off.
    fn lost(&self) -> f64 {
        self.counts.lost as f64 / (self.counts.tokens + self.counts.lost).max(1) as f64
    }
}

/// Sequences in which at least one word to predict is looked for.
const SAMPLE: usize = 1000;
/// A share of tokens cut off that is worth a warning: lines are longer than sequences.
const MUCH: f64 = 0.25;

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
            let counts = if documents.is_empty() { Counts::default() } else { cut.write(&path)? };
            Ok::<_, PretrainError>(Pairs { path, counts })
        };
        let (trained, held) = (cut(&trained, spec.data.duplicates, "pairs.bin")?, cut(&held, 1, "held-out.bin")?);
        if trained.counts.pairs < spec.train.batch_size {
            let (found, wanted) = (counted(trained.counts.pairs, "sequence"), spec.train.batch_size);
            let message = format!("{found} to train on, expected at least one batch, {wanted}");
            return Err(PretrainError::Corpus(message));
        }
        let corpus = Corpus { vocabulary, store, trained, held, digest };
        corpus.check_predictions(spec)?;
        corpus.tell_lost(observer);
        Ok(corpus)
    }

    /// Fails where no sequence of a sample has a word to predict: steps would learn none, and nobody would know.
    fn check_predictions(&self, spec: &PretrainingSpec) -> Result<(), PretrainError> {
        let sequences = self.trained(spec)?;
        let sample = sequences.count.min(SAMPLE);
        for at in 0..sample {
            let features = sequences.sequence(at * sequences.count / sample, 0)?;
            if features.target.is_some_and(|target| target.labelled() > 0) {
                return Ok(());
            }
        }
        Err(PretrainError::Scarce {
            found: format!("none of {} has a word to predict", counted(sample, "sequence")),
            hint: "a whole word of more tokens than `data.masked` and `data.max_predictions` allow is passed over"
                .into(),
        })
    }

    fn tell_lost(&self, observer: &dyn Observer) {
        let (counts, share) = (&self.trained.counts, self.trained.lost());
        let text =
            format!("{} of {} tokens are cut off sequences to make them fit", counts.lost, counts.tokens + counts.lost);
        observer.observe(&if share > MUCH {
            Event::Warning(format!("{text}; expected a sentence a line"))
        } else {
            Event::Note(text)
        });
    }

    /// What it is, for reports and to tell it from another.
    pub fn describe(&self) -> Value {
        json!({
            "documents": self.store.documents(),
            "sentences": self.store.sentences(),
            "tokens": self.store.len(),
            "sequences": self.trained.counts.pairs,
            "tokens_in_sequences": self.trained.counts.tokens,
            "tokens_cut_off": self.trained.counts.lost,
            "held_out_sequences": self.held.counts.pairs,
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
        if self.held.counts.pairs > 0 { self.masked(spec, &self.held).map(Some) } else { Ok(None) }
    }

    fn masked(&self, spec: &PretrainingSpec, pairs: &Pairs) -> Result<Masked<'_>, PretrainError> {
        let data = &spec.data;
        Ok(Masked {
            store: &self.store,
            file: Numbers::open(pairs.path.clone())?,
            count: pairs.counts.pairs,
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
        let them = if files == 1 { "it" } else { "them" };
        return Err(PretrainError::Corpus(format!("{} and no sentence in {them}", counted(files, "file"))));
    }
    let (trained, held) = held_out(all, spec.held_out, spec.seed);
    let (least, of_next) = if spec.data.next_sentence { (2, " for next-sentence prediction") } else { (1, "") };
    if trained.len() >= least {
        return Ok((trained, held));
    }
    let (found, expected) = (counted(all, "document"), format!("expected at least {least} to train on{of_next}"));
    Err(if all < least {
        let hint = "a blank line parts documents; with `data.next_sentence: false` one is enough";
        PretrainError::Scarce { found: format!("{found}, {expected}"), hint: hint.into() }
    } else {
        let hint = "`held_out: 0` keeps all";
        PretrainError::Scarce {
            found: format!("{found}, {} of them held out, {expected}", held.len()),
            hint: hint.into(),
        }
    })
}

/// `1 document`, `2 documents`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
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
        if ["model", "snapshot"].iter().any(|name| folder.join(name).exists()) {
            let reason = "what was trained in it read another corpus: `vocabulary.json` differs".to_owned();
            return Err(PretrainError::Occupied { folder: folder.to_path_buf(), reason });
        }
        // The files to come are this run's, should it be killed between them.
        atomic::write(&made_of, b"{}\n").map_err(unwritten(&made_of))?;
        let read = |done: usize| tell(observer, (Stage::Dataset, "texts for the vocabulary"), (done, paths.len()));
        vocabulary::train(paths, size, lower_case, folder, read)?;
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

fn tell(observer: &dyn Observer, (stage, what): (Stage, &str), (done, total): (usize, usize)) {
    observer.observe(&Event::Progress { stage, what: what.into(), done: done as u64, total: Some(total as u64) });
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
        tell(observer, (Stage::Encode, "texts"), (at + 1, paths.len()));
    }
    Ok((writer.finish()?, hexadecimal(digest)))
}
