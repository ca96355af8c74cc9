//! What is counted of a run. Every key is of a closed set, and what comes from outside has a bound.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::JobId;

/// Most jobs and steps that are kept by name; more are counted as what they are elsewhere.
const MOST: usize = 10_000;

/// What is counted of a run.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// In the order in which they ended. A step that comes again is there again.
    pub steps: Vec<Step>,
    /// How often something was tried again, by whose trouble it was.
    pub retries: BTreeMap<&'static str, u64>,
    /// Calls by whom they went to and what was answered: a status, or `timeout`, `connect`, `dropped`, `error`.
    pub calls: BTreeMap<(&'static str, String), u64>,
    /// Bytes by what they were.
    pub bytes: BTreeMap<&'static str, u64>,
    /// Acknowledged messages, `event` or `log`.
    pub published: BTreeMap<&'static str, u64>,
    /// What became of the jobs.
    pub jobs: BTreeMap<String, Job>,
    /// What Nomad says it is.
    pub nomad_version: Option<String>,
    /// What people were told of why the run ended, and what to do.
    pub complaint: Option<(String, Option<String>)>,
    pub(super) wants_versions: bool,
}

/// A step that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Of the steps' closed set.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// It ended well.
    pub is_success: bool,
}

/// What became of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// In the word of its outcome, once it has one.
    pub outcome: Option<&'static str>,
    /// The same in one line.
    pub message: Option<String>,
    /// Index of its specification.
    pub index: Option<u64>,
    /// Its version.
    pub version: Option<u64>,
}

impl Tally {
    pub(super) fn step(&mut self, step: Step) {
        if self.steps.len() < MOST {
            self.steps.push(step);
        }
    }

    pub(super) fn retry(&mut self, kind: &'static str) {
        *self.retries.entry(kind).or_default() += 1;
    }

    pub(super) fn call(&mut self, peer: &'static str, answered: String) {
        *self.calls.entry((peer, answered)).or_default() += 1;
    }

    pub(super) fn bytes(&mut self, what: &'static str, count: usize) {
        *self.bytes.entry(what).or_default() += count as u64;
    }

    pub(super) fn published(&mut self, what: &'static str, count: usize) {
        *self.published.entry(what).or_default() += count as u64;
    }

    pub(super) fn job(&mut self, id: &JobId) -> Option<&mut Job> {
        let is_known = self.jobs.contains_key(id.as_str());
        if !is_known && self.jobs.len() >= MOST {
            return None;
        }
        Some(self.jobs.entry(id.to_string()).or_default())
    }
}
