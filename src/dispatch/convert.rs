//! From params to the workload that people would have written, and what the run needs beside it.
//!
//! Rules that are about params are decided here: defaults of the pack that was deployed before, fallbacks, spellings,
//! what is dropped. Rules that hold for every workload belong to `desired`. Where the replaced program produced a job
//! that Nomad refuses (contract 10), the nearest sensible job is built or the params are refused by field. Secrets
//! never enter the workload: it refers to them by name, and [`RunContext::secrets`] holds them.

mod domain;
mod facts;
mod jobs;
mod network;
mod secrets;
mod source;

use std::collections::BTreeMap;

pub use domain::{bare_label, full_domain};
pub use facts::{apply_builder, apply_domains, apply_image_facts, apply_pushed};

use super::error::{ParamsError, Problem};
use super::ids::{EventIds, not_empty, not_zero};
use super::params::{Base, DeployParams};
use super::run::{BackendAccess, DeployPlatform, RunContext, UserNetwork, secret_name};
use crate::ids::JobId;
use crate::secret::Secret;
use crate::spec::Workload;
use crate::spec::workload::{
    ApiVersion, Backend, Cluster, Container, Export, Gpu, Metadata, Placement, Platform, Port,
    Resources, SecretRef, Service, ServiceProvider, WorkloadKind, WorkloadSpec,
};

/// What the environment adds to the params.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertOptions {
    /// Whether the cluster has Vault (`CS_VAULT`). Default: true.
    pub vault: bool,
    /// Who keeps the services (`CS_SERVICE_PROVIDER`). Default: Consul.
    pub service_provider: ServiceProvider,
    /// `BACKEND_URL`, for params without `backendUrl`.
    pub backend_url: Option<String>,
    /// `ACCESS_TOKEN`, for params without `accessToken`.
    pub access_token: Option<Secret>,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self {
            vault: true,
            service_provider: ServiceProvider::Consul,
            backend_url: None,
            access_token: None,
        }
    }
}

/// A workload and what its run needs beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// Everything that reaches the job.
    pub workload: Workload,
    /// The rest.
    pub run: RunContext,
}

/// Converts the params of a deployment.
///
/// # Errors
/// [`ParamsError::Invalid`] with every field that holds something unusable.
pub fn convert(params: &DeployParams, options: &ConvertOptions) -> Result<Converted, ParamsError> {
    let mut draft = Draft::default();
    let (ports, networks) = network::ports(&params.base.networks, &mut draft);
    let backend = backend(&params.base, options);
    let workload = workload(params, options, ports, backend.as_ref(), &mut draft);
    let run = run_context(params, networks, backend, &mut draft);
    match run {
        Some(run) if draft.problems.is_empty() => Ok(Converted { workload, run }),
        _ => Err(ParamsError::Invalid {
            task: params.task,
            problems: draft.problems,
        }),
    }
}

/// Returns the workload as one YAML document.
#[must_use]
pub fn to_yaml(workload: &Workload) -> String {
    serde_saphyr::to_string(workload)
        .expect("a workload is made of maps, lists and scalars, and a String takes every write")
}

/// What a conversion finds out on its way.
#[derive(Default)]
struct Draft {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    secrets: BTreeMap<&'static str, Secret>,
}

impl Draft {
    fn refuse(&mut self, field: impl Into<String>, why: &str) {
        self.problems.push(Problem::refused(field, why));
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Keeps a secret under `name` and returns the reference to it; an empty one is no secret.
    fn secret(&mut self, name: &'static str, value: &Secret) -> Option<SecretRef> {
        if value.is_empty() {
            return None;
        }
        self.secrets.insert(name, value.clone());
        Some(SecretRef::env(name))
    }

    /// A number that was sent, if it is above 0. Negative ones count as not sent, with a warning.
    fn positive(&mut self, field: &str, number: Option<i64>) -> Option<u32> {
        match number {
            None | Some(0) => None,
            Some(number) if number < 0 => {
                self.warn(format!("{field} is negative and counts as not given"));
                None
            }
            Some(number) => {
                // Nomad itself counts in signed integers, of 32 bits on some platforms.
                let fits = i32::try_from(number).ok().map(i32::unsigned_abs);
                if fits.is_none() {
                    self.refuse(field, "expected at most 2147483647");
                }
                fits
            }
        }
    }
}

fn workload(
    params: &DeployParams,
    options: &ConvertOptions,
    ports: Vec<Port>,
    backend: Option<&BackendAccess>,
    draft: &mut Draft,
) -> Workload {
    let base = &params.base;
    warn_dead(base, draft);
    let volumes = jobs::volumes(&base.csi_volume, draft);
    let job_type = jobs::job_type(base.job_config.as_ref(), draft);
    let spec = WorkloadSpec {
        job_type,
        replicas: jobs::replicas(job_type, base.replica_count, draft),
        pull: secrets::pull(base, &source::image_stem(params), options, draft),
        source: source::source(params, draft),
        build: source::build(params, draft),
        container: container(params),
        resources: resources(base, draft),
        placement: placement(base),
        service: Service {
            name: Some(first_given(&base.consul.service_name, &base.job_id)),
            provider: Some(options.service_provider),
            cluster_domain: not_empty(base.cluster_domain.clone()),
        },
        detect_ports: ports.is_empty(),
        ports,
        env: BTreeMap::new(),
        secrets: secrets::secrets(base, options, draft),
        links: secrets::links(base),
        connections: secrets::connections(base, options, draft),
        certificates: secrets::certificates(base, options, draft),
        files: source::files(&base.config_files, draft),
        rollout: jobs::rollout(job_type, base.update.as_ref(), !volumes.is_empty(), draft),
        volumes,
        restart: jobs::restart(base, draft),
        schedule: jobs::schedule(job_type, base.job_config.as_ref()),
        parameterized: jobs::parameterized(base.job_config.as_ref(), draft),
        depends_on: Vec::new(),
        hook: None,
        on_failure: None,
        ignore_fields: Vec::new(),
        platform: Some(platform(base, backend, draft)),
        cluster: cluster(base, draft),
    };
    Workload {
        api_version: ApiVersion::V1,
        kind: WorkloadKind::Workload,
        metadata: Metadata {
            name: base.job_id.clone(),
            ..Metadata::default()
        },
        spec,
    }
}

fn first_given(text: &str, fallback: &str) -> String {
    let chosen = if text.is_empty() { fallback } else { text };
    chosen.to_owned()
}

/// Warns of fields that are set, look as if they did something, and never did.
fn warn_dead(base: &Base, draft: &mut Draft) {
    if !matches!(
        base.registry.pack.as_str(),
        "" | "cloudstation" | "cloud_service"
    ) {
        draft.warn(
            "registry.pack names another pack than `cloudstation`: the job is built as that one would",
        );
    }
    if !base.consul.tags.is_empty() {
        draft.warn("consul.tags are not used: service tags come from the networks");
    }
    if !base.vault_linked_secret_paths.is_empty() {
        draft.warn("vaultLinkedSecretPaths are not used");
    }
}

/// CPU, memory and GPUs. What is missing beside something given gets the pack's 200 (contract 10, defect 43); the
/// memory limit follows the memory, and is the pack's 2000 MB only when nothing at all is given.
fn resources(base: &Base, draft: &mut Draft) -> Resources {
    const DEFAULT: u32 = 200;
    const DEFAULT_MEMORY_MAX: u32 = 2000;
    const LEAST_MEMORY_MAX: u32 = 512;
    let cpu = draft.positive("cpu", base.cpu);
    let memory = draft.positive("ram", base.ram);
    let gpu = draft.positive("gpu", base.gpu);
    let memory_max = if cpu.or(memory).or(gpu).is_none() {
        DEFAULT_MEMORY_MAX
    } else {
        memory
            .unwrap_or(DEFAULT)
            .saturating_mul(2)
            .max(LEAST_MEMORY_MAX)
    };
    Resources {
        cpu: Some(cpu.unwrap_or(DEFAULT)),
        memory: Some(memory.unwrap_or(DEFAULT)),
        memory_max: Some(memory_max),
        gpu: gpu.map(|count| Gpu {
            count,
            model: not_empty(base.gpu_model.clone()),
        }),
    }
}

fn placement(base: &Base) -> Placement {
    let has_gpu = base.gpu.is_some_and(|count| count > 0);
    let (node_pool, node_classes) = if has_gpu {
        ("gpu-minions".to_owned(), Vec::new())
    } else {
        (
            first_given(&base.node_pool, "minions"),
            node_classes(&base.regions),
        )
    };
    Placement {
        node_pool: Some(node_pool),
        node_classes,
        ..Placement::default()
    }
}

/// The comma list as it is: joined again it must be the very text that older jobs carry.
fn node_classes(regions: &str) -> Vec<String> {
    regions
        .split(',')
        .filter(|class| !class.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

fn container(params: &DeployParams) -> Container {
    let base = &params.base;
    let built_in = params.task.builds() && facts::starts_by_itself(&params.build.builder);
    Container {
        user: Some(first_given(&base.docker_user, "0")),
        command: not_empty(base.command.clone()),
        entrypoint: base.entrypoint.clone(),
        args: Vec::new(),
        start_command: not_empty(params.build.start_command.clone()).filter(|_| !built_in),
        exports: base
            .vault_linked_secrets
            .iter()
            .map(|linked| Export {
                name: linked.secret.clone(),
                value: linked.template.expose().to_owned(),
            })
            .collect(),
        task_name: None,
    }
}

fn platform(base: &Base, backend: Option<&BackendAccess>, draft: &mut Draft) -> Platform {
    let backend = backend.and_then(|access| {
        Some(Backend {
            url: access.url.clone(),
            token: draft.secret(secret_name::ACCESS_TOKEN, &access.token)?,
        })
    });
    Platform {
        deployment_id: Some(base.deployment_id.clone()),
        deployment_job_id: not_zero(base.deployment_job_id),
        service_id: Some(base.service_id.clone()),
        project_id: not_empty(base.project_id.clone()),
        owner_id: not_empty(base.owner_id.clone()),
        team_id: not_empty(base.team_id.clone()),
        user_id: not_zero(base.user_id),
        deployment_count: base.deployment_count,
        backend,
        pack_meta: true,
    }
}

fn cluster(base: &Base, draft: &mut Draft) -> Option<Cluster> {
    let cluster = Cluster {
        address: not_empty(without_login(&base.nomad_address)),
        token: draft.secret(secret_name::NOMAD_TOKEN, &base.nomad_token),
    };
    (cluster != Cluster::default()).then_some(cluster)
}

/// An address without the user and password that may stand in it: a spec holds no secrets. The run itself keeps them.
fn without_login(address: &str) -> String {
    let Ok(mut url) = url::Url::parse(address) else {
        return address.to_owned();
    };
    if url.username().is_empty() && url.password().is_none() {
        return address.to_owned();
    }
    match url.set_username("").and_then(|()| url.set_password(None)) {
        Ok(()) => url.to_string(),
        Err(()) => String::new(),
    }
}

/// Params first, then the environment; without both address and token no call is ever made (contract 3.1).
fn backend(base: &Base, options: &ConvertOptions) -> Option<BackendAccess> {
    let given = not_empty(base.backend_url.clone());
    let url = given.or_else(|| options.backend_url.clone())?;
    let token = if base.access_token.is_empty() {
        options.access_token.clone()?
    } else {
        base.access_token.clone()
    };
    let url = url.strip_suffix('/').unwrap_or(&url).to_owned();
    (!url.is_empty() && !token.is_empty()).then_some(BackendAccess { url, token })
}

/// `None` when an id is unusable, which is then among the problems.
fn run_context(
    params: &DeployParams,
    networks: Vec<UserNetwork>,
    backend: Option<BackendAccess>,
    draft: &mut Draft,
) -> Option<RunContext> {
    let base = &params.base;
    let platform = deploy_platform(&base.deploy, draft);
    let job_id: Option<JobId> = checked_id("jobId", &base.job_id, draft);
    let deployment_id = checked_id("deploymentId", &base.deployment_id, draft);
    let service_id = checked_id("serviceId", &base.service_id, draft);
    Some(RunContext {
        task: params.task,
        job_id: job_id?,
        ids: EventIds {
            deployment_job_id: base.deployment_job_id.unwrap_or(0),
            deployment_id: deployment_id?,
            service_id: service_id?,
            team_id: not_empty(base.team_id.clone()),
            user_id: not_zero(base.user_id),
            owner_id: base.owner_id.clone(),
        },
        backend,
        nomad_address: not_empty(base.nomad_address.clone()),
        nomad_token: (!base.nomad_token.is_empty()).then(|| base.nomad_token.clone()),
        platform,
        cluster_domain: not_empty(base.cluster_domain.clone()),
        networks,
        docker_user: not_empty(base.docker_user.clone()),
        command: not_empty(base.command.clone()),
        entrypoint: base.entrypoint.clone(),
        deployment_count: base.deployment_count,
        secrets: std::mem::take(&mut draft.secrets),
        warnings: std::mem::take(&mut draft.warnings),
    })
}

fn checked_id<T>(field: &str, text: &str, draft: &mut Draft) -> Option<T>
where
    T: std::str::FromStr<Err = crate::ids::InvalidId>,
{
    text.parse()
        .map_err(|why: crate::ids::InvalidId| draft.refuse(field, &why.to_string()))
        .ok()
}

fn deploy_platform(deploy: &str, draft: &mut Draft) -> DeployPlatform {
    match deploy {
        "" | "nomad-pack" | "nomadpack" => DeployPlatform::NomadPack,
        "noop" => DeployPlatform::Noop,
        "docker" => {
            draft.warn("deploy is `docker`: nothing is deployed");
            DeployPlatform::Docker
        }
        _ => {
            draft.refuse(
                "deploy",
                "expected `nomad-pack`, `nomadpack`, `noop` or `docker`",
            );
            DeployPlatform::default()
        }
    }
}
