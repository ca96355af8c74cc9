//! Findings about files that are no specs.

use crate::spec::{Diagnostic, Severity};

pub(super) fn unreadable(file: &str, message: &str) -> Diagnostic {
    about(file, "unreadable", message)
}

pub(super) fn not_utf8(file: &str) -> Diagnostic {
    about(file, "not-utf8", "is not UTF-8")
}

fn about(file: &str, code: &'static str, message: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: 0,
        column: 0,
        code,
        severity: Severity::Error,
        path: String::new(),
        message: message.to_owned(),
        help: None,
    }
}
