//! One waiting event as a file: whole and checked, or set aside.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::event::{Message, short_hash};
use super::super::subject::Subject;
use crate::observe::TraceContext;

/// How the name of a waiting event ends.
const SUFFIX: &str = ".event";

/// How the name of a half-written file ends.
pub(super) const PARTIAL: &str = ".partial";

/// A waiting event and its place in the lane.
#[derive(Debug)]
pub(in crate::events) struct Entry {
    /// Ascending within the lane while anything waits.
    pub(in crate::events) position: u64,
    pub(in crate::events) message: Message,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    id: String,
    subject: Subject,
    payload: String,
    check: String,
    /// `traceparent` and `tracestate` of the run that announced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<(String, Option<String>)>,
}

/// The only version of the file format.
const VERSION: u32 = 1;

/// Returns the file of a position.
pub(super) fn path(lane: &Path, position: u64) -> PathBuf {
    lane.join(format!("{position:08}{SUFFIX}"))
}

/// Returns the position that a file name stands for.
pub(super) fn position(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

/// Writes an event so that its file is whole or absent, also after a power failure.
pub(super) fn write(lane: &Path, position: u64, message: &Message) -> io::Result<()> {
    let target = path(lane, position);
    let partial = target.with_extension(&PARTIAL[1..]);
    let mut file = create_private(&partial)?;
    file.write_all(&encode(message)?)?;
    file.sync_all()?;
    fs::rename(&partial, &target)?;
    super::sync_dir(lane)
}

/// Reads an event. `Ok(None)` means that the file is damaged.
pub(super) fn read(lane: &Path, position: u64) -> io::Result<Option<Entry>> {
    let bytes = fs::read(path(lane, position))?;
    Ok(decode(&bytes).map(|message| Entry { position, message }))
}

fn encode(message: &Message) -> io::Result<Vec<u8>> {
    let payload = std::str::from_utf8(&message.payload).map_err(io::Error::other)?;
    let document = Document {
        version: VERSION,
        id: message.id.clone(),
        subject: message.subject.clone(),
        payload: payload.to_owned(),
        check: checksum(&message.id, message.subject.as_str(), payload),
        trace: message.trace.as_ref().map(|trace| {
            let state = trace.tracestate().map(str::to_owned);
            (trace.traceparent(), state)
        }),
    };
    serde_json::to_vec(&document).map_err(io::Error::other)
}

fn decode(bytes: &[u8]) -> Option<Message> {
    let document: Document = serde_json::from_slice(bytes).ok()?;
    let expected = checksum(&document.id, document.subject.as_str(), &document.payload);
    (document.version == VERSION && document.check == expected).then(|| Message {
        id: document.id,
        subject: document.subject,
        payload: document.payload.into(),
        trace: document.trace.and_then(|(parent, state)| {
            TraceContext::parse(&parent, state.as_deref()).map(Arc::new)
        }),
    })
}

fn checksum(id: &str, subject: &str, payload: &str) -> String {
    short_hash(format!("{id}\n{subject}\n{payload}").as_bytes())
}

/// Creates or empties a file that only its owner may read.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}
