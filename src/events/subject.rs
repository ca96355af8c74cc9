//! Subjects: where on NATS a message goes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::DeploymentId;

/// Why a text cannot stand in front of subjects. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "NATS_STREAM_PREFIX is not a subject prefix: write tokens such as `cs` or `cs.prod`, joined by single dots, \
     without white space, `*` and `>`"
)]
pub struct InvalidPrefix;

/// What stands in front of every subject (`NATS_STREAM_PREFIX`), e.g. `cs`. Empty: nothing, and no dot either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectPrefix(String);

impl SubjectPrefix {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Prepends the prefix and its dot to `rest`.
    pub(super) fn join(&self, rest: &str) -> String {
        if self.0.is_empty() {
            rest.to_owned()
        } else {
            format!("{}.{rest}", self.0)
        }
    }
}

impl FromStr for SubjectPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let well_formed = |token: &str| {
            !token.is_empty()
                && !token
                    .chars()
                    .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>'))
        };
        if text.is_empty() || text.split('.').all(well_formed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPrefix)
        }
    }
}

/// Subject of one message, e.g. `cs.deployment.succeeded`. Source: contract, 2.2.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// Started.
    #[must_use]
    pub fn deployment_status_changed(prefix: &SubjectPrefix) -> Self {
        Self(prefix.join("deployment.status.changed"))
    }

    /// Final success.
    #[must_use]
    pub fn deployment_succeeded(prefix: &SubjectPrefix) -> Self {
        Self(prefix.join("deployment.succeeded"))
    }

    /// Final failure.
    #[must_use]
    pub fn deployment_failed(prefix: &SubjectPrefix) -> Self {
        Self(prefix.join("deployment.failed"))
    }

    /// One job is gone.
    #[must_use]
    pub fn job_destroyed(prefix: &SubjectPrefix) -> Self {
        Self(prefix.join("job.destroyed"))
    }

    /// One log line of a deployment.
    #[must_use]
    pub fn build_log(prefix: &SubjectPrefix, deployment: &DeploymentId) -> Self {
        Self(prefix.join(&format!("build.log.{deployment}")))
    }

    /// The end of a deployment's log.
    #[must_use]
    pub fn build_log_end(prefix: &SubjectPrefix, deployment: &DeploymentId) -> Self {
        Self(prefix.join(&format!("build.log.end.{deployment}")))
    }

    /// An event of the CI/CD bridge, by its name, e.g. `DEPLOYMENT_STATUS_UPDATE`.
    #[must_use]
    pub fn cicd(prefix: &SubjectPrefix, event: &str) -> Self {
        Self(prefix.join(&format!("cicd.{event}")))
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The subject without what differs from deployment to deployment.
    pub(super) fn kind(&self) -> &str {
        const LOG_END: &str = "build.log.end";
        match self.0.find(LOG_END) {
            Some(at) => &self.0[..at + LOG_END.len()],
            None => &self.0,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_carry_the_prefix_and_its_dot_only_when_there_is_one() {
        let deployment: DeploymentId = "dep-1".parse().unwrap();
        let cases = [
            ("cs", "cs.deployment.status.changed", "cs.build.log.dep-1"),
            ("", "deployment.status.changed", "build.log.dep-1"),
            (
                "a.b",
                "a.b.deployment.status.changed",
                "a.b.build.log.dep-1",
            ),
        ];
        for (prefix, started, line) in cases {
            let prefix: SubjectPrefix = prefix.parse().unwrap();
            assert_eq!(
                Subject::deployment_status_changed(&prefix).as_str(),
                started
            );
            assert_eq!(Subject::build_log(&prefix, &deployment).as_str(), line);
        }
        let prefix: SubjectPrefix = "p".parse().unwrap();
        assert_eq!(
            Subject::deployment_succeeded(&prefix).as_str(),
            "p.deployment.succeeded"
        );
        assert_eq!(
            Subject::deployment_failed(&prefix).as_str(),
            "p.deployment.failed"
        );
        assert_eq!(Subject::job_destroyed(&prefix).as_str(), "p.job.destroyed");
        assert_eq!(
            Subject::build_log_end(&prefix, &deployment).as_str(),
            "p.build.log.end.dep-1"
        );
    }

    #[test]
    fn a_prefix_that_would_break_subjects_is_refused() {
        for bad in [".", "cs.", ".cs", "a..b", "a b", "*", "a.>", "a\n"] {
            assert_eq!(bad.parse::<SubjectPrefix>(), Err(InvalidPrefix), "{bad:?}");
        }
    }
}
