//! One job, from the cluster to a document.

use serde_json::Value;

use super::exit;
use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::calls::parse::ParseReply;
use crate::clients::nomad::types::JobRecord;
use crate::clients::nomad::{NomadClient, NomadError};
use crate::desired::native::{self, Inputs};
use crate::dispatch::to_yaml;
use crate::ids::{JobId, OwnerId};
use crate::importing::secret::{self, Found};
use crate::importing::slim::slim;
use crate::importing::{document, drift, workload, yaml};
use crate::reconcile::diff::{Drift, tells_of_secret};
use crate::reconcile::plan::META_OWNER;
use crate::spec::{NomadJob, Workload};

/// What is to be written.
pub(super) struct Wanted {
    /// A workload, where that is exact.
    pub(super) workload: bool,
    /// The user asked for one: what keeps the job from being one is said.
    pub(super) insists: bool,
    /// Only the HCL source will do.
    pub(super) source_only: bool,
    pub(super) secrets: Secrets,
}

/// What becomes of values that may be secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// They are not written. A workload refers to them; a native job cannot, and is refused.
    Refuse,
    /// They stay in the cluster.
    Leave,
    /// They are written.
    Include,
}

/// A document.
pub(super) enum Imported {
    Workload(Box<Workload>),
    Native(Box<NomadJob>),
}

impl Imported {
    pub(super) fn to_yaml(&self) -> String {
        match self {
            Self::Workload(workload) => to_yaml(workload),
            Self::Native(job) => yaml::nomad_job(job),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Workload(workload) => serde_json::to_value(workload),
            Self::Native(job) => serde_json::to_value(job),
        }
        .expect("plain data with text keys")
    }

    pub(super) fn source(&self) -> Option<&str> {
        match self {
            Self::Workload(_) => None,
            Self::Native(job) => job.spec.hcl.as_deref(),
        }
    }
}

/// Why there is no document.
pub(super) enum Refusal {
    Nomad(NomadError),
    Absent,
    /// It is a run of this job.
    Child(String),
    /// HCL was asked for, and there is none that says what runs.
    NoSource(&'static str),
    /// Places of values that may be secrets.
    Secrets(Vec<String>),
    /// Places of such values that `ignoreFields` cannot name.
    Unnamed(Vec<String>),
    /// The document's plan would not be empty.
    Drift(Drift),
}

pub(super) async fn import(
    client: &NomadClient,
    id: &JobId,
    wanted: &Wanted,
) -> Result<Imported, Refusal> {
    let read = client.job(id).await.map_err(Refusal::Nomad)?;
    let record = read.value.ok_or(Refusal::Absent)?;
    let parent = record.spec.get("ParentID").and_then(Value::as_str);
    if let Some(parent) = parent.filter(|parent| !parent.is_empty()) {
        return Err(Refusal::Child(parent.to_owned()));
    }
    remark(id, &record);
    if wanted.workload {
        match workload::workload(&record.spec) {
            Ok(found) => return as_workload(id, &record, found, wanted.secrets),
            Err(reasons) if wanted.insists => {
                let reasons = reasons.join("; ");
                exit::warn(&format!(
                    "job `{id}` cannot be said as a Workload, a NomadJob is written: {reasons}"
                ));
            }
            Err(_) => {}
        }
    }
    let slimmed = slim(&record.spec);
    let found = secret::find(&slimmed);
    if wanted.secrets == Secrets::Refuse && !found.is_empty() {
        return Err(Refusal::Secrets(paths(found)));
    }
    // A source cannot be written without the values that stand in it.
    if found.is_empty() || wanted.secrets == Secrets::Include {
        match from_source(client, id, &record, wanted.secrets).await? {
            Ok(document) => return Ok(Imported::Native(Box::new(document))),
            Err(why) if wanted.source_only => return Err(Refusal::NoSource(why)),
            Err(_) => {}
        }
    } else if wanted.source_only {
        let why = "values that may be secrets cannot be left out of a source";
        return Err(Refusal::NoSource(why));
    }
    from_job(&record, slimmed, wanted.secrets)
}

fn paths(found: Vec<Found>) -> Vec<String> {
    found.into_iter().map(|found| found.path).collect()
}

/// What whoever applies the document has to know.
fn remark(id: &JobId, record: &JobRecord) {
    if record.head.stop {
        exit::warn(&format!("job `{id}` is stopped, and so says its spec"));
    }
    match record.head.meta.get(META_OWNER) {
        Some(owner) => tracing::info!(job.id = %id, "job {id} belongs to {owner}"),
        None => {
            tracing::info!(job.id = %id, "job {id} belongs to nobody; apply takes it over with --adopt")
        }
    }
}

/// The environment becomes references. A file's text cannot be one, so it is left, written or refused.
fn as_workload(
    id: &JobId,
    record: &JobRecord,
    mut found: Workload,
    secrets: Secrets,
) -> Result<Imported, Refusal> {
    match secrets {
        Secrets::Include => {}
        Secrets::Refuse => {
            let files = &found.spec.files;
            if !files.is_empty() {
                let path = |file: &crate::spec::workload::File| format!("the file {}", file.path);
                return Err(Refusal::Secrets(files.iter().map(path).collect()));
            }
            let names = workload::refer_to_env(&mut found);
            if !names.is_empty() {
                exit::warn(&format!(
                    "the spec of `{id}` takes these values from the environment of `cs`: {}",
                    names.join(", ")
                ));
            }
        }
        Secrets::Leave => {
            let left = workload::leave(&mut found);
            told_left(id, left);
            let drift = workload::drift_of(&found, &record.spec);
            if !drift.is_empty() {
                return Err(Refusal::Drift(drift));
            }
        }
    }
    Ok(Imported::Workload(Box::new(found)))
}

fn told_left(id: &JobId, count: usize) {
    if count > 0 {
        exit::warn(&format!(
            "{count} value(s) of `{id}` stay in the cluster only; a job that is purged loses them"
        ));
    }
}

/// The HCL that Nomad keeps beside this version, if evaluating it gives the very job; else why not.
async fn from_source(
    client: &NomadClient,
    id: &JobId,
    record: &JobRecord,
    secrets: Secrets,
) -> Result<Result<NomadJob, &'static str>, Refusal> {
    const NONE: &str = "Nomad keeps no HCL beside it";
    const FORBIDDEN: &str = "this token may not have HCL parsed (`parse-job`)";
    const OTHER: &str = "the HCL that Nomad keeps beside it says something else than what runs";
    let submission = client.submission(id, record.head.version);
    let submission: Option<Submission> = submission.await.map_err(Refusal::Nomad)?.value;
    let Some((document, kept)) =
        submission.and_then(|submission| document::of_source(&record.spec, &submission))
    else {
        return Ok(Err(NONE));
    };
    let Ok(Inputs::Hcl(inputs)) = native::inputs(&document, Some(&kept), &|_| None) else {
        return Ok(Err(OTHER));
    };
    let variables = inputs.variables();
    let parsed = match client.parse(&inputs.text, &variables).await {
        Ok(ParseReply::Job(parsed)) => parsed,
        Ok(ParseReply::Refused(_)) => return Ok(Err(OTHER)),
        // Reading jobs is one right, having HCL parsed another.
        Err(NomadError::Forbidden { .. }) => return Ok(Err(FORBIDDEN)),
        Err(error) => return Err(Refusal::Nomad(error)),
    };
    let owner: OwnerId = "cs".parse().expect("a valid owner");
    let finished = native::finish(parsed, &document, client.namespace(), &owner);
    let is_exact = finished.is_ok_and(|job| drift(&job, &record.spec, &[]).is_empty());
    let values = inputs.plain_values().filter(|_| is_exact);
    Ok(match values {
        Some(values)
            if secrets == Secrets::Include || !values.keys().any(|name| tells_of_secret(name)) =>
        {
            Ok(document::with_variables(document, values))
        }
        // The job itself says the same without it.
        Some(_) => Err("its HCL has a variable whose value may be a secret"),
        None => Err(OTHER),
    })
}

/// The job itself.
fn from_job(record: &JobRecord, mut job: Value, secrets: Secrets) -> Result<Imported, Refusal> {
    let mut left = Vec::new();
    if secrets == Secrets::Leave {
        left = secret::leave(&mut job).map_err(Refusal::Unnamed)?;
        if let Ok(id) = record.head.id.parse() {
            told_left(&id, left.len());
        }
    }
    let drift = drift(&job, &record.spec, &left);
    if !drift.is_empty() {
        return Err(Refusal::Drift(drift));
    }
    Ok(Imported::Native(Box::new(document::of_job(
        &record.spec,
        job,
        left,
    ))))
}
