//! Evaluations: making them, blocking and unblocking them, running the scheduler.

use std::collections::BTreeMap;

use serde_json::json;

use super::World;
use super::eval::Eval;
use super::job::JobKey;
use super::scheduler::Decision;
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

    pub(super) fn finish_eval(
        &mut self,
        id: &str,
        key: &JobKey,
        decision: &Decision,
        deployment: String,
    ) {
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
    pub(super) fn waits_for_room(&self, key: &JobKey, decision: &Decision) -> bool {
        let Some(job) = self.job(key) else {
            return false;
        };
        !matches!(job.kind(), "system" | "sysbatch")
            || decision.failed.values().any(|metric| metric.exhausted > 0)
    }

    pub(super) fn block(&mut self, tx: &mut Tx, parent: &str, key: &JobKey) -> String {
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

    pub(super) fn blocked_of(&self, key: &JobKey) -> Vec<String> {
        self.blocked
            .iter()
            .filter(|id| self.evals.get(*id).is_some_and(|eval| eval.key == *key))
            .cloned()
            .collect()
    }

    pub(super) fn unblock_job(&mut self, tx: &mut Tx, key: &JobKey, but: &str) {
        for id in self.blocked_of(key) {
            self.blocked.remove(&id);
            if id != but {
                self.cancel_eval(tx, &id, "evaluation is outdated");
            }
        }
    }

    pub(super) fn cancel_eval(&mut self, tx: &mut Tx, id: &str, why: &str) {
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
}
