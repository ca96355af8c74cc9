//! One word for how a job is.
//!
//! [`judge`](crate::reconcile::judge) says whether a rollout did what it was there for, which ends a deployment. A person
//! who looks at a fleet asks something else: does it run now? So a service whose rollout succeeded once, but of which
//! fewer allocations run than are wanted, is healthy to the one and [`Condition::Degraded`] to the other.

use crate::clients::nomad::types::{AllocationHealth, JobRecord};
use crate::reconcile::observed::Activity;
use crate::reconcile::{Cause, Health};

use super::promotion::awaits_promotion;

/// How a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Does what it is there for.
    Healthy,
    /// A batch job that ended well.
    Completed,
    /// On its way.
    Progressing,
    /// Its canaries are healthy and wait for a person.
    AwaitsPromotion,
    /// Runs, but with fewer allocations than wanted.
    Degraded,
    /// Nomad finds no node for all of it.
    Blocked,
    /// Nomad gave up, or the work ended in failure.
    Unhealthy,
    /// Nomad gave up and is going back to an older version.
    RolledBack,
    /// Somebody stopped it.
    Stopped,
    /// `cs` wrote it once, and it is gone.
    Missing,
}

impl Condition {
    /// The word that tables and reports carry.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Completed => "completed",
            Self::Progressing => "progressing",
            Self::AwaitsPromotion => "awaits-promotion",
            Self::Degraded => "degraded",
            Self::Blocked => "blocked",
            Self::Unhealthy => "unhealthy",
            Self::RolledBack => "rolled-back",
            Self::Stopped => "stopped",
            Self::Missing => "missing",
        }
    }

    /// Somebody should look at it. What is on its way, or waits for a decision, is no trouble.
    #[must_use]
    pub const fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::Degraded | Self::Blocked | Self::Unhealthy | Self::RolledBack | Self::Missing
        )
    }

    /// Nothing is going on and nobody has to decide: it stays so.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Progressing | Self::AwaitsPromotion)
    }

    /// The condition of a job that was looked at closely.
    #[must_use]
    pub fn of(job: &JobRecord, health: &Health, activity: &Activity) -> Self {
        if job.head.stop {
            return Self::Stopped;
        }
        let is_parent = job.head.periodic.is_some() || job.head.parameterized_job.is_some();
        match health {
            Health::Healthy if is_parent => Self::Healthy,
            Health::Healthy if is_batch(&job.head.job_type) => Self::Completed,
            Health::Healthy if job.head.job_type == "service" => {
                Numbers::of(job, activity).condition()
            }
            Health::Healthy => Self::Healthy,
            Health::Progressing(_) if activity.rollout.as_ref().is_some_and(awaits_promotion) => {
                Self::AwaitsPromotion
            }
            Health::Progressing(_) | Health::Cancelled(_) => Self::Progressing,
            Health::Blocked(_) => Self::Blocked,
            Health::Failed(_) => Self::Unhealthy,
            Health::RolledBack { .. } => Self::RolledBack,
        }
    }
}

/// Whether jobs of a type end by themselves.
#[must_use]
pub fn is_batch(job_type: &str) -> bool {
    matches!(job_type, "batch" | "sysbatch")
}

/// How many allocations of the current version of a service there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// Wanted.
    pub desired: u64,
    /// Running.
    pub running: u64,
    /// Placed and not running yet. One that was healthy before does not count: its tasks have ended and are restarted.
    pub starting: u64,
    /// Not placed.
    pub queued: u64,
}

impl Numbers {
    /// Counts the allocations of the current version.
    #[must_use]
    pub fn of(job: &JobRecord, activity: &Activity) -> Self {
        let current = activity.allocations.iter().filter(|allocation| {
            allocation.job_version == job.head.version && allocation.desired_status == "run"
        });
        let mut numbers = Self {
            desired: wanted(job),
            queued: queued(activity),
            ..Self::default()
        };
        for allocation in current {
            match allocation.client_status.as_str() {
                "running" => numbers.running += 1,
                "pending" if !was_healthy(allocation.deployment_status.as_ref()) => {
                    numbers.starting += 1;
                }
                _ => {}
            }
        }
        numbers
    }

    /// The condition of a service whose rollout is over and went well.
    #[must_use]
    pub const fn condition(self) -> Condition {
        if self.running >= self.desired {
            Condition::Healthy
        } else if self.running + self.starting >= self.desired {
            Condition::Progressing
        } else if self.queued > 0 {
            Condition::Blocked
        } else {
            Condition::Degraded
        }
    }
}

/// An allocation that is not running and was healthy before is no new one.
#[must_use]
pub fn was_healthy(part: Option<&AllocationHealth>) -> bool {
    part.is_some_and(|part| part.healthy == Some(true))
}

/// Sum of the counts of a job's groups.
#[must_use]
pub fn wanted(job: &JobRecord) -> u64 {
    let groups = job.spec.get("TaskGroups").and_then(|list| list.as_array());
    let count = |group: &serde_json::Value| group.get("Count").and_then(serde_json::Value::as_u64);
    groups
        .into_iter()
        .flatten()
        .map(|group| count(group).unwrap_or(1))
        .sum()
}

/// Allocations that the newest evaluation could not place.
fn queued(activity: &Activity) -> u64 {
    let newest = activity
        .evaluations
        .iter()
        .filter(|evaluation| evaluation.status == "complete")
        .max_by_key(|evaluation| evaluation.create_index);
    newest.map_or(0, |evaluation| {
        let queued = evaluation.queued_allocations.values();
        queued
            .filter_map(|number| u64::try_from(*number).ok())
            .sum()
    })
}

/// The cause that a health names.
#[must_use]
pub const fn cause(health: &Health) -> Option<&Cause> {
    match health {
        Health::Blocked(cause) | Health::Failed(cause) | Health::RolledBack { cause, .. } => {
            Some(cause)
        }
        Health::Progressing(progress) => progress.trouble.as_ref(),
        Health::Healthy | Health::Cancelled(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_lost_allocations_is_not_called_healthy() {
        let numbers = |running, starting, queued| {
            let desired = 2;
            Numbers {
                desired,
                running,
                starting,
                queued,
            }
            .condition()
        };
        assert_eq!(numbers(2, 0, 0), Condition::Healthy);
        assert_eq!(numbers(3, 0, 0), Condition::Healthy);
        assert_eq!(numbers(1, 1, 0), Condition::Progressing);
        assert_eq!(numbers(1, 0, 1), Condition::Blocked);
        assert_eq!(numbers(1, 0, 0), Condition::Degraded);
    }
}
