//! `deploy` → a workload of the built-in pack, a pack of somebody else, or nothing. Source: contract 6.1, 7.1.

use super::app::{Draft, unused};
use super::body;
use super::evaluate::{Scope, evaluate};
use super::pack::{self, Variables};
use super::plugin::{Plugin, members};
use super::text::{At, Findings};
use super::value::{Kind, Member, Value};
use super::{Deploy, Input, Pack};
use crate::compile::hcl::text as quoted;
use crate::dispatch::run::secret_name;
use crate::secret::Secret;
use crate::spec::Span;
use crate::spec::Workload;
use crate::spec::workload::{
    ApiVersion, Check, CheckType, Cluster, Metadata, Port, PortProtocol, WorkloadKind, WorkloadSpec,
};

/// The pack that needs no program, by its names.
const BUILT_IN: [&str; 2] = ["cloudstation", "cloud_service"];

/// Longest wait of a check, and time between two. Source: contract 5.7.
const PERIOD: Span = Span::seconds(30);

pub(super) struct Deployed {
    pub(super) workload: Workload,
    pub(super) deploy: Deploy,
}

/// Reads the block; `None` once what is wrong has been told.
pub(super) fn read(
    plugin: &Plugin,
    draft: &mut Draft,
    input: &Input<'_>,
    findings: &mut Findings,
) -> Option<Deployed> {
    if plugin.name == "noop" {
        plugin.text("message", findings);
        return Some(Deployed {
            workload: bare(&draft.name),
            deploy: Deploy::Nothing,
        });
    }
    let name = plugin
        .text("deployment_name", findings)
        .unwrap_or_else(|| draft.name.clone());
    let cluster = cluster(plugin, draft, findings);
    let pack = plugin
        .text("pack", findings)
        .or_else(|| plugin.text("embedded_pack", findings));
    let embedded = plugin.flag("use_embedded", findings);
    if plugin.given("registry").is_some() {
        unused(plugin.place("registry"), &plugin.path, "registry", findings);
    }
    let is_built_in = pack.as_deref().is_none_or(|pack| BUILT_IN.contains(&pack));
    if embedded == Some(true) && !is_built_in {
        let message = "`use_embedded` goes with the pack `cloudstation` only";
        let help =
            "remove it, and say where the pack comes from: `registry_name` and `registry_source`";
        findings.error(
            plugin.place("use_embedded"),
            "pack",
            &plugin.path,
            message,
            Some(help.to_owned()),
        );
        return None;
    }
    let files = files(plugin, input, findings)?;
    let deployed = if is_built_in {
        built_in(plugin, &files, &name, draft, input, findings)?
    } else {
        let pack = pack.unwrap_or_default();
        Deployed {
            workload: bare(&name),
            deploy: Deploy::Pack(Box::new(external(
                plugin, pack, &name, files, draft, input, findings,
            )?)),
        }
    };
    let mut workload = deployed.workload;
    workload.spec.cluster = cluster;
    Some(Deployed {
        workload,
        ..deployed
    })
}

/// A workload of which only the image matters.
fn bare(name: &str) -> Workload {
    Workload {
        api_version: ApiVersion::V1,
        kind: WorkloadKind::Workload,
        metadata: Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        },
        spec: WorkloadSpec::default(),
    }
}

fn cluster(plugin: &Plugin, draft: &mut Draft, findings: &mut Findings) -> Option<Cluster> {
    let address = plugin.text("nomad_addr", findings);
    let token = plugin.secret("nomad_token", findings);
    if address.is_none() && token.is_none() {
        return None;
    }
    draft
        .places
        .insert("spec.cluster".to_owned(), plugin.place("nomad_addr"));
    Some(Cluster {
        address,
        token: token.map(|token| draft.keep(secret_name::NOMAD_TOKEN, token)),
    })
}

/// The texts of `variable_files`, as they are named.
fn files(
    plugin: &Plugin,
    input: &Input<'_>,
    findings: &mut Findings,
) -> Option<Vec<(String, String)>> {
    let mut files = Vec::new();
    let mut is_whole = true;
    for (name, at) in plugin.texts("variable_files", findings) {
        match (input.read)(&name) {
            Ok(text) => files.push((name, text)),
            Err(why) => {
                let message = format!("the variable file cannot be read: {why}");
                findings.error(at, "variable-file", &plugin.path, message, None);
                is_whole = false;
            }
        }
    }
    is_whole.then_some(files)
}

/// Values of a variable file: written out, without variables and functions, and never expanded.
pub(super) fn values(
    name: &str,
    text: &str,
    input: &Input<'_>,
    findings: &mut Findings,
) -> Option<Variables> {
    let file = findings.text(name, text);
    let body = body::parse(text, file, findings)?;
    let scope = Scope {
        environment: input.environment,
        variables: None,
        expands: false,
        file,
        path: "variables",
    };
    let mut values = Variables::new();
    let mut is_whole = true;
    for structure in body.iter() {
        use hcl::edit::Span as _;
        let Some(attribute) = structure.as_attribute() else {
            let at = At::new(file, structure.span());
            let message = "a variable file has attributes only: `NAME = VALUE`";
            findings.error(at, "unknown-field", "variables", message, None);
            is_whole = false;
            continue;
        };
        let key = attribute.key.as_str().to_owned();
        let at = At::new(file, attribute.key.span());
        let Some(value) = evaluate(&attribute.value, scope, findings) else {
            is_whole = false;
            continue;
        };
        if values.contains_key(&key) {
            let message = format!("`{key}` is there a second time");
            findings.error(at, "duplicate-field", "variables", message, None);
        }
        values.insert(key.clone(), Member { key, at, value });
    }
    is_whole.then_some(values)
}

fn built_in(
    plugin: &Plugin,
    files: &[(String, String)],
    name: &str,
    draft: &mut Draft,
    input: &Input<'_>,
    findings: &mut Findings,
) -> Option<Deployed> {
    let mut variables = Variables::new();
    for (name, text) in files {
        variables.extend(values(name, text, input, findings)?);
    }
    if let Some(given) = plugin.given("variables") {
        for member in members(&given.value, &plugin.path, findings) {
            variables.insert(member.key.clone(), member.clone());
        }
    }
    let job = match variables.get("job_name") {
        Some(member) => {
            draft.places.insert("metadata.name".to_owned(), member.at);
            member.value.text().filter(|text| !text.is_empty())
        }
        None => None,
    };
    if job.is_none() && plugin.given("deployment_name").is_some() {
        let at = plugin.place("deployment_name");
        draft.places.insert("metadata.name".to_owned(), at);
    }
    let job = job.unwrap_or_else(|| name.to_owned());
    let at = plugin.place("variables");
    let made = pack::workload(&variables, &job, at, input.options, findings)?;
    draft.places.insert("spec".to_owned(), plugin.at);
    draft.places.extend(made.places);
    let image = variables.get("image").and_then(|image| image.value.text());
    Some(Deployed {
        workload: made.workload,
        deploy: Deploy::Job {
            image: image.filter(|image| !image.is_empty()),
            is_platform: made.is_platform,
        },
    })
}

/// A pack that the program `nomad-pack` renders.
fn external(
    plugin: &Plugin,
    pack: String,
    name: &str,
    files: Vec<(String, String)>,
    draft: &mut Draft,
    input: &Input<'_>,
    findings: &mut Findings,
) -> Option<Pack> {
    draft.places.insert("spec".to_owned(), plugin.at);
    let source = plugin.secret("registry_source", findings);
    let registry = plugin.text("registry_name", findings);
    if source.is_some() && registry.is_none() {
        let message = "`registry_source` needs a name: `registry_name`";
        findings.error(
            plugin.place("registry_source"),
            "pack",
            &plugin.path,
            message,
            None,
        );
        return None;
    }
    for (setting, value) in [("pack", Some(&pack)), ("registry_name", registry.as_ref())] {
        if value.is_some_and(|value| value.starts_with('-')) {
            let message = format!("`{setting}` must not begin with a dash");
            findings.error(plugin.place(setting), "pack", &plugin.path, message, None);
            return None;
        }
    }
    let variables = match plugin.given("variables") {
        None => None,
        Some(given) => Some(written(
            members(&given.value, &plugin.path, findings),
            plugin,
            findings,
        )?),
    };
    Some(Pack {
        pack,
        deployment_name: name.to_owned(),
        registry_name: registry,
        registry_source: source,
        registry_ref: plugin.text("registry_ref", findings),
        registry_target: plugin.text("registry_target", findings),
        registry_token: token(plugin, input, findings),
        parser_v1: plugin.flag("parser_v1", findings).unwrap_or(false),
        variables,
        variable_files: files
            .into_iter()
            .map(|(name, text)| (name, Secret::new(text)))
            .collect(),
    })
}

/// `registry_token`: a text `var.NAME` is the environment variable of that name. Source: contract 7.1.
fn token(plugin: &Plugin, input: &Input<'_>, findings: &mut Findings) -> Option<Secret> {
    let token = plugin.secret("registry_token", findings)?;
    match token.expose().strip_prefix("var.") {
        Some(name) if !name.is_empty() => (input.environment)(name).map(Secret::new),
        _ => Some(token),
    }
}

/// Variables of a pack as the text of a variable file. May hold secrets.
fn written(members: &[Member], plugin: &Plugin, findings: &mut Findings) -> Option<Secret> {
    let mut body = hcl::Body::builder();
    for member in members {
        let Ok(key) = hcl::Identifier::new(member.key.as_str()) else {
            let message = "the name of a pack's variable has letters, digits, `_` and `-`";
            findings.error(member.at, "pack", &plugin.path, message, None);
            return None;
        };
        body = body.add_attribute(hcl::Attribute::new(key, expression(&member.value)));
    }
    let text = hcl::format::to_string(&body.build()).expect("writing to memory cannot fail");
    Some(Secret::new(text))
}

/// A value as HCL that evaluates to it.
fn expression(value: &Value) -> hcl::Expression {
    match &value.kind {
        Kind::Null => hcl::Expression::Null,
        Kind::Bool(flag) => hcl::Expression::Bool(*flag),
        Kind::Number(number) => number
            .as_i64()
            .map(hcl::Number::from)
            .or_else(|| hcl::Number::from_f64(number.as_f64()?))
            .map_or(hcl::Expression::Null, hcl::Expression::Number),
        Kind::Text(text) => quoted(text),
        Kind::List(items) => hcl::Expression::Array(items.iter().map(expression).collect()),
        Kind::Map(members) => hcl::Expression::Object(
            members
                .iter()
                .map(|member| {
                    let key = hcl::expr::ObjectKey::Expression(quoted(&member.key));
                    (key, expression(&member.value))
                })
                .collect(),
        ),
    }
}

/// The port that the app listens at, where the pack's `network` names none.
pub(super) fn port(workload: &mut Workload, port: Option<u16>) {
    let spec = &mut workload.spec;
    let Some(port) = port.filter(|_| spec.ports.is_empty()) else {
        return;
    };
    spec.detect_ports = false;
    spec.ports = vec![Port {
        port,
        protocol: Some(PortProtocol::Http),
        check: Some(Check {
            check_type: Some(CheckType::Tcp),
            interval: Some(PERIOD),
            timeout: Some(PERIOD),
            ..Check::default()
        }),
        ..Port::default()
    }];
}
