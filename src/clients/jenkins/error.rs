//! What can go wrong with Jenkins, and what that means.

use std::time::Duration;

/// Why Jenkins did not do what it was asked. None of the texts repeats a credential, a parameter or a page of Jenkins'.
#[derive(Debug, thiserror::Error)]
pub enum JenkinsError {
    /// No connection.
    #[error("cannot reach Jenkins at {address}")]
    Unreachable {
        /// Whom we asked.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// No answer in time, or the connection was lost before it was complete. The call may have arrived.
    #[error("Jenkins at {address} did not answer {operation} within {} s", .limit.as_secs())]
    NoAnswer {
        /// Whom we asked.
        address: String,
        /// For what.
        operation: &'static str,
        /// How long we waited at most.
        limit: Duration,
    },
    /// 401.
    #[error("Jenkins refuses the user or the API token (401)")]
    Unauthorized,
    /// 403.
    #[error("Jenkins does not allow {operation} (403)")]
    Forbidden {
        /// What.
        operation: &'static str,
    },
    /// 404.
    #[error("Jenkins has no job `{job}`, or its user may not see it (404)")]
    NoSuchJob {
        /// Which.
        job: String,
    },
    /// 409, or a page that says so.
    #[error("job `{job}` is disabled in Jenkins")]
    Disabled {
        /// Which.
        job: String,
    },
    /// 3xx. Not followed: the credentials would go with it.
    #[error("Jenkins redirects {operation} to {to} ({status}); credentials are not sent there")]
    Redirected {
        /// What.
        operation: &'static str,
        /// Host only.
        to: String,
        /// The status.
        status: u16,
    },
    /// 5xx and 429: it is busy, starting, or broken.
    #[error("Jenkins answers {operation} with {status}")]
    Busy {
        /// What.
        operation: &'static str,
        /// The status.
        status: u16,
    },
    /// Another status.
    #[error("Jenkins answers {operation} with {status}")]
    Unexpected {
        /// What.
        operation: &'static str,
        /// The status.
        status: u16,
    },
    /// An answer that is not what Jenkins' API says.
    #[error("the answer to {operation} is not what Jenkins' API says: {what}")]
    Unintelligible {
        /// What was asked.
        operation: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl JenkinsError {
    /// For programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "jenkins-unreachable",
            Self::NoAnswer { .. } => "jenkins-timeout",
            Self::Unauthorized => "jenkins-unauthorized",
            Self::Forbidden { .. } => "jenkins-forbidden",
            Self::NoSuchJob { .. } => "jenkins-no-such-job",
            Self::Disabled { .. } => "jenkins-job-disabled",
            Self::Redirected { .. } => "jenkins-redirected",
            Self::Busy { .. } => "jenkins-busy",
            Self::Unexpected { .. } | Self::Unintelligible { .. } => "jenkins-unexpected-answer",
        }
    }

    /// What to do.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "start Jenkins, or correct CS_JENKINS_URL; then run the deployment again"
            }
            Self::NoAnswer { .. } => {
                "look in Jenkins whether the build is there before you run the deployment again: its webhook is taken either way"
            }
            Self::Unauthorized => {
                "correct CS_JENKINS_USER and CS_JENKINS_TOKEN (an API token of that user)"
            }
            Self::Forbidden { .. } => {
                "give the user of CS_JENKINS_USER the permissions Job/Read and Job/Build"
            }
            Self::NoSuchJob { .. } => {
                "correct the deployment's `job` (folders separated by `/`), or create it in Jenkins"
            }
            Self::Disabled { .. } => "enable the job in Jenkins",
            Self::Redirected { .. } => "set CS_JENKINS_URL to the address that Jenkins itself uses",
            Self::Busy { .. } => "wait until Jenkins is ready, then run the deployment again",
            Self::Unexpected { .. } | Self::Unintelligible { .. } => {
                "see whether CS_JENKINS_URL is the address of a Jenkins, and what its log says"
            }
        }
    }

    /// Whether the same call may be answered in a moment.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::Busy { .. }
        )
    }

    /// Whether it may have done what it was asked nevertheless.
    #[must_use]
    pub const fn is_unclear(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            // A gateway that gave up says nothing about what stands behind it.
            Self::Busy { status, .. } => matches!(status, 500 | 502 | 504),
            _ => false,
        }
    }

    /// The status with which the bridge answers for it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoAnswer { .. } => 504,
            Self::Busy { .. } | Self::Unreachable { .. } => 503,
            _ => 502,
        }
    }
}
