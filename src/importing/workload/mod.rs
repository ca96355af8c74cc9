//! A running job → kind `Workload`, if it can be said so exactly.
//!
//! A workload has one group with one container and names of its own for ports, services and templates, so only jobs of that
//! shape can be: those that `cs` compiled, and few others. What is read here is a guess; the proof is to compile it and to
//! compare.

mod network;
mod policies;
mod task;
mod templates;

use std::collections::BTreeMap;

use serde_json::Value;

use super::drift;
use crate::clients::nomad::canonical::canonicalize;
use crate::compile::compile;
use crate::desired::validate::{Options, validate};
use crate::reconcile::diff::{Change, Drift};
use crate::reconcile::plan::META_OWNER;
use crate::spec::workload::{
    ApiVersion, EnvValue, JobType, Metadata, Placement, Platform, SecretRef, Service, Source,
    Workload, WorkloadKind, WorkloadSpec,
};

/// Returns the workload whose job has no drift against the running one. Its environment holds the values themselves.
///
/// # Errors
/// What a workload cannot say about this job, one thing a line, without values.
pub fn workload(running: &Value) -> Result<Workload, Vec<String>> {
    let mut job = running.clone();
    canonicalize(&mut job, text(running, "Region").unwrap_or("global"));
    let workload = guess(&job).map_err(|reason| vec![reason])?;
    let desired = validate(&workload, &options(running))
        .map_err(|issues| issues.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let changes = drift(&compile(&desired).to_value(), running, &[]).changes;
    if changes.is_empty() {
        return Ok(workload);
    }
    let path = |change: Change| format!("{} would change", change.path);
    Err(changes.into_iter().map(path).collect())
}

fn options(running: &Value) -> Options {
    let owner = running.get("Meta").and_then(|meta| text(meta, META_OWNER));
    let owner = owner.and_then(|owner| owner.parse().ok());
    Options::new(owner.unwrap_or_else(|| "cs".parse().expect("a valid owner")))
}

/// How the job of a workload without references differs from the running one, but for what it leaves to others.
///
/// # Panics
/// Never for a workload that [`workload()`] returned, with [`leave`] or without.
#[must_use]
pub fn drift_of(workload: &Workload, running: &Value) -> Drift {
    let desired = validate(workload, &options(running)).expect("it was valid before");
    drift(
        &compile(&desired).to_value(),
        running,
        &workload.spec.ignore_fields,
    )
}

/// Puts a reference in the place of each value of the environment that may be a secret; returns their names.
pub fn refer_to_env(workload: &mut Workload) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in &mut workload.spec.env {
        if may_be_secret(value) {
            *value = EnvValue::Reference(SecretRef::env(name));
            names.push(name.clone());
        }
    }
    names
}

/// Takes what may be secrets out of the workload, values of the environment and texts of files, and leaves them to the
/// cluster. Returns how many.
pub fn leave(workload: &mut Workload) -> usize {
    let task = task_steps(workload);
    let place = |rest: &[&str]| {
        let steps = task.iter().map(String::as_str).chain(rest.iter().copied());
        steps
            .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
            .collect::<String>()
    };
    let spec = &mut workload.spec;
    let mut places = Vec::new();
    spec.env.retain(|name, value| {
        let is_left = may_be_secret(value);
        if is_left {
            places.push(place(&["Env", name]));
        }
        !is_left
    });
    for file in &mut spec.files {
        file.content = None;
        file.content_base64 = None;
        let destination = ["local/", &file.path].concat();
        places.push(place(&["Templates", &destination, "EmbeddedTmpl"]));
    }
    let count = places.len();
    spec.ignore_fields = places;
    count
}

/// The way to the workload's task inside its job.
fn task_steps(workload: &Workload) -> Vec<String> {
    let spec = &workload.spec;
    let name = &workload.metadata.name;
    let group = spec.service.name.as_ref().unwrap_or(name);
    let deployment = spec
        .platform
        .as_ref()
        .and_then(|platform| platform.deployment_id.as_ref());
    let task = spec.container.task_name.as_ref().or(deployment);
    let steps = ["TaskGroups", group, "Tasks", task.unwrap_or(name)];
    steps.map(str::to_owned).to_vec()
}

fn may_be_secret(value: &EnvValue) -> bool {
    match value {
        EnvValue::Text(text) => !super::secret::refers(&Value::from(text.as_str())),
        EnvValue::Reference(_) => false,
    }
}

/// A job in canonical form as a workload.
fn guess(job: &Value) -> Result<Workload, String> {
    let group = only(job, "TaskGroups", "group")?;
    let task = only(group, "Tasks", "task")?;
    if text(task, "Driver") != Some("docker") {
        return Err("a workload runs in the `docker` driver".to_owned());
    }
    let name = text(job, "ID").unwrap_or_default();
    let job_type = match text(job, "Type") {
        Some("batch") => JobType::Batch,
        Some("system") => JobType::System,
        Some("sysbatch") => JobType::Sysbatch,
        _ => JobType::Service,
    };
    let provider = network::provider(group);
    let mut spec = WorkloadSpec {
        job_type,
        replicas: policies::replicas(group, job_type),
        source: Source {
            image: text(&task["Config"], "image").map(str::to_owned),
            ..Source::default()
        },
        pull: task::pull(task),
        resources: task::resources(task),
        placement: placement(job),
        service: Service {
            name: text(group, "Name")
                .filter(|group| *group != name)
                .map(str::to_owned),
            provider,
            cluster_domain: None,
        },
        ports: network::ports(group, provider),
        env: task::env(task),
        volumes: task::volumes(group, task),
        rollout: policies::rollout(group, job_type),
        restart: policies::restart(group),
        schedule: policies::schedule(job),
        parameterized: policies::parameterized(job),
        platform: platform(job, task),
        ..WorkloadSpec::default()
    };
    spec.service.cluster_domain = network::cluster_domain(group);
    spec.container = task::container(task, name, spec.platform.as_ref());
    task::gpu(task, &mut spec);
    templates::read(task, &mut spec)?;
    Ok(Workload {
        api_version: ApiVersion::V1,
        kind: WorkloadKind::Workload,
        metadata: Metadata {
            name: name.to_owned(),
            namespace: text(job, "Namespace").map(str::to_owned),
            ..Metadata::default()
        },
        spec,
    })
}

fn only<'a>(value: &'a Value, list: &str, word: &str) -> Result<&'a Value, String> {
    match value[list].as_array().map(Vec::as_slice) {
        Some([one]) => Ok(one),
        other => Err(format!(
            "a workload has one {word}, this job has {}",
            other.map_or(0, <[Value]>::len)
        )),
    }
}

fn placement(job: &Value) -> Placement {
    let datacenters = texts(&job["Datacenters"]);
    let constraints = job["Constraints"].as_array();
    let classes = constraints.into_iter().flatten().find(|constraint| {
        constraint["LTarget"] == "${node.class}" && constraint["Operand"] == "set_contains_any"
    });
    let classes = classes.and_then(|constraint| text(constraint, "RTarget"));
    Placement {
        node_pool: text(job, "NodePool")
            .filter(|pool| *pool != "default")
            .map(str::to_owned),
        node_classes: classes
            .map(|classes| classes.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        datacenters: if datacenters == ["*"] {
            Vec::new()
        } else {
            datacenters
        },
        region: None,
    }
}

/// What the platform's meta and labels say. The run's id proves that the task is called after its deployment.
fn platform(job: &Value, task: &Value) -> Option<Platform> {
    let meta = &job["Meta"];
    let run = text(meta, "run_uuid");
    let deployment = text(task, "Name").filter(|name| {
        name.parse()
            .is_ok_and(|id| Some(crate::desired::run_uuid(&id).to_string().as_str()) == run)
    });
    let labels = task::labels(task);
    let label = |name: &str| labels.get(name).cloned();
    let platform = Platform {
        deployment_id: deployment.map(str::to_owned),
        service_id: label("service_id"),
        project_id: label("project_id"),
        owner_id: label("user_id"),
        pack_meta: meta.get("pack.name").is_some(),
        ..Platform::default()
    };
    (platform != Platform::default()).then_some(platform)
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member)?.as_str().filter(|text| !text.is_empty())
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn number(value: &Value, member: &str) -> Option<u32> {
    u32::try_from(value.get(member)?.as_i64()?).ok()
}

/// Nanoseconds as a duration, unless it is the default.
fn span(value: &Value, member: &str, default: crate::spec::Span) -> Option<crate::spec::Span> {
    let nanos = u64::try_from(value.get(member)?.as_i64()?).ok()?;
    let span = crate::spec::Span(std::time::Duration::from_nanos(nanos));
    (span != default).then_some(span)
}

/// What is left out where it is the default.
fn unless<T: PartialEq>(value: Option<T>, default: T) -> Option<T> {
    value.filter(|value| *value != default)
}

type Texts = BTreeMap<String, String>;
