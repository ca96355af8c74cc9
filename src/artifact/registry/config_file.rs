//! Credentials in the form of docker's `config.json`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::auth::Credentials;
use super::reference::canonical_host;
use crate::secret::Secret;

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
}

/// Finds the credentials for a registry in the text of a docker `config.json`.
///
/// `host` as in [`ImageReference::host`](super::ImageReference::host). An entry may be named by host or by URL
/// (`https://index.docker.io/v1/`). `None` when there is no entry with a user and a password, or the text is no such
/// file; credential helpers and identity tokens are not followed.
#[must_use]
pub fn docker_config_credentials(json: &str, host: &str) -> Option<Credentials> {
    let file: ConfigFile = serde_json::from_str(json).ok()?;
    let host = canonical_host(host);
    file.auths
        .iter()
        .filter(|(name, _)| registry_of(name) == host)
        .find_map(|(_, entry)| entry.credentials())
}

fn registry_of(name: &str) -> String {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    canonical_host(name.split('/').next().unwrap_or_default())
}

impl Entry {
    fn credentials(&self) -> Option<Credentials> {
        let from_auth = self.auth.as_ref().and_then(decode);
        let (username, password) = match (from_auth, &self.username, &self.password) {
            (Some(pair), _, _) => pair,
            (None, Some(username), Some(password)) => (username.clone(), password.clone()),
            _ => return None,
        };
        (!username.is_empty() && !password.is_empty()).then_some(Credentials { username, password })
    }
}

/// User and password of `base64(user:password)`; docker pads old entries with NUL.
fn decode(auth: &Secret) -> Option<(String, Secret)> {
    let text = String::from_utf8(STANDARD.decode(auth.expose().trim()).ok()?).ok()?;
    let (username, password) = text.trim_end_matches('\0').split_once(':')?;
    Some((username.to_owned(), Secret::new(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // user:canary:x
    const AUTH: &str = "dXNlcjpjYW5hcnk6eA==";

    fn found(json: &str, host: &str) -> Option<(String, String)> {
        docker_config_credentials(json, host)
            .map(|found| (found.username, found.password.expose().to_owned()))
    }

    #[test]
    fn an_entry_is_found_by_host_and_by_url() {
        let user = Some(("user".to_owned(), "canary:x".to_owned()));
        for (name, host) in [
            ("ghcr.io", "ghcr.io"),
            ("https://ghcr.io/v2/", "ghcr.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "index.docker.io"),
            ("localhost:5000", "localhost:5000"),
        ] {
            let json = format!(r#"{{"auths":{{"{name}":{{"auth":"{AUTH}"}}}}}}"#);
            assert_eq!(found(&json, host), user, "{name}");
            assert_eq!(found(&json, "other.example"), None);
            assert_eq!(found(&json, "xghcr.io"), None);
        }
    }

    #[test]
    fn user_and_password_may_stand_in_clear() {
        let json = r#"{"auths":{"ghcr.io":{"username":"u","password":"p"}}}"#;
        assert_eq!(
            found(json, "ghcr.io"),
            Some(("u".to_owned(), "p".to_owned()))
        );
    }

    #[test]
    fn an_entry_without_a_password_and_another_text_give_nothing() {
        for json in [
            r#"{"auths":{"ghcr.io":{}}}"#,
            r#"{"auths":{"ghcr.io":{"auth":"!!"}}}"#,
            r#"{"auths":{"ghcr.io":{"username":"u","password":""}}}"#,
            r#"{"auths":{"ghcr.io":{"auth":"dXNlcg=="}}}"#,
            r#"{"credHelpers":{"ghcr.io":"x"}}"#,
            "{}",
            "[]",
            "",
        ] {
            assert_eq!(found(json, "ghcr.io"), None, "{json}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let json = format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{AUTH}"}}}}}}"#);
        let shown = format!("{:?}", docker_config_credentials(&json, "ghcr.io"));
        assert!(
            shown.contains("user") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
