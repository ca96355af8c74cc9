//! What a job leads to: evaluations, allocations, rollouts (Nomad calls them deployments).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::jobs::{job_path, named};
use crate::clients::nomad::client::{NomadClient, ReadCall, segment};
use crate::clients::nomad::error::NomadError;
use crate::clients::nomad::types::{Allocation, CheckStatus, Evaluation, Rollout, null_default};
use crate::ids::JobId;

/// The answer to a write to a rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RolloutReply {
    /// Evaluation that carries it on; empty when nothing had to be done.
    #[serde(rename = "EvalID", deserialize_with = "null_default")]
    pub eval_id: String,
    /// Version to which the job went back, when failing it did that.
    pub reverted_job_version: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PromoteBody<'a> {
    #[serde(rename = "DeploymentID")]
    deployment_id: &'a str,
    all: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [String],
}

impl NomadClient {
    /// Evaluations of a job; empty also when there is no such job.
    pub fn evaluations(&self, job: &JobId) -> ReadCall<Vec<Evaluation>> {
        self.read(
            "read the evaluations of",
            named(job),
            job_path(job, "/evaluations"),
        )
        .list()
    }

    /// Allocations of a job; empty also when there is no such job. With `all`, those of earlier incarnations too.
    pub fn allocations(&self, job: &JobId, all: bool) -> ReadCall<Vec<Allocation>> {
        self.read(
            "read the allocations of",
            named(job),
            job_path(job, "/allocations"),
        )
        .query("all", all.to_string())
        .list()
    }

    /// Newest rollout of a job; `None` when there is none, or no such job.
    pub fn latest_rollout(&self, job: &JobId) -> ReadCall<Option<Rollout>> {
        self.read(
            "read the rollout of",
            named(job),
            job_path(job, "/deployment"),
        )
    }

    /// Rollouts of a job, in no order. With `all`, those of earlier incarnations too.
    pub fn rollouts(&self, job: &JobId, all: bool) -> ReadCall<Vec<Rollout>> {
        self.read(
            "read the rollouts of",
            named(job),
            job_path(job, "/deployments"),
        )
        .query("all", all.to_string())
        .list()
    }

    /// One rollout.
    pub fn rollout(&self, id: &str) -> ReadCall<Option<Rollout>> {
        self.read(
            "read",
            format!("rollout `{id}`"),
            format!("deployment/{}", segment(id)),
        )
        .absent_when("deployment not found")
    }

    /// One allocation.
    pub fn allocation(&self, id: &str) -> ReadCall<Option<Allocation>> {
        self.read(
            "read",
            format!("allocation `{id}`"),
            format!("allocation/{}", segment(id)),
        )
        .absent_when("alloc not found")
    }

    /// What the node says of the allocation's checks in Nomad's own service discovery, by check id. Consul's are not here.
    pub fn allocation_checks(&self, id: &str) -> ReadCall<BTreeMap<String, CheckStatus>> {
        let path = format!("allocation/{}/checks", segment(id));
        self.read("read", format!("checks of allocation `{id}`"), path)
    }

    /// One evaluation.
    pub fn evaluation(&self, id: &str) -> ReadCall<Option<Evaluation>> {
        self.read(
            "read",
            format!("evaluation `{id}`"),
            format!("evaluation/{}", segment(id)),
        )
        .absent_when("eval not found")
    }

    /// Promotes all canaries of a rollout.
    ///
    /// # Errors
    /// [`NomadError::Outdated`] while canaries are not healthy or when the rollout is over. Not cancel-safe.
    pub async fn promote(&self, rollout: &str) -> Result<RolloutReply, NomadError> {
        self.promote_groups(rollout, &[]).await
    }

    /// Promotes the canaries of some groups; of all when none is named.
    ///
    /// # Errors
    /// As [`promote`](Self::promote).
    pub async fn promote_groups(
        &self,
        rollout: &str,
        groups: &[String],
    ) -> Result<RolloutReply, NomadError> {
        let path = format!("deployment/promote/{}", segment(rollout));
        self.write("promote", format!("rollout `{rollout}`"), path, None)
            .body(&PromoteBody {
                deployment_id: rollout,
                all: groups.is_empty(),
                groups,
            })
            .send()
            .await
    }

    /// Marks a rollout as failed, which also reverts the job where it asks for that.
    ///
    /// # Errors
    /// [`NomadError::Outdated`] when it is over. Not cancel-safe.
    pub async fn fail(&self, rollout: &str) -> Result<RolloutReply, NomadError> {
        let path = format!("deployment/fail/{}", segment(rollout));
        self.write("fail", format!("rollout `{rollout}`"), path, None)
            .send()
            .await
    }
}
