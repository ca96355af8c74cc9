//! An `app` block → what is built, where it is pushed, what is deployed. Source: contract 7.1.

use std::collections::BTreeMap;

use hcl::edit::Span as _;
use hcl::edit::structure::Block;

use super::body::{Fields, label};
use super::deploy;
use super::evaluate::{Scope, evaluate};
use super::image;
use super::plugin::{self, Plugin, Section, members, secret_of, text_of};
use super::text::{At, Findings, shown};
use super::value::{Member, Origin};
use super::{Deploy, Input};
use crate::secret::Secret;
use crate::spec::Workload;
use crate::spec::workload::{EnvValue, SecretRef};

/// Attributes of an `app` block.
const ATTRIBUTES: [&str; 2] = ["labels", "path"];

/// Blocks of an `app` block.
const BLOCKS: [&str; 6] = ["build", "config", "deploy", "registry", "release", "url"];

/// What the parts of an app share while they are read.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) path: String,
    /// Where the paths of the workload stand.
    pub(super) places: BTreeMap<String, At>,
    /// Values of references to credentials.
    pub(super) secrets: BTreeMap<&'static str, Secret>,
    /// What the job's environment refers to, by its own names.
    pub(super) environment: BTreeMap<String, Reference>,
}

/// A value that stays out of the spec.
pub(super) struct Reference {
    /// What it is called where it is kept.
    pub(super) name: String,
    pub(super) value: Secret,
}

impl Draft {
    /// Keeps a credential under `name` and returns the reference to it.
    pub(super) fn keep(&mut self, name: &'static str, value: Secret) -> SecretRef {
        self.secrets.insert(name, value);
        SecretRef::env(name)
    }
}

/// Name rule of projects and apps.
pub(super) fn is_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Reads an app; `None` once what is wrong with it has been told.
pub(super) fn read(
    block: &Block,
    scope: Scope<'_>,
    input: &Input<'_>,
    findings: &mut Findings,
) -> Option<Read> {
    let file = scope.file;
    let block_at = At::new(file, block.ident.span());
    let Some((name, at)) = label(block, file) else {
        let help = "write `app \"NAME\" { … }`";
        findings.error(
            block_at,
            "app-name",
            "app",
            "app name is required",
            Some(help.to_owned()),
        );
        return None;
    };
    if !is_name(&name) {
        let message =
            "app name must contain only alphanumeric characters, hyphens, and underscores";
        findings.error(at, "app-name", "app", message, None);
    }
    let path = format!("app.{}", shown(&name));
    let scope = Scope {
        path: &path,
        ..scope
    };
    let fields = Fields::read(&block.body, file, &path, &ATTRIBUTES, &BLOCKS, findings);
    let mut draft = Draft {
        name,
        at,
        path: path.clone(),
        places: BTreeMap::from([(String::new(), at), ("metadata.name".to_owned(), at)]),
        secrets: BTreeMap::new(),
        environment: BTreeMap::new(),
    };
    let folder = folder(&fields, scope, &mut draft, findings);
    let labels = labels(&fields, scope, &mut draft, findings);
    let plugins = Plugins::read(&fields, block_at, scope, findings);
    let environment = config(&fields, scope, &mut draft, findings);
    url(&fields, scope, findings);
    let image = plugins.build.as_ref().map(|build| {
        let registry = plugins.registry.as_ref();
        image::read(build, registry, folder, &mut draft, findings)
    });
    let deployed = plugins
        .deploy
        .as_ref()
        .and_then(|plugin| deploy::read(plugin, &mut draft, input, findings));
    let (image, deployed) = (image??, deployed?);
    let (env, internal_port) = environment;
    let mut workload = deployed.workload;
    workload.metadata.labels = labels;
    workload.spec.env = env;
    deploy::port(&mut workload, internal_port);
    image.put(&mut workload);
    let read = Read {
        workload,
        deploy: deployed.deploy,
        draft,
    };
    read.with_image(findings)
}

/// An app that was read.
pub(super) struct Read {
    pub(super) workload: Workload,
    pub(super) deploy: Deploy,
    pub(super) draft: Draft,
}

impl Read {
    /// Names the image of an app that builds nothing: that of the pack, else that of the builder.
    fn with_image(mut self, findings: &mut Findings) -> Option<Self> {
        let source = &mut self.workload.spec.source;
        let Some(image) = &mut source.image else {
            return Some(self);
        };
        if let Deploy::Job {
            image: Some(named), ..
        } = &self.deploy
        {
            image.clone_from(named);
        }
        let is_needed = matches!(self.deploy, Deploy::Job { .. });
        if image.is_empty() && is_needed {
            let message =
                "builder `noop` builds nothing, and no image is named that the job could run";
            let help = "set `name` of the build or the variable `image` of the pack, or choose another builder";
            let at = self.draft.places.get("spec.source.image").copied();
            findings.error(
                at.unwrap_or(self.draft.at),
                "no-image",
                &self.draft.path,
                message,
                Some(help.to_owned()),
            );
            return None;
        }
        Some(self)
    }
}

/// The four plugin blocks.
struct Plugins {
    build: Option<Plugin>,
    registry: Option<Plugin>,
    deploy: Option<Plugin>,
}

impl Plugins {
    fn read(fields: &Fields<'_>, block_at: At, scope: Scope<'_>, findings: &mut Findings) -> Self {
        let scope = Scope {
            expands: true,
            ..scope
        };
        let file = scope.file;
        let mut block = |name: &str| fields.block(name, file, scope.path, findings);
        let (build, registry) = (block("build"), block("registry"));
        let (deploy, release) = (block("deploy"), block("release"));
        for (found, message, code) in [
            (build, "build configuration is required", "no-build"),
            (deploy, "deploy configuration is required", "no-deploy"),
        ] {
            if found.is_none() {
                findings.error(block_at, code, scope.path, message, None);
            }
        }
        // Waypoint wrote the registry inside of the build.
        let inner = build.and_then(|block| {
            let mut blocks = block.body.blocks();
            blocks.find(|block| block.ident.as_str() == "registry")
        });
        if let (Some(_), Some(second)) = (registry, inner) {
            let at = At::new(file, second.ident.span());
            let message = "a second `registry` block";
            findings.error(at, "duplicate-field", scope.path, message, None);
        }
        let mut read = |section, block: Option<&Block>, blocks: &[&'static str]| {
            plugin::read(section, block?, blocks, scope, findings)
        };
        let plugins = Self {
            build: read(Section::Build, build, &["registry"]),
            registry: read(Section::Registry, registry.or(inner), &[]),
            deploy: read(Section::Deploy, deploy, &[]),
        };
        // Nothing is released by `cs`: a healthy rollout is.
        read(Section::Release, release, &[]);
        plugins
    }
}

/// `path`: where the app's sources are, relative to the project file.
fn folder(
    fields: &Fields<'_>,
    scope: Scope<'_>,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Option<String> {
    let expression = fields.attribute("path")?;
    draft
        .places
        .insert("spec.source.path".to_owned(), fields.at("path")?);
    let value = evaluate(expression, scope, findings)?;
    text_of(&value, scope.path, findings).filter(|path| !path.is_empty())
}

fn labels(
    fields: &Fields<'_>,
    scope: Scope<'_>,
    draft: &mut Draft,
    findings: &mut Findings,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let Some(value) = fields
        .attribute("labels")
        .and_then(|labels| evaluate(labels, scope, findings))
    else {
        return labels;
    };
    draft.places.insert("metadata.labels".to_owned(), value.at);
    for member in members(&value, scope.path, findings) {
        if let Some(text) = text_of(&member.value, scope.path, findings) {
            labels.insert(member.key.clone(), text);
        }
    }
    labels
}

/// What `config` says: the job's environment, and the port that it listens at.
type Config = (BTreeMap<String, EnvValue>, Option<u16>);

fn config(
    fields: &Fields<'_>,
    scope: Scope<'_>,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Config {
    let mut config = Config::default();
    let Some(block) = fields.block("config", scope.file, scope.path, findings) else {
        return config;
    };
    let path = format!("{}.config", scope.path);
    let scope = Scope {
        path: &path,
        expands: true,
        ..scope
    };
    // Any other attribute was taken as well, and meant nothing.
    let names: Vec<&str> = block
        .body
        .attributes()
        .map(|attribute| attribute.key.as_str())
        .collect();
    for attribute in block.body.attributes() {
        let at = At::new(scope.file, attribute.key.span());
        let name = attribute.key.as_str();
        if names.iter().filter(|other| **other == name).count() > 1 {
            let message = format!("`{}` is there more than once", shown(name));
            findings.error(at, "duplicate-field", &path, message, None);
            continue;
        }
        let value = evaluate(&attribute.value, scope, findings);
        let Some(value) = value.filter(|value| !value.is_null()) else {
            continue;
        };
        match name {
            "env" => {
                for member in members(&value, &path, findings) {
                    variable(member, &path, &mut config.0, draft, findings);
                }
            }
            "internal_port" => {
                let number = value.text().and_then(|text| text.trim().parse().ok());
                config.1 = number.filter(|port| *port > 0);
                draft.places.insert("spec.ports[0]".to_owned(), at);
                if config.1.is_none() {
                    let message = "`internal_port` is a port, 1 to 65535";
                    findings.error(value.at, "wrong-type", &path, message, None);
                }
            }
            other => unused(at, &path, other, findings),
        }
    }
    if let Some(block) = block.body.blocks().next() {
        let at = At::new(scope.file, block.ident.span());
        let message = "`config` has attributes only";
        findings.error(at, "unknown-field", &path, message, None);
    }
    config
}

/// A variable of the job's environment. A value that is sensitive, or that comes out of the environment, stays out of the
/// spec: it is referred to, by the name that it has there, else by its own.
fn variable(
    member: &Member,
    path: &str,
    env: &mut BTreeMap<String, EnvValue>,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let name = &member.key;
    draft
        .places
        .insert(crate::spec::path::member("spec.env", name), member.at);
    if member.value.is_null() {
        return;
    }
    if !member.value.is_secret && member.value.of_environment.is_none() {
        if let Some(text) = text_of(&member.value, path, findings) {
            env.insert(name.clone(), EnvValue::Text(text));
        }
        return;
    }
    let Some(secret) = secret_of(&member.value, path, findings) else {
        env.insert(name.clone(), EnvValue::Text(String::new()));
        return;
    };
    draft.environment.insert(
        name.clone(),
        Reference {
            name: match &member.value.of_environment {
                Some(Origin::Variable(variable)) => variable.clone(),
                Some(Origin::Mixed) | None => name.clone(),
            },
            value: secret,
        },
    );
}

/// `url` was never used by the replaced program; nor is it here, which is said.
fn url(fields: &Fields<'_>, scope: Scope<'_>, findings: &mut Findings) {
    let Some(block) = fields.block("url", scope.file, scope.path, findings) else {
        return;
    };
    let path = format!("{}.url", scope.path);
    let known = ["auto_hostname", "path", "port"];
    Fields::read(&block.body, scope.file, &path, &known, &[], findings);
    let at = At::new(scope.file, block.ident.span());
    let help = "a public port is one of the variable `network` of the pack, with `public = true` and `domain`";
    findings.warn(
        at,
        "not-used",
        &path,
        "`url` is read and not used",
        Some(help.to_owned()),
    );
}

/// Says that something is read and not used.
pub(super) fn unused(at: At, path: &str, name: &str, findings: &mut Findings) {
    let message = format!("`{}` is read and not used", shown(name));
    findings.warn(at, "not-used", path, message, None);
}
