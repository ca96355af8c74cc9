//! How commands end in trouble: one message, what to do next, an exit code.

use super::output;
use crate::observe;
use crate::reconcile::Outcome;

/// Prints an outcome that is no success and returns its exit code.
pub(super) fn fail(outcome: &Outcome) -> u8 {
    complain(&outcome.message(), outcome.help().as_deref());
    outcome.exit_code()
}

/// Bad usage or input that does not parse: exit code 2.
pub(super) fn usage(message: impl std::fmt::Display, help: &str) -> u8 {
    complain(
        &message.to_string(),
        Some(help).filter(|help| !help.is_empty()),
    );
    2
}

/// Prints an error for people on standard error.
pub(super) fn complain(message: &str, help: Option<&str>) {
    observe::complained(message, help);
    output::say(&format!("error: {message}"));
    if let Some(help) = help {
        output::say(&format!("  help: {help}"));
    }
}

/// Prints a detail of the error above it.
pub(super) fn detail(text: &str) {
    output::say(&format!("  - {text}"));
}

/// Prints what to do about the error above it.
pub(super) fn help(text: &str) {
    output::say(&format!("  help: {text}"));
}

/// Prints a line for people on standard error.
pub(super) fn say(message: &str) {
    output::say(message);
}

/// Prints a warning for people on standard error.
pub(super) fn warn(message: &str) {
    output::say(&format!("warning: {message}"));
}

/// Prints what was done, for people, on standard error.
pub(super) fn note(message: &str) {
    output::say(message);
}

/// Prints a finding about a file: where, what, what to do.
pub(super) fn finding(finding: &crate::spec::diagnostic::Diagnostic) {
    output::say(&format!("{finding}"));
    if let Some(help) = &finding.help {
        output::say(&format!("  help: {help}"));
    }
}
