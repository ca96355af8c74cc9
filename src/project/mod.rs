//! `cloudstation.hcl`: a project of apps, each built, pushed and deployed. Source: contract 7.
//!
//! [`read`](fn@read) turns the text into [`App`]s: a [`Workload`] each, in a [`Document`] that knows where every part of it
//! stands in the file, so that what validation finds is told there. From then on an app goes the way of every workload.
//! [`write`] goes back: params → the project file and its variables. Pure: whoever calls brings the texts, the values of
//! variables and the environment.
//!
//! `text` places and findings · `body` what a block has · `evaluate`, `value`, `expand`, `variables` expressions ·
//! `plugin` which plugin with which settings · `app`, `image`, `deploy` the parts of an app · `pack` variables of the
//! built-in pack.

mod app;
mod body;
mod deploy;
mod evaluate;
mod expand;
mod image;
mod pack;
mod plugin;
mod text;
mod value;
mod variables;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use hcl::edit::Span as _;
use hcl::edit::structure::{Block, Body};

use crate::dispatch::ConvertOptions;
use crate::secret::Secret;
use crate::spec::parse::File;
use crate::spec::workload::{EnvValue, SecretRef};
use crate::spec::{Diagnostic, Document, Resource, Workload};
use app::{Read, is_name};
use body::Fields;
use evaluate::{Scope, evaluate};
use text::{At, Findings, shown};
use variables::{Given, Variables};

/// What the file is called.
pub const FILE: &str = "cloudstation.hcl";

/// Attributes at the top of the file.
const ATTRIBUTES: [&str; 1] = ["project"];

/// Blocks at the top of the file.
const BLOCKS: [&str; 3] = ["app", "runner", "variable"];

/// A project file and what belongs to it.
pub struct Input<'a> {
    /// The file, as it is shown.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Values of variables by flag, the last one of a name wins.
    pub flags: &'a [(String, Secret)],
    /// Files with values of variables, as they are shown, with their texts; the later ones win.
    pub variable_files: &'a [(String, String)],
    /// Answers a variable of the environment that is set and not empty.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file that a `deploy` block names, relative to the folder of the project file.
    pub read: &'a dyn Fn(&str) -> Result<String, String>,
    /// What the environment says where the project is silent.
    pub options: &'a ConvertOptions,
}

/// A project.
#[derive(Debug)]
pub struct Project {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Its apps, in the order of the file; at least one.
    pub apps: Vec<App>,
    /// What has no effect, or somebody should look at.
    pub warnings: Vec<Diagnostic>,
    /// Everything in it that must not be shown.
    pub secrets: Vec<Secret>,
}

/// An app of a project.
pub struct App {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// What is built, and what runs. Of an app whose job another pack describes, only name, source and build count.
    pub document: Document,
    /// What deploying it means.
    pub deploy: Deploy,
    /// Values of the references to credentials in the document, by
    /// [`secret_name`](crate::dispatch::run::secret_name).
    pub secrets: BTreeMap<&'static str, Secret>,
    /// Values of the references in the job's environment, by name.
    pub environment: BTreeMap<String, Secret>,
}

impl fmt::Debug for App {
    /// Without the document, whose text may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name)
            .field("deploy", &self.deploy)
            .finish_non_exhaustive()
    }
}

impl App {
    /// The workload of the document.
    ///
    /// # Panics
    /// Never: the document is made of one.
    #[must_use]
    pub fn workload(&self) -> &Workload {
        self.document
            .workload()
            .expect("an app's document is a workload")
    }
}

/// What deploying an app means.
#[derive(Debug, Clone, PartialEq)]
pub enum Deploy {
    /// Its workload is registered.
    Job {
        /// The image that the pack's variables name.
        image: Option<String>,
        /// The variables carry the platform's ids: its node pool, Vault and labels are meant.
        is_platform: bool,
    },
    /// The program `nomad-pack` renders the job.
    Pack(Box<Pack>),
    /// Nothing: `noop`.
    Nothing,
}

/// A pack of somebody else.
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    /// Name of the pack in its registry, or a path.
    pub pack: String,
    /// Name of the deployment, for the pack's templates.
    pub deployment_name: String,
    /// Name of the registry, in the program's cache or for `registry_source`.
    pub registry_name: Option<String>,
    /// Address of the registry's repository. May carry credentials.
    pub registry_source: Option<Secret>,
    /// Branch, tag or commit of the registry.
    pub registry_ref: Option<String>,
    /// The only pack that is taken from the registry.
    pub registry_target: Option<String>,
    /// Token for a private registry.
    pub registry_token: Option<Secret>,
    /// Read the pack's templates as nomad-pack before 0.2 did.
    pub parser_v1: bool,
    /// Variables, as the text of a variable file.
    pub variables: Option<Secret>,
    /// Variable files, with their texts.
    pub variable_files: Vec<(String, Secret)>,
}

/// Reads a project.
///
/// # Errors
/// Everything that is wrong with it, warnings too, in the order of the file.
pub fn read(input: &Input<'_>) -> Result<Project, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let file = findings.text(input.name, input.text);
    let Some(body) = body::parse(input.text, file, &mut findings) else {
        return Err(findings.into_list());
    };
    let fields = Fields::read(&body, file, "", &ATTRIBUTES, &BLOCKS, &mut findings);
    let given = given(input, &mut findings);
    let variables = variables::read(
        &fields.blocks("variable"),
        file,
        &given,
        input.environment,
        &mut findings,
    );
    let scope = Scope {
        environment: input.environment,
        variables: Some(&variables),
        expands: false,
        file,
        path: "",
    };
    let name = project_name(&fields, scope, &mut findings);
    runner(&fields, scope, &mut findings);
    let read = apps(&fields.blocks("app"), &body, scope, input, &mut findings);
    if findings.has_errors() {
        return Err(findings.into_list());
    }
    let mut read = read;
    refer(&mut read);
    let secrets = secrets(&read, &variables);
    let files = findings.files();
    let apps = read
        .into_iter()
        .map(|read| finished(read, &files, &findings))
        .collect();
    Ok(Project {
        name,
        apps,
        warnings: findings.into_list(),
        secrets,
    })
}

/// Values of variables from flags and files.
fn given(input: &Input<'_>, findings: &mut Findings) -> Given {
    let mut given = Given {
        flags: input.flags.iter().cloned().collect(),
        ..Given::default()
    };
    for (name, text) in input.variable_files {
        if let Some(values) = deploy::values(name, text, input, findings) {
            given.files.extend(
                values
                    .into_iter()
                    .map(|(name, member)| (name, member.value)),
            );
        }
    }
    given
}

fn project_name(fields: &Fields<'_>, scope: Scope<'_>, findings: &mut Findings) -> String {
    let Some(expression) = fields.attribute("project") else {
        let at = At {
            file: scope.file,
            offset: 0,
        };
        let help = "begin the file with `project = \"NAME\"`";
        findings.error(
            at,
            "project-name",
            "project",
            "project name is required",
            Some(help.to_owned()),
        );
        return String::new();
    };
    let scope = Scope {
        path: "project",
        ..scope
    };
    let Some(value) = evaluate(expression, scope, findings) else {
        return String::new();
    };
    let at = value.at;
    let name = plugin::text_of(&value, "project", findings).unwrap_or_default();
    if value.text().is_some_and(|text| text.is_empty()) {
        findings.error(
            at,
            "project-name",
            "project",
            "project name is required",
            None,
        );
    } else if !is_name(&name) {
        let message =
            "project name must contain only alphanumeric characters, hyphens, and underscores";
        findings.error(at, "project-name", "project", message, None);
    }
    name
}

/// `runner`: read, and nothing acts on it. What somebody may rely on is said.
fn runner(fields: &Fields<'_>, scope: Scope<'_>, findings: &mut Findings) {
    let path = "runner";
    let Some(block) = fields.block("runner", scope.file, path, findings) else {
        return;
    };
    let known = ["enabled", "env", "profile"];
    let fields = Fields::read(
        &block.body,
        scope.file,
        path,
        &known,
        &["data_source"],
        findings,
    );
    for name in ["env", "profile"] {
        if let Some(at) = fields.at(name) {
            app::unused(at, path, name, findings);
        }
    }
    for source in fields.blocks("data_source") {
        let at = At::new(scope.file, source.ident.span());
        let help = "what is built is the folder of this file; `cs up` in a clone builds that clone";
        findings.warn(
            at,
            "not-used",
            path,
            "`data_source` is read and not used",
            Some(help.to_owned()),
        );
    }
}

fn apps(
    blocks: &[&Block],
    body: &Body,
    scope: Scope<'_>,
    input: &Input<'_>,
    findings: &mut Findings,
) -> Vec<Read> {
    if blocks.is_empty() {
        let end = body.span().map_or(0, |span| span.start);
        let at = At {
            file: scope.file,
            offset: end,
        };
        let help = "write `app \"NAME\" { build { … } deploy { … } }`";
        findings.error(
            at,
            "no-app",
            "app",
            "at least one app must be defined",
            Some(help.to_owned()),
        );
    }
    let mut names = BTreeSet::new();
    let mut read = Vec::new();
    for block in blocks {
        if let Some((name, at)) = body::label(block, scope.file)
            && !names.insert(name.clone())
        {
            let message = format!("duplicate app name `{}`", shown(&name));
            findings.error(at, "duplicate-app", "app", message, None);
        }
        read.extend(app::read(block, scope, input, findings));
    }
    read
}

/// Everything that must not be shown.
fn secrets(read: &[Read], variables: &Variables) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = variables.secrets().collect();
    for app in read {
        secrets.extend(app.draft.secrets.values().cloned());
        secrets.extend(app.draft.environment.values().map(|it| it.value.clone()));
        if let Deploy::Pack(pack) = &app.deploy {
            secrets.extend(pack.registry_token.clone());
        }
    }
    secrets
}

/// Puts the references into the jobs' environments, with names of their own where two mean different values by one name.
fn refer(read: &mut [Read]) {
    let mut taken: BTreeMap<String, Secret> = BTreeMap::new();
    for app in read {
        let prefix: String = app
            .draft
            .name
            .chars()
            .map(|c| {
                if c == '-' {
                    '_'
                } else {
                    c.to_ascii_uppercase()
                }
            })
            .collect();
        for (variable, reference) in &mut app.draft.environment {
            let is_another = |other: &Secret| *other != reference.value;
            while taken.get(&reference.name).is_some_and(is_another) {
                reference.name = format!("{prefix}_{}", reference.name);
            }
            taken.insert(reference.name.clone(), reference.value.clone());
            let value = EnvValue::Reference(SecretRef::env(&reference.name));
            app.workload.spec.env.insert(variable.clone(), value);
        }
    }
}

fn finished(read: Read, files: &Arc<[Arc<File>]>, findings: &Findings) -> App {
    let Read {
        workload,
        deploy,
        draft,
    } = read;
    let places = draft.places.iter().map(|(path, at)| {
        let (line, column) = findings.place(*at);
        (path.clone(), (at.file, line, column))
    });
    App {
        document: Document::of_places(
            Resource::Workload(Box::new(workload)),
            Arc::clone(files),
            places,
        ),
        name: draft.name,
        deploy,
        secrets: draft.secrets,
        environment: draft
            .environment
            .into_values()
            .map(|reference| (reference.name, reference.value))
            .collect(),
    }
}
