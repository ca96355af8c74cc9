//! What is read: a path of Vault's API, checked once.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use super::error::VaultError;

/// Longest path with its query, in bytes. Vault's own paths are far shorter.
const LONGEST: usize = 2048;

/// A path below `/v1/`, without leading slashes, perhaps with a query.
///
/// Prints with its query only where that is a version: nothing else of a query says which secret is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecretPath {
    path: String,
    query: Option<String>,
}

impl SecretPath {
    /// Takes `<mount>/data/<id>?version=1`, with leading slashes and `v1/` or without.
    pub(super) fn parse(text: &str) -> Result<Self, VaultError> {
        let bad = |rule| VaultError::Path { rule };
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(bad("is longer than 2048 bytes"));
        }
        if text.contains(|c: char| c.is_control() || matches!(c, '\\' | '#')) {
            return Err(bad("contains `\\`, `#` or a control character"));
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        let path = path.trim_start_matches('/');
        let path = path.strip_prefix("v1/").unwrap_or(path);
        let path = path.trim_start_matches('/');
        // Vault decodes before it splits, so an encoded slash or dot counts as one.
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        for segment in decoded.split('/') {
            match segment {
                "" => return Err(bad("is empty, or has an empty part")),
                "." | ".." => return Err(bad("has a part `.` or `..`")),
                _ if segment.contains(char::is_control) => {
                    return Err(bad("contains a control character"));
                }
                _ => {}
            }
        }
        Ok(Self {
            path: path.to_owned(),
            query: query.filter(|query| !query.is_empty()),
        })
    }

    /// Where it is read.
    pub(super) fn url(&self, address: &Url) -> Url {
        let mut url = api_url(address, &self.path);
        url.set_query(self.query.as_deref());
        url
    }

    /// Whether it may lead into a KV version 2 mount, whose paths all have `data` after the mount.
    pub(super) fn has_data_part(&self) -> bool {
        self.path.split('/').skip(1).any(|part| part == "data")
    }

    /// Without the query.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.query.as_deref().filter(|query| {
            let digits = query.strip_prefix("version=").unwrap_or_default();
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        match version {
            Some(version) => write!(f, "{}?{version}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// An address of Vault's API, below the path that `address` brings.
pub(super) fn api_url(address: &Url, path: &str) -> Url {
    let mut url = address.clone();
    url.set_path(&format!(
        "{}/v1/{path}",
        address.path().trim_end_matches('/')
    ));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        let address = Url::parse("https://vault.example/x/").unwrap();
        SecretPath::parse(text).unwrap().url(&address).into()
    }

    #[test]
    fn leading_slashes_and_the_api_version_are_taken_off() {
        for text in [
            "kv/data/a",
            "/kv/data/a",
            "//kv/data/a",
            "v1/kv/data/a",
            " /v1/kv/data/a ",
            "/v1//kv/data/a?",
        ] {
            assert_eq!(url(text), "https://vault.example/x/v1/kv/data/a", "{text}");
        }
    }

    #[test]
    fn a_query_stays_and_what_needs_encoding_is_encoded_once() {
        let base = "https://vault.example/x/v1";
        for (text, sent) in [
            ("kv/data/a?version=1", "kv/data/a?version=1"),
            ("kv/data/a b%20c", "kv/data/a%20b%20c"),
            ("kv/data/é", "kv/data/%C3%A9"),
            ("kv/data/a?x=1?y", "kv/data/a?x=1?y"),
        ] {
            assert_eq!(url(text), format!("{base}/{sent}"), "{text}");
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        for text in [
            "",
            "/",
            "?version=1",
            "v1/",
            "kv//data/a",
            "kv/data/a/",
            "kv/data/../sys/seal-status",
            "../sys",
            "kv/./a",
            "kv/%2e%2E/a",
            "kv/a%2F..%2Fb",
            "kv\\..\\a",
            "kv/a#b",
            "kv/a\nb",
            "kv/a%0Ab",
            "kv/data/a?version=1\r\nx: y",
            &"a/".repeat(LONGEST),
        ] {
            let error = SecretPath::parse(text).unwrap_err();
            assert!(matches!(error, VaultError::Path { .. }), "{text}");
        }
    }

    #[test]
    fn only_a_version_of_the_query_is_printed() {
        for (text, shown) in [
            ("/kv/data/a?version=12", "kv/data/a?version=12"),
            ("/kv/data/a?version=x", "kv/data/a"),
            ("/kv/data/a?token=canary", "kv/data/a"),
        ] {
            assert_eq!(SecretPath::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn the_part_data_counts_only_after_the_mount() {
        for (text, has) in [
            ("kv/data/a", true),
            ("team/kv/data/a/b", true),
            ("kv/a", false),
            ("data/a", false),
            ("kv/database/a", false),
        ] {
            assert_eq!(SecretPath::parse(text).unwrap().has_data_part(), has);
        }
    }
}
