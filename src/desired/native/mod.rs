//! Kind `NomadJob`: from the document, and the texts that it names, to the Nomad job as JSON.
//!
//! [`check`](fn@check) finds what is wrong without a cluster · [`inputs`] is what decides the job: a JSON job, or HCL with
//! the values of its variables · Nomad parses HCL ([`NomadClient::parse`](crate::clients::nomad::NomadClient::parse)), and
//! [`refused`] places what it does not like · [`finish`](fn@finish) makes the job that is compared and registered ·
//! [`digest`] recognises unchanged inputs, so that they need no parsing · [`submission`] is what Nomad keeps beside it.
//!
//! HCL is evaluated by Nomad alone: its functions, `dynamic` blocks and conversions are its own, and a second evaluator
//! would differ somewhere. What can be said without evaluating is said here. Pure.

mod finish;
mod issue;
mod json;
mod json_place;
mod literal;
mod read;
mod record;
mod specification;
mod types;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::clients::nomad::calls::parse::ParseFault;
use crate::manifests::{Native, NativeFormat};
use crate::spec::diagnostic::Severity;
use crate::spec::nomad_job::NomadJob;
use read::{Body, Text, body, metadata, read, sources};
use specification::{Specification, without_mark};
use values::Given;

pub use finish::finish;
pub use issue::{NativeIssue, Site};
pub use record::{digest, submission};
pub use values::ENVIRONMENT_PREFIX;

/// Answers the value of an environment variable by its whole name, e.g. `NOMAD_VAR_region`.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What decides a native job.
#[derive(Clone, PartialEq)]
pub enum Inputs {
    /// HCL: Nomad has to parse it.
    Hcl(HclInputs),
    /// The job itself.
    Json(Value),
}

/// A specification in HCL with the values of its variables.
#[derive(Clone, PartialEq)]
pub struct HclInputs {
    /// The specification, as it was written.
    pub text: Arc<str>,
    /// By variable: only those that the specification declares.
    given: BTreeMap<String, Given>,
}

impl HclInputs {
    /// The values as the text of one variable file; empty without any. May hold secrets.
    #[must_use]
    pub fn variables(&self) -> String {
        self.given
            .values()
            .map(|given| given.attribute.as_str())
            .collect()
    }

    /// Values that need no evaluation, by variable; `None` when one does.
    #[must_use]
    pub fn plain_values(&self) -> Option<BTreeMap<String, Value>> {
        let plain = self.given.iter();
        plain
            .map(|(name, given)| Some((name.clone(), given.value.clone()?)))
            .collect()
    }
}

impl fmt::Debug for Inputs {
    /// Never shows texts and values, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hcl(inputs) => inputs.fmt(f),
            Self::Json(_) => f.write_str("Json(..)"),
        }
    }
}

impl fmt::Debug for HclInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HclInputs")
            .field("text_bytes", &self.text.len())
            .field("variables", &self.given.keys())
            .finish()
    }
}

/// What a specification says about itself without being evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Id of the job.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its scheduler: `service`, `batch`, `system` or `sysbatch`. Without one it is `service`.
    pub job_type: Option<String>,
}

/// Reads what a specification says about itself, e.g. to make a document of a bare file. What cannot be read is absent.
#[must_use]
pub fn identity(text: &str, format: NativeFormat) -> Identity {
    match format {
        NativeFormat::Hcl => {
            let (read, _) = specification::read(without_mark(text));
            hcl_identity(&read)
        }
        NativeFormat::Json => serde_json::from_str(without_mark(text))
            .ok()
            .map(|value: Value| json::identity(json::unwrapped(&value)))
            .unwrap_or_default(),
    }
}

fn hcl_identity(read: &Specification) -> Identity {
    let Some(job) = &read.job else {
        return Identity::default();
    };
    let id = job.id.as_ref().or(Some(&job.label));
    let id = id.filter(|_| !job.id_is_open);
    let text = |at: &specification::At<String>| at.value.clone();
    Identity {
        name: id.map(text),
        namespace: job.namespace.as_ref().map(text),
        job_type: job.job_type.as_ref().map(text),
    }
}

/// The same for a document: what `spec.hcl`, `spec.job` or the file says, and the namespace of the metadata first.
#[must_use]
pub fn identity_of(job: &NomadJob, native: Option<&Native>) -> Identity {
    let said = match body(job, native) {
        Some(Body::Hcl(text)) => identity(text.clean(), NativeFormat::Hcl),
        Some(Body::JsonText(text)) => identity(text.clean(), NativeFormat::Json),
        Some(Body::Json(value)) => json::identity(json::unwrapped(value)),
        None => Identity::default(),
    };
    Identity {
        namespace: job.metadata.namespace.clone().or(said.namespace),
        ..said
    }
}

/// Names of the variables that a native job declares; empty for JSON. A flag that none of a set's jobs declares is a slip.
#[must_use]
pub fn declared_variables(job: &NomadJob, native: Option<&Native>) -> Vec<String> {
    match body(job, native) {
        Some(Body::Hcl(text)) => {
            let (read, _) = specification::read(text.clean());
            read.variables.into_keys().collect()
        }
        Some(Body::Json(_) | Body::JsonText(_)) | None => Vec::new(),
    }
}

/// Checks a native job without a cluster: everything that is wrong, in the order of the texts.
///
/// `native` holds the texts that the document names. Without it only what the document itself carries is checked:
/// whoever could not read the file has said so.
#[must_use]
pub fn check(job: &NomadJob, native: Option<&Native>, environment: Lookup<'_>) -> Vec<NativeIssue> {
    let mut issues = metadata(job);
    issues.extend(sources(job));
    match read(job, native, environment) {
        Ok((_, warnings)) => issues.extend(warnings),
        Err(found) => issues.extend(found),
    }
    bounded(issues)
}

/// Most findings about one document. More help nobody, and each of them costs a look into the text.
const MOST: usize = 100;

fn bounded(mut issues: Vec<NativeIssue>) -> Vec<NativeIssue> {
    let Some(rest) = issues.get(MOST..).filter(|rest| !rest.is_empty()) else {
        return issues;
    };
    let message = format!("{} more findings are not shown", rest.len());
    let site = Site::Document(String::new());
    let last = NativeIssue {
        // An error among them stays one.
        severity: rest
            .iter()
            .map(|issue| issue.severity)
            .min()
            .unwrap_or(Severity::Warning),
        ..NativeIssue::new("too-many", site, message)
    };
    issues.truncate(MOST);
    issues.push(last);
    issues
}

/// Reads what decides the job.
///
/// # Errors
/// What [`check`](fn@check) says about the texts, as far as it keeps them from being used.
pub fn inputs(
    job: &NomadJob,
    native: Option<&Native>,
    environment: Lookup<'_>,
) -> Result<Inputs, Vec<NativeIssue>> {
    match read(job, native, environment)? {
        (Some(inputs), _) => Ok(inputs),
        (None, _) => Err(sources(job)),
    }
}

/// Places what Nomad's parser refused: a line of the specification, or the place of a variable's value.
#[must_use]
pub fn refused(
    faults: &[ParseFault],
    job: &NomadJob,
    native: Option<&Native>,
    inputs: &HclInputs,
) -> Vec<NativeIssue> {
    let whole = Text::of(job, native, &inputs.text);
    let site = |fault: &ParseFault| {
        let line = fault.line?;
        if !fault.in_variables {
            return Some(whole.site_at(line, fault.column));
        }
        let mut next = 1;
        inputs.given.values().find_map(|given| {
            next += given.attribute.lines().count() as u64;
            (line < next).then(|| given.site.clone())
        })
    };
    faults
        .iter()
        .map(|fault| {
            let site = site(fault).unwrap_or_else(|| whole.whole());
            NativeIssue::new("nomad-parse", site, fault.message.clone())
        })
        .collect()
}
