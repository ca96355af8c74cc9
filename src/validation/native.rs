//! Native jobs, as far as they can be judged without the cluster that parses them.

use serde_json::Value;

use super::document::Facts;
use crate::config::Environment;
use crate::desired::native::{self, Inputs, NativeIssue};
use crate::desired::validate::of_native;
use crate::manifests::Manifest;
use crate::spec::{Diagnostic, NomadJob, Resource};

/// What was found out about a native job.
pub(super) struct Checked {
    pub(super) findings: Vec<Diagnostic>,
    pub(super) facts: Facts,
    /// The job, when it is written as one already.
    pub(super) job: Option<Value>,
}

pub(super) fn check(manifest: &Manifest, job: &NomadJob, environment: &Environment) -> Checked {
    let document = &manifest.document;
    let texts = manifest.native.as_ref();
    let own = of_native(job).into_iter();
    let mut findings: Vec<Diagnostic> = own.map(|issue| issue.into_diagnostic(document)).collect();
    let issues = native::check(job, texts, &|name| environment.get(name));
    let placed = |issue: NativeIssue| issue.into_diagnostic(document);
    findings.extend(issues.into_iter().map(placed));
    let job_type = native::identity_of(job, texts).job_type;
    let is_ending = |job_type: String| matches!(job_type.as_str(), "batch" | "sysbatch");
    Checked {
        findings,
        facts: Facts {
            runs_to_completion: job_type.map(is_ending),
        },
        job: written_job(manifest),
    }
}

/// The job of a document that is written as one already: as JSON.
#[must_use]
pub fn written_job(manifest: &Manifest) -> Option<Value> {
    let Resource::NomadJob(job) = &manifest.document.resource else {
        return None;
    };
    // Variables have no part in JSON.
    match native::inputs(job, manifest.native.as_ref(), &|_| None).ok()? {
        Inputs::Json(job) => Some(job),
        Inputs::Hcl(_) => None,
    }
}
