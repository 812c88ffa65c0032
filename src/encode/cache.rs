//! Encoded splits remembered on disk, by digest.
//!
//! An entry is found by the SHA-256 over everything that decides its content: the format, the tokenizer's files, the
//! task, the settings and the rows themselves, so that it never has to be invalidated. The file `<key>.encoded` is
//!
//! ```text
//! magic "repro-en" · CACHE_FORMAT as u32, little-endian · key (32 bytes) · payload (`codec`) · SHA-256 of all before
//! ```
//!
//! It is written beside its place and renamed. An entry whose checksum, key or structure is wrong is computed anew with
//! a warning; a folder that cannot be written costs the cache and a warning, never the run.

use super::{EncodeError, EncodeSettings, Encoded, Tokenizer, codec, encode_split};
use crate::dataset::{Example, Label};
use crate::event::{Event, Observer};
use crate::task::Task;
use crate::temporary;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::{fs, io};

/// Raised when the file format changes, or the code makes other tokens of the same input.
pub const CACHE_FORMAT: u32 = 4;

const MAGIC: &[u8; 8] = b"repro-en";

/// As [`encode_split`], from the folder's entry if there is one, which is written otherwise.
pub fn cached_split(
    folder: &Path,
    tokenizer: &Tokenizer,
    task: &Task,
    examples: &[Example],
    settings: &EncodeSettings,
    observer: &dyn Observer,
) -> Result<Encoded, EncodeError> {
    let key = cache_key(tokenizer, task, examples, settings);
    let path = folder.join(format!("{}.encoded", hexadecimal(&key)));
    let warn = |what: &str, why: String| {
        observer.observe(&Event::Warning(format!("encoded examples `{}`: {what}: {why}", path.display())));
    };
    match load(&path, &key) {
        Ok(Some(encoded)) => return Ok(encoded),
        Ok(None) => {}
        Err(why) => warn("not used, encoding anew", why),
    }
    let encoded = encode_split(tokenizer, task, examples, settings, observer)?;
    if let Err(error) = save(&path, &key, &encoded) {
        warn("not kept", error.to_string());
    }
    Ok(encoded)
}

/// The digest over all that decides what an encoded split holds.
pub fn cache_key(tokenizer: &Tokenizer, task: &Task, examples: &[Example], settings: &EncodeSettings) -> [u8; 32] {
    let mut hash = Sha256::new();
    // `Debug` of the settings names every field, so that a new one changes the key by itself.
    hash.update(format!("{CACHE_FORMAT}\n{}\n{}\n{settings:?}\n{:?}\n", tokenizer.digest(), task.name, task.schema));
    for example in examples {
        text(&mut hash, &example.id);
        text(&mut hash, &example.first);
        hash.update([u8::from(example.second.is_some())]);
        example.second.iter().for_each(|second| text(&mut hash, second));
        hash.update((example.parts.len() as u64).to_le_bytes());
        example.parts.iter().for_each(|part| text(&mut hash, part));
        label(&mut hash, example.label.as_ref());
    }
    hash.finalize().into()
}

/// A text and its length, so that neighbouring texts cannot run into each other.
fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

fn label(hash: &mut Sha256, label: Option<&Label>) {
    match label {
        None => hash.update([0]),
        Some(Label::Class(class)) => hash.update([&[1], class.to_le_bytes().as_slice()].concat()),
        Some(Label::Value(value)) => hash.update([&[2], value.to_bits().to_le_bytes().as_slice()].concat()),
        Some(Label::Answers(answers)) => {
            hash.update([3]);
            hash.update((answers.len() as u64).to_le_bytes());
            for answer in answers {
                hash.update((answer.start as u64).to_le_bytes());
                text(hash, &answer.text);
            }
        }
        Some(Label::Tags(tags)) => {
            hash.update([4]);
            tags.iter().for_each(|tag| hash.update(tag.to_le_bytes()));
        }
    }
}

/// `None` if there is no entry; an error says why the one there is of no use.
fn load(path: &Path, key: &[u8; 32]) -> Result<Option<Encoded>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let (body, checksum) = bytes.split_last_chunk::<32>().ok_or("too short")?;
    if Sha256::digest(body).as_slice() != checksum {
        return Err("its checksum is wrong".to_owned());
    }
    let payload = body.strip_prefix(header(key).as_slice()).ok_or("it belongs to another entry")?;
    codec::read(payload).map(Some).ok_or_else(|| "its content is malformed".to_owned())
}

fn header(key: &[u8; 32]) -> Vec<u8> {
    [MAGIC.as_slice(), &CACHE_FORMAT.to_le_bytes(), key].concat()
}

fn save(path: &Path, key: &[u8; 32], encoded: &Encoded) -> io::Result<()> {
    let mut bytes = header(key);
    bytes.extend(codec::write(encoded));
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let temporary = temporary::beside(path);
    let written = fs::write(&temporary, &bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // A full disk leaves half a file; nothing reads it, but it takes room.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
