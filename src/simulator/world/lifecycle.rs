//! Changing a job that exists: stop, purge, revert, scale, evaluate, and stopping one allocation.

use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::job::{Job, JobKey};
use super::json::{list, text};
use super::refusal::Refusal;
use super::register::Written;
use super::tables::{Table, Tx};

/// A request to scale.
#[derive(Debug, Clone, Default)]
pub struct Scale {
    /// Group; `None` when the request did not name one.
    pub group: Option<String>,
    /// New count; without it only an event is noted.
    pub count: Option<i64>,
    /// Why.
    pub message: String,
    /// Marks the event as an error.
    pub error: bool,
    /// Goes with the event.
    pub meta: Value,
    /// Only at this `JobModifyIndex`.
    pub enforce_index: Option<u64>,
}

impl World {
    /// `DELETE /job/:id`. A missing job is no error.
    pub fn deregister(&mut self, key: &JobKey, purge: bool) -> Written {
        let Some(job) = self.job(key).cloned() else {
            return Written::default();
        };
        let mut tx = self.begin("JobDeregistered");
        let index = tx.index;
        let eval_id = if purge {
            let eval = if job.is_parent() {
                String::new()
            } else {
                self.add_eval(&mut tx, key, "job-deregister", 0)
            };
            self.purge(&mut tx, key, &job);
            eval
        } else {
            let mut spec = (*job.spec).clone();
            spec["Stop"] = json!(true);
            for group in spec["TaskGroups"].as_array_mut().into_iter().flatten() {
                if group["Scaling"].is_object() {
                    group["Scaling"]["Enabled"] = json!(false);
                }
            }
            let submission = self.submission(key, job.version);
            self.new_version(&mut tx, key, Arc::new(spec), submission);
            if job.is_parent() {
                String::new()
            } else {
                self.add_eval(&mut tx, key, "job-deregister", 0)
            }
        };
        if let Some(eval) = self.evals.get_mut(&eval_id) {
            "service".clone_into(&mut eval.kind);
        }
        self.refresh_job(&mut tx, key);
        self.commit(tx);
        Written {
            eval_create_index: if eval_id.is_empty() { 0 } else { index },
            eval_id,
            job_modify_index: index,
            index,
            warnings: String::new(),
        }
    }

    /// Forgets a job with its allocations and rollouts. Evaluations stay.
    pub(super) fn purge(&mut self, tx: &mut Tx, key: &JobKey, job: &Job) {
        self.jobs.remove(key);
        if let Some(related) = self.related.get_mut(key) {
            let allocs = std::mem::take(&mut related.allocs);
            let deployments = std::mem::take(&mut related.deployments);
            for id in allocs {
                if let Some(alloc) = self.allocs.remove(&id).filter(|alloc| !alloc.terminal()) {
                    self.vacate(&alloc);
                }
            }
            for id in deployments {
                self.deployments.remove(&id);
            }
        }
        let parent = JobKey::new(&key.namespace, job.parent_id());
        if let Some(children) = self.children.get_mut(&parent) {
            children.remove(key);
        }
        for table in [
            Table::Jobs,
            Table::Summaries,
            Table::Allocs,
            Table::Deployments,
        ] {
            self.touch(table, tx);
        }
        tx.emit(
            "Job",
            &key.id,
            &key.namespace,
            Vec::new(),
            json!({"Job": job.json(), "Deleted": true}),
        );
    }

    /// The submission of a version.
    #[must_use]
    pub fn submission(&self, key: &JobKey, version: u64) -> Option<Value> {
        self.jobs.get(key)?.submissions.get(&version).cloned()
    }

    /// `PUT /job/:id/revert`.
    ///
    /// # Errors
    /// Unknown job or version, the current version, or another one than enforced.
    pub fn revert(
        &mut self,
        key: &JobKey,
        version: u64,
        enforce: Option<u64>,
    ) -> Result<Written, Refusal> {
        let missing = || Refusal::server(format!("job {:?} not found", key.id));
        let entry = self.jobs.get(key).ok_or_else(missing)?;
        if let Some(prior) = enforce
            && entry.job.version != prior
        {
            return Err(Refusal::server(format!(
                "Current job has version {}; enforcing version {prior}",
                entry.job.version
            )));
        }
        if entry.job.version == version {
            return Err(Refusal::server("can't revert to current version"));
        }
        let old = entry
            .versions
            .iter()
            .find(|job| job.version == version)
            .cloned()
            .ok_or_else(|| {
                Refusal::server(format!(
                    "job {:?} in namespace {:?} at version {version} not found",
                    key.id, key.namespace
                ))
            })?;
        let submission = self.submission(key, version);
        Ok(self.write_version(key, old.spec.clone(), submission, "job-register"))
    }

    fn write_version(
        &mut self,
        key: &JobKey,
        spec: Arc<Value>,
        submission: Option<Value>,
        trigger: &'static str,
    ) -> Written {
        let mut tx = self.begin("JobRegistered");
        let index = tx.index;
        self.new_version(&mut tx, key, spec, submission);
        let parent = self.job(key).is_some_and(|job| job.is_parent());
        let eval_id = if parent {
            String::new()
        } else {
            self.add_eval(&mut tx, key, trigger, 0)
        };
        self.refresh_job(&mut tx, key);
        self.commit(tx);
        self.track_periodic(key);
        Written {
            eval_create_index: if parent { 0 } else { index },
            eval_id,
            job_modify_index: index,
            index,
            warnings: String::new(),
        }
    }

    /// `PUT /job/:id/stable`. A version that is not the current one takes over the job's row (nomad-api.md, trap 10).
    ///
    /// # Errors
    /// Unknown job or version.
    pub fn set_stable(&mut self, key: &JobKey, version: u64, stable: bool) -> Result<u64, Refusal> {
        let found = self
            .jobs
            .get(key)
            .and_then(|entry| entry.versions.iter().find(|job| job.version == version))
            .cloned();
        let Some(found) = found else {
            return Err(Refusal::server(format!(
                "job {:?} in namespace {:?} at version {version} not found",
                key.id, key.namespace
            )));
        };
        let tx = self.begin("JobVersionStabilized");
        let mut job = (*found).clone();
        job.stable = stable;
        job.modify_index = tx.index;
        if let Some(entry) = self.jobs.get_mut(key) {
            entry.job = Arc::new(job);
            entry.track();
        }
        self.touch(Table::Jobs, &tx);
        Ok(tx.index)
    }

    /// `PUT /job/:id/scale`.
    ///
    /// # Errors
    /// 404 without the job, 400 for a request that cannot be.
    pub fn scale(&mut self, key: &JobKey, scale: &Scale) -> Result<Written, Refusal> {
        if scale.error && scale.count.is_some() {
            return Err(Refusal::bad_request(
                "scaling action should not contain count if error is true",
            ));
        }
        let Some(group) = scale.group.clone() else {
            return Err(Refusal::bad_request(
                "missing task group name for scaling action",
            ));
        };
        if scale.count.is_some_and(|count| count < 0) {
            return Err(Refusal::bad_request(
                "scaling action count can't be negative",
            ));
        }
        let Some(job) = self.job(key).cloned() else {
            return Err(Refusal::not_found(format!("job {:?} not found", key.id)));
        };
        let position = list(&job.spec, "TaskGroups")
            .iter()
            .position(|found| text(found, "Name") == group);
        let Some(position) = position else {
            return Err(Refusal::bad_request(format!(
                "task group {group:?} specified for scaling does not exist in job"
            )));
        };
        if let Some(index) = scale.enforce_index
            && job.job_modify_index != index
        {
            return Err(Refusal::server(format!(
                "Enforcing job modify index {index}: job exists with conflicting job modify index: {}",
                job.job_modify_index
            )));
        }
        let active = self
            .latest_deployment(key)
            .is_some_and(|found| found.active() && found.job_create_index == job.create_index);
        if scale.count.is_some() && active {
            return Err(Refusal::bad_request(
                "job scaling blocked due to active deployment",
            ));
        }
        let previous = job.spec["TaskGroups"][position]["Count"].clone();
        let written = match scale.count {
            Some(count) => {
                let mut spec = (*job.spec).clone();
                spec["TaskGroups"][position]["Count"] = json!(count);
                let submission = self.submission(key, job.version);
                self.write_version(key, Arc::new(spec), submission, "job-scaling")
            }
            None => Written {
                job_modify_index: job.modify_index,
                index: self.index,
                ..Written::default()
            },
        };
        self.note_scaling(key, &group, scale, &previous, &written);
        Ok(written)
    }

    fn note_scaling(
        &mut self,
        key: &JobKey,
        group: &str,
        scale: &Scale,
        previous: &Value,
        written: &Written,
    ) {
        let event = json!({
            "Count": scale.count, "PreviousCount": previous, "Message": scale.message, "Error": scale.error,
            "Meta": scale.meta, "EvalID": if written.eval_id.is_empty() { Value::Null } else { json!(written.eval_id) },
            "Time": self.now, "CreateIndex": written.index,
        });
        if let Some(entry) = self.jobs.get_mut(key) {
            entry
                .scaling_events
                .entry(group.to_owned())
                .or_default()
                .insert(0, event);
        }
    }

    /// `PUT /job/:id/evaluate`.
    ///
    /// # Errors
    /// Unknown job, or a parent.
    pub fn evaluate(&mut self, key: &JobKey, force_reschedule: bool) -> Result<Written, Refusal> {
        let Some(job) = self.job(key).cloned() else {
            return Err(Refusal::server("job not found"));
        };
        if job.is_periodic() {
            return Err(Refusal::server("can't evaluate periodic job"));
        }
        if job.is_parameterized() {
            return Err(Refusal::server("can't evaluate parameterized job"));
        }
        if force_reschedule {
            let failed: Vec<_> = self
                .allocs_of(key)
                .filter(|alloc| {
                    alloc.client_status == "failed"
                        && alloc.desired_status == "run"
                        && alloc.next.is_empty()
                })
                .filter(|alloc| {
                    alloc
                        .spec()
                        .and_then(|group| group.reschedule)
                        .is_some_and(|policy| policy.enabled())
                })
                .map(|alloc| alloc.id.clone())
                .collect();
            for id in failed {
                if let Some(alloc) = self.allocs.get_mut(&id) {
                    alloc.force_reschedule = true;
                }
            }
        }
        let (eval_id, index) = self.raise_eval(key, "job-register");
        Ok(Written {
            eval_id,
            eval_create_index: index,
            job_modify_index: job.job_modify_index,
            index,
            warnings: String::new(),
        })
    }

    /// `PUT /allocation/:id/stop`: it is placed anew elsewhere.
    ///
    /// # Errors
    /// Unknown allocation.
    pub fn stop_allocation(&mut self, id: &str) -> Result<(String, u64), Refusal> {
        let Some(alloc) = self.allocs.get_mut(id) else {
            return Err(Refusal::not_found("alloc not found"));
        };
        alloc.migrate = true;
        let key = alloc.key();
        Ok(self.raise_eval(&key, "alloc-stop"))
    }

    /// Tags a version, or removes the tag with this name when `version` is `None`.
    ///
    /// # Errors
    /// Unknown job or version.
    pub fn tag_version(
        &mut self,
        key: &JobKey,
        name: &str,
        version: Option<u64>,
        description: &str,
    ) -> Result<u64, Refusal> {
        if !self.jobs.contains_key(key) {
            return Err(Refusal::server(format!("job {:?} not found", key.id)));
        }
        let tx = self.begin("JobVersionTagged");
        let (now, index) = (self.now, tx.index);
        self.touch(Table::Jobs, &tx);
        let Some(entry) = self.jobs.get_mut(key) else {
            return Ok(index);
        };
        for job in &mut entry.versions {
            let tagged = text(&job.spec["VersionTag"], "Name") == name;
            let chosen = version == Some(job.version);
            if !tagged && !chosen {
                continue;
            }
            let mut spec = (*job.spec).clone();
            spec["VersionTag"] = if chosen {
                json!({"Name": name, "Description": description, "TaggedTime": now})
            } else {
                Value::Null
            };
            let mut changed = (**job).clone();
            changed.spec = Arc::new(spec);
            changed.modify_index = index;
            *job = Arc::new(changed);
            if entry.job.version == job.version {
                entry.job = job.clone();
            }
        }
        Ok(index)
    }
}

impl World {
    /// Somebody else changes a job: its priority moves by one, and with it its version and `JobModifyIndex`.
    pub fn bump(&mut self, key: &JobKey) {
        let Some(job) = self.job(key).cloned() else {
            return;
        };
        let mut spec = (*job.spec).clone();
        let priority = super::json::int(&spec, "Priority");
        spec["Priority"] = json!(if priority >= 100 {
            priority - 1
        } else {
            priority + 1
        });
        let submission = self.submission(key, job.version);
        self.write_version(key, Arc::new(spec), submission, "job-register");
    }
}
