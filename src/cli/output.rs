//! What is printed: whole lines, in order, also from several tasks. A reader that went away is no error.
//!
//! The doors of the process. Nothing gets out of them that steers a terminal (`crate::plain`), wherever it came from: text
//! for people has it replaced, JSON has it escaped. What steers here on purpose are our own colours, and they only where
//! colours are wanted.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::sync::OnceLock;

use super::progress::aside;
use crate::plain;

/// Clears the screen and begins at its top.
const REDRAW: &str = "\u{1b}[H\u{1b}[2J";

/// Where colours may pass.
#[derive(Debug, Clone, Copy, Default)]
struct Colours {
    stdout: bool,
    stderr: bool,
}

static COLOURS: OnceLock<Colours> = OnceLock::new();

/// Says once and for all where colours are wanted. Until then: nowhere.
pub(super) fn start(stdout: bool, stderr: bool) {
    // A second call changes nothing.
    let _ = COLOURS.set(Colours { stdout, stderr });
}

fn colours() -> Colours {
    COLOURS.get().copied().unwrap_or_default()
}

fn cleaned(text: &str, with_colours: bool) -> Cow<'_, str> {
    match with_colours {
        true => plain::coloured(text),
        false => plain::text(text),
    }
}

/// Writes one line for people to standard output.
///
/// A closed pipe (`cs … | head`) is no reason to abandon a rollout that is under way, so write errors are dropped.
pub(super) fn line(text: &str) {
    put(&format!("{}\n", cleaned(text, colours().stdout)));
}

/// Writes text for people to standard output.
pub(super) fn raw(text: &str) {
    put(&cleaned(text, colours().stdout));
}

/// Writes one JSON document and a line feed to standard output.
pub(super) fn json(text: &str) {
    put(&format!("{}\n", plain::json(text)));
}

/// Writes JSON as it is laid out to standard output.
pub(super) fn raw_json(text: &str) {
    put(&plain::json(text));
}

/// Writes YAML, HCL and other text for programs to standard output: as it is into files and pipes, where a changed value would
/// be a wrong one, and harmless on a terminal.
pub(super) fn data(text: &str) {
    match io::stdout().is_terminal() {
        true => raw(text),
        false => put(text),
    }
}

fn put(text: &str) {
    aside(|| {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    });
}

/// Writes bytes as they are to standard output, for commands that go on for ever: they end when nobody reads any more.
/// Whoever calls has made them harmless.
///
/// # Errors
/// The reader went away.
pub(super) fn try_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Writes text for people, in place of the whole screen if wanted.
///
/// # Errors
/// The reader went away.
pub(super) fn try_screen(text: &str, redraws: bool) -> io::Result<()> {
    let text = cleaned(text, colours().stdout);
    match redraws {
        true => try_bytes(format!("{REDRAW}{text}").as_bytes()),
        false => try_bytes(text.as_bytes()),
    }
}

/// Writes one line for people to standard error.
pub(super) fn say(text: &str) {
    talk(&format!("{text}\n"));
}

/// Writes text for people to standard error.
pub(super) fn talk(text: &str) {
    let mut out = io::stderr().lock();
    // Nobody is told when the terminal has gone.
    let _ = out
        .write_all(cleaned(text, colours().stderr).as_bytes())
        .and_then(|()| out.flush());
}

/// A log record made harmless: its further lines are indented, so that none of them looks like a record of its own.
pub(super) fn record(bytes: &[u8]) -> String {
    let text = plain::of_bytes(bytes, colours().stderr);
    match text.strip_suffix('\n') {
        Some(body) if body.contains('\n') => format!("{}\n", body.replace('\n', "\n    ")),
        _ => text,
    }
}
