//! All jobs at a glance, from two list calls and what `cs` remembers.
//!
//! The rules are those of [`judge`](crate::reconcile::judge), as far as `GET /v1/jobs` and `GET /v1/jobs/statuses` tell
//! enough for them: no cause is named here (`cs why` names it), but the word is the same. `tests/views` holds both to
//! each other.

mod glance;

use std::collections::{BTreeMap, HashMap};

use crate::clients::nomad::types::{JobStatus, JobStub};
use crate::ids::{JobKey, ModifyIndex, OwnerId};
use crate::reconcile::plan::META_OWNER;

use super::condition::Condition;
use super::text::Nanos;
use glance::Glance;

/// What `cs` remembers of a job that it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// On whose behalf.
    pub owner: OwnerId,
    /// Index of the specification after the last write.
    pub index: ModifyIndex,
    /// The last specification that was written failed, and is not tried again.
    pub failed: bool,
    /// It is a batch job that has completed: when Nomad has forgotten it, nothing is missing.
    pub finished: bool,
    /// Revision of the source that was written.
    pub revision: Option<String>,
    /// When it was written.
    pub written: Option<Nanos>,
}

/// Whether a job is still as `cs` wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// Nobody wrote it since.
    None,
    /// Somebody wrote it since.
    Changed,
    /// The last specification failed; Nomad runs another version, or none that is healthy.
    Failed,
    /// It is gone.
    Gone,
    /// Nothing is remembered of it.
    Unknown,
}

impl Drift {
    /// The word that tables and reports carry.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Unknown => "-",
        }
    }
}

/// One job at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Namespace.
    pub namespace: String,
    /// Job id.
    pub job: String,
    /// `service`, `batch`, `system` or `sysbatch`, with `periodic` or `parameterized` before it.
    pub kind: String,
    /// On whose behalf, by the job's meta or by what is remembered.
    pub owner: Option<String>,
    /// How it is.
    pub condition: Condition,
    /// The same in a few words; empty when the word says all.
    pub message: String,
    /// Allocations of the current version that run, or that completed.
    pub ready: u64,
    /// Of so many; `None` where the number of nodes decides, and for parents.
    pub desired: Option<u64>,
    /// Whether it is still as `cs` wrote it.
    pub drift: Drift,
    /// Current version.
    pub version: Option<u64>,
    /// Revision of the source that was written.
    pub revision: Option<String>,
    /// When the current version was submitted; 0 when unknown.
    pub submitted: Nanos,
    /// Index of the specification.
    pub index: ModifyIndex,
}

/// The rows of a fleet, by namespace and job.
///
/// `stubs` and `statuses` are whole lists over the same namespaces; children of periodic and parameterized jobs among the
/// stubs are left out, unless a status was asked for them. What is `remembered` and not listed is shown as missing, so it
/// must be limited to those namespaces, too.
#[must_use]
pub fn rows(
    stubs: &[JobStub],
    statuses: &[JobStatus],
    remembered: &BTreeMap<JobKey, Remembered>,
) -> Vec<Row> {
    let statuses: HashMap<(&str, &str), &JobStatus> = statuses
        .iter()
        .map(|status| ((status.namespace.as_str(), status.id.as_str()), status))
        .collect();
    let mut memory: HashMap<(&str, &str), &Remembered> = remembered
        .iter()
        .map(|(key, entry)| ((key.namespace.as_str(), key.job.as_str()), entry))
        .collect();
    let mut rows = Vec::with_capacity(stubs.len());
    for stub in stubs {
        let key = (stub.namespace.as_str(), stub.id.as_str());
        let status = statuses.get(&key).copied();
        let entry = memory.remove(&key);
        if status.is_some() || stub.parent_id.is_empty() {
            rows.push(row(stub, status, entry));
        }
    }
    let gone = memory.into_iter().filter(|(_, entry)| !entry.finished);
    rows.extend(gone.map(|((namespace, job), entry)| missing(namespace, job, entry)));
    rows.sort_by(|one, other| (&one.namespace, &one.job).cmp(&(&other.namespace, &other.job)));
    rows
}

fn row(stub: &JobStub, status: Option<&JobStatus>, entry: Option<&Remembered>) -> Row {
    let glance = Glance::of(stub, status);
    let owner = stub.meta.get(META_OWNER).cloned();
    Row {
        namespace: stub.namespace.clone(),
        job: stub.id.clone(),
        kind: kind(stub),
        owner: owner.or_else(|| entry.map(|entry| entry.owner.to_string())),
        condition: glance.condition,
        message: glance.message,
        ready: glance.ready,
        desired: glance.desired,
        drift: match entry {
            None => Drift::Unknown,
            Some(entry) if entry.failed => Drift::Failed,
            Some(entry) if entry.index == stub.job_modify_index => Drift::None,
            Some(_) => Drift::Changed,
        },
        version: status.map(|status| status.version),
        revision: entry.and_then(|entry| entry.revision.clone()),
        submitted: stub.submit_time,
        index: stub.job_modify_index,
    }
}

fn missing(namespace: &str, job: &str, entry: &Remembered) -> Row {
    Row {
        namespace: namespace.to_owned(),
        job: job.to_owned(),
        kind: "-".to_owned(),
        owner: Some(entry.owner.to_string()),
        condition: Condition::Missing,
        message: "cs wrote it, and somebody purged it".to_owned(),
        ready: 0,
        desired: None,
        drift: Drift::Gone,
        version: None,
        revision: entry.revision.clone(),
        submitted: entry.written.unwrap_or(0),
        index: entry.index,
    }
}

fn kind(stub: &JobStub) -> String {
    let before = match (stub.periodic, stub.parameterized_job) {
        (true, _) => "periodic ",
        (_, true) => "parameterized ",
        _ => "",
    };
    format!("{before}{}", stub.job_type)
}

#[cfg(test)]
mod tests;
