//! The one task: a docker container with its environment, templates, mounts and resources.

use std::collections::BTreeMap;

use super::{network, template, volume};
use crate::clients::nomad::job::{Device, DockerAuth, DockerConfig, Resources, Task, Vault};
use crate::desired::{Desired, DesiredEnv, DesiredFile, DesiredVault};

/// Device plugin of the platform's GPU nodes.
const GPU_DEVICE: &str = "letmutx/gpu";

/// Filled at run time from the template of the pull credentials.
const PULL_AUTH: DockerAuth = DockerAuth {
    username: "${registry_username}",
    password: "${registry_password}",
};

pub(super) fn task(desired: &Desired) -> Task {
    Task {
        name: desired.task_name.clone(),
        driver: "docker",
        user: desired.user.clone(),
        config: config(desired),
        env: env(&desired.env),
        vault: desired.vault.as_ref().map(vault),
        templates: template::templates(desired),
        volume_mounts: volume::mounts(&desired.volumes),
        resources: resources(desired),
    }
}

fn config(desired: &Desired) -> DockerConfig {
    let ports = desired.ports.iter();
    let labels = Some(&desired.labels).filter(|labels| !labels.is_empty());
    DockerConfig {
        image: desired.image.clone(),
        image_pull_timeout: pull_timeout(desired),
        auth: desired
            .pull_authenticate
            .then_some(PULL_AUTH)
            .into_iter()
            .collect(),
        entrypoint: desired.entrypoint.clone(),
        command: desired.command.clone(),
        args: desired.args.clone(),
        ports: ports.map(|port| network::label(port.number)).collect(),
        volumes: desired.files.iter().map(bind_mount).collect(),
        labels: labels.into_iter().cloned().collect(),
    }
}

/// The driver keeps this text as it is, so `30m` must not become another spelling of the same time.
fn pull_timeout(desired: &Desired) -> String {
    desired.image_pull_timeout.to_string()
}

fn bind_mount(file: &DesiredFile) -> String {
    [&template::file_destination(file), ":/", file.path.as_str()].concat()
}

fn env(env: &BTreeMap<String, DesiredEnv>) -> BTreeMap<String, String> {
    env.iter()
        .map(|(name, value)| {
            let text = match value {
                DesiredEnv::Text(text) => text.as_str(),
                DesiredEnv::Secret(secret) => secret.expose(),
            };
            (name.clone(), text.to_owned())
        })
        .collect()
}

fn vault(vault: &DesiredVault) -> Vault {
    Vault {
        policies: vault.policies.clone(),
        role: vault.role.clone(),
        change_mode: "restart",
        env: true,
    }
}

fn resources(desired: &Desired) -> Resources {
    let gpus = (desired.gpu_count > 0).then_some(Device {
        name: GPU_DEVICE,
        count: desired.gpu_count,
    });
    Resources {
        cpu_mhz: desired.cpu_mhz,
        memory_mb: desired.memory_mb,
        memory_max_mb: desired.memory_max_mb,
        devices: gpus.into_iter().collect(),
    }
}
