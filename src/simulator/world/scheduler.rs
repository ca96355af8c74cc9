//! The scheduler: what an evaluation would do. Decides only; [`super::apply`] does it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::alloc::{Alloc, RescheduleEvent};
use super::deployment::{Deployment, GroupRollout};
use super::job::{Job, JobKey};
use super::json::text;
use super::placement::{Ask, Metric, Room};
use super::spec::{self, Constraint, Group};
use super::time::Nanos;

/// An allocation to be placed.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Name.
    pub name: String,
    /// Group.
    pub group: String,
    /// Node.
    pub node_id: String,
    /// As a canary.
    pub canary: bool,
    /// What it replaces.
    pub previous: Option<String>,
    /// Earlier attempts, when it replaces a failed one.
    pub attempts: Vec<RescheduleEvent>,
    /// How the node was found.
    pub metric: Metric,
}

/// An allocation to be stopped.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Id.
    pub id: String,
    /// Nomad's sentence.
    pub description: &'static str,
    /// What becomes of it when its client cannot say.
    pub client_status: Option<&'static str>,
}

/// How many of a group's allocations meet which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Nomad's DesiredTGUpdates")]
pub struct Updates {
    pub ignore: u64,
    pub place: u64,
    pub migrate: u64,
    pub stop: u64,
    pub in_place: u64,
    pub destructive: u64,
    pub canary: u64,
    pub reschedule_now: u64,
    pub reschedule_later: u64,
}

impl Updates {
    fn json(self) -> Value {
        json!({
            "Canary": self.canary, "DestructiveUpdate": self.destructive, "Disconnect": 0,
            "Ignore": self.ignore, "InPlaceUpdate": self.in_place, "Migrate": self.migrate,
            "Place": self.place, "Preemptions": 0, "Reconnect": 0,
            "RescheduleLater": self.reschedule_later, "RescheduleNow": self.reschedule_now, "Stop": self.stop,
        })
    }
}

/// What an evaluation decided.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// New allocations.
    pub place: Vec<Placement>,
    /// Allocations that end.
    pub stop: Vec<Stop>,
    /// Allocations that go over to the new version as they run.
    pub in_place: Vec<String>,
    /// Failed allocations and when they are replaced.
    pub later: Vec<(String, Nanos)>,
    /// A rollout to be made; its ids and indexes are filled in when it is.
    pub deployment: Option<BTreeMap<String, GroupRollout>>,
    /// Rollouts that end: id, status, sentence.
    pub finish: Vec<(String, &'static str, &'static str)>,
    /// The rollout to which placements belong.
    pub current: Option<String>,
    /// Group → numbers.
    pub updates: BTreeMap<String, Updates>,
    /// Group → why allocations could not be placed.
    pub failed: BTreeMap<String, Metric>,
    /// Group → allocations still to be placed.
    pub queued: BTreeMap<String, u64>,
}

impl Decision {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.place.is_empty()
            && self.stop.is_empty()
            && self.in_place.is_empty()
            && self.later.is_empty()
            && self.deployment.is_none()
            && self.finish.is_empty()
    }

    /// `PlanAnnotations`.
    #[must_use]
    pub fn annotations(&self) -> Value {
        let groups: serde_json::Map<_, _> = self
            .updates
            .iter()
            .map(|(name, updates)| (name.clone(), updates.json()))
            .collect();
        json!({"DesiredTGUpdates": groups, "PreemptedAllocs": null})
    }
}

pub(super) const NOT_NEEDED: &str = "alloc not needed due to job update";
pub(super) const UPDATED: &str = "alloc is being updated due to job update";
pub(super) const MIGRATED: &str = "alloc is being migrated";
pub(super) const LOST: &str = "alloc is lost since its node is down";
pub(super) const RESCHEDULED: &str = "alloc was rescheduled because it failed";

/// One run of the scheduler over one job.
pub(super) struct Run<'a> {
    pub(super) world: &'a World,
    pub(super) job: Arc<Job>,
    pub(super) allocs: Vec<&'a Alloc>,
    pub(super) rollout: Option<&'a Deployment>,
    pub(super) room: Room,
    pub(super) datacenters: Vec<String>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) decision: Decision,
    pub(super) new_groups: BTreeMap<String, GroupRollout>,
    pub(super) complete: bool,
}

impl World {
    /// What an evaluation of a job would do now. `proposed` stands in for the stored job.
    #[must_use]
    pub fn decide(&self, key: &JobKey, proposed: Option<Arc<Job>>) -> Decision {
        let job = proposed.or_else(|| self.job(key).cloned());
        let allocs: Vec<&Alloc> = self.allocs_of(key).collect();
        let Some(job) = job.filter(|job| !job.stopped()) else {
            return self.decide_stop(key, &allocs);
        };
        let mut decision = Decision::default();
        let latest = self
            .latest_deployment(key)
            .filter(|deployment| deployment.job_create_index == job.create_index);
        let mut rollout = latest;
        if let Some(deployment) = latest
            && deployment.job_version != job.version
        {
            if deployment.active() {
                decision.finish.push((
                    deployment.id.clone(),
                    "cancelled",
                    "Cancelled due to newer version of job",
                ));
            }
            rollout = None;
        }
        let mut room = Room {
            used: self.usage.clone(),
            mine: BTreeMap::new(),
        };
        for alloc in allocs.iter().filter(|alloc| !alloc.terminal()) {
            *room.mine.entry(alloc.node_id.clone()).or_default() += 1;
        }
        let run = Run {
            world: self,
            datacenters: spec::datacenters(&job.spec),
            constraints: spec::constraints(&job.spec),
            job,
            allocs,
            rollout,
            room,
            decision,
            new_groups: BTreeMap::new(),
            complete: true,
        };
        run.decide()
    }

    fn decide_stop(&self, key: &JobKey, allocs: &[&Alloc]) -> Decision {
        let mut decision = Decision::default();
        for alloc in allocs.iter().filter(|alloc| !alloc.terminal()) {
            decision
                .updates
                .entry(alloc.group.clone())
                .or_default()
                .stop += 1;
            decision.stop.push(Stop {
                id: alloc.id.clone(),
                description: NOT_NEEDED,
                client_status: self.node_lost(alloc).then_some("lost"),
            });
        }
        if let Some(deployment) = self
            .latest_deployment(key)
            .filter(|deployment| deployment.active())
        {
            decision.finish.push((
                deployment.id.clone(),
                "cancelled",
                "Cancelled because job is stopped",
            ));
        }
        decision
    }
}

impl<'a> Run<'a> {
    fn decide(mut self) -> Decision {
        let groups = spec::groups(&self.job.spec);
        let names: BTreeSet<_> = groups.iter().map(|group| group.name.clone()).collect();
        for alloc in self.allocs.clone() {
            if !names.contains(&alloc.group) && !alloc.terminal() {
                self.decision
                    .updates
                    .entry(alloc.group.clone())
                    .or_default()
                    .stop += 1;
                self.stop(alloc, NOT_NEEDED, None);
            }
        }
        for group in &groups {
            if matches!(self.job.kind(), "system" | "sysbatch") {
                self.system_group(group);
            } else {
                self.service_group(group);
            }
        }
        self.finish_rollout();
        self.decision
    }

    fn finish_rollout(&mut self) {
        if !self.new_groups.is_empty() {
            self.decision.deployment = Some(std::mem::take(&mut self.new_groups));
            return;
        }
        let Some(rollout) = self.rollout else { return };
        self.decision.current = Some(rollout.id.clone());
        let done =
            |group: &GroupRollout| group.healthy >= group.desired_total && !group.unpromoted();
        if rollout.status == "running" && self.complete && rollout.groups.values().all(done) {
            self.decision.finish.push((
                rollout.id.clone(),
                "successful",
                "Deployment completed successfully",
            ));
        }
    }

    pub(super) fn stop(
        &mut self,
        alloc: &Alloc,
        description: &'static str,
        status: Option<&'static str>,
    ) {
        if !alloc.client_terminal()
            && let Some(group) = alloc.spec()
        {
            self.room.release(&alloc.node_id, &group);
        }
        self.decision.stop.push(Stop {
            id: alloc.id.clone(),
            description,
            client_status: status,
        });
    }

    pub(super) fn ask<'b>(&'b self, group: &'b Group) -> Ask<'b> {
        Ask {
            datacenters: &self.datacenters,
            pool: text(&self.job.spec, "NodePool"),
            job_constraints: &self.constraints,
            group,
            refused: self.world.scripts.placement_refusal(&self.job, group),
        }
    }

    /// Looks for a node; counts the failure when there is none.
    pub(super) fn place(&mut self, group: &Group, mut placement: Placement) -> bool {
        match self.room.choose(&self.world.nodes, &self.ask(group)) {
            Ok((node, metric)) => {
                self.room.take(&node, group);
                placement.node_id = node;
                placement.metric = metric;
                self.decision.place.push(placement);
                true
            }
            Err(metric) => {
                self.fail(group, metric);
                false
            }
        }
    }

    pub(super) fn fail(&mut self, group: &Group, metric: Metric) {
        *self.decision.queued.entry(group.name.clone()).or_default() += 1;
        self.decision
            .failed
            .entry(group.name.clone())
            .and_modify(|failed| failed.coalesced += 1)
            .or_insert(metric);
    }
}
