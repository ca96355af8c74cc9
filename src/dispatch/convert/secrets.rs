//! What Nomad renders at run time: Vault paths, links, connections, certificates. Source: contract 6.2, 6.4, 6.6.

use super::{ConvertOptions, Draft};
use crate::dispatch::ids::not_empty;
use crate::dispatch::params::Base;
use crate::spec::workload::{
    Certificate, ChangeMode, Connection, Link, LinkValue, Pull, Secrets, VaultSecrets,
};

/// The platform's own registry, whose images are always pulled with credentials.
const PLATFORM_REGISTRY: &str = "acrbc001.azurecr.io/";

/// Policy, and path below `/`, of the credentials for the platform's own registry.
const PLATFORM_POLICY: &str = "acr";
const PLATFORM_PULL_PATH: &str = "/acr/data/registry";

pub(super) fn secrets(base: &Base, options: &ConvertOptions, draft: &mut Draft) -> Secrets {
    if !options.vault {
        return Secrets::default();
    }
    let registry = base.private_registry.as_str();
    let policies = if registry.is_empty() {
        [base.project_id.as_str(), PLATFORM_POLICY]
    } else {
        [registry, base.project_id.as_str()]
    };
    Secrets {
        vault: Some(VaultSecrets {
            policies: policies
                .into_iter()
                .filter(|policy| !policy.is_empty())
                .map(str::to_owned)
                .collect(),
            role: None,
            env: env_paths(base, draft),
            change_mode: Some(ChangeMode::Noop),
        }),
    }
}

fn env_paths(base: &Base, draft: &mut Draft) -> Vec<String> {
    if base.project_id.is_empty() {
        draft.warn(
            "projectId is empty: the service gets no environment from Vault, whose paths start with it",
        );
        return Vec::new();
    }
    let shared = not_empty(base.shared_secret_path.clone());
    std::iter::once(base.service_id.clone())
        .chain(shared)
        .map(|name| kv_path(base, &name))
        .collect()
}

fn kv_path(base: &Base, name: &str) -> String {
    format!("/kv/data/{}/{name}", base.project_id)
}

/// Pull credentials; `image` is how the job's image starts.
pub(super) fn pull(
    base: &Base,
    image: &str,
    options: &ConvertOptions,
    draft: &mut Draft,
) -> Option<Pull> {
    if !options.vault {
        if !base.private_registry.is_empty() {
            draft.warn(
                "privateRegistry is not used: its credentials are kept in Vault, which is off",
            );
        }
        return None;
    }
    let registry = base.private_registry.as_str();
    let vault_path = if registry.is_empty() {
        PLATFORM_PULL_PATH.to_owned()
    } else {
        if base.private_registry_provider.is_empty() {
            draft.warn("privateRegistryProvider is empty: the path of the pull credentials ends with a slash");
        }
        format!("/kv/data/{registry}/{}", base.private_registry_provider)
    };
    Some(Pull {
        vault_path: Some(vault_path),
        authenticate: !registry.is_empty() || is_on_platform(image),
        timeout: None,
    })
}

/// Whether an image is on the registry whose credentials every node can read.
pub(super) fn is_on_platform(image: &str) -> bool {
    image.contains(PLATFORM_REGISTRY)
}

/// `<service>_HOST` and `<service>_PORT` ask for a part of the address.
pub(super) fn links(base: &Base) -> Vec<Link> {
    base.consul
        .linked_services
        .iter()
        .map(|linked| {
            let name = linked.consul_service_name.as_str();
            let (service, value) = if let Some(service) = name.strip_suffix("_HOST") {
                (service, LinkValue::Host)
            } else if let Some(service) = name.strip_suffix("_PORT") {
                (service, LinkValue::Port)
            } else {
                (name, LinkValue::Address)
            };
            Link {
                variable: linked.variable_name.clone(),
                service: service.to_owned(),
                value,
            }
        })
        .collect()
}

pub(super) fn connections(
    base: &Base,
    options: &ConvertOptions,
    draft: &mut Draft,
) -> Vec<Connection> {
    let wanted = &base.template_string_variables;
    if wanted.is_empty() {
        return Vec::new();
    }
    if !options.vault {
        draft.warn("templateStringVariables are not used: they read Vault, which is off");
        return Vec::new();
    }
    if base.project_id.is_empty() {
        draft.warn("templateStringVariables are not used: projectId is empty, their Vault paths start with it");
        return Vec::new();
    }
    wanted
        .iter()
        .map(|variable| Connection {
            variable: variable.name.clone(),
            pattern: variable.pattern.clone(),
            service: variable.service_name.clone(),
            secret_path: kv_path(base, &variable.service_secret_path),
            keys: variable.linked_vars.clone(),
        })
        .collect()
}

pub(super) fn certificates(
    base: &Base,
    options: &ConvertOptions,
    draft: &mut Draft,
) -> Vec<Certificate> {
    let Some(tls) = &base.tls else {
        return Vec::new();
    };
    if !options.vault {
        draft.warn("tls is not used: certificates come from Vault, which is off");
        return Vec::new();
    }
    let certificate = Certificate {
        pki_path: tls.pka_path.clone(),
        common_name: tls.common_name.clone(),
        ttl: tls.ttl.clone(),
        cert_path: tls.cert_path.clone(),
        key_path: tls.key_path.clone(),
    };
    if certificate == Certificate::default() {
        return Vec::new();
    }
    vec![certificate]
}
