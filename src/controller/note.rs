//! What the loop tells whoever looks on. The library never prints: it sends notes, `cli` shows them.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::ids::{DeploymentId, JobId, ModifyIndex};
use crate::observe;
use crate::reconcile::Outcome;
use crate::reconcile::cause::one_line;
use crate::reconcile::health::Progress;

/// Something worth showing.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A deployment was read from its params.
    Deploying {
        /// The platform's deployment.
        deployment: DeploymentId,
        /// The database key of its job.
        job_id: i64,
    },
    /// A destroy was read from its params.
    Destroying {
        /// How many jobs.
        jobs: usize,
    },
    /// A step begins.
    Began(Phase),
    /// A step ended, well or with an error text.
    Ended(Phase, Result<(), String>),
    /// What is going to change; one line each. Empty for a new job.
    Planned {
        /// Which job.
        job: JobId,
        /// Whether it does not exist yet.
        is_new: bool,
        /// Lines of the drift, secrets hidden.
        changes: Vec<String>,
    },
    /// A write was accepted.
    Registered {
        /// Which job.
        job: JobId,
        /// Index of its specification now.
        index: ModifyIndex,
        /// Remarks of Nomad.
        warnings: String,
    },
    /// Nothing to write: the job is as wanted.
    Unchanged {
        /// Which job.
        job: JobId,
    },
    /// A job was stopped.
    Stopped {
        /// Which job.
        job: JobId,
    },
    /// A job was purged.
    Purged {
        /// Which job.
        job: JobId,
    },
    /// An earlier version is the newest again.
    Reverted {
        /// Which job.
        job: JobId,
        /// Which version.
        version: u64,
    },
    /// Waiting for Nomad. Sent when it differs from the last one.
    Waiting {
        /// Which job.
        job: JobId,
        /// How far it is.
        progress: Progress,
    },
    /// A call failed and will be tried again.
    Retrying {
        /// Why.
        reason: String,
        /// After so long.
        pause: Duration,
    },
    /// Something to know that ends nothing.
    Warning(String),
    /// Last log lines of a failing task.
    LogTail {
        /// Task.
        task: String,
        /// Lines, oldest first.
        lines: Vec<String>,
    },
    /// A job has come to its end.
    Finished {
        /// Which job.
        job: JobId,
        /// How.
        outcome: Outcome,
    },
}

impl Note {
    /// The note in one line for people; a new plan has one line a change.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = match self {
            Self::Deploying { deployment, .. } => format!("deployment {deployment}"),
            Self::Destroying { jobs } => format!("destroying {jobs} job(s)"),
            Self::Began(phase) => format!("{} begins", phase.name()),
            Self::Ended(phase, Ok(())) => format!("{} done", phase.name()),
            Self::Ended(phase, Err(text)) => format!("{} failed: {text}", phase.name()),
            Self::Planned {
                job, is_new: true, ..
            } => format!("plan: create job {job}"),
            Self::Planned { job, changes, .. } => {
                let title = format!("plan: update job {job}, {} change(s)", changes.len());
                return std::iter::once(title)
                    .chain(changes.iter().map(|change| format!("  {change}")))
                    .collect();
            }
            Self::Unchanged { job } => format!("plan: job {job} is as wanted, nothing to write"),
            Self::Registered {
                job,
                index,
                warnings,
            } if warnings.is_empty() => {
                format!("registered job {job} at index {index}")
            }
            Self::Registered {
                job,
                index,
                warnings,
            } => {
                format!(
                    "registered job {job} at index {index}; Nomad remarks: {}",
                    one_line(warnings)
                )
            }
            Self::Stopped { job } => format!("stopped job {job}"),
            Self::Purged { job } => format!("purged job {job}"),
            Self::Reverted { job, version } => {
                format!("went back to version {version} of job {job}")
            }
            Self::Waiting { job, progress } => format!("job {job}: waiting until {progress}"),
            Self::Retrying { reason, pause } if pause.is_zero() => {
                format!("looking again: {reason}")
            }
            Self::Retrying { reason, pause } => {
                format!("trying again in {:.1} s: {reason}", pause.as_secs_f64())
            }
            Self::Warning(text) => text.clone(),
            Self::LogTail { task, lines } => {
                return lines
                    .iter()
                    .map(|line| format!("[{task}] {line}"))
                    .collect();
            }
            Self::Finished { job, outcome } => format!("job {job}: {}", outcome.message()),
        };
        vec![line]
    }
}

/// The steps of a run, as people and the backend know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The source is fetched.
    Clone,
    /// An image is built of it.
    Build,
    /// The image is pushed.
    Push,
    /// Facts about the image are read.
    ImageDownload,
    /// Domains are asked for and the service's ports are told.
    Sync,
    /// The job is registered.
    Deploy,
    /// The rollout becomes healthy.
    HealthCheck,
    /// A job is stopped and purged.
    Destroy,
}

impl Phase {
    /// The step's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Build => "build",
            Self::Push => "push",
            Self::ImageDownload => "image_download",
            Self::Sync => "sync",
            Self::Deploy => "deploy",
            Self::HealthCheck => "healthCheck",
            Self::Destroy => "destroy",
        }
    }
}

/// Where notes are sent. Never blocks, and never fails the loop: when nobody listens they are dropped.
#[derive(Debug, Clone)]
pub struct Notes(UnboundedSender<Note>);

impl Notes {
    /// A pair of sender and receiver. Notes are few: one a step and one a change.
    #[must_use]
    pub fn channel() -> (Self, UnboundedReceiver<Note>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells whoever looks on.
    pub fn send(&self, note: Note) {
        observe::noted(&note);
        self.pass_on(note);
    }

    /// The same for a note that was sent before, to somebody who passes it on.
    pub(super) fn pass_on(&self, note: Note) {
        // A receiver that is gone has seen enough.
        let _ = self.0.send(note);
    }
}
