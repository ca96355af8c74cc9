//! The status of a job and its summary, both derived from what belongs to it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::World;
use super::job::{Job, JobKey};
use super::tables::{Table, Tx};

impl World {
    /// Nomad's rule (nomad-api.md 4.1).
    fn status_of(&self, job: &Job) -> &'static str {
        if job.is_parent() || job.kind() == "system" {
            return if job.stopped() { "dead" } else { "running" };
        }
        let key = job.key();
        let active = self.latest_deployment(&key).is_some_and(|deployment| {
            deployment.active() && deployment.job_create_index == job.create_index
        });
        if active || self.allocs_of(&key).any(|alloc| !alloc.client_terminal()) {
            return "running";
        }
        let evals: Vec<_> = self
            .evals_of(&key)
            .filter(|eval| eval.create_index >= job.create_index)
            .collect();
        if evals.iter().any(|eval| !eval.terminal()) {
            "pending"
        } else if !evals.is_empty() || job.stopped() {
            "dead"
        } else {
            "pending"
        }
    }

    /// Brings a job's status up to date inside a raft message, and tells the stream when it changed.
    pub(super) fn refresh_job(&mut self, tx: &mut Tx, key: &JobKey) {
        let Some(job) = self.job(key).cloned() else {
            return;
        };
        let status = self.status_of(&job);
        if status == job.status {
            return;
        }
        self.change_job(tx, key, |job| job.status = status);
        if !job.parent_id().is_empty() {
            self.touch(Table::Summaries, tx);
        }
    }

    /// Changes a job's state, not its specification.
    pub(super) fn change_job(&mut self, tx: &mut Tx, key: &JobKey, change: impl FnOnce(&mut Job)) {
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        let mut job = (*entry.job).clone();
        change(&mut job);
        job.modify_index = tx.index;
        entry.job = Arc::new(job);
        entry.track();
        let job = entry.job.clone();
        self.touch(Table::Jobs, tx);
        self.emit_job(tx, &job);
    }

    pub(super) fn emit_job(&self, tx: &mut Tx, job: &Job) {
        tx.emit(
            "Job",
            job.id(),
            job.namespace(),
            Vec::new(),
            json!({"Job": job.json()}),
        );
    }

    /// `GET /v1/job/:id/summary`.
    #[must_use]
    pub fn summary(&self, job: &Job) -> Value {
        let key = job.key();
        let mut groups: Map<String, Value> = super::json::list(&job.spec, "TaskGroups")
            .iter()
            .map(|group| (super::json::text(group, "Name").to_owned(), empty_summary()))
            .collect();
        for alloc in self.allocs_of(&key) {
            let group = groups
                .entry(alloc.group.clone())
                .or_insert_with(empty_summary);
            let name = match alloc.client_status {
                "pending" => "Starting",
                "running" => "Running",
                "complete" => "Complete",
                "failed" => "Failed",
                "lost" => "Lost",
                _ => "Unknown",
            };
            group[name] = json!(super::json::int(group, name) + 1);
        }
        if let Some(eval) = self
            .evals_of(&key)
            .filter(|eval| !eval.queued.is_empty())
            .last()
        {
            for (name, queued) in &eval.queued {
                if let Some(group) = groups.get_mut(name) {
                    group["Queued"] = json!(queued);
                }
            }
        }
        let mut children = json!({"Pending": 0, "Running": 0, "Dead": 0});
        for child in self.children_of(&key) {
            let name = match child.status {
                "pending" => "Pending",
                "running" => "Running",
                _ => "Dead",
            };
            children[name] = json!(super::json::int(&children, name) + 1);
        }
        let index = self
            .jobs
            .get(&key)
            .map_or(job.create_index, |entry| entry.summary_index);
        json!({
            "JobID": job.id(), "Namespace": job.namespace(), "Summary": groups, "Children": children,
            "CreateIndex": job.create_index, "ModifyIndex": index,
        })
    }
}

fn empty_summary() -> Value {
    json!({"Queued": 0, "Complete": 0, "Failed": 0, "Running": 0, "Starting": 0, "Lost": 0, "Unknown": 0})
}
