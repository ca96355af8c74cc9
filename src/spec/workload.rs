//! Kind `Workload`: one Nomad job in the terms of its users.
//!
//! Everything that dispatch params can say has a place here, so params and YAML share one path to the job. Fields
//! that are left out take the defaults that `desired` fills in; the comments name them. Unknown fields are errors.
//!
//! Credentials never stand in a file: where one is needed, a [`SecretRef`] says where it is kept.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::duration::Span;

/// The API version of every kind in this build.
pub const API_VERSION: &str = "cloudstation.io/v1";

/// One Nomad job: what runs, how many, where, how it is reached and how it is rolled out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// `cloudstation.io/v1`.
    pub api_version: ApiVersion,
    /// `Workload`.
    pub kind: WorkloadKind,
    /// Name and place.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: WorkloadSpec,
}

/// The only API version of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// First version.
    #[default]
    #[serde(rename = "cloudstation.io/v1")]
    V1,
}

/// The kind's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    /// One Nomad job.
    #[default]
    Workload,
}

/// Name, namespace and free labels of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The Nomad job id.
    pub name: String,
    /// Nomad namespace. Default: that of the connection (`NOMAD_NAMESPACE`), else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Free labels for selecting; they do not reach the job, because changing job meta restarts every task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Free notes for tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What is wanted of one job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadSpec {
    /// How Nomad runs it. Default: `service`.
    #[serde(default, rename = "type")]
    pub job_type: JobType,
    /// How many allocations of the group. Default: 1. Not used by `system` and `sysbatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Where the image comes from: exactly one of `image`, `git`, `archive`.
    pub source: Source,
    /// How an image is built from `git` or `archive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// How the image is pulled by the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
    /// Which process runs in the container.
    #[serde(default, skip_serializing_if = "is_default")]
    pub container: Container,
    /// What a task may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// Which nodes may run it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placement: Placement,
    /// How its ports are registered for discovery.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service: Service,
    /// The container's ports. Each becomes a dynamic port, a service and a check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// With no `ports`: take the first port that the image exposes (or 3000), private, with a TCP check. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub detect_ports: bool,
    /// Plain environment variables. Secrets belong under `secrets`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
    /// Secrets that Nomad renders at run time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secrets: Secrets,
    /// Addresses of other services as environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Connection strings made of another service's address and its secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<Connection>,
    /// TLS certificates from a Vault PKI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
    /// Files that are placed into the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Storage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// How a new version replaces the old one. Only for `service`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rollout: Rollout,
    /// What happens when a task ends by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: Restart,
    /// Starts by the clock. Only for `batch` and `sysbatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Starts on request, with a payload and meta. Only for `batch` and `sysbatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameterized: Option<Parameterized>,
    /// What must be converged and healthy before this one is touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// What the CloudStation platform calls this workload. Filled by `cs convert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Another Nomad than that of the environment. Filled by `cs convert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Nomad's four schedulers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobType {
    /// Runs for ever, rolled out step by step.
    #[default]
    Service,
    /// Runs to its end.
    Batch,
    /// Runs for ever, once on every feasible node.
    System,
    /// Runs to its end, once on every feasible node.
    Sysbatch,
}

impl JobType {
    /// Nomad's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Batch => "batch",
            Self::System => "system",
            Self::Sysbatch => "sysbatch",
        }
    }

    /// Whether its tasks are meant to end.
    #[must_use]
    pub const fn runs_to_completion(self) -> bool {
        matches!(self, Self::Batch | Self::Sysbatch)
    }
}

/// Where the image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// A ready image, e.g. `registry.example.com/shop:1.4.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A Git repository to build from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// An uploaded archive to build from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveSource>,
}

/// A Git repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSource {
    /// `owner/name` on the provider's host, or a full URL without credentials.
    pub repository: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Whose host: `github`, `gitlab`, `bitbucket`. Default: `github`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Token for private repositories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
}

/// A gzip tar archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveSource {
    /// Its address. Presigned, hence a secret.
    pub url: SecretRef,
    /// SHA-256 that the archive must have, in hexadecimal. Default: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The platform's id of the upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Build {
    /// `csdocker`, `nixpacks`, `railpack` or `noop`. Default: detected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// Directory inside the source. Default: its top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// Relative to the root directory. Default: detected, else `Dockerfile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Build command for nixpacks and railpack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Start command that nixpacks and railpack put into the image; other builders leave it to the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_command: Option<String>,
    /// Name of the built image without tag. Default: the workload's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Tag of the built image. Default: `latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Build arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// Environment of the build.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where the image is pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// Secrets that are read from Vault for the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<BuildVault>,
}

/// Where a built image is pushed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Push {
    /// Do not push at all. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disabled: bool,
    /// Registry host, in front of the image name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Namespace inside the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<SecretRef>,
    /// Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

/// Secrets that are read from Vault for the build, through an AppRole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildVault {
    /// Address of Vault.
    pub address: String,
    /// AppRole's role id.
    pub role_id: SecretRef,
    /// AppRole's secret id.
    pub secret_id: SecretRef,
    /// What is read, e.g. `secret/data/shop?version=1`.
    pub path: String,
}

/// How the image is pulled by the node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pull {
    /// Vault path whose keys `registry_username` and `registry_password` are rendered for the driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_path: Option<String>,
    /// Hand these credentials to the driver. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub authenticate: bool,
    /// Longest pull. Default: 30m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// Which process runs in the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// User, or user and group. Default: that of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Docker's `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Replaces the image's entrypoint. Default: the image's, or `["/bin/sh", "-c"]` with a `startCommand`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Arguments, each handed over as it is. Not together with `startCommand`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// A line for the shell, handed to the entrypoint as its only argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_command: Option<String>,
    /// `export NAME=VALUE;` in front of the start command; the shell expands the values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<Export>,
    /// Name of the task. Default: the deployment id of `platform`, else the workload's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
}

/// A shell variable of the start command.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Its value as the shell is to read it, e.g. `$(cat /secrets/key)`.
    pub value: String,
}

/// What a task may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// MHz. Default: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// MB. Default: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// MB that may be used when the node has room. Default: twice `memory`, at least 512; 2000 when `memory` is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<u32>,
    /// Graphics processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
}

/// Graphics processors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// How many.
    pub count: u32,
    /// Model; nodes carry it in their class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Which nodes may run it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Placement {
    /// Node pool. Default: `gpu-minions` with GPUs, else Nomad's `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_pool: Option<String>,
    /// Node classes, any of them. Ignored with GPUs, whose model selects the class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_classes: Vec<String>,
    /// Datacenters, `*` allowed. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datacenters: Vec<String>,
    /// Nomad region. Default: that of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// How the ports are registered for discovery.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Stem of the service names `<name>-<port>` and name of the group. Default: the workload's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who keeps the services. Default: `consul`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ServiceProvider>,
    /// Suffix of the route tags of public ports. Default: `cloud-station.app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_domain: Option<String>,
}

/// Who keeps the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceProvider {
    /// Consul.
    #[default]
    Consul,
    /// Nomad's own service discovery.
    Nomad,
}

/// One port of the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// Number inside the container, 1 to 65535.
    pub port: u16,
    /// What is spoken: `http`, `tcp`, `grpc`, `none`. Default: `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<PortProtocol>,
    /// Reachable from outside. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub public: bool,
    /// Subdomain below the cluster's domain. Only routed when public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// A domain of the user's own. Only routed when public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_domain: Option<String>,
    /// How health is checked. Default: by the protocol, every 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortProtocol {
    /// HTTP.
    #[default]
    Http,
    /// A plain connection. Public ones get the load balancer's tag.
    Tcp,
    /// gRPC.
    Grpc,
    /// Unknown; checked like TCP.
    None,
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// `http`, `tcp` or `grpc`. Default: by the port's protocol.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub check_type: Option<CheckType>,
    /// Path of an http check. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// At least 1s. Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// At least 1s. Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Another of the ports. Default: the port itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// How a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckType {
    /// GET; 2xx passes.
    Http,
    /// A connection.
    #[default]
    Tcp,
    /// gRPC health protocol.
    Grpc,
}

/// An environment variable: text, or where the text is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum EnvValue {
    /// The text itself. It stands in the job, readable by everybody who may read jobs.
    Text(String),
    /// Where the text is kept.
    Reference(SecretRef),
}

impl<'de> Deserialize<'de> for EnvValue {
    /// By hand, so that an error tells what is wrong and where; derived code only says that no variant matched.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvValueVisitor;

        impl<'de> Visitor<'de> for EnvValueVisitor {
            type Value = EnvValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a reference such as `{fromEnv: NAME}`")
            }

            fn visit_str<E>(self, text: &str) -> Result<EnvValue, E> {
                Ok(EnvValue::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<EnvValue, E> {
                Ok(EnvValue::Text(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnvValue, A::Error> {
                SecretRef::deserialize(MapAccessDeserializer::new(map)).map(EnvValue::Reference)
            }
        }

        deserializer.deserialize_any(EnvValueVisitor)
    }
}

/// Where a secret is kept: exactly one of the four.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// An environment variable of `cs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_env: Option<String>,
    /// A file that `cs` can read; a trailing newline is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_file: Option<String>,
    /// A key in Vault: `path#key`. Rendered by Nomad at run time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_vault: Option<String>,
    /// A key of a Nomad variable: `path#key`. Rendered by Nomad at run time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_variable: Option<String>,
}

impl SecretRef {
    /// A reference to an environment variable.
    #[must_use]
    pub fn env(name: &str) -> Self {
        Self {
            from_env: Some(name.to_owned()),
            ..Self::default()
        }
    }
}

/// Secrets that Nomad renders at run time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secrets {
    /// From Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultSecrets>,
}

/// Secrets from Vault.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultSecrets {
    /// Policies of the task's token. Nomad 1.10 and newer ignore them and use workload identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Vault role for workload identity. Default: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// KV v2 paths (`/kv/data/…`) whose keys all become environment variables; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What Nomad does to the task when they change: `noop`, `restart`. Default: `noop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_mode: Option<ChangeMode>,
}

/// What Nomad does to a task when a rendered file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeMode {
    /// Nothing.
    #[default]
    Noop,
    /// Restart it.
    Restart,
}

/// The address of another service as an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// Name of the variable.
    pub variable: String,
    /// Name of the service, e.g. `pg-main-5432`.
    pub service: String,
    /// What of it. Default: `address`, that is `host:port`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub value: LinkValue,
}

/// What of a service's first instance is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinkValue {
    /// `host:port`.
    #[default]
    Address,
    /// Host only.
    Host,
    /// Port only.
    Port,
}

/// A connection string as an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connection {
    /// Name of the variable.
    pub variable: String,
    /// The text, with `{{ $NAME }}` for a secret, `{{ .Address }}` and `{{ .Port }}` for the service.
    pub pattern: String,
    /// Name of the service.
    pub service: String,
    /// Vault path (`/kv/data/…`) of the secrets.
    pub secret_path: String,
    /// Keys of the secret that the pattern uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// A TLS certificate and its key from a Vault PKI.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// Vault path that issues, e.g. `pki/issue/shop`.
    pub pki_path: String,
    /// Common name.
    pub common_name: String,
    /// How long it is valid, as Vault reads it.
    pub ttl: String,
    /// Where the certificate is written, relative to the task's directory.
    pub cert_path: String,
    /// Where the key is written.
    pub key_path: String,
}

/// A file that is placed into the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Where in the container, without a leading slash.
    pub path: String,
    /// Its text. Not together with `contentBase64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Its bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
}

/// Storage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Id of a CSI volume; each allocation claims `<id>[<its index>]`.
    pub csi: String,
    /// Where in the container. Default: `/data`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<String>,
}

/// How a new version replaces the old one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// Allocations that prove the new version first. Default: 1; 0 with volumes, which cannot be claimed twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<u32>,
    /// Promote the canaries when they are healthy. Default: true; false without canaries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_promote: Option<bool>,
    /// Go back to the last stable version when it fails. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_revert: Option<bool>,
    /// How long an allocation must be healthy. Default: 15s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_healthy_time: Option<Span>,
    /// Until when an allocation must be healthy. Default: 40m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_deadline: Option<Span>,
    /// Longest wait for the next healthy allocation. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,
    /// How many at a time. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
}

/// What happens when a task ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restart {
    /// Restarts per interval. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Default: 3m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Default: 15s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// When the attempts are used up: wait (`delay`) or give up (`fail`). Default: `delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RestartMode>,
}

/// What follows when the restarts are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RestartMode {
    /// Wait for the next interval.
    #[default]
    Delay,
    /// The allocation fails.
    Fail,
}

/// Starts by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// Minute, hour, day of month, month, day of week; a sixth field is the year, with seven the first is the second.
    /// Or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    pub cron: String,
    /// IANA name. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Skip a start while the last run goes on. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prohibit_overlap: Option<bool>,
}

/// Starts on request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameterized {
    /// `optional`, `required` or `forbidden`. Default: `optional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// Meta keys that each request must bring.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta_required: Vec<String>,
    /// Meta keys that a request may bring.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta_optional: Vec<String>,
}

/// Whether a request brings a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// It may.
    #[default]
    Optional,
    /// It must.
    Required,
    /// It must not.
    Forbidden,
}

/// Something that must be converged first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    /// `Workload` or `NomadJob`. Default: `Workload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name.
    pub name: String,
    /// Its namespace. Default: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What the CloudStation platform calls this workload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Platform {
    /// Its deployment. A new one always rolls, a repeat of the same one never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// The database key of the deployment's job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_job_id: Option<i64>,
    /// Its service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// Its project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<String>,
    /// Its team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<i64>,
    /// How many deployments there were before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_count: Option<i64>,
    /// Its backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// Keep the `pack.*` meta that the replaced runner needs to take over again. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pack_meta: bool,
}

/// The platform's REST interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// Base address.
    pub url: String,
    /// Access token.
    pub token: SecretRef,
}

/// A Nomad cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// ACL token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
}
