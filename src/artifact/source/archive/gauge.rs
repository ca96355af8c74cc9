//! What is counted while an archive is unpacked, and the first thing that goes wrong.
//!
//! Readers stand behind `std::io::Read` and can only fail with an [`io::Error`], which travels through two libraries. So the
//! reason is left here, and whoever gets the error takes it from here.

use std::cell::{Cell, RefCell};
use std::io;

use tokio_util::sync::CancellationToken;

use super::error::ArchiveError;
use crate::artifact::source::Limits;

/// Most bytes in front of an entry: its header, long names, extended attributes, the map of a sparse file.
///
/// They are held in memory, whereas nothing else is. Names have at most some 8 KiB, attributes on Linux 64 KiB.
pub(super) const HEADERS: u64 = 256 << 10;

/// What is read of each entry apart from its content: its header and the padding of its content, with room for names.
const AROUND_AN_ENTRY: u64 = 2048;

/// Counts of one unpacking. Used by one thread.
#[derive(Debug)]
pub(super) struct Gauge {
    limits: Limits,
    halt: CancellationToken,
    pulled: Cell<u64>,
    inflated: Cell<u64>,
    written: Cell<u64>,
    entries: Cell<u64>,
    /// Of the entry that is being read, from 1.
    number: Cell<u64>,
    /// Of the entry whose headers are being read.
    headers_left: Cell<Option<u64>>,
    ended: Cell<bool>,
    fault: RefCell<Option<ArchiveError>>,
}

impl Gauge {
    pub(super) fn new(limits: Limits, halt: CancellationToken) -> Self {
        Self {
            limits,
            halt,
            pulled: Cell::new(0),
            inflated: Cell::new(0),
            written: Cell::new(0),
            entries: Cell::new(0),
            number: Cell::new(0),
            headers_left: Cell::new(None),
            ended: Cell::new(false),
            fault: RefCell::new(None),
        }
    }

    /// Bytes written to files so far.
    pub(super) fn written(&self) -> u64 {
        self.written.get()
    }

    /// Counts bytes of the download.
    pub(super) fn pull(&self, bytes: usize) {
        self.pulled.set(self.pulled.get() + bytes as u64);
    }

    /// Counts decompressed bytes, whatever becomes of them.
    pub(super) fn inflate(&self, bytes: usize) -> Result<(), ArchiveError> {
        let bytes = bytes as u64;
        if let Some(left) = self.headers_left.get() {
            let left = left
                .checked_sub(bytes)
                .ok_or(ArchiveError::HeaderTooLarge {
                    number: self.number.get(),
                    limit: HEADERS,
                })?;
            self.headers_left.set(Some(left));
        }
        let inflated = self.inflated.get() + bytes;
        self.inflated.set(inflated);
        let around = self.limits.entries.saturating_mul(AROUND_AN_ENTRY);
        if inflated > self.limits.unpacked_bytes.saturating_add(around) {
            return Err(self.too_large());
        }
        self.weigh(inflated)
    }

    /// Counts bytes before they are written. A sparse file has more of them than are decompressed.
    pub(super) fn write(&self, bytes: usize) -> Result<(), ArchiveError> {
        let written = self.written.get() + bytes as u64;
        self.written.set(written);
        if written > self.limits.unpacked_bytes {
            return Err(self.too_large());
        }
        self.weigh(written)
    }

    /// Counts something that will stand on the disk, or an entry of the archive.
    pub(super) fn entry(&self) -> Result<(), ArchiveError> {
        let entries = self.entries.get() + 1;
        self.entries.set(entries);
        if entries > self.limits.entries {
            return Err(ArchiveError::TooManyEntries {
                limit: self.limits.entries,
            });
        }
        Ok(())
    }

    /// From now on the headers of the next entry are read, until [`Gauge::content`].
    pub(super) fn headers(&self) {
        self.number.set(self.number.get() + 1);
        self.headers_left.set(Some(HEADERS));
    }

    /// From now on the content of an entry is read.
    pub(super) fn content(&self) {
        self.headers_left.set(None);
    }

    /// Notes that no more will come out of the gzip data.
    pub(super) fn end(&self) {
        self.ended.set(true);
    }

    /// # Errors
    /// The caller wants no more.
    pub(super) fn go_on(&self) -> Result<(), ArchiveError> {
        if self.halt.is_cancelled() {
            return Err(ArchiveError::Stopped);
        }
        Ok(())
    }

    /// Leaves the reason here and gives an error to fail with. The first reason is the one that counts.
    pub(super) fn fail(&self, reason: ArchiveError) -> io::Error {
        self.fault.borrow_mut().get_or_insert(reason);
        io::Error::other("see the gauge")
    }

    /// Whether a reason has been left.
    pub(super) fn failed(&self) -> bool {
        self.fault.borrow().is_some()
    }

    /// Why reading failed: the reason that was left, else the end of the data, else what the parser says.
    pub(super) fn reason(&self, error: io::Error) -> ArchiveError {
        if let Some(reason) = self.fault.borrow_mut().take() {
            return reason;
        }
        let number = self.number.get();
        match (self.ended.get(), number) {
            // Less than one header, or what is no header.
            (_, 1) if self.inflated.get() <= 512 => ArchiveError::NotTar,
            (true, _) => ArchiveError::Truncated { what: "tar data" },
            (false, _) => ArchiveError::Tar {
                number,
                source: error,
            },
        }
    }

    fn too_large(&self) -> ArchiveError {
        ArchiveError::UnpackedTooLarge {
            limit: self.limits.unpacked_bytes,
        }
    }

    fn weigh(&self, unpacked: u64) -> Result<(), ArchiveError> {
        let ratio = self.limits.ratio;
        if unpacked > Limits::RATIO_FREE_BYTES && unpacked / ratio.max(1) > self.pulled.get() {
            return Err(ArchiveError::Bomb { ratio });
        }
        Ok(())
    }
}
