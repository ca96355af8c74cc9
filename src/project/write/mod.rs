//! Params of a deployment → `cloudstation.hcl` and `vars.hcl`. Source: contract 7.2, 7.3.
//!
//! Built of values, so nothing in a param is ever read as HCL. Credentials are referred to, as in every file that `cs`
//! writes. Where the replaced program lost or broke something (contract 10), it is written as it was meant.

mod project;
pub mod starter;
mod vars;

use hcl::Expression;
use hcl::expr::{FuncCall, Object, ObjectKey};

use crate::compile::hcl::text;
use crate::dispatch::{DeployParams, DeployPlatform, RunContext};
use crate::spec::Workload;

/// Name of the file with the pack's variables.
pub const VARS_FILE: &str = "vars.hcl";

/// Both files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `cloudstation.hcl`.
    pub project: String,
    /// `vars.hcl`; `None` where nothing is deployed.
    pub vars: Option<String>,
    /// What the files cannot say.
    pub warnings: Vec<String>,
}

/// Why params have no project file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotWrite {
    /// Projects and apps have narrower names than jobs.
    #[error(
        "jobId: a project is named after the job, and project names have only letters, digits, `-` and `_`"
    )]
    Name,
}

/// Writes both files.
///
/// # Errors
/// The job's name is none that a project can have.
pub fn write(
    params: &DeployParams,
    workload: &Workload,
    context: &RunContext,
) -> Result<Written, CannotWrite> {
    if !super::app::is_name(&params.base.job_id) || params.base.job_id.is_empty() {
        return Err(CannotWrite::Name);
    }
    let deploys = context.platform == DeployPlatform::NomadPack;
    let mut warnings = Vec::new();
    if workload.spec.source.git.is_some() || workload.spec.source.archive.is_some() {
        warnings.push(
            "where the sources are is not part of the file: put it at the top of them".to_owned(),
        );
    }
    if params.base.csi_volume.len() > 1 {
        warnings.push("csiVolume: the file has room for the first volume only".to_owned());
    }
    Ok(Written {
        project: project::file(params, workload, deploys),
        vars: deploys.then(|| vars::file(params)),
        warnings,
    })
}

fn printed(body: &hcl::Body) -> String {
    hcl::format::to_string(body).expect("writing to memory cannot fail")
}

/// `env("NAME")`.
fn from_environment(name: &str) -> Expression {
    FuncCall::builder("env").arg(text(name)).build().into()
}

fn list(items: impl IntoIterator<Item = Expression>) -> Expression {
    Expression::Array(items.into_iter().collect())
}

fn texts<'a>(items: impl IntoIterator<Item = &'a String>) -> Expression {
    list(items.into_iter().map(|item| text(item)))
}

/// A map whose keys are plain words.
fn object(members: impl IntoIterator<Item = (&'static str, Expression)>) -> Expression {
    let members: Object<ObjectKey, Expression> = members
        .into_iter()
        .map(|(key, value)| (ObjectKey::from(hcl::Identifier::unchecked(key)), value))
        .collect();
    Expression::Object(members)
}

/// A text that a project file gives back as it is.
///
/// Texts of a project file are expanded (`$X`, `env("X")`), and params never are: such a text is joined of parts that are no
/// references, and what is joined is left alone.
fn plain(value: &str) -> Expression {
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find("$").into_iter().chain(rest.find("env(")).min() {
        let (part, tail) = rest.split_at(at + 1);
        parts.push(part);
        rest = tail;
    }
    if parts.is_empty() {
        return text(value);
    }
    parts.push(rest);
    let joined = parts.into_iter().filter(|part| !part.is_empty());
    let call = joined.fold(FuncCall::builder("concat"), |call, part| {
        call.arg(text(part))
    });
    call.build().into()
}

/// A map whose keys come from outside.
fn map<'a>(members: impl IntoIterator<Item = (&'a String, &'a String)>) -> Expression {
    let members: Object<ObjectKey, Expression> = members
        .into_iter()
        .map(|(key, value)| (ObjectKey::Expression(plain(key)), plain(value)))
        .collect();
    Expression::Object(members)
}
