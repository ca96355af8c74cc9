//! Evaluations: requests to the scheduler, and what came of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::job::JobKey;
use super::placement::Metric;
use super::time::{Nanos, timestamp};

/// An evaluation.
#[derive(Debug, Clone)]
pub struct Eval {
    /// Id.
    pub id: String,
    /// Job.
    pub key: JobKey,
    /// Scheduler.
    pub kind: String,
    /// Priority.
    pub priority: i64,
    /// `job-register`, …
    pub triggered_by: &'static str,
    /// `pending`, `blocked`, `complete`, `failed` or `canceled`.
    pub status: &'static str,
    /// Why.
    pub status_description: String,
    /// Specification that it evaluates.
    pub job_modify_index: u64,
    /// Rollout.
    pub deployment_id: String,
    /// Evaluation that waits for room.
    pub blocked_eval: String,
    /// Where it came from.
    pub previous_eval: String,
    /// Follow-up.
    pub next_eval: String,
    /// Not before.
    pub wait_until: Nanos,
    /// Group → allocations still to be placed.
    pub queued: BTreeMap<String, u64>,
    /// Group → why it could not be placed.
    pub failed: BTreeMap<String, Metric>,
    /// What it decided.
    pub annotations: Option<Value>,
    /// Index of what it looked at.
    pub snapshot_index: u64,
    /// Index of its creation.
    pub create_index: u64,
    /// Index of its last change.
    pub modify_index: u64,
    /// When it was made.
    pub create_time: Nanos,
    /// When it was changed.
    pub modify_time: Nanos,
}

impl Eval {
    /// Whether nothing more will come of it.
    #[must_use]
    pub fn terminal(&self) -> bool {
        matches!(self.status, "complete" | "failed" | "canceled")
    }

    /// As the API shows it: empty members are left out.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| {
            members.insert(name.to_owned(), value);
        };
        set("ID", json!(self.id));
        set("Namespace", json!(self.key.namespace));
        set("JobID", json!(self.key.id));
        set("Type", json!(self.kind));
        set("Priority", json!(self.priority));
        set("TriggeredBy", json!(self.triggered_by));
        set("Status", json!(self.status));
        set("CreateIndex", json!(self.create_index));
        set("ModifyIndex", json!(self.modify_index));
        set("CreateTime", json!(self.create_time));
        set("ModifyTime", json!(self.modify_time));
        let texts = [
            ("StatusDescription", &self.status_description),
            ("DeploymentID", &self.deployment_id),
            ("BlockedEval", &self.blocked_eval),
            ("PreviousEval", &self.previous_eval),
            ("NextEval", &self.next_eval),
        ];
        for (name, value) in texts {
            if !value.is_empty() {
                set(name, json!(value));
            }
        }
        if self.job_modify_index > 0 {
            set("JobModifyIndex", json!(self.job_modify_index));
        }
        if self.wait_until > 0 {
            set("WaitUntil", timestamp(self.wait_until));
        }
        if self.snapshot_index > 0 {
            set("SnapshotIndex", json!(self.snapshot_index));
        }
        if !self.queued.is_empty() {
            set("QueuedAllocations", json!(self.queued));
        }
        if !self.failed.is_empty() {
            let failed: Map<_, _> = self
                .failed
                .iter()
                .map(|(group, metric)| (group.clone(), metric.json()))
                .collect();
            set("FailedTGAllocs", Value::Object(failed));
        }
        if let Some(annotations) = &self.annotations {
            set("PlanAnnotations", annotations.clone());
        }
        Value::Object(members)
    }
}
