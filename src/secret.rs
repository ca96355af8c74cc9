//! Values that must never be printed, and addresses that may be, once their credentials are taken out.
//!
//! Credentials are [`Secret`] from the first line that parses them. Neither type implements `Serialize` in a way that
//! shows the value, so a log line, an error, an event or a plan cannot leak one.

use std::fmt;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// What stands in place of a secret wherever one would be shown.
pub const REDACTED: &str = "[redacted]";

/// A text that is not shown by `Debug`, has no `Display` and is wiped from memory when dropped.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text into custody.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text, for the one place that sends it. Do not keep what it returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// An address that prints without its credentials: user info, also that of an address in the path, query values and fragment
/// are replaced.
///
/// Tokens travel in all of them: `https://x:TOKEN@host`, `?accessToken=…`, presigned URLs, `https://mirror/https://x:TOKEN@host`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SafeUrl(Url);

impl SafeUrl {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// The text is not an absolute URL; the error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, url::ParseError> {
        Url::parse(text).map(Self)
    }

    /// The whole address with everything in it, for the call itself.
    #[must_use]
    pub fn expose(&self) -> &Url {
        &self.0
    }

    fn redacted(&self) -> String {
        let mut shown = self.0.clone();
        if !shown.username().is_empty() || shown.password().is_some() {
            // Both fail only for addresses without a host, which cannot carry user info either.
            let _ = shown.set_username("redacted");
            let _ = shown.set_password(None);
        }
        let keys: Vec<String> = self
            .0
            .query_pairs()
            .map(|(key, _)| key.into_owned())
            .collect();
        if let Some(path) = redacted_path(self.0.path()) {
            shown.set_path(&path);
        }
        shown.set_fragment(None);
        if self.0.query().is_some() {
            shown
                .query_pairs_mut()
                .clear()
                .extend_pairs(keys.iter().map(|key| (key, "redacted")));
        }
        shown.into()
    }
}

/// A path without the credentials of an address inside it, such as mirrors and proxies take
/// (`/https://user:token@host/repository`). `None`: there are none.
fn redacted_path(path: &str) -> Option<String> {
    let mut is_changed = false;
    // What stands before the first slash is nothing, and not the beginning of a host.
    let mut before = "-";
    let mut parts = Vec::new();
    for (index, part) in path.split('/').enumerate() {
        let is_host = before.is_empty() || before.ends_with(':');
        before = if index == 0 { "-" } else { part };
        let plain = percent_decode_str(part).decode_utf8_lossy();
        let user = plain.rsplit_once('@').map(|(user, _)| user);
        if !user.is_some_and(|user| user.contains(':') || is_host && !user.is_empty()) {
            parts.push(part.to_owned());
            continue;
        }
        is_changed = true;
        // What is encoded may hold a whole address.
        let host = part.rsplit_once('@').map(|(_, host)| host);
        parts.push(host.map_or_else(|| "redacted".to_owned(), |host| format!("redacted@{host}")));
    }
    is_changed.then(|| parts.join("/"))
}

impl From<Url> for SafeUrl {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for SafeUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_redacted() {
        assert_eq!(format!("{:?}", Secret::new("canary")), REDACTED);
    }

    #[test]
    fn an_address_prints_without_user_query_and_fragment_values() {
        let url = SafeUrl::parse(
            "https://x-access-token:canary1@git.example/a/b?sig=canary2&x=1#canary3",
        )
        .unwrap();
        let shown = format!("{url} {url:?} {}", serde_json::to_string(&url).unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            shown.contains("https://redacted@git.example/a/b?sig=redacted&x=redacted"),
            "{shown}"
        );
    }

    #[test]
    fn an_address_in_a_path_prints_without_its_user() {
        let shown = |text: &str| SafeUrl::parse(text).unwrap().to_string();
        for (address, expected) in [
            (
                "https://mirror/https://u:canary@git/a",
                "https://mirror/https://redacted@git/a",
            ),
            (
                "https://mirror/https:/canary@git/a",
                "https://mirror/https:/redacted@git/a",
            ),
            (
                "https://mirror/u:canary@git/a",
                "https://mirror/redacted@git/a",
            ),
            (
                "https://mirror/https%3A%2F%2Fu%3Acanary%40git/a",
                "https://mirror/redacted/a",
            ),
            ("https://npm/@scope/a@1", "https://npm/@scope/a@1"),
            ("https://host/a@b/c", "https://host/a@b/c"),
        ] {
            assert_eq!(shown(address), expected);
        }
    }
}
