//! What one look at the cluster returned, and with which gaps.

use crate::clients::nomad::types::{Allocation, Evaluation, JobRecord, JobStub, Rollout};

/// The answer to one question. A question that got no answer is never taken for "no".
#[derive(Debug, Clone, PartialEq)]
pub enum Seen<T> {
    /// It is there.
    Present(T),
    /// Nomad said that it is not there.
    Absent,
    /// Nobody said anything reliable.
    Unknown(Gap),
}

impl<T> Seen<T> {
    /// What is there, if anything is.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }
}

/// Why a question got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// One line for people: which call failed and how.
    pub reason: String,
}

/// One job as one look found it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The job itself.
    pub job: Seen<JobRecord>,
    /// What goes on around it. Empty when there is no job.
    pub activity: Activity,
    /// An older version that came from the same intent, and what became of it.
    pub attempt: Option<Attempt>,
    /// Children of a periodic or parameterized job; only read to destroy them.
    pub children: Vec<JobStub>,
}

impl Observed {
    /// A look that got no answer.
    #[must_use]
    pub fn unknown(gap: Gap) -> Self {
        Self {
            job: Seen::Unknown(gap),
            activity: Activity::default(),
            attempt: None,
            children: Vec::new(),
        }
    }

    /// A look that found no job.
    #[must_use]
    pub fn absent() -> Self {
        Self {
            job: Seen::Absent,
            activity: Activity::default(),
            attempt: None,
            children: Vec::new(),
        }
    }
}

/// Evaluations, rollout and allocations of a job.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Activity {
    /// Evaluations in no particular order.
    pub evaluations: Vec<Evaluation>,
    /// The latest rollout, of whichever version.
    pub rollout: Option<Rollout>,
    /// All allocations that Nomad still knows, of every version. With their children's when a parent is destroyed.
    pub allocations: Vec<Allocation>,
}

/// What became of an older version that came from the same intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The version.
    pub version: u64,
    /// Its rollout, as long as Nomad keeps it.
    pub rollout: Option<Rollout>,
}
