//! Whether a registered job does what it is there for, judged by its kind (nomad-api.md 3.5).
//!
//! Nomad's verdict counts: the rollout's for `service` and `system`, the allocations' ends for `batch` and `sysbatch`,
//! mere existence for periodic and parameterized jobs, whose children are judged on their own. A job's `status` says next
//! to nothing: `dead` covers success, failure and a stop.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::cause::{Cause, CauseKind, first_cause, running_cause};
use super::observed::Activity;
use crate::clients::nomad::types::{Allocation, Evaluation, JobRecord, Rollout};

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// On its way.
    Progressing(Progress),
    /// Nomad finds no node; it goes on looking for ever.
    Blocked(Cause),
    /// Does what it is there for.
    Healthy,
    /// Nomad gave up, or the work ended in failure.
    Failed(Cause),
    /// Nomad gave up and went back to an older version.
    RolledBack {
        /// Why.
        cause: Cause,
        /// The version it went back to.
        to_version: Option<u64>,
    },
    /// Something newer ended it: another version, or a stop.
    Cancelled(String),
}

/// Numbers of a job on its way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Reads after "while".
    pub waiting_for: String,
    /// Healthy, running or completed allocations.
    pub healthy: u64,
    /// Of so many.
    pub desired: u64,
    /// Trouble that Nomad still tries to get over.
    pub trouble: Option<Cause>,
    /// The canaries are healthy; a person decides what follows.
    pub awaits_promotion: bool,
}

impl fmt::Display for Progress {
    /// `allocations become healthy (1 of 2); so far: exit code 3 …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.waiting_for)?;
        if self.desired > 0 {
            write!(f, " ({} of {})", self.healthy, self.desired)?;
        }
        match &self.trouble {
            Some(trouble) => write!(f, "; so far: {trouble}"),
            None => Ok(()),
        }
    }
}

/// Judges the job as it stands now; `activity` is what goes on around it.
#[must_use]
pub fn judge(job: &JobRecord, activity: &Activity) -> Health {
    let view = View { job, activity };
    if job.head.periodic.is_some() || job.head.parameterized_job.is_some() {
        return Health::Healthy;
    }
    match job.head.job_type.as_str() {
        "batch" | "sysbatch" => view.batch(),
        "system" => view.system(),
        _ => view.service(),
    }
}

/// Judges the end of a rollout that is not the current one.
#[must_use]
pub fn judge_ended(rollout: &Rollout, allocations: &[Allocation]) -> Health {
    let ours: Vec<&Allocation> = allocations
        .iter()
        .filter(|allocation| allocation.job_version == rollout.job_version)
        .collect();
    let cause = first_cause(ours.iter().copied())
        .or_else(|| running_cause(ours.iter().copied(), &rollout.status_description))
        .unwrap_or_else(|| Cause::stuck(rollout.status_description.clone()));
    if rollout.status == "cancelled" {
        return Health::Cancelled(rollout.status_description.clone());
    }
    match rolled_back_to(&rollout.status_description) {
        Some(to_version) => Health::RolledBack {
            cause,
            to_version: Some(to_version),
        },
        None => Health::Failed(cause),
    }
}

/// The version in `… - rolling back to job version 3`.
fn rolled_back_to(description: &str) -> Option<u64> {
    description
        .split_once(" - rolling back to job version ")?
        .1
        .trim()
        .parse()
        .ok()
}

struct View<'a> {
    job: &'a JobRecord,
    activity: &'a Activity,
}

impl<'a> View<'a> {
    /// Group → wanted count.
    fn counts(&self) -> BTreeMap<&'a str, u64> {
        let groups = self.job.spec.get("TaskGroups").and_then(Value::as_array);
        groups
            .into_iter()
            .flatten()
            .filter_map(|group| {
                Some((
                    group.get("Name")?.as_str()?,
                    group.get("Count").and_then(Value::as_u64).unwrap_or(1),
                ))
            })
            .collect()
    }

    /// The rollout of the current specification, if it has one.
    fn rollout(&self) -> Option<&'a Rollout> {
        let head = &self.job.head;
        self.activity.rollout.as_ref().filter(|rollout| {
            rollout.job_spec_modify_index == head.job_modify_index
                && rollout.job_create_index == head.create_index
        })
    }

    /// Allocations of the current version that Nomad wants to run.
    fn wanted(&self) -> impl Iterator<Item = &'a Allocation> {
        let version = self.job.head.version;
        self.activity.allocations.iter().filter(move |allocation| {
            allocation.job_version == version && allocation.desired_status == "run"
        })
    }

    fn current(&self) -> impl Iterator<Item = &'a Allocation> {
        let version = self.job.head.version;
        self.activity
            .allocations
            .iter()
            .filter(move |allocation| allocation.job_version == version)
    }

    /// Evaluations of the current specification, newest first.
    fn evaluations(&self) -> Vec<&'a Evaluation> {
        let index = self.job.head.job_modify_index;
        let mut found: Vec<&Evaluation> = self
            .activity
            .evaluations
            .iter()
            .filter(|evaluation| evaluation.job_modify_index >= index)
            .collect();
        found.sort_by_key(|evaluation| std::cmp::Reverse(evaluation.create_index));
        found
    }

    fn is_undecided(&self) -> bool {
        self.evaluations()
            .iter()
            .any(|evaluation| evaluation.status == "pending")
    }

    /// Nomad may be about to replace an allocation that failed. An evaluation that waits for the time of a later try says
    /// nothing: the allocation it is for names it.
    fn may_replace(&self) -> bool {
        self.evaluations().iter().any(|evaluation| {
            evaluation.status == "pending" && evaluation.triggered_by != "alloc-reschedule"
        })
    }

    /// Why allocations are still missing, when Nomad has looked and found no node.
    fn placement_failure(&self) -> Option<Cause> {
        let evaluations = self.evaluations();
        // The newest evaluation that ended says how it is now; a blocked one only waits.
        let newest = evaluations
            .iter()
            .find(|evaluation| evaluation.status == "complete")?;
        Cause::placement(&newest.failed_tg_allocs)
    }

    fn progressing(&self, waiting_for: &str, healthy: u64, desired: u64) -> Health {
        Health::Progressing(Progress {
            waiting_for: waiting_for.to_owned(),
            healthy,
            desired,
            trouble: first_cause(self.current()),
            awaits_promotion: false,
        })
    }

    fn failed(&self, fallback: &str) -> Health {
        Health::Failed(first_cause(self.current()).unwrap_or_else(|| Cause::stuck(fallback)))
    }

    fn running(&self) -> u64 {
        self.wanted()
            .filter(|allocation| allocation.client_status == "running")
            .count() as u64
    }

    fn service(&self) -> Health {
        let desired: u64 = self.counts().values().sum();
        let Some(rollout) = self.rollout() else {
            return self.service_without_rollout(desired);
        };
        let healthy: u64 = rollout
            .task_groups
            .values()
            .map(|group| group.healthy_allocs)
            .sum();
        match rollout.status.as_str() {
            "successful" => self.after_success(desired),
            "failed" | "cancelled" => judge_ended(rollout, &self.activity.allocations),
            _ => self.rolling(rollout, healthy, desired),
        }
    }

    /// Nomad's verdict stands while it keeps the allocations running: also one that it is about to replace.
    fn after_success(&self, desired: u64) -> Health {
        let given_up = self
            .wanted()
            .any(|allocation| allocation.client_status == "failed" && !is_replaced(allocation));
        if !given_up || self.running() >= desired {
            return Health::Healthy;
        }
        if self.may_replace() {
            return self.progressing("Nomad replaces failed allocations", self.running(), desired);
        }
        self.failed("an allocation failed and is not replaced")
    }

    fn rolling(&self, rollout: &Rollout, healthy: u64, desired: u64) -> Health {
        let is_placed = rollout
            .task_groups
            .values()
            .all(|group| group.placed_allocs >= group.desired_total.min(1));
        if let Some(cause) = self.placement_failure().filter(|_| healthy < desired)
            && !self.is_undecided()
        {
            let has_placed = rollout
                .task_groups
                .values()
                .any(|group| group.placed_allocs > group.healthy_allocs);
            // While others of this version are still starting, their health is the news, not the missing room.
            if !is_placed || !has_placed {
                return Health::Blocked(cause);
            }
        }
        let waits_for_promotion = rollout
            .status_description
            .contains("requires manual promotion")
            && rollout.task_groups.values().all(|group| {
                group.desired_canaries == 0 || group.healthy_allocs >= group.desired_canaries
            });
        if waits_for_promotion {
            return Health::Progressing(Progress {
                waiting_for: format!(
                    "somebody promotes the healthy canaries (cs promote {})",
                    rollout.job_id
                ),
                healthy,
                desired,
                trouble: first_cause(self.current()),
                awaits_promotion: true,
            });
        }
        let text = if rollout.status == "paused" {
            "the rollout is paused"
        } else {
            "allocations become healthy"
        };
        self.progressing(text, healthy, desired)
    }

    /// Jobs with `max_parallel = 0`, of count 0, or whose rollout has been garbage-collected.
    fn service_without_rollout(&self, desired: u64) -> Health {
        let newest = self.evaluations().first().copied();
        if self.is_undecided()
            || newest.is_some_and(|evaluation| !evaluation.deployment_id.is_empty())
        {
            return self.progressing("Nomad places the allocations", 0, desired);
        }
        if desired == 0 {
            return Health::Healthy;
        }
        let running = self.running();
        if running >= desired {
            return Health::Healthy;
        }
        match self.placement_failure() {
            Some(cause) => Health::Blocked(cause),
            None => self.progressing("allocations start", running, desired),
        }
    }

    fn system(&self) -> Health {
        let running = self.running();
        let wanted = self.wanted().count() as u64;
        if let Some(rollout) = self.rollout() {
            match rollout.status.as_str() {
                "failed" | "cancelled" => return judge_ended(rollout, &self.activity.allocations),
                // With no feasible node Nomad calls a rollout of nothing successful (trap 19).
                "successful" if running > 0 && running >= wanted => return Health::Healthy,
                "successful" => {}
                _ => return self.progressing("it runs on every feasible node", running, wanted),
            }
        }
        if self.is_undecided() {
            return self.progressing("Nomad places the allocations", running, wanted);
        }
        if wanted == 0 {
            return match self.placement_failure() {
                Some(cause) => Health::Blocked(cause),
                None => self.progressing("a feasible node appears", 0, 1),
            };
        }
        if running >= wanted {
            Health::Healthy
        } else {
            self.progressing("it runs on every feasible node", running, wanted)
        }
    }

    fn batch(&self) -> Health {
        // One allocation name may have had several tries; the newest counts.
        let mut newest: BTreeMap<(&str, &str), &Allocation> = BTreeMap::new();
        let per_node = self.job.head.job_type == "sysbatch";
        for allocation in self.current() {
            let node = if per_node {
                allocation.node_id.as_str()
            } else {
                ""
            };
            let entry = newest
                .entry((allocation.name.as_str(), node))
                .or_insert(allocation);
            if entry.create_index < allocation.create_index {
                *entry = allocation;
            }
        }
        let tries: Vec<&Allocation> = newest.into_values().collect();
        let ended = tries.iter().find(|allocation| ended_badly(allocation));
        if let Some(ended) = ended.filter(|_| !self.may_replace()) {
            return Health::Failed(batch_cause(ended));
        }
        let done = tries
            .iter()
            .filter(|allocation| ended_well(allocation))
            .count() as u64;
        let desired = if per_node {
            tries.len() as u64
        } else {
            self.counts().values().sum()
        };
        if self.is_undecided() {
            return self.progressing("Nomad places the allocations", done, desired);
        }
        if done < desired
            && tries.len() as u64 == done
            && let Some(cause) = self.placement_failure()
        {
            return Health::Blocked(cause);
        }
        let collected = tries.is_empty()
            && self.activity.evaluations.is_empty()
            && self.job.head.status == "dead";
        if self.job.head.stop {
            return self.failed("the job was stopped before it completed");
        }
        if (done >= desired && desired > 0) || collected || (desired == 0 && !per_node) {
            return Health::Healthy;
        }
        self.progressing("allocations complete", done, desired)
    }
}

fn ended_well(allocation: &Allocation) -> bool {
    allocation.client_status == "complete"
        && allocation.desired_status == "run"
        && !exceeded_duration(allocation)
        && allocation.task_states.values().all(|state| !state.failed)
}

fn exceeded_duration(allocation: &Allocation) -> bool {
    allocation.client_description.contains("max_run_duration")
}

/// Nomad has placed another one in its stead, or will.
fn is_replaced(allocation: &Allocation) -> bool {
    !allocation.next_allocation.is_empty() || !allocation.followup_eval_id.is_empty()
}

/// Ended, and nothing will replace it.
fn ended_badly(allocation: &Allocation) -> bool {
    match allocation.client_status.as_str() {
        "failed" => !is_replaced(allocation),
        "complete" => !ended_well(allocation),
        _ => false,
    }
}

fn batch_cause(allocation: &Allocation) -> Cause {
    if exceeded_duration(allocation) {
        return Cause {
            kind: CauseKind::Stuck,
            text: allocation.client_description.clone(),
            at: None,
        };
    }
    first_cause([allocation]).unwrap_or_else(|| {
        Cause::stuck(match allocation.desired_status.as_str() {
            "run" => "the allocation failed".to_owned(),
            _ => format!(
                "the allocation was stopped before it completed: {}",
                allocation.desired_description
            ),
        })
    })
}

#[cfg(test)]
mod tests;
