//! One document by itself.

use super::{Options, deprecated, lint, native, policy};
use crate::clients::nomad::job::Job;
use crate::compile::compile;
use crate::desired::{self, Desired, Issue};
use crate::ids::OwnerId;
use crate::manifests::Manifest;
use crate::spec::workload::Workload;
use crate::spec::{Diagnostic, Document, Resource, Severity};

/// What was found out about a document.
pub(super) struct Checked {
    pub(super) findings: Vec<Diagnostic>,
    pub(super) facts: Facts,
    pub(super) judged: policy::Judged,
}

/// What the others want to know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// Whether its tasks are meant to end; `None` when that takes a cluster to know.
    pub(super) runs_to_completion: Option<bool>,
}

pub(super) fn check(manifest: &Manifest, options: &Options<'_>) -> Checked {
    let document = &manifest.document;
    let (mut findings, facts, job) = match &document.resource {
        Resource::Workload(workload) => of_workload(document, workload, options),
        Resource::NomadJob(job) => {
            let native = native::check(manifest, job, options.environment);
            let seen = match native.job {
                Some(job) => policy::Job::Known(job),
                None if options.judges_native_jobs_later => policy::Job::KnownLater,
                None => policy::Job::NeedsCluster,
            };
            (native.findings, native.facts, seen)
        }
    };
    findings.extend(deprecated::check(document));
    let is_broken = findings.iter().any(|one| one.severity == Severity::Error);
    let job = if is_broken { policy::Job::Broken } else { job };
    Checked {
        judged: options
            .policies
            .judge(document, &job, &options.default_namespace),
        findings,
        facts,
    }
}

fn of_workload(
    document: &Document,
    workload: &Workload,
    options: &Options<'_>,
) -> (Vec<Diagnostic>, Facts, policy::Job) {
    let facts = Facts {
        runs_to_completion: Some(workload.spec.job_type.runs_to_completion()),
    };
    let (mut findings, job) = match offline(workload, &options.owner) {
        Ok(desired) if options.policies.look_at_jobs() => {
            (Vec::new(), policy::Job::Known(compile(&desired).to_value()))
        }
        Ok(_) => (Vec::new(), policy::Job::NotAsked),
        Err(issues) => {
            let issues = issues.into_iter();
            let findings = issues.map(|issue| issue.into_diagnostic(document));
            (findings.collect(), policy::Job::Broken)
        }
    };
    findings.extend(lint::check(document, workload));
    (findings, facts, job)
}

/// The job of a workload with placeholders for its secrets; `None` when it is invalid. Never register it.
#[must_use]
pub fn offline_job(workload: &Workload, owner: &OwnerId) -> Option<Job> {
    offline(workload, owner)
        .ok()
        .map(|desired| compile(&desired))
}

fn offline(workload: &Workload, owner: &OwnerId) -> Result<Desired, Vec<Issue>> {
    let options = desired::Options {
        offline: true,
        image: built_image(workload),
        ..desired::Options::new(owner.clone())
    };
    desired::validate(workload, &options)
}

/// The name that a build would give its image: nothing is built here.
fn built_image(workload: &Workload) -> Option<String> {
    let spec = &workload.spec;
    let build = spec.build.clone().unwrap_or_default();
    let name = build.image.as_ref().unwrap_or(&workload.metadata.name);
    let source = &spec.source;
    let is_built = source.git.is_some() || source.archive.is_some() || source.path.is_some();
    is_built.then(|| match &build.tag {
        Some(tag) => format!("{name}:{tag}"),
        None => name.clone(),
    })
}
