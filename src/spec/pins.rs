//! `data/pins.yaml`: the revision and the file digests a repository is expected to have. A pin is never invented: what
//! is not here is trusted on first use, and the record says so.
//!
//! ```yaml
//! models/google-bert/bert-base-uncased:
//!   revision: 86b5e0934494bd15c9632b12f734a8a67f723594
//!   files:
//!     config.json: <sha256>
//! ```

use std::collections::BTreeMap;

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
