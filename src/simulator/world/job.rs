//! A job as the server stores it: its specification and, apart from it, its state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::json::{present, text};
use super::time::Nanos;

/// Namespace and id: what names a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    /// Namespace.
    pub namespace: String,
    /// Id.
    pub id: String,
}

impl JobKey {
    /// Names a job.
    pub fn new(namespace: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            id: id.into(),
        }
    }
}

/// One version of a job.
#[derive(Debug, Clone)]
pub struct Job {
    /// The canonical specification, `Stop` included, without the state below. Equal specifications are the same version.
    pub spec: Arc<Value>,
    /// Counts specifications, from 0.
    pub version: u64,
    /// Index of its creation.
    pub create_index: u64,
    /// Index of the last change of anything.
    pub modify_index: u64,
    /// Index of the last change of the specification.
    pub job_modify_index: u64,
    /// When it was submitted.
    pub submit_time: Nanos,
    /// `pending`, `running` or `dead`.
    pub status: &'static str,
    /// A rollout of this version succeeded.
    pub stable: bool,
}

impl Job {
    /// Id.
    #[must_use]
    pub fn id(&self) -> &str {
        text(&self.spec, "ID")
    }

    /// Namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        text(&self.spec, "Namespace")
    }

    /// Namespace and id.
    #[must_use]
    pub fn key(&self) -> JobKey {
        JobKey::new(self.namespace(), self.id())
    }

    /// `service`, `batch`, `system` or `sysbatch`.
    #[must_use]
    pub fn kind(&self) -> &str {
        text(&self.spec, "Type")
    }

    /// Stopped by a deregistration.
    #[must_use]
    pub fn stopped(&self) -> bool {
        super::json::flag(&self.spec, "Stop")
    }

    /// Starts by the clock.
    #[must_use]
    pub fn is_periodic(&self) -> bool {
        present(&self.spec, "Periodic")
    }

    /// Starts on request, and is not itself such a start.
    #[must_use]
    pub fn is_parameterized(&self) -> bool {
        present(&self.spec, "ParameterizedJob") && !super::json::flag(&self.spec, "Dispatched")
    }

    /// Only starts children; places nothing itself.
    #[must_use]
    pub fn is_parent(&self) -> bool {
        self.is_periodic() || self.is_parameterized()
    }

    /// The job of which it is a start; `""` without one.
    #[must_use]
    pub fn parent_id(&self) -> &str {
        text(&self.spec, "ParentID")
    }

    /// As `GET /v1/job/:id` shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut members = match &*self.spec {
            Value::Object(members) => members.clone(),
            _ => Map::new(),
        };
        for (name, value) in self.state() {
            members.insert(name.to_owned(), value);
        }
        Value::Object(members)
    }

    fn state(&self) -> [(&'static str, Value); 8] {
        [
            ("Version", json!(self.version)),
            ("CreateIndex", json!(self.create_index)),
            ("ModifyIndex", json!(self.modify_index)),
            ("JobModifyIndex", json!(self.job_modify_index)),
            ("SubmitTime", json!(self.submit_time)),
            ("Status", json!(self.status)),
            ("StatusDescription", json!("")),
            ("Stable", json!(self.stable)),
        ]
    }
}

/// A job with what is remembered about it.
#[derive(Debug, Clone)]
pub struct JobEntry {
    /// The current version.
    pub job: Arc<Job>,
    /// Tracked versions, newest first, the current one included.
    pub versions: Vec<Arc<Job>>,
    /// Version → what was submitted.
    pub submissions: BTreeMap<u64, Value>,
    /// Group → scaling events, newest first.
    pub scaling_events: BTreeMap<String, Vec<Value>>,
    /// Index of the last change of its summary.
    pub summary_index: u64,
}

/// How many versions are kept besides tagged ones.
pub const TRACKED_VERSIONS: usize = 6;

impl JobEntry {
    /// Remembers the current version, and forgets the oldest beyond the limit; the newest stable one stays.
    pub fn track(&mut self) {
        let current = self.job.clone();
        self.versions.retain(|job| job.version != current.version);
        self.versions.insert(0, current);
        self.versions
            .sort_by_key(|job| std::cmp::Reverse(job.version));
        let stable = self.versions.iter().position(|job| job.stable);
        while self.versions.len() > TRACKED_VERSIONS {
            let last = self.versions.len() - 1;
            let victim = if stable == Some(last) && last > 1 {
                last - 1
            } else {
                last
            };
            let gone = self.versions.remove(victim);
            self.submissions.remove(&gone.version);
        }
    }
}
