//! Templates that `cs` wrote: files, secrets of Vault and of Nomad variables, addresses of other services.
//!
//! Their texts are taken apart at the actions. Other templates cannot be said in a workload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::text;
use crate::desired::defaults;
use crate::spec::workload::{
    ChangeMode, EnvValue, File, Link, LinkValue, Pull, SecretRef, Secrets, ServiceProvider,
    VaultSecrets, WorkloadSpec,
};

pub(super) fn read(task: &Value, spec: &mut WorkloadSpec) -> Result<(), String> {
    if task["Vault"].is_object() {
        spec.secrets = Secrets {
            vault: Some(VaultSecrets {
                role: text(&task["Vault"], "Role").map(str::to_owned),
                ..VaultSecrets::default()
            }),
        };
    }
    let templates = task["Templates"].as_array().into_iter().flatten();
    for template in templates {
        let destination = text(template, "DestPath").unwrap_or_default();
        let source = text(template, "EmbeddedTmpl").unwrap_or_default();
        one(template, destination, source, spec).ok_or_else(|| {
            format!(
                "template `{}` is none of those that can be said in a workload",
                destination.escape_debug()
            )
        })?;
    }
    Ok(())
}

fn one(template: &Value, destination: &str, source: &str, spec: &mut WorkloadSpec) -> Option<()> {
    match destination {
        "private_registry/file.env" => {
            let pull = spec.pull.get_or_insert_with(Pull::default);
            pull.vault_path = Some(quoted(source, "{{ with secret ")?.0);
        }
        "secrets/single.env" => singles(source, spec)?,
        "secrets/consul_services.env" => links(source, spec)?,
        other if template["Envvars"] == true => {
            let vault = spec.secrets.vault.as_mut()?;
            if other != defaults::vault_env_destination(vault.env.len()) {
                return None;
            }
            vault.env.push(quoted(source, "{{ with secret ")?.0);
            if template["ChangeMode"] == "restart" {
                vault.change_mode = Some(ChangeMode::Restart);
            }
        }
        other => spec
            .files
            .push(file(other.strip_prefix("local/")?, source)?),
    }
    Some(())
}

fn file(path: &str, source: &str) -> Option<File> {
    let (content, rest) = quoted(source, "{{ ")?;
    if rest != " | base64Decode }}" {
        return None;
    }
    let bytes = STANDARD.decode(&content).ok()?;
    let (content, encoded) = match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(content)),
    };
    Some(File {
        path: path.to_owned(),
        content,
        content_base64: encoded,
    })
}

/// Each secret is read by three actions of its own.
fn singles(source: &str, spec: &mut WorkloadSpec) -> Option<()> {
    let mut rest = source;
    while !rest.is_empty() {
        let is_vault = rest.starts_with("{{ with secret ");
        let opening = if is_vault {
            "{{ with secret "
        } else {
            "{{ with nomadVar "
        };
        let (path, after) = quoted(rest, opening)?;
        let (_, after) = after.split_once("{{ if eq $key ")?;
        let (key, after) = quoted(after, "")?;
        let (variable, after) = after.strip_prefix(" }}")?.split_once('=')?;
        let reference = Some([path.as_str(), "#", &key].concat());
        let reference = if is_vault {
            SecretRef {
                from_vault: reference,
                ..SecretRef::default()
            }
        } else {
            SecretRef {
                from_variable: reference,
                ..SecretRef::default()
            }
        };
        spec.env
            .insert(variable.to_owned(), EnvValue::Reference(reference));
        rest = behind_ends(after, 3)?;
    }
    Some(())
}

fn links(source: &str, spec: &mut WorkloadSpec) -> Option<()> {
    let mut rest = source;
    while !rest.is_empty() {
        let is_nomad = rest.starts_with("{{ with nomadService ");
        let opening = if is_nomad {
            "{{ with nomadService "
        } else {
            "{{ with service "
        };
        if is_nomad {
            spec.service.provider = Some(ServiceProvider::Nomad);
        }
        let (service, after) = quoted(rest, opening)?;
        let after = after.strip_prefix(" }}{{ with index . 0 }}")?;
        let (variable, after) = after.split_once('=')?;
        let value = if after.starts_with("{{ .Address ") {
            LinkValue::Host
        } else if after.starts_with("{{ .Port ") {
            LinkValue::Port
        } else {
            LinkValue::Address
        };
        spec.links.push(Link {
            variable: variable.to_owned(),
            service,
            value,
        });
        rest = behind_ends(after, 2)?;
    }
    Some(())
}

/// What follows so many `{{ end }}`.
fn behind_ends(text: &str, times: usize) -> Option<&str> {
    (0..times).try_fold(text, |text, _| Some(text.split_once("{{ end }}")?.1))
}

/// The text constant behind an opening, and what follows it. Our constants are JSON, too.
fn quoted<'a>(text: &'a str, opening: &str) -> Option<(String, &'a str)> {
    let rest = text.strip_prefix(opening)?;
    let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let constant = stream.next()?.ok()?;
    let end = stream.byte_offset();
    Some((constant, &rest[end..]))
}
