//! Why a job is as it is: from its specification over evaluation and placement to the events, the log and the checks of
//! the allocation at fault.
//!
//! [`diagnose`] finds the first cause among what four calls return; it also says where to look closer ([`Diagnosis::at`]).
//! [`story`] then tells everything in the order in which Nomad works, so that the first step with a cross is the first
//! cause, and ends with the commands that would help.

mod hints;
mod steps;
mod task;

use std::fmt;

use crate::clients::nomad::calls::cluster::Node;
use crate::clients::nomad::types::{Allocation, CheckStatus, JobRecord, JobStub, Rollout};
use crate::reconcile::cause::{self, TaskRef};
use crate::reconcile::health::{judge, judge_ended};
use crate::reconcile::observed::Activity;
use crate::reconcile::{Cause, Health};

use super::condition::{self, Condition, Numbers, is_batch, wanted};
use super::text::{Nanos, count};

pub use hints::{Hint, shell_word};
pub use steps::{Mark, Step};

/// What is known about a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The job.
    pub job: JobRecord,
    /// Evaluations, latest rollout, allocations.
    pub activity: Activity,
    /// All rollouts of this incarnation.
    pub rollouts: Vec<Rollout>,
    /// Versions, newest first.
    pub versions: Vec<JobRecord>,
    /// Runs of a periodic or parameterized job.
    pub children: Vec<JobStub>,
}

/// What a closer look at the place of the first cause found. Empty where nothing was asked or answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Closeup {
    /// Last log lines of the task.
    pub log: Vec<String>,
    /// Checks of the allocation, as far as Nomad itself makes them.
    pub checks: Vec<CheckStatus>,
    /// The node of the allocation.
    pub node: Option<Node>,
}

/// How a job is, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// In one word.
    pub condition: Condition,
    /// Nomad's verdict.
    pub health: Health,
    /// First cause of trouble.
    pub cause: Option<Cause>,
    /// An older version that Nomad went back from, although what runs now is well.
    pub rolled_back: Option<RolledBack>,
}

/// A version that Nomad gave up.
#[derive(Debug, Clone, PartialEq)]
pub struct RolledBack {
    /// The version that failed.
    pub version: u64,
    /// The version whose specification runs again.
    pub to_version: Option<u64>,
    /// Why it failed.
    pub cause: Cause,
}

impl Diagnosis {
    /// The task to look at more closely.
    #[must_use]
    pub fn at(&self) -> Option<&TaskRef> {
        self.first_cause()?.at.as_ref()
    }

    /// The cause of present trouble, else that of the version before.
    #[must_use]
    pub fn first_cause(&self) -> Option<&Cause> {
        let before = self.rolled_back.as_ref().map(|before| &before.cause);
        self.cause.as_ref().or(before)
    }
}

/// The allocation to ask more about: that of the first cause; else one that has not come far; else, for the sake of its
/// checks, one that runs.
#[must_use]
pub fn look_closer_at<'a>(evidence: &'a Evidence, diagnosis: &Diagnosis) -> Option<&'a Allocation> {
    task::at_fault(evidence, diagnosis).or_else(|| {
        let version = evidence.job.head.version;
        let running = evidence.activity.allocations.iter().filter(|allocation| {
            allocation.job_version == version && allocation.client_status == "running"
        });
        running.max_by_key(|allocation| allocation.create_index)
    })
}

/// Finds the first cause.
#[must_use]
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let Evidence { job, activity, .. } = evidence;
    let health = judge(job, activity);
    let condition = Condition::of(job, &health, activity);
    let cause = match condition {
        Condition::Healthy | Condition::Completed | Condition::Stopped => None,
        // Its rollout went well; what happened since stands in the allocations and in the newest evaluation.
        _ if health == Health::Healthy => later_cause(job, activity),
        _ => condition::cause(&health).cloned(),
    };
    Diagnosis {
        condition,
        cause,
        rolled_back: rolled_back(evidence),
        health,
    }
}

/// What became of a service after its rollout had gone well.
fn later_cause(job: &JobRecord, activity: &Activity) -> Option<Cause> {
    let newest = activity
        .evaluations
        .iter()
        .filter(|evaluation| evaluation.status == "complete")
        .max_by_key(|evaluation| evaluation.create_index);
    let placement = newest.and_then(|evaluation| Cause::placement(&evaluation.failed_tg_allocs));
    placement.or_else(|| {
        let current = activity.allocations.iter().filter(|allocation| {
            allocation.job_version == job.head.version && allocation.client_status != "running"
        });
        cause::first_cause(current)
    })
}

/// The version just before the current one, when Nomad went back from it by itself.
fn rolled_back(evidence: &Evidence) -> Option<RolledBack> {
    let head = &evidence.job.head;
    let before = evidence.rollouts.iter().find(|rollout| {
        rollout.job_version + 1 == head.version && rollout.job_create_index == head.create_index
    })?;
    match judge_ended(before, &evidence.activity.allocations) {
        Health::RolledBack { cause, to_version } => Some(RolledBack {
            version: before.job_version,
            to_version,
            cause,
        }),
        _ => None,
    }
}

/// Why a job is as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// Which job.
    pub job: String,
    /// In one word.
    pub condition: Condition,
    /// In one line.
    pub headline: String,
    /// First cause, where there is trouble.
    pub cause: Option<Cause>,
    /// In the order in which Nomad works.
    pub steps: Vec<Step>,
    /// What would help.
    pub hints: Vec<Hint>,
    /// The last run of a periodic or parameterized job.
    pub child: Option<Box<Self>>,
}

/// Tells the story of a job. `namespace` is named in the hints when commands need it.
#[must_use]
pub fn story(
    evidence: &Evidence,
    diagnosis: &Diagnosis,
    closeup: &Closeup,
    namespace: Option<&str>,
    now: Nanos,
) -> Story {
    let view = View {
        evidence,
        diagnosis,
        closeup,
        now,
    };
    Story {
        job: evidence.job.head.id.clone(),
        condition: diagnosis.condition,
        headline: view.headline(),
        cause: diagnosis.first_cause().cloned(),
        steps: steps::steps(&view),
        hints: hints::hints(&view, namespace),
        child: None,
    }
}

struct View<'a> {
    evidence: &'a Evidence,
    diagnosis: &'a Diagnosis,
    closeup: &'a Closeup,
    now: Nanos,
}

impl View<'_> {
    fn is_parent(&self) -> bool {
        let head = &self.evidence.job.head;
        head.periodic.is_some() || head.parameterized_job.is_some()
    }

    fn headline(&self) -> String {
        let head = &self.evidence.job.head;
        let id = &head.id;
        let because = |fallback: &str| match &self.diagnosis.cause {
            Some(cause) => cause.to_string(),
            None => fallback.to_owned(),
        };
        match self.diagnosis.condition {
            Condition::Healthy if self.is_parent() => {
                let children = self.evidence.children.len() as u64;
                format!(
                    "{id} waits for its next run; Nomad knows {}",
                    count(children, "run")
                )
            }
            Condition::Healthy => match &self.diagnosis.rolled_back {
                Some(before) => format!("{id} runs, but {before}"),
                None => format!("nothing is wrong: {id} is healthy, {}", self.running()),
            },
            Condition::Completed => {
                format!("nothing is wrong: {id} has completed, {}", self.completed())
            }
            Condition::Stopped => format!("{id} is stopped: somebody wanted it so"),
            Condition::AwaitsPromotion => {
                format!("{id} waits for a person: its canaries are healthy and want to be promoted")
            }
            Condition::Degraded => format!(
                "{id} is degraded, {}: {}",
                self.running(),
                because("its other allocations ended and were not replaced")
            ),
            Condition::Blocked => self.blocked(),
            Condition::Unhealthy => {
                format!("{id} is not healthy: {}", because("its rollout failed"))
            }
            Condition::RolledBack => {
                format!("{id} is rolled back: {}", because("its rollout failed"))
            }
            Condition::Progressing => match &self.diagnosis.health {
                Health::Progressing(progress) => {
                    format!("{id} is on its way: waiting until {progress}")
                }
                Health::Cancelled(text) => format!("{id} is on its way: {text}"),
                _ => format!("{id} is on its way: {}", self.running()),
            },
            Condition::Missing => format!("{id} is gone"),
        }
    }

    fn blocked(&self) -> String {
        let id = &self.evidence.job.head.id;
        let groups = steps::unplaced(self).unwrap_or_default();
        let reasons: Vec<String> = groups
            .iter()
            .map(|group| format!("group {}: {}", group.group, group.reasons.join(", ")))
            .collect();
        match reasons.as_slice() {
            [] => format!("{id} cannot be placed: no node fits"),
            reasons => format!("{id} cannot be placed: {}", reasons.join("; ")),
        }
    }

    fn running(&self) -> String {
        let Evidence { job, activity, .. } = self.evidence;
        let numbers = Numbers::of(job, activity);
        match job.head.job_type.as_str() {
            "system" => format!("{} running", count(numbers.running, "allocation")),
            _ => format!(
                "{} of {} running",
                numbers.running,
                count(wanted(job), "allocation")
            ),
        }
    }

    fn completed(&self) -> String {
        let Evidence { job, activity, .. } = self.evidence;
        if activity.allocations.is_empty() {
            return "and Nomad has forgotten its allocations".to_owned();
        }
        let version = job.head.version;
        let done = activity.allocations.iter().filter(|allocation| {
            allocation.job_version == version && allocation.client_status == "complete"
        });
        format!("{} ended well", count(done.count() as u64, "allocation"))
    }

    fn is_batch(&self) -> bool {
        is_batch(&self.evidence.job.head.job_type)
    }
}

impl fmt::Display for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} was rolled back", self.version)?;
        if let Some(to_version) = self.to_version {
            write!(f, " to version {to_version}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

#[cfg(test)]
mod tests;
