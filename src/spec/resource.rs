//! One document of whatever kind.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nomad_job::NomadJob;
use super::relations::{Dependency, Hook, OnFailure};
use super::workload::{Metadata, Workload};

/// The kinds that become a Nomad job.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Kind {
    /// A job in the terms of its users.
    Workload,
    /// A job in Nomad's own words.
    NomadJob,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Workload, Self::NomadJob];

    /// The word in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "Workload",
            Self::NomadJob => "NomadJob",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a document describes.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// A job in the terms of its users.
    Workload(Box<Workload>),
    /// A job in Nomad's own words.
    NomadJob(Box<NomadJob>),
}

impl Resource {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Workload(_) => Kind::Workload,
            Self::NomadJob(_) => Kind::NomadJob,
        }
    }

    /// Name, namespace, labels.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        match self {
            Self::Workload(workload) => &workload.metadata,
            Self::NomadJob(job) => &job.metadata,
        }
    }

    /// What must be ready first.
    #[must_use]
    pub fn depends_on(&self) -> &[Dependency] {
        match self {
            Self::Workload(workload) => &workload.spec.depends_on,
            Self::NomadJob(job) => &job.spec.depends_on,
        }
    }

    /// Whether and when it runs as a hook.
    #[must_use]
    pub const fn hook(&self) -> Option<&Hook> {
        match self {
            Self::Workload(workload) => workload.spec.hook.as_ref(),
            Self::NomadJob(job) => job.spec.hook.as_ref(),
        }
    }

    /// What follows when it does not become healthy.
    #[must_use]
    pub const fn on_failure(&self) -> Option<OnFailure> {
        match self {
            Self::Workload(workload) => workload.spec.on_failure,
            Self::NomadJob(job) => job.spec.on_failure,
        }
    }

    /// Places in the job that belong to others.
    #[must_use]
    pub fn ignore_fields(&self) -> &[String] {
        match self {
            Self::Workload(workload) => &workload.spec.ignore_fields,
            Self::NomadJob(job) => &job.spec.ignore_fields,
        }
    }
}
