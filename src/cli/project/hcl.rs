//! From a project file to its apps.

use std::path::Path;

use super::VariableArgs;
use super::load::{App, Loaded, MOST_BYTES};
use crate::cli::{Context, exit, input};
use crate::config::Environment;
use crate::desired::validate::{Options, validate};
use crate::dispatch::ConvertOptions;
use crate::project::{self, Deploy, Input, Project};
use crate::secret::Secret;
use crate::spec::{Diagnostic, Severity};

/// Reads a project file.
///
/// # Errors
/// What is wrong has been printed; the exit code.
pub(in crate::cli) fn of_hcl(
    context: &Context,
    file: &Path,
    variables: &VariableArgs,
) -> Result<Loaded, u8> {
    let project = read_project(context, file, variables)?;
    project.warnings.iter().for_each(exit::finding);
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")));
    let folder = folder.map_err(|error| exit::usage(error, ""))?;
    let mut references = context.environment.clone();
    let mut findings = Vec::new();
    for app in &project.apps {
        references = references.with(&app.environment);
        findings.extend(check(app, &references));
    }
    if !findings.is_empty() {
        findings.iter().for_each(exit::finding);
        return Err(3);
    }
    let apps = project.apps.into_iter().map(|app| App {
        name: app.name,
        document: app.document,
        deploy: app.deploy,
        folder: folder.clone(),
        secrets: app.secrets,
    });
    Ok(Loaded {
        name: Some(project.name),
        apps: apps.collect(),
        environment: context.environment.clone(),
        references,
        secrets: project.secrets,
    })
}

fn read_project(context: &Context, file: &Path, variables: &VariableArgs) -> Result<Project, u8> {
    let text = text_of(file)?;
    let flags = flags(&variables.var)?;
    let mut variable_files = Vec::new();
    for path in &variables.var_file {
        variable_files.push((path.display().to_string(), text_of(path)?));
    }
    let environment = &context.environment;
    let options = ConvertOptions {
        backend_url: None,
        access_token: None,
        ..input::convert_options(environment).map_err(|bad| exit::usage(bad, ""))?
    };
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let read = |name: &str| {
        use std::io::Read as _;
        let path = folder.join(name);
        let file = std::fs::File::open(&path).map_err(|error| error.to_string())?;
        let mut text = String::new();
        file.take(MOST_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        Ok(text)
    };
    let input = Input {
        name: &file.display().to_string(),
        text: &text,
        flags: &flags,
        variable_files: &variable_files,
        environment: &|name| environment.get(name),
        read: &read,
        options: &options,
    };
    project::read(&input).map_err(|findings| {
        findings.iter().for_each(exit::finding);
        let is_unreadable = findings
            .iter()
            .any(|finding| matches!(finding.code, "hcl-syntax" | "too-large"));
        if is_unreadable { 2 } else { 3 }
    })
}

/// Reads a text, bounded.
fn text_of(path: &Path) -> Result<String, u8> {
    let bytes = input::read(path).map_err(|error| exit::usage(error, ""))?;
    String::from_utf8(bytes).map_err(|_| {
        exit::usage(
            format!(
                "{} is no text: it has bytes that are no UTF-8",
                path.display()
            ),
            "",
        )
    })
}

/// `NAME=VALUE`.
fn flags(given: &[String]) -> Result<Vec<(String, Secret)>, u8> {
    let mut flags = Vec::new();
    for flag in given {
        match flag.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                flags.push((name.trim().to_owned(), Secret::new(value)));
            }
            _ => {
                return Err(exit::usage(
                    "--var is given as NAME=VALUE",
                    "e.g. --var tag=1.4.2",
                ));
            }
        }
    }
    Ok(flags)
}

/// What validation says about an app's job, told where it stands in the project file.
fn check(app: &project::App, environment: &Environment) -> Vec<Diagnostic> {
    if !matches!(app.deploy, Deploy::Job { .. }) {
        return Vec::new();
    }
    let mut workload = app.workload().clone();
    workload.spec.cluster = None;
    let mut options = Options::new("cs".parse().expect("a valid owner"));
    options.offline = true;
    options.image = Some("unbuilt".to_owned());
    options.secrets = crate::controller::set::secrets::resolve(&workload, environment);
    let issues = validate(&workload, &options).err().unwrap_or_default();
    issues
        .into_iter()
        .map(|issue| issue.into_diagnostic(&app.document))
        .filter(|finding| finding.severity == Severity::Error)
        .collect()
}
