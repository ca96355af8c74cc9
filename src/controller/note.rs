//! What the loop tells whoever looks on. The library never prints: it sends notes, `cli` shows them.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::ids::{JobId, ModifyIndex};
use crate::reconcile::Outcome;
use crate::reconcile::health::Progress;

/// Something worth showing.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
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

/// The steps of a run, as people and the backend know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
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
        // A receiver that is gone has seen enough.
        let _ = self.0.send(note);
    }
}
