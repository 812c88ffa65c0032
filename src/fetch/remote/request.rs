//! One request to the hub, its redirects followed by hand.
//!
//! By hand for two reasons. The token goes to the endpoint's own scheme, host *and port*, and to no other hop, whatever a
//! redirect says. And the facts of a file (commit, etag, size) stand in the endpoint's answers, not in those of the
//! storage host that it redirects to. `Accept-Encoding: identity`, because a compressed body has neither the length nor
//! the ranges of the file.

use super::retry::Failure;
use super::settings::RemoteSettings;
use crate::fetch::FetchError;
use std::time::Duration;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

const MOST_REDIRECTS: usize = 10;

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The facts of a file: redirects are followed only within the endpoint.
    Head,
    /// The bytes from this offset on.
    Bytes(u64),
}

/// The answers of one chain of redirects.
pub struct Answer {
    /// The endpoint's answers, in order; at least one unless the endpoint redirected at once.
    pub hops: Vec<Response<Body>>,
    /// Whether the last hop is the endpoint's own.
    pub at_endpoint: bool,
}

impl Answer {
    /// The last answer.
    pub fn last(&self) -> &Response<Body> {
        self.hops.last().expect("a chain has at least one answer")
    }

    /// The last value of a header in the chain.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.hops.iter().rev().find_map(|hop| hop.headers().get(name)?.to_str().ok())
    }

    /// The body of the last answer.
    pub fn into_body(mut self) -> Option<Body> {
        self.hops.pop().map(Response::into_body)
    }
}

/// Sends requests, with the token where it belongs.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    endpoint: Uri,
    authorization: Option<Hidden>,
}

struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hidden")
    }
}

impl Client {
    /// A client of the settings' endpoint.
    pub fn new(settings: &RemoteSettings) -> Result<Self, FetchError> {
        let timeout = Some(settings.timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .accept_encoding("identity")
            .user_agent(concat!("repro/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .build();
        let authorization = settings.token.as_ref().map(|token| Hidden(token.authorization()));
        Ok(Client { agent: config.into(), endpoint: endpoint(&settings.endpoint)?, authorization })
    }

    /// Asks, follows redirects, and turns what is no answer into a failure.
    pub fn send(&self, ask: Ask, url: &str) -> Result<Answer, Failure> {
        let mut uri: Uri = url.parse().map_err(|_| protocol(url, "not an address"))?;
        let mut answer = Answer { hops: Vec::new(), at_endpoint: true };
        for _ in 0..=MOST_REDIRECTS {
            answer.at_endpoint = origin(&uri) == origin(&self.endpoint);
            answer.hops.push(self.hop(ask, &uri)?);
            let Some(next) = redirect(&uri, answer.last())? else { return Ok(answer) };
            if ask == Ask::Head && origin(&next) != origin(&self.endpoint) {
                return Ok(answer);
            }
            uri = next;
        }
        Err(protocol(url, "it redirects without end").into())
    }

    fn hop(&self, ask: Ask, uri: &Uri) -> Result<Response<Body>, Failure> {
        let mut request = match ask {
            Ask::Head => self.agent.head(uri),
            Ask::Bytes(_) => self.agent.get(uri),
        };
        if let Ask::Bytes(offset @ 1..) = ask {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
        }
        if let Some(Hidden(authorization)) = &self.authorization
            && origin(uri) == origin(&self.endpoint)
        {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.call().map_err(|error| classify(uri, error))
    }
}

/// The endpoint, refused where it would put a password into every error message.
fn endpoint(text: &str) -> Result<Uri, FetchError> {
    let uri: Option<Uri> = text.parse().ok();
    let fits = |uri: &Uri| {
        let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@')) && uri.query().is_none();
        plain && matches!(uri.scheme_str(), Some("http" | "https"))
    };
    uri.filter(fits).ok_or_else(|| FetchError::Name {
        what: "endpoint",
        found: text.split('@').next_back().unwrap_or_default().to_string(),
        expected: "expected `https://host` or `http://host:port`, without a user or a query",
    })
}

/// Scheme, host and port: what must be equal for a token to be sent.
fn origin(uri: &Uri) -> (String, String, u16) {
    let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    (scheme, uri.host().unwrap_or_default().to_ascii_lowercase(), port)
}

/// Where an answer redirects to; a step from https down to http is refused.
fn redirect(from: &Uri, response: &Response<Body>) -> Result<Option<Uri>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| resolve(from, location));
    let next = next.ok_or_else(|| protocol(&shown(from), "a redirect without a usable `Location`"))?;
    if from.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
        return Err(protocol(&shown(from), "a redirect from https to http"));
    }
    Ok(Some(next))
}

/// Resolves `Location` against the address it came from (RFC 3986, section 5.2, without dot segments).
fn resolve(from: &Uri, location: &str) -> Option<Uri> {
    let scheme = from.scheme_str()?;
    let base = format!("{scheme}://{}", from.authority()?);
    let absolute = match location {
        absolute if absolute.contains("://") => absolute.to_string(),
        host if host.starts_with("//") => format!("{scheme}:{host}"),
        path if path.starts_with('/') => format!("{base}{path}"),
        relative => format!("{base}{}/{relative}", from.path().rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    absolute.parse().ok().filter(|uri: &Uri| uri.host().is_some() && uri.scheme().is_some())
}

/// An address as it may be shown: without its query, which may be a signature, and without user and password.
fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or("http"), uri.path())
}

fn protocol(url: &str, detail: &str) -> FetchError {
    FetchError::Protocol { url: url.to_string(), detail: detail.to_string() }
}

fn classify(uri: &Uri, error: ureq::Error) -> Failure {
    use ureq::Error::{BadUri, HostNotFound, Http, InvalidProxyUrl, Rustls, Tls};
    match error {
        HostNotFound | BadUri(_) | Http(_) | InvalidProxyUrl | Rustls(_) | Tls(_) => {
            FetchError::Refused { url: shown(uri), reason: error.to_string() }.into()
        }
        other => Failure::again(other.to_string()),
    }
}

/// Whether a status is worth another attempt; a storage host's 403 is an expired link, renewed by asking anew.
pub fn is_passing(status: StatusCode, at_endpoint: bool) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504) || (!at_endpoint && status == StatusCode::FORBIDDEN)
}

/// The wait the server asked for: `Retry-After` in seconds, else the reset time of the hub's `RateLimit` (`t=55`).
pub fn retry_after(answer: &Answer) -> Option<Duration> {
    let headers = answer.last().headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let seconds = text("retry-after").and_then(|value| value.trim().parse().ok());
    let reset = || text("ratelimit")?.split(';').find_map(|part| part.trim().strip_prefix("t=")?.parse().ok());
    seconds.or_else(reset).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        let home = origin(&uri("https://huggingface.co/a"));
        assert_eq!(home, origin(&uri("https://HuggingFace.co:443/b")));
        for other in ["http://huggingface.co", "https://huggingface.co:8443", "https://huggingface.co.evil.example"] {
            assert_ne!(home, origin(&uri(other)), "{other}");
        }
    }

    #[test]
    fn locations_resolve_as_the_rfc_says() {
        let from = uri("https://hub/a/resolve/main/f?x=1");
        for (location, expected) in [
            ("/b/resolve/main/f", "https://hub/b/resolve/main/f"),
            ("//cdn/f?s=2", "https://cdn/f?s=2"),
            ("https://cdn/f", "https://cdn/f"),
            ("g", "https://hub/a/resolve/main/g"),
        ] {
            assert_eq!(resolve(&from, location).unwrap(), uri(expected));
        }
    }

    #[test]
    fn endpoint_with_a_password_is_refused_without_showing_it() {
        let error = endpoint("https://user:secret@hub").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
