//! Names for files that are written whole and then renamed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A hidden name beside `path` that no other writer uses, in this process or another: `.name.4711-0.tmp`.
pub fn beside(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writers_of_one_file_have_two_names_in_its_folder() {
        let (one, other) = (beside(Path::new("folder/a.json")), beside(Path::new("folder/a.json")));
        assert_ne!(one, other);
        for path in [one, other] {
            assert_eq!(path.parent(), Some(Path::new("folder")));
            assert!(path.to_string_lossy().starts_with("folder/.a.json."), "{}", path.display());
        }
    }
}
