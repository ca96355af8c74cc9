//! Registering a job: check, compare, write a version, ask for an evaluation.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::canonicalize;
use super::job::{Job, JobEntry, JobKey};
use super::json::{list, present, text};
use super::refusal::Refusal;
use super::tables::{Table, Tx};
use super::{connect, schema, validate};

/// A request to register.
#[derive(Debug, Clone, Default)]
pub struct Register {
    /// The job as it was sent.
    pub job: Value,
    /// The query's namespace; wins over the job's own.
    pub namespace: Option<String>,
    /// Only when the job's `JobModifyIndex` is this; 0 when it must not exist.
    pub enforce_index: Option<u64>,
    /// Keep the counts that stand.
    pub preserve_counts: bool,
    /// Keep the resources that stand.
    pub preserve_resources: bool,
    /// What it was made from.
    pub submission: Option<Value>,
    /// Accessor of the token, when tokens are on.
    pub token: String,
}

/// What a write of a job gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Evaluation; `""` for parents.
    pub eval_id: String,
    /// Its index.
    pub eval_create_index: u64,
    /// After an unchanged register the job's `ModifyIndex` (nomad-api.md, trap 3).
    pub job_modify_index: u64,
    /// Raft index.
    pub index: u64,
    /// Remarks.
    pub warnings: String,
}

impl World {
    /// Decodes and completes a job, as Nomad does before it compares.
    ///
    /// # Errors
    /// A member of the wrong kind (400).
    pub fn prepare_job(&self, raw: &Value, namespace: Option<&str>) -> Result<Value, Refusal> {
        let mut job = schema::decode(raw, schema::JOB, "Job").map_err(Refusal::bad_request)?;
        if let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) {
            job["Namespace"] = json!(namespace);
        }
        canonicalize(&mut job, &self.region);
        if connect::add_tasks(&mut job) {
            canonicalize(&mut job, &self.region);
        }
        // Server-side members that are compared but cannot be sent.
        for (name, empty) in [
            ("ParentID", json!("")),
            ("Dispatched", json!(false)),
            ("DispatchIdempotencyToken", json!("")),
            ("NomadTokenID", json!("")),
        ] {
            job[name] = empty;
        }
        Ok(job)
    }

    pub(super) fn check_job(&self, job: &Value) -> Result<(), Refusal> {
        let region = text(job, "Region");
        if region != self.region && region != "global" {
            return Err(Refusal::server("No path to region"));
        }
        let problems = validate::problems(job);
        if !problems.is_empty() {
            return Err(Refusal::many(&problems));
        }
        let id = text(job, "ID");
        let namespace = text(job, "Namespace");
        if !self.namespaces.contains_key(namespace) {
            return Err(Refusal::many(&[format!(
                "job {id:?} is in nonexistent namespace {namespace:?}"
            )]));
        }
        let pool = text(job, "NodePool");
        if !self.pools.contains_key(pool) {
            return Err(Refusal::many(&[format!(
                "job {id:?} is in nonexistent node pool {pool:?}"
            )]));
        }
        Ok(())
    }

    pub(super) fn warnings(&self, job: &Value) -> String {
        let oversubscription =
            super::json::flag(&self.scheduler_config, "MemoryOversubscriptionEnabled");
        validate::warnings(job, oversubscription)
    }

    /// `PUT /jobs`.
    ///
    /// # Errors
    /// Everything for which Nomad refuses a job; nothing is written then.
    pub fn register(&mut self, request: &Register) -> Result<Written, Refusal> {
        if super::json::flag(&self.scheduler_config, "RejectJobRegistration") {
            return Err(Refusal {
                status: 403,
                text: "Job registration, dispatch, and scale are disabled by the scheduler configuration".to_owned(),
            });
        }
        let mut spec = self.prepare_job(&request.job, request.namespace.as_deref())?;
        self.check_job(&spec)?;
        spec["NomadTokenID"] = json!(request.token);
        let warnings = self.warnings(&spec);
        let key = JobKey::new(text(&spec, "Namespace"), text(&spec, "ID"));
        let existing = self.job(&key).cloned();
        if let Some(index) = request.enforce_index {
            enforce(index, existing.as_deref())?;
        }
        if let Some(existing) = &existing {
            check_transition(existing, &spec)?;
            adopt_scaling(&mut spec, &existing.spec);
            // Compared before anything is preserved, as Nomad does (nomad-api.md, trap 4).
            if spec == *existing.spec {
                return Ok(self.register_unchanged(&key, existing, warnings));
            }
            preserve(&mut spec, &existing.spec, request);
        }
        Ok(self.register_changed(&key, spec, request, warnings))
    }

    fn register_unchanged(&mut self, key: &JobKey, existing: &Job, warnings: String) -> Written {
        if existing.is_parent() {
            return Written {
                job_modify_index: existing.modify_index,
                index: self.index,
                warnings,
                ..Written::default()
            };
        }
        let modify_index = existing.modify_index;
        let (eval_id, index) = self.raise_eval(key, "job-register");
        if let Some(eval) = self.evals.get_mut(&eval_id) {
            eval.job_modify_index = existing.job_modify_index;
        }
        let job_modify_index = self.job(key).map_or(modify_index, |job| job.modify_index);
        Written {
            eval_id,
            eval_create_index: index,
            job_modify_index,
            index,
            warnings,
        }
    }

    fn register_changed(
        &mut self,
        key: &JobKey,
        spec: Value,
        request: &Register,
        warnings: String,
    ) -> Written {
        let submission = request.submission.clone().or_else(|| {
            // Without one, Nomad copies that of the version named in the body, which usually is 0.
            let version = super::json::any_case(&request.job, "Version").and_then(Value::as_u64);
            self.submission(key, version.unwrap_or(0))
        });
        let mut tx = self.begin("JobRegistered");
        let index = tx.index;
        // A new job keeps the version that it was sent with.
        let first = super::json::any_case(&request.job, "Version").and_then(Value::as_u64);
        self.next_version(&mut tx, key, Arc::new(spec), submission, first.unwrap_or(0));
        let parent = self.job(key).is_some_and(|job| job.is_parent());
        let eval_id = if parent {
            String::new()
        } else {
            self.add_eval(&mut tx, key, "job-register", 0)
        };
        self.refresh_job(&mut tx, key);
        self.commit(tx);
        self.track_periodic(key);
        Written {
            eval_create_index: if parent { 0 } else { index },
            eval_id,
            job_modify_index: index,
            index,
            warnings,
        }
    }

    /// Writes a specification as the next version, or as the first one of a new job.
    pub(super) fn new_version(
        &mut self,
        tx: &mut Tx,
        key: &JobKey,
        spec: Arc<Value>,
        submission: Option<Value>,
    ) {
        self.next_version(tx, key, spec, submission, 0);
    }

    /// As [`Self::new_version`]; a new job begins with version `first`.
    fn next_version(
        &mut self,
        tx: &mut Tx,
        key: &JobKey,
        spec: Arc<Value>,
        submission: Option<Value>,
        first: u64,
    ) {
        let existing = self.jobs.get(key).map(|entry| entry.job.clone());
        let mut job = Job {
            spec,
            version: existing.as_ref().map_or(first, |job| job.version + 1),
            create_index: existing.as_ref().map_or(tx.index, |job| job.create_index),
            modify_index: tx.index,
            job_modify_index: tx.index,
            submit_time: self.now,
            status: "pending",
            stable: false,
        };
        if job.is_parent() && !job.stopped() {
            job.status = "running";
        } else if let Some(existing) = &existing {
            job.status = existing.status;
        }
        if !job.parent_id().is_empty() {
            let parent = JobKey::new(&key.namespace, job.parent_id());
            self.children.entry(parent).or_default().insert(key.clone());
        }
        let version = job.version;
        let job = Arc::new(job);
        let entry = self.jobs.entry(key.clone()).or_insert_with(|| JobEntry {
            job: job.clone(),
            versions: Vec::new(),
            submissions: BTreeMap::new(),
            scaling_events: BTreeMap::new(),
            summary_index: tx.index,
        });
        entry.job = job.clone();
        if let Some(submission) = submission.filter(|submission| !submission.is_null()) {
            entry.submissions.insert(version, submission);
        }
        entry.track();
        self.touch(Table::Jobs, tx);
        self.touch(Table::Summaries, tx);
        self.emit_job(tx, &job);
    }
}

fn enforce(index: u64, existing: Option<&Job>) -> Result<(), Refusal> {
    let text = match existing {
        None if index != 0 => format!("Enforcing job modify index {index}: job does not exist"),
        Some(_) if index == 0 => "Enforcing job modify index 0: job already exists".to_owned(),
        Some(job) if job.job_modify_index != index => format!(
            "Enforcing job modify index {index}: job exists with conflicting job modify index: {}",
            job.job_modify_index
        ),
        _ => return Ok(()),
    };
    Err(Refusal::server(text))
}

fn check_transition(existing: &Job, spec: &Value) -> Result<(), Refusal> {
    if existing.kind() != text(spec, "Type") {
        return Err(Refusal::server(format!(
            "cannot update job from type {:?} to {:?}",
            existing.kind(),
            text(spec, "Type")
        )));
    }
    for (member, word) in [
        ("Periodic", "periodic"),
        ("ParameterizedJob", "parameterized"),
    ] {
        let problem = match (present(&existing.spec, member), present(spec, member)) {
            (false, true) => format!("cannot update non-{word} job to being {word}"),
            (true, false) => format!("cannot update {word} job to being non-{word}"),
            _ => continue,
        };
        return Err(Refusal::server(problem));
    }
    Ok(())
}

/// Scaling policies get an id after the first write, so the second register of the same job differs (trap 5).
pub(super) fn adopt_scaling(spec: &mut Value, existing: &Value) {
    for group in spec["TaskGroups"].as_array_mut().into_iter().flatten() {
        if !present(group, "Scaling") {
            continue;
        }
        let old = super::spec::raw_group(existing, text(group, "Name")).map(|old| &old["Scaling"]);
        let Some(old) = old.filter(|old| old.is_object()) else {
            continue;
        };
        let mut bare = old.clone();
        bare["ID"] = json!("");
        if bare == group["Scaling"] {
            group["Scaling"]["ID"] = json!(policy_id(
                text(existing, "Namespace"),
                text(existing, "ID"),
                text(group, "Name")
            ));
        }
    }
}

fn policy_id(namespace: &str, job: &str, group: &str) -> String {
    let name = format!("{namespace}/{job}/{group}");
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

fn preserve(spec: &mut Value, existing: &Value, request: &Register) {
    for group in spec["TaskGroups"].as_array_mut().into_iter().flatten() {
        let Some(old) = super::spec::raw_group(existing, text(group, "Name")) else {
            continue;
        };
        if request.preserve_counts {
            group["Count"] = old["Count"].clone();
        }
        if request.preserve_resources {
            for task in group["Tasks"].as_array_mut().into_iter().flatten() {
                let twin = list(old, "Tasks")
                    .iter()
                    .find(|old| text(old, "Name") == text(task, "Name"));
                if let Some(twin) = twin {
                    task["Resources"] = twin["Resources"].clone();
                }
            }
        }
    }
}
