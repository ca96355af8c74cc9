//! How a resource takes part in a set: what it waits for, when it runs, what follows when it fails, which fields are
//! somebody else's. The same for every kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource::Kind;

/// Something that must be ready first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    /// Its kind. Default: either; both share the job ids of a namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Its name, which is the Nomad job id, e.g. `pg-main`.
    pub name: String,
    /// Its namespace. Default: that of the resource that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What it must be. Default: `completed` for `batch` and `sysbatch` jobs that start neither by the clock nor on request,
    /// else `healthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Readiness>,
    /// With `until: passing`: name of the service whose checks must pass, e.g. `pg-main-5432`. Default: every service of the
    /// job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// What a dependency must be before others go on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// It runs as its spec wants, and Nomad calls its rollout healthy.
    Healthy,
    /// It ran to its end with exit code 0.
    Completed,
    /// Healthy, and the checks of its service pass at this moment.
    Passing,
}

/// Makes a batch job run before or after others instead of beside them, once for each generation of what it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// When it runs.
    pub phase: HookPhase,
    /// Names of the resources that it serves. Default: every one of the set that is no hook itself.
    #[serde(default, rename = "for", skip_serializing_if = "Vec::is_empty")]
    pub serves: Vec<String>,
}

/// When a hook runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum HookPhase {
    /// Before anything that it serves is written. When it fails, nothing of that is.
    Pre,
    /// After all that it serves is healthy.
    Post,
    /// After something that it serves has failed.
    OnFailure,
}

/// What follows when a resource does not become healthy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Leave it as Nomad leaves it; `rollout.autoRevert` applies.
    #[default]
    Keep,
    /// Go back to the version that stood before, also where Nomad itself does not.
    Revert,
    /// The same for everything that this run has changed.
    RevertSet,
}

impl OnFailure {
    /// The word in files and flags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Revert => "revert",
            Self::RevertSet => "revert-set",
        }
    }
}
