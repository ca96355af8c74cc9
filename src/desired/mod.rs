//! What `cs` holds true about one workload: checked, complete, ready to compile.
//!
//! A [`Desired`] cannot be invalid: [`validate`](fn@validate) is the only way to one, and it reports every problem
//! of a spec at once. Compiling needs no `Result` because of that. Pure: references to secrets are resolved before.

pub mod defaults;
pub mod digest;
pub mod native;
pub mod validate;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::ids::{DeploymentId, JobId, Namespace, OwnerId};
use crate::secret::Secret;
use crate::spec::Span;
use crate::spec::workload::{
    ChangeMode, CheckType, JobType, LinkValue, Payload, PortProtocol, RestartMode, ServiceProvider,
};

pub use digest::Digest;
pub use validate::{Issue, Options, references, validate};

/// Namespace of the UUIDs that are made of deployment ids. A random one, once chosen; another would roll every job.
const RUN_UUID_NAMESPACE: Uuid = Uuid::from_u128(0x7d1f_0c6e_52a4_4b8e_9a35_c1e0_86f4_2b97);

/// The job meta `run_uuid` of a deployment: a new deployment always rolls, a repeat of the same one never does.
#[must_use]
pub fn run_uuid(deployment: &DeploymentId) -> Uuid {
    Uuid::new_v5(&RUN_UUID_NAMESPACE, deployment.as_str().as_bytes())
}

/// Validated intent with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Nomad job id and name.
    pub id: JobId,
    /// Namespace, when the spec names one; else the connection's.
    pub namespace: Option<Namespace>,
    /// Region, when the spec names one; else the connection's.
    pub region: Option<String>,
    /// Written to job meta as `cs.owner`; never changes after creation.
    pub owner: OwnerId,
    /// Scheduler.
    pub job_type: JobType,
    /// Count of the group; 0 stops every allocation and keeps the job. At most 1 for `system`.
    pub replicas: u32,
    /// Starts by the clock.
    pub schedule: Option<DesiredSchedule>,
    /// Starts on request.
    pub parameterized: Option<DesiredParameterized>,
    /// Node pool; `None` leaves Nomad's default.
    pub node_pool: Option<String>,
    /// `${node.class}` must be one of these.
    pub node_classes: Vec<String>,
    /// Empty: all.
    pub datacenters: Vec<String>,
    /// Name of the group and stem of the service names.
    pub service_name: String,
    /// Who keeps the services.
    pub service_provider: ServiceProvider,
    /// Suffix of the route tags.
    pub cluster_domain: String,
    /// Ascending by the order of the spec; numbers are unique.
    pub ports: Vec<DesiredPort>,
    /// Name of the task.
    pub task_name: String,
    /// Image with tag or digest, literal.
    pub image: String,
    /// Longest pull.
    pub image_pull_timeout: Span,
    /// Hand the rendered pull credentials to the driver.
    pub pull_authenticate: bool,
    /// Vault path of the pull credentials.
    pub pull_vault_path: Option<String>,
    /// User of the process; `None` is the image's.
    pub user: Option<String>,
    /// Docker's `command`.
    pub command: Option<String>,
    /// Empty: the image's.
    pub entrypoint: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Docker labels; empty values are left out.
    pub labels: BTreeMap<String, String>,
    /// Plain environment.
    pub env: BTreeMap<String, DesiredEnv>,
    /// Single secrets that Nomad renders into the environment.
    pub rendered_env: Vec<RenderedEnv>,
    /// MHz, at least 1.
    pub cpu_mhz: u32,
    /// MB, at least 10.
    pub memory_mb: u32,
    /// MB, at least `memory_mb`.
    pub memory_max_mb: u32,
    /// Graphics processors.
    pub gpu_count: u32,
    /// Vault block; `None` writes none.
    pub vault: Option<DesiredVault>,
    /// Addresses of other services.
    pub links: Vec<DesiredLink>,
    /// Connection strings.
    pub connections: Vec<DesiredConnection>,
    /// Certificates.
    pub certificates: Vec<DesiredCertificate>,
    /// Files.
    pub files: Vec<DesiredFile>,
    /// Volumes.
    pub volumes: Vec<DesiredVolume>,
    /// Rollout; only used by `service`.
    pub rollout: DesiredRollout,
    /// Restart policy of the group; `None` leaves Nomad's default.
    pub restart: Option<DesiredRestart>,
    /// The platform's deployment.
    pub deployment: Option<DeploymentId>,
    /// Derived from the deployment: a new one always rolls, a repeat never does.
    pub run_uuid: Option<Uuid>,
    /// Write the `pack.*` meta of the replaced runner.
    pub pack_meta: bool,
}

/// Starts by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredSchedule {
    /// Cron expression.
    pub cron: String,
    /// IANA name.
    pub time_zone: String,
    /// Skip a start while the last run goes on.
    pub prohibit_overlap: bool,
}

/// Starts on request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredParameterized {
    /// Whether a request brings a payload.
    pub payload: Payload,
    /// Keys that it must bring.
    pub meta_required: Vec<String>,
    /// Keys that it may bring.
    pub meta_optional: Vec<String>,
}

/// One port with its service and check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredPort {
    /// Inside the container; also the label.
    pub number: u16,
    /// What is spoken.
    pub protocol: PortProtocol,
    /// Reachable from outside.
    pub public: bool,
    /// Subdomain.
    pub domain: Option<String>,
    /// The user's own domain.
    pub custom_domain: Option<String>,
    /// Check.
    pub check: DesiredCheck,
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredCheck {
    /// How it asks.
    pub check_type: CheckType,
    /// Only for http.
    pub path: Option<String>,
    /// At least 1 s.
    pub interval: Span,
    /// At least 1 s.
    pub timeout: Span,
    /// Port label that is checked.
    pub port: u16,
}

/// An environment variable of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DesiredEnv {
    /// Plain text.
    Text(String),
    /// Resolved from a reference: sent to Nomad, never shown.
    Secret(Secret),
}

/// A single secret that Nomad renders into the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedEnv {
    /// Name of the variable.
    pub variable: String,
    /// Where it is kept.
    pub origin: SecretOrigin,
    /// Vault or variable path.
    pub path: String,
    /// Key at that path.
    pub key: String,
}

/// Who keeps a secret that Nomad renders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretOrigin {
    /// Vault.
    Vault,
    /// Nomad variables.
    Variable,
}

/// The task's Vault block and the secrets that become environment as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredVault {
    /// Policies.
    pub policies: Vec<String>,
    /// Role.
    pub role: Option<String>,
    /// Paths, each with the file it is rendered to, e.g. `secrets/file.env`.
    pub env: Vec<VaultEnvFile>,
}

/// One Vault path rendered into the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultEnvFile {
    /// Vault path.
    pub path: String,
    /// File in the task's directory.
    pub destination: String,
    /// What Nomad does on a change.
    pub change_mode: ChangeMode,
}

/// The address of another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredLink {
    /// Name of the variable.
    pub variable: String,
    /// Service.
    pub service: String,
    /// What of it.
    pub value: LinkValue,
}

/// A connection string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredConnection {
    /// Name of the variable.
    pub variable: String,
    /// Its text.
    pub pattern: String,
    /// Service.
    pub service: String,
    /// Vault path.
    pub secret_path: String,
    /// Keys used.
    pub keys: Vec<String>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredCertificate {
    /// Vault path that issues.
    pub pki_path: String,
    /// Common name.
    pub common_name: String,
    /// Validity.
    pub ttl: String,
    /// Certificate file.
    pub cert_path: String,
    /// Key file.
    pub key_path: String,
}

/// A file in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredFile {
    /// Relative path without `..`; `local/<path>` in the task's directory, `/<path>` in the container.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A CSI volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredVolume {
    /// Id.
    pub id: String,
    /// Mount points, at least one.
    pub mounts: Vec<String>,
}

/// How a new version replaces the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredRollout {
    /// Canaries.
    pub canary: u32,
    /// Promote them when healthy.
    pub auto_promote: bool,
    /// Go back when it fails.
    pub auto_revert: bool,
    /// Healthy for so long.
    pub min_healthy_time: Span,
    /// Healthy until then.
    pub healthy_deadline: Span,
    /// Longest wait for the next healthy one.
    pub progress_deadline: Span,
    /// How many at a time.
    pub max_parallel: u32,
}

/// Restart policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredRestart {
    /// Per interval.
    pub attempts: u32,
    /// Interval.
    pub interval: Span,
    /// Delay.
    pub delay: Span,
    /// When they are used up.
    pub mode: RestartMode,
}
