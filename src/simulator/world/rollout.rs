//! What moves a rollout: placements, health, deadlines, and the people who pause, promote or fail it.

use std::sync::Arc;

use super::World;
use super::health::set_health;
use super::job::Job;
use super::refusal::{Refusal, multierror};
use super::tables::{Table, Tx};
use super::timers::Due;

const UNHEALTHY: &str = "Failed due to unhealthy allocations";
const DEADLINE: &str = "Failed due to progress deadline";
const BY_USER: &str = "Deployment marked as failed";

impl World {
    pub(super) fn set_deployment_status(
        &mut self,
        tx: &mut Tx,
        id: &str,
        status: &'static str,
        description: &str,
    ) {
        let now = self.now;
        let Some(deployment) = self.deployments.get_mut(id) else {
            return;
        };
        deployment.status = status;
        description.clone_into(&mut deployment.description);
        deployment.modify_index = tx.index;
        deployment.modify_time = now;
        let deployment = deployment.clone();
        self.touch(Table::Deployments, tx);
        self.emit_deployment(tx, &deployment);
        if status == "successful" {
            self.mark_stable(tx, &deployment.key, deployment.job_version, true);
        }
    }

    fn mark_stable(&mut self, tx: &mut Tx, key: &super::job::JobKey, version: u64, stable: bool) {
        if self.job(key).is_some_and(|job| job.version == version) {
            self.change_job(tx, key, |job| job.stable = stable);
            return;
        }
        let index = tx.index;
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        for old in &mut entry.versions {
            if old.version == version {
                let mut job = (**old).clone();
                job.stable = stable;
                job.modify_index = index;
                *old = Arc::new(job);
            }
        }
    }

    /// An allocation was placed, or taken over, by a rollout.
    pub(super) fn note_placed(&mut self, tx: &mut Tx, rollout: &str, alloc: &str) {
        let Some(found) = self.allocs.get(alloc) else {
            return;
        };
        let (group, canary) = (found.group.clone(), found.is_canary());
        let now = self.now;
        let Some(deployment) = self.deployments.get_mut(rollout) else {
            return;
        };
        deployment.modify_index = tx.index;
        let Some(numbers) = deployment.groups.get_mut(&group) else {
            return;
        };
        numbers.placed += 1;
        if canary {
            numbers.canaries.push(alloc.to_owned());
        }
        if numbers.require_progress_by == 0 && numbers.progress_deadline > 0 {
            numbers.require_progress_by = now + numbers.progress_deadline;
            let at = numbers.require_progress_by;
            self.timers
                .add(at, Due::ProgressDeadline(rollout.to_owned()));
        }
        self.touch(Table::Deployments, tx);
    }

    /// The server has learnt whether an allocation is well.
    pub(super) fn note_health(&mut self, tx: &mut Tx, rollout: &str, group: &str, healthy: bool) {
        let now = self.now;
        let Some(deployment) = self.deployments.get_mut(rollout) else {
            return;
        };
        let Some(numbers) = deployment.groups.get_mut(group) else {
            return;
        };
        deployment.modify_index = tx.index;
        deployment.modify_time = now;
        if healthy {
            numbers.healthy += 1;
            if numbers.progress_deadline > 0 {
                numbers.require_progress_by = now + numbers.progress_deadline;
                let at = numbers.require_progress_by;
                self.timers
                    .add(at, Due::ProgressDeadline(rollout.to_owned()));
            }
        } else {
            numbers.unhealthy += 1;
        }
        let deployment = deployment.clone();
        self.touch(Table::Deployments, tx);
        self.emit_deployment(tx, &deployment);
    }

    /// After a report: fail, promote, or look at it a second later.
    pub(super) fn act_on_health(&mut self, alloc: &str) {
        let Some(found) = self.allocs.get(alloc) else {
            return;
        };
        let (rollout, healthy) = (found.deployment_id.clone(), found.healthy());
        let Some(healthy) = healthy else { return };
        if !self
            .deployments
            .get(&rollout)
            .is_some_and(|deployment| deployment.active())
        {
            return;
        }
        if !healthy && self.beyond_hope(alloc) {
            self.fail_deployment(&rollout, UNHEALTHY);
            return;
        }
        self.look_later(&rollout);
    }

    fn look_later(&mut self, rollout: &str) {
        let Some(deployment) = self.deployments.get_mut(rollout) else {
            return;
        };
        if !deployment.eval_due {
            deployment.eval_due = true;
            self.after(self.timing.batch, Due::Progress(rollout.to_owned()));
        }
    }

    /// Whether an unhealthy allocation cannot be replaced any more.
    fn beyond_hope(&self, id: &str) -> bool {
        let Some(alloc) = self.allocs.get(id) else {
            return false;
        };
        let Some(group) = alloc.spec() else {
            return false;
        };
        if group
            .update
            .as_ref()
            .is_some_and(|update| update.progress_deadline == 0)
        {
            return true;
        }
        match &group.reschedule {
            Some(policy) => !self.may_reschedule(alloc, policy),
            None => false,
        }
    }

    pub(super) fn may_reschedule(
        &self,
        alloc: &super::Alloc,
        policy: &super::spec::Reschedule,
    ) -> bool {
        if policy.unlimited {
            return true;
        }
        let since = self.now - policy.interval;
        let done = alloc
            .attempts
            .iter()
            .filter(|attempt| attempt.time > since)
            .count() as u64;
        policy.enabled() && done < policy.attempts
    }

    pub(super) fn rollout_progress(&mut self, id: &str) {
        let Some(deployment) = self.deployments.get_mut(id) else {
            return;
        };
        deployment.eval_due = false;
        if !deployment.active() {
            return;
        }
        let key = deployment.key.clone();
        if deployment.status == "running" && self.promotes_itself(id) {
            let groups = self.canary_groups(id);
            let _ = self.promote(id, &groups);
            return;
        }
        self.raise_eval(&key, "deployment-watcher");
    }

    fn canary_groups(&self, id: &str) -> Vec<String> {
        self.deployments
            .get(id)
            .into_iter()
            .flat_map(|deployment| &deployment.groups)
            .filter(|(_, group)| group.unpromoted())
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn promotes_itself(&self, id: &str) -> bool {
        let Some(deployment) = self.deployments.get(id) else {
            return false;
        };
        let mut waiting = deployment
            .groups
            .iter()
            .filter(|(_, group)| group.unpromoted())
            .peekable();
        waiting.peek().is_some()
            && waiting.all(|(name, group)| {
                group.auto_promote && self.healthy_canaries(id, name) >= group.desired_canaries
            })
    }

    fn healthy_canaries(&self, id: &str, group: &str) -> u64 {
        let Some(numbers) = self
            .deployments
            .get(id)
            .and_then(|deployment| deployment.groups.get(group))
        else {
            return 0;
        };
        let healthy = |id: &&String| {
            self.allocs
                .get(*id)
                .is_some_and(|alloc| alloc.healthy() == Some(true) && !alloc.terminal())
        };
        numbers.canaries.iter().filter(healthy).count() as u64
    }

    pub(super) fn progress_deadline(&mut self, id: &str) {
        let Some(deployment) = self.deployments.get(id) else {
            return;
        };
        if deployment.status != "running" {
            return;
        }
        let late = deployment.groups.iter().any(|(name, group)| {
            let waits =
                group.unpromoted() && self.healthy_canaries(id, name) >= group.desired_canaries;
            group.require_progress_by > 0
                && group.require_progress_by <= self.now
                && group.healthy < group.desired_total
                && !waits
        });
        if late {
            self.fail_deployment(id, DEADLINE);
        }
    }

    /// Fails a rollout; goes back to the latest stable version when a group wants that.
    fn fail_deployment(&mut self, id: &str, reason: &str) -> Option<(String, u64, Option<u64>)> {
        let deployment = self.deployments.get(id)?.clone();
        let reverts = deployment.groups.values().any(|group| group.auto_revert);
        let stable = if reverts {
            self.stable_version(&deployment.key, deployment.job_version)
        } else {
            None
        };
        let current = self.job(&deployment.key).cloned();
        let mut description = reason.to_owned();
        let mut back = None;
        if reverts {
            match (&stable, &current) {
                (Some(stable), Some(current)) if stable.spec == current.spec => description.push_str(&format!(
                    " - not rolling back to stable job version {} as current job has same specification",
                    stable.version
                )),
                (Some(stable), Some(_)) => {
                    description.push_str(&format!(" - rolling back to job version {}", stable.version));
                    back = Some(stable.clone());
                }
                _ => description.push_str(" - no stable job version to auto revert to"),
            }
        }
        let mut tx = self.begin("DeploymentStatusUpdate");
        let index = tx.index;
        self.set_deployment_status(&mut tx, id, "failed", &description);
        let reverted = back.as_ref().map(|job| job.version);
        if let Some(stable) = back {
            self.new_version(&mut tx, &deployment.key, stable.spec.clone(), None);
        }
        let eval = self.add_eval(&mut tx, &deployment.key, "deployment-watcher", 0);
        self.refresh_job(&mut tx, &deployment.key);
        self.commit(tx);
        Some((eval, index, reverted))
    }

    fn stable_version(&self, key: &super::job::JobKey, below: u64) -> Option<Arc<Job>> {
        self.jobs
            .get(key)?
            .versions
            .iter()
            .find(|job| job.stable && job.version < below)
            .cloned()
    }

    fn active_deployment(&self, id: &str, verb: &str) -> Result<(), Refusal> {
        match self.deployments.get(id) {
            None => Err(Refusal::server("deployment not found")),
            Some(deployment) if !deployment.active() => {
                Err(Refusal::server(format!("can't {verb} terminal deployment")))
            }
            Some(_) => Ok(()),
        }
    }

    /// `PUT /deployment/fail/:id`: evaluation, index and the version it went back to.
    ///
    /// # Errors
    /// Unknown or ended.
    pub fn fail(&mut self, id: &str) -> Result<(String, u64, Option<u64>), Refusal> {
        self.active_deployment(id, "fail")?;
        self.fail_deployment(id, BY_USER)
            .ok_or_else(|| Refusal::server("deployment not found"))
    }

    /// `PUT /deployment/pause/:id`: the evaluation (none when pausing) and the index.
    ///
    /// # Errors
    /// Unknown or ended.
    pub fn pause(&mut self, id: &str, pause: bool) -> Result<(String, u64), Refusal> {
        self.active_deployment(id, if pause { "pause" } else { "resume" })?;
        let mut tx = self.begin("DeploymentStatusUpdate");
        let index = tx.index;
        let running = self
            .deployments
            .get(id)
            .map_or("", |deployment| deployment.running_description());
        let (status, description) = if pause {
            ("paused", "Deployment is paused")
        } else {
            ("running", running)
        };
        self.set_deployment_status(&mut tx, id, status, description);
        let key = self
            .deployments
            .get(id)
            .map(|deployment| deployment.key.clone());
        let eval = match key {
            Some(key) if !pause => self.add_eval(&mut tx, &key, "deployment-watcher", 0),
            _ => String::new(),
        };
        self.commit(tx);
        Ok((eval, index))
    }

    /// `PUT /deployment/promote/:id`; no groups means all.
    ///
    /// # Errors
    /// Unknown, ended, or with canaries that are not healthy.
    pub fn promote(&mut self, id: &str, groups: &[String]) -> Result<(String, u64), Refusal> {
        self.active_deployment(id, "promote")?;
        let waiting = self.canary_groups(id);
        let chosen: Vec<_> = waiting
            .into_iter()
            .filter(|name| groups.is_empty() || groups.contains(name))
            .collect();
        if chosen.is_empty() {
            return Err(Refusal::server(multierror(&[
                "no canaries to promote".to_owned()
            ])));
        }
        let mut problems = Vec::new();
        for name in &chosen {
            let wanted = self
                .deployments
                .get(id)
                .map_or(0, |found| found.groups[name].desired_canaries);
            let healthy = self.healthy_canaries(id, name);
            if healthy < wanted {
                problems.push(format!(
                    "Task group {name:?} has {healthy}/{wanted} healthy allocations"
                ));
            }
        }
        if !problems.is_empty() {
            return Err(Refusal::many(&problems));
        }
        let mut tx = self.begin("DeploymentPromotion");
        let index = tx.index;
        let mut canaries = Vec::new();
        let Some(deployment) = self.deployments.get_mut(id) else {
            return Err(Refusal::server("deployment not found"));
        };
        for name in &chosen {
            if let Some(group) = deployment.groups.get_mut(name) {
                group.promoted = true;
                canaries.extend(group.canaries.clone());
            }
        }
        let (status, key) = (deployment.status, deployment.key.clone());
        let description = match status {
            "paused" => deployment.description.clone(),
            _ => deployment.running_description().to_owned(),
        };
        for canary in canaries {
            if let Some(health) = self
                .allocs
                .get_mut(&canary)
                .and_then(|alloc| alloc.health.as_mut())
            {
                health.canary = false;
                health.modify_index = index;
            }
        }
        self.touch(Table::Allocs, &tx);
        self.set_deployment_status(&mut tx, id, status, &description);
        let eval = self.add_eval(&mut tx, &key, "deployment-watcher", 0);
        self.commit(tx);
        Ok((eval, index))
    }

    /// `PUT /deployment/allocation-health/:id`.
    ///
    /// # Errors
    /// Unknown or ended.
    pub fn set_allocation_health(
        &mut self,
        id: &str,
        healthy: &[String],
        unhealthy: &[String],
    ) -> Result<(String, u64), Refusal> {
        match self.deployments.get(id) {
            None => return Err(Refusal::server("deployment not found")),
            Some(deployment) if !deployment.active() => {
                return Err(Refusal::server(
                    "can't set health of allocations for a terminal deployment",
                ));
            }
            Some(_) => {}
        }
        let mut tx = self.begin("DeploymentAllocHealth");
        let (index, now) = (tx.index, self.now);
        let verdicts = healthy
            .iter()
            .map(|id| (id, true))
            .chain(unhealthy.iter().map(|id| (id, false)));
        let mut hopeless = false;
        for (alloc_id, verdict) in verdicts {
            let Some(alloc) = self
                .allocs
                .get_mut(alloc_id)
                .filter(|alloc| alloc.deployment_id == id)
            else {
                continue;
            };
            if alloc.healthy() == Some(verdict) {
                continue;
            }
            set_health(alloc, verdict, now, index);
            let group = alloc.group.clone();
            self.note_health(&mut tx, id, &group, verdict);
            hopeless |= !verdict && self.beyond_hope(alloc_id);
        }
        let key = self
            .deployments
            .get(id)
            .map(|deployment| deployment.key.clone());
        let eval = match key {
            Some(key) => self.add_eval(&mut tx, &key, "deployment-watcher", 0),
            None => String::new(),
        };
        self.commit(tx);
        if hopeless {
            self.fail_deployment(id, UNHEALTHY);
        } else {
            self.look_later(id);
        }
        Ok((eval, index))
    }
}
