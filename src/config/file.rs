//! The config file: clusters by name, as people write them. Pure: text in, contexts or findings out.
//!
//! Secrets are references, never values: a file of addresses is copied, shown and kept in Git.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::credential::Credential;
use crate::clients::nomad::connection::{self, Address};
use crate::ids::{InvalidId, Namespace, OwnerId};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::{path, single};

/// Name of a context: 1 to 128 letters, digits, `.`, `_`, `-`, `/`, `@` or `:`, the first one a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextName(String);

impl ContextName {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContextName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let known =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@' | ':');
        let valid = (1..=128).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(known);
        valid.then(|| Self(text.to_owned())).ok_or(InvalidId {
            kind: "the name of a context",
            rule: "must be 1 to 128 letters, digits, `.`, `_`, `-`, `/`, `@` or `:`, beginning with a letter or a digit",
        })
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContextName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contents {
    /// The context that is used when neither `--context` nor `CS_CONTEXT` names one.
    pub current_context: Option<ContextName>,
    /// Clusters by name.
    #[serde(default)]
    pub contexts: BTreeMap<ContextName, Entry>,
}

/// One cluster, and how this user works with it. Everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// Where an agent listens, without credentials.
    #[serde(default, deserialize_with = "address")]
    pub address: Option<Address>,
    /// Region to which the agent forwards.
    #[serde(default, deserialize_with = "word")]
    pub region: Option<String>,
    /// Namespace of every call.
    pub namespace: Option<Namespace>,
    /// On whose behalf jobs are applied.
    pub owner: Option<OwnerId>,
    /// ACL token.
    pub token: Option<Credential>,
    /// `user:password` of a proxy in front of Nomad.
    pub http_auth: Option<Credential>,
    /// The only CA certificates to trust (PEM). Relative paths start at the file's directory, `~/` at the home directory.
    pub ca_cert: Option<String>,
    /// A directory of such files.
    pub ca_path: Option<String>,
    /// Our certificate (PEM).
    pub client_cert: Option<String>,
    /// Its private key (PEM).
    pub client_key: Option<String>,
    /// Name to expect in the server's certificate.
    #[serde(default, deserialize_with = "server_name")]
    pub tls_server_name: Option<String>,
    /// Accept any certificate.
    pub tls_skip_verify: Option<bool>,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_address(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

/// Reads an address that may stand in the file.
///
/// # Errors
/// What it must be. The text is not repeated.
pub fn check_address(text: &str) -> Result<Address, &'static str> {
    match Address::parse(text)? {
        (address, None) => Ok(address),
        (_, Some(_)) => Err(
            "must not hold a user or a password: give them by reference, as in `httpAuth: {fromEnv: NAME}`",
        ),
    }
}

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_word(&text).map_err(serde::de::Error::custom)?;
    Ok(Some(text))
}

/// Whether a text can be the name of a region.
///
/// # Errors
/// What it must be.
pub fn check_word(text: &str) -> Result<(), &'static str> {
    let fits = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    fits.then_some(())
        .ok_or("must be one word without white space")
}

fn server_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_server_name(&text).map_err(serde::de::Error::custom)?;
    Ok(Some(text))
}

/// Whether a text can be the name in a certificate.
///
/// # Errors
/// What it must be.
pub fn check_server_name(text: &str) -> Result<(), &'static str> {
    connection::is_server_name(text)
        .then_some(())
        .ok_or(connection::SERVER_NAME_RULE)
}

/// A config file that was read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    single: single::Single<Contents>,
}

impl ConfigFile {
    /// Reads the text of a file; `None` when there is nothing in it.
    ///
    /// # Errors
    /// Everything that is wrong in it, with line and column. Values are not repeated.
    pub fn parse(path: &Path, text: &str) -> Result<Option<Self>, Vec<Diagnostic>> {
        let single = single::read(&path.display().to_string(), text)?;
        Ok(single.map(|single| Self {
            path: path.to_owned(),
            single,
        }))
    }

    /// What it holds.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.single.value
    }

    /// The line of a member of a context, from 1.
    #[must_use]
    pub fn line_of(&self, context: &ContextName, member: &str) -> u64 {
        self.line(&member_path(context, member))
    }

    /// The line of a path.
    pub(super) fn line(&self, path: &str) -> u64 {
        self.single.locate(path).0
    }

    /// The directory at which relative paths start.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// The path of a member of a context, e.g. `contexts.prod.address`; without a member that of the context.
#[must_use]
pub fn member_path(context: &ContextName, member: &str) -> String {
    let context = path::member("contexts", context.as_str());
    if member.is_empty() {
        context
    } else {
        path::member(&context, member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let found = ConfigFile::parse(Path::new("c.yaml"), text).unwrap_err();
        let told = found.into_iter().map(|finding| match &finding.help {
            Some(help) => format!("{finding} [{help}]"),
            None => finding.to_string(),
        });
        told.collect()
    }

    #[test]
    fn a_file_is_read_with_the_lines_of_its_members() {
        let text = "currentContext: prod\ncontexts:\n  prod:\n    address: https://n.example:4646/\n    token: {fromEnv: T}\n  a.b: {namespace: x}\n";
        let file = ConfigFile::parse(Path::new("/d/c.yaml"), text)
            .unwrap()
            .unwrap();
        let prod: ContextName = "prod".parse().unwrap();
        assert_eq!(file.contents().current_context, Some(prod.clone()));
        assert_eq!(file.line_of(&prod, "address"), 4);
        assert_eq!(file.line_of(&prod, "token"), 5);
        assert_eq!(file.line_of(&"a.b".parse().unwrap(), "namespace"), 6);
        assert_eq!(file.directory(), Path::new("/d"));
        assert!(
            ConfigFile::parse(Path::new("c"), "# none\n")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn every_mistake_is_told_with_its_place_and_no_value_is_shown() {
        let text = "curentContext: prod\ncontexts:\n  prod:\n    address: http://me:canary@h:1\n    adress: x\n    token: canary\n    namespace: canary_\n    tlsSkipVerify: canary\n    tlsServerName: 127.0.0.1\n    httpAuth: {fromEnv: A, fromFile: b}\n  'bad name': {}\n";
        let found = findings(text);
        let all = found.join("\n");
        assert!(!all.contains("canary"), "{all}");
        for expected in [
            "c.yaml:1:1: error[unknown-field]: unknown field `curentContext` (`curentContext`) [did you mean `currentContext`?]",
            "c.yaml:4:14: error[wrong-value]: must not hold a user or a password",
            "c.yaml:5:5: error[unknown-field]: unknown field `adress` (`contexts.prod.adress`) [did you mean `address`?]",
            "c.yaml:6:12: error[wrong-value]: must not be the secret itself",
            "c.yaml:7:16: error[wrong-value]: namespace must be 1 to 128",
            "c.yaml:8:20: error[wrong-type]: expected `true` or `false`, found text",
            "c.yaml:9:20: error[wrong-value]: must be a DNS name",
            "c.yaml:10:5: error[wrong-value]: must have exactly one of",
            "c.yaml:11:3: error[wrong-value]: the name of a context must be",
        ] {
            assert!(
                found.iter().any(|finding| finding.starts_with(expected)),
                "{expected}\n{all}"
            );
        }
    }

    #[test]
    fn a_second_document_and_a_repeated_key_are_refused() {
        assert!(findings("contexts: {}\n---\ncontexts: {}\n")[0].contains("second-document"));
        assert!(findings("contexts:\n  a: {}\n  a: {}\n")[0].contains("duplicate-key"));
    }
}
