//! `data/pins.yaml`: the revision and the file digests a repository is expected to have. A pin is never invented: what
//! is not here is trusted on first use, and the record says so.
//!
//! ```yaml
//! models/google-bert/bert-base-uncased:
//!   revision: 86b5e0934494bd15c9632b12f734a8a67f723594
//!   files:
//!     config.json: <sha256>
//! ```

use super::decode::{self, Fields, Known, Read, entries, invalid, shortened, text};
use super::error::{Complaint, Origin};
use super::yaml::{Node, Value};
use super::{SpecError, source, yaml};
use std::collections::BTreeMap;
use std::path::Path;

/// What is known of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryPins {
    /// Commit to fetch when the spec names none.
    pub revision: Option<String>,
    /// File name to SHA-256, hexadecimal.
    pub files: BTreeMap<String, String>,
}

/// All pins, by `models/owner/name` or `datasets/owner/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(pub BTreeMap<String, RepositoryPins>);

const FIELDS: &[Known] = &[("revision", "a commit"), ("files", "a map from a file to its SHA-256")];

impl Pins {
    /// Reads a pins file, as strictly as an experiment.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let shown = path.display().to_string();
        let text = source::read(path).map_err(|refusal| SpecError::refused(&shown, refusal))?;
        Pins::parse(&shown, text)
    }

    /// Reads pins from text; `path` is what messages call it.
    pub fn parse(path: &str, text: String) -> Result<Self, SpecError> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Pins::default());
        }
        let origin = Origin { path: path.into(), text, sets: Vec::new() };
        let root = yaml::parse(&origin.text).map_err(|malformed| origin.malformed(malformed))?;
        pins(&root).map_err(|complaint| origin.error(complaint))
    }

    /// The revision pinned for `models/owner/name` or `datasets/owner/name`.
    pub fn revision(&self, repository: &str) -> Option<&str> {
        self.0.get(repository)?.revision.as_deref()
    }

    /// The SHA-256 pinned for a file of a repository.
    pub fn sha256(&self, repository: &str, file: &str) -> Option<&str> {
        self.0.get(repository)?.files.get(file).map(String::as_str)
    }
}

fn pins(root: &Node) -> Read<Pins> {
    let mut pins = BTreeMap::new();
    for entry in entries(root, "pins", "a map of repositories")? {
        let parts: Vec<&str> = entry.key.split('/').collect();
        if !matches!(parts.as_slice(), ["models" | "datasets", owner, name] if !owner.is_empty() && !name.is_empty()) {
            let found = shortened(entry.key);
            let message = format!("found `{found}`, expected `models/owner/name` or `datasets/owner/name`");
            return Err(Complaint::new(entry.place, message).underlining(entry.key));
        }
        pins.insert(entry.key.to_owned(), repository(entry.node, entry.key)?);
    }
    Ok(Pins(pins))
}

fn repository(node: &Node, path: &str) -> Read<RepositoryPins> {
    let fields = Fields::read(node, path, FIELDS)?;
    let revision = fields.get("revision").map(|node| revision(node, &decode::join(path, "revision")));
    let mut files = BTreeMap::new();
    if let Some(node) = fields.get("files") {
        for entry in entries(node, &decode::join(path, "files"), "a map from a file to its SHA-256")? {
            files.insert(entry.key.to_owned(), digest(entry.node, entry.key)?);
        }
    }
    Ok(RepositoryPins { revision: revision.transpose()?, files })
}

fn revision(node: &Node, path: &str) -> Read<String> {
    // A commit of digits alone would be read as a number and lose its leading zeros: it must be quoted.
    text(node, path, "a commit in quotes or with letters").map(str::to_owned)
}

fn digest(node: &Node, path: &str) -> Read<String> {
    let expected = "64 hexadecimal digits";
    match &node.value {
        Value::Text(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(text.to_lowercase())
        }
        _ => Err(invalid(node, path, expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3";

    #[test]
    fn a_pin_is_found_by_repository_and_file() {
        let text = format!("datasets/a/b:\n  revision: abc\n  files:\n    c/d.parquet: {DIGEST}\n");
        let pins = Pins::parse("pins.yaml", text).unwrap();
        assert_eq!(pins.revision("datasets/a/b"), Some("abc"));
        assert_eq!(pins.sha256("datasets/a/b", "c/d.parquet"), Some(DIGEST));
        assert_eq!(pins.sha256("datasets/a/b", "other"), None);
        assert_eq!(pins.revision("models/a/b"), None);
    }

    #[test]
    fn a_digest_that_is_none_is_shown() {
        let text = "models/a/b:\n  files:\n    config.json: 123\n".to_owned();
        let error = Pins::parse("pins.yaml", text).unwrap_err().to_string();
        assert_eq!(
            error,
            "pins.yaml:3:18: invalid `config.json`: found `123`, expected 64 hexadecimal digits\n  |\n\
             3 |     config.json: 123\n  |                  ^^^"
        );
    }

    #[test]
    fn other_repositories_and_fields_are_refused() {
        let refused = |text: &str| Pins::parse("p", text.into()).unwrap_err().to_string();
        assert!(refused("model/a/b: {}").contains("expected `models/owner/name`"));
        assert!(refused("models/a/b: {revison: x}").contains("expected `revision`"));
        assert!(refused("models/a/b: {}\nmodels/a/b: {}").contains("duplicate field"));
    }

    #[test]
    fn a_file_of_comments_has_no_pins() {
        assert_eq!(Pins::parse("p", "# nothing yet\n".into()).unwrap(), Pins::default());
    }
}
