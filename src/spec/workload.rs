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
use super::relations::{Dependency, Hook, OnFailure};
use super::schema::one_of;

/// The API version of every kind in this build.
pub const API_VERSION: &str = "cloudstation.io/v1";

/// One Nomad job: what runs, how many, where, how it is reached and how it is rolled out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// `cloudstation.io/v1`, the only one of this build.
    pub api_version: ApiVersion,
    /// `Workload`: one Nomad job in the terms of its users.
    pub kind: WorkloadKind,
    /// Name, namespace and labels.
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
    /// The Nomad job id: at most 512 bytes, no white space or control character. With `ports` it also names the services
    /// (`<name>-<port>`: letters, digits and hyphens, at most 63 characters), unless `spec.service.name` does.
    pub name: String,
    /// Nomad namespace: 1 to 128 letters, digits and hyphens. Default: that of the connection (`NOMAD_NAMESPACE`), else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Free labels, e.g. `team: storefront`. They do not reach the job, because changing job meta restarts every task.
    /// `cs.prune: disabled` keeps the job from being pruned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Free notes for people and tools; `cs` makes nothing of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What is wanted of one job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadSpec {
    /// Which of Nomad's schedulers runs it. Default: `service`.
    #[serde(default, rename = "type")]
    pub job_type: JobType,
    /// How many copies (allocations) run at a time; 0 stops all of them and keeps the job. Not for `system`, which runs once
    /// on every node. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Where the image comes from: exactly one of `image`, `git`, `archive`, `path`.
    pub source: Source,
    /// How an image is built from `source.git`, `source.archive` or `source.path`; not used with `source.image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// How the node pulls the image: credentials, longest wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
    /// Which process runs in the container. Default: what the image itself starts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub container: Container,
    /// What the task may use: processor, memory, graphics processors.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// Which nodes may run it. Default: every node of Nomad's pool `default`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placement: Placement,
    /// How its ports are registered for discovery.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service: Service,
    /// The container's ports, each number once. Each becomes a dynamic port of the node, a service `<name>-<port>` and a health
    /// check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Without `ports`: take the first port that the image exposes, else 3000, private, with a TCP check. Not used with
    /// `ports`. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub detect_ports: bool,
    /// Environment variables, by name: a text, or where the text is kept. A text stands in the job, readable by everybody who
    /// may read jobs; what is secret takes a reference such as `{fromVault: "/kv/data/shop#password"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
    /// Access to Vault, and secrets that Nomad renders into the environment when a task starts.
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
    /// Files that are placed into the container, with their content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Storage that outlives a container: CSI volumes. Not for `system` and `sysbatch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// How a new version replaces the old one. Only for `service`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rollout: Rollout,
    /// What Nomad does on the same node when a task ends by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: Restart,
    /// Starts by the clock, as cron does. Only for `batch` and `sysbatch`. Default: it runs once, when it is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Starts on request, with a payload and meta. Only for `batch` and `sysbatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameterized: Option<Parameterized>,
    /// What must be ready before anything of this one is written. Cycles are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// Makes it a hook: it runs before or after others, once for each generation of what it serves. Only for `batch` and
    /// `sysbatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    /// What follows when it does not become healthy in time. Default: `keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Places in the Nomad job that belong to somebody else: no difference there is shown or written. JSON pointers into the
    /// job as Nomad's API writes it, with names for entries of lists and `*` for any, e.g. `/TaskGroups/web/Count`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_fields: Vec<String>,
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

/// Where the image comes from: exactly one of `image`, `git`, `archive` and `path`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("allOf" = one_of(&["image", "git", "archive", "path"])))]
pub struct Source {
    /// A ready image, with tag or digest, e.g. `registry.example.com/shop:1.4.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A Git repository to build from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// An uploaded archive to build from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveSource>,
    /// A folder of this machine to build from, relative to the file that names it, e.g. `.`; for `cs build`, `cs deploy` and
    /// `cs up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A Git repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSource {
    /// `owner/name` on the provider's host, e.g. `acme/shop`, or a full `https://` address without credentials.
    pub repository: String,
    /// Branch, tag, or full commit (40 hexadecimal digits), e.g. `main`.
    pub revision: String,
    /// Whose host `owner/name` is on: `github`, `gitlab` or `bitbucket`; own servers by `CS_GITLAB_URL` and so on. Default:
    /// `github`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["github", "gitlab", "bitbucket"]))]
    pub provider: Option<String>,
    /// Token for private repositories. Default: the repository is read without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
}

/// A gzip tar archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveSource {
    /// Where its address is kept. Addresses of uploads are presigned, hence secret.
    pub url: SecretRef,
    /// SHA-256 that the archive must have, in hexadecimal. Default: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The CloudStation platform's id of the upload. Filled by `cs convert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Build {
    /// `csdocker` (a Dockerfile), `nixpacks`, `railpack`, or `noop` (build nothing). Default: `csdocker` first when there is a
    /// Dockerfile, then `railpack`, then `nixpacks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["csdocker", "nixpacks", "railpack", "noop"]))]
    pub builder: Option<String>,
    /// Directory inside the source that is built, e.g. `services/shop`. Default: its top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// Path of the Dockerfile, relative to `rootDirectory`. Default: `Dockerfile`, else `dockerfile`, `Dockerfile.prod`,
    /// `.production`, `.dev` or `.development`, the first that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Build command for `nixpacks` and `railpack`, e.g. `npm run build`. Default: theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Start command that `nixpacks` and `railpack` put into the image; with other builders use `container.startCommand`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_command: Option<String>,
    /// Name of the built image, without registry and tag, e.g. `team/shop`. Default: the workload's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Tag of the built image. Default: `latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Build arguments of the Dockerfile; variables for `nixpacks` and `railpack`. They stay readable in the image's history:
    /// nothing secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// Environment of the build, as more build arguments. Nothing secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where the image is pushed, and as whom. Default: to `REGISTRY_URL`, with the credentials of the
    /// environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// Secrets that are read from Vault for the build; each key becomes a secret that a build step can mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<BuildVault>,
}

/// Where a built image is pushed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Push {
    /// Do not push at all: the image stays in the engine that built it. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disabled: bool,
    /// Registry host, in front of the image name, e.g. `registry.example.com`. Default: that of `REGISTRY_URL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Path inside the registry that replaces the image's own; services then share a repository and are told apart by
    /// digest. Default: `REGISTRY_NAMESPACE`, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// User name for the registry. Default: `REGISTRY_USERNAME`, else Docker's own configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<SecretRef>,
    /// Password for the registry. Default: `REGISTRY_PASSWORD`, else Docker's own configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

/// Secrets that are read from Vault for the build, through an AppRole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildVault {
    /// Address of Vault, e.g. `https://vault.example.com:8200`.
    pub address: String,
    /// The role id of the AppRole.
    pub role_id: SecretRef,
    /// The secret id of the AppRole.
    pub secret_id: SecretRef,
    /// What is read: a KV path, e.g. `secret/data/shop`, with `?version=1` for a certain version.
    pub path: String,
}

/// How the image is pulled by the node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pull {
    /// Vault path whose keys `registry_username` and `registry_password` are rendered for the driver, e.g.
    /// `/acr/data/registry`. Needs `secrets.vault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_path: Option<String>,
    /// Pull with these credentials. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub authenticate: bool,
    /// Longest pull of the image, more than zero. Default: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// Which process runs in the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// User of the process, or user and group, by name or number, e.g. `"1000"` or `"1000:1000"`; numbers in quotes. Default:
    /// that of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Docker's `command`: replaces the first word of what the image starts. Most want `startCommand` or `args` instead.
    /// Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Replaces the image's entrypoint. Default: the image's, or `["/bin/sh", "-c"]` with a `startCommand`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Arguments, each handed over as it is, without a shell. Not together with `startCommand` or `exports`. Default: the
    /// image's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// A line for the shell, handed to the entrypoint as its only argument, e.g. `exec ./worker --queue "$QUEUE"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_command: Option<String>,
    /// Variables that the shell sets in front of `startCommand` (`export NAME=VALUE;`), and whose values it expands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<Export>,
    /// Name of the task inside the job: no slashes, at most 255 bytes. Default: `platform.deploymentId`, else the workload's
    /// name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
}

/// A shell variable of the start command.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Export {
    /// Name of the variable: letters, digits and `_`.
    pub name: String,
    /// Its value as the shell is to read it, e.g. `$(cat /secrets/key)`.
    pub value: String,
}

/// What a task may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Processor share in MHz, at least 1; more may be used while the node has some to spare. Default: 200.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Memory in MB that is reserved on the node, at least 10. Default: 200.
    #[schemars(range(min = 10))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Most memory in MB, used while the node has room; at least `memory`. A task that wants more is killed. Default: twice
    /// `memory`, at least 512; 2000 when `memory` is left out.
    #[schemars(range(min = 10))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<u32>,
    /// Graphics processors. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
}

/// Graphics processors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// How many; 0 is none.
    pub count: u32,
    /// Model, e.g. `L4`: only nodes of that node class are taken. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Which nodes may run it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Placement {
    /// Node pool: 1 to 128 letters, digits, hyphens or underscores. With GPUs it is always `gpu-minions`. Default: Nomad's
    /// pool `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_pool: Option<String>,
    /// Node classes, any of them. Ignored with GPUs, whose model selects the class. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_classes: Vec<String>,
    /// Datacenters, with `*` for any characters, e.g. `fr-*`. Default: all.
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
    /// Stem of the service names `<name>-<port>`, and name of the task group: letters, digits and hyphens. Default: the
    /// workload's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who keeps the services: Consul, or Nomad itself on clusters without Consul. Default: `consul`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ServiceProvider>,
    /// Domain below which the `domain` of a public port is routed. Default: `cloud-station.app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_domain: Option<String>,
}

/// Who keeps the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceProvider {
    /// Consul, through the Consul agent of the node.
    #[default]
    Consul,
    /// Nomad's own service discovery.
    Nomad,
}

/// One port of the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// Number inside the container, 1 to 65535. The node's own port is chosen by Nomad.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// What is spoken; decides how health is checked and how a public port is routed. Default: `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<PortProtocol>,
    /// Reachable from outside the cluster, through its load balancer. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub public: bool,
    /// Subdomain below `service.clusterDomain`, e.g. `shop`. Only routed when the port is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// A domain of the user's own, e.g. `shop.example.com`. Only routed when the port is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_domain: Option<String>,
    /// How health is checked; a rollout goes on only while it passes. Default: by the protocol, every 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortProtocol {
    /// HTTP; checked by a request.
    #[default]
    Http,
    /// A plain connection, and checked by one. Public ones get the load balancer's tag.
    Tcp,
    /// gRPC; checked by its health protocol, with the provider `nomad` by a connection.
    Grpc,
    /// Something else; checked by a connection.
    None,
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// How it asks. `grpc` needs the provider `consul`. Default: by the port's protocol, `tcp` where that is `none`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub check_type: Option<CheckType>,
    /// Path of an http check, with its query, e.g. `/healthz`. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Time between two checks, at least 1s. Default: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Longest wait for an answer, at least 1s. Default: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Another of the workload's ports, which is asked instead. Default: the port itself.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// How a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckType {
    /// A GET request; an answer of 200 to 299 passes.
    Http,
    /// A connection; it passes when it is accepted.
    #[default]
    Tcp,
    /// The gRPC health protocol.
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
#[schemars(extend("allOf" = one_of(&["fromEnv", "fromFile", "fromVault", "fromVariable"])))]
pub struct SecretRef {
    /// Name of an environment variable, read where `cs` runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_env: Option<String>,
    /// Path of a file, read where `cs` runs; a trailing newline is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_file: Option<String>,
    /// A key in Vault as `path#key`, e.g. `/kv/data/shop#password`. Rendered by Nomad when the task starts;
    /// needs `secrets.vault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_vault: Option<String>,
    /// A key of a Nomad variable as `path#key`, e.g. `nomad/jobs/shop#password`. Rendered by Nomad when the task starts.
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
    /// Access to Vault, which every `fromVault`, connection, certificate and pull credential needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultSecrets>,
}

/// Secrets from Vault.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultSecrets {
    /// Policies of the task's token, for Nomad before 1.10; newer ones use workload identity (`role`) instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Vault role for workload identity. Default: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// KV v2 paths whose keys all become environment variables, e.g. `/kv/data/shop`; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What Nomad does to the task when they change. Default: `noop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_mode: Option<ChangeMode>,
}

/// What Nomad does to a task when a rendered file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeMode {
    /// Nothing; the new values wait for the next start.
    #[default]
    Noop,
    /// Restart it with the new values.
    Restart,
}

/// The address of another service as an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// Name of the variable: letters, digits, `_`, `-` or `.`, with a letter or `_` first.
    pub variable: String,
    /// Name of the service, `<name>-<port>`, e.g. `pg-main-5432`.
    pub service: String,
    /// What of its first instance: both, host or port. Default: `address`.
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
    /// Name of the variable: letters, digits, `_`, `-` or `.`, with a letter or `_` first.
    pub variable: String,
    /// The text, with `{{ $KEY }}` for a key of the secret, `{{ .Address }}` and `{{ .Port }}` for the service, e.g.
    /// `postgres://{{ $PG_USER }}@{{ .Address }}:{{ .Port }}/orders`.
    pub pattern: String,
    /// Name of the service, `<name>-<port>`, e.g. `pg-main-5432`.
    pub service: String,
    /// KV v2 path of the secrets in Vault, e.g. `/kv/data/pg`. Needs `secrets.vault`.
    pub secret_path: String,
    /// Keys of the secret that the pattern uses as `{{ $KEY }}`: letters, digits and `_`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// A TLS certificate and its key from a Vault PKI.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// Vault path that issues, e.g. `pki/issue/shop`.
    pub pki_path: String,
    /// Common name of the certificate, e.g. `shop.service.consul`.
    pub common_name: String,
    /// How long it is valid, as Vault reads it, e.g. `24h`.
    pub ttl: String,
    /// Where the certificate is written, relative to the task's directory, e.g. `secrets/tls.crt`.
    pub cert_path: String,
    /// Where the key is written, relative to the task's directory, e.g. `secrets/tls.key`.
    pub key_path: String,
}

/// A file that is placed into the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Where in the container, from its root; no `..` and no `:`, e.g. `etc/shop/app.yaml`. Each path once.
    pub path: String,
    /// Its text, as it is: nothing in it is expanded. Not together with `contentBase64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Its bytes in base64, for content that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
}

/// Storage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Id of a CSI volume, without index: the first copy claims `<id>[0]`, the second `<id>[1]`. They must exist.
    pub csi: String,
    /// Absolute paths in the container at which it is mounted. Default: `/data`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<String>,
}

/// How a new version replaces the old one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// How many copies of the new version run beside the old ones first, to prove it. With `volumes` it must be 0, because a
    /// volume cannot be claimed twice. Default: 1; 0 with `volumes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<u32>,
    /// Promote the canaries as soon as all of them are healthy; otherwise `cs promote` does. Default: true; false without
    /// canaries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_promote: Option<bool>,
    /// Let Nomad go back to the last stable version when the rollout fails. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_revert: Option<bool>,
    /// How long a copy must stay healthy before it counts; shorter than `healthyDeadline`. Default: `15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_healthy_time: Option<Span>,
    /// Longest time until a copy must be healthy, the pull of its image included; shorter than `progressDeadline`. Default:
    /// `40m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_deadline: Option<Span>,
    /// Longest wait for the next healthy copy, after which the rollout fails; with 0 it fails at the first unhealthy copy.
    /// Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,
    /// How many copies are replaced at a time, at least 1. Default: 1.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
}

/// What happens when a task ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restart {
    /// Restarts within one `interval`; with their delays they must fit into it. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Time in which the restarts are counted, at least 5s. Default: `3m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Pause before a restart. Default: `15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// What follows when the attempts are used up. Default: `delay`; `fail` with `attempts: 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RestartMode>,
}

/// What follows when the restarts are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RestartMode {
    /// Wait for the next interval, then try again, for ever.
    #[default]
    Delay,
    /// The allocation fails; Nomad may start another one elsewhere.
    Fail,
}

/// Starts by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// When it starts: minute, hour, day of month, month, day of week, e.g. `30 4 * * MON-FRI`. A sixth field is the year;
    /// with seven the first is the second. Or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    pub cron: String,
    /// Time zone of the expression, an IANA name, e.g. `Europe/Paris`. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Skip a start while the last run still goes on. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prohibit_overlap: Option<bool>,
}

/// Starts on request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameterized {
    /// Whether a request brings a payload. Default: `optional`.
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
    /// It may bring one.
    #[default]
    Optional,
    /// It must bring one.
    Required,
    /// It must not bring one.
    Forbidden,
}

/// What the CloudStation platform calls this workload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Platform {
    /// Id of the deployment. A new one always rolls, a repeat of the same one never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// The database key of the deployment's job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_job_id: Option<i64>,
    /// Id of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// Id of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Id of the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<String>,
    /// Id of the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// Number of the user who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<i64>,
    /// How many deployments there were before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_count: Option<i64>,
    /// The REST interface that hears how the deployment goes.
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
    /// Base address, e.g. `https://api.example.com`.
    pub url: String,
    /// Access token.
    pub token: SecretRef,
}

/// A Nomad cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Its address, e.g. `https://nomad.example.com:4646`. Default: that of the connection (`NOMAD_ADDR`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its ACL token. Default: that of the connection (`NOMAD_TOKEN`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
}
