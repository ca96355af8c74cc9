//! Standard output: whole lines, in order, also from several tasks. A reader that went away is no error.

use std::io::{self, Write};

use super::progress::aside;

/// Writes one line to standard output.
///
/// A closed pipe (`cs … | head`) is no reason to abandon a rollout that is under way, so write errors are dropped.
pub(super) fn line(text: &str) {
    aside(|| {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    });
}

/// Writes bytes as they are to standard output; steps aside for the live tree.
pub(super) fn bytes(bytes: &[u8]) {
    aside(|| {
        let mut out = io::stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    });
}

/// Writes text as it is to standard output.
pub(super) fn raw(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes bytes as they are to standard output, for commands that go on for ever: they end when nobody reads any more.
///
/// # Errors
/// The reader went away.
pub(super) fn try_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}
