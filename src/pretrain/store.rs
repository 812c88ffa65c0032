//! A corpus as token ids on disk: `tokens.bin`, 4 bytes a token, and `sentences.bin`, where each sentence ends, 8 bytes.
//! Where each document's sentences begin stays in memory, 16 bytes a document.

use super::PretrainError;
use super::error::{unread, unwritten};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Little-endian numbers of a file, read where they are wanted.
pub struct Numbers {
    path: PathBuf,
    file: Mutex<File>,
}

impl Numbers {
    /// Opens a file.
    ///
    /// # Errors
    /// It is not there.
    pub fn open(path: PathBuf) -> Result<Numbers, PretrainError> {
        let file = File::open(&path).map_err(unread(&path))?;
        Ok(Numbers { path, file: Mutex::new(file) })
    }

    /// Bytes from an offset.
    ///
    /// # Errors
    /// The file ends before.
    pub fn bytes(&self, offset: u64, count: usize) -> Result<Vec<u8>, PretrainError> {
        let mut bytes = vec![0; count];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(unread(&self.path))?;
        Ok(bytes)
    }
}

/// Writes a store.
pub struct Writer {
    folder: PathBuf,
    tokens: BufWriter<File>,
    sentences: BufWriter<File>,
    written: u64,
    ends: u64,
    /// First sentence of each document, and one past the last.
    documents: Vec<u64>,
}

impl Writer {
    /// Begins a store in a folder.
    ///
    /// # Errors
    /// Files that cannot be made.
    pub fn new(folder: &Path) -> Result<Writer, PretrainError> {
        std::fs::create_dir_all(folder).map_err(unwritten(folder))?;
        let create = |name: &str| {
            let path = folder.join(name);
            File::create(&path).map(BufWriter::new).map_err(unwritten(&path))
        };
        let (tokens, sentences) = (create("tokens.bin")?, create("sentences.bin")?);
        Ok(Writer { folder: folder.into(), tokens, sentences, written: 0, ends: 0, documents: vec![0] })
    }

    /// Adds a document of sentences; sentences without tokens are left out, and so are documents without sentences.
    ///
    /// # Errors
    /// A full disk.
    pub fn push(&mut self, sentences: &[Vec<u32>]) -> Result<(), PretrainError> {
        let failed = |source| PretrainError::Write { path: self.folder.clone(), source };
        for tokens in sentences.iter().filter(|tokens| !tokens.is_empty()) {
            self.written += tokens.len() as u64;
            self.ends += 1;
            self.tokens.write_all(bytemuck::cast_slice(tokens)).map_err(failed)?;
            self.sentences.write_all(&self.written.to_le_bytes()).map_err(failed)?;
        }
        if self.documents.last() != Some(&self.ends) {
            self.documents.push(self.ends);
        }
        Ok(())
    }

    /// The store.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(mut self) -> Result<Store, PretrainError> {
        let flushed = self.tokens.flush().and_then(|()| self.sentences.flush());
        flushed.map_err(unwritten(&self.folder))?;
        let open = |name: &str| Numbers::open(self.folder.join(name));
        let (tokens, sentences) = (open("tokens.bin")?, open("sentences.bin")?);
        Ok(Store { tokens, sentences, documents: self.documents, len: self.written })
    }
}

/// A corpus.
pub struct Store {
    tokens: Numbers,
    sentences: Numbers,
    documents: Vec<u64>,
    len: u64,
}

impl Store {
    /// Documents.
    pub fn documents(&self) -> usize {
        self.documents.len() - 1
    }

    /// Sentences.
    pub fn sentences(&self) -> u64 {
        self.documents.last().copied().unwrap_or_default()
    }

    /// Tokens.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Sentences of a document.
    pub fn sentences_of(&self, document: usize) -> usize {
        (self.documents[document + 1] - self.documents[document]) as usize
    }

    /// Where a document's sentences begin and end among the tokens: one bound more than sentences.
    ///
    /// # Errors
    /// The files were changed.
    pub fn bounds(&self, document: usize) -> Result<Vec<u64>, PretrainError> {
        self.bounds_of(document, 0..self.sentences_of(document))
    }

    /// The same of some of its sentences.
    ///
    /// # Errors
    /// The files were changed.
    pub fn bounds_of(&self, document: usize, sentences: Range<usize>) -> Result<Vec<u64>, PretrainError> {
        let place = |sentence: usize| self.documents[document] + sentence as u64;
        let (first, last) = (place(sentences.start), place(sentences.end));
        let from = first.saturating_sub(1);
        let bytes = self.sentences.bytes(8 * from, 8 * (last - from) as usize)?;
        let ends = bytes.chunks_exact(8).map(|b| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]));
        Ok(if first == 0 { std::iter::once(0).chain(ends).collect() } else { ends.collect() })
    }

    /// So many tokens from a place on.
    ///
    /// # Errors
    /// The files were changed.
    pub fn tokens(&self, first: u64, count: usize) -> Result<Vec<u32>, PretrainError> {
        let bytes = self.tokens.bytes(4 * first, 4 * count)?;
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_back_by_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(folder.path()).unwrap();
        writer.push(&[vec![1, 2], vec![], vec![70_000]]).unwrap();
        writer.push(&[vec![]]).unwrap();
        writer.push(&[vec![4, 5, 6], vec![7]]).unwrap();
        let store = writer.finish().unwrap();
        assert_eq!((store.documents(), store.sentences(), store.len()), (2, 4, 7));
        assert_eq!(store.bounds(0).unwrap(), [0, 2, 3]);
        assert_eq!(store.bounds(1).unwrap(), [3, 6, 7]);
        assert_eq!((store.sentences_of(0), store.sentences_of(1)), (2, 2));
        assert_eq!(store.bounds_of(0, 1..2).unwrap(), [2, 3]);
        assert_eq!(store.bounds_of(1, 0..1).unwrap(), [3, 6]);
        assert_eq!(store.tokens(1, 3).unwrap(), [2, 70_000, 4]);
        assert!(store.tokens(6, 2).is_err());
    }
}
