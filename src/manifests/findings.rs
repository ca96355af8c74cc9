//! What may be wrong with files as such, whatever they hold.

use std::io;
use std::path::Path;

use crate::spec::{Diagnostic, Severity};

/// Codes of findings that say that something could not be read at all.
const UNREADABLE: [&str; 12] = [
    "not-found",
    "no-match",
    "bad-glob",
    "unreadable",
    "not-a-file",
    "not-utf8",
    "too-large",
    "too-many-files",
    "too-deep",
    "link-loop",
    "link-outside",
    "link-broken",
];

/// Whether a finding says that something could not be read at all.
pub(super) fn is_unreadable(finding: &Diagnostic) -> bool {
    UNREADABLE.contains(&finding.code)
}

/// A finding about a whole file, folder or source.
pub(super) fn about(
    file: impl Into<String>,
    code: &'static str,
    message: impl Into<String>,
    help: Option<&str>,
) -> Diagnostic {
    Diagnostic {
        file: file.into(),
        line: 0,
        column: 0,
        code,
        severity: Severity::Error,
        path: String::new(),
        message: message.into(),
        help: help.map(str::to_owned),
    }
}

/// A finding about a place in a file. Line and column from 1.
pub(super) fn at(
    file: &str,
    (line, column): (usize, usize),
    code: &'static str,
    message: impl Into<String>,
    help: Option<&str>,
) -> Diagnostic {
    Diagnostic {
        line: line as u64,
        column: column as u64,
        ..about(file, code, message, help)
    }
}

/// The disk does not give something.
pub(super) fn unreadable(file: &str, error: &io::Error) -> Diagnostic {
    use io::ErrorKind::{NotADirectory, NotFound};
    if matches!(error.kind(), NotFound | NotADirectory) {
        return about(file, "not-found", "there is no such file or folder", None);
    }
    // The kind says it in words that do not depend on the system's language.
    about(
        file,
        "unreadable",
        format!("cannot be read: {}", error.kind()),
        None,
    )
}

/// A path as it is shown: nothing in it steers a terminal.
pub(super) fn shown(path: &Path) -> String {
    crate::plain::escaped(&path.to_string_lossy()).into_owned()
}
