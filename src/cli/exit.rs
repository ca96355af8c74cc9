//! How commands end in trouble: one message, what to do next, an exit code.

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
#[expect(clippy::print_stderr, reason = "only cli prints")]
pub(super) fn complain(message: &str, help: Option<&str>) {
    observe::complained(message, help);
    eprintln!("error: {message}");
    if let Some(help) = help {
        eprintln!("  help: {help}");
    }
}

/// Prints a detail of the error above it.
#[expect(clippy::print_stderr, reason = "only cli prints")]
pub(super) fn detail(text: &str) {
    eprintln!("  - {text}");
}

/// Prints what to do about the error above it.
#[expect(clippy::print_stderr, reason = "only cli prints")]
pub(super) fn help(text: &str) {
    eprintln!("  help: {text}");
}

/// Prints a line for people on standard error.
#[expect(clippy::print_stderr, reason = "only cli prints")]
pub(super) fn say(message: &str) {
    eprintln!("{message}");
}

/// Prints a warning for people on standard error.
#[expect(clippy::print_stderr, reason = "only cli prints")]
pub(super) fn warn(message: &str) {
    eprintln!("warning: {message}");
}

/// Prints what was done, for people, on standard error.
#[expect(clippy::print_stderr, reason = "only cli prints")]
pub(super) fn note(message: &str) {
    eprintln!("{message}");
}

/// Prints a finding about a file: where, what, what to do.
#[expect(clippy::print_stderr, reason = "only cli prints")]
pub(super) fn finding(finding: &crate::spec::diagnostic::Diagnostic) {
    eprintln!("{finding}");
    if let Some(help) = &finding.help {
        eprintln!("  help: {help}");
    }
}
