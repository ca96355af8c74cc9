//! What a dispatched run needs beside its workload: ids for events, access, what the backend is told.

use std::collections::BTreeMap;

use super::ids::EventIds;
use super::task::Task;
use crate::ids::JobId;
use crate::secret::Secret;

/// Names under which a converted workload refers to the secrets of its params.
///
/// [`RunContext::secrets`] holds the values; a file that `cs convert` wrote finds them in the environment instead.
pub mod secret_name {
    /// `nomadToken`.
    pub const NOMAD_TOKEN: &str = "NOMAD_TOKEN";
    /// `accessToken`.
    pub const ACCESS_TOKEN: &str = "ACCESS_TOKEN";
    /// `gitPass`.
    pub const GIT_TOKEN: &str = "GIT_TOKEN";
    /// `roleId`.
    pub const VAULT_ROLE_ID: &str = "VAULT_ROLE_ID";
    /// `secretId`.
    pub const VAULT_SECRET_ID: &str = "VAULT_SECRET_ID";
    /// `build.registryUsername`.
    pub const REGISTRY_USERNAME: &str = "REGISTRY_USERNAME";
    /// `build.registryPassword`.
    pub const REGISTRY_PASSWORD: &str = "REGISTRY_PASSWORD";
    /// `sourceUrl`.
    pub const SOURCE_URL: &str = "SOURCE_URL";
}

/// What a run needs beside its workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunContext {
    /// Which task.
    pub task: Task,
    /// The Nomad job.
    pub job_id: JobId,
    /// For events and build logs.
    pub ids: EventIds,
    /// `None`: no call is made.
    pub backend: Option<BackendAccess>,
    /// Nomad's address, when it is not that of the environment.
    pub nomad_address: Option<String>,
    /// Nomad's ACL token, when it is not that of the environment.
    pub nomad_token: Option<Secret>,
    /// What "deploy" means.
    pub platform: DeployPlatform,
    /// Suffix of allocated domains.
    pub cluster_domain: Option<String>,
    /// The networks of the params, without those of port 0, for ask-domain and service-update.
    pub networks: Vec<UserNetwork>,
    /// `docker_user` as given, for service-update.
    pub docker_user: Option<String>,
    /// `command` as given, for service-update.
    pub command: Option<String>,
    /// `entrypoint` as given, for service-update.
    pub entrypoint: Vec<String>,
    /// How many deployments there were before, if told.
    pub deployment_count: Option<i64>,
    /// Values of the secrets that the workload refers to, by [`secret_name`].
    pub secrets: BTreeMap<&'static str, Secret>,
    /// What in the params has no effect or was replaced, without any value.
    pub warnings: Vec<String>,
}

/// Access to the backend's REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendAccess {
    /// Base address without a trailing slash.
    pub url: String,
    /// Access token.
    pub token: Secret,
}

/// What the `deploy` field asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeployPlatform {
    /// A Nomad job: `nomad-pack`, `nomadpack` or nothing.
    #[default]
    NomadPack,
    /// Nothing is deployed, which succeeds.
    Noop,
    /// A stub of the replaced program: nothing is deployed, which succeeds.
    Docker,
}

/// A network of the params in the words of service-update. Source: contract 3.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserNetwork {
    /// Port of the container.
    pub port: u16,
    /// As given.
    pub port_type: String,
    /// Reachable from outside.
    pub public: bool,
    /// The user's subdomain; `None` lets ask-domain allocate one when public.
    pub domain: Option<String>,
    /// As given.
    pub has_health_check: String,
    /// Check type as given.
    pub check_type: String,
    /// Check path as given.
    pub check_path: String,
    /// Check interval as given.
    pub check_interval: String,
    /// Check timeout as given.
    pub check_timeout: String,
    /// Check port, unless 0 or negative.
    pub check_port: Option<u16>,
}
