//! Who a workload is and where it may run: names, namespace, replicas, placement, labels, dependencies.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::issues::Issues;
use super::{Options, text};
use crate::desired::defaults;
use crate::ids::{DeploymentId, InvalidId, JobId, Namespace};
use crate::spec::path;
use crate::spec::workload::{JobType, Workload, WorkloadSpec};

pub(super) struct Identity {
    /// `None` when there is an issue about it.
    pub(super) id: Option<JobId>,
    pub(super) namespace: Option<Namespace>,
    pub(super) deployment: Option<DeploymentId>,
    pub(super) task_name: String,
    pub(super) replicas: u32,
}

pub(super) fn check(workload: &Workload, issues: &mut Issues) -> Identity {
    let platform = workload.spec.platform.as_ref();
    let deployment = platform
        .and_then(|platform| platform.deployment_id.as_deref())
        .and_then(|text| parsed(text, "deployment-id", "spec.platform.deploymentId", issues));
    let metadata = &workload.metadata;
    Identity {
        id: parsed(&metadata.name, "name", "metadata.name", issues),
        namespace: metadata
            .namespace
            .as_deref()
            .and_then(|text| parsed(text, "namespace", "metadata.namespace", issues)),
        task_name: task_name(workload, deployment.as_ref(), issues),
        replicas: replicas(&workload.spec, issues),
        deployment,
    }
}

pub(super) fn parsed<T: FromStr<Err = InvalidId>>(
    text: &str,
    code: &'static str,
    path: &str,
    issues: &mut Issues,
) -> Option<T> {
    match text.parse() {
        Ok(id) => Some(id),
        Err(invalid) => {
            issues.add(code, path, invalid.to_string());
            None
        }
    }
}

fn task_name(
    workload: &Workload,
    deployment: Option<&DeploymentId>,
    issues: &mut Issues,
) -> String {
    let given = workload.spec.container.task_name.as_deref();
    let (name, path) = match (given, deployment) {
        (Some(name), _) => (name, "spec.container.taskName"),
        (None, Some(deployment)) => (deployment.as_str(), "spec.platform.deploymentId"),
        (None, None) => (workload.metadata.name.as_str(), "metadata.name"),
    };
    // An invalid workload name has been reported as such.
    if path == "metadata.name" && name.parse::<JobId>().is_err() {
        return name.to_owned();
    }
    if let Some(rule) = task_name_rule(name) {
        issues.add_with_help(
            "task-name",
            path,
            format!("as the name of the task it {rule}"),
            "set `spec.container.taskName`",
        );
    }
    name.to_owned()
}

/// Nomad makes a directory of that name in the allocation. Source: Nomad, `Task.Validate` (slashes and NUL).
fn task_name_rule(name: &str) -> Option<&'static str> {
    text::one_line(name)
        .or_else(|| {
            name.contains(['/', '\\'])
                .then_some("must not contain slashes")
        })
        .or_else(|| matches!(name, "." | "..").then_some("must not be `.` or `..`"))
        .or_else(|| (name.len() > 255).then_some("must be at most 255 bytes long"))
}

fn replicas(spec: &WorkloadSpec, issues: &mut Issues) -> u32 {
    let replicas = spec.replicas.unwrap_or(defaults::REPLICAS);
    // Source: Nomad, "Count cannot exceed 1 with system scheduler"; it does accept more for sysbatch.
    if spec.job_type == JobType::System && replicas > 1 {
        issues.add_with_help(
            "replicas",
            "spec.replicas",
            "a `system` workload runs once on every node",
            "leave it out",
        );
    }
    replicas
}

pub(super) struct Placement {
    pub(super) region: Option<String>,
    pub(super) node_pool: Option<String>,
    pub(super) node_classes: Vec<String>,
    pub(super) datacenters: Vec<String>,
}

pub(super) fn placement(spec: &WorkloadSpec, options: &Options, issues: &mut Issues) -> Placement {
    let placement = &spec.placement;
    if let Some(region) = &placement.region {
        let path = "spec.placement.region";
        text::check(issues, "region", path, text::one_word(region));
    }
    if let Some(pool) = &placement.node_pool {
        let path = "spec.placement.nodePool";
        text::check(issues, "node-pool", path, node_pool_rule(pool));
    }
    for (index, class) in placement.node_classes.iter().enumerate() {
        let path = path::element("spec.placement.nodeClasses", index);
        text::check(issues, "node-class", path, text::one_line(class));
    }
    for (index, name) in placement.datacenters.iter().enumerate() {
        let path = path::element("spec.placement.datacenters", index);
        text::check(issues, "datacenter", path, text::one_line(name));
    }
    let gpu = spec.resources.gpu.as_ref().filter(|gpu| gpu.count > 0);
    let (node_pool, node_classes) = match gpu {
        Some(gpu) => {
            if let Some(model) = &gpu.model {
                let path = "spec.resources.gpu.model";
                text::check(issues, "gpu-model", path, text::one_line(model));
            }
            let pool = defaults::GPU_NODE_POOL.to_owned();
            (Some(pool), gpu.model.iter().cloned().collect())
        }
        None => (
            placement
                .node_pool
                .clone()
                .or_else(|| options.default_node_pool.clone()),
            placement.node_classes.clone(),
        ),
    };
    Placement {
        region: placement.region.clone(),
        node_pool,
        node_classes,
        datacenters: placement.datacenters.clone(),
    }
}

/// Source: Nomad, `validNodePoolName`.
fn node_pool_rule(name: &str) -> Option<&'static str> {
    let valid = (1..=128).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (!valid).then_some("must be 1 to 128 letters, digits, hyphens or underscores")
}

/// Labels of the container. Log and metric shippers find a workload by them; those without a value are left out.
pub(super) fn labels(id: &JobId, service: &str, workload: &Workload) -> BTreeMap<String, String> {
    let platform = workload.spec.platform.as_ref();
    let from_platform = |text: Option<&String>| text.cloned().unwrap_or_default();
    [
        ("job", id.as_str().to_owned()),
        ("group", service.to_owned()),
        ("task", service.to_owned()),
        ("alloc_id", "${NOMAD_ALLOC_ID}".to_owned()),
        (
            "user_id",
            from_platform(platform.and_then(|p| p.owner_id.as_ref())),
        ),
        (
            "project_id",
            from_platform(platform.and_then(|p| p.project_id.as_ref())),
        ),
        (
            "service_id",
            from_platform(platform.and_then(|p| p.service_id.as_ref())),
        ),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
