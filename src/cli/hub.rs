//! Which hub the user means: `--hub`, `--offline` and the environment, read here and nowhere else.
//!
//! | variable | meaning |
//! |---|---|
//! | `HF_ENDPOINT` | address of the hub, unless `--hub` names one |
//! | `HF_TOKEN` | token; else the file `token` in `HF_HOME` |
//! | `HF_HUB_CACHE` | cache folder; else `hub` in `HF_HOME`, else in `~/.cache/huggingface` |
//! | `HF_HUB_OFFLINE` | as `--offline`, where it is `1`, `true`, `yes` or `on` |
//!
//! An empty variable is one that is not set. `--hub DIR` needs none of them and never touches the network.

use super::CliError;
use crate::exit::Exit;
use crate::fetch::{FetchError, Folder, Hub, Remote, RemoteSettings, Token};
use crate::spec::pins::Pins;
use std::path::PathBuf;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// How long an answer of the hub is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As a download deserves.
    Usual,
    /// Once and shortly: one can do without the answer.
    Hasty,
}

/// The hub of the shared flags and the environment; files are held against `pins`.
pub fn hub(named: Option<&str>, offline: bool, pins: Pins, patience: Patience) -> Result<Box<dyn Hub>, CliError> {
    open(named, offline, pins, patience, &|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
}

fn open(
    named: Option<&str>,
    offline: bool,
    pins: Pins,
    patience: Patience,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Box<dyn Hub>, CliError> {
    match named {
        Some(folder) if !is_address(folder) => Ok(Box::new(folder_hub(folder, pins)?)),
        address => {
            let endpoint = address.map(String::from).or_else(|| variable("HF_ENDPOINT"));
            let settings = remote_settings(endpoint, offline, pins, variable)?;
            let hasty = patience == Patience::Hasty;
            Ok(Box::new(Remote::new(if hasty { settings.hasty() } else { settings })?))
        }
    }
}

fn is_address(hub: &str) -> bool {
    hub.contains("://")
}

fn folder_hub(folder: &str, pins: Pins) -> Result<Folder, CliError> {
    let root = PathBuf::from(folder);
    if root.is_dir() {
        return Ok(Folder::new(root, pins));
    }
    let mut error = CliError::new(Exit::Usage, format!("`--hub {folder}`: no such folder, and not an address"));
    error.hint = Some(
        "a folder holds `models/owner/name/…` and `datasets/owner/name/…`; an address begins with `https://`".into(),
    );
    Err(error)
}

fn remote_settings(
    endpoint: Option<String>,
    offline: bool,
    pins: Pins,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<RemoteSettings, CliError> {
    let home = hub_home(variable);
    let cache = variable("HF_HUB_CACHE").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join("hub")));
    let cache = cache.ok_or_else(|| CliError::new(Exit::Usage, "no home folder for the cache: set `HF_HOME`"))?;
    let mut settings = RemoteSettings::new(endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT), cache);
    let token_file = || std::fs::read_to_string(home?.join("token")).ok();
    settings.token = variable("HF_TOKEN").or_else(token_file).as_deref().and_then(Token::new);
    settings.offline = offline || variable("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value));
    settings.pins = pins;
    Ok(settings)
}

fn hub_home(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let general = || variable("XDG_CACHE_HOME").map(PathBuf::from);
    let own = || Some(PathBuf::from(variable("HOME")?).join(".cache"));
    variable("HF_HOME").map(PathBuf::from).or_else(|| Some(general().or_else(own)?.join("huggingface")))
}

fn is_true(value: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&value.trim().to_ascii_lowercase().as_str())
}

impl From<FetchError> for CliError {
    fn from(error: FetchError) -> Self {
        CliError { exit: Exit::Fetch, hint: error.hint(), message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: Option<&str>, environment: &[(&str, &str)]) -> RemoteSettings {
        let variable =
            |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        let endpoint = endpoint.map(str::to_string).or_else(|| variable("HF_ENDPOINT"));
        remote_settings(endpoint, false, Pins::default(), &variable).unwrap()
    }

    #[test]
    fn cache_lies_where_other_programs_of_the_hub_look() {
        for (environment, expected) in [
            (&[("HOME", "/users/a")][..], "/users/a/.cache/huggingface/hub"),
            (&[("HOME", "/users/a"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/users/a"), ("HF_HOME", "/h")], "/h/hub"),
            (&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")], "/c"),
        ] {
            assert_eq!(settings(None, environment).cache, PathBuf::from(expected));
        }
    }

    #[test]
    fn environment_says_endpoint_token_and_offline() {
        let environment =
            [("HOME", "/nowhere"), ("HF_ENDPOINT", "https://mirror/"), ("HF_TOKEN", "hf_x"), ("HF_HUB_OFFLINE", "1")];
        let settings = settings(None, &environment);
        assert_eq!(settings.endpoint, "https://mirror");
        assert_eq!(settings.token, Token::new("hf_x"));
        assert!(settings.offline);
    }

    #[test]
    fn token_file_is_read_where_no_variable_is_set() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "hf_file\n").unwrap();
        let settings = settings(Some("http://localhost:1"), &[("HF_HOME", home.path().to_str().unwrap())]);
        assert_eq!(settings.token, Token::new("hf_file"));
        assert_eq!(settings.endpoint, "http://localhost:1");
        assert!(!settings.offline);
    }
}
