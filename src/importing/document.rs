//! Documents of kind `NomadJob`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clients::nomad::calls::jobs::Submission;
use crate::manifests::{Native, NativeFormat};
use crate::spec::nomad_job::{NomadJob, NomadJobKind, NomadJobSpec};
use crate::spec::workload::{ApiVersion, Metadata};

/// Name of the variable file of a submission in findings.
const SUBMITTED: &str = "submission";

/// An empty document for a running job.
fn empty(running: &Value) -> NomadJob {
    let text = |name: &str| running.get(name).and_then(Value::as_str).map(str::to_owned);
    NomadJob {
        api_version: ApiVersion::V1,
        kind: NomadJobKind::NomadJob,
        metadata: Metadata {
            name: text("ID").unwrap_or_default(),
            // Always said: without it the job belongs wherever the reader is connected to.
            namespace: text("Namespace").filter(|namespace| !namespace.is_empty()),
            ..Metadata::default()
        },
        spec: NomadJobSpec::default(),
    }
}

/// The job itself.
#[must_use]
pub fn of_job(running: &Value, job: Value, ignore_fields: Vec<String>) -> NomadJob {
    let mut document = empty(running);
    document.spec.job = Some(job);
    document.spec.ignore_fields = ignore_fields;
    document
}

/// The source that Nomad keeps beside the job, if it is HCL. The values of its variables stand apart, to be merged as those
/// of a variable file and of flags.
#[must_use]
pub fn of_source(running: &Value, submission: &Submission) -> Option<(NomadJob, Native)> {
    if submission.format != "hcl2" || submission.source.trim().is_empty() {
        return None;
    }
    let mut document = empty(running);
    document.spec.hcl = Some(submission.source.clone());
    let native = Native {
        file: SUBMITTED.into(),
        text: submission.source.as_str().into(),
        format: NativeFormat::Hcl,
        variable_files: vec![(SUBMITTED.into(), submission.variables.as_str().into())],
        variable_flags: submission
            .variable_flags
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    };
    Some((document, native))
}

/// The document with the values of its variables written into it.
#[must_use]
pub fn with_variables(mut document: NomadJob, values: BTreeMap<String, Value>) -> NomadJob {
    document.spec.variables = values;
    document
}
