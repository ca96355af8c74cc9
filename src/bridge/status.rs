//! Statuses of a deployment and what a CI server calls them. Source: contract, 9.2.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The CI servers that can be asked to run a job. A new one is a variant here and a client beside Jenkins'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Jenkins, by its remote API.
    Jenkins,
}

impl Provider {
    /// The word in the database and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jenkins => "jenkins",
        }
    }
}

/// Status of a deployment.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentStatus {
    /// Nothing is known to run, and there is no result.
    Pending,
    /// CI works on it.
    Running,
    /// The last build succeeded.
    Completed,
    /// The last build failed.
    Failed,
}

impl DeploymentStatus {
    /// The word in the database, in JSON and in log lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether the build that it tells of is over.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Failed => true,
            Self::Pending | Self::Running => false,
        }
    }
}

/// A text that is no status or provider of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct UnknownWord {
    /// The words there are.
    pub expected: &'static str,
}

impl FromStr for DeploymentStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Pending, Self::Running, Self::Completed, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownWord {
                expected: "`pending`, `running`, `completed` or `failed`",
            })
    }
}

impl FromStr for Provider {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "jenkins" => Ok(Self::Jenkins),
            _ => Err(UnknownWord {
                expected: "`jenkins`",
            }),
        }
    }
}

/// Longest status that a CI server may send. Jenkins' longest is `NOT_BUILT`.
pub const LONGEST_STATUS: usize = 64;

/// What a CI server calls the state of a build, as it said it: `SUCCESS`, `failure`, `ABORTED`, …
///
/// 1 to [`LONGEST_STATUS`] letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct CiStatus(String);

impl CiStatus {
    /// Before CI has said anything.
    #[must_use]
    pub fn pending() -> Self {
        Self("PENDING".to_owned())
    }

    /// After the job was started.
    #[must_use]
    pub fn running() -> Self {
        Self("RUNNING".to_owned())
    }

    /// After the job was taken out of the queue before it began.
    #[must_use]
    pub fn aborted() -> Self {
        Self("ABORTED".to_owned())
    }

    /// As it was said.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it means for the deployment. Upper and lower case mean the same.
    #[must_use]
    pub fn deployment_status(&self) -> DeploymentStatus {
        let is = |word: &str| self.0.eq_ignore_ascii_case(word);
        if is("success") {
            DeploymentStatus::Completed
        } else if is("failure") {
            DeploymentStatus::Failed
        } else if is("running") {
            DeploymentStatus::Running
        } else {
            DeploymentStatus::Pending
        }
    }
}

/// A text that cannot be a status. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {LONGEST_STATUS} letters, digits, `_` or `-`, such as `SUCCESS`")]
pub struct InvalidStatus;

impl FromStr for CiStatus {
    type Err = InvalidStatus;

    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if (1..=LONGEST_STATUS).contains(&text.len()) && text.bytes().all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidStatus)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_ci_map_in_any_case_and_everything_else_is_pending() {
        for (word, expected) in [
            ("SUCCESS", DeploymentStatus::Completed),
            ("success", DeploymentStatus::Completed),
            ("Success", DeploymentStatus::Completed),
            ("FAILURE", DeploymentStatus::Failed),
            ("fAiLuRe", DeploymentStatus::Failed),
            ("running", DeploymentStatus::Running),
            ("ABORTED", DeploymentStatus::Pending),
            ("UNSTABLE", DeploymentStatus::Pending),
            ("completed", DeploymentStatus::Pending),
        ] {
            let status: CiStatus = word.parse().unwrap();
            assert_eq!(status.deployment_status(), expected, "{word}");
        }
    }

    #[test]
    fn a_status_is_one_short_word() {
        for bad in [
            "",
            "a b",
            "x'; DROP TABLE deployments; --",
            "é",
            "a\n",
            "a".repeat(65).as_str(),
        ] {
            assert_eq!(bad.parse::<CiStatus>(), Err(InvalidStatus), "{bad:?}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for status in ["pending", "running", "completed", "failed"] {
            assert_eq!(status.parse::<DeploymentStatus>().unwrap().as_str(), status);
        }
        assert!("Running".parse::<DeploymentStatus>().is_err());
        assert_eq!("jenkins".parse::<Provider>().unwrap().as_str(), "jenkins");
        assert!("jenkins'--".parse::<Provider>().is_err());
    }
}
