//! What to do next about one job. Pure: the same look gives the same plan, and `act` needs no further choice.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::cause::Cause;
use super::diff::{DiffOptions, Drift, diff, merged};
use super::health::{Health, Progress, judge, judge_ended};
use super::observed::{Attempt, Observed, Seen};
use super::outcome::Outcome;
use crate::clients::nomad::types::JobRecord;
use crate::ids::{JobId, ModifyIndex, OwnerId};

/// Job meta key: which program made the job.
pub const META_MANAGED_BY: &str = "cs.managed-by";
/// Job meta key: on whose behalf.
pub const META_OWNER: &str = "cs.owner";
/// Job meta key: which run of the platform made the job. Unique per deployment.
pub const META_RUN: &str = "run_uuid";

/// After so many writes that did not take, something else is wrong.
const MAX_WRITES: u32 = 5;

/// What is wanted of one job.
#[derive(Clone)]
pub enum Goal {
    /// It runs as described.
    Run(RunGoal),
    /// It is gone, and nothing of it runs.
    Destroy(JobId),
    /// It is stopped, and nothing of it runs. Nomad keeps its versions until it collects them.
    Stop(JobId),
    /// It is healthy as it stands. Nothing is written.
    Watch(JobId),
}

impl Goal {
    /// The job.
    #[must_use]
    pub const fn id(&self) -> &JobId {
        match self {
            Self::Run(run) => &run.id,
            Self::Destroy(id) | Self::Stop(id) | Self::Watch(id) => id,
        }
    }
}

/// A job that is to run as described.
#[derive(Clone)]
pub struct RunGoal {
    /// Its id.
    pub id: JobId,
    /// The compiled job. May carry secrets in `Env`.
    pub job: Value,
    /// The run that it belongs to, for recognising an older version from the same intent.
    pub run: Option<String>,
    /// On whose behalf.
    pub owner: OwnerId,
    /// Whose jobs may be overwritten.
    pub guard: Guard,
    /// What the comparator leaves alone.
    pub options: DiffOptions,
}

/// Whose jobs may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The job that is named, whoever made it: dispatch, and `--adopt`.
    Named,
    /// Only a job that carries this owner in its meta.
    Owned,
}

/// What the loop remembers between looks. Facts, not decisions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// Index at which the specification stands as wanted: after our last write, or as a look found it.
    pub stood_at: Option<ModifyIndex>,
    /// Index at which our last write was accepted. A job that is still there was equal to it in Nomad's own eyes.
    pub accepted_at: Option<ModifyIndex>,
    /// Index that our first write named, whatever became of its answer: a version after it that is as wanted is ours.
    pub sent_at: Option<ModifyIndex>,
    /// How often we wrote or tried to.
    pub writes: u32,
    /// For how long Nomad has found no node.
    pub blocked_for: Option<Duration>,
    /// How long that may last before it is called a failure.
    pub placement_grace: Duration,
}

impl Memory {
    /// Takes note of what a plan that waits has found: the job stands as wanted, so whoever changes it later takes over,
    /// whoever wrote it. Without this a reply that was lost before a rollback would have the bad version sent again.
    pub fn remember(&mut self, observed: &Observed, plan: &Plan) {
        if let (Next::Watch(_), Seen::Present(job)) = (&plan.next, &observed.job) {
            self.stood_at = Some(job.head.job_modify_index);
        }
    }
}

/// One thing to do. Inert until `act` runs it.
#[derive(Clone, PartialEq)]
pub enum Action {
    /// Register the job, provided that it is still at the index that was seen.
    Register {
        /// What to send.
        job: Value,
        /// Compare-and-set basis.
        expected: ModifyIndex,
        /// What will change; empty for a new job.
        drift: Drift,
    },
    /// Stop the job and keep it readable. Nomad's API takes no index here; the job was read just before.
    Stop {
        /// Which.
        job: JobId,
    },
    /// Forget a stopped job whose allocations have all ended.
    Purge {
        /// Which.
        job: JobId,
    },
    /// Make an earlier version the newest, provided that the newest is the one that was seen.
    Revert {
        /// Which.
        job: JobId,
        /// Back to this one.
        version: u64,
        /// The newest one that was seen.
        current: u64,
    },
}

impl fmt::Debug for Action {
    /// Never shows the job, which may carry secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register {
                expected, drift, ..
            } => f
                .debug_struct("Register")
                .field("expected", expected)
                .field("changes", &drift.changes.len())
                .finish(),
            Self::Stop { job } => f.debug_struct("Stop").field("job", job).finish(),
            Self::Purge { job } => f.debug_struct("Purge").field("job", job).finish(),
            Self::Revert { job, version, .. } => f
                .debug_struct("Revert")
                .field("job", job)
                .field("version", version)
                .finish(),
        }
    }
}

/// What to do next, and when to look again.
#[must_use]
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In order; a later one may rely on every earlier one.
    pub actions: Vec<Action>,
    /// What follows.
    pub next: Next,
}

/// What follows the actions.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Look again at once: something was done.
    LookAgain,
    /// Look again when something moves.
    Watch(Progress),
    /// Look again after a pause: this look got no answer.
    Backoff(String),
    /// Nothing more to do.
    Finished(Outcome),
}

impl Plan {
    fn act(actions: Vec<Action>) -> Self {
        Self {
            actions,
            next: Next::LookAgain,
        }
    }

    fn then(next: Next) -> Self {
        Self {
            actions: Vec::new(),
            next,
        }
    }

    fn finished(outcome: Outcome) -> Self {
        Self::then(Next::Finished(outcome))
    }

    fn watch(waiting_for: &str) -> Self {
        Self::then(Next::Watch(Progress {
            waiting_for: waiting_for.to_owned(),
            ..Progress::default()
        }))
    }
}

/// Decides what to do next.
pub fn plan(goal: &Goal, observed: &Observed, memory: &Memory) -> Plan {
    match (goal, &observed.job) {
        // A read that failed is not an absent job: never create or remove on a guess.
        (_, Seen::Unknown(gap)) => Plan::then(Next::Backoff(gap.reason.clone())),
        (Goal::Run(run), Seen::Absent) => create(run, memory),
        (Goal::Run(run), Seen::Present(job)) => update_or_watch(run, job, observed, memory),
        (Goal::Destroy(id), job) => remove(id, job.present(), observed, true),
        (Goal::Stop(id), job) => remove(id, job.present(), observed, false),
        (Goal::Watch(id), Seen::Absent) => {
            Plan::finished(Outcome::Failed(format!("there is no job {id}")))
        }
        (Goal::Watch(_), Seen::Present(job)) => watch(job, observed, memory),
    }
}

fn create(run: &RunGoal, memory: &Memory) -> Plan {
    if memory.stood_at.is_some() {
        return Plan::finished(Outcome::Superseded(format!(
            "job {} was purged by somebody else",
            run.id
        )));
    }
    register(
        run.job.clone(),
        ModifyIndex::MUST_BE_NEW,
        Drift::default(),
        run,
        memory,
    )
}

fn register(
    job: Value,
    expected: ModifyIndex,
    drift: Drift,
    run: &RunGoal,
    memory: &Memory,
) -> Plan {
    if memory.writes >= MAX_WRITES {
        let id = &run.id;
        return Plan::finished(Outcome::Conflict(format!(
            "job {id} changed under every one of {MAX_WRITES} writes"
        )));
    }
    Plan::act(vec![Action::Register {
        job,
        expected,
        drift,
    }])
}

fn update_or_watch(run: &RunGoal, job: &JobRecord, observed: &Observed, memory: &Memory) -> Plan {
    let index = job.head.job_modify_index;
    if (memory.stood_at == Some(index) || memory.accepted_at == Some(index)) && !job.head.stop {
        return watch(job, observed, memory);
    }
    if let Some(attempt) = &observed.attempt {
        return Plan::finished(after_attempt(attempt, job, observed));
    }
    let drift = diff(&run.job, &job.spec, &run.options);
    if drift.is_empty() {
        return watch(job, observed, memory);
    }
    if memory.stood_at.is_some_and(|stood_at| index > stood_at) {
        let text = format!(
            "job {} was changed by somebody else (version {})",
            run.id, job.head.version
        );
        return Plan::finished(Outcome::Superseded(text));
    }
    if let Some(refusal) = refusal(run, job) {
        return Plan::finished(refusal);
    }
    register(
        merged(&run.job, &job.spec, &run.options),
        index,
        drift,
        run,
        memory,
    )
}

/// Why a job of others must not be touched; `None` when it may.
fn refusal(run: &RunGoal, job: &JobRecord) -> Option<Outcome> {
    if run.guard == Guard::Named {
        return None;
    }
    let owner = job
        .head
        .meta
        .get(META_OWNER)
        .map_or("nobody", String::as_str);
    (owner != run.owner.as_str()).then(|| {
        Outcome::Refused(format!(
            "job {} belongs to {owner}, not to {}; take it over with --adopt",
            run.id, run.owner
        ))
    })
}

/// This very intent was registered before, and the job has moved on since.
fn after_attempt(attempt: &Attempt, job: &JobRecord, observed: &Observed) -> Outcome {
    let superseded = || {
        let version = attempt.version;
        Outcome::Superseded(format!(
            "version {version} of this deployment was replaced by version {}",
            job.head.version
        ))
    };
    let Some(rollout) = &attempt.rollout else {
        return superseded();
    };
    match judge_ended(rollout, &observed.activity.allocations) {
        Health::RolledBack { cause, to_version } => Outcome::RolledBack { cause, to_version },
        Health::Failed(cause) if rollout.status == "failed" => Outcome::Unhealthy(cause),
        _ => superseded(),
    }
}

fn watch(job: &JobRecord, observed: &Observed, memory: &Memory) -> Plan {
    match judge(job, &observed.activity) {
        Health::Healthy => Plan::finished(Outcome::Converged),
        Health::Progressing(progress) => Plan::then(Next::Watch(progress)),
        Health::Failed(cause) => Plan::finished(Outcome::Unhealthy(cause)),
        Health::RolledBack { cause, to_version } => {
            Plan::finished(Outcome::RolledBack { cause, to_version })
        }
        Health::Cancelled(text) => {
            Plan::finished(Outcome::Superseded(format!("the rollout ended: {text}")))
        }
        Health::Blocked(cause)
            if memory
                .blocked_for
                .is_some_and(|time| time >= memory.placement_grace) =>
        {
            Plan::finished(Outcome::Unplaceable(cause))
        }
        Health::Blocked(cause) => blocked(cause),
    }
}

fn blocked(cause: Cause) -> Plan {
    let waiting_for = "a node becomes free".to_owned();
    Plan::then(Next::Watch(Progress {
        waiting_for,
        trouble: Some(cause),
        ..Progress::default()
    }))
}

/// Stop, wait until every allocation has ended, then `purge` if wanted. Children go with their parent.
fn remove(id: &JobId, job: Option<&JobRecord>, observed: &Observed, purge: bool) -> Plan {
    let mut running = Vec::new();
    let mut ended = Vec::new();
    for child in &observed.children {
        // An id that Nomad listed and that cannot be addressed is left to Nomad.
        let Ok(child_id) = child.id.parse::<JobId>() else {
            continue;
        };
        if child.stop || child.status == "dead" {
            ended.push(child_id)
        } else {
            running.push(child_id)
        }
    }
    match job {
        Some(job) if job.head.stop => ended.push(id.clone()),
        // The parent first, so that it starts no further child.
        Some(_) => running.insert(0, id.clone()),
        None => {}
    }
    if !running.is_empty() {
        return Plan::act(
            running
                .into_iter()
                .map(|job| Action::Stop { job })
                .collect(),
        );
    }
    let left = observed
        .activity
        .allocations
        .iter()
        .filter(|allocation| !allocation.is_terminal())
        .count();
    if left > 0 {
        return Plan::watch(&format!("{left} allocation(s) end"));
    }
    if !purge && job.is_some() {
        return Plan::finished(Outcome::Stopped);
    }
    if ended.is_empty() || !purge {
        return Plan::finished(Outcome::Destroyed);
    }
    Plan::act(ended.into_iter().map(|job| Action::Purge { job }).collect())
}

#[cfg(test)]
mod tests;
