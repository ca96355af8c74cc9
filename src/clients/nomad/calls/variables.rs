//! Variables, each write with the index that was seen. Locks are not covered.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::clients::nomad::client::{NomadClient, ReadCall};
use crate::clients::nomad::error::NomadError;
use crate::clients::nomad::types::{Variable, null_default};
use crate::ids::{InvalidId, ModifyIndex};

/// Path of a variable: 1 to 128 letters, digits, `-`, `_`, `~` and `/`, not at either end.
///
/// Source: Nomad, `validVariablePath`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariablePath(String);

impl VariablePath {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VariablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VariablePath {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '~' | '/');
        let valid = (1..=128).contains(&text.len())
            && text.chars().all(known)
            && text.split('/').all(|part| !part.is_empty());
        valid.then(|| Self(text.to_owned())).ok_or(InvalidId {
            kind: "variable path",
            rule: "must be 1 to 128 letters, digits, `-`, `_`, `~` or single `/`, with no `/` at either end",
        })
    }
}

/// A line of the list: everything but the items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VariableStub {
    /// Path.
    pub path: String,
    /// Namespace.
    #[serde(deserialize_with = "null_default")]
    pub namespace: String,
    /// Basis of the next write.
    pub modify_index: ModifyIndex,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ItemsBody<'a> {
    items: &'a BTreeMap<String, String>,
}

impl NomadClient {
    /// Lists variables whose path starts with `prefix`.
    ///
    /// With ACLs on Nomad leaves out, without a word, what the token may not see: an empty list proves nothing. A read of
    /// one variable does: 403 when the token may not, 404 when there is none.
    pub fn variables(&self, prefix: &str) -> ReadCall<Vec<VariableStub>> {
        self.read("list", "variables".to_owned(), "vars".to_owned())
            .query("prefix", prefix)
            .list()
    }

    /// Reads a variable.
    pub fn variable(&self, path: &VariablePath) -> ReadCall<Option<Variable>> {
        self.read("read", named(path), route(path))
            .absent_when("variable not found")
    }

    /// Writes a variable if it still is as observed at `expected`; [`ModifyIndex::MUST_BE_NEW`] creates only.
    ///
    /// Nomad does not check that the namespace exists. Names and values together may have 64 KiB, no byte more.
    ///
    /// # Errors
    /// [`NomadError::Conflict`] when somebody else changed it or holds its lock; the error shows no items. Not
    /// cancel-safe.
    pub async fn put_variable(
        &self,
        path: &VariablePath,
        items: &BTreeMap<String, String>,
        expected: ModifyIndex,
    ) -> Result<Variable, NomadError> {
        let write = self
            .write("write", named(path), route(path), Some(expected))
            .query("cas", expected.to_string())
            .body(&ItemsBody { items });
        let answer = write.transport.exchange(&write.call).await?;
        match answer.status.as_u16() {
            200..=299 => serde_json::from_slice(&answer.body)
                .map_err(|error| write.transport.unreadable(&write.call, &error)),
            // The body of a conflict is the whole variable.
            409 => Err(write
                .transport
                .conflict(&write.call, expected, 409, &seen(&answer.body))),
            _ => Err(write.transport.refusal(&write.call, &answer)),
        }
    }

    /// Deletes a variable if it still is as observed at `expected`. Deleting an absent one with 0 is a success.
    ///
    /// # Errors
    /// As [`put_variable`](Self::put_variable). Not cancel-safe.
    pub async fn delete_variable(
        &self,
        path: &VariablePath,
        expected: ModifyIndex,
    ) -> Result<(), NomadError> {
        let write = self
            .write("delete", named(path), route(path), Some(expected))
            .delete()
            .query("cas", expected.to_string());
        let answer = write.transport.exchange(&write.call).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(()),
            409 => Err(write
                .transport
                .conflict(&write.call, expected, 409, &seen(&answer.body))),
            _ => Err(write.transport.refusal(&write.call, &answer)),
        }
    }
}

fn named(path: &VariablePath) -> String {
    format!("variable `{}`", path.0)
}

fn route(path: &VariablePath) -> String {
    // Every allowed character stands for itself in a URL path.
    format!("var/{}", path.0)
}

/// What a conflict may show of the variable that is there.
fn seen(body: &[u8]) -> String {
    match serde_json::from_slice::<VariableStub>(body) {
        Ok(stub) => format!("the variable is at index {}", stub.modify_index),
        Err(_) => "the variable is at another index, or locked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_nomad_would_refuse_or_that_leads_elsewhere_is_refused() {
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "a/../b",
            "a b",
            "a?x",
            "a%2Fb",
            &"x".repeat(129),
        ] {
            assert!(bad.parse::<VariablePath>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "cs/lock/a_~-1".parse::<VariablePath>().unwrap().as_str(),
            "cs/lock/a_~-1"
        );
    }

    #[test]
    fn a_conflict_shows_the_index_and_no_items() {
        let body = br#"{"Path":"a","ModifyIndex":7,"Items":{"k":"canary"}}"#;
        assert_eq!(seen(body), "the variable is at index 7");
        assert!(!seen(br#"["canary"]"#).contains("canary"));
    }
}
