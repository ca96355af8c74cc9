//! Jobs: list, read, plan, register, stop, and what starts runs of them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clients::nomad::client::{NomadClient, ReadCall, segment};
use crate::clients::nomad::error::{CallSite, NomadError};
use crate::clients::nomad::types::{
    JobRecord, JobStub, JobVersions, PlanReply, WriteReply, null_default,
};
use crate::ids::{JobId, ModifyIndex};

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Beginning of the id.
    pub prefix: Option<String>,
    /// Nomad's filter language, e.g. `Meta["owner"] == "x"`.
    pub filter: Option<String>,
    /// Also return job meta.
    pub meta: bool,
    /// In every namespace that the token may see.
    pub all_namespaces: bool,
    /// At most this many; [`Read::next_token`](crate::clients::nomad::Read) tells where the next page starts.
    pub per_page: Option<u32>,
    /// Start of the page. An unknown token is an empty page, not an error.
    pub next_token: Option<String>,
}

/// What is kept beside a job version: its source, and flags for our own use.
///
/// Send one with every register: without it Nomad copies that of the version number in the body (nomad-api.md 2.5).
/// `Debug` shows sizes only, because a source may contain environments.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Submission {
    /// Text, at most 1 MB; a longer one is dropped with a warning.
    pub source: String,
    /// `json`, `hcl1` or `hcl2`.
    pub format: String,
    /// Text of variable files.
    #[serde(deserialize_with = "null_default")]
    pub variables: String,
    /// Free key-value pairs.
    #[serde(deserialize_with = "null_default")]
    pub variable_flags: BTreeMap<String, String>,
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("source_bytes", &self.source.len())
            .field("format", &self.format)
            .field("variables_bytes", &self.variables.len())
            .field("variable_flags", &self.variable_flags.len())
            .finish()
    }
}

/// What Nomad's validation says. A refused job is an answer here, not an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ValidateReply {
    /// One sentence a mistake; empty when the job is valid.
    #[serde(deserialize_with = "null_default")]
    pub validation_errors: Vec<String>,
    /// Remarks.
    #[serde(deserialize_with = "null_default")]
    pub warnings: String,
}

/// A run of a parameterized job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dispatch {
    /// At most 16 KiB.
    pub payload: Vec<u8>,
    /// Only keys that the job permits.
    pub meta: BTreeMap<String, String>,
    /// The same token starts one run only, while that run exists.
    pub idempotency_token: Option<String>,
}

/// The answer to a dispatch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DispatchReply {
    /// Id of the run's own job.
    #[serde(rename = "DispatchedJobID")]
    pub dispatched_job_id: String,
    /// Evaluation; empty when the idempotency token had been used.
    #[serde(rename = "EvalID", deserialize_with = "null_default")]
    pub eval_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegisterBody<'a> {
    job: &'a Value,
    enforce_index: bool,
    job_modify_index: ModifyIndex,
    #[serde(skip_serializing_if = "Option::is_none")]
    submission: Option<&'a Submission>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct JobBody<'a> {
    job: &'a Value,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    diff: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RevertBody<'a> {
    #[serde(rename = "JobID")]
    job_id: &'a JobId,
    job_version: u64,
    enforce_prior_version: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScaleBody<'a> {
    target: BTreeMap<&'static str, &'a str>,
    count: u64,
    message: &'a str,
    job_modify_index: ModifyIndex,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EvaluateBody<'a> {
    #[serde(rename = "JobID")]
    job_id: &'a JobId,
    eval_options: EvalOptions,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EvalOptions {
    force_reschedule: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DispatchBody<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    payload: String,
    meta: &'a BTreeMap<String, String>,
}

pub(super) fn job_path(job: &JobId, rest: &str) -> String {
    format!("job/{}{rest}", segment(job.as_str()))
}

pub(super) fn named(job: &JobId) -> String {
    format!("job `{job}`")
}

impl NomadClient {
    /// Lists jobs, children of periodic and parameterized ones included.
    pub fn jobs(&self, query: &JobQuery) -> ReadCall<Vec<JobStub>> {
        let mut call = self
            .read("list", "jobs".to_owned(), "jobs".to_owned())
            .list();
        if query.all_namespaces {
            call = call.global().query("namespace", "*");
        }
        if query.meta {
            call = call.query("meta", "true");
        }
        let texts = [
            ("prefix", query.prefix.clone()),
            ("filter", query.filter.clone()),
            ("per_page", query.per_page.map(|count| count.to_string())),
            ("next_token", query.next_token.clone()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                call = call.query(name, text);
            }
        }
        call
    }

    /// Reads a job. `None` only when the leader said that there is none.
    pub fn job(&self, job: &JobId) -> ReadCall<Option<JobRecord>> {
        self.read("read", named(job), job_path(job, ""))
            .absent_when("job not found")
    }

    /// Reads the versions that Nomad still has, newest first; `None` when there is no such job.
    pub fn job_versions(&self, job: &JobId) -> ReadCall<Option<JobVersions>> {
        self.read(
            "read the versions of",
            named(job),
            job_path(job, "/versions"),
        )
        .list()
        .absent_when("job versions not found")
    }

    /// Reads what was kept beside a version of a job.
    pub fn submission(&self, job: &JobId, version: u64) -> ReadCall<Option<Submission>> {
        self.read(
            "read the source of",
            named(job),
            job_path(job, "/submission"),
        )
        .query("version", version.to_string())
        .absent_when("job source not found")
    }

    /// Registers a job if it still is as observed at `expected`; [`ModifyIndex::MUST_BE_NEW`] creates only.
    ///
    /// The job goes to this client's namespace. Success does not mean that anything runs. The reply's index is no basis
    /// for another write (nomad-api.md, trap 3).
    ///
    /// # Errors
    /// [`NomadError::Conflict`] when somebody else changed it, [`NomadError::WrongNamespace`] when the job names another
    /// namespace, [`NomadError::ReplyLost`] when the job may or may not be registered.
    ///
    /// # Cancel safety
    /// Not cancel-safe: when dropped, the job may or may not be registered.
    pub async fn register(
        &self,
        job: &Value,
        expected: ModifyIndex,
        submission: Option<&Submission>,
    ) -> Result<WriteReply, NomadError> {
        self.check_namespace("register", job)?;
        let body = RegisterBody {
            job,
            enforce_index: true,
            job_modify_index: expected,
            submission,
        };
        self.write(
            "register",
            subject_of(job),
            "jobs".to_owned(),
            Some(expected),
        )
        .body(&body)
        .send()
        .await
    }

    /// Asks the scheduler what a register would do. Writes nothing.
    ///
    /// # Errors
    /// As [`register`](Self::register), without conflicts: a plan does not check the index.
    pub async fn plan(&self, job: &Value) -> Result<PlanReply, NomadError> {
        self.check_namespace("plan", job)?;
        let id = job.get("ID").and_then(Value::as_str).unwrap_or_default();
        let path = format!("job/{}/plan", segment(id));
        let body = JobBody { job, diff: true };
        Ok(self
            .read("plan", subject_of(job), path)
            .body(&body)
            .await?
            .value)
    }

    /// Has the servers validate a job. Driver configuration is not looked at.
    ///
    /// # Errors
    /// The call itself failed; an invalid job is an answer.
    pub async fn validate(&self, job: &Value) -> Result<ValidateReply, NomadError> {
        let body = JobBody { job, diff: false };
        let call = self.read("validate", subject_of(job), "validate/job".to_owned());
        Ok(call.body(&body).await?.value)
    }

    /// Stops a job, or with `purge` also forgets it with its allocations, rollouts and logs.
    ///
    /// Nomad has no index for this write: an absent job is a success with an empty reply, a stopped one gets one more
    /// version. After a purge processes may still be ending (nomad-api.md, traps 11 and 12).
    ///
    /// # Errors
    /// See [`NomadError`]. Not cancel-safe.
    pub async fn deregister(&self, job: &JobId, purge: bool) -> Result<WriteReply, NomadError> {
        let operation = if purge { "purge" } else { "stop" };
        self.write(operation, named(job), job_path(job, ""), None)
            .delete()
            .query("purge", purge.to_string())
            .send()
            .await
    }

    /// Makes an earlier version the newest. With `current`, only if that is still the version.
    ///
    /// # Errors
    /// [`NomadError::Conflict`] when the version is not `current`. Not cancel-safe.
    pub async fn revert(
        &self,
        job: &JobId,
        version: u64,
        current: Option<u64>,
    ) -> Result<WriteReply, NomadError> {
        let body = RevertBody {
            job_id: job,
            job_version: version,
            enforce_prior_version: current,
        };
        let expected = current.map(ModifyIndex);
        self.write("revert", named(job), job_path(job, "/revert"), expected)
            .body(&body)
            .send()
            .await
    }

    /// Sets the count of a group, if the job still is as observed at `expected`. Always makes a version.
    ///
    /// # Errors
    /// [`NomadError::Outdated`] during a rollout. Not cancel-safe.
    pub async fn scale(
        &self,
        job: &JobId,
        group: &str,
        count: u64,
        message: &str,
        expected: ModifyIndex,
    ) -> Result<WriteReply, NomadError> {
        let target = BTreeMap::from([("Group", group)]);
        let body = ScaleBody {
            target,
            count,
            message,
            job_modify_index: expected,
        };
        self.write("scale", named(job), job_path(job, "/scale"), Some(expected))
            .body(&body)
            .send()
            .await
    }

    /// Has the scheduler look at a job again; with `force_reschedule` failed allocations are replaced at once.
    ///
    /// # Errors
    /// Refused for periodic and parameterized jobs. Not cancel-safe, but harmless to repeat.
    pub async fn evaluate(
        &self,
        job: &JobId,
        force_reschedule: bool,
    ) -> Result<WriteReply, NomadError> {
        let body = EvaluateBody {
            job_id: job,
            eval_options: EvalOptions { force_reschedule },
        };
        self.write("evaluate", named(job), job_path(job, "/evaluate"), None)
            .body(&body)
            .send()
            .await
    }

    /// Starts a run of a parameterized job.
    ///
    /// # Errors
    /// See [`NomadError`]. Not cancel-safe: give an idempotency token, then repeating is harmless.
    pub async fn dispatch(
        &self,
        job: &JobId,
        dispatch: &Dispatch,
    ) -> Result<DispatchReply, NomadError> {
        let payload = BASE64.encode(&dispatch.payload);
        let mut call = self.write("dispatch", named(job), job_path(job, "/dispatch"), None);
        if let Some(token) = &dispatch.idempotency_token {
            call = call.query("idempotency_token", token);
        }
        call.body(&DispatchBody {
            payload,
            meta: &dispatch.meta,
        })
        .send()
        .await
    }

    /// Starts a run of a periodic job now. Two within one second are one.
    ///
    /// # Errors
    /// See [`NomadError`]. Not cancel-safe.
    pub async fn periodic_force(&self, job: &JobId) -> Result<WriteReply, NomadError> {
        let path = job_path(job, "/periodic/force");
        self.write("force a launch of", named(job), path, None)
            .send()
            .await
    }

    /// Nomad lets the namespace of the call win over that in the body, and would put the job there without a word.
    fn check_namespace(&self, operation: &'static str, job: &Value) -> Result<(), NomadError> {
        match job.get("Namespace").and_then(Value::as_str) {
            Some(named) if !named.is_empty() && named != self.namespace.as_str() => {
                Err(NomadError::WrongNamespace {
                    site: Box::new(CallSite {
                        operation,
                        subject: subject_of(job),
                        address: self.address().to_string(),
                    }),
                    named: named.to_owned(),
                    called: self.namespace.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

fn subject_of(job: &Value) -> String {
    match job.get("ID").and_then(Value::as_str) {
        Some(id) => format!("job `{}`", id.escape_debug()),
        None => "a job without id".to_owned(),
    }
}
