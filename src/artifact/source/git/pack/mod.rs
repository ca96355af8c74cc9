//! Packs: objects as they are sent and kept, most of them compressed, some as differences to others.
//!
//! A pack is read twice: once as it arrives, when every object is found, hashed and written down ([`unpack`]), and again
//! whenever an object is needed ([`Objects`]). Both read a little at a time, so that neither the size of the pack nor that
//! of an object matters for the memory. Source: git, `gitformat-pack`.

mod delta;
mod idx;
mod incoming;
mod objects;
mod receive;
mod resolve;
mod spool;
#[cfg(test)]
mod tests;

use git2::{ObjectType, Oid};

pub(super) use idx::{Summed, write_index};
pub(super) use incoming::Incoming;
pub(super) use objects::{Content, Objects};
pub(super) use receive::Bounds;
pub(super) use spool::Spool;

use super::fault::Fault;

/// Objects up to this size are held in memory while they are worked on: 4 MiB. Larger ones go through files.
const IN_MEMORY: u64 = 4 << 20;

/// Bytes that are read or written at a time.
const PIECE: usize = 64 << 10;

/// Length of the checksum behind a pack.
const TRAILER: u64 = 20;

/// Stands for "no base".
const NONE: u32 = u32::MAX;

/// Reads a pack while it arrives, until all of its objects are known.
pub(super) fn unpack(incoming: Incoming, spool: Spool, bounds: &Bounds) -> Result<Objects, Fault> {
    resolve::resolve(receive::receive(incoming, spool, bounds)?)
}

/// Where an object is in the pack. Half a million of them take 24 MB.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Of its header, from the beginning of the pack.
    offset: u64,
    /// Of the object itself, in bytes.
    pub(super) size: u64,
    /// All zero until it is known.
    pub(super) id: Oid,
    /// Of its bytes in the pack.
    crc: u32,
    /// The object that this one is a difference to.
    base: u32,
    /// Of a difference: that of its base, once that is known.
    pub(super) kind: Kind,
    /// Bytes before the compressed data.
    header: u8,
    /// Whether another object is a difference to this one.
    is_base: bool,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
    /// A difference whose base has not been worked out.
    Unknown,
}

impl Kind {
    fn object_type(self) -> ObjectType {
        match self {
            Self::Commit => ObjectType::Commit,
            Self::Tree => ObjectType::Tree,
            Self::Blob => ObjectType::Blob,
            Self::Tag => ObjectType::Tag,
            Self::Unknown => ObjectType::Any,
        }
    }
}
