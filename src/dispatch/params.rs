//! Params as they travel: every field of the wire by its own name, read leniently, checked for what is required.
//!
//! Field names follow the wire (contract 1.5, with what each drives); the comments here say only what that table
//! leaves open. Numbers are as sent, so that "absent" and 0 stay apart; what they mean is decided by `convert`.

use std::collections::BTreeMap;
use std::fmt;

use super::decode::decode;
use super::error::{ParamsError, Problem};
use super::lenient::{self, Object, Problems};
use super::task::Task;
use crate::ids::{DeploymentId, JobId, ServiceId};
use crate::secret::Secret;

/// The params of one task.
#[derive(Debug, Clone, PartialEq)]
pub enum Params {
    /// Of the three tasks that deploy.
    Deploy(Box<DeployParams>),
    /// Of the task that destroys.
    Destroy(DestroyParams),
}

/// Params of a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployParams {
    /// Which of the three tasks.
    pub task: Task,
    /// What all of them share.
    pub base: Base,
    /// Where the sources are; only of tasks that build.
    pub repository: Option<Repository>,
    /// How to build. An image task only uses its `startCommand`.
    pub build: Build,
}

/// Fields that all deployments share.
#[derive(Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "a table of wire names, explained in contract 1.5"
)]
pub struct Base {
    pub job_id: String,
    pub deployment_id: String,
    pub service_id: String,
    pub team_id: String,
    pub user_id: Option<i64>,
    pub owner_id: String,
    pub deployment_job_id: Option<i64>,
    pub project_id: String,
    pub image_name: String,
    pub image_tag: String,
    pub deploy: String,
    pub replica_count: Option<i64>,
    pub nomad_address: String,
    pub nomad_token: Secret,
    pub node_pool: String,
    pub vault_address: String,
    pub role_id: Secret,
    pub secret_id: Secret,
    pub secrets_path: String,
    pub shared_secret_path: String,
    pub uses_kv_engine: Option<bool>,
    pub owner_uses_kv_engine: Option<bool>,
    pub vault_linked_secret_paths: Vec<VaultLinkedSecretPath>,
    pub vault_linked_secrets: Vec<VaultLinkedSecret>,
    pub registry: Registry,
    pub private_registry: String,
    pub private_registry_provider: String,
    pub cpu: Option<i64>,
    pub ram: Option<i64>,
    pub gpu: Option<i64>,
    pub gpu_model: String,
    pub networks: Vec<Network>,
    pub consul: Consul,
    pub csi_volume: Vec<CsiVolume>,
    pub restart_mode: String,
    pub restart_attempts: Option<i64>,
    pub job_config: Option<JobConfig>,
    pub command: String,
    pub entrypoint: Vec<String>,
    pub docker_user: String,
    pub deployment_count: Option<i64>,
    pub update: Option<Update>,
    pub template_string_variables: Vec<TemplateStringVariable>,
    pub config_files: Vec<ConfigFile>,
    pub regions: String,
    pub tls: Option<Tls>,
    pub cloud_region: String,
    pub cloud_provider: String,
    pub cluster_domain: String,
    pub cluster_tcp_domain: String,
    pub backend_url: String,
    pub access_token: Secret,
}

impl fmt::Debug for Base {
    /// Only ids: any other text may hold a secret of the service.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base")
            .field("job_id", &self.job_id)
            .field("deployment_id", &self.deployment_id)
            .field("service_id", &self.service_id)
            .finish_non_exhaustive()
    }
}

/// An entry of `vaultLinkedSecretPaths`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct VaultLinkedSecretPath {
    pub prefix: String,
    pub secret_path: String,
}

/// An entry of `vaultLinkedSecrets`: a shell variable of the start command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct VaultLinkedSecret {
    pub secret: String,
    /// Usually a path to read; hidden because it may be the value itself.
    pub template: Secret,
}

/// Which pack the replaced program deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct Registry {
    pub pack: String,
    pub registry_name: String,
    pub registry_ref: String,
    pub registry_source: Secret,
    pub registry_target: String,
    pub registry_token: Secret,
    pub use_embedded: Option<bool>,
}

/// An entry of `networks`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct Network {
    pub port_number: Option<i64>,
    pub port_type: String,
    pub public: Option<bool>,
    pub domain: String,
    pub custom_domain: String,
    pub has_health_check: String,
    pub health_check: HealthCheck,
}

/// The `health_check` of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct HealthCheck {
    pub check_type: String,
    pub path: String,
    pub interval: String,
    pub timeout: String,
    pub port: Option<i64>,
}

/// The `consul` object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct Consul {
    pub service_name: String,
    pub tags: Vec<String>,
    pub service_port: Option<i64>,
    pub linked_services: Vec<LinkedService>,
}

/// An entry of `consul.linkedServices`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct LinkedService {
    pub variable_name: String,
    pub consul_service_name: String,
}

/// An entry of `csiVolume`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct CsiVolume {
    pub id: String,
    pub mount_paths: Vec<String>,
}

/// The `jobConfig` object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct JobConfig {
    pub job_type: String,
    pub cron: String,
    pub prohibit_overlap: Option<bool>,
    pub payload: String,
    pub meta_required: Vec<String>,
}

/// The `update` object. Absent members keep their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct Update {
    pub min_healthy_time: String,
    pub healthy_deadline: String,
    pub progress_deadline: String,
    pub auto_revert: Option<bool>,
    pub auto_promote: Option<bool>,
    pub max_parallel: Option<i64>,
    pub canary: Option<i64>,
}

/// An entry of `templateStringVariables`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct TemplateStringVariable {
    pub name: String,
    pub pattern: String,
    pub service_name: String,
    pub service_secret_path: String,
    pub linked_vars: Vec<String>,
}

/// An entry of `configFiles`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct ConfigFile {
    pub path: String,
    /// Base64; hidden because configuration often holds passwords.
    pub content: Secret,
}

/// The `tls` object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct Tls {
    pub cert_path: String,
    pub key_path: String,
    pub common_name: String,
    pub pka_path: String,
    pub ttl: String,
}

/// Where the sources are.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct Repository {
    pub repository: String,
    pub branch: String,
    pub git_pass: Secret,
    pub provider: String,
    pub source_type: String,
    pub source_url: Secret,
    /// Ours, optional: the digest that the archive must have. The platform keeps it, and may send it.
    pub source_sha256: String,
    pub upload_id: String,
}

impl Repository {
    /// Whether the sources are an uploaded archive.
    #[must_use]
    pub fn is_upload(&self) -> bool {
        self.source_type == "local_upload"
    }
}

impl fmt::Debug for Repository {
    /// Without the repository, which may be an address with credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("is_upload", &self.is_upload())
            .finish_non_exhaustive()
    }
}

/// The `build` object.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "wire names, explained in contract 1.5")]
pub struct Build {
    pub builder: String,
    pub dockerfile_path: String,
    pub build_command: String,
    pub start_command: String,
    pub root_directory: String,
    pub build_args: BTreeMap<String, String>,
    pub static_build_env: BTreeMap<String, String>,
    pub disable_push: Option<bool>,
    pub private_registry: Option<bool>,
    pub registry_url: String,
    pub registry_namespace: String,
    pub registry_username: Secret,
    pub registry_password: Secret,
}

impl fmt::Debug for Build {
    /// Without commands, arguments and environment, which may hold secrets of the service.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Build").finish_non_exhaustive()
    }
}

/// Params of a destruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestroyParams {
    /// What to destroy, one at a time, in this order. At least one.
    pub jobs: Vec<DestroyJob>,
    /// Why; copied to the events. Not empty.
    pub reason: String,
}

/// One job to destroy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestroyJob {
    /// The Nomad job.
    pub job_id: JobId,
    /// The service that it ran.
    pub service_id: ServiceId,
    /// Its Nomad, when it is not that of the environment.
    pub nomad_address: Option<String>,
    /// ACL token of that Nomad.
    pub nomad_token: Option<Secret>,
}

/// Reads the params of `task` from raw JSON or base64 text, and checks what is required.
///
/// # Errors
/// One message that names every field at fault and what was expected, never a value. [`ParamsError::kind`] tells
/// whether the text does not parse or its content is not valid. Type errors are told before missing fields.
pub fn parse(task: Task, text: &[u8]) -> Result<Params, ParamsError> {
    let json = decode(text).map_err(|problem| ParamsError::Decode { task, problem })?;
    let entries = lenient::parse(&json).map_err(|reason| ParamsError::Json { task, reason })?;
    let types = Problems::default();
    let top = Object::top(&entries, &types);
    let mut missing = Vec::new();
    let params = match task {
        Task::DestroyJobPack => Params::Destroy(DestroyParams::read(&top, &mut missing)),
        Task::DeployRepository | Task::RedeployRepository | Task::DeployImage => {
            let params = DeployParams::read(task, &top);
            params.require(&mut missing);
            Params::Deploy(Box::new(params))
        }
    };
    let types = types.into_inner();
    if !types.is_empty() {
        return Err(ParamsError::Types {
            task,
            problems: types,
        });
    }
    if !missing.is_empty() {
        return Err(ParamsError::Invalid {
            task,
            problems: missing,
        });
    }
    Ok(params)
}

impl DeployParams {
    fn read(task: Task, top: &Object<'_>) -> Self {
        // Nothing uses it, but a wrong type has always failed the parse.
        top.optional_object("nomadPackConfig");
        Self {
            task,
            base: Base::read(top),
            repository: task.builds().then(|| Repository::read(top)),
            build: Build::read(&top.object("build")),
        }
    }

    /// Order and wording: contract 1.6. Ids that no part of the platform could use are refused with them.
    fn require(&self, problems: &mut Vec<Problem>) {
        let base = &self.base;
        require_id::<JobId>("jobId", &base.job_id, problems);
        match &self.repository {
            None => require_text("imageName", &base.image_name, problems),
            Some(source) if source.is_upload() => {
                if source.source_url.is_empty() {
                    problems.push(Problem::worded(
                        "sourceUrl",
                        "sourceUrl is required for local_upload source type",
                    ));
                }
            }
            Some(source) => {
                require_text("repository", &source.repository, problems);
                require_text("branch", &source.branch, problems);
            }
        }
        require_id::<DeploymentId>("deploymentId", &base.deployment_id, problems);
        require_id::<ServiceId>("serviceId", &base.service_id, problems);
    }
}

fn require_text(field: &str, text: &str, problems: &mut Vec<Problem>) {
    if text.is_empty() {
        problems.push(Problem::required(field));
    }
}

fn require_id<T>(field: &str, text: &str, problems: &mut Vec<Problem>) -> Option<T>
where
    T: std::str::FromStr<Err = crate::ids::InvalidId>,
{
    if text.is_empty() {
        problems.push(Problem::required(field));
        return None;
    }
    text.parse()
        .map_err(|why| problems.push(Problem::refused(field, why)))
        .ok()
}

impl DestroyParams {
    /// Entries that miss an id are told in `problems` and left out.
    fn read(o: &Object<'_>, problems: &mut Vec<Problem>) -> Self {
        let entries = o.objects("jobs");
        if entries.is_empty() {
            problems.push(Problem::worded("jobs", "at least one job is required"));
        }
        let reason = o.text("reason");
        require_text("reason", &reason, problems);
        let jobs = entries
            .iter()
            .filter_map(|entry| DestroyJob::read(entry, problems))
            .collect();
        Self { jobs, reason }
    }
}

impl DestroyJob {
    fn read(o: &Object<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let job_id = require_id(&o.place("jobId"), &o.text("jobId"), problems);
        let service_id = require_id(&o.place("serviceId"), &o.text("serviceId"), problems);
        let address = o.text("nomadAddress");
        let token = o.secret("nomadToken");
        Some(Self {
            job_id: job_id?,
            service_id: service_id?,
            nomad_address: (!address.is_empty()).then_some(address),
            nomad_token: (!token.is_empty()).then_some(token),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = r#""jobId":"j","deploymentId":"d","serviceId":"s","imageName":"nginx""#;

    fn refused(task: Task, text: &str) -> String {
        parse(task, text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn missing_fields_are_told_all_at_once_in_the_order_of_the_contract() {
        for (task, wanted) in [
            (
                Task::DeployImage,
                "jobId is required; imageName is required; deploymentId is required; serviceId is required",
            ),
            (
                Task::DeployRepository,
                "jobId is required; repository is required; branch is required; deploymentId is required; \
                 serviceId is required",
            ),
            (
                Task::DestroyJobPack,
                "at least one job is required; reason is required",
            ),
        ] {
            for empty in ["{}", "null"] {
                let error = refused(task, empty);
                assert!(error.ends_with(wanted), "{task}: {error}");
            }
        }
        let upload = refused(Task::RedeployRepository, r#"{"sourceType":"local_upload"}"#);
        assert!(
            upload.contains("sourceUrl is required for local_upload source type"),
            "{upload}"
        );
        assert!(!upload.contains("branch"), "{upload}");
    }

    #[test]
    fn entries_of_a_destruction_need_both_ids() {
        let text = r#"{"reason":"delete","jobs":[{"jobId":"a","serviceId":"s"},{"serviceId":"s"},{"jobId":"a b","serviceId":""}]}"#;
        let error = refused(Task::DestroyJobPack, text);
        for part in [
            "jobs[1].jobId is required",
            "jobs[2].jobId: job id must not",
            "jobs[2].serviceId is required",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn ids_that_cannot_be_used_are_refused_by_name() {
        let error = refused(
            Task::DeployImage,
            r#"{"jobId":"a b","deploymentId":"x.y","serviceId":" ","imageName":"i"}"#,
        );
        for field in [
            "jobId: job id",
            "deploymentId: deployment id",
            "serviceId: service id",
        ] {
            assert!(error.contains(field), "{error}");
        }
        assert!(!error.contains("a b") && !error.contains("x.y"), "{error}");
    }

    #[test]
    fn all_type_errors_come_in_one_message_under_the_tasks_own_words() {
        let text = format!(
            r#"{{{IMAGE},"cpu":"canary","networks":[{{"portNumber":true,"has_health_check":true}}],"teamId":5}}"#
        );
        for (task, words) in [
            (Task::DeployImage, "failed to parse deploy-image parameters"),
            (
                Task::DeployRepository,
                "failed to parse deploy-repository parameters",
            ),
            (
                Task::RedeployRepository,
                "failed to parse redeploy-repository parameters",
            ),
        ] {
            let error = refused(task, &text);
            for part in [
                words,
                "cpu: expected a whole number",
                "networks[0].portNumber: ",
                "networks[0].has_health_check: expected a string, found a boolean",
                "teamId: expected a string, found a number",
            ] {
                assert!(error.contains(part), "{part} in {error}");
            }
            assert!(!error.contains("canary"), "{error}");
        }
        let error = refused(Task::DestroyJobPack, r#"{"jobs":{}}"#);
        assert!(
            error.contains("failed to parse destroy-job parameters"),
            "{error}"
        );
    }

    #[test]
    fn the_kind_of_an_error_tells_unparsable_from_invalid() {
        use crate::dispatch::error::ErrorKind;
        for (text, kind) in [
            ("", ErrorKind::Usage),
            ("%%%", ErrorKind::Usage),
            ("{", ErrorKind::Usage),
            ("[]", ErrorKind::Usage),
            (r#"{"jobId":5}"#, ErrorKind::Usage),
            ("{} x", ErrorKind::Usage),
            ("{}", ErrorKind::Invalid),
        ] {
            let error = parse(Task::DeployImage, text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), kind, "{text}");
            if kind == ErrorKind::Usage {
                assert!(error.to_string().contains("failed to parse"), "{error}");
            }
        }
    }

    #[test]
    fn absent_and_given_flags_stay_apart() {
        let text =
            format!(r#"{{{IMAGE},"update":{{"autoRevert":false}},"ownerUsesKvEngine":null}}"#);
        let Params::Deploy(params) = parse(Task::DeployImage, text.as_bytes()).unwrap() else {
            panic!("an image task has deployment params");
        };
        let update = params.base.update.as_ref().unwrap();
        assert_eq!(
            (update.auto_revert, update.auto_promote),
            (Some(false), None)
        );
        assert_eq!(params.base.owner_uses_kv_engine, None);
    }

    #[test]
    fn params_of_fifty_kilobytes_are_accepted() {
        let text = format!(r#"{{{IMAGE},"command":"{}"}}"#, "x".repeat(50_000));
        assert!(parse(Task::DeployImage, text.as_bytes()).is_ok());
    }
}
