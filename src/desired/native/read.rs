//! Reading what a document carries or names: which text it is, whether it can be read, whether it is the document's own.

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::Value;

use super::issue::{NativeIssue, Site};
use super::specification::{self, Flaw, Lines, Specification, without_mark};
use super::{HclInputs, Inputs, Lookup, json, values};
use crate::ids::{JobId, Namespace};
use crate::manifests::{Native, NativeFormat};
use crate::spec::diagnostic::Severity;
use crate::spec::nomad_job::NomadJob;

/// A text with its place.
pub(super) struct Text {
    /// `None` for a text inside the document.
    file: Option<Arc<str>>,
    text: Arc<str>,
    lines: OnceCell<Lines>,
}

impl Text {
    pub(super) fn of(job: &NomadJob, native: Option<&Native>, text: &Arc<str>) -> Self {
        let file = native
            .filter(|_| job.spec.hcl.is_none())
            .map(|native| Arc::clone(&native.file));
        Self {
            file,
            text: Arc::clone(text),
            lines: OnceCell::new(),
        }
    }

    pub(super) fn clean(&self) -> &str {
        without_mark(&self.text)
    }

    pub(super) fn site(&self, offset: usize) -> Site {
        let lines = self.lines.get_or_init(|| Lines::of(self.clean()));
        let (line, column) = lines.place(self.clean(), offset);
        self.site_at(line, column)
    }

    pub(super) fn site_at(&self, line: u64, column: u64) -> Site {
        match &self.file {
            Some(file) => Site::File {
                file: Arc::clone(file),
                line,
                column,
                path: String::new(),
            },
            None => Site::Inline { line, column },
        }
    }

    /// The text as a whole.
    pub(super) fn whole(&self) -> Site {
        match &self.file {
            Some(_) => self.site_at(0, 0),
            None => Site::Document("spec.hcl".to_owned()),
        }
    }
}

/// Where the job is described.
pub(super) enum Body<'a> {
    Hcl(Text),
    JsonText(Text),
    Json(&'a Value),
}

/// The first of `job`, `hcl` and the file. That there is exactly one is asked by [`sources`].
pub(super) fn body<'a>(job: &'a NomadJob, native: Option<&Native>) -> Option<Body<'a>> {
    if let Some(value) = &job.spec.job {
        return Some(Body::Json(value));
    }
    if let Some(hcl) = &job.spec.hcl {
        let text: Arc<str> = hcl.as_str().into();
        return Some(Body::Hcl(Text::of(job, None, &text)));
    }
    let native = native?;
    let text = Text::of(job, Some(native), &native.text);
    Some(match native.format {
        NativeFormat::Hcl => Body::Hcl(text),
        NativeFormat::Json => Body::JsonText(text),
    })
}

/// Exactly one of `hcl`, `path` and `job`.
pub(super) fn sources(job: &NomadJob) -> Vec<NativeIssue> {
    let spec = &job.spec;
    let given = [spec.hcl.is_some(), spec.path.is_some(), spec.job.is_some()];
    if given.into_iter().filter(|given| *given).count() == 1 {
        return Vec::new();
    }
    let site = Site::Document("spec".to_owned());
    let message = "must have exactly one of `hcl`, `path` and `job`";
    vec![NativeIssue::new("native-source", site, message)]
}

/// Name and namespace must be ones that Nomad takes, whatever the specification says.
pub(super) fn metadata(job: &NomadJob) -> Vec<NativeIssue> {
    let mut issues = Vec::new();
    let mut issue = |code, path: &str, message: String| {
        issues.push(NativeIssue::new(
            code,
            Site::Document(path.to_owned()),
            message,
        ));
    };
    if let Err(invalid) = job.metadata.name.parse::<JobId>() {
        issue("name", "metadata.name", invalid.to_string());
    }
    if let Some(namespace) = &job.metadata.namespace
        && let Err(invalid) = namespace.parse::<Namespace>()
    {
        issue("namespace", "metadata.namespace", invalid.to_string());
    }
    issues
}

pub(super) type Found = (Option<Inputs>, Vec<NativeIssue>);

/// The inputs with the warnings about them, or all issues when one of them is an error.
pub(super) fn read(
    job: &NomadJob,
    native: Option<&Native>,
    environment: Lookup<'_>,
) -> Result<Found, Vec<NativeIssue>> {
    let (inputs, issues) = match body(job, native) {
        None => (None, Vec::new()),
        Some(Body::Hcl(text)) => read_hcl(&text, job, native, environment),
        Some(Body::Json(value)) => {
            let job_of = json::unwrapped(value);
            let issues = json::check(job_of, job, &json::Place::Field { value });
            (Some(Inputs::Json(job_of.clone())), issues)
        }
        Some(Body::JsonText(text)) => read_json(&text, job),
    };
    let is_error = |issue: &NativeIssue| issue.severity == Severity::Error;
    if issues.iter().any(is_error) {
        Err(issues)
    } else {
        Ok((inputs, issues))
    }
}

fn read_hcl(
    text: &Text,
    job: &NomadJob,
    native: Option<&Native>,
    environment: Lookup<'_>,
) -> Found {
    let (read, flaws) = specification::read(text.clean());
    let is_unreadable = flaws.iter().any(|flaw| flaw.code == "hcl-syntax");
    let mut issues: Vec<NativeIssue> = flaws.into_iter().map(|flaw| placed(flaw, text)).collect();
    if is_unreadable {
        return (None, issues);
    }
    issues.extend(names(&read, text, job));
    let values = values::merge(&read.variables, text, job, native, environment);
    issues.extend(values.issues);
    let inputs = HclInputs {
        text: Arc::clone(&text.text),
        given: values.given,
    };
    (Some(Inputs::Hcl(inputs)), issues)
}

fn placed(flaw: Flaw, text: &Text) -> NativeIssue {
    let issue = NativeIssue {
        help: flaw.help,
        ..NativeIssue::new(flaw.code, text.site(flaw.offset), flaw.message)
    };
    if flaw.is_warning {
        issue.warning()
    } else {
        issue
    }
}

/// The job's name and namespace are those of the metadata.
fn names(read: &Specification, text: &Text, job: &NomadJob) -> Vec<NativeIssue> {
    let mut issues = Vec::new();
    let Some(found) = &read.job else {
        return issues;
    };
    let id = found.id.as_ref().unwrap_or(&found.label);
    if !found.id_is_open && id.value != job.metadata.name {
        issues.push(other_name(text.site(id.offset), &id.value, job));
    }
    if let (Some(said), Some(wanted)) = (&found.namespace, &job.metadata.namespace)
        && said.value != *wanted
    {
        issues.push(other_namespace(text.site(said.offset), &said.value, wanted));
    }
    issues
}

pub(super) fn other_name(site: Site, said: &str, job: &NomadJob) -> NativeIssue {
    let (said, name) = (said.escape_debug(), job.metadata.name.escape_debug());
    let message = format!("the job is called `{said}`, the document `{name}`");
    NativeIssue::new("job-name", site, message)
        .help("`metadata.name` is the id of the Nomad job: give both the same name")
}

pub(super) fn other_namespace(site: Site, said: &str, wanted: &str) -> NativeIssue {
    let (said, wanted) = (said.escape_debug(), wanted.escape_debug());
    let message = format!("the job names namespace `{said}`, the document `{wanted}`");
    NativeIssue::new("job-namespace", site, message).help("leave one of them out")
}

fn read_json(text: &Text, job: &NomadJob) -> Found {
    match serde_json::from_str::<Value>(text.clean()) {
        Ok(value) => {
            let place = json::Place::Text {
                text,
                value: &value,
            };
            let issues = json::check(json::unwrapped(&value), job, &place);
            (Some(Inputs::Json(json::unwrapped(&value).clone())), issues)
        }
        Err(error) => {
            let site = text.site_at(error.line() as u64, error.column() as u64);
            let message = format!("not JSON: {}", json::fault(&error));
            (None, vec![NativeIssue::new("json-syntax", site, message)])
        }
    }
}
