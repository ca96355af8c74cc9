//! How one job is, as far as the two lists tell.

use crate::clients::nomad::types::{AllocationStatus, JobStatus, JobStub, RolloutStatus};

use super::super::condition::{Condition, Numbers, is_batch, was_healthy};
use super::super::text::count;

/// What one look at the lists tells about a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glance {
    pub(super) condition: Condition,
    pub(super) message: String,
    pub(super) ready: u64,
    pub(super) desired: Option<u64>,
}

impl Glance {
    fn new(condition: Condition, message: impl Into<String>) -> Self {
        Self {
            condition,
            message: message.into(),
            ready: 0,
            desired: None,
        }
    }

    pub(super) fn of(stub: &JobStub, status: Option<&JobStatus>) -> Self {
        // A job may vanish, or appear, between the two lists.
        let Some(status) = status else {
            return Self::new(Condition::Progressing, "it changes just now");
        };
        let view = View::new(stub, status);
        let glance = if stub.stop {
            view.stopped()
        } else if stub.periodic || stub.parameterized_job {
            return parent(stub);
        } else if is_batch(&stub.job_type) {
            view.batch()
        } else if stub.job_type == "system" {
            view.system()
        } else {
            view.service()
        };
        let is_per_node = matches!(stub.job_type.as_str(), "system" | "sysbatch");
        Self {
            ready: if is_batch(&stub.job_type) {
                view.complete
            } else {
                view.running
            },
            desired: (!is_per_node).then_some(status.group_count_sum),
            ..glance
        }
    }
}

fn parent(stub: &JobStub) -> Glance {
    let children = stub
        .job_summary
        .as_ref()
        .and_then(|summary| summary.children);
    let children = children.unwrap_or_default();
    let message = match (children.pending + children.running, children.dead) {
        (0, 0) => "no run yet".to_owned(),
        (0, ended) => format!("{} ended", count(ended, "run")),
        (active, ended) => format!("{} active, {ended} ended", count(active, "run")),
    };
    Glance {
        ready: children.running,
        ..Glance::new(Condition::Healthy, message)
    }
}

/// A job in the two lists, with its allocations counted.
struct View<'a> {
    stub: &'a JobStub,
    status: &'a JobStatus,
    /// Of the current version, by state.
    running: u64,
    starting: u64,
    /// Of the starting ones: they were healthy before.
    restarting: u64,
    complete: u64,
    /// Of the current version: failed, and nothing will replace them.
    given_up: u64,
    queued: u64,
}

impl<'a> View<'a> {
    fn new(stub: &'a JobStub, status: &'a JobStatus) -> Self {
        let mut view = Self {
            stub,
            status,
            running: 0,
            starting: 0,
            restarting: 0,
            complete: 0,
            given_up: 0,
            queued: 0,
        };
        for allocation in view.current() {
            match allocation.client_status.as_str() {
                "running" => view.running += 1,
                "pending" => {
                    view.starting += 1;
                    let part = allocation.deployment_status.as_ref();
                    view.restarting += u64::from(was_healthy(part));
                }
                "complete" => view.complete += 1,
                "failed" if allocation.followup_eval_id.is_empty() => view.given_up += 1,
                _ => {}
            }
        }
        let summary = stub.job_summary.as_ref();
        let groups = summary.into_iter().flat_map(|all| all.summary.values());
        view.queued = groups.map(|group| group.queued).sum();
        view
    }

    fn current(&self) -> impl Iterator<Item = &'a AllocationStatus> + use<'a> {
        let version = self.status.version;
        let allocations = self.status.allocs.iter();
        allocations.filter(move |allocation| allocation.job_version == version)
    }

    /// The rollout of the current version.
    fn rollout(&self) -> Option<&'a RolloutStatus> {
        let rollout = self.status.latest_deployment.as_ref()?;
        (rollout.job_version == self.status.version).then_some(rollout)
    }

    fn stopped(&self) -> Glance {
        let left = self
            .status
            .allocs
            .iter()
            .filter(|allocation| matches!(allocation.client_status.as_str(), "running" | "pending"))
            .count() as u64;
        let message = match left {
            0 => String::new(),
            left => format!("{} still to end", count(left, "allocation")),
        };
        Glance::new(Condition::Stopped, message)
    }

    fn service(&self) -> Glance {
        let desired = self.status.group_count_sum;
        let running = || format!("{} of {desired} running", self.running);
        let Some(rollout) = self.rollout() else {
            let condition = if self.running >= desired {
                Condition::Healthy
            } else if self.queued > 0 {
                Condition::Blocked
            } else {
                Condition::Progressing
            };
            return self.told(condition, running());
        };
        match rollout.status.as_str() {
            "successful" => self.after_success(),
            "failed" => failed(rollout),
            "cancelled" => Glance::new(Condition::Progressing, &*rollout.status_description),
            _ => self.rolling(rollout),
        }
    }

    fn after_success(&self) -> Glance {
        let desired = self.status.group_count_sum;
        let numbers = Numbers {
            desired,
            running: self.running,
            starting: self.starting - self.restarting,
            queued: self.queued,
        };
        let condition = numbers.condition();
        let condition = match condition {
            Condition::Degraded | Condition::Blocked if self.given_up > 0 => Condition::Unhealthy,
            other => other,
        };
        self.told(condition, format!("{} of {desired} running", self.running))
    }

    /// With a message where the word does not say all.
    fn told(&self, condition: Condition, message: String) -> Glance {
        match condition {
            Condition::Healthy => Glance::new(condition, ""),
            Condition::Blocked => {
                let queued = count(self.queued, "allocation");
                Glance::new(condition, format!("{message}, no node for {queued}"))
            }
            _ => Glance::new(condition, message),
        }
    }

    fn rolling(&self, rollout: &RolloutStatus) -> Glance {
        let desired = self.status.group_count_sum;
        let has = |allocation: &&AllocationStatus, healthy: bool| {
            let part = allocation.deployment_status.as_ref();
            part.is_some_and(|part| part.healthy == Some(true)) == healthy
        };
        let canaries: Vec<&AllocationStatus> = self
            .current()
            .filter(|allocation| {
                let part = allocation.deployment_status.as_ref();
                part.is_some_and(|part| part.canary)
            })
            .collect();
        let needs_promotion = rollout
            .status_description
            .contains("requires manual promotion");
        if needs_promotion && !canaries.is_empty() && canaries.iter().all(|it| has(it, true)) {
            let text = match canaries.len() {
                1 => "1 canary healthy".to_owned(),
                number => format!("{number} canaries healthy"),
            };
            return Glance::new(Condition::AwaitsPromotion, text);
        }
        let healthy = self.current().filter(|it| has(it, true)).count() as u64;
        let is_starting = self.current().any(|allocation| {
            has(&allocation, false)
                && matches!(allocation.client_status.as_str(), "running" | "pending")
        });
        let message = format!("{healthy} of {desired} healthy");
        if self.queued > 0 && !is_starting {
            return self.told(Condition::Blocked, message);
        }
        let message = match rollout.status.as_str() {
            "paused" => format!("{message}, the rollout is paused"),
            _ => message,
        };
        Glance::new(Condition::Progressing, message)
    }

    fn system(&self) -> Glance {
        match self.rollout() {
            Some(rollout) if rollout.status == "failed" => return failed(rollout),
            Some(rollout) if !matches!(rollout.status.as_str(), "successful" | "cancelled") => {
                let message = format!("{} running", self.running);
                return Glance::new(Condition::Progressing, message);
            }
            _ => {}
        }
        let wanted = self.running + self.starting;
        if wanted == 0 {
            return Glance::new(Condition::Blocked, "it runs on no node");
        }
        let condition = match self.starting {
            0 => Condition::Healthy,
            _ => Condition::Progressing,
        };
        self.told(condition, format!("{} of {wanted} running", self.running))
    }

    fn batch(&self) -> Glance {
        let is_per_node = self.stub.job_type == "sysbatch";
        let known = self.running + self.starting + self.complete;
        let desired = if is_per_node {
            known
        } else {
            self.status.group_count_sum
        };
        let message = format!("{} of {desired} completed", self.complete);
        if self.given_up > 0 {
            let failed = count(self.given_up, "allocation");
            return Glance::new(Condition::Unhealthy, format!("{message}, {failed} failed"));
        }
        let is_collected = self.status.allocs.is_empty() && self.stub.status == "dead";
        if (self.complete >= desired && desired > 0)
            || is_collected
            || (desired == 0 && !is_per_node)
        {
            return Glance::new(Condition::Completed, "");
        }
        if self.queued > 0 && self.running + self.starting == 0 {
            return self.told(Condition::Blocked, message);
        }
        Glance::new(Condition::Progressing, message)
    }
}

fn failed(rollout: &RolloutStatus) -> Glance {
    let text = rollout.status_description.as_str();
    let condition = if text.contains("rolling back to job version") {
        Condition::RolledBack
    } else {
        Condition::Unhealthy
    };
    Glance::new(condition, text)
}
