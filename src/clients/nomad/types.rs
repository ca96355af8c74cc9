//! What Nomad answers, as far as `cs` reads it. Plain data.
//!
//! Nomad writes empty lists and maps as `null` and leaves members out, so every field has a default and `null` counts as
//! absent. Job specifications are kept as JSON trees ([`JobRecord::spec`]): the comparator walks them field by field, and
//! members this build does not know are neither lost nor compared.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ids::ModifyIndex;

pub(super) fn null_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A job as `GET /v1/job/:id` returns it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// The members that the loop itself reads.
    pub head: JobHead,
    /// The whole object, head included.
    pub spec: Value,
}

impl<'de> Deserialize<'de> for JobRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = Value::deserialize(deserializer)?;
        let head = JobHead::deserialize(&spec).map_err(serde::de::Error::custom)?;
        Ok(Self { head, spec })
    }
}

/// Identity, version and state of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JobHead {
    /// Job id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Namespace.
    pub namespace: String,
    /// `service`, `batch`, `system` or `sysbatch`.
    #[serde(rename = "Type")]
    pub job_type: String,
    /// Counts specifications, from 0.
    pub version: u64,
    /// Index of the last change of the specification: the base of the next write.
    pub job_modify_index: ModifyIndex,
    /// Index of the last change of anything, status included.
    pub modify_index: u64,
    /// Index of its creation; another one after a purge.
    pub create_index: u64,
    /// Stopped by a deregistration.
    #[serde(deserialize_with = "null_default")]
    pub stop: bool,
    /// A rollout of this version succeeded.
    #[serde(deserialize_with = "null_default")]
    pub stable: bool,
    /// `pending`, `running` or `dead`.
    pub status: String,
    /// When this version was submitted, in nanoseconds since the epoch; 0 when not told.
    #[serde(deserialize_with = "null_default")]
    pub submit_time: i64,
    /// Job meta.
    #[serde(deserialize_with = "null_default")]
    pub meta: BTreeMap<String, String>,
    /// Name that somebody gave to this version.
    pub version_tag: Option<VersionTag>,
    /// Present when it starts by the clock.
    pub periodic: Option<Value>,
    /// Present when it starts on request.
    pub parameterized_job: Option<Value>,
}

/// A name that somebody gave to a version, which keeps it from being forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VersionTag {
    /// The name.
    pub name: String,
}

/// A line of `GET /v1/jobs`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JobStub {
    /// Job id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Namespace.
    pub namespace: String,
    /// Parent, for children of periodic and parameterized jobs.
    #[serde(rename = "ParentID", deserialize_with = "null_default")]
    pub parent_id: String,
    /// Scheduler.
    #[serde(rename = "Type")]
    pub job_type: String,
    /// Stopped.
    #[serde(deserialize_with = "null_default")]
    pub stop: bool,
    /// `pending`, `running` or `dead`.
    pub status: String,
    /// Index of its creation; another one after a purge.
    pub create_index: u64,
    /// Starts by the clock.
    #[serde(deserialize_with = "null_default")]
    pub periodic: bool,
    /// Starts on request.
    #[serde(deserialize_with = "null_default")]
    pub parameterized_job: bool,
    /// Index of the last change of the specification.
    pub job_modify_index: ModifyIndex,
    /// When the current version was submitted, in nanoseconds since the epoch; 0 when not told.
    #[serde(deserialize_with = "null_default")]
    pub submit_time: i64,
    /// Allocations and children by state.
    pub job_summary: Option<JobSummary>,
    /// Only when asked for with `meta=true`.
    #[serde(deserialize_with = "null_default")]
    pub meta: BTreeMap<String, String>,
}

/// Allocations and children of a job by state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JobSummary {
    /// Group → allocations of all versions.
    #[serde(deserialize_with = "null_default")]
    pub summary: BTreeMap<String, GroupSummary>,
    /// Runs of a periodic or parameterized job.
    pub children: Option<ChildrenSummary>,
}

/// Allocations of a group by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GroupSummary {
    /// Not placed yet.
    pub queued: u64,
}

/// Runs of a periodic or parameterized job by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChildrenSummary {
    /// Not started.
    pub pending: u64,
    /// Running.
    pub running: u64,
    /// Ended, well or not.
    pub dead: u64,
}

/// A line of `GET /v1/jobs/statuses`: what a job does, without a further call. Nomad has it since 1.8.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JobStatus {
    /// Job id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Namespace.
    pub namespace: String,
    /// Current version.
    pub version: u64,
    /// Sum of the counts of its groups; for `system` and `sysbatch` it says nothing.
    #[serde(deserialize_with = "null_default")]
    pub group_count_sum: u64,
    /// Allocations of all versions that Nomad still knows, in no order.
    #[serde(deserialize_with = "null_default")]
    pub allocs: Vec<AllocationStatus>,
    /// The newest rollout, of whichever version.
    pub latest_deployment: Option<RolloutStatus>,
}

/// An allocation in [`JobStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AllocationStatus {
    /// `pending`, `running`, `complete`, `failed`, `lost` or `unknown`.
    pub client_status: String,
    /// Its part in the rollout.
    pub deployment_status: Option<AllocationHealth>,
    /// Version of the job that it runs.
    pub job_version: u64,
    /// Evaluation that will replace it.
    #[serde(rename = "FollowupEvalID", deserialize_with = "null_default")]
    pub followup_eval_id: String,
}

/// A rollout in [`JobStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RolloutStatus {
    /// Version it brings.
    pub job_version: u64,
    /// `running`, `paused`, `failed`, `cancelled`, `successful`, …
    pub status: String,
    /// Nomad's sentence.
    pub status_description: String,
}

/// The answer to a register, deregister, revert, scale or evaluate call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WriteReply {
    /// Evaluation; empty for periodic and parameterized jobs.
    #[serde(rename = "EvalID", deserialize_with = "null_default")]
    pub eval_id: String,
    /// No basis for the next write: after an unchanged register it is the job's `ModifyIndex`.
    pub job_modify_index: ModifyIndex,
    /// Remarks of the server.
    #[serde(deserialize_with = "null_default")]
    pub warnings: String,
}

/// An evaluation.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Evaluation {
    /// Id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Job.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// `pending`, `blocked`, `complete`, `failed` or `canceled`.
    pub status: String,
    /// Why the status.
    #[serde(deserialize_with = "null_default")]
    pub status_description: String,
    /// `job-register`, `job-deregister`, `queued-allocs`, …
    pub triggered_by: String,
    /// Specification that it evaluates.
    pub job_modify_index: ModifyIndex,
    /// Rollout that it made.
    #[serde(rename = "DeploymentID", deserialize_with = "null_default")]
    pub deployment_id: String,
    /// Waits for room.
    #[serde(deserialize_with = "null_default")]
    pub blocked_eval: String,
    /// Group → allocations still to be placed.
    #[serde(deserialize_with = "null_default")]
    pub queued_allocations: BTreeMap<String, i64>,
    /// Group → why it could not be placed.
    #[serde(rename = "FailedTGAllocs", deserialize_with = "null_default")]
    pub failed_tg_allocs: BTreeMap<String, PlacementMetric>,
    /// When the scheduler looks at it, if not at once (RFC 3339).
    pub wait_until: Option<String>,
    /// Order of creation.
    pub create_index: u64,
    /// Order of change.
    pub modify_index: u64,
}

/// Why nodes were passed over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PlacementMetric {
    /// Nodes looked at.
    pub nodes_evaluated: u64,
    /// Nodes that no constraint let through.
    pub nodes_filtered: u64,
    /// Nodes without room.
    pub nodes_exhausted: u64,
    /// Nodes in the pool.
    pub nodes_in_pool: u64,
    /// Pool that was searched.
    #[serde(deserialize_with = "null_default")]
    pub node_pool: String,
    /// Datacenter → nodes.
    #[serde(deserialize_with = "null_default")]
    pub nodes_available: BTreeMap<String, u64>,
    /// Constraint → nodes that it filtered.
    #[serde(deserialize_with = "null_default")]
    pub constraint_filtered: BTreeMap<String, u64>,
    /// Dimension (`cpu`, `memory`, …) → nodes exhausted in it.
    #[serde(deserialize_with = "null_default")]
    pub dimension_exhausted: BTreeMap<String, u64>,
    /// Quota limits that were reached.
    #[serde(deserialize_with = "null_default")]
    pub quota_exhausted: Vec<String>,
    /// Further allocations that failed the same way.
    pub coalesced_failures: u64,
}

/// A rollout. Nomad calls it deployment; here that word belongs to the platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Rollout {
    /// Id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Job.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// Version it brings.
    pub job_version: u64,
    /// Specification it brings: equals the job's `JobModifyIndex`.
    pub job_spec_modify_index: ModifyIndex,
    /// Incarnation of the job.
    pub job_create_index: u64,
    /// `running`, `paused`, `failed`, `cancelled`, `successful`, …
    pub status: String,
    /// Nomad's sentence.
    pub status_description: String,
    /// Group → numbers.
    #[serde(deserialize_with = "null_default")]
    pub task_groups: BTreeMap<String, RolloutGroup>,
    /// Order of creation.
    pub create_index: u64,
    /// When it began, in nanoseconds since the epoch; 0 when not told.
    #[serde(deserialize_with = "null_default")]
    pub create_time: i64,
}

/// Numbers of a rollout in one group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RolloutGroup {
    /// Wanted.
    pub desired_total: u64,
    /// Placed.
    pub placed_allocs: u64,
    /// Healthy.
    pub healthy_allocs: u64,
    /// Unhealthy.
    pub unhealthy_allocs: u64,
    /// Canaries wanted.
    pub desired_canaries: u64,
    /// Ids of the canaries.
    #[serde(deserialize_with = "null_default")]
    pub placed_canaries: Vec<String>,
    /// Canaries were promoted.
    pub promoted: bool,
    /// Promoted by Nomad itself.
    pub auto_promote: bool,
    /// Goes back on failure.
    pub auto_revert: bool,
}

/// An allocation, as a list call or `GET /v1/allocation/:id` returns it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Allocation {
    /// Id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name, e.g. `shop.web[0]`.
    pub name: String,
    /// Job.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// Version of the job that it runs.
    pub job_version: u64,
    /// Group.
    pub task_group: String,
    /// Evaluation that placed it.
    #[serde(rename = "EvalID", deserialize_with = "null_default")]
    pub eval_id: String,
    /// Rollout that placed it.
    #[serde(rename = "DeploymentID", deserialize_with = "null_default")]
    pub deployment_id: String,
    /// Node.
    #[serde(rename = "NodeID", deserialize_with = "null_default")]
    pub node_id: String,
    /// Node's name.
    #[serde(deserialize_with = "null_default")]
    pub node_name: String,
    /// `run`, `stop` or `evict`.
    pub desired_status: String,
    /// Why.
    #[serde(deserialize_with = "null_default")]
    pub desired_description: String,
    /// `pending`, `running`, `complete`, `failed`, `lost` or `unknown`.
    pub client_status: String,
    /// Why.
    #[serde(deserialize_with = "null_default")]
    pub client_description: String,
    /// Task → state.
    #[serde(deserialize_with = "null_default")]
    pub task_states: BTreeMap<String, TaskState>,
    /// Its part in the rollout.
    pub deployment_status: Option<AllocationHealth>,
    /// Evaluation that will replace it.
    #[serde(rename = "FollowupEvalID", deserialize_with = "null_default")]
    pub followup_eval_id: String,
    /// Its replacement.
    #[serde(deserialize_with = "null_default")]
    pub next_allocation: String,
    /// Order of creation.
    pub create_index: u64,
    /// Order of change.
    pub modify_index: u64,
    /// When it was placed, in nanoseconds since the epoch; 0 when not told.
    #[serde(deserialize_with = "null_default")]
    pub create_time: i64,
    /// When it changed last, in nanoseconds since the epoch; 0 when not told.
    #[serde(deserialize_with = "null_default")]
    pub modify_time: i64,
}

impl Allocation {
    /// Whether its tasks have ended for good.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.client_status.as_str(), "complete" | "failed" | "lost")
    }
}

/// An allocation's part in a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AllocationHealth {
    /// Unknown until decided.
    pub healthy: Option<bool>,
    /// Is a canary.
    #[serde(deserialize_with = "null_default")]
    pub canary: bool,
}

/// A task's state.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskState {
    /// `pending`, `running` or `dead`.
    pub state: String,
    /// Ended in failure.
    #[serde(deserialize_with = "null_default")]
    pub failed: bool,
    /// How often it was restarted.
    #[serde(deserialize_with = "null_default")]
    pub restarts: u64,
    /// The last ten, oldest first.
    #[serde(deserialize_with = "null_default")]
    pub events: Vec<TaskEvent>,
}

/// Something that happened to a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskEvent {
    /// `Started`, `Terminated`, `Driver Failure`, … (nomad-api.md 3.4).
    #[serde(rename = "Type")]
    pub event_type: String,
    /// Unix nanoseconds.
    #[serde(deserialize_with = "null_default")]
    pub time: i64,
    /// For people.
    #[serde(deserialize_with = "null_default")]
    pub display_message: String,
    /// For machines.
    #[serde(deserialize_with = "null_default")]
    pub details: BTreeMap<String, String>,
}

/// The last result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckStatus {
    /// Its name.
    #[serde(deserialize_with = "null_default")]
    pub check: String,
    /// The service that it checks.
    #[serde(deserialize_with = "null_default")]
    pub service: String,
    /// `success`, `failure` or `pending`.
    #[serde(deserialize_with = "null_default")]
    pub status: String,
    /// What came of it.
    #[serde(deserialize_with = "null_default")]
    pub output: String,
}

/// The answer to a plan call, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PlanReply {
    /// What the scheduler would do.
    pub annotations: Option<PlanAnnotations>,
    /// Basis of the next write; 0 when the job does not exist.
    pub job_modify_index: ModifyIndex,
    /// Group → why it could not be placed.
    #[serde(rename = "FailedTGAllocs", deserialize_with = "null_default")]
    pub failed_tg_allocs: BTreeMap<String, PlacementMetric>,
    /// Remarks of the server.
    #[serde(deserialize_with = "null_default")]
    pub warnings: String,
    /// When a periodic job would start next.
    pub next_periodic_launch: Option<String>,
}

/// What the scheduler would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PlanAnnotations {
    /// Group → numbers.
    #[serde(rename = "DesiredTGUpdates", deserialize_with = "null_default")]
    pub desired_tg_updates: BTreeMap<String, GroupUpdates>,
}

/// What the scheduler would do in one group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GroupUpdates {
    /// Left alone.
    pub ignore: u64,
    /// New ones.
    pub place: u64,
    /// Moved.
    pub migrate: u64,
    /// Stopped.
    pub stop: u64,
    /// Changed without a restart.
    pub in_place_update: u64,
    /// Replaced.
    pub destructive_update: u64,
    /// Canaries.
    pub canary: u64,
    /// Others pushed away.
    pub preemptions: u64,
}

impl<'a> std::iter::Sum<&'a Self> for GroupUpdates {
    fn sum<I: Iterator<Item = &'a Self>>(groups: I) -> Self {
        groups.fold(Self::default(), |all, group| Self {
            ignore: all.ignore + group.ignore,
            place: all.place + group.place,
            migrate: all.migrate + group.migrate,
            stop: all.stop + group.stop,
            in_place_update: all.in_place_update + group.in_place_update,
            destructive_update: all.destructive_update + group.destructive_update,
            canary: all.canary + group.canary,
            preemptions: all.preemptions + group.preemptions,
        })
    }
}

/// `GET /v1/job/:id/versions`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JobVersions {
    /// Newest first.
    #[serde(deserialize_with = "null_default")]
    pub versions: Vec<JobRecord>,
}

/// A Nomad variable. `Debug` shows no values.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Variable {
    /// Path.
    pub path: String,
    /// Namespace.
    #[serde(
        deserialize_with = "null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub namespace: String,
    /// Basis of the next write; 0 when it does not exist.
    pub modify_index: u64,
    /// Contents.
    #[serde(deserialize_with = "null_default")]
    pub items: BTreeMap<String, String>,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable")
            .field("path", &self.path)
            .field("namespace", &self.namespace)
            .field("modify_index", &self.modify_index)
            .field("items", &self.items.keys())
            .finish()
    }
}
