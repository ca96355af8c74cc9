//! What is wrong with a file, and where: the one form in which all findings are reported.

use std::fmt;

use serde::Serialize;

/// One finding about one file. The members of a finding in JSON reports (docs: `schemas/reports/`).
///
/// Messages never repeat values of the file, because one of them may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// As it was given on the command line.
    pub file: String,
    /// From 1; 0 when the finding concerns the whole file.
    pub line: u64,
    /// In characters, from 1; 0 when the finding concerns the whole line or file.
    pub column: u64,
    /// Stable name of the rule, e.g. `unknown-field`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Place inside the document, e.g. `spec.ports[0].check`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but somebody should look.
    Warning,
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: error[code]: message (path)`, as compilers and editors write it. Without line and column where
    /// they are 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {severity}[{}]: {}", self.code, self.message)?;
        if !self.path.is_empty() {
            write!(f, " (`{}`)", self.path)?;
        }
        Ok(())
    }
}
