//! The four tasks that the platform dispatches.

use std::fmt;
use std::str::FromStr;

use super::error::ErrorKind;

/// What a dispatched run is to do. Source: contract 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Build from a repository or an upload, and deploy.
    DeployRepository,
    /// The same once more, with a full build.
    RedeployRepository,
    /// Deploy a ready image.
    DeployImage,
    /// Stop and purge jobs.
    DestroyJobPack,
}

/// Why a text names no task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// Nothing was given.
    #[error("NOMAD_META_TASK is not set or empty: set it to one of {}", known())]
    Unset,
    /// Something else was given.
    #[error("unknown task type: {shown} (known: {})", known())]
    Unknown {
        /// The first 64 characters, those that cannot be printed replaced.
        shown: String,
    },
}

impl TaskError {
    /// Which class of exit code it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unset | Self::Unknown { .. } => ErrorKind::Usage,
        }
    }
}

/// Longest part of an unknown task that is repeated, in characters.
const SHOWN: usize = 64;

impl Task {
    /// Every task, in the order in which they are listed.
    pub const ALL: [Self; 4] = [
        Self::DeployRepository,
        Self::RedeployRepository,
        Self::DeployImage,
        Self::DestroyJobPack,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeployRepository => "deploy-repository",
            Self::RedeployRepository => "redeploy-repository",
            Self::DeployImage => "deploy-image",
            Self::DestroyJobPack => "destroy-job-pack",
        }
    }

    /// What its params are called in messages. Scripts look for these words. Source: contract 1.6.
    #[must_use]
    pub const fn params_name(self) -> &'static str {
        match self {
            Self::DestroyJobPack => "destroy-job",
            Self::DeployRepository | Self::RedeployRepository | Self::DeployImage => self.as_str(),
        }
    }

    /// Whether it builds from sources.
    #[must_use]
    pub const fn builds(self) -> bool {
        matches!(self, Self::DeployRepository | Self::RedeployRepository)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Task {
    type Err = TaskError;

    fn from_str(text: &str) -> Result<Self, TaskError> {
        let name = text.trim();
        if name.is_empty() {
            return Err(TaskError::Unset);
        }
        Self::ALL
            .into_iter()
            .find(|task| task.as_str() == name)
            .ok_or_else(|| TaskError::Unknown {
                shown: printable(name),
            })
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .take(SHOWN)
        .map(|c| {
            if crate::plain::steers(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

fn known() -> String {
    Task::ALL.map(Task::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_read_by_its_name() {
        for task in Task::ALL {
            assert_eq!(task.as_str().parse(), Ok(task));
        }
    }

    #[test]
    fn an_unknown_task_is_named_and_the_known_ones_are_listed() {
        let error = "deploy-moon".parse::<Task>().unwrap_err().to_string();
        assert!(
            error.starts_with("unknown task type: deploy-moon"),
            "{error}"
        );
        for task in Task::ALL {
            assert!(error.contains(task.as_str()), "{error}");
        }
    }

    #[test]
    fn a_long_or_unprintable_task_is_shortened_before_it_is_shown() {
        let error = format!("\u{1b}[31m{}", "x".repeat(500))
            .parse::<Task>()
            .unwrap_err()
            .to_string();
        assert!(!error.contains('\u{1b}'), "{error}");
        assert!(error.chars().count() < 200, "{error}");
    }

    #[test]
    fn no_task_names_the_variable() {
        for empty in ["", "  \n"] {
            let error = empty.parse::<Task>().unwrap_err().to_string();
            assert!(error.contains("NOMAD_META_TASK"), "{error}");
        }
    }
}
