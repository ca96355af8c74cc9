//! How a run ended.

use serde::{Serialize, Serializer};

use super::cause::Cause;

/// How one workload, or a whole run, ended. The exit code follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No drift and healthy.
    Converged,
    /// Stopped, purged, all allocations ended.
    Destroyed,
    /// Stopped, all allocations ended; Nomad still knows it.
    Stopped,
    /// Something failed that no better word covers.
    Failed(String),
    /// The input does not parse, or the command line is wrong.
    Usage(String),
    /// The input parses and makes no sense.
    Invalid(String),
    /// Out of time; with the first cause seen until then.
    Deadline {
        /// What was waited for.
        waiting_for: String,
        /// First cause seen.
        cause: Option<Cause>,
    },
    /// Nomad gave the rollout up.
    Unhealthy(Cause),
    /// Nomad gave the rollout up and went back to an older version.
    RolledBack {
        /// Why.
        cause: Cause,
        /// The version it went back to, when Nomad named it.
        to_version: Option<u64>,
    },
    /// No node fits.
    Unplaceable(Cause),
    /// Somebody else kept changing the job.
    Conflict(String),
    /// A guard said no.
    Refused(String),
    /// Told to stop.
    Cancelled {
        /// What was going on, before anything was registered; `None` once Nomad was asked.
        doing: Option<String>,
    },
    /// A newer specification of the same job took over.
    Superseded(String),
}

impl Outcome {
    /// Exit code of the process (design, section 5).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Converged | Self::Destroyed | Self::Stopped => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Invalid(_) => 3,
            Self::Deadline { .. } => 4,
            Self::Unhealthy(_) => 5,
            Self::RolledBack { .. } => 6,
            Self::Unplaceable(_) => 7,
            Self::Conflict(_) => 8,
            Self::Refused(_) => 9,
            Self::Cancelled { .. } | Self::Superseded(_) => 10,
        }
    }

    /// The word that reports carry.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Destroyed => "destroyed",
            Self::Stopped => "stopped",
            Self::Failed(_) => "failed",
            Self::Usage(_) => "usage",
            Self::Invalid(_) => "invalid",
            Self::Deadline { .. } => "deadline",
            Self::Unhealthy(_) => "unhealthy",
            Self::RolledBack { .. } => "rolled-back",
            Self::Unplaceable(_) => "unplaceable",
            Self::Conflict(_) => "conflict",
            Self::Refused(_) => "refused",
            Self::Cancelled { .. } => "cancelled",
            Self::Superseded(_) => "superseded",
        }
    }

    /// Whether everything that was wanted is so.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Converged | Self::Destroyed | Self::Stopped)
    }

    /// What went wrong and where, in one line.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Converged => "converged and healthy".to_owned(),
            Self::Destroyed => "stopped and purged".to_owned(),
            Self::Stopped => "stopped".to_owned(),
            Self::Failed(text)
            | Self::Usage(text)
            | Self::Invalid(text)
            | Self::Conflict(text)
            | Self::Refused(text)
            | Self::Superseded(text) => text.clone(),
            Self::Deadline {
                waiting_for,
                cause: None,
            } => format!("out of time while {waiting_for}"),
            Self::Deadline {
                waiting_for,
                cause: Some(cause),
            } => {
                format!("out of time while {waiting_for}; so far: {cause}")
            }
            Self::Unhealthy(cause) => format!("not healthy: {cause}"),
            Self::RolledBack {
                cause,
                to_version: Some(version),
            } => {
                format!("rolled back to version {version}: {cause}")
            }
            Self::RolledBack {
                cause,
                to_version: None,
            } => format!("rolled back: {cause}"),
            Self::Unplaceable(cause) => format!("cannot be placed: {cause}"),
            Self::Cancelled { doing: None } => {
                "cancelled by a signal; what Nomad has begun goes on".to_owned()
            }
            Self::Cancelled { doing: Some(doing) } => {
                format!("cancelled by a signal while {doing}; nothing was registered")
            }
        }
    }

    /// The first cause, where there is one.
    #[must_use]
    pub const fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Unhealthy(cause) | Self::Unplaceable(cause) | Self::RolledBack { cause, .. } => {
                Some(cause)
            }
            Self::Deadline { cause, .. } => cause.as_ref(),
            _ => None,
        }
    }

    /// What to do next, for people at three in the morning.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Deadline { .. } => {
                "repeat the same command: what is finished is not done again, and what Nomad has begun goes on; or give \
                 more time with --deadline"
                    .to_owned()
            }
            Self::Unhealthy(cause) | Self::RolledBack { cause, .. } => cause.kind.help().to_owned(),
            Self::Unplaceable(_) => {
                "the job stays registered and starts when a node fits; change the constraint, the node pool or the \
                 resources, or add a node"
                    .to_owned()
            }
            Self::Conflict(_) => "see who else writes this job, then repeat the same command".to_owned(),
            _ => return None,
        })
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
