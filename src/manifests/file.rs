//! One file, read as text within bounds.

use std::fs::File as Handle;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::budget::Budget;
use super::findings::{about, unreadable};
use crate::spec::Diagnostic;
use crate::spec::parse::MAX_BYTES;

/// What tells a file from all others of the machine, whatever it is called.
pub(super) type Identity = (u64, u64);

/// The text of a file.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) text: Arc<str>,
    /// Not known of standard input.
    pub(super) identity: Option<Identity>,
}

/// Reads a file that was named or met. `buffer` is used for the bytes and keeps its room.
pub(super) fn read(
    path: &Path,
    shown: &str,
    budget: &Budget,
    buffer: &mut Vec<u8>,
) -> Result<Text, Diagnostic> {
    let failed = |error: io::Error| unreadable(shown, &error);
    let handle = Handle::open(path).map_err(failed)?;
    let metadata = handle.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(about(shown, "not-a-file", "is a folder, not a file", None));
    }
    // Refused before any of it is read.
    if metadata.is_file() && metadata.len() > MAX_BYTES as u64 {
        return Err(too_large(shown, metadata.len()));
    }
    Ok(Text {
        text: bounded(handle, shown, budget, buffer)?,
        identity: Some((metadata.dev(), metadata.ino())),
    })
}

/// Reads standard input.
pub(super) fn read_standard_input(shown: &str, budget: &Budget) -> Result<Text, Diagnostic> {
    let text = bounded(io::stdin().lock(), shown, budget, &mut Vec::new())?;
    Ok(Text {
        text,
        identity: None,
    })
}

fn bounded(
    source: impl Read,
    shown: &str,
    budget: &Budget,
    buffer: &mut Vec<u8>,
) -> Result<Arc<str>, Diagnostic> {
    buffer.clear();
    source
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(buffer)
        .map_err(|error| unreadable(shown, &error))?;
    if buffer.len() > MAX_BYTES {
        return Err(too_large(shown, buffer.len() as u64));
    }
    if !budget.bytes(buffer.len()) {
        let message = "the files of this call are too large together to be read at once";
        return Err(about(shown, "too-large", message, None));
    }
    match std::str::from_utf8(buffer) {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            let before = &buffer[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let finding = about(shown, "not-utf8", "is not UTF-8", Some("save it as UTF-8"));
            Err(Diagnostic {
                line: line as u64,
                ..finding
            })
        }
    }
}

fn too_large(shown: &str, bytes: u64) -> Diagnostic {
    let message = format!("has {bytes} bytes or more; at most {MAX_BYTES} are read");
    about(
        shown,
        "too-large",
        message,
        Some("split it into several files"),
    )
}
