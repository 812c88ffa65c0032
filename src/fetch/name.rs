//! Names that come from a spec or from a server are checked before they become a path or an address.
//!
//! The rule is the hub's: letters, digits, `-`, `_`, `.`; a repository is `owner/name` (or an old one-word name), a file
//! may lie in folders, and nothing is `..`. Files and branches may hold other printable characters; those are escaped in
//! addresses.

use super::{FetchError, Repository};

/// Checks the three names that a request is made of.
pub fn check(repository: &Repository, file: &str) -> Result<(), FetchError> {
    check_repository(&repository.name)?;
    check_relative("file", file)?;
    repository.revision.as_deref().map_or(Ok(()), |revision| check_relative("revision", revision))
}

fn check_repository(name: &str) -> Result<(), FetchError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let part = |part: &str| is_step(part) && part.len() <= 96 && part.chars().all(plain);
    if name.split('/').count() <= 2 && name.split('/').all(part) {
        return Ok(());
    }
    Err(invalid("repository", name, "expected `owner/name` of letters, digits, `-`, `_` and `.`"))
}

/// Checks that a name stays below the folder it is joined to.
pub fn check_relative(what: &'static str, name: &str) -> Result<(), FetchError> {
    let hostile = |c: char| c.is_control() || c == '\\';
    if name.len() <= 512 && name.split('/').all(is_step) && !name.contains(hostile) {
        return Ok(());
    }
    Err(invalid(what, name, "expected a relative path without `..`"))
}

fn is_step(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
}

fn invalid(what: &'static str, found: &str, expected: &'static str) -> FetchError {
    FetchError::Name { what, found: found.chars().take(100).collect(), expected }
}

/// Whether a revision is a full commit id, which never moves.
pub fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && is_hexadecimal(revision)
}

/// Whether an etag is the SHA-256 of the file (large files; others have git's own SHA-1).
pub fn is_sha256(etag: &str) -> bool {
    etag.len() == 64 && is_hexadecimal(etag)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Percent-encodes a path, keeping `/` and the unreserved characters of RFC 3986.
pub fn escape(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => (byte as char).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_their_folder_are_refused() {
        for file in ["../x", "a/../b", "/etc/passwd", "a//b", "a\\b", "", "a\nb", "./a"] {
            assert!(check(&Repository::model("owner/name", None), file).is_err(), "{file:?}");
        }
        for name in ["../name", "owner/", "a/b/c", "owner/na me", "", "owner/näme", "own?er/x"] {
            assert!(check(&Repository::model(name, None), "config.json").is_err(), "{name:?}");
        }
        assert!(check(&Repository::model("owner/name", Some("../main")), "config.json").is_err());
    }

    #[test]
    fn usual_names_are_accepted() {
        check(&Repository::model("gpt2", Some("refs/pr/3")), "1_Pooling/config.json").unwrap();
        check(&Repository::dataset("nyu-mll/glue", None), "cola/train-00000-of-00001.parquet").unwrap();
    }

    #[test]
    fn addresses_are_escaped_bytewise() {
        assert_eq!(escape("a b/ü?#.txt"), "a%20b/%C3%BC%3F%23.txt");
    }
}
