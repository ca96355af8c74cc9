//! Names and numbers that identify things, each its own type.
//!
//! Two ids that are both `String` will be swapped one day; here they cannot be. Every type checks its text once,
//! at the door, and says in its error which rule was broken. The rejected text is never part of the error, because
//! params may carry a secret in the wrong field.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not an id of the wanted kind. Names the kind and the rule, never the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {rule}")]
pub struct InvalidId {
    /// What the text was to be, e.g. `job id`.
    pub kind: &'static str,
    /// The broken rule, worded to follow the kind.
    pub rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match $check(text) {
                    None => Ok(Self(text.to_owned())),
                    Some(rule) => Err(InvalidId { kind: $kind, rule }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id! {
    /// Id of a Nomad job, e.g. `cst-docs-kq2wzxyv`.
    ///
    /// Not empty, at most 512 bytes, no white space or control character, and not a text that Nomad's HTTP router
    /// would take for another endpoint: it routes by path suffix, so a job called `a/plan` can never be read again.
    /// Source: Nomad, `Job.Validate` (spaces and NUL); nomad-api.md 1.3 (suffixes).
    JobId, "job id", job_id_rule
}

text_id! {
    /// Id of one deployment as the platform knows it, e.g. `adeployment_00014c1e`.
    ///
    /// It becomes a task name and a NATS subject token, so `/`, `.`, `*`, `>` and white space are refused.
    DeploymentId, "deployment id", subject_token_rule
}

text_id! {
    /// Id of a service as the platform knows it, e.g. `img_00016f0e`.
    ServiceId, "service id", printable_rule
}

text_id! {
    /// Name of a Nomad namespace: 1 to 128 letters, digits and hyphens. Source: Nomad, `validNamespaceName`.
    Namespace, "namespace", namespace_rule
}

text_id! {
    /// Who owns a job: `dispatch`, an application's name, or the text of `--owner`.
    OwnerId, "owner", printable_rule
}

/// Endpoints below `/v1/job/:id`. Nomad decodes the path and looks at its end, so these ids are unreachable.
const JOB_ROUTES: [&str; 19] = [
    "/plan",
    "/summary",
    "/scale",
    "/versions",
    "/allocations",
    "/evaluations",
    "/deployments",
    "/deployment",
    "/dispatch",
    "/evaluate",
    "/revert",
    "/stable",
    "/submission",
    "/services",
    "/actions",
    "/action",
    "/periodic/force",
    "/tag",
    "/statuses",
];

fn job_id_rule(text: &str) -> Option<&'static str> {
    printable_rule(text)
        .or_else(|| {
            text.chars()
                .any(char::is_whitespace)
                .then_some("must not contain white space")
        })
        .or_else(|| (text.len() > 512).then_some("must be at most 512 bytes long"))
        .or_else(|| matches!(text, "." | "..").then_some("must not be `.` or `..`"))
        .or_else(|| {
            JOB_ROUTES
                .iter()
                .any(|route| text.ends_with(route))
                .then_some(
                    "must not end like an endpoint of Nomad's API, such as `/plan` or `/versions`",
                )
        })
}

fn subject_token_rule(text: &str) -> Option<&'static str> {
    printable_rule(text).or_else(|| {
        text.chars()
            .any(|c| c.is_whitespace() || matches!(c, '.' | '*' | '>' | '/'))
            .then_some("must not contain white space, `.`, `*`, `>` or `/`")
    })
}

fn namespace_rule(text: &str) -> Option<&'static str> {
    let valid = (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (!valid).then_some("must be 1 to 128 letters, digits or hyphens")
}

fn printable_rule(text: &str) -> Option<&'static str> {
    if text.trim().is_empty() {
        Some("must not be empty")
    } else {
        text.chars()
            .any(char::is_control)
            .then_some("must not contain control characters")
    }
}

/// A job of a cluster: ids are unique within their namespace only. Written `namespace/id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct JobKey {
    /// Where.
    pub namespace: Namespace,
    /// Which.
    pub job: JobId,
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.job)
    }
}

/// A point in Nomad's history of one job: the Raft index at which its specification last changed.
///
/// Every write names the index that it saw. `MUST_BE_NEW` (0) means that the job must not exist.
/// Source: nomad-api.md 2.3 (`EnforceIndex`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ModifyIndex(pub u64);

impl ModifyIndex {
    /// Register only if no job of that id exists, not even a stopped one.
    pub const MUST_BE_NEW: Self = Self(0);
}

impl fmt::Display for ModifyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_that_nomad_cannot_address_is_refused() {
        for bad in [
            "",
            " ",
            "a b",
            "a\0b",
            "x/plan",
            "x/periodic/force",
            ".",
            "a\nb",
        ] {
            assert!(bad.parse::<JobId>().is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "é-1", "svc-4f2a91", "plan"] {
            assert!(good.parse::<JobId>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_deployment_id_is_one_subject_token() {
        for bad in ["a.b", "a*", ">", "a b", "a/b", ""] {
            assert!(bad.parse::<DeploymentId>().is_err(), "{bad:?}");
        }
        assert!("gdeployment_1111-2222".parse::<DeploymentId>().is_ok());
    }

    #[test]
    fn an_error_never_repeats_the_text() {
        let error = "s3cret value".parse::<JobId>().unwrap_err();
        assert!(!error.to_string().contains("s3cret"));
    }
}
