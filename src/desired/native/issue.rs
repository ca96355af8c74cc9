//! What is wrong with a native job, in the document or in a text that it names.

use std::sync::Arc;

use crate::spec::diagnostic::{Diagnostic, Severity};
use crate::spec::{Document, Resource};

/// Something that is wrong with a native job, and where. Never repeats a value, except names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeIssue {
    /// Stable name of the rule, e.g. `job-name`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub site: Site,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Where something is wrong. A native job is made of several texts, and most mistakes stand in none of the document's
/// own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// In a field of the document, e.g. `spec.variables.region`.
    Document(String),
    /// In the specification that the document itself carries as `spec.hcl`: line and column from 1.
    Inline {
        /// Line of the text.
        line: u64,
        /// Column of the text, in characters.
        column: u64,
    },
    /// In a file that the document or a flag names.
    File {
        /// As it is shown.
        file: Arc<str>,
        /// From 1; 0 for the whole file.
        line: u64,
        /// From 1, in characters; 0 for the whole line.
        column: u64,
        /// Place inside a JSON job, e.g. `TaskGroups[0].RestartPolicy.Delay`; empty in HCL.
        path: String,
    },
}

impl NativeIssue {
    pub(super) fn new(code: &'static str, site: Site, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            site,
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same as a finding about a file. `document` is the one that was checked.
    #[must_use]
    pub fn into_diagnostic(self, document: &Document) -> Diagnostic {
        let Self {
            code,
            severity,
            site,
            message,
            help,
        } = self;
        match site {
            Site::Document(path) => Diagnostic {
                severity,
                ..document.diagnostic(code, &path, message, help)
            },
            Site::Inline { line, column } => {
                inline(document, code, severity, line, column, message, help)
            }
            Site::File {
                file,
                line,
                column,
                path,
            } => Diagnostic {
                file: file.to_string(),
                line,
                column,
                code,
                severity,
                path,
                message,
                help,
            },
        }
    }
}

/// A place inside `spec.hcl`, as a place of the YAML file where the text stands there line by line (`hcl: |`), else at
/// the field with the line of the text in the message.
fn inline(
    document: &Document,
    code: &'static str,
    severity: Severity,
    line: u64,
    column: u64,
    message: String,
    help: Option<String>,
) -> Diagnostic {
    const FIELD: &str = "spec.hcl";
    let finding = |message| Diagnostic {
        severity,
        ..document.diagnostic(code, FIELD, message, help.clone())
    };
    let text = match &document.resource {
        Resource::NomadJob(job) => job.spec.hcl.as_deref().unwrap_or_default(),
        Resource::Workload(_) => "",
    };
    let (start, _) = document.locate(FIELD);
    // A block scalar is placed at its first line, or at its key.
    let bases = [start.saturating_sub(1), start];
    let mut places = bases.iter().filter_map(|base| {
        let indent = indent_of(document.text(), text, *base, line)?;
        indent_of(document.text(), text, *base, 1)?;
        Some((base + line, indent + column))
    });
    match places.next() {
        Some((line, column)) => Diagnostic {
            line,
            column,
            ..finding(message)
        },
        None => finding(format!(
            "line {line}, column {column} of the text: {message}"
        )),
    }
}

/// By how much a line of a block scalar is indented in the YAML, if it stands `base` lines further down there.
fn indent_of(yaml: &str, text: &str, base: u64, line: u64) -> Option<u64> {
    let nth = |text: &'_ str, line: u64| {
        let at = usize::try_from(line.checked_sub(1)?).ok()?;
        text.lines().nth(at).map(str::to_owned)
    };
    let written = nth(yaml, base + line)?;
    let indent = written.strip_suffix(nth(text, line)?.as_str())?;
    let is_indent = indent.chars().all(|c| c == ' ');
    is_indent.then(|| indent.chars().count() as u64)
}
