//! What the process finds in its environment: plain values, references, Vault, links, connections, certificates.

use std::collections::BTreeMap;

use super::issues::Issues;
use super::process::reference_count;
use super::{Options, text};
use crate::desired::{
    DesiredCertificate, DesiredConnection, DesiredEnv, DesiredLink, DesiredVault, RenderedEnv,
    SecretOrigin, VaultEnvFile, defaults,
};
use crate::secret::{REDACTED, Secret};
use crate::spec::path;
use crate::spec::workload::{
    Certificate, Connection, EnvValue, Link, SecretRef, VaultSecrets, WorkloadSpec,
};

pub(super) struct Environment {
    pub(super) env: BTreeMap<String, DesiredEnv>,
    pub(super) rendered_env: Vec<RenderedEnv>,
    pub(super) vault: Option<DesiredVault>,
    pub(super) links: Vec<DesiredLink>,
    pub(super) connections: Vec<DesiredConnection>,
    pub(super) certificates: Vec<DesiredCertificate>,
}

pub(super) fn check(spec: &WorkloadSpec, options: &Options, issues: &mut Issues) -> Environment {
    let (env, rendered_env) = variables(spec, options, issues);
    let environment = Environment {
        env,
        rendered_env,
        vault: spec
            .secrets
            .vault
            .as_ref()
            .map(|vault| vault_block(vault, issues)),
        links: spec
            .links
            .iter()
            .enumerate()
            .map(|(index, link)| desired_link(link, &path::element("spec.links", index), issues))
            .collect(),
        connections: spec
            .connections
            .iter()
            .enumerate()
            .map(|(index, connection)| {
                desired_connection(
                    connection,
                    &path::element("spec.connections", index),
                    issues,
                )
            })
            .collect(),
        certificates: spec
            .certificates
            .iter()
            .enumerate()
            .map(|(index, certificate)| {
                desired_certificate(
                    certificate,
                    &path::element("spec.certificates", index),
                    issues,
                )
            })
            .collect(),
    };
    vault_is_there(spec, &environment, issues);
    environment
}

/// A template that reads Vault never renders in a task without a Vault block, and the task never starts.
fn vault_is_there(spec: &WorkloadSpec, environment: &Environment, issues: &mut Issues) {
    if spec.secrets.vault.is_some() {
        return;
    }
    let rendered = environment
        .rendered_env
        .iter()
        .find(|rendered| rendered.origin == SecretOrigin::Vault)
        .map(|rendered| path::member("spec.env", &rendered.variable));
    let pull = spec.pull.as_ref().and_then(|pull| pull.vault_path.as_ref());
    let needs = [
        rendered,
        pull.map(|_| "spec.pull.vaultPath".to_owned()),
        (!spec.connections.is_empty()).then(|| "spec.connections".to_owned()),
        (!spec.certificates.is_empty()).then(|| "spec.certificates".to_owned()),
    ];
    for path in needs.into_iter().flatten() {
        issues.add_with_help(
            "vault-needed",
            path,
            "this is read from Vault, but the workload has no access to it",
            "add `spec.secrets.vault`",
        );
    }
}

fn variables(
    spec: &WorkloadSpec,
    options: &Options,
    issues: &mut Issues,
) -> (BTreeMap<String, DesiredEnv>, Vec<RenderedEnv>) {
    let mut env = BTreeMap::new();
    let mut rendered = Vec::new();
    for (name, value) in &spec.env {
        let at = path::member("spec.env", name);
        match value {
            EnvValue::Text(value) => {
                text::check(issues, "variable-name", at, text::plain_variable(name));
                env.insert(name.clone(), DesiredEnv::Text(value.clone()));
            }
            EnvValue::Reference(reference) => match referred(name, reference, &at, options, issues)
            {
                Some(Referred::Resolved(secret)) => {
                    text::check(issues, "variable-name", at, text::plain_variable(name));
                    env.insert(name.clone(), DesiredEnv::Secret(secret));
                }
                Some(Referred::Rendered(one)) => {
                    text::check(issues, "variable-name", at, text::rendered_variable(name));
                    rendered.push(one);
                }
                None => {}
            },
        }
    }
    (env, rendered)
}

enum Referred {
    Resolved(Secret),
    Rendered(RenderedEnv),
}

fn referred(
    variable: &str,
    reference: &SecretRef,
    at: &str,
    options: &Options,
    issues: &mut Issues,
) -> Option<Referred> {
    if !reference_count(reference, at, issues) {
        return None;
    }
    for (member, text, origin) in [
        ("fromVault", &reference.from_vault, SecretOrigin::Vault),
        (
            "fromVariable",
            &reference.from_variable,
            SecretOrigin::Variable,
        ),
    ] {
        if let Some(text) = text {
            return rendered(variable, text, origin, &path::member(at, member), issues)
                .map(Referred::Rendered);
        }
    }
    if let Some(secret) = options.secrets.get(reference) {
        // The spec is searched for NUL as a whole; what a reference stands for is not part of it.
        if secret.expose().contains('\0') {
            issues.add(
                "nul",
                at,
                "what this reference stands for must not contain a NUL character",
            );
        }
        return Some(Referred::Resolved(secret.clone()));
    }
    if options.offline {
        return Some(Referred::Resolved(Secret::new(REDACTED)));
    }
    let (message, help) = if reference.from_env.is_some() {
        (
            "this environment variable is not set",
            "set it where `cs` runs",
        )
    } else {
        (
            "this file cannot be read",
            "make it readable where `cs` runs",
        )
    };
    issues.add_with_help("secret-missing", at, message, help);
    None
}

/// Takes `path#key` apart.
fn rendered(
    variable: &str,
    text: &str,
    origin: SecretOrigin,
    at: &str,
    issues: &mut Issues,
) -> Option<RenderedEnv> {
    let parts = text
        .rsplit_once('#')
        .filter(|(path, key)| text::one_word(path).or(text::one_line(key)).is_none());
    let Some((path, key)) = parts else {
        issues.add(
            "reference",
            at,
            "must be a path, `#` and a key, such as `/kv/data/shop#password`",
        );
        return None;
    };
    Some(RenderedEnv {
        variable: variable.to_owned(),
        origin,
        path: path.to_owned(),
        key: key.to_owned(),
    })
}

fn vault_block(vault: &VaultSecrets, issues: &mut Issues) -> DesiredVault {
    let at = "spec.secrets.vault";
    for (index, policy) in vault.policies.iter().enumerate() {
        let path = path::element(&path::member(at, "policies"), index);
        text::check(issues, "vault-policy", path, text::one_line(policy));
    }
    if let Some(role) = &vault.role {
        text::check(
            issues,
            "vault-role",
            path::member(at, "role"),
            text::one_line(role),
        );
    }
    for (index, vault_path) in vault.env.iter().enumerate() {
        let path = path::element(&path::member(at, "env"), index);
        text::check(issues, "vault-path", path, text::one_line(vault_path));
    }
    let change_mode = vault.change_mode.unwrap_or_default();
    let file = |(index, path): (usize, &String)| VaultEnvFile {
        path: path.clone(),
        destination: defaults::vault_env_destination(index),
        change_mode,
    };
    DesiredVault {
        policies: vault.policies.clone(),
        role: vault.role.clone(),
        env: vault.env.iter().enumerate().map(file).collect(),
    }
}

fn desired_link(link: &Link, at: &str, issues: &mut Issues) -> DesiredLink {
    let variable = text::rendered_variable(&link.variable);
    text::check(
        issues,
        "variable-name",
        path::member(at, "variable"),
        variable,
    );
    let service = text::one_word(&link.service);
    text::check(issues, "service-name", path::member(at, "service"), service);
    DesiredLink {
        variable: link.variable.clone(),
        service: link.service.clone(),
        value: link.value,
    }
}

fn desired_connection(connection: &Connection, at: &str, issues: &mut Issues) -> DesiredConnection {
    let member = |name| path::member(at, name);
    let variable = text::rendered_variable(&connection.variable);
    text::check(issues, "variable-name", member("variable"), variable);
    text::check(
        issues,
        "pattern",
        member("pattern"),
        text::no_control(&connection.pattern),
    );
    text::check(
        issues,
        "service-name",
        member("service"),
        text::one_word(&connection.service),
    );
    text::check(
        issues,
        "vault-path",
        member("secretPath"),
        text::one_line(&connection.secret_path),
    );
    for (index, key) in connection.keys.iter().enumerate() {
        let path = path::element(&member("keys"), index);
        text::check(issues, "secret-key", path, text::template_variable(key));
    }
    DesiredConnection {
        variable: connection.variable.clone(),
        pattern: connection.pattern.clone(),
        service: connection.service.clone(),
        secret_path: connection.secret_path.clone(),
        keys: connection.keys.clone(),
    }
}

fn desired_certificate(
    certificate: &Certificate,
    at: &str,
    issues: &mut Issues,
) -> DesiredCertificate {
    for (name, given) in [
        ("certPath", &certificate.cert_path),
        ("keyPath", &certificate.key_path),
    ] {
        let rule = text::relative_path(given).err();
        text::check(issues, "certificate-path", path::member(at, name), rule);
    }
    for (name, code, given) in [
        ("pkiPath", "vault-path", &certificate.pki_path),
        ("commonName", "common-name", &certificate.common_name),
        ("ttl", "certificate-ttl", &certificate.ttl),
    ] {
        text::check(issues, code, path::member(at, name), text::one_line(given));
    }
    DesiredCertificate {
        pki_path: certificate.pki_path.clone(),
        common_name: certificate.common_name.clone(),
        ttl: certificate.ttl.clone(),
        cert_path: certificate.cert_path.clone(),
        key_path: certificate.key_path.clone(),
    }
}
