//! How workloads behave when their driver does not say so: scripts by job, group, task and image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::constraint::glob;
use super::job::Job;
use super::json::text;
use super::spec::{Group, Task};

/// The behaviour of matching tasks. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Script {
    /// Job id, `*` stands for anything; every job by default.
    pub job: String,
    /// Image (`config.image`), `*` stands for anything; every image, and tasks without one, by default.
    pub image: String,
    /// Task name; every task by default.
    pub task: String,
    /// Only this version of the job.
    pub version: Option<u64>,
    /// Runs for this long (Go duration), then ends with `exitCode`.
    pub run_for: Option<String>,
    /// Exit code.
    pub exit_code: Option<i64>,
    /// Ends by this signal.
    pub exit_signal: Option<i64>,
    /// Message that goes with the exit.
    pub exit_message: Option<String>,
    /// Is killed for its memory when it ends.
    pub oom: bool,
    /// The driver cannot start it, and says this.
    pub start_error: Option<String>,
    /// Trying again may help.
    pub start_error_recoverable: bool,
    /// The image cannot be pulled, and the registry says this.
    pub pull_error: Option<String>,
    /// Starting takes this long (Go duration).
    pub start_delay: Option<String>,
    /// What it writes to stdout.
    pub stdout: Vec<String>,
    /// What it writes to stderr.
    pub stderr: Vec<String>,
    /// Runs, but its check never passes.
    pub failing_check: bool,
    /// Runs, but is never counted as healthy.
    pub never_healthy: bool,
    /// No node takes it, for this reason.
    pub no_placement: Option<String>,
}

impl Script {
    fn matches(&self, job: &Job, task: Option<&Task>) -> bool {
        let image = task.map_or("", |task| text(&task.config, "image"));
        (self.job.is_empty() || glob(&self.job, job.id()))
            && self.version.is_none_or(|version| version == job.version)
            && (self.image.is_empty() || (!image.is_empty() && glob(&self.image, image)))
            && (self.task.is_empty() || task.is_some_and(|task| task.name == self.task))
    }
}

/// All scripts; the first that matches counts.
#[derive(Debug, Clone, Default)]
pub struct Scripts(pub Vec<Script>);

impl Scripts {
    /// The script of a task.
    #[must_use]
    pub fn of(&self, job: &Job, task: &Task) -> Option<&Script> {
        self.0.iter().find(|script| script.matches(job, Some(task)))
    }

    /// Why no node takes a group, when a script says so.
    #[must_use]
    pub fn placement_refusal(&self, job: &Job, group: &Group) -> Option<&str> {
        group
            .tasks
            .iter()
            .filter_map(|task| self.of(job, task))
            .find_map(|script| script.no_placement.as_deref())
    }

    /// Whether a group's allocations must not become healthy, and whether a check is to blame.
    #[must_use]
    pub fn unhealthy(&self, job: &Job, group: &Group) -> Option<bool> {
        let found: BTreeMap<bool, ()> = group
            .tasks
            .iter()
            .filter_map(|task| self.of(job, task))
            .filter(|script| script.never_healthy || script.failing_check)
            .map(|script| (script.failing_check, ()))
            .collect();
        found.into_keys().next_back()
    }
}
