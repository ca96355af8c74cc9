//! Evaluations: making them, running the scheduler, writing down what it decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::World;
use super::alloc::{Alloc, Health};
use super::deployment::{Deployment, GroupRollout};
use super::eval::Eval;
use super::job::{Job, JobKey};
use super::scheduler::{Decision, Placement};
use super::tables::{Table, Tx};
use super::time::Nanos;
use super::timers::Due;

impl World {
    /// Makes an evaluation inside a raft message; it runs a few milliseconds later, or at `wait_until`.
    pub(super) fn add_eval(
        &mut self,
        tx: &mut Tx,
        key: &JobKey,
        triggered_by: &'static str,
        wait_until: Nanos,
    ) -> String {
        let job = self.job(key).cloned();
        let id = self.random.uuid();
        let eval = Eval {
            id: id.clone(),
            key: key.clone(),
            kind: job.as_ref().map_or("service", |job| job.kind()).to_owned(),
            priority: job
                .as_ref()
                .map_or(50, |job| super::json::int(&job.spec, "Priority")),
            triggered_by,
            status: "pending",
            status_description: String::new(),
            job_modify_index: match triggered_by {
                "job-register" | "job-deregister" | "job-scaling" => tx.index,
                _ => 0,
            },
            deployment_id: String::new(),
            blocked_eval: String::new(),
            previous_eval: String::new(),
            next_eval: String::new(),
            wait_until,
            queued: BTreeMap::new(),
            failed: BTreeMap::new(),
            annotations: None,
            snapshot_index: 0,
            create_index: tx.index,
            modify_index: tx.index,
            create_time: self.now,
            modify_time: self.now,
        };
        self.related
            .entry(key.clone())
            .or_default()
            .evals
            .push(id.clone());
        self.emit_eval(tx, &eval);
        self.evals.insert(id.clone(), eval);
        self.touch(Table::Evals, tx);
        let at = (self.now + self.timing.evaluation).max(wait_until);
        self.timers.add(at, Due::Eval(id.clone()));
        id
    }

    /// Makes an evaluation as its own raft message.
    pub(super) fn raise_eval(&mut self, key: &JobKey, triggered_by: &'static str) -> (String, u64) {
        let kind = match triggered_by {
            "alloc-stop" => "AllocationUpdateDesiredStatus",
            _ => "EvaluationUpdated",
        };
        let mut tx = self.begin(kind);
        let index = tx.index;
        let id = self.add_eval(&mut tx, key, triggered_by, 0);
        self.refresh_job(&mut tx, key);
        self.commit(tx);
        (id, index)
    }

    pub(super) fn emit_eval(&self, tx: &mut Tx, eval: &Eval) {
        let mut payload = eval.json();
        payload["ModifyIndex"] = json!(tx.index);
        let keys = [eval.key.id.clone(), eval.deployment_id.clone()];
        let keys = keys.into_iter().filter(|key| !key.is_empty()).collect();
        tx.emit(
            "Evaluation",
            &eval.id,
            &eval.key.namespace,
            keys,
            json!({"Evaluation": payload}),
        );
    }

    pub(super) fn run_eval(&mut self, id: &str) {
        let Some(eval) = self.evals.get(id).filter(|eval| !eval.terminal()) else {
            return;
        };
        let key = eval.key.clone();
        let reblocked = eval.status == "blocked";
        if super::json::flag(&self.scheduler_config, "PauseEvalBroker") {
            self.after(super::time::SECOND, Due::Eval(id.to_owned()));
            return;
        }
        if self.job(&key).is_some_and(|job| job.is_parent()) {
            self.finish_eval(id, &key, &Decision::default(), String::new());
            return;
        }
        let snapshot = self.index;
        let decision = self.decide(&key, None);
        if reblocked && decision.is_empty() && !decision.failed.is_empty() {
            return;
        }
        let deployment = if decision.is_empty() {
            decision.current.clone().unwrap_or_default()
        } else {
            self.apply(id, &key, &decision)
        };
        if let Some(eval) = self.evals.get_mut(id) {
            eval.snapshot_index = snapshot;
        }
        self.finish_eval(id, &key, &decision, deployment);
    }

    fn finish_eval(&mut self, id: &str, key: &JobKey, decision: &Decision, deployment: String) {
        let mut tx = self.begin("EvaluationUpdated");
        let waits = !decision.failed.is_empty() && self.waits_for_room(key, decision);
        let reblock = waits
            && self
                .evals
                .get(id)
                .is_some_and(|eval| eval.status == "blocked");
        let blocked = if waits && !reblock {
            self.block(&mut tx, id, key)
        } else {
            String::new()
        };
        let points = self
            .job(key)
            .is_some_and(|job| !matches!(job.kind(), "system" | "sysbatch"));
        if !waits {
            self.unblock_job(&mut tx, key, id);
        }
        let now = self.now;
        if let Some(eval) = self.evals.get_mut(id) {
            eval.status = if reblock { "blocked" } else { "complete" };
            eval.deployment_id = deployment;
            if points {
                eval.blocked_eval = blocked;
            }
            eval.queued.clone_from(&decision.queued);
            eval.failed.clone_from(&decision.failed);
            eval.annotations = Some(decision.annotations());
            eval.modify_index = tx.index;
            eval.modify_time = now;
            let eval = eval.clone();
            self.emit_eval(&mut tx, &eval);
        }
        self.touch(Table::Evals, &tx);
        self.touch(Table::Summaries, &tx);
        if let Some(entry) = self.jobs.get_mut(key) {
            entry.summary_index = tx.index;
        }
        self.refresh_job(&mut tx, key);
        self.commit(tx);
    }

    /// Whether more room could help: always for service and batch, only short resources for system.
    fn waits_for_room(&self, key: &JobKey, decision: &Decision) -> bool {
        let Some(job) = self.job(key) else {
            return false;
        };
        !matches!(job.kind(), "system" | "sysbatch")
            || decision.failed.values().any(|metric| metric.exhausted > 0)
    }

    fn block(&mut self, tx: &mut Tx, parent: &str, key: &JobKey) -> String {
        let older: Vec<_> = self.blocked_of(key);
        let Some(mut eval) = self.evals.get(parent).cloned() else {
            return String::new();
        };
        eval.id = self.random.uuid();
        eval.status = "blocked";
        eval.status_description = "created to place remaining allocations".to_owned();
        eval.triggered_by = "queued-allocs";
        eval.previous_eval = parent.to_owned();
        eval.create_index = tx.index;
        eval.modify_index = tx.index;
        eval.create_time = self.now;
        eval.wait_until = 0;
        let id = eval.id.clone();
        self.emit_eval(tx, &eval);
        self.related
            .entry(key.clone())
            .or_default()
            .evals
            .push(id.clone());
        self.evals.insert(id.clone(), eval);
        self.blocked.insert(id.clone());
        for older in older {
            self.cancel_eval(
                tx,
                &older,
                &format!("existing blocked evaluation exists for job {:?}", key.id),
            );
        }
        id
    }

    fn blocked_of(&self, key: &JobKey) -> Vec<String> {
        self.blocked
            .iter()
            .filter(|id| self.evals.get(*id).is_some_and(|eval| eval.key == *key))
            .cloned()
            .collect()
    }

    fn unblock_job(&mut self, tx: &mut Tx, key: &JobKey, but: &str) {
        for id in self.blocked_of(key) {
            self.blocked.remove(&id);
            if id != but {
                self.cancel_eval(tx, &id, "evaluation is outdated");
            }
        }
    }

    fn cancel_eval(&mut self, tx: &mut Tx, id: &str, why: &str) {
        self.blocked.remove(id);
        if let Some(eval) = self.evals.get_mut(id) {
            eval.status = "canceled";
            eval.status_description = why.to_owned();
            eval.modify_index = tx.index;
            let eval = eval.clone();
            self.emit_eval(tx, &eval);
        }
    }

    /// Lets everything that waits for room try again.
    pub fn unblock(&mut self) {
        for id in self.blocked.clone() {
            self.after(self.timing.evaluation, Due::Eval(id));
        }
    }

    /// Writes a decision down as one raft message; returns the rollout that it belongs to.
    fn apply(&mut self, eval_id: &str, key: &JobKey, decision: &Decision) -> String {
        let mut tx = self.begin("PlanResult");
        for (id, status, description) in &decision.finish {
            self.set_deployment_status(&mut tx, id, status, description);
        }
        let rollout = match &decision.deployment {
            Some(groups) => self.create_deployment(&mut tx, key, groups),
            None => decision.current.clone().unwrap_or_default(),
        };
        for stop in &decision.stop {
            self.stop_alloc(&mut tx, &stop.id, stop.description, stop.client_status);
        }
        if let Some(job) = self.job(key).cloned() {
            for id in &decision.in_place {
                self.update_in_place(&mut tx, id, &job, &rollout, eval_id);
            }
            for placement in &decision.place {
                self.create_alloc(&mut tx, placement, &job, &rollout, eval_id);
            }
        }
        for (id, at) in &decision.later {
            let follow_up = self.add_eval(&mut tx, key, "alloc-reschedule", *at);
            if let Some(alloc) = self.allocs.get_mut(id) {
                alloc.followup_eval = follow_up;
                alloc.modify_index = tx.index;
            }
        }
        self.touch(Table::Allocs, &tx);
        if let Some(deployment) = self.deployments.get(&rollout) {
            let deployment = deployment.clone();
            self.emit_deployment(&mut tx, &deployment);
        }
        self.refresh_job(&mut tx, key);
        self.commit(tx);
        rollout
    }

    fn create_deployment(
        &mut self,
        tx: &mut Tx,
        key: &JobKey,
        groups: &BTreeMap<String, GroupRollout>,
    ) -> String {
        let Some(job) = self.job(key).cloned() else {
            return String::new();
        };
        let id = self.random.uuid();
        let mut deployment = Deployment {
            id: id.clone(),
            key: key.clone(),
            job_version: job.version,
            job_modify_index: job.modify_index,
            job_spec_modify_index: job.job_modify_index,
            job_create_index: job.create_index,
            status: "running",
            description: String::new(),
            groups: groups.clone(),
            priority: super::json::int(&job.spec, "Priority"),
            create_index: tx.index,
            modify_index: tx.index,
            create_time: self.now,
            modify_time: self.now,
            eval_due: false,
        };
        deployment.description = deployment.running_description().to_owned();
        let nothing_to_place = deployment
            .groups
            .values()
            .all(|group| group.desired_total == 0);
        self.deployments.insert(id.clone(), deployment);
        self.related
            .entry(key.clone())
            .or_default()
            .deployments
            .push(id.clone());
        self.touch(Table::Deployments, tx);
        if nothing_to_place {
            self.after(self.timing.batch, Due::Progress(id.clone()));
        }
        id
    }

    fn create_alloc(
        &mut self,
        tx: &mut Tx,
        placement: &Placement,
        job: &Arc<Job>,
        rollout: &str,
        eval_id: &str,
    ) {
        let Some(group) = super::spec::group_named(&job.spec, &placement.group) else {
            return;
        };
        let in_rollout = self.deployments.get(rollout).is_some_and(|deployment| {
            deployment.active() && deployment.groups.contains_key(&group.name)
        });
        let id = self.random.uuid();
        let node_name = self
            .nodes
            .get(&placement.node_id)
            .map_or(String::new(), |node| node.name.clone());
        let alloc = Alloc {
            id: id.clone(),
            name: placement.name.clone(),
            eval_id: eval_id.to_owned(),
            job: job.clone(),
            group: group.name.clone(),
            node_id: placement.node_id.clone(),
            node_name,
            desired_status: "run",
            desired_description: String::new(),
            client_status: "pending",
            client_description: String::new(),
            tasks: BTreeMap::new(),
            deployment_id: if in_rollout {
                rollout.to_owned()
            } else {
                String::new()
            },
            health: placement.canary.then(|| Health {
                canary: true,
                ..Health::default()
            }),
            verdict: None,
            attempts: placement.attempts.clone(),
            followup_eval: String::new(),
            previous: placement.previous.clone().unwrap_or_default(),
            next: String::new(),
            migrate: false,
            force_reschedule: false,
            metric: placement.metric.clone(),
            create_index: tx.index,
            modify_index: tx.index,
            alloc_modify_index: tx.index,
            create_time: self.now,
            modify_time: self.now,
            report_due: false,
            health_watch: 0,
            ran_too_long: false,
        };
        self.occupy(&alloc.node_id, &group);
        if let Some(previous) = placement
            .previous
            .as_ref()
            .and_then(|id| self.allocs.get_mut(id))
        {
            previous.next.clone_from(&id);
            previous.modify_index = tx.index;
        }
        self.emit_alloc(tx, &alloc);
        self.allocs.insert(id.clone(), alloc);
        self.related
            .entry(job.key())
            .or_default()
            .allocs
            .push(id.clone());
        if in_rollout {
            self.note_placed(tx, rollout, &id);
        }
        self.after(super::time::MILLISECOND, Due::Receive(id));
    }

    fn update_in_place(
        &mut self,
        tx: &mut Tx,
        id: &str,
        job: &Arc<Job>,
        rollout: &str,
        eval_id: &str,
    ) {
        let active = self
            .deployments
            .get(rollout)
            .is_some_and(Deployment::active);
        let now = self.now;
        let Some(alloc) = self.allocs.get_mut(id) else {
            return;
        };
        alloc.job = job.clone();
        eval_id.clone_into(&mut alloc.eval_id);
        alloc.modify_index = tx.index;
        alloc.alloc_modify_index = tx.index;
        alloc.modify_time = now;
        alloc.deployment_id = if active {
            rollout.to_owned()
        } else {
            String::new()
        };
        alloc.health = None;
        alloc.verdict = None;
        let alloc = alloc.clone();
        self.emit_alloc(tx, &alloc);
        if active {
            self.note_placed(tx, rollout, id);
            self.watch_health(id);
        }
    }

    pub(super) fn emit_alloc(&self, tx: &mut Tx, alloc: &Alloc) {
        let keys = [alloc.job.id().to_owned(), alloc.deployment_id.clone()];
        let keys = keys.into_iter().filter(|key| !key.is_empty()).collect();
        let payload = json!({"Allocation": alloc.without_job()});
        tx.emit(
            "Allocation",
            &alloc.id,
            alloc.job.namespace(),
            keys,
            payload,
        );
    }

    pub(super) fn emit_deployment(&self, tx: &mut Tx, deployment: &Deployment) {
        tx.emit(
            "Deployment",
            &deployment.id,
            &deployment.key.namespace,
            vec![deployment.key.id.clone()],
            json!({"Deployment": deployment.json()}),
        );
    }

    /// Tells an allocation to end.
    fn stop_alloc(
        &mut self,
        tx: &mut Tx,
        id: &str,
        description: &str,
        client_status: Option<&'static str>,
    ) {
        let now = self.now;
        let Some(alloc) = self.allocs.get_mut(id) else {
            return;
        };
        let occupied = !alloc.terminal();
        alloc.desired_status = "stop";
        description.clone_into(&mut alloc.desired_description);
        alloc.migrate = false;
        alloc.modify_index = tx.index;
        alloc.alloc_modify_index = tx.index;
        alloc.modify_time = now;
        if let Some(status) = client_status {
            alloc.client_status = status;
        }
        let alloc = alloc.clone();
        self.emit_alloc(tx, &alloc);
        if occupied {
            self.vacate(&alloc);
        }
        if !alloc.client_terminal() {
            self.after(50 * super::time::MILLISECOND, Due::Kill(id.to_owned()));
        }
    }

    pub(super) fn occupy(&mut self, node: &str, group: &super::spec::Group) {
        let mut room = super::placement::Room {
            used: std::mem::take(&mut self.usage),
            mine: BTreeMap::new(),
        };
        room.take(node, group);
        self.usage = room.used;
    }

    /// Gives back the room of an allocation, and lets those who wait try again.
    pub(super) fn vacate(&mut self, alloc: &Alloc) {
        if let Some(group) = alloc.spec() {
            let mut room = super::placement::Room {
                used: std::mem::take(&mut self.usage),
                mine: BTreeMap::new(),
            };
            room.release(&alloc.node_id, &group);
            self.usage = room.used;
        }
        self.unblock();
    }
}
