//! A Nomad job as `cs` writes it: the members that [`compile`](crate::compile::compile) fills, in the JSON of Nomad's API.
//!
//! A member that is `None` or empty is left out, so Nomad's default holds (nomad-api.md 2.1). Durations are
//! nanoseconds. Environment, templates and driver configuration may carry secrets: none of them is shown by `Debug`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// A job, ready to be registered.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Job {
    /// Job id.
    #[serde(rename = "ID")]
    pub id: String,
    /// The same text as the id.
    pub name: String,
    /// `service`, `batch`, `system` or `sysbatch`.
    #[serde(rename = "Type")]
    pub job_type: &'static str,
    /// Namespace; `None` leaves that of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Region; `None` leaves that of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub datacenters: Vec<String>,
    /// `None`: `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_pool: Option<String>,
    /// Which nodes may run it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// How a new version replaces the old one. Nomad refuses it for `batch` and `sysbatch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// How allocations leave a node that is drained. Only for `service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrate: Option<Migrate>,
    /// Starts by the clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub periodic: Option<Periodic>,
    /// Starts on request.
    #[serde(rename = "ParameterizedJob", skip_serializing_if = "Option::is_none")]
    pub parameterized: Option<Parameterized>,
    /// Job meta. A change restarts every task.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
    /// Groups; `cs` writes one.
    pub task_groups: Vec<TaskGroup>,
}

impl Job {
    /// The job as the member `Job` of a register, plan or validate request.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self)
            .expect("texts, numbers and maps with text keys always become JSON")
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A rule about nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Constraint {
    /// What is looked at, e.g. `${node.class}`.
    #[serde(rename = "LTarget")]
    pub left: String,
    /// How it is compared.
    pub operand: &'static str,
    /// With what.
    #[serde(rename = "RTarget")]
    pub right: String,
}

/// How a new version replaces the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Update {
    /// How many at a time.
    pub max_parallel: u32,
    /// `checks`.
    pub health_check: &'static str,
    /// Nanoseconds.
    pub min_healthy_time: i64,
    /// Nanoseconds.
    pub healthy_deadline: i64,
    /// Nanoseconds.
    pub progress_deadline: i64,
    /// Go back when it fails.
    pub auto_revert: bool,
    /// Promote healthy canaries.
    pub auto_promote: bool,
    /// Canaries.
    pub canary: u32,
    /// Nanoseconds. Nomad uses it only for `system` jobs, but keeps it for all.
    pub stagger: i64,
}

/// How allocations leave a node that is drained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Migrate {
    /// How many at a time.
    pub max_parallel: u32,
    /// `checks`.
    pub health_check: &'static str,
    /// Nanoseconds.
    pub min_healthy_time: i64,
    /// Nanoseconds.
    pub healthy_deadline: i64,
}

/// Starts by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Periodic {
    /// Always true.
    pub enabled: bool,
    /// `cron`.
    pub spec_type: &'static str,
    /// Cron expression.
    pub spec: String,
    /// Skip a start while the last run goes on.
    pub prohibit_overlap: bool,
    /// IANA name.
    pub time_zone: String,
}

/// Starts on request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameterized {
    /// `optional`, `required` or `forbidden`.
    pub payload: &'static str,
    /// Keys that a request must bring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meta_required: Vec<String>,
    /// Keys that a request may bring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meta_optional: Vec<String>,
}

/// A group of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskGroup {
    /// Name.
    pub name: String,
    /// How many allocations; `None` for `system` and `sysbatch`, where Nomad refuses more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Volumes by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, VolumeRequest>,
    /// At most one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// One for each port.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// `None`: Nomad's default of the job type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Tasks; `cs` writes one.
    pub tasks: Vec<Task>,
}

/// A volume that the group asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeRequest {
    /// Its name in the group.
    pub name: String,
    /// `csi`.
    #[serde(rename = "Type")]
    pub volume_type: &'static str,
    /// Id; with `per_alloc` each allocation asks for `<source>[<index>]`.
    pub source: String,
    /// Read only.
    pub read_only: bool,
    /// `single-node-writer`.
    pub access_mode: &'static str,
    /// `file-system`.
    pub attachment_mode: &'static str,
    /// One volume for each allocation.
    pub per_alloc: bool,
}

/// The group's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Network {
    /// Ports that Nomad picks.
    pub dynamic_ports: Vec<Port>,
}

/// A port that Nomad picks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Port {
    /// Label.
    pub label: String,
    /// Number inside the container.
    pub to: u16,
}

/// A service with its check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Service {
    /// Name in the catalogue.
    pub name: String,
    /// `consul` or `nomad`.
    pub provider: &'static str,
    /// Label of its port.
    pub port_label: String,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Tags of canaries; empty: the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub canary_tags: Vec<String>,
    /// Checks.
    pub checks: Vec<Check>,
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Check {
    /// `http`, `tcp` or `grpc`.
    #[serde(rename = "Type")]
    pub check_type: &'static str,
    /// Only for `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Nanoseconds.
    pub interval: i64,
    /// Nanoseconds.
    pub timeout: i64,
    /// Label of the port that is asked.
    pub port_label: String,
}

/// What happens when a task ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// Per interval.
    pub attempts: u32,
    /// Nanoseconds.
    pub interval: i64,
    /// Nanoseconds.
    pub delay: i64,
    /// `delay` or `fail`.
    pub mode: &'static str,
}

/// A task.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    /// Name.
    pub name: String,
    /// `docker`.
    pub driver: &'static str,
    /// User of the process; `None`: that of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Configuration of the driver.
    pub config: DockerConfig,
    /// Environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// `None`: no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<Vault>,
    /// Files that Nomad renders, in order: where two set a variable, the later one wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
    /// Where the group's volumes appear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// What it may use.
    pub resources: Resources,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Configuration of the docker driver, in its own spelling.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct DockerConfig {
    /// Image.
    pub image: String,
    /// A duration as text, e.g. `30m`: the driver reads no numbers here.
    pub image_pull_timeout: String,
    /// At most one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auth: Vec<DockerAuth>,
    /// Empty: the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// `None`: the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Labels of the ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// Bind mounts, `<path in the task's directory>:<path in the container>`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// At most one map: the driver takes a list of maps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<BTreeMap<String, String>>,
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig")
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}

/// Pull credentials, as references to the task's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DockerAuth {
    /// User name.
    pub username: &'static str,
    /// Password.
    pub password: &'static str,
}

/// The task's access to Vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Vault {
    /// Policies. Nomad 1.10 and newer take the role's instead and do not store these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Role; `None`: the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What happens when the token changes.
    pub change_mode: &'static str,
    /// Put the token into the environment.
    pub env: bool,
}

/// A file that Nomad renders.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Template {
    /// Text for consul-template.
    #[serde(rename = "EmbeddedTmpl")]
    pub text: String,
    /// Relative to the task's directory.
    #[serde(rename = "DestPath")]
    pub destination: String,
    /// `noop` or `restart`.
    pub change_mode: &'static str,
    /// The file becomes environment.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub envvars: bool,
    /// File mode; `None`: `0644`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perms: Option<&'static str>,
    /// Owner; `None`: whoever runs Nomad, in practice root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

/// Where a volume of the group appears in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeMount {
    /// Its name in the group.
    pub volume: String,
    /// Path in the container.
    pub destination: String,
    /// Read only.
    pub read_only: bool,
}

/// What a task may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resources {
    /// MHz.
    #[serde(rename = "CPU")]
    pub cpu_mhz: u32,
    /// MB.
    #[serde(rename = "MemoryMB")]
    pub memory_mb: u32,
    /// MB.
    #[serde(rename = "MemoryMaxMB")]
    pub memory_max_mb: u32,
    /// Devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Device {
    /// Name.
    pub name: &'static str,
    /// How many.
    pub count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_templates_and_arguments_are_not_shown() {
        let task = Task {
            name: "web".to_owned(),
            driver: "docker",
            user: None,
            config: DockerConfig {
                image: "shop:1".to_owned(),
                image_pull_timeout: "30m".to_owned(),
                auth: vec![],
                entrypoint: vec![],
                command: Some("canary1".to_owned()),
                args: vec!["canary2".to_owned()],
                ports: vec![],
                volumes: vec![],
                labels: vec![],
            },
            env: BTreeMap::from([("A".to_owned(), "canary3".to_owned())]),
            vault: None,
            templates: vec![Template {
                text: "canary4".to_owned(),
                destination: "secrets/a.env".to_owned(),
                change_mode: "noop",
                envvars: true,
                perms: None,
                uid: None,
            }],
            volume_mounts: vec![],
            resources: Resources {
                cpu_mhz: 1,
                memory_mb: 10,
                memory_max_mb: 10,
                devices: vec![],
            },
        };
        let shown = format!("{task:?} {:?} {:?}", task.config, task.templates);
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            shown.contains("web") && shown.contains("secrets/a.env"),
            "{shown}"
        );
        assert!(
            serde_json::to_string(&task).unwrap().contains("canary3"),
            "it is sent"
        );
    }
}
