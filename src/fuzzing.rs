//! Doors to readers of foreign bytes that are private to their modules, for tests that feed them anything.
//!
//! Each leads to the very code that reads such bytes in production; nothing here decides, and nothing but tests calls it.
//! Errors are texts: what is wrong with garbage is of no interest, only that it is said.

use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use crate::artifact::source::Limits;
use crate::artifact::source::archive;
use crate::artifact::source::git;
use crate::artifact::{build, registry};
use crate::clients::chain;
use crate::events;

/// Unpacks a gzip tar into a directory, which is made. Blocks.
///
/// # Errors
/// What is wrong with it.
pub fn archive(bytes: &[u8], into: &Path, limits: Limits) -> Result<u64, String> {
    let unpacked = archive::unpack_bytes(bytes, into, limits);
    unpacked
        .map(|unpacked| unpacked.files)
        .map_err(|error| chain(&error))
}

/// Unpacks a pack of Git below a directory, and checks out every commit in it. Returns how many objects it had. Blocks.
///
/// # Errors
/// What is wrong with it.
pub fn git_pack(bytes: &[u8], below: &Path, limits: &Limits) -> Result<usize, String> {
    git::unpack_bytes(bytes, below, limits).map_err(|error| chain(&error))
}

/// Reads an answer of a Git server as frames. Returns their contents; `None` stands for the end of a list or a section.
///
/// # Errors
/// What is wrong with it.
pub async fn git_packets(bytes: &[u8]) -> Result<Vec<Option<Bytes>>, String> {
    git::packets_of(bytes).await.map_err(|error| chain(&error))
}

/// Reads an image's manifest, its configuration and a challenge of its registry from the same bytes.
pub fn registry(bytes: &[u8]) {
    registry::read_anything(bytes);
}

/// Takes terminal escapes out of a program's output that comes in pieces of this size.
#[must_use]
pub fn without_escapes(bytes: &[u8], piece: usize) -> Vec<u8> {
    build::command::without_escapes(bytes, piece)
}

/// Opens the outbox below a state directory as a run would: takes over what waits, in order, and acknowledges it. Returns
/// the ids. Blocks.
///
/// # Errors
/// The directory cannot be used.
pub fn outbox(state_dir: &Path) -> Result<Vec<String>, String> {
    events::empty_outbox(state_dir)
}

/// Reads an entry of the inventory. Returns it as it would be written again.
///
/// # Errors
/// It is none.
pub fn inventory_entry(text: &str) -> Result<String, String> {
    crate::inventory::rewritten(text)
}

/// Reads a job specification in HCL as the embedded Nomad does.
///
/// # Errors
/// What is wrong with it.
pub fn jobspec(text: &str, variables: &str) -> Result<Value, String> {
    crate::simulator::parse_jobspec(text, variables)
}
