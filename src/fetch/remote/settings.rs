//! What the remote hub is told: everything explicit, nothing from the environment (only `cli` reads that).

use crate::spec::pins::Pins;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A token of the hub. It is never shown: not by `Debug`, not in an error, not in a record.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token, without the white space that files and shells leave around it; `None` where nothing is left, or
    /// something that cannot stand in a header.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        usable.then(|| Token(text.to_string()))
    }

    /// Value of the `Authorization` header.
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// How patient a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in a row that bring nothing new; one that brings bytes starts the count again.
    pub attempts: u32,
    /// Wait after the first failure; doubles with each further one.
    pub first_wait: Duration,
    /// Longest such wait.
    pub longest_wait: Duration,
    /// Longest `Retry-After` that is honoured; a server that asks for more is given up.
    pub longest_retry_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_retry_after: Duration::from_secs(300),
        }
    }
}

impl Retry {
    /// The wait after `failures` failures in a row (from 1), where the server did not name one.
    pub fn wait(&self, failures: u32) -> Duration {
        self.first_wait.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.longest_wait)
    }
}

/// Where the hub is, who asks, and where files are kept.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// `https://huggingface.co`, or a server that speaks its protocol; no path of its own is needed.
    pub endpoint: String,
    /// Sent to the endpoint's own scheme, host and port, and to nobody else.
    pub token: Option<Token>,
    /// The cache folder (`HF_HUB_CACHE`), shared with other programs of the hub.
    pub cache: PathBuf,
    /// Never touch the network.
    pub offline: bool,
    /// Revisions and digests that are expected.
    pub pins: Pins,
    /// Patience.
    pub retry: Retry,
    /// Longest wait for a connection, for an answer's head, and between two pieces of a body.
    pub timeout: Duration,
}

impl RemoteSettings {
    /// Settings with the usual patience, online, without a token or pins.
    pub fn new(endpoint: &str, cache: impl Into<PathBuf>) -> Self {
        RemoteSettings {
            endpoint: endpoint.trim_end_matches('/').to_string(),
            token: None,
            cache: cache.into(),
            offline: false,
            pins: Pins::default(),
            retry: Retry::default(),
            timeout: Duration::from_secs(30),
        }
    }

    /// The same for questions whose answer one can do without: asked once, with five seconds for it.
    pub fn hasty(self) -> Self {
        RemoteSettings { retry: Retry { attempts: 1, ..self.retry }, timeout: Duration::from_secs(5), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_trimmed_and_never_shown() {
        let mut settings = RemoteSettings::new("http://localhost/", "cache");
        settings.token = Token::new(" hf_secret\n");
        assert_eq!(settings.token.as_ref().unwrap().authorization(), "Bearer hf_secret");
        assert!(!format!("{settings:?}").contains("secret"));
        assert_eq!(Token::new(" \n"), None);
        assert_eq!(Token::new("two\nlines"), None);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        // 0.5 s · 2^(n-1): 0.5, 1, 2, …, 16, then 32 is cut to 30.
        let retry = Retry::default();
        let waits: Vec<u128> = [1, 2, 3, 6, 7, 100].iter().map(|&n| retry.wait(n).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 16000, 30000, 30000]);
    }
}
