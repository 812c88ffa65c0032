//! Trying again: which failures, how often, and how long between.
//!
//! Again: cut or refused connections, timeouts, 408, 429, 500, 502, 503, 504, and an expired link of a storage host. Not
//! again: a host that does not resolve (a laptop without network should hear so at once), a bad certificate, and every
//! other status. `Retry-After` is honoured in seconds; its date form is not, because that would need both clocks right.

use super::settings::Retry;
use crate::event::{Event, Observer};
use crate::fetch::FetchError;
use std::time::Duration;

/// How one attempt failed.
#[derive(Debug)]
pub enum Failure {
    /// Another attempt may succeed.
    Again {
        /// What happened, a lowercase fragment.
        reason: String,
        /// What the server asked for.
        after: Option<Duration>,
        /// Whether this attempt came further than all before.
        progressed: bool,
    },
    /// It would not.
    Final(Box<FetchError>),
}

impl Failure {
    /// A failure worth another attempt.
    pub fn again(reason: impl Into<String>) -> Self {
        Failure::Again { reason: reason.into(), after: None, progressed: false }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Failure::Final(Box::new(error))
    }
}

/// Runs `attempt` until it succeeds, fails for good, or patience ends; tells the observer of every wait.
pub fn retrying<T>(
    retry: &Retry,
    url: &str,
    observer: &dyn Observer,
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T, FetchError> {
    let mut failures = 0;
    loop {
        let (reason, after, progressed) = match attempt() {
            Ok(value) => return Ok(value),
            Err(Failure::Final(error)) => return Err(*error),
            Err(Failure::Again { reason, after, progressed }) => (reason, after, progressed),
        };
        failures = if progressed { 1 } else { failures + 1 };
        let wait = after.unwrap_or_else(|| retry.wait(failures));
        if failures >= retry.attempts || wait > retry.longest_retry_after {
            let reason =
                after.map_or(reason.clone(), |_| format!("{reason}, to be tried again in {} s", wait.as_secs()));
            return Err(FetchError::Unreachable { url: url.to_string(), attempts: failures, reason });
        }
        observer.observe(&Event::Warning(format!("{reason}; trying `{url}` again in {:.1} s", wait.as_secs_f64())));
        std::thread::sleep(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;

    const FAST: Retry = Retry {
        attempts: 3,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(1),
        longest_retry_after: Duration::from_millis(50),
    };

    fn failing(progressed: impl Fn(u32) -> bool, after: Option<Duration>) -> (u32, FetchError) {
        let mut calls = 0;
        let result = retrying(&FAST, "u", &Silent, || -> Result<(), Failure> {
            calls += 1;
            Err(Failure::Again { reason: "cut".into(), after, progressed: progressed(calls) })
        });
        (calls, result.unwrap_err())
    }

    #[test]
    fn patience_counts_attempts_without_progress() {
        assert_eq!(failing(|_| false, None).0, 3);
        // Progress in attempts 1 to 4 (each counts as the first failure), then 5 and 6 bring nothing: 3 in a row.
        assert_eq!(failing(|call| call <= 4, None).0, 6);
    }

    #[test]
    fn server_that_asks_for_too_long_a_wait_is_given_up() {
        let (calls, error) = failing(|_| false, Some(Duration::from_secs(900)));
        assert_eq!(calls, 1);
        assert!(error.to_string().contains("to be tried again in 900 s"), "{error}");
    }
}
