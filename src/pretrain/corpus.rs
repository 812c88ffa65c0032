//! Plain text as documents of sentences: one sentence a line, a blank line between documents, a file's end ends one too.
//! Files may be compressed (`.gz`, `.zst`). Read line by line: a document at a time is in memory.

use super::PretrainError;
use super::error::unread;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Endings of the files that a folder is searched for; a file that is named may have any.
const ENDINGS: [&str; 4] = ["txt", "txt.gz", "txt.zst", "tokens"];

/// The files of a corpus: those named, and of folders those with the right ending, in order of their paths. What is there
/// twice, by several names or by a link, is read once: text that is held out must not be trained on beside.
///
/// # Errors
/// A path that is not there, a folder without a text.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, PretrainError> {
    let mut found = Found::default();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(unread(path))?;
        if !metadata.is_dir() {
            found.add(path.clone())?;
        } else if !found.search(path)? {
            let expected = ENDINGS.map(|ending| format!("`.{ending}`")).join(", ");
            return Err(PretrainError::Corpus(format!("{}: no text, expected files in {expected}", path.display())));
        }
    }
    Ok(found.files)
}

/// Texts so far, and what was looked at: files and folders without links in their paths.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    /// And of each whether it holds a text.
    seen: BTreeMap<PathBuf, bool>,
}

impl Found {
    fn add(&mut self, path: PathBuf) -> Result<(), PretrainError> {
        let place = std::fs::canonicalize(&path).map_err(unread(&path))?;
        if self.seen.insert(place, true).is_none() {
            self.files.push(path);
        }
        Ok(())
    }

    /// Adds a folder's texts; whether it has any, known before or not.
    fn search(&mut self, folder: &Path) -> Result<bool, PretrainError> {
        let place = std::fs::canonicalize(folder).map_err(unread(folder))?;
        if let Some(any) = self.seen.get(&place) {
            return Ok(*any);
        }
        self.seen.insert(place.clone(), false);
        let entries: Result<Vec<PathBuf>, std::io::Error> =
            std::fs::read_dir(folder).map_err(unread(folder))?.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut entries = entries.map_err(unread(folder))?;
        entries.sort();
        let mut any = false;
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                any |= self.search(&path)?;
            } else if ENDINGS.iter().any(|ending| name.ends_with(&format!(".{ending}"))) {
                self.add(path)?;
                any = true;
            }
        }
        self.seen.insert(place, any);
        Ok(any)
    }
}

/// Calls `document` with the sentences of each document of a file.
///
/// # Errors
/// What cannot be read or is not UTF-8, with its line; those of `document`.
pub fn read_documents(
    path: &Path,
    mut document: impl FnMut(&[String]) -> Result<(), PretrainError>,
) -> Result<(), PretrainError> {
    let mut reader = BufReader::new(open(path)?);
    let mut sentences: Vec<String> = Vec::new();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(unread(path))? == 0 {
            break;
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| PretrainError::NotUtf8 { path: path.into(), line })?;
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if !text.is_empty() {
            sentences.push(text.to_owned());
        } else if !sentences.is_empty() {
            document(&sentences)?;
            sentences.clear();
        }
    }
    if sentences.is_empty() { Ok(()) } else { document(&sentences) }
}

fn open(path: &Path) -> Result<Box<dyn Read>, PretrainError> {
    let file = File::open(path).map_err(unread(path))?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    Ok(match ending {
        "gz" => Box::new(flate2::read::MultiGzDecoder::new(file)),
        "zst" => Box::new(zstd::Decoder::new(file).map_err(unread(path))?),
        _ => Box::new(file),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn documents(path: &Path) -> Result<Vec<Vec<String>>, PretrainError> {
        let mut all = Vec::new();
        read_documents(path, |sentences| {
            all.push(sentences.to_vec());
            Ok(())
        })?;
        Ok(all)
    }

    /// Blank lines of blanks count, several are one, and the last line needs no end.
    #[test]
    fn blank_lines_part_documents_plain_or_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let text = "\u{feff}One.\r\n Two. \n\n \t\nThree.\n\n\nFour.";
        let expected: Vec<Vec<&str>> = vec![vec!["One.", "Two."], vec!["Three."], vec!["Four."]];
        let plain = folder.path().join("a.txt");
        std::fs::write(&plain, text).unwrap();
        let zipped = folder.path().join("b.txt.gz");
        let mut encoder = flate2::write::GzEncoder::new(File::create(&zipped).unwrap(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let packed = folder.path().join("c.txt.zst");
        std::fs::write(&packed, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
        std::fs::write(folder.path().join("notes.md"), "not text").unwrap();
        let found = files(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(found, [plain, zipped, packed]);
        for path in found {
            assert_eq!(documents(&path).unwrap(), expected, "{}", path.display());
        }
    }

    /// A file named beside its folder, a folder twice, a link to a file and one that leads back to its own folder.
    #[test]
    fn what_is_there_twice_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.txt"), folder.path().join("sub/b.txt"));
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        [&a, &b].into_iter().for_each(|path| std::fs::write(path, "One.").unwrap());
        let (all, sub) = (folder.path().to_path_buf(), folder.path().join("sub"));
        assert_eq!(files(&[all.clone(), a.clone(), sub.clone(), all.join("sub/..")]).unwrap(), [a.clone(), b.clone()]);
        assert_eq!(files(&[b.clone(), all.clone()]).unwrap(), [b.clone(), a.clone()]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&all, sub.join("loop")).unwrap();
            std::os::unix::fs::symlink(&a, sub.join("again.txt")).unwrap();
            assert_eq!(files(&[all]).unwrap(), [a, b]);
        }
        let empty = tempfile::tempdir().unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(empty.path(), empty.path().join("loop")).unwrap();
        assert!(files(&[empty.path().to_path_buf()]).is_err());
    }

    #[test]
    fn what_is_not_text_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, b"fine\n\nnot \xff fine\n").unwrap();
        assert!(documents(&path).unwrap_err().to_string().ends_with("a.txt:3: not UTF-8, expected UTF-8"));
        let cut = folder.path().join("b.txt.gz");
        std::fs::write(&cut, b"\x1f\x8b\x08\x00").unwrap();
        assert!(matches!(documents(&cut), Err(PretrainError::Read { .. })));
        let empty = tempfile::tempdir().unwrap();
        assert!(files(&[empty.path().to_path_buf()]).unwrap_err().to_string().contains("no text"));
        assert!(files(&[empty.path().join("absent")]).is_err());
    }
}
