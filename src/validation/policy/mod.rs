//! Rules of the users themselves, in CEL, from a file of kind `Policies`.
//!
//! A policy is an expression that must be true of a document. One that cannot be understood, fails, costs too much or
//! gives no boolean is a finding at its own place, never silently passed. Expressions see [`VARIABLES`] and nothing
//! else: no clock, no file, no network; `expression` bounds what they may cost.

mod expression;
mod file;
mod judge;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::{Kind, Resource, Severity};

pub use file::PolicyFile;
pub(super) use judge::{Job, Judged, findings};
pub use judge::{check, check_job};

/// What an expression can speak of. CEL reserves the word `namespace`.
pub const VARIABLES: [&str; 6] = ["object", "job", "name", "namespaceName", "labels", "kind"];

/// The policies of a run.
#[derive(Debug, Default)]
pub struct Policies {
    list: Vec<Policy>,
}

/// One policy, ready to be asked.
#[derive(Debug)]
struct Policy {
    name: String,
    message: String,
    severity: Severity,
    path: String,
    applies_to: Match,
    expression: expression::Expression,
    /// Where it stands.
    site: Site,
}

/// Where the expression of a policy stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Site {
    file: String,
    line: u64,
    column: u64,
    path: String,
}

/// Which documents a policy is about: all that have everything that is named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// `Workload` or `NomadJob`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Match {
    fn covers(&self, resource: &Resource, namespace: &str) -> bool {
        let labels = &resource.metadata().labels;
        self.kind.is_none_or(|wanted| wanted == resource.kind())
            && self
                .namespace
                .as_ref()
                .is_none_or(|wanted| wanted == namespace)
            && self
                .labels
                .iter()
                .all(|(name, value)| labels.get(name) == Some(value))
    }
}

impl Policies {
    /// Whether any of them wants to see the Nomad job.
    #[must_use]
    pub fn look_at_jobs(&self) -> bool {
        self.list
            .iter()
            .any(|policy| policy.expression.looks_at_job)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
