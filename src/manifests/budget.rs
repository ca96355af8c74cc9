//! How much is read at most, over all sources of a request.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Files of one request.
pub(super) const MOST_FILES: usize = 100_000;

/// Folders inside each other below a named one.
pub(super) const MOST_DEPTH: usize = 64;

/// Bytes of all files together: 512 MiB. They stay in memory as long as their documents do.
const MOST_BYTES: usize = 512 << 20;

/// What is left.
#[derive(Debug, Default)]
pub(super) struct Budget {
    files: AtomicUsize,
    bytes: AtomicUsize,
}

impl Budget {
    /// Takes one more file into account and says whether that is still fine.
    pub(super) fn file(&self) -> bool {
        self.files.fetch_add(1, Ordering::Relaxed) < MOST_FILES
    }

    /// Takes the text of a file into account and says whether that is still fine.
    pub(super) fn bytes(&self, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST_BYTES
    }
}
