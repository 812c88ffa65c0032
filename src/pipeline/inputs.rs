//! What a run starts from: the checkpoint's files, and its splits as examples and token ids.
//!
//! Runs of a grid differ in recipe and seed only; what they share is prepared once and kept for the next run.

use crate::dataset::{self, DatasetError, Example, Location, Origin, Rows, SplitFile};
use crate::encode::{EncodeError, EncodeSettings, Encoded, Tokenizer, TokenizerFiles, cached_split};
use crate::engine::EngineError;
use crate::engine::fast::{self, cuda};
use crate::event::{Event, Observer};
use crate::family::{Baseline, Completed, Computation, ConfigError, EncoderConfig, Family, Read, parameters};
use crate::fetch::{CheckpointFiles, FetchError, Fetched, Hub, Repository, checkpoint, without_weights};
use crate::plan::{CPU, EngineKind, Run};
use crate::spec::recipe::Recipe;
use crate::task::{Head, Split, SplitRole};
use std::path::PathBuf;
use std::rc::Rc;

/// Why a run has nothing to start from.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A file.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Rows.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Token ids.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The checkpoint's config.
    #[error("checkpoint `{name}`: {source}")]
    Config { name: String, source: ConfigError },
    /// The checkpoint's config could not be read.
    #[error("could not read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// It has too few layers for what is read of it.
    #[error("checkpoint `{name}`: {reason}")]
    Layers { name: String, reason: String },
    /// No model to start from.
    #[error("could not start from `{task}`: {reason}")]
    Start { task: String, reason: String },
    /// It reads another way than the recipe supposes.
    #[error("checkpoint `{name}`: {reason}")]
    Recipe { name: String, reason: String },
    /// Its weights.
    #[error("checkpoint `{name}`: {source}")]
    Weights { name: String, source: EngineError },
}

/// A split, ready.
pub struct PreparedSplit {
    /// Which one.
    pub split: &'static Split,
    /// Its rows.
    pub rows: Rows,
    /// Its sequences.
    pub encoded: Encoded,
}

/// Everything a run starts from.
pub struct Prepared {
    /// The encoder.
    pub config: EncoderConfig,
    /// `config.json` as it is, for the model folder.
    pub config_text: String,
    /// `tokenizer.json` for the model folder, where fine-tuning added tokens to the checkpoint's.
    pub own_tokenizer: Option<String>,
    /// The checkpoint's files.
    pub checkpoint: CheckpointFiles,
    /// Train split and dev splits, in the task's order.
    pub splits: Vec<PreparedSplit>,
    /// Every file used, with its digest.
    pub files: Vec<Fetched>,
}

impl Prepared {
    /// The training split.
    pub fn train(&self) -> impl Iterator<Item = &PreparedSplit> {
        self.splits.iter().filter(|split| split.split.role == SplitRole::Train)
    }

    /// The dev splits.
    pub fn dev(&self) -> impl Iterator<Item = &PreparedSplit> {
        self.splits.iter().filter(|split| split.split.role == SplitRole::Dev)
    }
}

/// Prepares runs, and remembers the last preparation.
pub struct Inputs<'a> {
    hub: &'a dyn Hub,
    cache: PathBuf,
    observer: &'a dyn Observer,
    last: Option<(String, Rc<Prepared>)>,
}

impl<'a> Inputs<'a> {
    /// Encoded splits are kept in the folder `cache`.
    pub fn new(hub: &'a dyn Hub, cache: PathBuf, observer: &'a dyn Observer) -> Inputs<'a> {
        Inputs { hub, cache, observer, last: None }
    }

    /// What the run starts from.
    ///
    /// # Errors
    /// A file that is absent or wrong, rows that do not fit the task, a checkpoint that cannot be used.
    pub fn prepare(&mut self, run: &Run) -> Result<Rc<Prepared>, InputError> {
        let settings = EncodeSettings::from(&run.recipe);
        let key = format!("{:?} {:?} {} {:?} {settings:?}", run.checkpoint, run.data, run.task.name, run.limit);
        if let Some((_, prepared)) = self.last.as_ref().filter(|(last, _)| *last == key) {
            check_run(run, &prepared.config)?;
            return Ok(prepared.clone());
        }
        self.last = None;
        let prepared = Rc::new(self.make(run, &settings)?);
        self.last = Some((key, prepared.clone()));
        Ok(prepared)
    }

    /// One split of a run's task, encoded by a checkpoint's tokenizer: for verifying and predicting.
    ///
    /// # Errors
    /// As [`Inputs::prepare`].
    pub fn split(
        &self,
        run: &Run,
        files: &CheckpointFiles,
        split: &'static Split,
    ) -> Result<PreparedSplit, InputError> {
        let (location, _) = self.locate(run, split)?;
        let family = read_config(run, files)?.config.family;
        self.read(run, split, location, &tokenizer(files, family)?, &EncodeSettings::from(&run.recipe))
    }

    /// Everything small and everything that can fail comes before the weights, which are the long download.
    fn make(&self, run: &Run, settings: &EncodeSettings) -> Result<Prepared, InputError> {
        let mut files = Vec::new();
        let mut located = Vec::new();
        for split in run.task.splits.iter().filter(|split| split.role != SplitRole::Test) {
            let (location, file) = self.locate(run, split)?;
            files.extend(file);
            located.push((split, location));
        }
        let repository = Repository::model(&run.checkpoint.name, run.checkpoint.revision.as_deref());
        let fetch = if run.checkpoint.baseline.is_some() { without_weights } else { checkpoint };
        let checkpoint = fetch(self.hub, &repository, self.observer)?;
        files.extend(checkpoint.all.clone());
        let Completed { mut config, text: mut config_text, notes } = read_config(run, &checkpoint)?;
        let warn =
            |note| self.observer.observe(&Event::Warning(format!("checkpoint `{}`: {note}", run.checkpoint.name)));
        notes.into_iter().for_each(warn);
        settings.check_positions(config.longest_sequence())?;
        check_run(run, &config)?;
        let tokenizer = tokenizer(&checkpoint, config.family)?;
        config.make_room(tokenizer.ids_needed());
        tokenizer.check_vocab_size(config.vocab_size)?;
        if let Some(baseline) = run.checkpoint.baseline {
            (config, config_text) = baseline_config(run, baseline, config.vocab_size)?;
        }
        check_frame(run, &config, &tokenizer)?;
        let own_tokenizer = own_tokenizer(run, &config, &tokenizer)?;
        let read = |(split, location)| self.read(run, split, location, &tokenizer, settings);
        let splits = located.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Prepared { config, config_text, own_tokenizer, checkpoint, splits, files })
    }

    fn locate(&self, run: &Run, split: &Split) -> Result<(SplitFile, Option<Fetched>), InputError> {
        let data = &run.data;
        let named = data.files.get(split.name);
        if let Some(path) = named.filter(|path| is_local(path)) {
            let origin = Origin::NamedFile(path.clone());
            return Ok((SplitFile { location: Location::File(path.into()), origin }, None));
        }
        if let Some(folder) = data.folder.as_ref().filter(|_| named.is_none()) {
            return Ok((SplitFile { location: Location::Folder(folder.clone()), origin: Origin::Official }, None));
        }
        let repository = Repository::dataset(&data.repository, data.revision.as_deref());
        let usual = run.task.split_file(split.name);
        let fetched = self.hub.fetch(&repository, named.unwrap_or(&usual), self.observer)?;
        let origin = match named {
            Some(path) => Origin::NamedFile(path.clone()),
            None if data.repository == run.task.dataset.repository => Origin::Official,
            None => Origin::OtherRepository(data.repository.clone()),
        };
        Ok((SplitFile { location: Location::File(fetched.path.clone()), origin }, Some(fetched)))
    }

    fn read(
        &self,
        run: &Run,
        split: &'static Split,
        file: SplitFile,
        tokenizer: &Tokenizer,
        settings: &EncodeSettings,
    ) -> Result<PreparedSplit, InputError> {
        let rows = dataset::read(run.task, split, &file, run.limit)?;
        for warning in &rows.warnings {
            self.observer.observe(&Event::Warning(format!("{} {}: {warning}", run.task.name, split.name)));
        }
        let examples: &[Example] = &rows.examples;
        let encoded = cached_split(&self.cache, tokenizer, run.task, examples, settings, self.observer)?;
        Ok(PreparedSplit { split, rows, encoded })
    }
}

/// The config of a baseline over a checkpoint's vocabulary.
fn baseline_config(run: &Run, baseline: Baseline, vocab_size: usize) -> Result<(EncoderConfig, String), InputError> {
    let name = run.checkpoint.name.clone();
    let text = baseline.config(vocab_size);
    let config = EncoderConfig::parse(&text).map_err(|source| InputError::Config { name, source })?;
    Ok((config.with_dropout(run.recipe.dropout), text))
}

/// The tokenizer's file, where a model is saved with another one than its checkpoint's.
fn own_tokenizer(run: &Run, config: &EncoderConfig, tokenizer: &Tokenizer) -> Result<Option<String>, InputError> {
    let baseline = run.checkpoint.baseline.is_some();
    if config.family.new_tokens == 0 && !baseline {
        return Ok(None);
    }
    let json = tokenizer.to_json().map_err(EncodeError::Unsaved)?;
    if baseline && json.is_none() {
        let reason = "a baseline is saved with its checkpoint's tokenizer, and ELMo's words are their characters: \
                      expected `baseline` beside another checkpoint";
        return Err(InputError::Recipe { name: run.checkpoint.name.clone(), reason: reason.into() });
    }
    Ok(json)
}

/// Refuses a tokenizer that does not say which text a token is of, or does not put the token where the model reads it.
fn check_frame(run: &Run, config: &EncoderConfig, tokenizer: &Tokenizer) -> Result<(), InputError> {
    let layout = tokenizer.layout();
    let reason = match config.read() {
        Read::Compared if !layout.is_berts() => {
            "a bag of words tells two texts apart where its tokenizer frames them as BERT's does, and this one does not"
                .to_owned()
        }
        Read::Last if layout.begins_with_class_token() && config.family.computation == Computation::Xlnet => format!(
            "{} reads a sequence's last token, and this tokenizer's first one stands for the whole",
            config.family.title
        ),
        _ => return Ok(()),
    };
    Err(InputError::Recipe { name: run.checkpoint.name.clone(), reason })
}

/// What the encoder has too few layers for, and what nothing here, the engine or a GPU can compute, is said before anything
/// is encoded.
fn check_run(run: &Run, config: &EncoderConfig) -> Result<(), InputError> {
    let (family, name) = (config.family, run.checkpoint.name.clone());
    let enough = run.recipe.feature_based().map_or(Ok(()), |how| how.check(config.num_hidden_layers));
    enough.map_err(|reason| InputError::Layers { name: name.clone(), reason })?;
    config.check_bilstm().map_err(|reason| InputError::Recipe { name, reason })?;
    let named = |source| InputError::Weights { name: run.checkpoint.name.clone(), source };
    if run.head() == Head::BeamSpan && !family.has(Head::BeamSpan) {
        let reason =
            format!("`span_head` is `beam`, expected `simple`: {} has no head with a beam search", family.title);
        return Err(InputError::Recipe { name: run.checkpoint.name.clone(), reason });
    }
    if !family.has(run.head()) {
        let text = format!("{} has no head for `{}`", family.title, run.task.name);
        return Err(named(EngineError::Device(text)));
    }
    check_carried(run, config)?;
    check_direction(run, family)?;
    if run.device != CPU {
        cuda::engine::check(config, run.head()).map_err(named)?;
    }
    if run.engine == EngineKind::Fast { fast::check(config).map_err(named) } else { Ok(()) }
}

/// Refuses what is for encoders that are trained, of one that is frozen or whose layers are one.
fn check_carried(run: &Run, config: &EncoderConfig) -> Result<(), InputError> {
    let (family, head) = (config.family, run.head());
    let parameters = parameters(config, head, run.task.num_labels());
    let carried = parameters.iter().any(|one| !one.head && !one.frozen);
    let graded = parameters.iter().any(|one| one.is_trained(head) && one.rate_share != 1.0) && !family.shared_layers;
    let (title, decay) = (family.title, config.layerwise_lr_decay);
    let reason = match &run.recipe.start_from {
        Some(task) if !carried => format!("`start_from` is `{task}`, expected `none`: nothing of {title} is trained"),
        _ if decay != 1.0 && !graded => {
            format!(
                "`layerwise_lr_decay` is {decay}, expected 1: {title} has no layers that are trained each by itself"
            )
        }
        _ => return Ok(()),
    };
    Err(InputError::Recipe { name: run.checkpoint.name.clone(), reason })
}

/// Refuses what is for a model that reads from left to right, of one that does not.
fn check_direction(run: &Run, family: &Family) -> Result<(), InputError> {
    let (weight, title) = (run.recipe.auxiliary_lm, family.title);
    let wrong = [
        (
            weight > 0.0,
            format!("`auxiliary_lm` is {weight}, expected 0: {title} sees the tokens that it would predict"),
        ),
        (
            run.recipe.both_orders,
            format!("`both_orders` is true, expected false: {title} reads each text beside the other"),
        ),
    ];
    let name = run.checkpoint.name.clone();
    match wrong.into_iter().find(|(asked, _)| *asked && !family.causal) {
        Some((_, reason)) => Err(InputError::Recipe { name, reason }),
        None => Ok(()),
    }
}

fn is_local(path: &str) -> bool {
    ["./", "../", "/"].iter().any(|prefix| path.starts_with(prefix))
}

/// The tokenizer of a checkpoint of a family.
fn tokenizer(files: &CheckpointFiles, family: &Family) -> Result<Tokenizer, EncodeError> {
    let path = |file: &Option<Fetched>| file.as_ref().map(|file| file.path.clone());
    let [json, vocab, config] = [&files.tokenizer_json, &files.vocab, &files.tokenizer_config].map(path);
    let byte_pairs = files.byte_pairs.as_ref().map(|[vocab, merges]| (vocab.path.as_path(), merges.path.as_path()));
    let files = TokenizerFiles {
        tokenizer_json: json.as_deref(),
        vocab: vocab.as_deref(),
        tokenizer_config: config.as_deref(),
        byte_pairs,
    };
    Tokenizer::of(&files, family.vocabulary)
}

/// The config of a run's model, under its recipe.
pub(super) fn read_config(run: &Run, files: &CheckpointFiles) -> Result<Completed, InputError> {
    let path = files.config.path.clone();
    let text = std::fs::read_to_string(&path).map_err(|source| InputError::Read { path, source })?;
    let name = run.checkpoint.name.clone();
    let read = Completed::read(&text, &name).map_err(|source| InputError::Config { name, source })?;
    let config = read.config.with_dropout(run.recipe.dropout).with_classifier_dropout(run.recipe.classifier_dropout);
    let Recipe { auxiliary_lm, layerwise_lr_decay, bilstm_layers, .. } = run.recipe;
    let config = EncoderConfig { auxiliary_lm, layerwise_lr_decay, bilstm_layers, ..config }.for_task(run.task);
    Ok(Completed { config, ..read })
}
