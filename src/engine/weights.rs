//! Weights from safetensors files, matched strictly to a model's parameters.
//!
//! Two spellings of LayerNorm exist (`gamma`/`beta` in files converted from TensorFlow, `weight`/`bias` since), and the
//! encoder's names come with or without the family's prefix. Whatever is then missing, has another shape, or is not on
//! the family's list of unused tensors is an error. 16-bit floats are widened to 32.

use super::{EngineError, NamedArray};
use crate::family::{Family, Initial, Parameter};
use crate::random::{Purpose, Stream};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Whether the head comes from the checkpoint or is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadSource {
    /// A pretrained checkpoint: the head is new, whatever the files hold.
    New,
    /// A fine-tuned model: the head must be there.
    Checkpoint,
}

/// The arrays found, and the tensors passed over.
#[derive(Debug)]
pub struct Loaded {
    /// By parameter name.
    pub arrays: BTreeMap<String, NamedArray>,
    /// Tensors of the files that the model does not use.
    pub unused: Vec<String>,
}

/// Reads what the parameters need from safetensors files.
///
/// # Errors
/// A file that is no complete safetensors file; tensors missing, unexpected, of another shape or of a type other than
/// F32, F16 and BF16.
pub fn load(
    files: &[PathBuf],
    family: &Family,
    parameters: &[Parameter],
    head: HeadSource,
) -> Result<Loaded, EngineError> {
    let wanted = |parameter: &&Parameter| head == HeadSource::Checkpoint || !parameter.head;
    let wanted: BTreeMap<&str, &Parameter> =
        parameters.iter().filter(wanted).map(|parameter| (parameter.name.as_str(), parameter)).collect();
    let mut loaded = Loaded { arrays: BTreeMap::new(), unused: Vec::new() };
    for path in files {
        read_file(path, family, &wanted, &mut loaded)?;
    }
    refuse_missing(&wanted, &loaded)?;
    Ok(loaded)
}

fn refuse_missing(wanted: &BTreeMap<&str, &Parameter>, loaded: &Loaded) -> Result<(), EngineError> {
    let missing: Vec<&str> = wanted.keys().filter(|name| !loaded.arrays.contains_key(**name)).copied().collect();
    match missing.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(EngineError::Weights(format!(
            "the checkpoint lacks {} of {} tensors, the first being `{first}`",
            missing.len(),
            wanted.len()
        ))),
    }
}

fn read_file(
    path: &Path,
    family: &Family,
    wanted: &BTreeMap<&str, &Parameter>,
    loaded: &mut Loaded,
) -> Result<(), EngineError> {
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let (start, metadata) = header(path, &mut file)?;
    for name in metadata.offset_keys() {
        let info = metadata.info(&name).expect("a name of the header has an entry");
        let known = canonical(family, &name, wanted);
        match known {
            Some(parameter) => {
                let shape = if lacks_rows(family, parameter, info) { &info.shape } else { &parameter.shape };
                let values = read_tensor(path, &mut file, start, &name, info, shape)?;
                let array = NamedArray { name: parameter.name.clone(), shape: shape.clone(), values };
                loaded.arrays.insert(parameter.name.clone(), array);
            }
            None if is_unused(family, &name) => loaded.unused.push(name),
            None => {
                return Err(EngineError::Weights(format!("{}: unexpected tensor `{name}`", path.display())));
            }
        }
    }
    Ok(())
}

/// Whether only the rows of tokens that fine-tuning adds are not there yet.
fn lacks_rows(family: &Family, parameter: &Parameter, info: &TensorInfo) -> bool {
    let words = parameter.path == "embeddings.word_embeddings.weight" && info.shape.len() == 2;
    words
        && info.shape[1] == parameter.shape[1]
        && (1..=family.new_tokens).any(|rows| info.shape[0] + rows == parameter.shape[0])
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Weights(format!("{}: not a readable safetensors file: {error}", path.display()))
}

/// The header, and where the data begin. The file's length must be exactly what the header promises.
fn header(path: &Path, file: &mut File) -> Result<(u64, Metadata), EngineError> {
    let length = file.metadata().map_err(|error| unreadable(path, &error))?.len();
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix).map_err(|error| unreadable(path, &error))?;
    let header = u64::from_le_bytes(prefix);
    if header > length.saturating_sub(8) || header > 100_000_000 {
        return Err(unreadable(path, &format!("its header claims {header} bytes and the file has {length}")));
    }
    let mut text = vec![0; header as usize];
    file.read_exact(&mut text).map_err(|error| unreadable(path, &error))?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| unreadable(path, &error))?;
    let promised = 8 + header + metadata.data_len() as u64;
    if promised != length {
        return Err(unreadable(path, &format!("it should have {promised} bytes and has {length}")));
    }
    Ok((8 + header, metadata))
}

/// The parameter a tensor of a file belongs to.
fn canonical<'a>(family: &Family, name: &str, wanted: &BTreeMap<&str, &'a Parameter>) -> Option<&'a Parameter> {
    let name = modern_spelling(name);
    let prefixed = format!("{}{name}", family.prefix);
    wanted.get(name.as_str()).or_else(|| wanted.get(prefixed.as_str())).copied()
}

fn modern_spelling(name: &str) -> String {
    let path = name.strip_suffix(".gamma").map(|path| format!("{path}.weight"));
    path.or_else(|| name.strip_suffix(".beta").map(|path| format!("{path}.bias"))).unwrap_or_else(|| name.to_string())
}

/// Tensors of other heads, of whichever family: a BiLSTM over features is ours.
const OTHER_HEADS: [&str; 2] = ["lstm.", "mix."];

fn is_unused(family: &Family, name: &str) -> bool {
    let bare = name.strip_prefix(family.prefix).unwrap_or(name);
    family.unused.iter().chain(&OTHER_HEADS).any(|beginning| begins(bare, beginning))
}

/// Whether a name begins so; `*` stands for a number.
fn begins(name: &str, beginning: &str) -> bool {
    match beginning.split_once('*') {
        None => name.starts_with(beginning),
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            let after_number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            after_number.len() < rest.len() && after_number.starts_with(after)
        }),
    }
}

fn read_tensor(
    path: &Path,
    file: &mut File,
    start: u64,
    name: &str,
    info: &TensorInfo,
    expected: &[usize],
) -> Result<Vec<f32>, EngineError> {
    if info.shape != expected {
        let (place, found) = (path.display(), &info.shape);
        let text = format!("{place}: tensor `{name}` has shape {found:?}, the config expects {expected:?}");
        return Err(EngineError::Weights(text));
    }
    let (from, to) = info.data_offsets;
    let mut bytes = vec![0; to - from];
    file.seek(SeekFrom::Start(start + from as u64)).map_err(|error| unreadable(path, &error))?;
    file.read_exact(&mut bytes).map_err(|error| unreadable(path, &error))?;
    widen(&bytes, info.dtype).ok_or_else(|| {
        let text = format!("{}: tensor `{name}` is {:?}, expected F32, F16 or BF16", path.display(), info.dtype);
        EngineError::Weights(text)
    })
}

fn widen(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    let pair = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    match dtype {
        Dtype::F32 => Some(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Some(bytes.chunks_exact(2).map(|b| half::f16::from_bits(pair(b)).to_f32()).collect()),
        Dtype::BF16 => Some(bytes.chunks_exact(2).map(|b| half::bf16::from_bits(pair(b)).to_f32()).collect()),
        _ => None,
    }
}

/// How new weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Initialization {
    /// Seed of the run.
    pub seed: u64,
    /// Standard deviation of dense and embedding weights.
    pub initializer_range: f64,
    /// Whether the normal distribution is cut at two deviations.
    pub truncated_normal: bool,
}

/// The starting values of all parameters, in order: those loaded, and new ones for the rest; also for the last rows of a table
/// that has fewer in the checkpoint.
pub fn starting_values(
    parameters: &[Parameter],
    mut loaded: BTreeMap<String, NamedArray>,
    how: &Initialization,
) -> Vec<NamedArray> {
    let mut value = |(site, parameter): (usize, &Parameter)| match loaded.remove(&parameter.name) {
        Some(array) if array.values.len() == parameter.len() => array,
        Some(array) => continued(&array, fresh(site as u32, parameter, how)),
        None => fresh(site as u32, parameter, how),
    };
    parameters.iter().enumerate().map(&mut value).collect()
}

/// A table that begins with the rows of a shorter one.
fn continued(shorter: &NamedArray, mut table: NamedArray) -> NamedArray {
    table.values[..shorter.values.len()].copy_from_slice(&shorter.values);
    table
}

fn fresh(site: u32, parameter: &Parameter, how: &Initialization) -> NamedArray {
    let purpose = if parameter.head { Purpose::Head } else { Purpose::Encoder };
    let stream = Stream::new(how.seed, purpose);
    let count = parameter.len();
    let values = match parameter.initial {
        Initial::Zero => vec![0.0; count],
        Initial::One => vec![1.0; count],
        Initial::Uniform(units) => {
            let bound = 1.0 / (units as f64).sqrt();
            (0..count as u64).map(|index| (bound * (2.0 * stream.uniform(0, site, index) - 1.0)) as f32).collect()
        }
        Initial::Normal => {
            let drawn =
                if how.truncated_normal { stream.truncated_normals(site, count) } else { stream.normals(site, count) };
            drawn.into_iter().map(|value| (value * how.initializer_range) as f32).collect()
        }
    };
    NamedArray { name: parameter.name.clone(), shape: parameter.shape.clone(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_a_number() {
        let found = ["h.0.attn.bias", "h.11.attn.bias", "h..attn.bias", "h.1.attn.c_attn.bias"];
        assert_eq!(found.map(|name| begins(name, "h.*.attn.bias")), [true, true, false, false]);
        assert!(begins("cls.predictions.bias", "cls."));
    }

    #[test]
    fn new_rows_follow_those_of_the_checkpoint() {
        let text = r#"{"model_type": "openai-gpt", "vocab_size": 8, "n_embd": 4, "n_layer": 1, "n_head": 2,
            "n_positions": 9, "afn": "gelu", "resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1,
            "layer_norm_epsilon": 1e-5}"#;
        let config = crate::family::EncoderConfig::parse(text).unwrap();
        let words = &crate::family::parameters(&config, crate::task::Head::Classification, 2)[..1];
        let how = Initialization { seed: 1, initializer_range: 0.02, truncated_normal: false };
        let shorter = NamedArray { name: words[0].name.clone(), shape: vec![5, 4], values: vec![7.0; 20] };
        let loaded = BTreeMap::from([(shorter.name.clone(), shorter)]);
        let table = &starting_values(words, loaded, &how)[0];
        assert_eq!((table.shape.as_slice(), &table.values[..20]), (&[8, 4][..], &[7.0; 20][..]));
        assert_eq!(table.values[20..], starting_values(words, BTreeMap::new(), &how)[0].values[20..]);
        let info = |rows: usize| TensorInfo { dtype: Dtype::F32, shape: vec![rows, 4], data_offsets: (0, 0) };
        let lacks = [8, 7, 5, 4].map(|rows| lacks_rows(config.family, &words[0], &info(rows)));
        assert_eq!(lacks, [false, true, true, false]);
    }
}
