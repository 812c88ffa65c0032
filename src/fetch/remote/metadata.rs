//! The facts of a file, from one HEAD request: commit, etag, size; and what a refusal means.
//!
//! | header | meaning |
//! |---|---|
//! | `x-repo-commit` | the commit that the revision stands for now |
//! | `x-linked-etag`, `x-linked-size` | of a large file, which lies on another host: its SHA-256 and bytes |
//! | `etag`, `content-length` | of a small file: git's SHA-1 of it (no digest of the bytes alone), and bytes |
//! | `x-error-code` | which of repository, revision and file is missing, where the status alone does not tell |

use super::request::{Answer, Ask, Client, is_passing, retry_after};
use super::retry::Failure;
use crate::fetch::{FetchError, Repository, name};
use ureq::http::StatusCode;

/// What the hub says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Commit that the revision stands for.
    pub commit: String,
    /// Name of the blob in the cache.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

impl Metadata {
    /// The SHA-256 that the hub announces; only large files have one.
    pub fn sha256(&self) -> Option<&str> {
        name::is_sha256(&self.etag).then_some(self.etag.as_str())
    }
}

/// A file's facts, or that there is none (with the commit that lacks it, where the hub says).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    File(Metadata),
    /// It is not.
    Absent { commit: Option<String> },
}

/// Asks for the facts of a file, once.
pub fn ask(client: &Client, url: &str, repository: &Repository, file: &str) -> Result<Found, Failure> {
    let answer = client.send(Ask::Head, url)?;
    let status = answer.last().status();
    if status.is_success() || status.is_redirection() {
        return Ok(Found::File(read(&answer, url)?));
    }
    if status == StatusCode::NOT_FOUND && !matches!(error_code(&answer), "RepoNotFound" | "RevisionNotFound") {
        return Ok(Found::Absent { commit: commit(&answer) });
    }
    Err(refusal(&answer, url, repository, file))
}

fn read(answer: &Answer, url: &str) -> Result<Metadata, FetchError> {
    let missing = |what: &str| FetchError::Protocol { url: url.to_string(), detail: format!("no usable {what}") };
    let commit = commit(answer).ok_or_else(|| missing("`x-repo-commit`"))?;
    let etag = answer.header("x-linked-etag").or_else(|| answer.header("etag")).and_then(plain_etag);
    // The length of a redirect is that of its own body.
    let length = answer.last().status().is_success().then(|| answer.header("content-length")).flatten();
    let size = answer.header("x-linked-size").or(length).and_then(|text| text.parse().ok());
    Ok(Metadata {
        commit,
        etag: etag.ok_or_else(|| missing("`etag`"))?,
        size: size.ok_or_else(|| missing("`content-length` or `x-linked-size`"))?,
    })
}

fn commit(answer: &Answer) -> Option<String> {
    answer.header("x-repo-commit").filter(|commit| name::is_commit(commit)).map(str::to_string)
}

/// An etag without quotes and weakness; one that could not name a file is none.
fn plain_etag(text: &str) -> Option<String> {
    let etag = text.trim().trim_start_matches("W/").trim_matches('"');
    let usable = !etag.is_empty() && etag.len() <= 128 && etag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    usable.then(|| etag.to_string())
}

fn error_code(answer: &Answer) -> &str {
    answer.header("x-error-code").unwrap_or_default()
}

/// What a status that is no success means.
pub fn refusal(answer: &Answer, url: &str, repository: &Repository, file: &str) -> Failure {
    let status = answer.last().status();
    if is_passing(status, answer.at_endpoint) {
        let reason = format!("status {}", status.as_u16());
        return Failure::Again { reason, after: retry_after(answer), progressed: false };
    }
    let repository = Box::new(repository.clone());
    let error = match (error_code(answer), status.as_u16()) {
        ("RepoNotFound", _) => FetchError::NoRepository { repository, endpoint: host(url) },
        ("RevisionNotFound", _) => {
            let revision = repository.revision.clone().unwrap_or_else(|| "main".to_string());
            FetchError::NoRevision { repository, revision }
        }
        (_, status @ (401 | 403)) => FetchError::Denied { repository, file: file.to_string(), status },
        (_, status) => FetchError::Refused { url: url.to_string(), reason: format!("status {status}") },
    };
    error.into()
}

fn host(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_lose_quotes_and_weakness_and_cannot_leave_the_cache() {
        assert_eq!(plain_etag("W/\"abc-1\"").as_deref(), Some("abc-1"));
        assert_eq!(plain_etag("\"../../x\""), None);
        assert_eq!(plain_etag("\"\""), None);
    }
}
