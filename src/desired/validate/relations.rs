//! How a resource takes part in a set, as far as it can be judged without the others; the same for every kind.

use super::identity::parsed;
use super::issues::{Issue, Issues};
use super::text;
use crate::ids::{JobId, Namespace};
use crate::reconcile::diff::Place;
use crate::spec::relations::{Dependency, Readiness};
use crate::spec::workload::{Metadata, WorkloadSpec};
use crate::spec::{NomadJob, path};

/// The issues of a native job that do not need its specification: names and relations.
#[must_use]
pub fn of_native(job: &NomadJob) -> Vec<Issue> {
    let mut issues = Issues::default();
    let metadata = &job.metadata;
    let _: Option<JobId> = parsed(&metadata.name, "name", "metadata.name", &mut issues);
    if let Some(namespace) = &metadata.namespace {
        let at = "metadata.namespace";
        let _: Option<Namespace> = parsed(namespace, "namespace", at, &mut issues);
    }
    dependencies(metadata, &job.spec.depends_on, &mut issues);
    ignored_fields(&job.spec.ignore_fields, &mut issues);
    issues.into_list()
}

pub(super) fn dependencies(metadata: &Metadata, dependencies: &[Dependency], issues: &mut Issues) {
    let own_namespace = metadata.namespace.as_deref();
    for (index, dependency) in dependencies.iter().enumerate() {
        let at = path::element("spec.dependsOn", index);
        let name_path = path::member(&at, "name");
        let _: Option<JobId> = parsed(&dependency.name, "name", &name_path, issues);
        let namespace = dependency.namespace.as_deref();
        if let Some(namespace) = namespace {
            let path = path::member(&at, "namespace");
            let _: Option<Namespace> = parsed(namespace, "namespace", &path, issues);
        }
        // Both kinds share the job ids of a namespace, so the kind makes no difference.
        if dependency.name == metadata.name && (namespace.is_none() || namespace == own_namespace) {
            issues.add(
                "depends-on-itself",
                name_path,
                "a resource cannot wait for itself",
            );
        }
        service(dependency, &path::member(&at, "service"), issues);
    }
}

fn service(dependency: &Dependency, at: &str, issues: &mut Issues) {
    let Some(service) = &dependency.service else {
        return;
    };
    text::check(issues, "service-name", at, text::one_word(service));
    if dependency.until != Some(Readiness::Passing) {
        issues.add_with_help(
            "depends-on-service",
            at,
            "a service is only looked at with `until: passing`",
            "add `until: passing`, or leave `service` out",
        );
    }
}

pub(super) fn ignored_fields(fields: &[String], issues: &mut Issues) {
    for (index, field) in fields.iter().enumerate() {
        if let Err(invalid) = field.parse::<Place>() {
            let at = path::element("spec.ignoreFields", index);
            issues.add("ignore-field", at, invalid.to_string());
        }
    }
}

/// A hook runs once a generation of what it serves: it must end, and start neither by the clock nor on request.
pub(super) fn hook(spec: &WorkloadSpec, issues: &mut Issues) {
    if spec.hook.is_none() {
        return;
    }
    if !spec.job_type.runs_to_completion() {
        issues.add_with_help(
            "hook-type",
            "spec.hook",
            "a hook must end; only a `batch` or `sysbatch` job does",
            "set `spec.type: batch`",
        );
    }
    for (at, is_there) in [
        ("spec.schedule", spec.schedule.is_some()),
        ("spec.parameterized", spec.parameterized.is_some()),
    ] {
        if is_there {
            let message = "a hook starts with what it serves, neither by the clock nor on request";
            issues.add_with_help("hook-start", at, message, "leave one of the two out");
        }
    }
}
