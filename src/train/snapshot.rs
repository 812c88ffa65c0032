//! Snapshots: everything needed to go on as if never interrupted, in one safetensors file.
//!
//! `state.safetensors` holds `parameters.*`, `first_moments.*`, `second_moments.*` (32-bit floats) and, in its header,
//! the [`Progress`] as JSON. It is written beside its place, flushed to the disk and renamed, so that the newest
//! complete snapshot is there at any moment. `best.safetensors` holds the weights that are kept by dev score.

use super::{Progress, TrainError};
use crate::engine::{EngineState, NamedArray};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The folder of a run's snapshots.
#[derive(Clone, Debug)]
pub struct Snapshots {
    folder: PathBuf,
}

const PARTS: [&str; 3] = ["parameters", "first_moments", "second_moments"];

impl Snapshots {
    /// Snapshots in `folder`, which is made when the first one is written.
    pub fn new(folder: PathBuf) -> Snapshots {
        Snapshots { folder }
    }

    /// Writes the newest snapshot.
    ///
    /// # Errors
    /// The disk is full or the folder cannot be written; an older snapshot stays as it was.
    pub fn write(&self, state: &EngineState, progress: &Progress) -> Result<(), TrainError> {
        let text = serde_json::to_string(progress).map_err(|error| self.failed(&error))?;
        let groups = [&state.parameters, &state.first_moments, &state.second_moments];
        let named = PARTS.iter().zip(groups);
        let views =
            named.flat_map(|(part, arrays)| arrays.iter().map(move |array| (format!("{part}.{}", array.name), array)));
        self.replace("state.safetensors", views, Some(("progress", text)))?;
        self.forget_best_but(progress.best.as_ref().map(|best| best_file(best.step)));
        Ok(())
    }

    /// Removes weights that were the best of an older snapshot: they are nobody's now.
    fn forget_best_but(&self, kept: Option<String>) {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        for name in names.filter(|name| name.starts_with(BEST) && Some(name) != kept.as_ref()) {
            // What stays takes room and nothing else.
            let _ = fs::remove_file(self.folder.join(name));
        }
    }

    /// The newest snapshot, if there is one.
    ///
    /// # Errors
    /// A file that is there and cannot be read or understood.
    pub fn read(&self) -> Result<Option<(EngineState, Progress)>, TrainError> {
        let path = self.folder.join("state.safetensors");
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(|error| self.failed(&error))?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| self.failed(&error))?;
        let text = metadata.metadata().as_ref().and_then(|header| header.get("progress"));
        let text = text.ok_or_else(|| self.failed(&"no progress in its header"))?;
        let progress = serde_json::from_str(text).map_err(|error| self.failed(&error))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| self.failed(&error))?;
        let mut groups = PARTS.map(|part| arrays(&tensors, part)).into_iter();
        let mut next = || groups.next().unwrap_or_default();
        Ok(Some((EngineState { parameters: next(), first_moments: next(), second_moments: next() }, progress)))
    }

    /// Keeps the weights of the best evaluation so far.
    ///
    /// # Errors
    /// As [`Snapshots::write`].
    pub fn write_best(&self, parameters: &[NamedArray], step: u64) -> Result<(), TrainError> {
        let views = parameters.iter().map(|array| (format!("parameters.{}", array.name), array));
        self.replace(&best_file(step), views, None)
    }

    /// The weights kept at a step.
    ///
    /// # Errors
    /// They are not there or cannot be read.
    pub fn read_best(&self, step: u64) -> Result<Vec<NamedArray>, TrainError> {
        let name = best_file(step);
        let failed = |error: std::io::Error| self.failed(&format!("{name}: {error}"));
        let bytes = fs::read(self.folder.join(&name)).map_err(failed)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| self.failed(&error))?;
        Ok(arrays(&tensors, PARTS[0]))
    }

    /// Removes the folder once the run is recorded.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn remove(&self) -> Result<(), TrainError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    fn replace<'a>(
        &self,
        name: &str,
        arrays: impl Iterator<Item = (String, &'a NamedArray)>,
        entry: Option<(&str, String)>,
    ) -> Result<(), TrainError> {
        let unwritten = |source| TrainError::Unwritten { folder: self.folder.clone(), source };
        fs::create_dir_all(&self.folder).map_err(unwritten)?;
        let views = arrays.map(|(name, array)| view(array).map(|view| (name, view)));
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|error| self.failed(&error))?;
        let header = entry.map(|(key, text)| HashMap::from([(key.to_string(), text)]));
        let (unfinished, finished) = (self.folder.join(format!("{name}.part")), self.folder.join(name));
        let written = safetensors::serialize_to_file(views, header, &unfinished).map_err(|error| match error {
            SafeTensorError::IoError(source) => unwritten(source),
            other => self.failed(&other),
        });
        let flushed = || File::open(&unfinished).and_then(|file| file.sync_all());
        let replaced = || flushed().and_then(|()| fs::rename(&unfinished, &finished)).map_err(unwritten);
        written.and_then(|()| replaced()).inspect_err(|_| {
            // The error is what counts; half a file would only keep the disk full.
            let _ = fs::remove_file(&unfinished);
        })
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> TrainError {
        TrainError::Snapshot { folder: self.folder.clone(), reason: error.to_string() }
    }
}

/// How the files of best weights begin.
const BEST: &str = "best-";

/// The best weights of a step: each step has a file, so that those of a snapshot outlive better ones after it, until the
/// next snapshot.
fn best_file(step: u64) -> String {
    format!("{BEST}{step}.safetensors")
}

fn view(array: &NamedArray) -> Result<TensorView<'_>, safetensors::SafeTensorError> {
    TensorView::new(Dtype::F32, array.shape.clone(), bytemuck::cast_slice(&array.values))
}

/// The arrays of a part. Safetensors orders a file's tensors by a rule of its own; the trainer puts them back into the
/// engine's order.
fn arrays(tensors: &SafeTensors, part: &str) -> Vec<NamedArray> {
    let array = |(name, view): (&str, TensorView)| {
        let name = name.strip_prefix(part)?.strip_prefix('.')?.to_string();
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Some(NamedArray { name, shape: view.shape().to_vec(), values })
    };
    tensors.iter().filter_map(array).collect()
}

/// Whether a folder holds a snapshot to go on from.
pub fn exists(folder: &Path) -> bool {
    folder.join("state.safetensors").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(name: &str, values: &[f32]) -> NamedArray {
        NamedArray { name: name.into(), shape: vec![values.len()], values: values.to_vec() }
    }

    fn state(value: f32) -> EngineState {
        let group = || vec![array("a.weight", &[value, f32::MIN_POSITIVE]), array("b", &[-0.0])];
        EngineState { parameters: group(), first_moments: group(), second_moments: group() }
    }

    #[test]
    fn what_is_written_is_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().join("snapshot"));
        assert!(snapshots.read().unwrap().is_none());
        let progress = Progress { step: 7, losses: vec![0.1 + 0.2, 1.0 / 3.0], ..Progress::default() };
        snapshots.write(&state(1.5), &Progress::default()).unwrap();
        snapshots.write(&state(0.1), &progress).unwrap();
        let (mut found, found_progress) = snapshots.read().unwrap().unwrap();
        found.parameters.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(found.parameters, state(0.1).parameters);
        assert_eq!(found_progress, progress);
    }

    #[test]
    fn an_unfinished_file_is_never_read() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().to_path_buf());
        snapshots.write(&state(1.0), &Progress { step: 1, ..Progress::default() }).unwrap();
        fs::write(folder.path().join("state.safetensors.part"), b"cut").unwrap();
        assert_eq!(snapshots.read().unwrap().unwrap().1.step, 1);
        snapshots.remove().unwrap();
        snapshots.remove().unwrap();
    }
}
