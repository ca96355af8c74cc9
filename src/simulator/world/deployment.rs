//! Rollouts as records; what moves them is in [`super::rollout`].

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::job::JobKey;
use super::time::{Nanos, timestamp};

/// Numbers of a rollout in one group.
#[derive(Debug, Clone, Default)]
pub struct GroupRollout {
    /// Wanted.
    pub desired_total: u64,
    /// Canaries wanted.
    pub desired_canaries: u64,
    /// Placed.
    pub placed: u64,
    /// Healthy.
    pub healthy: u64,
    /// Unhealthy.
    pub unhealthy: u64,
    /// Canaries placed.
    pub canaries: Vec<String>,
    /// Canaries were promoted.
    pub promoted: bool,
    /// Goes back on failure.
    pub auto_revert: bool,
    /// Promoted by the server.
    pub auto_promote: bool,
    /// Longest time without another healthy allocation.
    pub progress_deadline: Nanos,
    /// Deadline; 0 while nothing is placed.
    pub require_progress_by: Nanos,
}

impl GroupRollout {
    /// Waits for a promotion.
    #[must_use]
    pub fn unpromoted(&self) -> bool {
        self.desired_canaries > 0 && !self.promoted
    }
}

/// A rollout.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Id.
    pub id: String,
    /// Job.
    pub key: JobKey,
    /// Version it brings.
    pub job_version: u64,
    /// `ModifyIndex` of the job when it was made.
    pub job_modify_index: u64,
    /// Specification it brings: the job's `JobModifyIndex`.
    pub job_spec_modify_index: u64,
    /// Incarnation of the job.
    pub job_create_index: u64,
    /// `running`, `paused`, `failed`, `cancelled` or `successful`.
    pub status: &'static str,
    /// Nomad's sentence.
    pub description: String,
    /// Group → numbers.
    pub groups: BTreeMap<String, GroupRollout>,
    /// Priority of its evaluations.
    pub priority: i64,
    /// Index of its creation.
    pub create_index: u64,
    /// Index of its last change.
    pub modify_index: u64,
    /// When it was made.
    pub create_time: Nanos,
    /// When it was changed.
    pub modify_time: Nanos,
    /// An evaluation of its progress is already on its way.
    pub eval_due: bool,
}

impl Deployment {
    /// Whether it can still change.
    #[must_use]
    pub fn active(&self) -> bool {
        matches!(self.status, "running" | "paused")
    }

    /// Nomad's sentence for a rollout that runs.
    #[must_use]
    pub fn running_description(&self) -> &'static str {
        let mut waiting = self
            .groups
            .values()
            .filter(|group| group.unpromoted())
            .peekable();
        if waiting.peek().is_none() {
            return "Deployment is running";
        }
        if waiting.all(|group| group.auto_promote) {
            "Deployment is running pending automatic promotion"
        } else {
            "Deployment is running but requires manual promotion"
        }
    }

    /// As the API shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        let groups: Map<_, _> = self
            .groups
            .iter()
            .map(|(name, group)| (name.clone(), group_json(group)))
            .collect();
        json!({
            "ID": self.id,
            "Namespace": self.key.namespace,
            "JobID": self.key.id,
            "JobVersion": self.job_version,
            "JobModifyIndex": self.job_modify_index,
            "JobSpecModifyIndex": self.job_spec_modify_index,
            "JobCreateIndex": self.job_create_index,
            "Status": self.status,
            "StatusDescription": self.description,
            "TaskGroups": groups,
            "IsMultiregion": false,
            "EvalPriority": self.priority,
            "CreateIndex": self.create_index,
            "ModifyIndex": self.modify_index,
            "CreateTime": self.create_time,
            "ModifyTime": self.modify_time,
        })
    }
}

fn group_json(group: &GroupRollout) -> Value {
    json!({
        "AutoPromote": group.auto_promote,
        "AutoRevert": group.auto_revert,
        "DesiredCanaries": group.desired_canaries,
        "DesiredTotal": group.desired_total,
        "HealthyAllocs": group.healthy,
        "PlacedAllocs": group.placed,
        "PlacedCanaries": if group.canaries.is_empty() { Value::Null } else { json!(group.canaries) },
        "ProgressDeadline": group.progress_deadline,
        "Promoted": group.promoted,
        "RequireProgressBy": timestamp(group.require_progress_by),
        "UnhealthyAllocs": group.unhealthy,
    })
}
