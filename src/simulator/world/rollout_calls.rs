//! What people do to a rollout: pause, promote, fail, decide about health.

use super::World;
use super::health::set_health;
use super::refusal::{Refusal, multierror};
use super::rollout::{BY_USER, UNHEALTHY};
use super::tables::Table;

impl World {
    pub(super) fn active_deployment(&self, id: &str, verb: &str) -> Result<(), Refusal> {
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
