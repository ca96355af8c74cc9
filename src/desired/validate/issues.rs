//! The list of what is wrong.

use std::fmt;

use crate::spec::Document;
use crate::spec::diagnostic::Diagnostic;

/// Something that is wrong with a workload, and where. Never repeats a value of the spec, except numbers and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Stable name of the rule, e.g. `port-twice`.
    pub code: &'static str,
    /// Place in the spec, e.g. `spec.ports[1].check.timeout`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Issue {
    /// The same with the file, line and column of the document that it was found in.
    #[must_use]
    pub fn into_diagnostic(self, document: &Document) -> Diagnostic {
        document.diagnostic(self.code, &self.path, self.message, self.help)
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

/// Collects issues.
#[derive(Debug, Default)]
pub(super) struct Issues(Vec<Issue>);

impl Issues {
    pub(super) fn add(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.0.push(Issue {
            code,
            path: path.into(),
            message: message.into(),
            help: None,
        });
    }

    pub(super) fn add_with_help(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Issue {
            code,
            path: path.into(),
            message: message.into(),
            help: Some(help.into()),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_list(self) -> Vec<Issue> {
        self.0
    }
}
