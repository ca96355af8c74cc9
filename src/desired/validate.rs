//! From a spec to [`Desired`], or to everything that is wrong with it, each with its place.
//!
//! One file a theme: `identity` who and where, `process` image, container and resources, `network` ports and services,
//! `environment` variables and secrets, `storage` files and volumes, `rollout` update and restart, `start` cron and
//! requests, `relations` what it waits for and whom it serves. Each theme returns its part of [`Desired`] and adds what it finds to the list; nothing stops at the first.
//!
//! The rules are those of Nomad 2.0 (each was tried against `PUT /v1/validate/job`) plus what Nomad accepts and then
//! fails at run time. Pure: references to secrets are resolved by the caller, which finds them with [`references`].

mod cron;
mod environment;
mod identity;
mod issues;
mod network;
mod nul;
mod process;
mod relations;
mod rollout;
mod start;
mod storage;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::ids::OwnerId;
use crate::secret::Secret;
use crate::spec::workload::{EnvValue, SecretRef, Workload};

pub use issues::Issue;
pub use relations::of_native;

use super::Desired;
use issues::Issues;

/// What a spec does not say itself.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who owns the job.
    pub owner: OwnerId,
    /// The image that was built from the spec's `git` or `archive` source, with its tag.
    pub image: Option<String>,
    /// What the references of [`references`] stand for.
    pub secrets: BTreeMap<SecretRef, Secret>,
    /// Without a cluster (`cs validate`, `cs render`): a reference that is not in `secrets` is no issue and becomes a
    /// placeholder. Never register the outcome.
    pub offline: bool,
    /// Node pool of workloads that name none and want no GPU; `None` leaves Nomad's `default`.
    pub default_node_pool: Option<String>,
    /// With `detectPorts`: the first port that the image exposes.
    pub detected_port: Option<u16>,
}

impl Options {
    /// Options with an owner and nothing else.
    #[must_use]
    pub fn new(owner: OwnerId) -> Self {
        Self {
            owner,
            image: None,
            secrets: BTreeMap::new(),
            offline: false,
            default_node_pool: None,
            detected_port: None,
        }
    }
}

/// The references of a workload's environment that somebody with access to files and environment must resolve before
/// [`validate`]; sorted, each once. What Nomad renders (`fromVault`, `fromVariable`) is not among them.
#[must_use]
pub fn references(workload: &Workload) -> Vec<&SecretRef> {
    let mut found: Vec<&SecretRef> = workload
        .spec
        .env
        .values()
        .filter_map(|value| match value {
            EnvValue::Reference(reference) => Some(reference),
            EnvValue::Text(_) => None,
        })
        .filter(|reference| reference.from_env.is_some() || reference.from_file.is_some())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Checks a workload and fills in every default.
///
/// # Errors
/// All issues, in the order in which the spec's themes stand in this module. Show them; nothing else helps.
pub fn validate(workload: &Workload, options: &Options) -> Result<Desired, Vec<Issue>> {
    let spec = &workload.spec;
    let mut issues = Issues::default();
    nul::check(workload, &mut issues);
    let identity = identity::check(workload, &mut issues);
    let process = process::check(workload, options, &mut issues);
    let placement = identity::placement(spec, options, &mut issues);
    let network = network::check(workload, options, &mut issues);
    let environment = environment::check(spec, options, &mut issues);
    let files = storage::files(spec, &mut issues);
    let volumes = storage::volumes(spec, &mut issues);
    storage::destinations(&environment, &files, &mut issues);
    let rollout = rollout::rollout(spec, &mut issues);
    let restart = rollout::restart(spec, &mut issues);
    let schedule = start::schedule(spec, &mut issues);
    let parameterized = start::parameterized(spec, &mut issues);
    relations::dependencies(&workload.metadata, &spec.depends_on, &mut issues);
    relations::ignored_fields(&spec.ignore_fields, &mut issues);
    relations::hook(spec, &mut issues);
    let Some(id) = identity.id.filter(|_| issues.is_empty()) else {
        return Err(issues.into_list());
    };
    Ok(Desired {
        labels: identity::labels(&id, &network.service_name, workload),
        id,
        namespace: identity.namespace,
        region: placement.region,
        owner: options.owner.clone(),
        job_type: spec.job_type,
        replicas: identity.replicas,
        schedule,
        parameterized,
        node_pool: placement.node_pool,
        node_classes: placement.node_classes,
        datacenters: placement.datacenters,
        service_name: network.service_name,
        service_provider: network.provider,
        cluster_domain: network.cluster_domain,
        ports: network.ports,
        task_name: identity.task_name,
        image: process.image,
        image_pull_timeout: process.image_pull_timeout,
        pull_authenticate: process.pull_authenticate,
        pull_vault_path: process.pull_vault_path,
        user: process.user,
        command: process.command,
        entrypoint: process.entrypoint,
        args: process.args,
        env: environment.env,
        rendered_env: environment.rendered_env,
        cpu_mhz: process.cpu_mhz,
        memory_mb: process.memory_mb,
        memory_max_mb: process.memory_max_mb,
        gpu_count: process.gpu_count,
        vault: environment.vault,
        links: environment.links,
        connections: environment.connections,
        certificates: environment.certificates,
        files,
        volumes,
        rollout,
        restart: Some(restart),
        run_uuid: identity.deployment.as_ref().map(super::run_uuid),
        deployment: identity.deployment,
        pack_meta: spec.platform.as_ref().is_some_and(|p| p.pack_meta),
    })
}
